// SPDX-License-Identifier: Apache-2.0
#include "cluster/retained_coverage.hpp"

#include <gtest/gtest.h>

namespace gv::cluster {
namespace {

const wall_time start{1'700'000'000s};
constexpr node_id a{1}, b{2}, c{3};
const retained_collecting options{
    .age_min = 10s, .age_max = 100s, .contact = 5s, .step = 1s, .settling = 1s};

hybrid_time at(std::chrono::seconds after) { return stamp_of(start + after); }

retained_coverage::covered all(hybrid_time until) { return {{a, until}, {b, until}, {c, until}}; }

struct RetainedCoverage : testing::Test {
    retained_coverage here{a, {.from = at(-50s), .to = {}}, options, start};

    /// This node compared equal with `node` at that time, which had the same from everybody.
    void compare(node_id node, std::chrono::seconds when) {
        static_cast<void>(here.own(start + when));
        here.hear(node, all(at(when - 1s)), at(when));
        here.has_all_of(node, all(at(when - 1s)), at(0s), start + when);
    }
};

TEST_F(RetainedCoverage, WhoKnowsOfNoOtherClaimsNothingEarly) {
    static_cast<void>(here.own(start + 50s));
    EXPECT_FALSE(here.next_claim(start + 50s));
    static_cast<void>(here.own(start + 101s));
    ASSERT_TRUE(here.next_claim(start + 101s)) << "after the longest time it is sure";
    EXPECT_EQ(here.next_claim(start + 101s)->to, at(1s));
}

TEST_F(RetainedCoverage, AClaimFollowsTheLowWaterMarkAndKeepsItsDistance) {
    here.on_member(b, true, true);
    EXPECT_EQ(here.low_water(), hybrid_time{});
    compare(b, 20s);
    EXPECT_EQ(here.low_water(), at(19s));
    EXPECT_EQ(here.next_claim(start + 20s)->to, at(10s));
    EXPECT_EQ(here.next_claim(start + 60s)->to, at(19s)) << "no farther than is known";
    here.set_claim(*here.next_claim(start + 60s));
    EXPECT_FALSE(here.next_claim(start + 60s));
}

TEST_F(RetainedCoverage, AMemberThatIsDownIsWaitedFor) {
    here.on_member(b, true, true);
    here.on_member(c, false, true);
    compare(b, 20s);
    here.has_all_of(b, {{b, at(19s)}}, at(0s), start + 20s);
    EXPECT_EQ(here.low_water(), hybrid_time{}) << "nothing is known of what the third has";
    EXPECT_FALSE(here.next_claim(start + 60s));
    here.forget(c);
    EXPECT_EQ(here.next_claim(start + 60s)->to, at(19s));
}

TEST_F(RetainedCoverage, AMajorityDoesNotWaitForEver) {
    here.on_member(b, true, true);
    here.on_member(c, false, true);
    compare(b, 118s);
    EXPECT_EQ(here.next_claim(start + 120s)->to, at(20s));
    EXPECT_FALSE(here.next_claim(start + 130s)) << "the majority was not heard of lately";
}

TEST_F(RetainedCoverage, AMinorityWaitsForEver) {
    here.on_member(b, false, true);
    here.on_member(c, false, true);
    static_cast<void>(here.own(start + 500s));
    EXPECT_FALSE(here.next_claim(start + 500s));
}

TEST_F(RetainedCoverage, OfTwoHalvesTheOneWithTheLowestNodeMayGoOn) {
    here.on_member(b, false, true);
    static_cast<void>(here.own(start + 500s));
    EXPECT_TRUE(here.next_claim(start + 500s));
    retained_coverage other{b, {.from = at(-50s), .to = {}}, options, start};
    other.on_member(a, false, true);
    static_cast<void>(other.own(start + 500s));
    EXPECT_FALSE(other.next_claim(start + 500s));
}

TEST_F(RetainedCoverage, WhoWasAwayDoesNotCallOthersAbsent) {
    retained_coverage late{a, {.from = at(-50s), .to = {}}, options, start + 90s};
    late.on_member(b, false, true);
    static_cast<void>(late.own(start + 120s));
    EXPECT_FALSE(late.next_claim(start + 120s));
    late.has_all_of(b, {{b, at(118s)}}, at(0s), start + 120s);
    EXPECT_TRUE(late.next_claim(start + 120s)) << "it has all of one who was there";
}

TEST_F(RetainedCoverage, ANewLifeHasNothing) {
    here.on_member(b, true, true);
    compare(b, 20s);
    here.on_member(b, true, true);
    EXPECT_EQ(here.low_water(), hybrid_time{});
}

TEST_F(RetainedCoverage, WhatIsSaidOfTheFutureIsNotBelieved) {
    here.on_member(b, true, true);
    static_cast<void>(here.own(start + 20s));
    here.hear(b, all(at(5'000s)), at(20s));
    here.has_all_of(b, all(at(5'000s)), at(0s), start + 20s);
    EXPECT_EQ(here.low_water(), at(19s));
}

TEST_F(RetainedCoverage, WhatWasToldInAnEarlierLifeIsKnownFromOthers) {
    here.on_member(b, true, true);
    static_cast<void>(here.own(start - 100s));
    EXPECT_EQ(here.own_until(), at(-101s)) << "its clock is behind";
    here.hear(b, {{a, at(10s)}, {c, at(30s)}}, at(40s));
    EXPECT_EQ(here.own_until(), at(10s));
    here.hear(b, {{a, at(50s)}}, at(40s));
    EXPECT_EQ(here.own_until(), at(40s)) << "not of the future";
}

TEST_F(RetainedCoverage, StrangersCountForNothing) {
    here.on_member(b, true, true);
    here.hear(c, all(at(19s)), at(20s));
    here.has_all_of(b, {{c, at(19s)}}, at(0s), start + 20s);
    EXPECT_FALSE(here.own(start + 20s).contains(c));
}

TEST_F(RetainedCoverage, ClaimsAreJoinedUnlessThereIsAGap) {
    const auto claim = [](std::uint64_t from, std::uint64_t to) {
        return retained_claim{.from = {from}, .to = {to}};
    };
    const auto merged = [&](retained_claim mine, retained_claim other) {
        return retained_coverage(a, mine, options, start).merged(other);
    };
    EXPECT_EQ(merged(claim(5, 10), claim(8, 20)), claim(5, 20));
    EXPECT_EQ(merged(claim(5, 10), claim(2, 7)), claim(2, 10));
    EXPECT_EQ(merged(claim(30, 0), claim(2, 7)), claim(2, 7)) << "a node that is new";
    EXPECT_EQ(merged(claim(2, 7), claim(30, 0)), claim(2, 7));
    EXPECT_EQ(merged(claim(3, 0), claim(4, 0)), claim(3, 0));
    EXPECT_EQ(merged(claim(5, 10), claim(20, 30)), claim(20, 30));
    EXPECT_EQ(merged(claim(20, 30), claim(5, 10)), claim(20, 30));
}

} // namespace
} // namespace gv::cluster
