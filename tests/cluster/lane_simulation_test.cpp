// SPDX-License-Identifier: Apache-2.0
#include "tests/cluster/lane_world.hpp"

#include <gtest/gtest.h>

namespace gv::cluster::testing {
namespace {

/// In blocks, so that they run beside each other.
class LaneSimulation : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(LaneSimulation, NothingPromisedIsLostAndNothingComesTwiceOrLate) {
    for (std::uint64_t seed = GetParam(); seed < GetParam() + 1'000; ++seed) {
        lane_world world(seed);
        world.run();
        ASSERT_TRUE(world.complaints.empty())
            << "seed " << seed << ": " << world.complaints.front();
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, LaneSimulation, ::testing::Values(1, 1001, 2001, 3001));

TEST(LaneSimulationFound, ABlockTakenWhileItWaitedToBeSentAgain) {
    lane_world world(294);
    world.run();
    EXPECT_TRUE(world.complaints.empty()) << world.complaints.front();
}

TEST(LaneSimulationCovers, DoesWhatItIsForInMostSeeds) {
    lane_sender_counts sum;
    std::uint64_t given = 0;
    std::uint64_t breaks = 0;
    std::uint64_t crashes = 0;
    std::uint64_t drained = 0;
    std::uint64_t returned = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        lane_world world(seed);
        world.run();
        sum.resent += world.sent.resent;
        sum.dropped_full += world.sent.dropped_full;
        sum.spools_begun += world.sent.spools_begun;
        given += world.received.messages;
        breaks += world.breaks;
        crashes += world.crashes;
        drained += world.drained;
        returned += world.returned;
    }
    EXPECT_GT(given, 50'000u);
    EXPECT_GT(breaks, 1'000u);
    EXPECT_GT(crashes, 700u);
    EXPECT_GT(sum.resent, 500u);
    EXPECT_GT(sum.dropped_full, 2'000u);
    EXPECT_GT(sum.spools_begun, 200u);
    EXPECT_GT(drained, 20'000u);
    EXPECT_GT(returned, 300u);
}

} // namespace
} // namespace gv::cluster::testing
