// SPDX-License-Identifier: Apache-2.0
#include "cluster/route_ring.hpp"

#include <gtest/gtest.h>

namespace gv::cluster {
namespace {

std::vector<route_change> changes(const std::vector<std::string>& filters) {
    std::vector<route_change> made;
    for (const std::string& each : filters) {
        made.push_back({.filter = each});
    }
    return made;
}

TEST(RouteRing, KeepsTheLatest) {
    route_ring ring({.changes_max = 3});
    ring.start_after(1);
    EXPECT_TRUE(ring.covers(1));
    EXPECT_FALSE(ring.covers(0));
    EXPECT_FALSE(ring.covers(2));
    ring.append(changes({"two", "three", "four", "five"}));
    EXPECT_FALSE(ring.covers(1));
    EXPECT_TRUE(ring.covers(2));
    EXPECT_TRUE(ring.covers(5));
    EXPECT_FALSE(ring.covers(6));
    EXPECT_EQ(ring.after(3, 1'000), changes({"four", "five"}));
}

TEST(RouteRing, GivesAtLeastOneHoweverSmallTheMessage) {
    route_ring ring({});
    ring.start_after(1);
    ring.append(changes({"two", "three"}));
    EXPECT_EQ(ring.after(1, 1), changes({"two"}));
    EXPECT_EQ(ring.after(1, bytes_of(changes({"two"}).front())), changes({"two"}));
}

TEST(RouteRing, IsBoundedInBytes) {
    route_ring ring({.bytes_max = 100'000});
    for (int i = 0; i < 1'000; ++i) {
        ring.append(changes({std::string(1'000, 'x')}));
    }
    EXPECT_LE(ring.bytes(), 100'000u);
    EXPECT_GT(ring.size(), 50u);
}

} // namespace
} // namespace gv::cluster
