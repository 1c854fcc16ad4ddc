// SPDX-License-Identifier: Apache-2.0
// Shared groups whose members and owners are on different shards.
#include "tests/broker/shard/stage.hpp"

#include <gtest/gtest.h>

namespace gv::shard {
namespace {

constexpr std::uint32_t long_expiry = 1'000;
constexpr int groups = 12; // enough that every shard owns one of them

[[nodiscard]] std::string shared(int group, const std::string& filter) {
    return "$share/g" + std::to_string(group) + "/" + filter;
}

[[nodiscard]] core_options by_load() {
    core_options made;
    made.routing.strategy = router::group_strategy::least_in_flight;
    return made;
}

void publish_many(player& from, std::size_t count, qos quality) {
    for (std::size_t i = 0; i < count; ++i) {
        from.publish({.topic = "t", .payload = "x", .quality = quality});
    }
}

// The second member is idle as the first one is: each takes half.
void expect_equal_shares(std::size_t member_shard, bool is_persistent, qos quality) {
    for (int group = 0; group < groups; ++group) {
        stage all(3, by_load());
        const support::connect_request how{.session_expiry = is_persistent ? long_expiry : 0};
        player& first = all.enter(member_shard, how);
        player& publisher = all.enter(0);
        first.subscribe(shared(group, "t"), quality);
        for (std::size_t i = 0; i < 20; ++i) {
            publish_many(publisher, 1, quality);
            all.listen();
        }
        EXPECT_EQ(first.got.size(), 20u);
        player& second = all.enter(member_shard, how);
        second.subscribe(shared(group, "t"), quality);
        for (std::size_t i = 0; i < 20; ++i) {
            publish_many(publisher, 1, quality);
            all.listen();
        }
        EXPECT_EQ(first.got.size(), 30u) << "group " << group;
        EXPECT_EQ(second.got.size(), 10u) << "group " << group;
    }
}

TEST(SharedGroup, AVolatileMemberThatAcknowledgesIsIdle) {
    expect_equal_shares(1, false, qos::at_least_once);
}

TEST(SharedGroup, APersistentMemberThatAcknowledgesIsIdle) {
    expect_equal_shares(1, true, qos::exactly_once);
}

// Its own acknowledgements of other messages are no acknowledgements of the group's.
TEST(SharedGroup, AnAcknowledgementOfAnotherMessageDoesNotMakeAMemberIdle) {
    stage all(1, by_load());
    player& publisher = all.enter(0);
    player& busy = all.enter(0, {.session_expiry = long_expiry});
    busy.subscribe(shared(0, "t"), qos::exactly_once);
    busy.subscribe("own", qos::at_least_once);
    busy.wire.is_automatic = false;
    publish_many(publisher, 1, qos::exactly_once);
    all.listen();
    busy.wire.owed.clear(); // the group's message stays in flight
    busy.wire.is_automatic = true;
    for (int i = 0; i < 5; ++i) {
        publisher.publish({.topic = "own", .payload = "own", .quality = qos::at_least_once});
        all.listen();
    }
    player& idle = all.enter(0, {.session_expiry = long_expiry});
    idle.subscribe(shared(0, "t"), qos::exactly_once);
    for (int i = 0; i < 4; ++i) {
        publish_many(publisher, 1, qos::exactly_once);
        all.listen();
    }
    EXPECT_EQ(idle.got.size(), 4u);
}

// What expires on its way to a member, or does not fit it, is not in flight either.
TEST(SharedGroup, AMessageThatAMemberCannotTakeIsNotInFlight) {
    stage all(1, by_load());
    player& publisher = all.enter(0);
    player& small = all.enter(0, {.packet_size_max = 100});
    small.subscribe(shared(0, "t"), qos::at_least_once);
    for (int i = 0; i < 10; ++i) {
        publisher.publish(
            {.topic = "t", .payload = std::string(500, 'x'), .quality = qos::at_least_once});
    }
    player& other = all.enter(0);
    other.subscribe(shared(0, "t"), qos::at_least_once);
    for (int i = 0; i < 10; ++i) {
        publish_many(publisher, 1, qos::at_least_once);
        all.listen();
    }
    EXPECT_EQ(small.got.size(), 5u);
    EXPECT_EQ(other.got.size(), 5u);
}

// The count of what is in flight begins anew with a connection.
TEST(SharedGroup, AnAcknowledgementOfWhatIsSentAgainDoesNotMakeAMemberIdle) {
    stage all(1, by_load());
    player& publisher = all.enter(0);
    player& busy = all.enter(0, {.session_expiry = long_expiry});
    busy.subscribe(shared(0, "t"), qos::at_least_once);
    busy.wire.is_automatic = false;
    publish_many(publisher, 4, qos::at_least_once);
    all.listen();
    static_cast<void>(busy.wire.let_go());
    all.listen();
    busy.connect({.clean_start = false, .session_expiry = long_expiry});
    all.listen();
    publish_many(publisher, 4, qos::at_least_once);
    all.listen();
    for (int i = 0; i < 4; ++i) {
        const auto oldest = busy.wire.owed.front();
        busy.wire.owed.pop_front();
        busy.wire.send_ack(oldest.type, oldest.id);
    }
    player& idle = all.enter(0, {.session_expiry = long_expiry});
    idle.subscribe(shared(0, "t"), qos::at_least_once);
    const std::size_t before = idle.got.size();
    publish_many(publisher, 4, qos::at_least_once);
    all.listen();
    EXPECT_EQ(idle.got.size() - before, 4U) << "the other one has four in flight";
}

// It was to take the session over and broke before the connection before it had left.
TEST(SharedGroup, AMemberWhoseSuccessorDiedMeanwhileIsOffline) {
    for (int group = 0; group < groups; ++group) {
        stage all(2);
        player& member = all.enter(0, {.session_expiry = long_expiry});
        member.wire.send_disconnect();
        all.listen();
        member.connect({.clean_start = false, .session_expiry = long_expiry, .shard = 1});
        member.subscribe(shared(group, "t"));
        player& other = all.enter(0, {.session_expiry = long_expiry});
        other.subscribe(shared(group, "t"));
        all.block(1, 0); // the farewell of the connection before
        const auto before = member.wire.let_go();
        member.connect({.clean_start = false, .session_expiry = long_expiry, .shard = 0});
        member.wire.cut();
        all.unblock(1, 0);
        publish_many(other, 6, qos::at_most_once);
        all.listen();
        EXPECT_EQ(other.got.size(), 6u) << "group " << group;
    }
}

// Whoever has the SUBACK may tell a friend on another shard to publish.
void expect_subacks_in_force(std::size_t member_shard) {
    for (int group = 0; group < groups; ++group) {
        stage all(3);
        player& friend_elsewhere = all.enter(1);
        player& first = all.enter(member_shard);
        player& second = all.enter(member_shard);
        all.block(0, 1);
        first.subscribe(shared(group, "t"));
        second.subscribe(shared(group, "t"));
        if (second.subacks > 0) {
            friend_elsewhere.publish({.topic = "t", .payload = "x"});
            all.listen();
            EXPECT_EQ(first.got.size() + second.got.size(), 1u) << "group " << group;
        }
        all.unblock(0, 1);
        EXPECT_EQ(first.subacks, 1u);
        EXPECT_EQ(second.subacks, 1u);
    }
}

TEST(SharedGroup, ASecondMembersSubackWaitsForTheRouteOfTheFirst) { expect_subacks_in_force(0); }

TEST(SharedGroup, ASecondMembersSubackWaitsForTheRouteOfTheFirstOnAnotherShardToo) {
    expect_subacks_in_force(2);
}

} // namespace
} // namespace gv::shard
