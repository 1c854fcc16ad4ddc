// SPDX-License-Identifier: Apache-2.0
#include "broker/shard/stamp_clock.hpp"

#include <gtest/gtest.h>

namespace gv::shard {
namespace {

constexpr time_point start{1'000s};
const wall_time noon{std::chrono::sys_days(std::chrono::year(2030) / 1 / 1) + 12h};

struct StampClock : testing::Test {
    StampClock() { clock.set_time(start, noon); }
    stamp_clock clock;
};

TEST_F(StampClock, WithoutAnAgreedOneEverythingIsBelieved) {
    EXPECT_EQ(wall_of(clock.next()), noon);
    hybrid_clock other;
    const hybrid_time ahead = other.next(noon + 10min);
    EXPECT_TRUE(clock.believes(ahead));
    clock.absorb(ahead);
    clock.set_time(start, noon);
    EXPECT_GT(clock.next(), ahead);
}

TEST_F(StampClock, GoesByTheAgreedOneWhateverItsOwnShows) {
    clock.agree(cluster::agreed_time{.at = start, .wall = noon + 1h});
    clock.set_time(start + 2s, noon);
    EXPECT_EQ(wall_of(clock.next()), noon + 1h + 2s);
    clock.set_time(start + 3s, noon + 48h);
    EXPECT_EQ(wall_of(clock.next()), noon + 1h + 3s);
}

TEST_F(StampClock, WhatIsFarAheadIsNeitherBelievedNorAbsorbed) {
    clock.agree(cluster::agreed_time{.at = start, .wall = noon});
    clock.set_time(start, noon);
    hybrid_clock other;
    const hybrid_time near = other.next(noon + 5s);
    const hybrid_time far = other.next(noon + 5s + 1ms);
    EXPECT_TRUE(clock.believes(near));
    EXPECT_FALSE(clock.believes(far));
    clock.absorb(far);
    EXPECT_EQ(wall_of(clock.next()), noon);
    clock.absorb(near);
    EXPECT_GT(clock.next(), near);
    clock.set_time(start + 1ms, noon);
    EXPECT_TRUE(clock.believes(far)) << "as time goes on";
}

TEST_F(StampClock, GoesBackOnceItIsKnownThatNobodyBelievedIt) {
    clock.set_time(start, noon + 10min);
    const hybrid_time wrong = clock.next();
    clock.agree(cluster::agreed_time{.at = start, .wall = noon});
    clock.set_time(start, noon + 10min);
    EXPECT_FALSE(clock.believes(wrong));
    const hybrid_time right = clock.next();
    EXPECT_EQ(wall_of(right), noon);
    clock.agree(cluster::agreed_time{.at = start, .wall = noon - 4s});
    clock.set_time(start, noon);
    EXPECT_GT(clock.next(), right) << "what was believed is never gone back behind";
}

TEST_F(StampClock, StaysAfterWhatWasToldHoweverFarItIsSetBack) {
    const auto at = [](wall_time wall) { return hybrid_clock().next(wall); };
    clock.stay_after(at(noon));
    clock.set_time(start, noon - 24h);
    EXPECT_GT(clock.next(), at(noon));
    clock.absorb(at(noon + 10min));
    clock.agree(cluster::agreed_time{.at = start, .wall = noon});
    clock.set_time(start, noon - 24h);
    clock.agree(std::nullopt);
    clock.set_time(start, noon - 24h);
    EXPECT_EQ(wall_of(clock.next()), noon) << "not after what nobody believed";
    clock.agree(cluster::agreed_time{.at = start, .wall = noon - 1h});
    clock.set_time(start, noon - 24h);
    EXPECT_EQ(wall_of(clock.next()), noon - 1h) << "nobody believes what was told";
    clock.agree(std::nullopt);
    clock.set_time(start, noon - 24h);
    EXPECT_GT(clock.next(), at(noon)) << "it is believed again";
}

// Sessions keep the name that they got before the clock was known to be wrong.
TEST_F(StampClock, NamesNeverComeTwiceWhenItGoesBack) {
    clock.set_time(start, noon + 10min);
    const hybrid_time wrong = clock.next();
    const hybrid_time name = clock.next_name();
    clock.agree(cluster::agreed_time{.at = start, .wall = noon});
    clock.set_time(start, noon + 10min);
    EXPECT_LT(clock.next(), wrong);
    EXPECT_GT(clock.next_name(), name);
    clock.absorb_name(hybrid_clock().next(noon + 24h));
    EXPECT_EQ(wall_of(clock.next_name()), noon + 24h) << "one that was found on disk";
}

} // namespace
} // namespace gv::shard
