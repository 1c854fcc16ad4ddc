// SPDX-License-Identifier: Apache-2.0
#include "tests/cluster/route_world.hpp"

#include <gtest/gtest.h>

namespace gv::cluster::testing {
namespace {

/// In blocks, so that they run beside each other.
class RouteSimulation : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(RouteSimulation, EveryNodeEndsUpWithTheTruthAndNothingIsLostOnTheWay) {
    for (std::uint64_t seed = GetParam(); seed < GetParam() + 250; ++seed) {
        route_world world(seed);
        world.run();
        ASSERT_TRUE(world.complaints.empty())
            << "seed " << seed << ": " << world.complaints.front();
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RouteSimulation, ::testing::Range<std::uint64_t>(1, 2'001, 250));

TEST(RouteSimulationCovers, DoesWhatItIsForInMostSeeds) {
    route_counts sum;
    std::uint64_t known = 0;
    std::uint64_t kept_for_absent = 0;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        route_world world(seed);
        world.run();
        known += world.known;
        kept_for_absent += world.kept_for_absent;
        sum.ring_misses += world.counts.ring_misses;
        sum.resends += world.counts.resends;
        sum.received.passes += world.counts.received.passes;
    }
    EXPECT_GT(known, 1'000u);
    EXPECT_GT(kept_for_absent, 300u);
    EXPECT_GT(sum.ring_misses, 50u);
    EXPECT_GT(sum.resends, 500u);
    EXPECT_GT(sum.received.passes, 1'000u);
}

} // namespace
} // namespace gv::cluster::testing
