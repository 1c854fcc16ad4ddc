// SPDX-License-Identifier: Apache-2.0
// Two nodes with a lane from the first, whose clock is wrong, to the second.
#include "tests/support/pure_shard.hpp"

#include <gtest/gtest.h>

namespace gv::shard {
namespace {

constexpr peer_slot other{1};
constexpr node_id first_node{1};
constexpr node_id second_node{2};

/// Nobody subscribes elsewhere.
class no_routes final : public router::peer_routes {
  public:
    void who_wants(std::string_view, std::vector<router::peer_want>&,
                   std::vector<router::spread_group>&) const override {}
};

class WrongClock : public testing::Test {
  protected:
    WrongClock() {
        core_of(wrong_).on_peer({.slot = other,
                                 .node = second_node,
                                 .boot = boot_id{1},
                                 .presence = peer_presence::live});
        const auto arrival = core_of(right_).on_hello(core_of(wrong_).hello_of(lane_));
        lane_there_ = arrival->lane;
        EXPECT_TRUE(core_of(wrong_).on_welcome(lane_, arrival->welcome));
    }

    static core& core_of(support::pure_node& node) { return node.core(0); }
    [[nodiscard]] support::node_options options(node_id id, retained_digest& digest) {
        support::node_options made;
        made.core.node = id;
        made.core.boot = boot_id{1};
        made.core.is_clustered = true;
        made.core.lane_sender.spools = false;
        made.core.routing.peers = &routes_;
        made.core.retained.digest = &digest;
        return made;
    }
    /// The cluster goes by the clock of the second node.
    void agree(support::pure_node& node) {
        core_of(node).agree_on_clock(cluster::agreed_time{.at = node.now(), .wall = right_.wall()});
    }
    void shift(duration by) {
        wrong_.set_wall(right_.wall() + std::chrono::duration_cast<wall_time::duration>(by));
        wrong_.advance(1ms);
        right_.advance(1ms);
    }
    void retain(support::pure_node& at, std::string_view payload) {
        publication what{.topic = "t", .payload = payload};
        what.header.retain = true;
        at.run();
        core_of(at).publish(what);
        at.run();
        carry();
    }
    void carry() {
        while (const auto frame = core_of(wrong_).take_frame(lane_)) {
            EXPECT_TRUE(core_of(right_).on_frame(lane_there_, *frame));
            right_.run();
        }
        while (const auto reply = core_of(right_).take_reply(lane_there_)) {
            EXPECT_TRUE(core_of(wrong_).on_reply(lane_, *reply));
            wrong_.run();
        }
    }
    static message_ref retained(support::pure_node& at) {
        return core_of(at).retained().find("t", at.now());
    }
    static wall_time date_of(support::pure_node& at) {
        return wall_of(retained(at)->header().stamp);
    }

    no_routes routes_;
    retained_digest wrong_digest_;
    retained_digest right_digest_;
    support::pure_node wrong_{options(first_node, wrong_digest_)};
    support::pure_node right_{options(second_node, right_digest_)};
    lane_key lane_{.slot = other, .number = shard_id{0}};
    incoming_lane_id lane_there_;
};

TEST_F(WrongClock, AMessageOfTheFutureIsDatedAnewWhereItArrives) {
    agree(right_);
    shift(10min);
    retain(wrong_, "first");
    EXPECT_EQ(retained(right_)->payload(), "first");
    EXPECT_EQ(date_of(right_), right_.wall());
    EXPECT_EQ(retained(right_)->header().origin, second_node);
    EXPECT_EQ(core_of(right_).counts().dated_anew, 1U);
    retain(right_, "last");
    EXPECT_EQ(retained(right_)->payload(), "last");
    EXPECT_EQ(date_of(right_), right_.wall());
}

TEST_F(WrongClock, NearMessagesAndThoseOfThePastKeepTheirDate) {
    agree(right_);
    for (const duration off : {duration(-10min), duration(4s)}) {
        shift(off);
        retain(wrong_, "any");
        EXPECT_EQ(date_of(right_), date_of(wrong_));
        EXPECT_EQ(retained(right_)->header().origin, first_node);
    }
    EXPECT_EQ(core_of(right_).counts().dated_anew, 0U);
}

TEST_F(WrongClock, OneOfTwoNodesBelievesWhatItIsTold) {
    shift(10min);
    retain(wrong_, "first");
    EXPECT_EQ(date_of(right_), wrong_.wall());
    retain(right_, "last");
    EXPECT_EQ(retained(right_)->payload(), "first");
}

TEST_F(WrongClock, OnceItKnowsItDatesByTheAgreedClock) {
    agree(right_);
    shift(10min);
    retain(wrong_, "first");
    EXPECT_EQ(date_of(wrong_), wrong_.wall());
    agree(wrong_);
    wrong_.advance(1ms);
    right_.advance(1ms);
    retain(wrong_, "second");
    EXPECT_EQ(retained(wrong_)->payload(), "second") << "its own row of the future is not believed";
    EXPECT_EQ(date_of(wrong_), right_.wall());
    EXPECT_EQ(retained(right_)->payload(), "second");
    EXPECT_EQ(core_of(right_).counts().dated_anew, 1U) << "the first only";
    shift(-10min);
    retain(wrong_, "third");
    EXPECT_EQ(retained(wrong_)->payload(), "third");
    EXPECT_EQ(retained(right_)->payload(), "third");
    EXPECT_EQ(date_of(right_), right_.wall());
}

TEST_F(WrongClock, ExpiryGoesByItsOwnClock) {
    shift(10min);
    agree(wrong_);
    publication what{.topic = "t", .payload = "soon"};
    what.header.retain = true;
    what.header.expires = wrong_.now() + 30s;
    core_of(wrong_).publish(what);
    wrong_.advance(29s);
    EXPECT_TRUE(retained(wrong_));
    wrong_.advance(2s);
    EXPECT_FALSE(retained(wrong_));
}

} // namespace
} // namespace gv::shard
