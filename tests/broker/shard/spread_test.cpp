// SPDX-License-Identifier: Apache-2.0
// Shared groups with members on several nodes, which are pure nodes with lanes between them.
#include "cluster/lane_format.hpp"
#include "tests/broker/shard/stage.hpp"
#include "tests/support/pure_routes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace gv::shard {
namespace {

using support::directory;
using support::peers_of;

constexpr std::size_t shards = 2;

class cluster_stage {
  public:
    explicit cluster_stage(std::size_t count,
                           router::group_strategy strategy = router::group_strategy::round_robin) {
        for (std::size_t n = 0; n < count; ++n) {
            peers_.push_back(std::make_unique<peers_of>(n, known_));
            core_options core;
            core.node = node_id{n + 1};
            core.boot = boot_id{1};
            core.is_clustered = true;
            core.lane_sender.spools = false;
            core.routing.peers = peers_.back().get();
            core.routing.strategy = strategy;
            nodes_.push_back(std::make_unique<support::pure_node>(
                support::node_options{.shards = shards, .core = core}));
            nodes_.back()->told = [this, n](const route_word& what) {
                told_.hear(n, what);
                publish_known();
            };
        }
        for (std::size_t from = 0; from < count; ++from) {
            for (std::size_t to = 0; to < count; ++to) {
                if (from != to) {
                    link(from, to);
                }
            }
        }
    }

    player& enter(std::size_t node, std::size_t shard, support::connect_request how = {}) {
        std::string id;
        do {
            id = "c" + std::to_string(++ids_);
        } while (nodes_[node]->home_of(id) != shard);
        player& made = players_.emplace_back(*nodes_[node], id);
        how.shard = shard;
        made.connect(how);
        listen();
        return made;
    }
    player& member(std::size_t node, std::size_t shard, const std::string& filter = "$share/g/t/#",
                   const support::connect_request& how = {}) {
        player& made = enter(node, shard, how);
        made.subscribe(filter, qos::exactly_once);
        listen();
        return made;
    }
    /// In the name of the broker of that node.
    void say(std::size_t node, const publication& what) {
        nodes_[node]->core(0).publish(what);
        listen();
    }
    /// Until nobody has anything to say.
    void listen() {
        constexpr int handshake = 3; // rounds of packets that only clients and their node see
        for (int quiet = 0; quiet < handshake; ++quiet) {
            for (player& each : players_) {
                each.wire.listen();
            }
            for (std::size_t n = 0; n < nodes_.size(); ++n) {
                nodes_[n]->run();
                quiet = carry(n) ? -1 : quiet;
            }
        }
    }
    /// What nodes know of each other stays as it is, or is as it should be again.
    void freeze(bool is_frozen) {
        is_frozen_ = is_frozen;
        publish_known();
    }
    /// Frames to that node wait.
    void hold_back(std::size_t node) { held_back_ = node; }
    void kill(std::size_t node) {
        dead_ = node;
        told_.forget(node);
        publish_known();
        for (std::size_t n = 0; n < nodes_.size(); ++n) {
            for (std::size_t s = 0; n != node && s < shards; ++s) {
                nodes_[n]->core(s).on_peer(standing(node, peer_presence::absent));
            }
        }
        listen();
    }
    void suspect(std::size_t node, bool is_suspected) {
        for (std::size_t n = 0; n < nodes_.size(); ++n) {
            for (std::size_t s = 0; n != node && s < shards; ++s) {
                peer_standing now = standing(node, peer_presence::live);
                now.is_suspected = is_suspected;
                nodes_[n]->core(s).on_peer(now);
            }
        }
        listen();
    }
    /// Messages that others have sent that node flagged as perhaps taken before.
    [[nodiscard]] int flagged_to(std::size_t node) { return flagged_[node]; }
    [[nodiscard]] std::uint64_t sum(std::uint64_t core_counts::* what) {
        std::uint64_t all = 0;
        for (const auto& node : nodes_) {
            for (std::size_t s = 0; s < shards; ++s) {
                all += node->core(s).counts().*what;
            }
        }
        return all;
    }
    void expect_no_debts() {
        for (std::size_t n = 0; n < nodes_.size(); ++n) {
            for (std::size_t s = 0; n != dead_ && s < shards; ++s) {
                EXPECT_TRUE(nodes_[n]->core(s).debts().none());
            }
        }
    }

  private:
    static peer_slot slot(std::size_t node) { return peer_slot{static_cast<std::uint16_t>(node)}; }
    static peer_standing standing(std::size_t node, peer_presence presence) {
        return {.slot = slot(node),
                .node = node_id{node + 1},
                .boot = boot_id{1},
                .presence = presence};
    }
    static lane_key lane_of(std::size_t shard, std::size_t to) {
        return {.slot = slot(to), .number = shard_id{static_cast<std::uint16_t>(shard)}};
    }
    void publish_known() {
        if (!is_frozen_) {
            known_ = told_;
            for (const auto& each : peers_) {
                each->changed();
            }
        }
    }
    void link(std::size_t from, std::size_t to) {
        for (std::size_t s = 0; s < shards; ++s) {
            core& sender = nodes_[from]->core(s);
            sender.on_peer(standing(to, peer_presence::live));
            const auto arrival = nodes_[to]->core(s).on_hello(sender.hello_of(lane_of(s, to)));
            ASSERT_TRUE(arrival.has_value());
            ASSERT_TRUE(sender.on_welcome(lane_of(s, to), arrival->welcome));
            arriving_[{from, s, to}] = arrival->lane;
        }
    }
    bool carry(std::size_t node) {
        bool is_busy = false;
        for (std::size_t s = 0; s < shards; ++s) {
            core& sender = nodes_[node]->core(s);
            static_cast<void>(sender.take_dirty_lanes());
            for (std::size_t to = 0; to < nodes_.size(); ++to) {
                if (to != node && to != held_back_ && to != dead_ && node != dead_) {
                    is_busy = carry(sender, nodes_[to]->core(s), lane_of(s, to),
                                    arriving_.at({node, s, to}))
                              || is_busy;
                }
            }
        }
        return is_busy;
    }
    bool carry(core& sender, core& receiver, lane_key to, incoming_lane_id lane) {
        bool is_busy = false;
        while (const auto frame = sender.take_frame(to)) {
            cluster::piece_reader pieces(frame->bytes);
            while (const auto each = pieces.next()) {
                const bool is_flagged = (each->content[0] & cluster::lane_bits::maybe_dup) != 0;
                flagged_[to.slot.value] +=
                    each->kind == cluster::piece_kind::whole && is_flagged ? 1 : 0;
            }
            EXPECT_TRUE(receiver.on_frame(lane, *frame));
            is_busy = true;
        }
        while (const auto reply = receiver.take_reply(lane)) {
            EXPECT_TRUE(sender.on_reply(to, *reply));
            is_busy = true;
        }
        return is_busy;
    }

    static constexpr std::size_t nobody = 99;
    directory told_;
    directory known_;
    std::vector<std::unique_ptr<peers_of>> peers_;
    std::vector<std::unique_ptr<support::pure_node>> nodes_;
    std::map<std::tuple<std::size_t, std::size_t, std::size_t>, incoming_lane_id> arriving_;
    std::list<player> players_;
    std::size_t ids_ = 0;
    std::size_t held_back_ = nobody;
    std::size_t dead_ = nobody;
    bool is_frozen_ = false;
    std::map<std::size_t, int> flagged_; ///< by node
};

void publish_many(cluster_stage& all, player& from, int count, qos quality, int first = 0,
                  const std::string& topic = "t/1") {
    for (int each = first; each < first + count; ++each) {
        from.publish({.topic = topic, .payload = std::to_string(each), .quality = quality});
        all.listen();
    }
}

/// Of the PUBACK.
mqtt::reason_code reason_for(cluster_stage& all, player& publisher) {
    publisher.wire.is_automatic = false;
    publisher.publish({.topic = "t/1", .payload = "x", .quality = qos::at_least_once});
    all.listen();
    for (const support::received& each : publisher.wire.inbox) {
        if (const auto* ack = each.as<mqtt::ack_view>()) {
            return ack->reason;
        }
    }
    return mqtt::reason_code::unspecified_error;
}

/// How often each payload came, to all of these.
std::map<std::string, int> counts_of(const std::vector<player*>& members) {
    std::map<std::string, int> counts;
    for (const player* each : members) {
        for (const std::string& payload : each->got) {
            ++counts[payload];
        }
    }
    return counts;
}

void expect_each_once(const std::vector<player*>& members, std::size_t count) {
    const auto counts = counts_of(members);
    EXPECT_EQ(counts.size(), count);
    for (const auto& [payload, times] : counts) {
        EXPECT_EQ(times, 1) << payload;
    }
}

TEST(SpreadGroup, OneMemberOfTheClusterTakesEachMessage) {
    for (const qos quality : {qos::at_most_once, qos::at_least_once, qos::exactly_once}) {
        cluster_stage all(3);
        std::vector<player*> members;
        for (std::size_t node = 0; node < 3; ++node) {
            for (std::size_t shard = 0; shard < shards; ++shard) {
                members.push_back(&all.member(node, shard));
            }
        }
        int sent = 0;
        for (std::size_t node = 0; node < 3; ++node) {
            for (std::size_t shard = 0; shard < shards; ++shard) {
                player& publisher = all.enter(node, shard);
                publish_many(all, publisher, 60, quality, sent);
                EXPECT_EQ(publisher.wire.unsettled(), 0u);
                sent += 60;
            }
        }
        expect_each_once(members, 360);
        for (const player* each : members) {
            EXPECT_NEAR(static_cast<double>(each->got.size()), 60, 12);
        }
        all.expect_no_debts();
    }
}

TEST(SpreadGroup, SubscribersAndEveryGroupGetACopy) {
    cluster_stage all(2);
    player& member = all.member(1, 0);
    player& other = all.member(1, 1, "$share/h/t/#");
    player& same_name = all.member(1, 1, "$share/g/t/+");
    player& plain = all.member(1, 1, "t/#");
    player& far_member = all.member(0, 1);
    for (std::size_t node = 0; node < 2; ++node) {
        publish_many(all, all.enter(node, 0), 20, qos::at_least_once, static_cast<int>(node) * 20);
    }
    expect_each_once({&member, &far_member}, 40);
    EXPECT_FALSE(member.got.empty());
    EXPECT_FALSE(far_member.got.empty());
    for (player* each : {&other, &same_name, &plain}) {
        expect_each_once({each}, 40);
    }
    all.expect_no_debts();
}

TEST(SpreadGroup, WhereTheLastMemberHasGoneAnotherNodeIsChosen) {
    for (const qos quality : {qos::at_least_once, qos::exactly_once}) {
        cluster_stage all(3);
        player& gone = all.member(1, 0);
        player& stays = all.member(2, 1);
        player& publisher = all.enter(0, 0);
        all.freeze(true);
        gone.unsubscribe("$share/g/t/#");
        all.listen();
        publish_many(all, publisher, 40, quality);
        EXPECT_TRUE(gone.got.empty());
        expect_each_once({&stays}, 40);
        EXPECT_EQ(publisher.wire.unsettled(), 0u);
        EXPECT_GT(all.sum(&core_counts::group_resends), 10u) << "the wrong node was chosen";
        EXPECT_EQ(all.sum(&core_counts::group_drops), 0u);
        all.expect_no_debts();
    }
}

TEST(SpreadGroup, AMemberOfTheSameNodeIsChosenAgainToo) {
    cluster_stage all(2);
    player& gone = all.member(1, 0);
    player& here = all.member(0, 1);
    for (std::size_t shard = 0; shard < shards; ++shard) {
        all.freeze(false);
        player& publisher = all.enter(0, shard);
        all.freeze(true);
        if (shard == 0) {
            gone.unsubscribe("$share/g/t/#");
        }
        all.listen();
        publish_many(all, publisher, 20, qos::at_least_once, static_cast<int>(shard) * 20);
        EXPECT_EQ(publisher.wire.unsettled(), 0u);
    }
    expect_each_once({&here}, 40);
    EXPECT_GT(all.sum(&core_counts::group_resends), 0u);
    all.expect_no_debts();
}

TEST(SpreadGroup, WithoutAnyMemberLeftItIsDroppedAndCounted) {
    cluster_stage all(2);
    player& gone = all.member(1, 0);
    player& publisher = all.enter(0, 0);
    all.freeze(true);
    gone.unsubscribe("$share/g/t/#");
    all.listen();
    publish_many(all, publisher, 5, qos::at_most_once);
    EXPECT_EQ(all.sum(&core_counts::group_drops), 5u);
    publish_many(all, publisher, 5, qos::at_least_once);
    EXPECT_EQ(all.sum(&core_counts::group_drops), 10u);
    EXPECT_EQ(publisher.wire.unsettled(), 0u);
    EXPECT_TRUE(gone.got.empty());
    all.expect_no_debts();
}

TEST(SpreadGroup, TheReasonTellsWhetherAnybodyTookIt) {
    for (std::size_t shard = 0; shard < shards; ++shard) {
        cluster_stage all(2);
        player& gone = all.member(1, 0);
        EXPECT_EQ(reason_for(all, all.enter(0, shard)), mqtt::reason_code::success);
        EXPECT_EQ(gone.got.size(), 1u);
        all.freeze(true);
        gone.unsubscribe("$share/g/t/#");
        all.listen();
        EXPECT_EQ(reason_for(all, all.enter(0, shard)), mqtt::reason_code::no_matching_subscribers);
        all.freeze(false);
        EXPECT_EQ(reason_for(all, all.enter(0, shard)), mqtt::reason_code::no_matching_subscribers);
        all.member(0, shard);
        EXPECT_EQ(reason_for(all, all.enter(0, shard)), mqtt::reason_code::success);
        all.expect_no_debts();
    }
}

TEST(SpreadGroup, WhatADeadNodeHadNotTakenGoesToAnother) {
    cluster_stage all(3);
    player& dies = all.member(1, 0);
    player& stays = all.member(2, 0);
    player& publisher = all.enter(0, 1);
    all.hold_back(1);
    publish_many(all, publisher, 20, qos::at_least_once);
    const std::size_t before = stays.got.size();
    EXPECT_LT(before, 20u);
    EXPECT_GE(publisher.wire.unsettled(), 20u - before) << "acknowledged in their order";
    all.kill(1);
    expect_each_once({&stays}, 20);
    EXPECT_TRUE(dies.got.empty());
    EXPECT_EQ(publisher.wire.unsettled(), 0u);
    publish_many(all, publisher, 10, qos::at_least_once, 20);
    expect_each_once({&stays}, 30);
    all.expect_no_debts();
}

TEST(SpreadGroup, WhatASuspectHasNotTakenGoesToAnotherAndMayComeTwice) {
    cluster_stage all(3);
    player& silent = all.member(1, 0);
    player& stays = all.member(2, 0);
    player& publisher = all.enter(0, 1);
    all.hold_back(1);
    publish_many(all, publisher, 20, qos::at_least_once);
    const std::size_t given = 20 - stays.got.size();
    ASSERT_GT(given, 0u);
    all.suspect(1, true);
    expect_each_once({&stays}, 20);
    EXPECT_EQ(publisher.wire.unsettled(), 0u);
    EXPECT_EQ(all.flagged_to(2), static_cast<int>(given)) << "all that node 1 may have taken";
    publish_many(all, publisher, 10, qos::at_least_once, 20);
    publish_many(all, publisher, 10, qos::at_most_once, 30);
    expect_each_once({&stays}, 40);
    all.hold_back(99);
    all.suspect(1, false);
    EXPECT_EQ(silent.got.size(), given) << "it had them all the time";
    all.expect_no_debts();
}

TEST(SpreadGroup, ASuspectKeepsWhatWouldComeTwiceForNothing) {
    for (const qos quality : {qos::at_most_once, qos::at_least_once, qos::exactly_once}) {
        const bool is_only_member = quality == qos::at_least_once;
        cluster_stage all(3);
        player& silent = all.member(1, 0);
        player& other = all.enter(2, 0);
        if (!is_only_member) {
            other.subscribe("$share/g/t/#", qos::exactly_once);
            all.listen();
        }
        player& publisher = all.enter(0, 1);
        all.hold_back(1);
        publish_many(all, publisher, 20, quality);
        all.suspect(1, true);
        all.hold_back(99);
        all.suspect(1, false);
        expect_each_once({&silent, &other}, 20);
        EXPECT_FALSE(silent.got.empty());
        EXPECT_EQ(publisher.wire.unsettled(), 0u);
        EXPECT_EQ(all.flagged_to(1) + all.flagged_to(2), 0);
        all.expect_no_debts();
    }
}

TEST(SpreadGroup, ThatItMayComeTwiceIsNotForgottenAtTheThirdChoice) {
    cluster_stage all(4);
    static_cast<void>(all.member(1, 0));
    player& goes = all.member(2, 0);
    player& stays = all.member(3, 0);
    player& publisher = all.enter(0, 1);
    all.hold_back(1);
    publish_many(all, publisher, 40, qos::at_least_once);
    const std::size_t given = 40 - stays.got.size() - goes.got.size();
    all.freeze(true);
    goes.unsubscribe("$share/g/t/#");
    all.listen();
    all.suspect(1, true);
    expect_each_once({&goes, &stays}, 40);
    EXPECT_GT(all.flagged_to(2), 0) << "the wrong one was chosen";
    EXPECT_EQ(all.flagged_to(3), static_cast<int>(given));
}

TEST(SpreadGroup, WhoIsOfflineIsPassedOverUnlessAllAre) {
    cluster_stage all(2);
    const support::connect_request kept{.session_expiry = 1'000};
    player& away = all.member(1, 0, "$share/g/t/#", kept);
    player& here = all.member(0, 0);
    player& publisher = all.enter(0, 1);
    away.wire.cut();
    all.listen();
    publish_many(all, publisher, 20, qos::at_least_once);
    expect_each_once({&here}, 20);
    here.unsubscribe("$share/g/t/#");
    all.listen();
    publish_many(all, publisher, 20, qos::at_least_once, 20);
    EXPECT_EQ(here.got.size(), 20u);
    support::connect_request again = kept;
    again.clean_start = false;
    away.connect(again);
    all.listen();
    expect_each_once({&away}, 20);
    all.expect_no_debts();
}

TEST(SpreadGroup, AHashGivesATopicToOneMember) {
    cluster_stage all(3, router::group_strategy::hash_topic);
    std::vector<player*> members;
    for (std::size_t node = 0; node < 3; ++node) {
        members.push_back(&all.member(node, node % shards));
    }
    for (int topic = 0; topic < 6; ++topic) {
        for (player* each : members) {
            each->got.clear();
        }
        for (std::size_t node = 0; node < 3; ++node) {
            publish_many(all, all.enter(node, 0), 5, qos::at_least_once, static_cast<int>(node) * 5,
                         "t/" + std::to_string(topic));
        }
        expect_each_once(members, 15);
        EXPECT_EQ(std::ranges::count_if(members, [](const player* m) { return !m->got.empty(); }),
                  1);
    }
}

TEST(SpreadGroup, WhatTheBrokerSaysOfItselfStaysOnItsNode) {
    cluster_stage all(2);
    player& here = all.member(0, 0, "$share/g/$SYS/#");
    player& there = all.member(1, 0, "$share/g/$SYS/#");
    publication what;
    what.topic = "$SYS/broker/uptime";
    what.payload = "1";
    EXPECT_TRUE(here.got.empty());
    EXPECT_TRUE(there.got.empty());
    all.say(0, what);
    EXPECT_EQ(here.got.size(), 1u);
    EXPECT_TRUE(there.got.empty());
}

} // namespace
} // namespace gv::shard
