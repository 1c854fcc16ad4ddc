// SPDX-License-Identifier: Apache-2.0
#include "broker/shard/bodies.hpp"

#include <gtest/gtest.h>

namespace gv::shard {
namespace {

constexpr wall_time ten{std::chrono::hours(10)};
constexpr wall_time eleven{std::chrono::hours(11)};

class Bodies : public testing::Test {
  protected:
    bodies all{shard_id{3}, boot_id{7}};
};

TEST_F(Bodies, AreNumberedWithinTheirHour) {
    const bodies::place first = all.next(ten);
    EXPECT_EQ(first.id.in, (storage::bucket{.slot = 10, .boot = boot_id{7}, .shard = shard_id{3}}));
    EXPECT_NE(first.in, 0U) << "0 stands for none";
    const bodies::place second = all.next(ten + 59min);
    EXPECT_EQ(second.in, first.in);
    EXPECT_EQ(second.id.in, first.id.in);
    EXPECT_GT(second.id.number, first.id.number);
    const bodies::place later = all.next(eleven);
    EXPECT_NE(later.in, first.in);
    EXPECT_EQ(later.id.in.slot, 11U);
    EXPECT_GT(later.id.number, second.id.number);
}

TEST_F(Bodies, ABucketGoesWithItsLastRowOnceItsHourHasPassed) {
    const bodies::place first = all.next(ten);
    all.hold(first.in);
    all.hold(first.in);
    static_cast<void>(all.next(eleven));
    EXPECT_FALSE(all.release(first.in));
    EXPECT_EQ(all.release(first.in), first.id.in);
    EXPECT_EQ(all.find_held(first.id.in), 0U);
}

TEST_F(Bodies, ABucketThatIsStillFilledStays) {
    const bodies::place first = all.next(ten);
    all.hold(first.in);
    EXPECT_FALSE(all.release(first.in));
    EXPECT_FALSE(all.retire(ten + 30min));
    EXPECT_EQ(all.next(ten + 31min).in, first.in);
}

TEST_F(Bodies, TheLastBucketIsRetiredWhenItsHourHasPassed) {
    EXPECT_FALSE(all.retire(ten)) << "there is none";
    const bodies::place first = all.next(ten);
    all.hold(first.in);
    static_cast<void>(all.release(first.in));
    EXPECT_EQ(all.retire(eleven), first.id.in);
    EXPECT_FALSE(all.retire(eleven)) << "once";
}

TEST_F(Bodies, ARetiredBucketWithRowsGoesWithTheLastOfThem) {
    const bodies::place first = all.next(ten);
    all.hold(first.in);
    EXPECT_FALSE(all.retire(eleven));
    EXPECT_EQ(all.find_held(first.id.in), first.in);
    EXPECT_EQ(all.release(first.in), first.id.in);
}

TEST_F(Bodies, BucketsOfAnotherLifeAreCountedByTheirRows) {
    const storage::bucket old{.slot = 10, .boot = boot_id{6}, .shard = shard_id{3}};
    EXPECT_EQ(all.find_held(old), 0U);
    const bodies::index in = all.hold(old);
    EXPECT_EQ(all.hold(old), in);
    EXPECT_EQ(all.find_held(old), in);
    EXPECT_NE(all.next(ten).in, in) << "another life numbers anew";
    EXPECT_FALSE(all.release(in));
    EXPECT_EQ(all.release(in), old);
}

TEST_F(Bodies, PlacesOfBucketsThatAreGoneAreUsedAgain) {
    const bodies::place first = all.next(ten);
    all.hold(first.in);
    static_cast<void>(all.retire(eleven));
    static_cast<void>(all.release(first.in));
    const bodies::place second = all.next(eleven);
    EXPECT_EQ(second.in, first.in);
    EXPECT_EQ(second.id.in.slot, 11U);
    all.hold(second.in);
    EXPECT_FALSE(all.release(second.in)) << "counted from nothing";
}

TEST_F(Bodies, AClockThatGoesBackFillsAnEarlierBucket) {
    const bodies::place late = all.next(eleven);
    all.hold(late.in);
    const bodies::place early = all.next(ten);
    EXPECT_EQ(early.id.in.slot, 10U);
    EXPECT_EQ(all.release(late.in), late.id.in);
}

} // namespace
} // namespace gv::shard
