// SPDX-License-Identifier: Apache-2.0
#include "broker/server/space_watch.hpp"

#include <gtest/gtest.h>

namespace gv::server {
namespace {

using shard::store_room;

constexpr std::uint64_t mib = std::uint64_t{1} << 20;
constexpr std::uint64_t gib = std::uint64_t{1} << 30;

TEST(DiskRoom, IsJudgedByTheLimitThatIsGiven) {
    const auto room = [](std::uint64_t free) {
        return judge_room({.free = free, .total = 100 * gib}, 80 * mib, store_room::plenty);
    };
    EXPECT_EQ(room(80 * mib), store_room::plenty);
    EXPECT_EQ(room(80 * mib - 1), store_room::scarce);
    EXPECT_EQ(room(30 * mib), store_room::scarce);
    EXPECT_EQ(room(30 * mib - 1), store_room::none);
}

TEST(DiskRoom, ByDefaultKeepsAShareOfASmallDiskAndNoMoreThanAGibibyteOfALargeOne) {
    EXPECT_EQ(judge_room({.free = 7, .total = 100}, 0, store_room::plenty), store_room::scarce);
    EXPECT_EQ(judge_room({.free = 8, .total = 100}, 0, store_room::plenty), store_room::plenty);
    EXPECT_EQ(judge_room({.free = gib, .total = 1000 * gib}, 0, store_room::plenty),
              store_room::plenty);
    EXPECT_EQ(judge_room({.free = gib - 1, .total = 1000 * gib}, 0, store_room::plenty),
              store_room::scarce);
}

TEST(DiskRoom, AStageEndsWhenThereIsAQuarterMoreThanItsLimit) {
    const auto after = [](store_room before, std::uint64_t free) {
        return judge_room({.free = free, .total = gib}, 80 * mib, before);
    };
    EXPECT_EQ(after(store_room::scarce, 100 * mib - 1), store_room::scarce);
    EXPECT_EQ(after(store_room::scarce, 100 * mib), store_room::plenty);
    EXPECT_EQ(after(store_room::none, 37 * mib), store_room::none);
    EXPECT_EQ(after(store_room::none, 38 * mib), store_room::scarce);
    EXPECT_EQ(after(store_room::none, 100 * mib), store_room::plenty);
}

TEST(DiskRoom, OfAFolderThatIsNotThereIsNotKnown) {
    EXPECT_FALSE(space_of("/nowhere/at/all"));
    ASSERT_TRUE(space_of("/"));
    EXPECT_GT(space_of("/")->total, space_of("/")->free);
}

} // namespace
} // namespace gv::server
