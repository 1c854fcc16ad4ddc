// SPDX-License-Identifier: Apache-2.0
#include "cluster/wire_versions.hpp"

#include <gtest/gtest.h>

namespace gv::cluster {
namespace {

TEST(WireVersions, AreARangeFromTheFirstToTheLastOfTheList) {
    EXPECT_EQ(spoken_wire().min, version_history.front().number);
    EXPECT_EQ(spoken_wire().max, version_history.back().number);
    EXPECT_TRUE(spoken_wire().overlaps({.min = 1, .max = 1}))
        << "the first release is still in use as long as nobody has taken it out here";
    for (const wire_version& each : version_history) {
        EXPECT_FALSE(each.brought.empty());
    }
}

TEST(WireVersions, TheCommonOneIsTheGreatestThatBothSpeak) {
    EXPECT_EQ(common_version({1, 2}, {1, 1}), 1);
    EXPECT_EQ(common_version({1, 2}, {2, 3}), 2);
    EXPECT_EQ(common_version({1, 5}, {2, 3}), 3);
    EXPECT_EQ(common_version({1, 1}, {2, 3}), std::nullopt);
    EXPECT_EQ(common_version({4, 5}, {2, 3}), std::nullopt);
}

TEST(WireVersions, TheLevelIsWhatAllSpeakWhoSpeakToThisOne) {
    constexpr wire_range own{2, 4};
    wire_levels levels = levels_of_one(own);
    EXPECT_EQ(levels, (wire_levels{.active = 4, .lowest = 2, .highest = 4}));
    levels = with_member(levels, own, {3, 6});
    EXPECT_EQ(levels, (wire_levels{.active = 4, .lowest = 2, .highest = 6}));
    levels = with_member(levels, own, {1, 3});
    EXPECT_EQ(levels, (wire_levels{.active = 3, .lowest = 1, .highest = 6}));
    levels = with_member(levels, own, {0, 1}); // refused
    EXPECT_EQ(levels, (wire_levels{.active = 3, .lowest = 0, .highest = 6}));
}

TEST(WireVersions, TheOlderOfTwoIsUpdatedFirst) {
    EXPECT_EQ(remedy_for({1, 1}, {2, 3}),
              "update this node first, to a release that speaks wire version 2; nodes are updated "
              "one release at a time");
    EXPECT_EQ(remedy_for({2, 3}, {1, 1}),
              "update the other node first, to a release that speaks wire version 2; nodes are "
              "updated one release at a time");
}

} // namespace
} // namespace gv::cluster
