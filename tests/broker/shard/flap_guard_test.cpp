// SPDX-License-Identifier: Apache-2.0
#include "broker/shard/flap_guard.hpp"
#include "tests/support/session_script.hpp"

#include <gtest/gtest.h>

namespace gv::shard {
namespace {

using mqtt::reason_code;
using support::connect_request;
using support::script;
using support::wire_client;

class FlapGuard : public testing::Test {
  protected:
    /// How many of `count` takeovers, so far apart, were found to be too many.
    std::size_t flaps(std::uint64_t client, int count, duration apart) {
        std::size_t found = 0;
        for (int n = 0; n < count; ++n) {
            now_ += apart;
            const flap_guard::verdict verdict = guard_.on_takeover(client, now_);
            found += verdict.is_flapping ? 1U : 0U;
            told_ += verdict.is_to_tell ? 1 : 0;
        }
        return found;
    }

    flap_guard guard_;
    time_point now_{1'000s};
    int told_ = 0;
};

TEST_F(FlapGuard, MoreThanFiveWithinTenSecondsAreTooMany) {
    EXPECT_EQ(flaps(1, 5, 1s), 0U);
    EXPECT_EQ(flaps(1, 1, 1s), 1U);
    EXPECT_EQ(flaps(2, 50, 2s), 0U) << "as often as that is allowed";
    EXPECT_EQ(flaps(3, 50, 1'900ms), 45U);
}

TEST_F(FlapGuard, EachIsToldOfOnceAMinute) {
    flaps(1, 6 + 58, 1s);
    EXPECT_EQ(told_, 1);
    flaps(1, 4, 1s);
    EXPECT_EQ(told_, 2);
    now_ += 40s;
    flaps(1, 10, 1s);
    EXPECT_EQ(told_, 2) << "also after a break";
}

TEST_F(FlapGuard, WhatIsOverIsForgottenAndThereIsALimit) {
    for (std::uint64_t client = 1; client <= 2 * flap_guard::ids_max; ++client) {
        flaps(client, 1, 0s);
    }
    EXPECT_EQ(guard_.size(), flap_guard::ids_max);
    EXPECT_EQ(flaps(99'999, 20, 1ms), 0U) << "there is no room to see it";
    flaps(99'999, 1, 10s);
    EXPECT_EQ(guard_.size(), 1U);
    flaps(99'999, 6, 1s);
    EXPECT_EQ(told_, 1);
    now_ += 20s;
    flaps(1, 1, 0s);
    EXPECT_EQ(guard_.size(), 2U) << "that it was told of is remembered";
    now_ += 60s;
    flaps(1, 1, 0s);
    EXPECT_EQ(guard_.size(), 1U);
}

struct setting {
    std::size_t shards, nodes;
};

class FlappingClient : public testing::TestWithParam<setting> {
  protected:
    /// One more connection, on one of the shards.
    wire_client& connect(connect_request how = {}) {
        how.shard = all_.size() % s.node.shards();
        wire_client& made = all_.emplace_back(s.node, "x");
        made.send_connect(how);
        for (wire_client& each : all_) {
            each.listen();
        }
        return made;
    }
    void listen() {
        for (wire_client& each : all_) {
            each.listen();
        }
    }
    [[nodiscard]] std::uint64_t counted() {
        std::uint64_t all = 0;
        for (std::size_t shard = 0; shard < s.node.shards(); ++shard) {
            all += s.core(shard).counts().flaps;
        }
        return all;
    }

    script s{{.shards = GetParam().shards, .nodes = GetParam().nodes}};
    std::list<wire_client> all_;
};

TEST_P(FlappingClient, WaitsASecond) {
    for (int n = 0; n < 6; ++n) {
        EXPECT_TRUE(connect().is_connected());
    }
    wire_client& before = all_.back();
    wire_client& late = connect();
    EXPECT_FALSE(late.is_connected());
    EXPECT_TRUE(before.is_connected());
    EXPECT_FALSE(before.is_closed());
    s.advance(900ms);
    listen();
    EXPECT_FALSE(late.is_connected());
    s.advance(200ms);
    listen();
    EXPECT_TRUE(late.is_connected());
    EXPECT_EQ(before.farewell(), reason_code::session_taken_over);
    EXPECT_EQ(counted(), 1U);
    s.advance(20s);
    EXPECT_TRUE(connect().is_connected()) << "it is over";
    EXPECT_EQ(counted(), 1U);
}

TEST_P(FlappingClient, IsInAtOnceWhenTheOtherHasLeft) {
    for (int n = 0; n < 6; ++n) {
        connect({.clean_start = false, .session_expiry = 60});
    }
    wire_client& before = all_.back();
    wire_client& late = connect({.clean_start = false, .session_expiry = 60});
    EXPECT_FALSE(late.is_connected());
    before.cut();
    s.node.run();
    listen();
    EXPECT_TRUE(late.is_connected());
    s.advance(5s);
    listen();
    EXPECT_FALSE(late.is_closed());
}

// Nobody waits longer because others come after it.
TEST_P(FlappingClient, InAStormOneASecondIsIn) {
    for (int n = 0; n < 100; ++n) {
        connect();
        s.advance(50ms);
    }
    s.advance(1s);
    listen();
    std::size_t were_in = 0;
    for (wire_client& each : all_) {
        EXPECT_TRUE(each.is_connected() || each.is_closed()) << "each is answered";
        were_in += each.farewell() == reason_code::session_taken_over ? 1U : 0U;
    }
    EXPECT_NEAR(static_cast<double>(were_in), 6 + 5, 1);
    EXPECT_TRUE(all_.back().is_connected());
}

INSTANTIATE_TEST_SUITE_P(Where, FlappingClient,
                         testing::Values(setting{1, 1}, setting{3, 1}, setting{1, 3}),
                         [](const auto& tested) {
                             return std::to_string(tested.param.shards) + "x"
                                    + std::to_string(tested.param.nodes);
                         });

} // namespace
} // namespace gv::shard
