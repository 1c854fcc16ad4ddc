// SPDX-License-Identifier: Apache-2.0
// What time most nodes say it is.
#include "cluster/agreed_clock.hpp"
#include "tests/cluster/membership_script.hpp"

#include <gtest/gtest.h>

#include <array>

namespace gv::cluster {
namespace {

constexpr agreed_clock_bounds bounds;
constexpr time_point start{1'000s};
const wall_time noon{std::chrono::sys_days(std::chrono::year(2030) / 1 / 1) + 12h};

/// A node with a clock of its own, and peers; `true_time` is what the world goes by.
struct AgreedClock : ::testing::Test {
    agreed_clock clock{bounds, start};
    time_point now = start;
    duration own_error{};
    std::map<node_id, duration> peers;

    [[nodiscard]] wall_time true_time() const {
        return noon + std::chrono::duration_cast<wall_time::duration>(now - start);
    }
    [[nodiscard]] wall_time shown(duration error) const {
        return true_time() + std::chrono::duration_cast<wall_time::duration>(error);
    }
    void hear_all(duration late = {}) {
        for (const auto& [node, error] : peers) {
            clock.hear(node, shown(error - late), now);
        }
    }
    bool judge() {
        std::vector<node_id> live;
        for (const auto& [node, error] : peers) {
            live.push_back(node);
        }
        return clock.judge(now, shown(own_error), live);
    }
    /// Periods in which all are heard.
    bool pass(int periods) {
        bool has_changed = false;
        for (; periods > 0; --periods) {
            hear_all();
            now += bounds.period;
            hear_all();
            has_changed = judge() || has_changed;
        }
        return has_changed;
    }
    /// How far it is from the truth.
    [[nodiscard]] duration error() const {
        return std::chrono::duration_cast<duration>(clock.told()->on(now) - true_time());
    }
};

constexpr node_id b{2};
constexpr node_id c{3};
constexpr node_id d{4};

TEST_F(AgreedClock, TwoClocksAgreeOnNothing) {
    peers = {{b, 10min}};
    EXPECT_FALSE(pass(3));
    EXPECT_FALSE(clock.told());
    EXPECT_EQ(clock.correction(), 0s);
    peers.clear();
    EXPECT_FALSE(pass(1)) << "nor one";
}

TEST_F(AgreedClock, TheOneThatIsWrongGoesByTheOthers) {
    for (const duration wrong : {duration(10min), duration(-10min), duration(600ms)}) {
        own_error = wrong;
        peers = {{b, 3ms}, {c, 0ms}};
        EXPECT_TRUE(pass(1));
        EXPECT_EQ(clock.correction(), 3ms * (wrong > 0s) - wrong);
        EXPECT_LE(error(), 3ms);
        EXPECT_GE(error(), 0ms);
        own_error = 0s;
        EXPECT_TRUE(pass(1));
        EXPECT_EQ(clock.correction(), 0s);
    }
}

TEST_F(AgreedClock, WhoeverIsRightMindsNobodyWhoIsWrong) {
    peers = {{b, 10min}, {c, 0ms}};
    EXPECT_TRUE(pass(1));
    EXPECT_EQ(error(), 0s);
    peers[b] = -10min;
    EXPECT_FALSE(pass(2));
    EXPECT_EQ(error(), 0s);
    EXPECT_EQ(clock.correction(), 0s);
}

TEST_F(AgreedClock, AJumpOfItsOwnClockIsNotSeenInTheAgreedOne) {
    peers = {{b, 0ms}, {c, 0ms}};
    pass(1);
    for (const duration jump : {duration(10min), duration(-10min), duration(0)}) {
        own_error = jump;
        EXPECT_EQ(error(), 0s) << "before anybody has noticed";
        const bool was_right = clock.correction() == 0s;
        EXPECT_EQ(pass(1), was_right || jump == 0s) << "a person is told once";
        EXPECT_EQ(clock.correction(), -jump);
        EXPECT_EQ(error(), 0s);
    }
}

TEST_F(AgreedClock, HalfASecondIsWrongAndAQuarterIsRightAgain) {
    peers = {{b, 0ms}, {c, 0ms}};
    for (const auto& [own, corrected] : std::vector<std::pair<duration, duration>>{
             {500ms, 0ms}, {501ms, -501ms}, {300ms, -300ms}, {250ms, 0ms}, {300ms, 0ms}}) {
        own_error = own;
        pass(1);
        EXPECT_EQ(clock.correction(), corrected) << own.count();
    }
}

TEST_F(AgreedClock, WhatIsLateMisleadsOnlyIfThereIsNothingElse) {
    peers = {{b, 0ms}, {c, 0ms}};
    pass(1);
    hear_all(30s);
    now += bounds.period;
    hear_all(2ms);
    hear_all(30s);
    EXPECT_FALSE(judge());
    EXPECT_EQ(clock.correction(), 0s);
}

TEST_F(AgreedClock, AfterAStopWhatWaitedIsForgotten) {
    peers = {{b, 0ms}, {c, 0ms}};
    pass(1);
    hear_all(30s);
    clock.begin_anew(now);
    EXPECT_EQ(clock.due(), now + bounds.period);
    now += bounds.period;
    EXPECT_FALSE(judge()) << "nobody was heard";
    EXPECT_EQ(error(), 0s) << "what was agreed goes on";
}

TEST_F(AgreedClock, TwoHalvesGoEachByItsOwn) {
    peers = {{b, 0ms}, {c, 10min}, {d, 10min}};
    pass(1);
    EXPECT_EQ(clock.correction(), 0s);
    own_error = 10min;
    peers = {{b, 10min}, {c, 0ms}, {d, 0ms}};
    pass(1);
    EXPECT_EQ(clock.correction(), 0s);
}

TEST_F(AgreedClock, WithTooFewLeftItsOwnCountsAgain) {
    own_error = 10min;
    peers = {{b, 0ms}, {c, 0ms}};
    EXPECT_TRUE(pass(1));
    peers.erase(c);
    EXPECT_TRUE(pass(1));
    EXPECT_FALSE(clock.told());
    EXPECT_EQ(clock.correction(), 0s);
}

TEST(AgreedClockOfMembership, IsToldOnceThreeNodesHaveSpoken) {
    membership_script node;
    const auto hear_with = [&](std::uint64_t from, duration ahead) {
        envelope message = node.from(from, notice{});
        message.sent_at.value +=
            static_cast<std::uint64_t>(
                std::chrono::duration_cast<std::chrono::milliseconds>(ahead).count())
            << 16;
        static_cast<void>(node.hear(message));
    };
    node.know(2);
    hear_with(2, 10min);
    node.run_for(3s);
    EXPECT_FALSE(node.agreed) << "two nodes";
    node.know(3);
    hear_with(2, 10min);
    hear_with(3, 10min);
    node.machine->on_deadline(node.at());
    node.run_for(1s);
    hear_with(2, 10min);
    hear_with(3, 10min);
    const wall_time heard = node.wall;
    const time_point at = node.now;
    node.run_for(2s);
    ASSERT_TRUE(node.agreed);
    EXPECT_EQ(node.agreed->on(at), heard + 10min);
    EXPECT_NEAR(static_cast<double>(node.metrics.clock_correction.value.get()), 600, 2)
        << "the wall clock of the script stands still";
}

TEST(AgreedClockOfMembership, AStampThatNoClockShowsIsNotReckonedWith) {
    membership_script node;
    node.know(3);
    for (int round = 0; round < 3; ++round) {
        for (const std::uint64_t from : {std::uint64_t{2}, std::uint64_t{3}}) {
            envelope message = node.from(from, notice{});
            message.sent_at.value = ~std::uint64_t{0};
            static_cast<void>(node.hear(message));
        }
        node.run_for(1s);
    }
    EXPECT_EQ(node.machine->clock().correction(), 0s);
}

} // namespace
} // namespace gv::cluster
