// SPDX-License-Identifier: Apache-2.0
// Clients whose home is on another node: what is different from one on another shard. That nothing
// else is, session_across_nodes_test shows.
#include "base/hash.hpp"
#include "broker/mqtt/frame.hpp"
#include "broker/shard/errand.hpp"
#include "cluster/lane_format.hpp"
#include "tests/support/session_script.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::shard {
namespace {

using mqtt::packet_type;
using mqtt::reason_code;
using support::connect_request;
using support::script;
using support::script_client;
using testing::ElementsAre;

constexpr connect_request at(std::size_t node) { return {.shard = node}; }

connect_request kept(std::size_t node, bool clean_start = false) {
    return {.clean_start = clean_start, .session_expiry = 3'600, .shard = node};
}

script_client& client_at_first_node(script& s) {
    std::string id;
    for (int n = 0; id.empty() || s.node.home_node_of(id) != 0; ++n) {
        id = "c" + std::to_string(n);
    }
    return s.client(id);
}

class RemoteHome : public testing::Test {
  protected:
    /// A client whose home is that node.
    script_client& client_of(std::size_t home) {
        std::string id;
        do {
            id = "c" + std::to_string(++ids_);
        } while (s.node.home_node_of(id) != home);
        return s.client(id);
    }
    std::size_t connected(std::size_t node) { return s.core(node).counts().connected; }

    script s{{.shards = 1, .nodes = 3}};

  private:
    int ids_ = 0;
};

TEST_F(RemoteHome, ASessionIsWhereverItsClientComes) {
    script_client& to = client_of(0);
    script_client& from = client_of(1);
    EXPECT_FALSE(to.connect(kept(0)));
    to.subscribe("t", qos::exactly_once);
    to.disconnect();
    from.connect(at(1));
    for (const qos quality : {qos::at_least_once, qos::exactly_once}) {
        from.publish_settled({.topic = "t", .payload = "m", .quality = quality});
    }
    EXPECT_TRUE(to.connect(kept(2)));
    EXPECT_EQ(to.take("t", "m").quality, qos::at_least_once);
    EXPECT_EQ(to.take("t", "m").quality, qos::exactly_once);
    to.expect_nothing();
}

TEST_F(RemoteHome, OneClientIdentifierOnTwoNodesEndsWithOneConnection) {
    for (const std::uint32_t expiry : {0U, 3'600U}) {
        for (std::size_t home = 0; home < 3; ++home) {
            const std::string id = client_of(home).wire.id();
            support::wire_client one(s.node, id);
            support::wire_client other(s.node, id);
            one.send_connect({.session_expiry = expiry, .shard = 0});
            one.listen();
            other.send_connect({.session_expiry = expiry, .shard = 2});
            other.listen();
            one.listen();
            EXPECT_TRUE(one.is_closed());
            EXPECT_EQ(one.farewell(), reason_code::session_taken_over);
            EXPECT_TRUE(other.is_connected());
            EXPECT_EQ(connected(0), 0U);
            EXPECT_EQ(connected(2), 1U);
            other.cut();
            s.node.run();
        }
    }
}

TEST_F(RemoteHome, WithoutItsHomeAPersistentSessionIsRefusedAndAVolatileOneIsNot) {
    s.node.split(0, 2);
    script_client& persistent = client_of(0);
    persistent.wire.send_connect(kept(2));
    persistent.expect_refused(reason_code::server_unavailable);
    script_client& fleeting = client_of(0);
    EXPECT_FALSE(fleeting.connect(at(2)));
    fleeting.subscribe("t", qos::at_least_once);
    script_client& from = client_of(2);
    from.connect(at(2));
    from.publish_settled({.topic = "t", .payload = "m", .quality = qos::at_least_once});
    fleeting.take("t", "m");
    EXPECT_EQ(s.core(0).sessions(), 0U);
    s.node.heal(0, 2);
    EXPECT_EQ(s.core(0).sessions(), 1U) << "it is registered now";
    support::wire_client again(s.node, fleeting.wire.id());
    again.send_connect(at(1));
    again.listen();
    EXPECT_TRUE(again.is_connected());
    fleeting.expect_closed(reason_code::session_taken_over);
}

TEST_F(RemoteHome, OfTwoThatCameWhileTheHomeWasAwayTheLaterStays) {
    for (const std::size_t first : {1U, 2U}) {
        const std::size_t second = 3 - first;
        s.node.split(0, 1);
        s.node.split(0, 2);
        const std::string id = client_of(0).wire.id();
        support::wire_client older(s.node, id);
        support::wire_client newer(s.node, id);
        older.send_connect(at(first));
        s.advance(10ms);
        newer.send_connect(at(second));
        s.node.heal(0, 1);
        s.node.heal(0, 2);
        s.advance(10ms);
        older.listen();
        newer.listen();
        EXPECT_TRUE(older.is_closed());
        EXPECT_FALSE(newer.is_closed());
        newer.cut();
        s.advance(10ms);
    }
}

TEST_F(RemoteHome, AClientIsNotLeftWithoutAnswer) {
    s.node.hold_frames(0, 2, true);
    script_client& persistent = client_of(0);
    persistent.wire.send_connect(kept(2));
    script_client& fleeting = client_of(0);
    fleeting.wire.send_connect(at(2));
    s.advance(1'900ms);
    EXPECT_FALSE(persistent.has_next());
    s.advance(200ms);
    persistent.expect_refused(reason_code::server_unavailable);
    EXPECT_NE(fleeting.next().as<mqtt::connack_view>(), nullptr);
    s.node.hold_frames(0, 2, false);
    s.advance(10ms);
    EXPECT_EQ(connected(2), 1U);
    EXPECT_TRUE(persistent.connect(kept(1))) << "the answer that came late has been given back";
}

TEST_F(RemoteHome, WhoLosesItsHomeIsAskedToComeAgainAndLosesNothing) {
    script_client& to = client_of(0);
    script_client& from = client_of(0);
    to.connect(kept(2));
    to.subscribe("t", qos::at_least_once);
    from.connect(at(0));
    from.publish_settled({.topic = "t", .payload = "1", .quality = qos::at_least_once});
    to.receive("t", "1"); // and does not acknowledge it
    s.node.split(0, 2);
    to.expect_closed(reason_code::server_busy);
    from.publish_settled({.topic = "t", .payload = "2", .quality = qos::at_least_once});
    EXPECT_TRUE(to.connect(kept(1)));
    EXPECT_TRUE(to.take("t", "1").dup);
    to.take("t", "2");
    s.node.heal(0, 2);
    s.advance(10ms);
    from.publish_settled({.topic = "t", .payload = "3", .quality = qos::at_least_once});
    to.take("t", "3");
    to.expect_nothing();
}

TEST_F(RemoteHome, OnlyTheHomeHasHeldTheOtherForDead) {
    script_client& kept_there = client_of(0);
    script_client& fleeting = client_of(0);
    kept_there.connect(kept(2));
    fleeting.connect(at(2));
    const peer_standing dead{.slot = peer_slot{2},
                             .node = node_id{3},
                             .boot = boot_id{1},
                             .presence = peer_presence::absent};
    s.core(0).on_peer(dead);
    s.node.run();
    EXPECT_EQ(connected(2), 2U) << "nobody there knows";
    EXPECT_EQ(s.core(0).sessions(), 1U);
    peer_standing live = dead;
    live.presence = peer_presence::live;
    s.core(0).on_peer(live);
    s.node.run();
    kept_there.expect_closed(reason_code::server_busy);
    EXPECT_EQ(connected(2), 1U);
    EXPECT_EQ(s.core(0).sessions(), 2U) << "one is registered again, one is kept";
}

TEST_F(RemoteHome, WhoCameWhileOnlyTheHomeHeldItsNodeForDeadIsRegisteredAfterwards) {
    peer_standing seen{.slot = peer_slot{2},
                       .node = node_id{3},
                       .boot = boot_id{1},
                       .presence = peer_presence::absent};
    s.core(0).on_peer(seen);
    script_client& fleeting = client_of(0);
    fleeting.wire.send_connect(at(2));
    s.advance(2'100ms);
    EXPECT_NE(fleeting.next().as<mqtt::connack_view>(), nullptr);
    EXPECT_EQ(s.core(0).sessions(), 0U);
    seen.presence = peer_presence::live;
    s.core(0).on_peer(seen);
    s.node.run();
    EXPECT_EQ(s.core(0).sessions(), 1U);
}

TEST_F(RemoteHome, WhoWasRefusedHasNoWill) {
    script_client& hears = client_of(1);
    hears.connect(at(1));
    hears.subscribe("will", qos::at_least_once);
    s.node.hold_frames(0, 2, true);
    connect_request how = kept(2);
    how.will = support::will_request{.topic = "will", .payload = "gone"};
    script_client& late = client_of(0);
    late.wire.send_connect(how);
    s.advance(2'100ms);
    late.expect_refused(reason_code::server_unavailable);
    s.node.hold_frames(0, 2, false);
    s.advance(10s);
    hears.expect_nothing();
}

TEST_F(RemoteHome, AWillIsPublishedOnceWhereverItsHomeIs) {
    script_client& hears = client_of(1);
    hears.connect(at(1));
    hears.subscribe("will/#", qos::at_least_once);
    connect_request how = at(2);
    how.will = support::will_request{
        .topic = "will/x", .payload = "gone", .quality = qos::at_least_once, .expiry = 60};
    script_client& there = client_of(0);
    there.connect(how);
    there.cut();
    hears.take("will/x", "gone");
    s.node.split(0, 2);
    script_client& alone = client_of(0);
    alone.connect(how);
    alone.cut();
    hears.take("will/x", "gone");
    script_client& polite = client_of(0);
    polite.connect(how);
    polite.disconnect();
    s.node.heal(0, 2);
    s.advance(5s);
    hears.expect_nothing();
}

// A message of QoS 2 is under way from the node of a connection that has ended, its home or
// another.
TEST_F(RemoteHome, WhoTakesOverWaitsForWhatIsStillGivenOut) {
    script_client& to = client_of(1);
    to.connect(at(1));
    to.subscribe("t", qos::exactly_once);
    for (const std::size_t front : {2U, 0U}) {
        script_client& from = client_of(0);
        from.connect(kept(front));
        s.node.hold_frames(front, 1, true);
        const packet_id id = from.publish("t", "1", qos::exactly_once);
        from.cut();
        from.wire.send_connect(kept(2 - front));
        EXPECT_FALSE(from.has_next());
        s.node.hold_frames(front, 1, false);
        EXPECT_NE(from.next().as<mqtt::connack_view>(), nullptr);
        from.wire.resend();
        from.expect_ack(packet_type::pubrec, id);
        from.publish("t", "2", qos::exactly_once);
        to.take("t", "1");
        to.take("t", "2");
        to.expect_nothing();
    }
}

TEST_F(RemoteHome, WhatANodeThatDiedMayNotHaveGivenOutIsTakenAgain) {
    script_client& from = client_of(0);
    from.connect(kept(2));
    script_client& to = client_of(1);
    to.connect(at(1));
    to.subscribe("t", qos::exactly_once);
    s.node.hold_frames(2, 1, true);
    const packet_id id = from.publish("t", "m", qos::exactly_once);
    s.node.split(0, 2);
    s.node.split(1, 2);
    from.cut();
    EXPECT_TRUE(from.connect(kept(0)));
    from.wire.resend();
    from.expect_ack(packet_type::pubrec, id);
    to.take("t", "m");
}

TEST_F(RemoteHome, AnotherHomeIsAskedFromThenOn) {
    script_client& one = client_of(0);
    one.connect(kept(2));
    partition_homes homes{};
    s.core(2).set_homes(homes);
    one.expect_closed(reason_code::server_busy);
    EXPECT_FALSE(one.connect(kept(2))) << "nothing of it is there";
}

TEST_F(RemoteHome, WhoCameWithoutAHomeIsRegisteredAtTheOneThatIsFound) {
    script_client& one = client_of(0);
    partition_homes unknown;
    unknown.fill(home_unknown);
    s.core(2).set_homes(unknown);
    one.connect(at(2));
    EXPECT_EQ(s.core(1).sessions(), 0U);
    partition_homes now{};
    now.fill(party_of(peer_slot{1}));
    s.core(1).set_homes({});
    s.core(2).set_homes(now);
    s.node.run();
    EXPECT_EQ(s.core(1).sessions(), 1U);
    EXPECT_FALSE(one.wire.is_closed());
}

TEST_F(RemoteHome, APartitionWithAClientIsNotLetGo) {
    script_client& one = client_of(0);
    one.connect(kept(0));
    one.disconnect();
    const auto hash = hash64(one.wire.id());
    const partition_id taken{static_cast<std::uint16_t>(hash % partition_count)};
    const partition_id empty{static_cast<std::uint16_t>((taken.value + 3) % partition_count)};
    const partition_id of_another{static_cast<std::uint16_t>((taken.value + 1) % partition_count)};
    const std::vector wanted{taken, empty, of_another};
    EXPECT_THAT(s.core(0).release(wanted), ElementsAre(empty));
    EXPECT_TRUE(one.connect(kept(1)));
    std::string id;
    for (int n = 0; hash64(id) % partition_count != empty.value; ++n) {
        id = "e" + std::to_string(n);
    }
    support::wire_client late(s.node, id);
    late.send_connect(kept(1));
    s.node.advance(3s);
    late.listen();
    EXPECT_TRUE(late.is_closed()) << "its home is not known";
}

// What was on its way when the two held each other for dead comes when they do so no more.
TEST_F(RemoteHome, WhatComesLateOfAConnectionThatWasGivenUpTouchesNothing) {
    script_client& to = client_of(1);
    to.connect(at(1));
    to.subscribe("t", qos::exactly_once);
    script_client& from = client_of(0);
    from.connect(kept(2));
    s.node.hold_frames(2, 0, true);
    from.publish("t", "1", qos::exactly_once);
    s.node.split(0, 2);
    from.cut();
    EXPECT_TRUE(from.connect(kept(1)));
    from.wire.is_automatic = true;
    from.wire.resend();
    from.wire.listen();
    from.wire.is_automatic = false;
    s.node.hold_frames(2, 0, false);
    s.node.heal(0, 2);
    from.disconnect();
    EXPECT_TRUE(from.connect(kept(1)));
    from.publish_settled({.topic = "t", .payload = "2", .quality = qos::exactly_once});
    to.behave();
    to.wire.listen();
    EXPECT_EQ(to.count_of("2"), 1U) << "an identifier was held from before";
}

// Its home has let go of the connection, and the node of the connection does not know yet.
TEST_F(RemoteHome, NothingIsConfirmedThatItsHomeDidNotHear) {
    script_client& to = client_of(1);
    to.connect(at(1));
    to.subscribe("t", qos::exactly_once);
    script_client& from = client_of(0);
    from.connect(kept(2));
    const packet_id id = from.publish("t", "1", qos::exactly_once);
    from.expect_ack(packet_type::pubrec, id);
    to.take("t", "1");
    s.node.see(0, 2, peer_presence::absent);
    from.acknowledge(packet_type::pubrel, id);
    s.node.see(0, 2, peer_presence::live);
    from.expect_closed(reason_code::server_busy); // and no PUBCOMP before it
    EXPECT_TRUE(from.connect(kept(1)));
    from.wire.resend();
    from.expect_ack(packet_type::pubcomp, id);
    from.publish_settled({.topic = "t", .payload = "2", .quality = qos::exactly_once});
    to.take("t", "2");
}

TEST_F(RemoteHome, WhoTakesOverDoesNotWaitForEver) {
    script_client& to = client_of(1);
    to.connect(at(1));
    to.subscribe("t", qos::exactly_once);
    for (const std::size_t front : {2U, 0U}) {
        script_client& from = client_of(0);
        from.connect(kept(front));
        s.node.hold_frames(front, 1, true);
        from.publish("t", "m", qos::exactly_once);
        from.cut();
        from.wire.send_connect(kept(2 - front));
        s.advance(1'100ms);
        EXPECT_NE(from.next().as<mqtt::connack_view>(), nullptr);
        s.node.hold_frames(front, 1, false);
        s.advance(10ms);
        EXPECT_EQ(s.core(front).debts().leavers, 0U);
    }
}

TEST_F(RemoteHome, ANodeThatStopsTakesTheWillsOfItsClientsAlong) {
    script_client& hears = client_of(1);
    hears.connect(at(1));
    hears.subscribe("will", qos::at_least_once);
    for (const bool has_stopped : {true, false}) {
        for (const std::uint32_t expiry : {0U, 3'600U}) {
            script_client& mortal = client_of(0);
            connect_request how = at(2);
            how.session_expiry = expiry;
            how.will = support::will_request{.topic = "will", .payload = "gone"};
            mortal.connect(how);
            s.core(0).on_peer({.slot = peer_slot{2},
                               .node = node_id{3},
                               .boot = boot_id{1},
                               .presence = peer_presence::absent,
                               .has_stopped = has_stopped});
            s.advance(61s);
            if (has_stopped) {
                hears.expect_nothing();
            } else {
                hears.take("will", "gone");
            }
            s.node.see(0, 2, peer_presence::live);
            mortal.wire.cut();
            s.node.run();
            while (hears.has_next()) {
                hears.take("will", "gone"); // it was registered again meanwhile
            }
        }
    }
}

// The client has gone while its node held the home for dead, and the home does not know.
TEST_F(RemoteHome, AConnectionThatOnlyTheHomeCountsLocksNobodyOut) {
    for (const auto seen : {peer_presence::absent, peer_presence::gone}) {
        script_client& fleeting = client_of(0);
        fleeting.connect(at(2));
        s.node.see(2, 0, seen);
        fleeting.cut();
        s.node.see(2, 0, peer_presence::live);
        EXPECT_FALSE(fleeting.connect(at(1))) << static_cast<int>(seen);
        fleeting.disconnect();
        s.advance(10ms);
        EXPECT_EQ(s.core(0).sessions(), 0U);
    }
}

// It is in, and waits to be registered again; then another one comes.
TEST_F(RemoteHome, WhoIsKickedAndNotRegisteredIsGivenUp) {
    script_client& hears = client_of(1);
    hears.connect(at(1));
    hears.subscribe("will", qos::at_least_once);
    connect_request how = at(2);
    how.will = support::will_request{.topic = "will", .payload = "gone"};
    script_client& fleeting = client_of(0);
    fleeting.connect(how);
    s.node.see(2, 0, peer_presence::absent);
    support::wire_client again(s.node, fleeting.wire.id());
    again.send_connect(at(1));
    s.node.run();
    fleeting.expect_closed(reason_code::session_taken_over);
    s.node.see(2, 0, peer_presence::live);
    again.listen();
    EXPECT_TRUE(again.is_connected());
    hears.take("will", "gone");
    again.cut();
    s.advance(5s);
    hears.expect_nothing();
}

TEST_F(RemoteHome, ANodeInANewLifeHasNoClientsOfTheOneBefore) {
    script_client& kept_there = client_of(0);
    script_client& fleeting = client_of(0);
    script_client& to_it = client_of(2);
    kept_there.connect(kept(2));
    kept_there.subscribe("t", qos::at_least_once);
    fleeting.connect(at(2));
    to_it.connect(at(0));
    kept_there.cut();
    fleeting.cut();
    s.node.reboot(2, {0, 1});
    s.advance(10ms);
    EXPECT_EQ(s.core(0).sessions(), 1U) << "the one that is kept";
    EXPECT_EQ(s.core(2).sessions(), 1U) << "registered anew";
    EXPECT_FALSE(to_it.wire.is_closed());
    EXPECT_TRUE(kept_there.connect(kept(2)));
    script_client& from = client_of(1);
    from.connect(at(1));
    from.publish_settled({.topic = "t", .payload = "m", .quality = qos::at_least_once});
    kept_there.take("t", "m");
}

// The lanes of sessions of one shard of the home are up before another shard of it has heard.
TEST(RemoteHomes, AWordThatComesBeforeItsShardKnowsOfTheNewLifeWaits) {
    script s({.shards = 2, .nodes = 2});
    std::string id;
    for (int n = 0; id.empty() || s.node.home_of(id) != 1; ++n) {
        id = "c" + std::to_string(n);
    }
    script_client& one = s.client(id);
    one.connect(at(2));
    one.cut();
    s.node.reboot(1, {0});
    one.wire.send_connect(at(2));
    s.node.run();
    EXPECT_FALSE(one.has_next()) << "its home has not heard of the new life";
    s.node.tell_of_life(1, 1);
    EXPECT_NE(one.next().as<mqtt::connack_view>(), nullptr);
    EXPECT_EQ(s.core(1).sessions(), 1U);
    s.advance(5s);
    EXPECT_EQ(s.core(1).sessions(), 1U);
}

TEST(RemoteHomes, WhoFillsTheLaneToItsHomeIsNotReadOn) {
    script s({.shards = 1, .nodes = 2, .core = {.lane_sender = {.queue_bytes_max = 20'000}}});
    script_client& one = client_at_first_node(s);
    one.connect(kept(1));
    s.node.hold_frames(1, 0, true);
    std::string flood;
    for (std::uint16_t n = 1; n <= 5'000; ++n) {
        mqtt::encode(mqtt::ack_view{.type = packet_type::pubrel, .id = packet_id{n}},
                     mqtt::protocol_version::v5, flood);
    }
    one.wire.peer().write(flood);
    s.node.run();
    std::size_t queued = 0;
    s.core(1).lanes()->for_each_outgoing(
        [&](const peer_lane& each) { queued += each.sender.counted().queue_bytes; });
    EXPECT_LT(queued, 25'000U);
    EXPECT_EQ(s.core(1).held_publishers(), 1U);
    s.node.hold_frames(1, 0, false);
    s.node.run();
    const std::string answers = one.wire.peer().take();
    std::size_t answered = 0;
    for (std::size_t at = 0; at < answers.size(); ++answered) {
        at += mqtt::next_frame(std::string_view(answers).substr(at)).size;
    }
    EXPECT_EQ(answered, 5'000U);
    EXPECT_EQ(s.core(1).held_publishers(), 0U);
}

TEST_F(RemoteHome, NobodyWaitsForAClientOfANodeThatIsSuspected) {
    script_client& to = client_of(0);
    to.connect(kept(2));
    to.subscribe("t", qos::at_most_once);
    to.wire.peer().socket_room = 0;
    script_client& from = client_of(0);
    from.connect(at(0));
    for (int n = 0; n < 2'000 && s.core(0).held_publishers() == 0; ++n) {
        from.wire.send_publish({.topic = "t", .payload = std::string(4'000, 'x')});
        s.node.run();
    }
    EXPECT_EQ(s.core(0).held_publishers(), 1U);
    s.core(0).on_peer({.slot = peer_slot{2},
                       .node = node_id{3},
                       .boot = boot_id{1},
                       .presence = peer_presence::live,
                       .is_suspected = true});
    s.node.run();
    EXPECT_EQ(s.core(0).held_publishers(), 0U);
}

// As a confused peer may send it; also where homes are on no other node.
TEST_F(RemoteHome, AnErrandInALaneOfMessagesIsAFault) {
    const cluster::lane_identity lane{node_id{1}, boot_id{1}, shard_id{0}};
    const auto arrived = s.core(1).on_hello({.lane = lane, .oldest = 1});
    ASSERT_TRUE(arrived);
    const auto word = encode(push_pubrel{.connection = 1, .id = packet_id{1}});
    const cluster::forward_flags flags{.errand = word->bytes};
    const cluster::message_shape shape(word->what, {.lane_origin = node_id{1}}, flags);
    std::string bytes(cluster::piece_header_bytes + shape.size(), '\0');
    shape.store(cluster::store_piece_header(bytes.data(), cluster::piece_kind::whole, shape.size()),
                word->what, flags);
    EXPECT_FALSE(s.core(1).on_frame(arrived->lane, {.first = 1, .oldest = 1, .bytes = bytes}));
}

// Its home answers at last, and sends what waits.
TEST(RemoteHomeAway, WhoGotAFreshSessionHearsNothingOfTheOther) {
    script s({.shards = 1, .nodes = 2, .core = {.away = when_home_is_away::fresh}});
    script_client& one = client_at_first_node(s);
    one.connect(kept(0));
    one.subscribe("t", qos::at_least_once);
    one.disconnect();
    script_client& from = s.client("x");
    from.connect(at(0));
    from.publish_settled({.topic = "t", .payload = "waits", .quality = qos::at_least_once});
    s.node.hold_frames(1, 0, true);
    one.wire.send_connect(kept(1));
    s.advance(2'100ms);
    EXPECT_NE(one.next().as<mqtt::connack_view>(), nullptr);
    s.node.hold_frames(1, 0, false);
    s.advance(10ms);
    one.expect_nothing();
    one.disconnect();
    EXPECT_TRUE(one.connect(kept(1)));
    one.take("t", "waits");
}

TEST(RemoteHomeAway, AFreshSessionInsteadIfThatIsWanted) {
    script s({.shards = 1, .nodes = 2, .core = {.away = when_home_is_away::fresh}});
    script_client& one = client_at_first_node(s);
    one.connect(kept(0));
    one.subscribe("t", qos::at_least_once);
    one.disconnect();
    s.node.split(0, 1);
    script_client& hears = s.client("x");
    hears.connect(at(1));
    hears.subscribe("will", qos::at_most_once);
    connect_request with_will = kept(1);
    with_will.will = support::will_request{.topic = "will", .payload = "gone"};
    EXPECT_FALSE(one.connect(with_will));
    one.cut();
    hears.receive("will", "gone");
    s.node.heal(0, 1);
    EXPECT_TRUE(one.connect(kept(1))) << "the one before is as it was";
}

} // namespace
} // namespace gv::shard
