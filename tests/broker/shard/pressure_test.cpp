// SPDX-License-Identifier: Apache-2.0
// Who waits for whom, seen from the clients.
#include "tests/support/wire_client.hpp"

#include <gtest/gtest.h>

#include <list>

namespace gv::shard {
namespace {

using support::node_options;
using support::pure_node;
using support::wire_client;

constexpr std::size_t output_max = 4'096;

[[nodiscard]] node_options small_outputs(std::size_t shards = 1) {
    node_options made{.shards = shards};
    made.core.limits.output_bytes_max = output_max;
    made.core.limits.packet_size_max = 2'048;
    made.core.pressure.credit_bytes_max = 8'192;
    return made;
}

struct crowd {
    explicit crowd(const node_options& how) : node(how) {}

    /// A client that has its CONNACK.
    wire_client& enter(const std::string& id, const support::connect_request& how = {}) {
        wire_client& made = clients.emplace_back(node, id);
        made.is_automatic = true;
        made.send_connect(how);
        made.listen();
        EXPECT_TRUE(made.is_connected()) << id;
        return made;
    }
    wire_client& subscribe(const std::string& id, const std::string& filter,
                           const support::connect_request& how = {}) {
        wire_client& made = enter(id, how);
        made.send_subscribe({{.filter = filter}});
        made.listen();
        return made;
    }

    pure_node node;
    std::list<wire_client> clients;
};

void stop_reading(wire_client& who) { who.peer().socket_room = 0; }
void read_all(wire_client& who) { who.peer().socket_room = static_cast<std::size_t>(-1); }

// The clock stands still.
void publish_many(pure_node& node, wire_client& from, const std::string& topic, std::size_t bytes) {
    for (std::size_t sent = 0; sent < bytes; sent += 1'000) {
        from.send_publish({.topic = topic, .payload = std::string(1'000, 'x')});
        node.run();
    }
}

TEST(Pressure, AClientThatDoesNotReadItsAnswersIsNotRead) {
    crowd all(small_outputs());
    wire_client& deaf = all.enter("deaf");
    stop_reading(deaf);
    std::string pings;
    for (std::size_t i = 0; i < 20 * output_max; ++i) {
        pings += std::string("\xc0\0", 2);
    }
    deaf.write(pings);
    all.node.run();
    EXPECT_LE(deaf.peer().front().output().size(), 3 * output_max);
    EXPECT_GT(deaf.peer().unread_input(), 0u);
    read_all(deaf);
    all.node.run();
    EXPECT_EQ(deaf.peer().unread_input(), 0u);
    EXPECT_EQ(deaf.peer().take().size(), pings.size());
}

TEST(Pressure, AClientThatIsNotReadAndReadsItselfKeepsItsConnection) {
    crowd all(small_outputs());
    wire_client& late = all.enter("late", {.keep_alive = 2});
    stop_reading(late);
    std::string pings;
    for (std::size_t i = 0; i < 4 * output_max; ++i) {
        pings += std::string("\xc0\0", 2);
    }
    late.write(pings);
    for (int second = 0; second < 20; ++second) {
        late.peer().socket_room = 10;
        all.node.advance(1s);
    }
    EXPECT_GT(late.peer().unread_input(), 0u);
    EXPECT_EQ(late.peer().front().state(), session::front::phase::connected);
    all.node.advance(4s);
    EXPECT_EQ(late.peer().front().state(), session::front::phase::closing);
}

TEST(Pressure, WhatAStuckReaderAmongManyGetsBeforeItsTimeIsUpIsBounded) {
    crowd all(small_outputs());
    all.subscribe("a", "t");
    all.subscribe("b", "t");
    wire_client& stuck = all.subscribe("stuck", "t");
    stop_reading(stuck);
    publish_many(all.node, all.enter("publisher"), "t", 100 * output_max);
    EXPECT_LE(stuck.peer().front().output().size(), 10 * output_max);
    EXPECT_GT(all.node.dropped(session::drop_reason::slow_reader), 0u);
}

TEST(Pressure, AFullClientHoldsItsPublisherOnAnotherShardAndNobodyElse) {
    crowd all(small_outputs(2));
    wire_client& full = all.subscribe("full", "f", {.shard = 1});
    all.subscribe("reader", "v", {.shard = 1});
    wire_client& busy = all.enter("busy", {.shard = 0});
    wire_client& other = all.enter("other", {.shard = 0});
    stop_reading(full);
    publish_many(all.node, busy, "f", 10 * output_max);
    EXPECT_GT(busy.peer().unread_input(), 0u);
    EXPECT_LE(full.peer().front().output().size(), 3 * output_max);
    publish_many(all.node, other, "v", 10 * output_max);
    EXPECT_EQ(other.peer().unread_input(), 0u);
    EXPECT_EQ(all.node.core(0).held_publishers(), 1u);
    EXPECT_EQ(all.node.core(0).debts().credit_used, 0u);
    read_all(full);
    all.node.run();
    EXPECT_EQ(busy.peer().unread_input(), 0u);
    EXPECT_EQ(all.node.core(0).held_publishers(), 0u);
    EXPECT_EQ(all.node.dropped(session::drop_reason::slow_reader), 0u);
}

TEST(Pressure, APublisherHeldByAnotherShardGoesOnWhenTheFullOneLeaves) {
    crowd all(small_outputs(2));
    wire_client& full = all.subscribe("full", "f", {.shard = 1});
    wire_client& busy = all.enter("busy", {.shard = 0});
    stop_reading(full);
    publish_many(all.node, busy, "f", 4 * output_max);
    EXPECT_EQ(all.node.core(0).held_publishers(), 1u);
    full.cut();
    all.node.run();
    EXPECT_EQ(all.node.core(0).held_publishers(), 0u);
}

TEST(Pressure, AHeldPublisherKeepsItsConnectionThoughItsKeepAliveIsNotHeard) {
    for (const std::size_t shard : {0u, 1u}) {
        node_options how = small_outputs(2);
        how.core.pressure.progress_window = how.core.pressure.hold_max = 10s;
        crowd all(how);
        wire_client& full = all.subscribe("full", "f", {.shard = 1});
        wire_client& busy = all.enter("busy", {.keep_alive = 1, .shard = shard});
        stop_reading(full);
        publish_many(all.node, busy, "f", 4 * output_max);
        all.node.advance(5s);
        EXPECT_EQ(all.node.core(shard).held_publishers(), 1u);
        read_all(full);
        all.node.advance(1s);
        EXPECT_EQ(all.node.core(shard).held_publishers(), 0u);
        EXPECT_EQ(busy.peer().front().state(), session::front::phase::connected);
        all.node.advance(1s);
        EXPECT_EQ(busy.peer().front().state(), session::front::phase::closing);
    }
}

TEST(Pressure, WhoeverWaitsGoesOnThoughAnotherThatWasFullEndsJustThen) {
    node_options how = small_outputs();
    how.core.pressure.progress_window = how.core.pressure.hold_max = 10s;
    crowd all(how);
    wire_client& leaver = all.subscribe("leaver", "a");
    wire_client& full = all.subscribe("full", "b");
    wire_client& first = all.enter("first");
    wire_client& second = all.enter("second");
    stop_reading(leaver);
    stop_reading(full);
    while (first.peer().unread_input() == 0) {
        publish_many(all.node, first, "a", 1'000);
    }
    while (second.peer().unread_input() == 0) {
        publish_many(all.node, second, "b", 1'000);
    }
    leaver.send_publish({.topic = "a", .payload = "mine"}); // it waits for itself
    leaver.send_disconnect();
    read_all(leaver);
    read_all(full);
    all.node.run();
    EXPECT_EQ(first.peer().unread_input(), 0u);
    EXPECT_EQ(second.peer().unread_input(), 0u);
    EXPECT_EQ(all.node.core(0).held_publishers(), 0u);
}

/// A client identifier whose home is on this shard.
[[nodiscard]] std::string id_with_home(const pure_node& node, std::size_t shard) {
    std::string id = "p";
    while (node.home_of(id) != shard) {
        id += 'x';
    }
    return id;
}

// Wherever it is: on the home's shard, on the connection's, or on a third.
TEST(Pressure, AFullClientWhoseHomeIsElsewhereHoldsItsPublisher) {
    for (const std::size_t shard : {0u, 1u, 2u}) {
        crowd all(small_outputs(3));
        wire_client& full =
            all.subscribe(id_with_home(all.node, 0), "t", {.session_expiry = 3'600, .shard = 1});
        wire_client& busy = all.enter("busy", {.shard = shard});
        stop_reading(full);
        publish_many(all.node, busy, "t", 10 * output_max);
        EXPECT_LE(full.peer().front().output().size(), 3 * output_max) << shard;
        EXPECT_EQ(all.node.core(shard).held_publishers(), 1u) << shard;
        read_all(full);
        all.node.run();
        EXPECT_EQ(all.node.core(shard).held_publishers(), 0u) << shard;
        EXPECT_EQ(busy.peer().unread_input(), 0u) << shard;
        EXPECT_EQ(all.node.dropped(session::drop_reason::slow_reader), 0u) << shard;
        stop_reading(full);
        publish_many(all.node, busy, "t", 10 * output_max);
        EXPECT_EQ(all.node.core(shard).held_publishers(), 1u) << shard;
        full.cut();
        all.node.run();
        EXPECT_EQ(all.node.core(shard).held_publishers(), 0u) << shard;
    }
}

TEST(Pressure, WhatIsOnItsWayFromAHomeToItsClientIsBounded) {
    for (const std::size_t shard : {0u, 2u}) {
        crowd all(small_outputs(3));
        all.subscribe(id_with_home(all.node, 0), "t", {.session_expiry = 3'600, .shard = 1});
        wire_client& busy = all.enter("busy", {.shard = shard});
        all.node.block_mail(0, 1, true);
        publish_many(all.node, busy, "t", 10 * output_max);
        EXPECT_LE(all.node.core(0).debts().credit_used, 3 * output_max) << shard;
        EXPECT_EQ(all.node.core(shard).held_publishers(), 1u) << shard;
        all.node.block_mail(0, 1, false);
        all.node.run();
        EXPECT_EQ(busy.peer().unread_input(), 0u) << shard;
        EXPECT_EQ(all.node.core(shard).held_publishers(), 0u) << shard;
        EXPECT_EQ(all.node.core(0).debts().credit_used, 0u) << shard;
    }
}

// Whichever shard owns the group.
TEST(Pressure, WhatIsOnItsWayToAMemberOfAGroupIsBounded) {
    for (const std::string group : {"a", "b", "c", "d", "e", "f", "g", "h"}) {
        for (const std::size_t shard : {0u, 2u}) {
            crowd all(small_outputs(3));
            wire_client& member = all.subscribe("member", "$share/" + group + "/t", {.shard = 1});
            wire_client& busy = all.enter("busy", {.shard = shard});
            all.node.block_mail(0, 1, true);
            all.node.block_mail(2, 1, true);
            publish_many(all.node, busy, "t", 10 * output_max);
            EXPECT_EQ(all.node.core(shard).held_publishers(), 1u) << group << shard;
            all.node.block_mail(0, 1, false);
            all.node.block_mail(2, 1, false);
            all.node.run();
            EXPECT_EQ(busy.peer().unread_input(), 0u) << group << shard;
            stop_reading(member);
            publish_many(all.node, busy, "t", 10 * output_max);
            EXPECT_LE(member.peer().front().output().size(), 3 * output_max) << group << shard;
            EXPECT_EQ(all.node.core(shard).held_publishers(), 1u) << group << shard;
        }
    }
}

} // namespace
} // namespace gv::shard
