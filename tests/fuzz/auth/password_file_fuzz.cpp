// SPDX-License-Identifier: Apache-2.0
// Any text as a password file: parsing is total, every entry survives being written and read
// again, and edits leave the other users alone.
#include "base/assert.hpp"
#include "broker/auth/password_edit.hpp"
#include "broker/auth/password_file.hpp"
#include "broker/auth/text_file.hpp"

#include <cstdint>
#include <string_view>

namespace {

using namespace gv;
using namespace gv::auth;

void check_round_trip(std::string_view line) {
    const auto colon = line.find(':');
    const auto text = trimmed(line.substr(std::min(colon, line.size() - 1) + 1));
    if (const auto kept = parse_credential(text)) {
        const auto again = parse_credential(format_credential(*kept));
        BROKER_ASSERT(again && format_credential(*again) == format_credential(*kept),
                      "an entry changes when written and read");
    }
}

void check_edits(std::string_view text, const password_table& table) {
    const std::string entry = "$6$AAAA$" + std::string(86, 'A') + "==";
    const std::string with = with_user(text, "somebody new", {entry});
    const auto more = parse_password_file(with, "p");
    const bool was_there = table.find("somebody new") != nullptr;
    BROKER_ASSERT(more.table->find("somebody new") != nullptr, "an added user is not there");
    BROKER_ASSERT(more.table->size() == table.size() + (was_there ? 0 : 1), "others were touched");
    const auto less = parse_password_file(with_user(with, "somebody new", {}), "p");
    BROKER_ASSERT(less.table->size() == table.size() - (was_there ? 1 : 0), "a removal failed");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto load = parse_password_file(text, "p");
    for (line_reader lines(text); lines.advance();) {
        if (!lines.line().empty()) {
            check_round_trip(lines.line());
        }
    }
    check_edits(text, *load.table);
    const auto hashed = with_hashed_passwords(
        text, "p", [](std::string_view) { return std::vector<std::string>{"$6$x"}; });
    BROKER_ASSERT(hashed || !hashed.error().empty(), "a failure without a reason");
    return 0;
}
