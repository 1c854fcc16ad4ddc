// SPDX-License-Identifier: Apache-2.0
// Any text as exported lines: each is refused with a reason, or what it adds is a whole row that
// goes out again as a line which is taken.
#include "base/assert.hpp"
#include "broker/server/store_export.hpp"
#include "broker/server/store_lines.hpp"
#include "storage/row_check.hpp"
#include "tests/support/prompt_store.hpp"

#include <cstdint>

namespace {

using namespace gv;
using storage::table;

const storage::rows nothing;

/// Line by line.
void add(std::string_view text, storage::prompt_store& store, bool must_be_good) {
    const storage::row_source before(nothing);
    server::store_import to(store, before);
    server::line_importer lines("x", &to, boot_id{1});
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const auto read = lines.read(text.substr(0, end));
        BROKER_ASSERT(read || (!must_be_good && !read.error().what.empty()),
                      "an exported line is taken");
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    lines.finish();
    BROKER_ASSERT(to.finish().has_value(), "a store in memory takes everything");
}

std::string lines_of(const storage::prompt_store& store) {
    std::string text;
    const auto made = server::export_lines(storage::row_source(store.all()),
                                           [&text](std::string_view line) { text.append(line); });
    BROKER_ASSERT(made.is_readable, "a store in memory can be read");
    // A row may name a body that no line had: only its bucket was seen.
    for (const auto& [what, count] : made.left_out) {
        BROKER_ASSERT(what == "queued messages that are broken", "every other row is whole");
    }
    return text;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    storage::prompt_store store;
    add({reinterpret_cast<const char*>(data), size}, store, false);
    for (const auto& each : check_rows(storage::row_source(store.all())).tables) {
        BROKER_ASSERT(each.broken == 0 && each.stray == 0, "every row is whole and has a session");
    }
    storage::prompt_store again;
    const std::string lines = lines_of(store);
    add(lines, again, true);
    BROKER_ASSERT(lines.substr(lines.find('\n')) == lines_of(again).substr(lines.find('\n')),
                  "the same lines come out again");
    return 0;
}
