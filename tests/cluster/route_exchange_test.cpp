// SPDX-License-Identifier: Apache-2.0
#include "cluster/route_exchange.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>

namespace gv::cluster {
namespace {

constexpr time_point start{100s};
constexpr partition_id part{17};

route_subscription to(std::string_view filter) { return {.key = {.filter = filter, .group = {}}}; }

/// Some nodes that hear each other at once, unless a link is held.
class cluster_of_some {
  public:
    struct one final : route_effects {
        one(cluster_of_some& all, std::uint64_t number)
            : all_(all), id{node_id{number}, boot_id{1}}, routes(id, {}, start) {}
        void send(std::span<const node_id> whom, const route_message& message) override {
            for (const node_id each : whom) {
                all_.wire_.push_back({id.node, each, message});
            }
        }
        void filter_changed(std::string_view) override {}
        void all_changed() override {}
        void on_known(wait_token who, route_known how) override { known[who.value] = how; }
        void on_routes_ready() override { ++ready; }

        cluster_of_some& all_;
        route_exchange::identity id;
        route_exchange routes;
        std::map<std::uint64_t, route_known> known;
        int ready = 0;
    };
    struct letter {
        node_id from;
        node_id to;
        route_message message;
    };

    explicit cluster_of_some(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            nodes_.emplace_back(*this, i + 1);
        }
    }
    one& operator[](std::size_t which) { return nodes_[which]; }
    void meet() {
        for (one& a : nodes_) {
            for (one& b : nodes_) {
                a.routes.on_peer(b.id, peer_state::alive, now, a);
            }
        }
        deliver();
    }
    void deliver() {
        while (!wire_.empty()) {
            const letter next = wire_.front();
            wire_.pop_front();
            if (next.to == deaf) {
                continue;
            }
            one& to_whom = nodes_[next.to.value - 1];
            EXPECT_TRUE(to_whom.routes.on_message(next.from, next.message, now, to_whom));
        }
    }
    void pass(duration span) {
        for (const time_point end = now + span; now < end; now += 1ms) {
            for (one& each : nodes_) {
                if (each.routes.next_deadline() <= now) {
                    each.routes.on_deadline(now, each);
                }
            }
            deliver();
        }
    }
    bool sends(std::size_t which, std::string_view topic, route_destination whom) {
        route_matches found;
        nodes_[which].routes.match(topic, found);
        return std::ranges::any_of(found.targets,
                                   [&](const route_target& each) { return each.to == whom; });
    }

    time_point now = start;
    node_id deaf; ///< hears nothing

  private:
    std::deque<one> nodes_;
    std::deque<letter> wire_;
};

TEST(RouteExchange, ASubackWaitsUntilAllKnow) {
    cluster_of_some nodes(3);
    nodes.meet();
    auto& first = nodes[0];
    const route_destination mine(first.id.node);
    const auto change = first.routes.subscribe(mine, to("a/+"), nodes.now, first);
    first.routes.await_known(mine, *change, wait_token{1}, nodes.now, first);
    EXPECT_TRUE(first.known.empty());
    nodes.pass(3ms);
    ASSERT_TRUE(first.known.contains(1));
    EXPECT_EQ(first.known[1], route_known::everywhere);
    EXPECT_TRUE(nodes.sends(1, "a/b", mine));
    EXPECT_TRUE(nodes.sends(2, "a/b", mine));
    const auto again = first.routes.subscribe(mine, to("a/+"), nodes.now, first);
    first.routes.await_known(mine, *again, wait_token{2}, nodes.now, first);
    EXPECT_EQ(first.known[2], route_known::everywhere) << "at once: it is known already";
}

TEST(RouteExchange, ASecondSubscriberWaitsForTheChangeOfTheFirst) {
    cluster_of_some nodes(2);
    nodes.meet();
    auto& first = nodes[0];
    const route_destination mine(first.id.node);
    static_cast<void>(first.routes.subscribe(mine, to("a"), nodes.now, first));
    const auto second = first.routes.subscribe(mine, to("a"), nodes.now, first);
    first.routes.await_known(mine, *second, wait_token{2}, nodes.now, first);
    EXPECT_TRUE(first.known.empty());
    nodes.pass(3ms);
    EXPECT_EQ(first.known.count(2), 1u);
}

TEST(RouteExchange, ASubackDoesNotWaitLongerThanItMay) {
    cluster_of_some nodes(2);
    nodes.meet();
    auto& first = nodes[0];
    const route_destination mine(first.id.node);
    nodes.deaf = nodes[1].id.node;
    const auto change = first.routes.subscribe(mine, to("a"), nodes.now, first);
    first.routes.await_known(mine, *change, wait_token{1}, nodes.now, first);
    nodes.pass(250ms);
    EXPECT_TRUE(first.known.empty());
    nodes.pass(2ms);
    EXPECT_EQ(first.known[1], route_known::timed_out);
    EXPECT_EQ(first.routes.counted().waits_timed_out, 1u);
    EXPECT_EQ(first.routes.unconfirmed(), 1u);
    nodes.deaf = {};
    nodes.pass(3s);
    EXPECT_TRUE(nodes.sends(1, "a", mine)) << "found out by a digest";
    EXPECT_EQ(first.routes.unconfirmed(), 0u);
}

TEST(RouteExchange, NobodyWaitsForWhoIsDead) {
    cluster_of_some nodes(3);
    nodes.meet();
    auto& first = nodes[0];
    const route_destination mine(first.id.node);
    nodes.deaf = nodes[2].id.node;
    const auto change = first.routes.subscribe(mine, to("a"), nodes.now, first);
    first.routes.await_known(mine, *change, wait_token{1}, nodes.now, first);
    nodes.pass(5ms);
    EXPECT_TRUE(first.known.empty());
    first.routes.on_peer(nodes[2].id, peer_state::dead, nodes.now, first);
    EXPECT_EQ(first.known[1], route_known::everywhere);
    const auto alone = first.routes.subscribe(mine, to("b"), nodes.now, first);
    first.routes.on_peer(nodes[1].id, peer_state::dead, nodes.now, first);
    first.routes.await_known(mine, *alone, wait_token{2}, nodes.now, first);
    EXPECT_EQ(first.known[2], route_known::everywhere);
}

TEST(RouteExchange, AnAcknowledgementOfAnEarlierLifeCountsForNothing) {
    cluster_of_some nodes(2);
    nodes.meet();
    auto& first = nodes[0];
    const route_destination mine(first.id.node);
    const route_generation life{.author = first.id.node, .boot = first.id.boot};
    auto next_life = nodes[1].id;
    next_life.boot = boot_id{2};
    nodes.deaf = nodes[1].id.node;
    first.routes.on_peer(next_life, peer_state::alive, nodes.now, first);
    const auto change = first.routes.subscribe(mine, to("a"), nodes.now, first);
    first.routes.await_known(mine, *change, wait_token{1}, nodes.now, first);
    const stream_position has_it{.stream = mine, .of = life, .since = 0, .applied = *change};
    const auto say = [&](boot_id boot) {
        EXPECT_TRUE(first.routes.on_message(
            next_life.node, route_applied{.boot = boot, .positions = {has_it}}, nodes.now, first));
    };
    say(boot_id{1});
    EXPECT_TRUE(first.known.empty());
    say(boot_id{2});
    EXPECT_EQ(first.known[1], route_known::everywhere);
}

TEST(RouteExchange, RoutesOfTheDeadAreHiddenAndOfTheGoneGone) {
    cluster_of_some nodes(2);
    nodes.meet();
    auto& first = nodes[0];
    auto& second = nodes[1];
    const route_destination whom(first.id.node);
    const route_destination kept(part);
    static_cast<void>(first.routes.subscribe(whom, to("a"), nodes.now, first));
    first.routes.open_partition(part, 1);
    static_cast<void>(first.routes.subscribe(kept, to("a"), nodes.now, first));
    first.routes.start_partition(part, nodes.now, first);
    nodes.pass(10ms);
    EXPECT_TRUE(nodes.sends(1, "a", whom) && nodes.sends(1, "a", kept));
    second.routes.on_peer(first.id, peer_state::dead, nodes.now, second);
    EXPECT_FALSE(nodes.sends(1, "a", whom));
    EXPECT_TRUE(nodes.sends(1, "a", kept)) << "for it there is a spool";
    second.routes.on_peer(first.id, peer_state::alive, nodes.now, second);
    EXPECT_TRUE(nodes.sends(1, "a", whom));
    second.routes.on_peer(first.id, peer_state::gone, nodes.now, second);
    EXPECT_FALSE(nodes.sends(1, "a", whom));
    second.routes.on_deadline(nodes.now, second);
    EXPECT_EQ(second.routes.index().size(), 1u);
    EXPECT_TRUE(nodes.sends(1, "a", kept)) << "nothing is deleted that may have a queue";
}

TEST(RouteExchange, WhatKeptSessionsWantIsKnownWhileTheirNodeIsDead) {
    cluster_of_some nodes(2);
    nodes.meet();
    auto& first = nodes[0];
    auto& second = nodes[1];
    const auto kept = route_destination::kept_of(first.id.node);
    first.routes.open_kept();
    static_cast<void>(first.routes.subscribe(kept, to("a"), nodes.now, first));
    nodes.pass(3s);
    EXPECT_FALSE(nodes.sends(1, "a", kept)) << "it may not be all yet";
    first.routes.start_kept(first);
    nodes.pass(10ms);
    EXPECT_TRUE(nodes.sends(1, "a", kept));
    second.routes.on_peer(first.id, peer_state::dead, nodes.now, second);
    EXPECT_TRUE(nodes.sends(1, "a", kept));
    second.routes.on_peer(first.id, peer_state::gone, nodes.now, second);
    second.routes.on_deadline(nodes.now, second);
    EXPECT_FALSE(nodes.sends(1, "a", kept));
}

TEST(RouteExchange, AJoiningNodeIsReadyWhenItHasAllStreams) {
    cluster_of_some nodes(3);
    auto& first = nodes[0];
    for (const auto number : {1, 2, 3}) {
        first.routes.open_partition(partition_id{static_cast<std::uint16_t>(number)}, 1);
        const route_destination stream(partition_id{static_cast<std::uint16_t>(number)});
        for (int i = 0; i < 100; ++i) {
            static_cast<void>(
                first.routes.subscribe(stream, to(std::to_string(i)), nodes.now, first));
        }
        first.routes.start_partition(partition_id{static_cast<std::uint16_t>(number)}, nodes.now,
                                     first);
    }
    auto& last = nodes[2];
    last.routes.on_peer(first.id, peer_state::alive, nodes.now, last);
    last.routes.report_when_ready(last);
    EXPECT_EQ(last.ready, 0) << "it has not heard of any stream";
    nodes.meet();
    EXPECT_EQ(last.ready, 1);
    EXPECT_EQ(last.routes.index().size(), 300u);
    EXPECT_TRUE(nodes.sends(2, "99", route_destination(partition_id{3})));
}

TEST(RouteExchange, AJoiningNodeIsReadyThoughItsSubscriptionsNeverStop) {
    cluster_of_some nodes(2);
    nodes.meet();
    auto& last = nodes[1];
    const route_destination mine(last.id.node);
    static_cast<void>(last.routes.subscribe(mine, to("first"), nodes.now, last));
    last.routes.report_when_ready(last);
    EXPECT_EQ(last.ready, 0);
    for (int round = 0; round < 10; ++round) {
        nodes.now += 5ms;
        last.routes.on_deadline(nodes.now, last); // tells
        const std::string filter = std::to_string(round);
        static_cast<void>(last.routes.subscribe(mine, to(filter), nodes.now, last));
        nodes.deliver(); // and what it has told is applied, but there is more by now
        EXPECT_GT(last.routes.unconfirmed(), 0u);
    }
    EXPECT_EQ(last.ready, 1);
}

TEST(RouteExchange, AJoiningNodeIsNotReadyBeforeTheOthersHearIt) {
    cluster_of_some nodes(2);
    nodes.deaf = nodes[0].id.node;
    nodes.meet();
    auto& last = nodes[1];
    last.routes.report_when_ready(last);
    EXPECT_EQ(last.ready, 0);
    nodes.deaf = {};
    nodes.pass(3s);
    EXPECT_EQ(last.ready, 1);
}

TEST(RouteExchange, AHandOverOfTheSameRowsIsOneDigest) {
    cluster_of_some nodes(3);
    nodes.meet();
    auto& from = nodes[0];
    auto& heir = nodes[1];
    const route_destination stream(part);
    from.routes.open_partition(part, 1);
    static_cast<void>(from.routes.subscribe(stream, to("a"), nodes.now, from));
    from.routes.start_partition(part, nodes.now, from);
    nodes.pass(10ms);
    EXPECT_TRUE(nodes.sends(2, "a", stream));
    from.routes.release_partition(part, nodes.now, from);
    EXPECT_TRUE(nodes.sends(0, "a", stream)) << "a node that was home sends to the next";
    heir.routes.open_partition(part, 2);
    static_cast<void>(heir.routes.subscribe(stream, to("a"), nodes.now, heir));
    EXPECT_TRUE(nodes.sends(1, "a", stream)) << "not home before it is started";
    const auto pages = nodes[2].routes.counted().received.pages;
    heir.routes.start_partition(part, nodes.now, heir);
    nodes.pass(10ms);
    EXPECT_FALSE(nodes.sends(1, "a", stream));
    EXPECT_TRUE(nodes.sends(2, "a", stream) && nodes.sends(0, "a", stream));
    EXPECT_EQ(nodes[2].routes.replica(stream)->of().epoch, 2u);
    EXPECT_EQ(nodes[2].routes.counted().received.pages, pages);
}

TEST(RouteExchange, OfTwoHomesOfOneEpochAllFollowTheSame) {
    cluster_of_some nodes(4);
    nodes.meet();
    const route_destination stream(part);
    for (const std::size_t home : {1u, 0u}) {
        nodes[home].routes.open_partition(part, 5);
        static_cast<void>(nodes[home].routes.subscribe(stream, to("home " + std::to_string(home)),
                                                       nodes.now, nodes[home]));
        nodes[home].routes.start_partition(part, nodes.now, nodes[home]);
        nodes.deliver();
    }
    nodes.pass(3s);
    for (const std::size_t other : {2u, 3u}) {
        EXPECT_EQ(nodes[other].routes.replica(stream)->of().author, nodes[1].id.node);
        EXPECT_TRUE(nodes.sends(other, "home 1", stream));
        EXPECT_FALSE(nodes.sends(other, "home 0", stream));
    }
    nodes[0].routes.release_partition(part, nodes.now, nodes[0]);
    nodes.pass(3s);
    EXPECT_TRUE(nodes.sends(0, "home 1", stream));
    EXPECT_FALSE(nodes.sends(0, "home 0", stream));
}

TEST(RouteExchange, WhoHidesRoutesDoesNotSayThatItKnowsThem) {
    cluster_of_some nodes(2);
    nodes.meet();
    auto& first = nodes[0];
    auto& second = nodes[1];
    const route_destination mine(first.id.node);
    second.routes.on_peer(first.id, peer_state::dead, nodes.now, second);
    const auto change = first.routes.subscribe(mine, to("a"), nodes.now, first);
    first.routes.await_known(mine, *change, wait_token{1}, nodes.now, first);
    nodes.pass(260ms);
    EXPECT_EQ(first.known[1], route_known::timed_out);
    second.routes.on_peer(first.id, peer_state::alive, nodes.now, second);
    EXPECT_TRUE(nodes.sends(1, "a", mine));
    nodes.pass(3s);
    first.routes.await_known(mine, *change, wait_token{2}, nodes.now, first);
    EXPECT_EQ(first.known[2], route_known::everywhere);
}

TEST(RouteExchange, StrangersAndImpostorsAreRefused) {
    cluster_of_some nodes(2);
    nodes.meet();
    auto& first = nodes[0];
    EXPECT_EQ(first.routes.on_message(node_id{99}, hashes_request{}, nodes.now, first).error(),
              route_fault::unknown_peer);
    EXPECT_EQ(first.routes.counted().refused, 0u) << "membership may tell of it in a moment";
    const route_digests others{
        .streams = {{.stream = route_destination(first.id.node), .of = {.author = first.id.node}}}};
    EXPECT_EQ(first.routes.on_message(nodes[1].id.node, others, nodes.now, first).error(),
              route_fault::not_its_own);
    EXPECT_EQ(first.routes.counted().refused, 1u);
    EXPECT_EQ(first.routes.subscribe(route_destination(part), to("a"), nodes.now, first).error(),
              route_fault::unknown_stream);
}

} // namespace
} // namespace gv::cluster
