// SPDX-License-Identifier: Apache-2.0
// Rows that a shard writes down for somebody else.
#include "tests/support/stored_script.hpp"

#include <gmock/gmock.h>

namespace gv::support {
namespace {

using storage::table;
using testing::ElementsAre;

[[nodiscard]] storage::batch one_row(std::string_view key, std::string_view value = "v") {
    storage::batch made;
    made.put(table::routes, key, value);
    return made;
}

TEST(KeepRows, WritesThemInTheirOrderAndSoon) {
    stored_script s;
    s.stop_disk();
    storage::batch rows = one_row("a");
    rows.put(table::routes, "b", "v");
    rows.erase(table::routes, "a");
    rows.put(table::routes, "c/1", "v");
    rows.erase_range(table::routes, "c/", "c0");
    EXPECT_TRUE(s.node.core(0).keep_rows(rows));
    s.node.run();
    EXPECT_EQ(s.store().strictest_waiting(), durability::interval);
    EXPECT_EQ(s.rows(table::routes), 0U);
    s.start_disk();
    EXPECT_THAT(s.keys(table::routes), ElementsAre("b"));
}

TEST(KeepRows, TakesNoneWhileTheDiskIsFullAndEnoughWaits) {
    stored_script s;
    s.stop_disk();
    s.store().set_full(true);
    s.node.run();
    const std::string large(shard::journal::backlog_stalled_max / 2, 'x');
    EXPECT_TRUE(s.node.core(0).keep_rows(one_row("a", large)));
    EXPECT_TRUE(s.node.core(0).keep_rows(one_row("b", large)));
    s.node.run();
    EXPECT_FALSE(s.node.core(0).keep_rows(one_row("c")));
    EXPECT_FALSE(s.node.core(0).keep_rows({})) << "whoever asks hears it too";
    s.store().set_full(false);
    s.start_disk();
    EXPECT_TRUE(s.node.core(0).keep_rows(one_row("c")));
    s.node.run();
    EXPECT_THAT(s.keys(table::routes), ElementsAre("a", "b", "c"));
}

} // namespace
} // namespace gv::support
