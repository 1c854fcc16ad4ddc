// SPDX-License-Identifier: Apache-2.0
// Messages of a SCRAM client, one a line. No bytes lead to success (the fuzzer does not know the
// password), and nothing follows a failure.
#include "base/assert.hpp"
#include "broker/auth/scram.hpp"
#include "broker/auth/text_file.hpp"

#include <cstdint>
#include <string_view>

namespace {

using namespace gv;
using namespace gv::auth;

const scram_sha256& method() {
    static const scram_sha256 made(
        parse_password_file(
            "user:" + format_credential(make_scram_credential("not in the corpus", 4'096)), "p")
            .table,
        "secret", [] { return std::string("server"); });
    return made;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    line_reader lines({reinterpret_cast<const char*>(data), size});
    const auto run = method().begin({});
    bool is_first = true;
    bool has_failed = false;
    while (lines.advance()) {
        const auto step = is_first ? run->start(lines.line()) : run->next(lines.line());
        is_first = false;
        BROKER_ASSERT(step.state != exchange_state::success, "in without the password");
        BROKER_ASSERT(!has_failed || step.state == exchange_state::failure, "life after failure");
        has_failed = step.state == exchange_state::failure;
        BROKER_ASSERT(!has_failed || !step.rule.empty(), "a failure without a reason");
    }
    return 0;
}
