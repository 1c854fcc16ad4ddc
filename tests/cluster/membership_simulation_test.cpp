// SPDX-License-Identifier: Apache-2.0
// A few hundred seeds. Many more: membership_simulate --seed 1 --count 20000.
#include "tests/cluster/membership_simulation.hpp"

#include <gtest/gtest.h>

namespace gv::cluster {
namespace {

constexpr std::uint64_t seeds_per_test = 20;

class MembershipSimulation : public testing::TestWithParam<std::uint64_t> {};

TEST_P(MembershipSimulation, HoldsWhatItShould) {
    for (std::uint64_t i = 0; i < seeds_per_test; ++i) {
        const std::uint64_t seed = GetParam() * seeds_per_test + i;
        for (const std::string& each : simulate_membership(seed).complaints) {
            ADD_FAILURE() << each << "\n(what happened: membership_simulate --seed " << seed << ")";
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, MembershipSimulation, testing::Range<std::uint64_t>(0, 5));

TEST(MembershipSimulation, IsTheSameForTheSameSeed) {
    const auto first = simulate_membership(7, tracing::on);
    EXPECT_FALSE(first.trace.empty());
    EXPECT_EQ(first.trace, simulate_membership(7, tracing::on).trace);
}

TEST(MembershipSimulation, BringsAboutEverythingItIsFor) {
    simulation_outcome all;
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        const auto one = simulate_membership(seed);
        all.suspected += one.suspected;
        all.refuted += one.refuted;
        all.died += one.died;
        all.left += one.left;
        all.gone += one.gone;
        all.forgotten += one.forgotten;
        all.stalls += one.stalls;
        all.contested += one.contested;
        all.clock_alarms += one.clock_alarms;
    }
    EXPECT_GT(all.suspected, 0U);
    EXPECT_GT(all.refuted, 0U);
    EXPECT_GT(all.died, 0U);
    EXPECT_GT(all.left, 0U);
    EXPECT_GT(all.gone, 0U);
    EXPECT_GT(all.forgotten, 0U);
    EXPECT_GT(all.stalls, 0U);
    EXPECT_GT(all.contested, 0U);
    EXPECT_GT(all.clock_alarms, 0U);
}

} // namespace
} // namespace gv::cluster
