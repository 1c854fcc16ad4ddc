// SPDX-License-Identifier: Apache-2.0
// A few hundred seeds. Many more: simulate --seed 1 --count 20000.
#include "tests/simulation/simulation.hpp"

#include <gtest/gtest.h>

namespace gv::simulation {
namespace {

constexpr std::uint64_t seeds_per_test = 100;

class Simulation : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Simulation, KeepsWhatItPromised) {
    for (std::uint64_t i = 0; i < seeds_per_test; ++i) {
        const std::uint64_t seed = GetParam() * seeds_per_test + i;
        const outcome got = simulate(seed);
        for (const std::string& each : got.complaints) {
            ADD_FAILURE() << each << "\n(to see what happened: simulate --seed " << seed << ")";
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Simulation, testing::Range<std::uint64_t>(0, 10));

TEST(Simulation, IsTheSameForTheSameSeed) {
    const outcome first = simulate(7, tracing::on);
    EXPECT_FALSE(first.trace.empty());
    EXPECT_EQ(first.trace, simulate(7, tracing::on).trace);
}

TEST(Simulation, BringsAboutEverythingItIsFor) {
    outcome all;
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        const outcome one = simulate(seed);
        all.takeovers += one.takeovers;
        all.resent += one.resent;
        all.holds += one.holds;
        all.credit_holds += one.credit_holds;
        all.slow_readers += one.slow_readers;
        all.dropped += one.dropped;
        all.wills += one.wills;
        all.expired_sessions += one.expired_sessions;
        all.retained_sent += one.retained_sent;
        all.batches += one.batches;
    }
    EXPECT_GT(all.takeovers, 0U);
    EXPECT_GT(all.resent, 0U);
    EXPECT_GT(all.holds, all.credit_holds);
    EXPECT_GT(all.credit_holds, 0U);
    EXPECT_GT(all.slow_readers, 0U);
    EXPECT_GT(all.dropped, 0U);
    EXPECT_GT(all.wills, 0U);
    EXPECT_GT(all.expired_sessions, 0U);
    EXPECT_GT(all.retained_sent, 0U);
    EXPECT_GT(all.batches, 0U);
}

} // namespace
} // namespace gv::simulation
