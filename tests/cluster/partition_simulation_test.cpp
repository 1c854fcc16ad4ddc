// SPDX-License-Identifier: Apache-2.0
#include "tests/cluster/partition_world.hpp"

#include <gtest/gtest.h>

namespace gv::cluster::testing {
namespace {

class PartitionSimulation : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(PartitionSimulation, AllNodesGoByOneTable) {
    std::uint64_t hand_overs = 0;
    std::uint64_t foundings = 0;
    std::uint64_t unions = 0;
    for (std::uint64_t seed = GetParam() * 50; seed < GetParam() * 50 + 50; ++seed) {
        partition_world world(seed);
        world.run();
        ASSERT_TRUE(world.complaints.empty()) << "seed " << seed << ": " << world.complaints[0];
        hand_overs += world.hand_overs;
        foundings += world.foundings;
        unions += world.unions;
    }
    EXPECT_GT(hand_overs, 150U);
    EXPECT_GT(foundings, 70U) << "too few met another table";
    EXPECT_GT(unions, 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, PartitionSimulation, ::testing::Range<std::uint64_t>(0, 8));

} // namespace
} // namespace gv::cluster::testing
