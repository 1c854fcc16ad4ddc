// SPDX-License-Identifier: Apache-2.0
#include "tests/cluster/retained_world.hpp"

#include <gtest/gtest.h>

namespace gv::cluster::testing {
namespace {

/// In blocks, so that they run beside each other.
class RetainedSimulation : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(RetainedSimulation, StoresBecomeEqualAndNothingThatWasClearedReturns) {
    for (std::uint64_t seed = GetParam(); seed < GetParam() + 75; ++seed) {
        retained_world world(seed);
        world.run();
        ASSERT_TRUE(world.complaints.empty())
            << "seed " << seed << ": " << world.complaints.front();
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RetainedSimulation, ::testing::Values(1, 76, 151, 226));

class RetainedWrongClock : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(RetainedWrongClock, StoresBecomeEqualAndTheLastOfThePresentHolds) {
    std::uint64_t dated_wrong = 0;
    std::uint64_t dated_anew = 0;
    std::uint64_t taken_back = 0;
    for (std::uint64_t seed = GetParam(); seed < GetParam() + 50; ++seed) {
        retained_world world(seed, false, wrong_clocks::one);
        world.run();
        ASSERT_TRUE(world.complaints.empty())
            << "seed " << seed << ": " << world.complaints.front();
        dated_wrong += world.dated_wrong;
        dated_anew += world.dated_anew;
        taken_back += world.taken_back;
    }
    EXPECT_GT(dated_wrong, 50u);
    EXPECT_GT(dated_anew, 100u);
    EXPECT_GT(taken_back, 50u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RetainedWrongClock, ::testing::Values(1, 51, 101));

/// Seeds that broke a promise once.
class RetainedWrongClockBefore : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(RetainedWrongClockBefore, NothingThatWasClearedReturns) {
    retained_world world(GetParam(), false, wrong_clocks::one);
    world.run();
    EXPECT_TRUE(world.complaints.empty()) << world.complaints.front();
}

// A clock that is behind: 903664, at the first start of all; 906024, after it was told that all was
// there; 38, after it was set back.
INSTANTIATE_TEST_SUITE_P(Seeds, RetainedWrongClockBefore, ::testing::Values(903'664, 906'024, 38));

TEST(RetainedSimulationCovers, DoesWhatItIsForInMostSeeds) {
    retained_counts sum;
    std::uint64_t absences = 0;
    std::uint64_t doubtful = 0;
    std::uint64_t writes = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        retained_world world(seed);
        world.run();
        absences += world.long_absences;
        doubtful += world.doubtful;
        writes += world.writes;
        sum.passes_done += world.counts.passes_done;
        sum.rows_applied += world.counts.rows_applied;
        sum.dropped += world.counts.dropped;
        sum.collections += world.counts.collections;
    }
    EXPECT_GT(absences, 5u);
    EXPECT_GT(sum.passes_done, 500u);
    EXPECT_GT(sum.rows_applied, 2'000u);
    EXPECT_GT(sum.dropped, 5u);
    EXPECT_GT(sum.collections, 500u);
    EXPECT_LT(doubtful * 10, writes) << "most of what is set is promised";
}

} // namespace
} // namespace gv::cluster::testing
