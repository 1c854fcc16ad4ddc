// SPDX-License-Identifier: Apache-2.0
// Sessions go over from one node to another while messages come for them, clients come and go,
// links break and processes die.
#include "tests/broker/shard/world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::shard {
namespace {

using mqtt::packet_type;
using mqtt::reason_code;
using storage::table;
using support::connect_request;
using support::script_client;

TEST(Handover, ASessionIsAtItsNewHomeWithAllThatItHad) {
    world s;
    script_client& to = s.client_of(0);
    script_client& from = s.client_of(1);
    to.connect(s.kept(2));
    to.subscribe("t", qos::exactly_once);
    from.connect(s.at(1));
    from.publish_settled({.topic = "t", .payload = "one", .quality = qos::exactly_once});
    const packet_id id = to.receive("t", "one").id;
    to.cut();
    from.publish_settled({.topic = "t", .payload = "two", .quality = qos::exactly_once});
    s.hand_over(to, 1);
    EXPECT_EQ(s.home_of(to), 1U);
    EXPECT_EQ(s.sessions(0), 0U);
    EXPECT_EQ(s.sessions(1), 1U);
    EXPECT_EQ(s.rows_of_sessions(0), 0U) << "the old home has erased it";
    from.publish_settled({.topic = "t", .payload = "three", .quality = qos::exactly_once});
    EXPECT_TRUE(to.connect(s.kept(2)));
    const support::delivered again = to.take("t", "one");
    EXPECT_EQ(again.id, id) << "[MQTT-4.4.0-1]";
    EXPECT_TRUE(again.dup);
    to.take("t", "two");
    to.take("t", "three");
    s.settle();
    EXPECT_EQ(s.rows(1, table::queue), 0U);
}

TEST(Handover, WhoIsConnectedComesAgainAndWaitsForItsSession) {
    world s;
    script_client& to = s.client_of(0);
    to.connect(s.kept(2));
    to.subscribe("t", qos::at_least_once);
    s.stop_disks();
    s.hand_over(to, 1);
    to.expect_closed(reason_code::server_busy);
    to.wire.send_connect(s.kept(0));
    to.wire.listen();
    EXPECT_FALSE(to.wire.is_connected()) << "waits";
    s.let_disks_work();
    s.advance(20ms);
    const auto packet = to.next();
    const auto* connack = packet.as<mqtt::connack_view>();
    ASSERT_NE(connack, nullptr);
    EXPECT_EQ(connack->reason, reason_code::success);
    EXPECT_TRUE(connack->session_present);
    EXPECT_EQ(s.home_of(to), 1U);
    s.settle();
}

TEST(Handover, WhatAClientThatIsSentAwayHadSaidComesOnceHoweverLongItTakes) {
    world s;
    script_client& to = s.client_of(1);
    to.connect(s.at(1));
    to.subscribe("t", qos::exactly_once);
    script_client& from = s.client_of(0);
    from.connect(s.kept(2));
    s.stop_disk(2); // nor does its spool take it
    s.node.hold_frames(2, 1, true);
    const packet_id id = from.publish("t", "m", qos::exactly_once);
    s.hand_over(from, 1);
    from.expect_closed(reason_code::server_busy);
    s.advance(4s);
    EXPECT_EQ(s.home_of(from), 0U) << "as long as one node has not taken it";
    s.let_disks_work();
    s.node.hold_frames(2, 1, false);
    s.advance(1s);
    EXPECT_EQ(s.home_of(from), 1U);
    EXPECT_TRUE(from.connect(s.kept(0)));
    from.wire.resend();
    from.expect_ack(packet_type::pubrec, id);
    to.take("t", "m");
    to.expect_nothing();
    s.settle();
}

TEST(Handover, AVolatileClientStaysConnectedAndIsRegisteredAtTheNewHome) {
    for (const std::size_t front : {1U, 2U}) { // the new home itself, and neither of the two
        SCOPED_TRACE(front);
        world s;
        script_client& kept = s.client_of(0);
        kept.connect(s.kept(0));
        std::string id;
        for (int n = 0; id.empty() || partition_of(id) != partition_of(kept.wire.id()); ++n) {
            id = "v" + std::to_string(n);
        }
        script_client& fleeting = s.client(id);
        fleeting.connect(s.at(front));
        kept.cut();
        s.hand_over(kept, 1);
        ASSERT_EQ(s.home_of(kept), 1U);
        s.advance(3s); // where the new home heard last, it is asked again
        EXPECT_FALSE(fleeting.wire.is_closed());
        support::wire_client other(s.node, id);
        other.send_connect(s.at(0));
        other.listen();
        EXPECT_TRUE(other.is_connected());
        fleeting.expect_closed(reason_code::session_taken_over);
        EXPECT_EQ(s.core(0).sessions(), 0U);
    }
}

TEST(Handover, NothingIsHandedOverWhileANodeIsAway) {
    world s;
    script_client& to = s.client_of(0);
    to.connect(s.kept(0));
    s.node.split(0, 2);
    s.node.split(1, 2);
    s.hand_over(to, 1);
    s.advance(5s);
    EXPECT_EQ(s.home_of(to), 0U);
    EXPECT_FALSE(to.wire.is_closed()) << "nobody is sent away for nothing";
    const handover_traffic waits = s.core(0).handovers_now().by_node.at(node_id{2});
    EXPECT_EQ(waits.waiting, 1U);
    EXPECT_EQ(waits.under_way, 0U);
    EXPECT_EQ(waits.sessions, 1U);
    s.node.heal(0, 2);
    s.node.heal(1, 2);
    s.advance(5s);
    EXPECT_EQ(s.home_of(to), 1U);
    const handover_traffic gone = s.core(0).handovers_now().by_node.at(node_id{2});
    EXPECT_EQ(gone.waiting + gone.under_way + gone.sessions, 0U);
    EXPECT_EQ(gone.done.handed_over, 1U);
    EXPECT_EQ(gone.done.sessions, 1U);
    EXPECT_GT(gone.done.bytes, 0U);
}

TEST(Handover, ALateRefusalIsNotForWhoIsAttachedElsewhereSince) {
    world s;
    script_client& to = s.client_of(0);
    s.node.hold_frames(2, 0, true);
    to.wire.send_connect(s.kept(2));
    s.node.run();
    s.node.appoint(partition_of(to.wire.id()), 1);
    s.node.advance(1s);
    to.wire.listen();
    ASSERT_TRUE(to.wire.is_connected());
    s.node.hold_frames(2, 0, false); // the home before is asked now, and refuses
    s.node.advance(1s);
    to.wire.listen();
    EXPECT_FALSE(to.wire.is_closed());
}

/// The table of one node, should a partition have another home by it.
partition_homes with_home(world& s, std::size_t node, partition_id which, std::size_t home) {
    partition_homes homes = s.node.homes_at(node);
    homes[which.value] =
        home == node ? shard_id{0} : party_of(peer_slot{static_cast<std::uint16_t>(home)});
    return homes;
}

TEST(Handover, WhoAsksANodeThatHasNotHeardThatItIsTheHomeWaits) {
    world s;
    script_client& to = s.client_of(0);
    const partition_id which = partition_of(to.wire.id());
    s.core(2).set_homes(with_home(s, 2, which, 1));
    to.wire.send_connect(s.kept(2));
    to.wire.listen();
    EXPECT_FALSE(to.wire.is_connected());
    EXPECT_FALSE(to.wire.is_closed());
    s.node.appoint(which, 1);
    to.wire.listen();
    EXPECT_TRUE(to.wire.is_connected());
    EXPECT_EQ(s.sessions(1), 1U);
    s.node.advance(3s);
    to.wire.listen();
    EXPECT_FALSE(to.wire.is_closed());
}

TEST(Handover, WhoAsksANodeThatIsTheHomeNoMoreIsAskedForAtTheOneThatIs) {
    world s;
    script_client& to = s.client_of(0);
    const partition_id which = partition_of(to.wire.id());
    s.core(0).set_homes(with_home(s, 0, which, 1));
    s.core(1).set_homes(with_home(s, 1, which, 1));
    to.wire.send_connect(s.kept(2));
    to.wire.listen();
    EXPECT_FALSE(to.wire.is_connected());
    s.node.advance(1s);
    s.node.appoint(which, 1);
    to.wire.listen();
    EXPECT_TRUE(to.wire.is_connected());
    s.node.advance(3s); // the home before gives it up
    to.wire.listen();
    EXPECT_FALSE(to.wire.is_closed());
    EXPECT_EQ(s.sessions(0), 0U);
}

TEST(Handover, WhoIsAskedForHereAndThereAndHereAgainComesInOnce) {
    world s;
    script_client& to = s.client_of(0);
    const partition_id which = partition_of(to.wire.id());
    s.core(0).set_homes(with_home(s, 0, which, 1));
    to.wire.send_connect(s.kept(2));
    to.wire.listen();
    s.core(2).set_homes(with_home(s, 2, which, 1));
    s.node.run();
    s.core(2).set_homes(with_home(s, 2, which, 0));
    s.node.run();
    to.wire.listen();
    EXPECT_FALSE(to.wire.is_connected());
    s.node.appoint(which, 0);
    to.wire.listen();
    EXPECT_TRUE(to.wire.is_connected());
    s.node.advance(3s);
    to.wire.listen();
    EXPECT_FALSE(to.wire.is_closed());
}

TEST(Handover, WhoseTableIsNeverThatOfTheHomeIsRefused) {
    world s;
    script_client& to = s.client_of(0);
    s.core(0).set_homes(with_home(s, 0, partition_of(to.wire.id()), 1));
    to.wire.send_connect(s.kept(2));
    s.node.advance(3s);
    to.expect_refused(reason_code::server_unavailable);
}

TEST(Handover, WhoWasRefusedMeanwhileIsNotLetInByATableThatComesLater) {
    world s;
    script_client& to = s.client_of(0);
    const partition_id which = partition_of(to.wire.id());
    const partition_homes other = with_home(s, 0, which, 1);
    s.core(0).set_homes(other);
    to.wire.send_connect(s.kept(2));
    for (int n = 0; n < 10; ++n) {
        s.node.advance(500ms);
        s.core(0).set_homes(other); // something else in it has changed
    }
    to.expect_refused(reason_code::server_unavailable);
    s.node.appoint(which, 0);
    EXPECT_EQ(s.sessions(0), 0U);
}

TEST(Handover, AVolatileClientThatCameInMeanwhileStaysAndIsRegisteredLater) {
    world s;
    script_client& to = s.client_of(0);
    const partition_id which = partition_of(to.wire.id());
    s.core(0).set_homes(with_home(s, 0, which, 1));
    to.wire.send_connect(s.at(2));
    s.node.advance(2500ms);
    to.wire.listen();
    EXPECT_TRUE(to.wire.is_connected());
    s.node.advance(3s);
    to.wire.listen();
    EXPECT_FALSE(to.wire.is_closed());
    s.node.appoint(which, 0);
    EXPECT_EQ(s.core(0).sessions(), 0U);
    s.node.advance(2s);
    EXPECT_EQ(s.core(0).sessions(), 1U);
}

TEST(Handover, WhoseHomeIsNotKnownYetWaitsForItsName) {
    world s;
    script_client& to = s.client_of(0);
    partition_homes unknown;
    unknown.fill(home_unknown);
    s.core(2).set_homes(unknown);
    to.wire.send_connect(s.kept(2));
    s.node.advance(1s);
    to.wire.listen();
    EXPECT_FALSE(to.wire.is_closed());
    s.core(2).set_homes(s.node.homes_at(2));
    s.node.run();
    to.wire.listen();
    EXPECT_TRUE(to.wire.is_connected());
}

TEST(Handover, WhatIsUnderWayIsSeenOnBothSides) {
    world s;
    script_client& to = s.client_of(0);
    to.connect(s.kept(0));
    to.cut();
    s.stop_disks();
    s.hand_over(to, 1);
    while (!s.core(1).handovers_now().by_node.contains(node_id{1}) && s.departing() > 0) {
        s.write(0);
        s.node.advance(1ms);
    }
    EXPECT_EQ(s.core(0).handovers_now().by_node.at(node_id{2}).under_way, 1U);
    EXPECT_EQ(s.core(0).handovers_now().by_node.at(node_id{2}).waiting, 0U);
    EXPECT_EQ(s.core(1).handovers_now().by_node.at(node_id{1}).arriving, 1U);
    s.node.split(0, 1);
    EXPECT_THAT(s.core(0).handovers_now().stopped, testing::HasSubstr("away"));
    s.node.heal(0, 1);
    s.let_disks_work();
    s.advance(5s);
    EXPECT_EQ(s.core(0).handovers_now().stopped, "") << "it has gone since";
}

TEST(Handover, ManyThatStopAtOnceAreBegunAgainAsSoonAsOne) {
    world s;
    std::vector<script_client*> all;
    for (std::size_t i = 0; i < 8; ++i) {
        all.push_back(&s.client_of(0));
        all.back()->connect(s.kept(0));
        all.back()->cut();
    }
    s.stop_disks();
    for (const script_client* each : all) {
        s.hand_over(*each, 1);
    }
    ASSERT_GT(s.departing(), 4U);
    s.node.split(0, 1);
    ASSERT_EQ(s.departing(), 0U);
    s.node.heal(0, 1);
    s.let_disks_work();
    s.advance(5s);
    for (const script_client* each : all) {
        EXPECT_EQ(s.home_of(*each), 1U) << each->wire.id();
    }
}

TEST(Handover, ANodeThatTakesNothingDoesNotKeepOthersWaiting) {
    world s;
    std::map<partition_id, script_client*> all;
    while (all.size() < 10) {
        script_client& each = s.client_of(0);
        each.connect(s.kept(0));
        each.cut();
        all.emplace(partition_of(each.wire.id()), &each);
    }
    s.core(1).set_store_room(store_room::scarce);
    const script_client& last = *all.rbegin()->second;
    s.stop_disks();
    for (const auto& [which, each] : all) { // begun in this order, eight at a time
        s.hand_over(*each, each == &last ? 2 : 1);
    }
    s.let_disks_work();
    s.advance(5s);
    EXPECT_EQ(s.home_of(last), 2U);
    EXPECT_EQ(s.home_of(*all.begin()->second), 0U);
    s.core(1).set_store_room(store_room::plenty);
    s.advance(10s);
    EXPECT_EQ(s.home_of(*all.begin()->second), 1U);
}

/// Node 1 has taken over all from node 0, which erases it; disks stand still.
script_client& taken_and_not_erased(world& s) {
    script_client& who = s.client_of(0);
    who.connect(s.kept(2));
    who.subscribe("t", qos::at_least_once);
    who.cut();
    s.stop_disks();
    s.hand_over(who, 1);
    const auto is_taken = [&s] {
        return s.sessions(0) == 0 && s.sessions(1) == 1
               && s.core(1).handovers_now().by_node.at(node_id{1}).arriving == 0;
    };
    for (int n = 0; n < 100 && !is_taken(); ++n) {
        s.write(0);
        s.write(1);
        s.advance(1ms);
    }
    EXPECT_TRUE(is_taken());
    EXPECT_EQ(s.departing(), 1U);
    return who;
}

void expect_to_go_on(world& s, script_client& who) {
    s.hand_over(who, 2);
    s.advance(5s);
    EXPECT_EQ(s.home_of(who), 2U);
    EXPECT_TRUE(who.connect(s.kept(1)));
}

// It has erased what it had, and not said so.
TEST(Handover, WhatCameFromANodeThatEndedAfterwardsCanGoOn) {
    world s;
    script_client& who = taken_and_not_erased(s);
    s.node.hold_frames(0, 1, true);
    while (s.departing() > 0) {
        s.write(0);
    }
    s.kill(0);
    s.node.hold_frames(0, 1, false);
    s.let_disks_work();
    ASSERT_EQ(s.sessions(0), 0U);
    s.advance(12s);
    expect_to_go_on(s, who);
}

TEST(Handover, WhatCameFromANodeThatIsGoneForGoodCanGoOn) {
    world s;
    script_client& who = taken_and_not_erased(s);
    s.let_disks_work();
    s.stop_disk(0);
    s.node.see(1, 0, peer_presence::gone);
    s.node.see(2, 0, peer_presence::gone);
    s.advance(12s);
    expect_to_go_on(s, who);
}

TEST(Handover, APartitionIsNotGivenUpWhileItsSessionsAreRead) {
    world s;
    script_client& who = s.client_of(0);
    who.connect(s.kept(2));
    who.cut();
    const partition_id which = partition_of(who.wire.id());
    s.stop_disks();
    s.hand_over(who, 1);
    for (int n = 0; n < 100 && s.home_of(who) == 0; ++n) {
        s.write(0);
        if (s.home_of(who) == 0) {
            s.write(1);
        }
        s.advance(20ms);
    }
    ASSERT_EQ(s.home_of(who), 1U);
    ASSERT_EQ(s.sessions(1), 0U);
    EXPECT_TRUE(s.core(1).release(std::span(&which, 1)).empty());
    s.let_disks_work();
    EXPECT_TRUE(who.connect(s.kept(2)));
    s.settle();
}

// It has asked the old home first, and longer ago.
TEST(Handover, WhoWaitsAtTheNewHomeIsNeitherRefusedNorLetInForTheOldOne) {
    for (const bool is_kept : {false, true}) {
        SCOPED_TRACE(is_kept);
        world s;
        script_client& moved = s.client_of(0);
        moved.connect(s.kept(0));
        moved.cut();
        std::string id = moved.wire.id();
        for (int n = 0; !is_kept && (n == 0 || partition_of(id) != partition_of(moved.wire.id()));
             ++n) {
            id = "v" + std::to_string(n);
        }
        s.stop_disks();
        s.hand_over(moved, 1);
        support::wire_client who(s.node, id);
        const time_point asked = s.node.now();
        who.send_connect(is_kept ? s.kept(1) : s.at(1));
        for (int n = 0; n < 100 && s.home_of(moved) == 0; ++n) {
            s.advance(20ms);
            s.write(0);
            if (s.home_of(moved) == 0) {
                s.write(1);
            }
        }
        ASSERT_EQ(s.home_of(moved), 1U);
        s.advance(1'990ms);
        ASSERT_GT(s.node.now() - asked, 2s);
        who.listen();
        EXPECT_FALSE(who.is_connected());
        EXPECT_FALSE(who.is_closed());
        s.let_disks_work();
        s.advance(20ms);
        who.listen();
        EXPECT_TRUE(who.is_connected());
        s.advance(3s);
        EXPECT_FALSE(who.is_closed());
    }
}

// As when a node comes just then.
TEST(Handover, WhatIsErasedAlreadyIsErasedToTheEnd) {
    world s;
    script_client& who = s.client_of(0);
    who.connect(s.kept(2));
    who.cut();
    s.stop_disks();
    s.node.appoint(partition_of(who.wire.id()), 1); // goes over as one that is misplaced
    for (int n = 0; n < 100 && s.sessions(0) > 0; ++n) {
        s.write(0);
        s.write(1);
        s.advance(20ms);
    }
    ASSERT_EQ(s.departing(), 1U);
    s.node.split(0, 2);
    s.node.heal(0, 2);
    EXPECT_EQ(s.departing(), 1U);
    s.let_disks_work();
    s.advance(1s);
    expect_to_go_on(s, who);
}

TEST(Handover, AWillWaitsForItsClientToComeBack) {
    world s;
    script_client& to = s.client_of(0);
    script_client& heir = s.client_of(2);
    heir.connect(s.at(2));
    heir.subscribe("will", qos::at_least_once);
    connect_request with_will = s.kept(2);
    with_will.will = support::will_request{.topic = "will", .payload = "w"};
    to.connect(with_will);
    s.hand_over(to, 1);
    to.expect_closed(reason_code::server_busy);
    s.advance(10s);
    heir.expect_nothing();
    s.advance(30s);
    EXPECT_EQ(heir.receive("will", "w").payload, "w") << "it did not come back";
}

TEST(Handover, SessionsWhoseHomeIsAnotherGoThere) {
    world s;
    script_client& to = s.client_of(0);
    script_client& from = s.client_of(2);
    to.connect(s.kept(0));
    to.subscribe("t", qos::exactly_once);
    to.cut();
    from.connect(s.at(2));
    from.publish_settled({.topic = "t", .payload = "m", .quality = qos::exactly_once});
    s.node.appoint(partition_of(to.wire.id()), 1);
    s.advance(100ms);
    EXPECT_EQ(s.sessions(0), 0U);
    EXPECT_EQ(s.sessions(1), 1U);
    EXPECT_TRUE(to.connect(s.kept(0)));
    to.take("t", "m");
    s.settle();
    EXPECT_EQ(s.rows_of_sessions(0), 0U);
}

TEST(Handover, WhatWaitsInAnOlderSessionIsAddedToTheOneAtHome) {
    world s;
    script_client& to = s.client_of(0);
    script_client& from = s.client_of(2);
    to.connect(s.kept(0));
    to.subscribe("t", qos::at_least_once);
    to.cut();
    from.connect(s.at(2));
    from.publish_settled({.topic = "t", .payload = "before", .quality = qos::at_least_once});
    s.node.split(0, 1);
    s.node.appoint(partition_of(to.wire.id()), 1);
    EXPECT_FALSE(to.connect(s.kept(1))) << "the other one is out of reach";
    to.subscribe("u", qos::at_least_once);
    s.node.heal(0, 1);
    s.advance(10s);
    EXPECT_EQ(s.sessions(0), 0U);
    EXPECT_EQ(s.sessions(1), 1U);
    to.take("t", "before");
    to.cut();
    EXPECT_EQ(s.rows_of_sessions(0), 0U);
}

/// A client with a session on each of two nodes that do not see each other: at first on node 1,
/// which will be its home, and then on node 0.
struct two_sessions : world {
    two_sessions() {
        node.split(0, 1);
        node.appoint(partition_of(to.wire.id()), 1);
        to.connect(kept(1));
        to.subscribe("early", qos::at_least_once);
        to.subscribe("both/#", qos::at_least_once);
        to.cut();
        advance(1s);
        node.appoint(partition_of(to.wire.id()), 0);
        EXPECT_FALSE(to.connect(kept(0)));
        to.subscribe("late", qos::at_least_once);
        to.subscribe("both/+", qos::exactly_once);
        to.cut();
        from.connect(at(2));
    }
    void publish(std::string_view topic, std::string_view payload) {
        from.publish_settled({.topic = std::string(topic),
                              .payload = std::string(payload),
                              .quality = qos::exactly_once});
    }
    void unite() {
        node.appoint(partition_of(to.wire.id()), 1);
        node.heal(0, 1);
        advance(10s);
        EXPECT_EQ(sessions(0), 0U);
        EXPECT_EQ(sessions(1), 1U);
        EXPECT_EQ(rows_of_sessions(0), 0U);
    }
    script_client& to = client_of(0);
    script_client& from = client_of(2);
};

TEST(Handover, OfTwoSessionsOfAClientTheOneThatItLeftLaterSaysWhatItWants) {
    two_sessions s;
    s.publish("early", "e");
    s.publish("late", "l");
    s.unite();
    s.publish("early", "nobody wants it any more");
    s.publish("late", "l2");
    s.publish("both/x", "once");
    s.kill(1); // what it is now is on disk
    s.advance(30s);
    s.publish("late", "l3");
    EXPECT_TRUE(s.to.connect(s.kept(2)));
    for (const auto& [topic, payload] :
         {std::pair("early", "e"), std::pair("late", "l"), std::pair("late", "l2"),
          std::pair("both/x", "once"), std::pair("late", "l3")}) {
        s.to.take(topic, payload);
    }
    s.to.expect_nothing();
    s.node.run();
    EXPECT_EQ(s.rows(1, table::subscriptions), 2U);
    EXPECT_EQ(s.rows(1, table::queue), 0U);
}

TEST(Handover, WhoHasComeToItsNewHomeMeanwhileHasTheLaterSession) {
    two_sessions s;
    s.publish("late", "l");
    s.node.appoint(partition_of(s.to.wire.id()), 1);
    EXPECT_TRUE(s.to.connect(s.kept(1)));
    s.unite();
    s.to.take("late", "l");
    s.publish("late", "nobody wants it any more");
    s.publish("early", "e");
    s.to.take("early", "e");
    s.to.expect_nothing();
}

// At every moment: messages keep coming to both while they become one.
TEST(Handover, WhileTwoSessionsBecomeOneNothingForThatIsLost) {
    for (int writes = 0; writes < 40 && !testing::Test::HasFailure(); ++writes) {
        SCOPED_TRACE(std::to_string(writes) + " writes");
        two_sessions s;
        s.stop_disks();
        s.node.appoint(partition_of(s.to.wire.id()), 1);
        s.node.heal(0, 1);
        for (int i = 0; i < writes; ++i) {
            s.write(static_cast<std::size_t>(i) % nodes);
            s.node.advance(1ms);
        }
        s.from.publish("late", "in between", qos::exactly_once);
        s.let_disks_work();
        s.advance(10s);
        EXPECT_TRUE(s.to.connect(s.kept(2)));
        s.to.take("late", "in between");
        s.to.expect_nothing();
    }
}

TEST(Handover, WhatAnOperatorDiscardsIsGoneAndItsClientsComeAgain) {
    world s(2);
    script_client& with_will = s.client_of(0);
    script_client& away = s.client_of(0);
    script_client& from = s.client_of(2);
    from.connect(s.at(2));
    from.subscribe("will", qos::at_least_once);
    connect_request wanted = s.kept(2);
    wanted.will = support::will_request{.topic = "will", .payload = "w"};
    with_will.connect(wanted);
    away.connect(s.kept(0));
    away.subscribe("t", qos::at_least_once);
    away.cut();
    from.publish_settled({.topic = "t", .payload = "m", .quality = qos::at_least_once});
    std::size_t discarded = 0;
    for (std::size_t shard = 0; shard < 2; ++shard) {
        discarded += s.core(shard).discard_sessions();
        s.node.run();
    }
    EXPECT_EQ(discarded, 2U);
    with_will.expect_closed(reason_code::administrative_action);
    s.advance(1s);
    EXPECT_EQ(s.rows_of_sessions(0), 0U);
    EXPECT_FALSE(s.core(0).has_open_ends() || s.core(1).has_open_ends());
    EXPECT_FALSE(with_will.connect(s.kept(0)));
    EXPECT_FALSE(away.connect(s.kept(1)));
    away.expect_nothing();
    from.expect_nothing();
}

TEST(Handover, WhatComesByAGroupHasOneHomeOnly) {
    for (int writes = 0; writes < 40 && !testing::Test::HasFailure(); ++writes) {
        SCOPED_TRACE(std::to_string(writes) + " writes");
        world s;
        script_client& member = s.client_of(0);
        script_client& from = s.client_of(2);
        member.connect(s.kept(0));
        member.subscribe("$share/g/t", qos::exactly_once);
        member.cut();
        from.connect(s.at(2));
        from.behave();
        s.ledger.keeps_order = false; // of shared subscriptions there is none [MQTT-4.6.0-6]
        s.stop_disks();
        s.hand_over(member, 1);
        for (int i = 0; i < writes; ++i) {
            s.write(static_cast<std::size_t>(i) % nodes);
            s.node.advance(1ms);
            if (i % 4 == 0) {
                from.publish("t", std::to_string(i), qos::exactly_once);
            }
        }
        s.let_disks_work();
        s.advance(1s);
        EXPECT_EQ(s.sessions(1), 1U);
        EXPECT_TRUE(member.connect(s.kept(2)));
        member.behave();
        s.settle();
        EXPECT_EQ(member.got.size(), static_cast<std::size_t>((writes + 3) / 4));
    }
}

// Both homes, at every moment.
TEST(Handover, ADeathOfEitherHomeLosesNothingAndDoublesNothing) {
    std::size_t arrived = 0;
    for (const std::size_t victim : {0U, 1U}) {
        for (int writes = 0; writes < 60 && !testing::Test::HasFailure(); ++writes) {
            SCOPED_TRACE("node " + std::to_string(victim) + " after " + std::to_string(writes)
                         + " writes");
            world s;
            script_client& to = s.client_of(0);
            script_client& from = s.client_of(2);
            to.connect(s.kept(2));
            to.subscribe("t", qos::exactly_once);
            from.connect(s.at(2));
            from.publish_settled({.topic = "t", .payload = "first", .quality = qos::exactly_once});
            const packet_id first = to.receive("t", "first").id;
            to.cut();
            for (int n = 0; n < 5; ++n) {
                from.publish_settled(
                    {.topic = "t",
                     .payload = std::to_string(n),
                     .quality = n % 2 == 0 ? qos::exactly_once : qos::at_least_once});
            }
            s.stop_disks();
            s.hand_over(to, 1);
            for (int i = 0; i < writes; ++i) {
                s.write(static_cast<std::size_t>(i) % nodes);
                s.node.advance(1ms);
            }
            s.kill(victim);
            s.let_disks_work();
            s.advance(30s);
            arrived += s.home_of(to);
            EXPECT_EQ(s.sessions(0) + s.sessions(1), 1U);
            EXPECT_EQ(s.sessions(s.home_of(to)), 1U) << "at its home";
            EXPECT_TRUE(to.connect(s.kept(2)));
            EXPECT_EQ(to.take("t", "first").id, first);
            for (int n = 0; n < 5; ++n) {
                to.take("t", std::to_string(n));
            }
            s.settle();
            EXPECT_EQ(s.rows(0, table::queue) + s.rows(1, table::queue), 0U);
        }
    }
    EXPECT_GT(arrived, 30U);
}

/// Everything at random: publishers on all nodes, a session that roams, hand-overs one after the
/// other, frames that are held up; and if wanted links that break, or processes that die.
enum class trouble : std::uint8_t { none, splits };

class storm : public world {
  public:
    storm(std::size_t shards, std::uint64_t seed, trouble kind)
        : world(shards, seed), chance_(seed), kind_(kind) {
        for (std::size_t n = 0; n < nodes; ++n) {
            subscribers_.push_back(&client_of(n));
            publishers_.push_back(&client_of(n));
        }
        for (std::size_t n = 0; n < nodes; ++n) {
            subscribers_[n]->connect(kept((n + 1) % nodes));
            subscribers_[n]->subscribe("t", n == 0 ? qos::at_least_once : qos::exactly_once);
            publishers_[n]->connect(kept(n));
        }
        for (script_client& each : clients()) {
            each.behave();
        }
        stop_disks();
    }

    void run(int steps) {
        for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
            step();
        }
        end();
    }

    std::size_t moved = 0;

  private:
    std::size_t draw(std::size_t below) { return chance_() % below; }

    void step() {
        switch (draw(kind_ == trouble::none ? 11 : 12)) {
        case 0:
        case 1:
        case 2:
            publish(*publishers_[draw(nodes)]);
            break;
        case 3:
        case 4:
        case 5:
        case 6:
            for (std::size_t n = draw(nodes); n < nodes; ++n) {
                write(n);
            }
            break;
        case 7:
            hold(draw(nodes), draw(nodes));
            break;
        case 8:
            move();
            break;
        case 9:
            roam(*subscribers_[draw(nodes)]);
            break;
        case 10:
            node.advance(std::chrono::milliseconds(draw(300)));
            break;
        default:
            harm();
        }
        for (script_client& each : clients()) {
            each.wire.listen();
            if (each.wire.has_peer() && each.wire.is_closed()) {
                left(each);
            }
        }
        node.run();
    }

    void left(script_client& who) {
        if (!away_.contains(&who)) {
            away_.insert(&who);
            ledger.went_away(who.wire.id());
        }
    }

    void publish(script_client& by) {
        if (!by.wire.is_connected()) {
            come(by);
            return;
        }
        if (by.wire.unsettled() < by.wire.receive_maximum() / 2) {
            by.publish("t", std::to_string(++payloads_),
                       draw(2) == 0 ? qos::at_least_once : qos::exactly_once);
        }
    }

    void come(script_client& who) {
        if (who.wire.has_peer() && !who.wire.is_closed()) {
            return; // it waits for its CONNACK
        }
        who.wire.send_connect(kept(draw(nodes)));
        who.wire.listen();
        if (who.wire.is_connected()) {
            away_.erase(&who);
            who.wire.resend();
        }
    }

    void roam(script_client& who) {
        if (who.wire.is_connected() && !who.wire.is_closed()) {
            left(who);
            who.wire.cut();
            node.run();
        } else {
            come(who);
        }
    }

    void hold(std::size_t from, std::size_t to) {
        const bool is_held = held_.contains({from, to});
        is_held ? void(held_.erase({from, to})) : void(held_.insert({from, to}));
        node.hold_frames(from, to, !is_held);
        node.run();
    }

    void move() {
        if (departing() == 0) {
            script_client& whose = *subscribers_[draw(nodes)];
            const std::size_t to = draw(nodes);
            if (to != home_of(whose)) {
                ++moved;
                hand_over(whose, to);
            }
        }
    }

    void harm() {
        const std::size_t one = draw(nodes);
        const std::size_t other = (one + 1) % nodes;
        const std::pair pair{std::min(one, other), std::max(one, other)};
        if (split_.erase(pair) != 0) {
            node.heal(pair.first, pair.second);
        } else {
            split_.insert(pair);
            node.split(pair.first, pair.second);
        }
    }

    void end() {
        for (const auto& [from, to] : held_) {
            node.hold_frames(from, to, false);
        }
        for (const auto& [one, other] : split_) {
            node.heal(one, other);
        }
        let_disks_work();
        node.run();
        node.advance(30s);
        for (script_client& each : clients()) {
            for (int i = 0; i < 20 && !each.wire.is_connected(); ++i) {
                each.wire.listen();
                if (each.wire.has_peer() && each.wire.is_closed()) {
                    left(each);
                }
                come(each);
                node.advance(1s);
            }
            EXPECT_TRUE(each.wire.is_connected()) << each.wire.id();
        }
        node.advance(10s);
        EXPECT_EQ(departing(), 0U);
        settle();
        std::size_t kept_sessions = 0;
        for (std::size_t n = 0; n < nodes; ++n) {
            kept_sessions += sessions(n);
            EXPECT_EQ(rows(n, table::queue), 0U) << "of node " << n;
        }
        EXPECT_EQ(kept_sessions, clients().size()) << "each session once";
    }

    std::mt19937_64 chance_;
    trouble kind_;
    std::vector<script_client*> subscribers_;
    std::vector<script_client*> publishers_;
    std::set<script_client*> away_;
    std::set<std::pair<std::size_t, std::size_t>> held_;
    std::set<std::pair<std::size_t, std::size_t>> split_;
    int payloads_ = 0;
};

struct storm_case {
    std::size_t shards;
    trouble kind;
};

class HandoverStorm : public testing::TestWithParam<storm_case> {};

TEST_P(HandoverStorm, NothingIsLostAndNothingComesTwice) {
    std::size_t moved = 0;
    for (std::uint64_t seed = 1; seed <= 60 && !HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        storm s(GetParam().shards, seed, GetParam().kind);
        s.run(800);
        moved += s.moved;
    }
    EXPECT_GT(moved, 60U);
}

INSTANTIATE_TEST_SUITE_P(OfOneShard, HandoverStorm,
                         testing::Values(storm_case{1, trouble::none},
                                         storm_case{1, trouble::splits}));
INSTANTIATE_TEST_SUITE_P(OfTwoShards, HandoverStorm,
                         testing::Values(storm_case{2, trouble::none},
                                         storm_case{2, trouble::splits}));

} // namespace
} // namespace gv::shard
