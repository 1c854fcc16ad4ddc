// SPDX-License-Identifier: Apache-2.0
// What a process that dies leaves behind, and what the next one makes of it.
#include "tests/support/stored_script.hpp"

#include <gmock/gmock.h>

#include <map>

namespace gv::support {
namespace {

using mqtt::packet_type;
using storage::table;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr auto qos_1 = qos::at_least_once;
constexpr auto qos_2 = qos::exactly_once;
/// Longer than what a row holds itself, so that several rows share it.
const std::string large(100, 'x');

[[nodiscard]] stored_options on(std::size_t shards) { return {.node = {.shards = shards}}; }

/// A client identifier whose home is on that shard.
[[nodiscard]] std::string named(stored_script& s, const std::string& stem, std::size_t shard) {
    for (int i = 0;; ++i) {
        std::string name = stem + std::to_string(i);
        if (s.node.home_of(name) == shard) {
            return name;
        }
    }
}

/// A topic whose retained message is on that shard.
[[nodiscard]] std::string kept_on(stored_script& s, std::size_t shard) {
    for (int i = 0;; ++i) {
        std::string topic = "kept/" + std::to_string(i);
        if (shard::core::retained_owner(topic, s.node.shards()).value == shard) {
            return topic;
        }
    }
}

[[nodiscard]] connect_request persistent(std::size_t shard = 0) {
    return {.clean_start = false, .session_expiry = 3600, .shard = shard};
}

// Who waits for the disk, and who does not.

TEST(PersistOrder, PubackComesWhenTheRowOfAnOfflineSessionIsDurable) {
    stored_script s;
    s.client("sub").resume();
    s.client("sub").subscribe("t", qos_1);
    s.client("sub").disconnect();
    s.client("pub").connect();
    s.stop_disk();
    const packet_id id = s.client("pub").publish("t", "m", qos_1);
    s.client("pub").expect_nothing();
    EXPECT_EQ(s.let_through(), 1U);
    s.client("pub").expect_ack(packet_type::puback, id);
    s.start_disk();
    s.settle();
}

TEST(PersistOrder, PubackDoesNotWaitIfNothingIsKept) {
    stored_script s;
    s.client("sub").connect();
    s.client("sub").subscribe("t", qos_2);
    s.client("pub").connect();
    s.stop_disk();
    const packet_id id = s.client("pub").publish("t", "m", qos_1);
    s.client("pub").expect_ack(packet_type::puback, id);
    s.client("sub").take("t", "m");
    EXPECT_EQ(s.store().waiting(), 0U) << "a volatile session never touches the disk";
}

TEST(PersistOrder, PubackAndPubrecDoNotWaitWhereARuleSaysMemory) {
    for (const std::size_t shards : {1U, 2U}) {
        stored_options options = on(shards);
        options.node.core.topics = {{.filter = "m/#", .level = durability::memory}};
        stored_script s(options);
        const std::string sub = named(s, "sub", shards - 1);
        s.client(sub).resume();
        s.client(sub).subscribe("#", qos_2);
        s.client(sub).disconnect();
        s.client("pub").connect();
        s.stop_disk();
        const packet_id first = s.client("pub").publish("m/1", "a", qos_1);
        s.client("pub").expect_ack(packet_type::puback, first);
        const packet_id second = s.client("pub").publish("m/1", "b", qos_2);
        s.client("pub").expect_ack(packet_type::pubrec, second);
        static_cast<void>(s.client("pub").publish("other", "c", qos_1));
        s.client("pub").expect_nothing();
    }
}

TEST(PersistOrder, AnIdentifierIsForgottenAfterItWasWrittenAtEveryLevel) {
    stored_options options = on(2);
    options.node.core.level = durability::memory;
    options.node.core.topics = {{.filter = "#", .level = durability::memory}};
    stored_script s(options);
    const std::string pub = named(s, "pub", 1);
    s.client(pub).connect(persistent());
    s.stop_disk();
    const packet_id id = s.client(pub).publish("t", "m", qos_2);
    s.client(pub).expect_nothing();
    s.start_disk();
    s.client(pub).expect_ack(packet_type::pubrec, id);
    s.client(pub).acknowledge(packet_type::pubrel, id);
    s.client(pub).expect_ack(packet_type::pubcomp, id);
    EXPECT_EQ(s.rows(table::small), 0U);
    s.settle_for_good();
}

TEST(PersistOrder, PubcompIsSyncedWhateverTheLevelOfTheListener) {
    for (const std::size_t shards : {1U, 2U}) {
        stored_script s(on(shards));
        const std::string pub = named(s, "pub", shards - 1);
        auto lenient = std::make_shared<shard::listener_profile>();
        lenient->level = durability::interval;
        s.client(pub).wire.open(0, lenient);
        s.client(pub).connect(persistent());
        const packet_id id = s.client(pub).publish("t", "m", qos_2);
        s.client(pub).expect_ack(packet_type::pubrec, id);
        s.stop_disk();
        s.client(pub).acknowledge(packet_type::pubrel, id);
        EXPECT_EQ(s.store().strictest_waiting(), durability::fsync);
        s.start_disk();
        s.client(pub).expect_ack(packet_type::pubcomp, id);
    }
}

TEST(PersistOrder, AWillIsKeptAsTheRuleForItsTopicSays) {
    for (const durability level : {durability::fsync, durability::memory}) {
        stored_options options;
        options.node.core.level =
            level == durability::fsync ? durability::memory : durability::fsync;
        options.node.core.topics = {{.filter = "alarms/#", .level = level}};
        stored_script s(options);
        connect_request mortal;
        mortal.will =
            will_request{.topic = "alarms/dead", .payload = "1", .quality = qos_1, .retain = true};
        s.client("mortal").connect(mortal);
        s.stop_disk();
        s.client("mortal").cut();
        s.node.run();
        ASSERT_EQ(s.store().waiting(), 1U);
        EXPECT_EQ(s.store().strictest_waiting(), level);
        s.start_disk();
    }
}

TEST(PersistOrder, AQueueLimitDropsNothingThatOnlyWaitsForTheDisk) {
    stored_options options;
    options.node.core.limits.outbound.queue_messages_max = 1;
    stored_script s(options);
    s.client("sub").resume();
    s.client("sub").subscribe("t", qos_2);
    s.client("pub").connect();
    s.stop_disk();
    for (const char* each : {"1", "2", "3"}) {
        static_cast<void>(s.client("pub").publish("t", each, qos_2));
    }
    s.start_disk();
    for (const char* each : {"1", "2", "3"}) {
        s.client("sub").take("t", each);
    }
    EXPECT_EQ(s.node.dropped(session::drop_reason::queue_full), 0U);
}

TEST(PersistOrder, ConnackOfANewSessionWaitsForTheEndOfOneThatEndedByItself) {
    for (const bool is_clean : {false, true}) {
        stored_script s;
        s.client("sub").connect(persistent());
        s.client("sub").subscribe("t", qos_2);
        s.stop_disk();
        s.client("sub").disconnect(mqtt::reason_code::success, 0U);
        s.client("sub").wire.send_connect({.clean_start = is_clean});
        s.client("sub").expect_nothing();
        EXPECT_EQ(s.store().strictest_waiting(), durability::fsync);
        s.start_disk();
        const received answer = s.client("sub").next();
        ASSERT_NE(answer.as<mqtt::connack_view>(), nullptr);
        EXPECT_FALSE(answer.as<mqtt::connack_view>()->session_present);
        EXPECT_EQ(s.rows(table::subscriptions), 0U);
        EXPECT_EQ(s.rows(table::sessions), 0U);
        s.settle_for_good();
    }
}

TEST(PersistOrder, PublishersWaitForADiskThatIsBehindAtEveryLevel) {
    for (const std::size_t shards : {1U, 2U}) {
        SCOPED_TRACE(std::to_string(shards) + " shards");
        stored_options options = on(shards);
        options.node.core.topics = {{.filter = "#", .level = durability::memory}};
        stored_script s(options);
        const std::string sub = named(s, "sub", shards - 1);
        s.client(sub).resume();
        s.client(sub).subscribe("t", qos_1);
        s.client(sub).disconnect();
        s.client("pub").connect();
        s.client("other").connect();
        s.client("other").subscribe("volatile", qos_1);
        s.stop_disk();
        constexpr int many = 60;
        for (int i = 0; i < many; ++i) {
            static_cast<void>(s.client("pub").wire.send_publish(
                {.topic = "t", .payload = std::string(1U << 20, 'x'), .quality = qos_1}));
            s.node.run();
        }
        EXPECT_EQ(s.held(), 1U);
        const packet_id id = s.client("other").publish("volatile", "m", qos_1);
        s.client("other").receive("volatile", "m");
        s.client("other").expect_ack(packet_type::puback, id);
        s.start_disk();
        EXPECT_EQ(s.held(), 0U);
        EXPECT_EQ(s.rows(table::queue), std::size_t{many}) << "and nothing is lost";
    }
}

TEST(PersistOrder, QosOneReachesAPersistentSubscriberBeforeTheDisk) {
    stored_script s;
    s.client("sub").resume();
    s.client("sub").subscribe("t", qos_1);
    s.client("pub").connect();
    s.stop_disk();
    const packet_id id = s.client("pub").publish("t", "m", qos_1);
    s.client("sub").receive("t", "m");
    s.client("pub").expect_nothing();
    s.let_through();
    s.client("pub").expect_ack(packet_type::puback, id);
    s.start_disk();
    s.settle();
}

TEST(PersistOrder, QosTwoReachesAPersistentSubscriberAfterTheDisk) {
    stored_script s;
    s.client("sub").resume();
    s.client("sub").subscribe("t", qos_2);
    s.client("pub").connect();
    s.stop_disk();
    const packet_id id = s.client("pub").publish("t", "m", qos_2);
    s.client("sub").expect_nothing();
    s.client("pub").expect_nothing();
    s.let_through();
    s.client("sub").receive("t", "m");
    s.client("pub").expect_ack(packet_type::pubrec, id);
    s.start_disk();
    s.settle();
}

TEST(PersistOrder, PubrecWaitsForTheIdentifierOfAPersistentPublisher) {
    for (const std::size_t shards : {1U, 2U, 3U}) {
        SCOPED_TRACE(std::to_string(shards) + " shards");
        stored_script s(on(shards));
        const std::string pub = named(s, "pub", shards - 1);
        s.client(pub).connect(persistent());
        s.stop_disk();
        const packet_id id = s.client(pub).publish("t", "m", qos_2);
        s.client(pub).expect_nothing();
        s.start_disk();
        s.client(pub).expect_ack(packet_type::pubrec, id);
        s.settle_for_good();
    }
}

TEST(PersistOrder, PubrelWaitsForTheReleaseOfTheMessage) {
    stored_script s;
    s.client("sub").resume();
    s.client("sub").subscribe("t", qos_2);
    s.client("pub").connect();
    s.client("pub").publish("t", "m", qos_2);
    const delivered got = s.client("sub").receive("t", "m");
    s.stop_disk();
    s.client("sub").acknowledge(packet_type::pubrec, got.id);
    s.client("sub").expect_nothing();
    EXPECT_EQ(s.rows(table::queue), 1U);
    s.let_through();
    EXPECT_EQ(s.rows(table::queue), 0U);
    s.client("sub").expect_ack(packet_type::pubrel, got.id);
    s.start_disk();
    s.settle_for_good();
}

// Else the identifier comes back with the next process, and swallows the client's next message.
TEST(PersistOrder, PubcompWaitsUntilTheIdentifierIsForgotten) {
    for (const std::size_t shards : {1U, 2U}) {
        SCOPED_TRACE(std::to_string(shards) + " shards");
        stored_script s(on(shards));
        const std::string pub = named(s, "pub", shards - 1);
        s.client(pub).connect(persistent());
        const packet_id id = s.client(pub).publish("t", "m", qos_2);
        s.client(pub).expect_ack(packet_type::pubrec, id);
        s.stop_disk();
        s.client(pub).acknowledge(packet_type::pubrel, id);
        s.client(pub).expect_nothing();
        s.start_disk();
        s.client(pub).expect_ack(packet_type::pubcomp, id);
        s.settle_for_good();
    }
}

TEST(PersistOrder, SubackAndUnsubackWaitForTheDisk) {
    for (const std::size_t shards : {1U, 2U}) {
        SCOPED_TRACE(std::to_string(shards) + " shards");
        stored_script s(on(shards));
        const std::string sub = named(s, "sub", shards - 1);
        s.client(sub).connect(persistent());
        s.stop_disk();
        s.client(sub).wire.send_subscribe({{.filter = "t", .quality = qos_1}});
        s.client(sub).expect_nothing();
        s.let_through();
        EXPECT_NE(s.client(sub).next().as<mqtt::suback_view>(), nullptr);
        s.client(sub).wire.send_unsubscribe({"t"});
        s.client(sub).expect_nothing();
        s.let_through();
        EXPECT_NE(s.client(sub).next().as<mqtt::suback_view>(), nullptr);
        EXPECT_EQ(s.rows(table::subscriptions), 0U);
    }
}

TEST(PersistOrder, SubackOfAVolatileSessionDoesNotWait) {
    stored_script s;
    s.client("sub").connect();
    s.stop_disk();
    s.client("sub").subscribe("t", qos_1);
    EXPECT_EQ(s.store().waiting(), 0U);
}

TEST(PersistOrder, AMessageAcknowledgedAtOnceIsNeverWritten) {
    stored_script s;
    s.client("sub").resume();
    s.client("sub").subscribe("t", qos_1);
    s.client("pub").connect();
    s.client("pub").publish_settled({.topic = "t", .payload = "first", .quality = qos_1});
    s.client("sub").take("t", "first"); // it has reserved its sequence numbers
    s.stop_disk();
    // Two hand-overs that the store is busy with, so that the next one waits in the shard.
    for (const char* each : {"busy 1", "busy 2"}) {
        s.client("pub").publish("t", each, qos_1);
        s.client("sub").receive("t", each);
    }
    EXPECT_EQ(s.store().waiting(), 2U);
    s.client("pub").publish("t", "quick", qos_1);
    s.client("sub").take("t", "quick");
    std::size_t seen = 0;
    while (s.let_through(1) > 0) {
        for (const auto& [key, value] :
             s.store().durable()[static_cast<std::size_t>(table::queue)]) {
            seen += value.find("quick") != std::string::npos ? 1U : 0U;
        }
    }
    EXPECT_EQ(seen, 0U);
    s.start_disk();
    s.settle_for_good();
}

TEST(PersistOrder, QosZeroIsNeverWritten) {
    stored_script s;
    s.client("sub").resume();
    s.client("sub").subscribe("t", qos_2);
    s.client("pub").connect();
    s.stop_disk();
    s.client("pub").publish("t", "m", qos::at_most_once);
    s.client("sub").receive("t", "m");
    EXPECT_EQ(s.store().waiting(), 0U);
}

TEST(PersistOrder, NobodyWaitsForARetainedMessageOfQosZero) {
    stored_script s;
    s.client("pub").connect();
    s.stop_disk();
    s.client("pub").publish(
        {.topic = "t", .payload = "m", .quality = qos::at_most_once, .retain = true});
    s.client("pub").ping();
    EXPECT_EQ(s.store().waiting(), 1U);
    s.start_disk();
    EXPECT_THAT(s.keys(table::retained), ElementsAre("t"));
}

// A resend after a takeover is not acknowledged by what the shard remembers alone.
TEST(PersistOrder, PubrecOfAResendWaitsForTheDiskToo) {
    for (const std::size_t shards : {1U, 2U}) {
        SCOPED_TRACE(std::to_string(shards) + " shards");
        stored_script s(on(shards));
        const std::string pub = named(s, "pub", shards - 1);
        s.client("sub").resume();
        s.client("sub").subscribe("t", qos_2);
        s.client("sub").disconnect();
        s.client(pub).connect(persistent());
        s.stop_disk();
        const packet_id id = s.client(pub).publish("t", "m", qos_2);
        s.client(pub).cut();
        s.client(pub).connect(persistent());
        s.client(pub).wire.resend();
        s.client(pub).expect_nothing();
        s.start_disk();
        s.client(pub).expect_ack(packet_type::pubrec, id);
        s.settle_for_good();
    }
}

// Else what was thrown away comes back.
TEST(PersistOrder, ConnackOfANewSessionWaitsForTheEndOfTheOld) {
    for (const std::size_t shards : {1U, 2U}) {
        SCOPED_TRACE(std::to_string(shards) + " shards");
        stored_script s(on(shards));
        const std::string sub = named(s, "sub", shards - 1);
        s.client(sub).connect(persistent());
        s.client(sub).subscribe("t", qos_2);
        s.client(sub).disconnect();
        s.stop_disk();
        s.client(sub).wire.send_connect({.clean_start = true, .session_expiry = 3600});
        s.client(sub).expect_nothing();
        s.start_disk();
        const received answer = s.client(sub).next();
        ASSERT_NE(answer.as<mqtt::connack_view>(), nullptr);
        EXPECT_FALSE(answer.as<mqtt::connack_view>()->session_present);
        EXPECT_EQ(s.rows(table::subscriptions), 0U);
        EXPECT_EQ(s.rows(table::sessions), 1U);
        s.settle_for_good();
    }
}

TEST(PersistOrder, ConnackDoesNotWaitIfNoSessionEnds) {
    stored_script s;
    s.client("sub").resume();
    s.client("sub").disconnect();
    s.stop_disk();
    EXPECT_TRUE(s.client("sub").resume());
    EXPECT_FALSE(s.client("other").resume());
    EXPECT_FALSE(s.client("volatile").connect());
}

TEST(PersistOrder, AClientMayGoOrBeTakenOverWhileItsConnackWaits) {
    for (const bool is_taken_over : {false, true}) {
        SCOPED_TRACE(is_taken_over ? "taken over" : "gone");
        stored_script s(on(2));
        const std::string sub = named(s, "sub", 0);
        s.client(sub).connect(persistent());
        s.client(sub).subscribe("t", qos_2);
        s.client(sub).disconnect();
        s.stop_disk();
        s.client(sub).wire.send_connect({.clean_start = true, .session_expiry = 3600});
        s.node.run();
        s.ledger.session_ended(sub);
        auto before = s.client(sub).wire.let_go();
        if (!is_taken_over) {
            before->cut();
        }
        s.client("pub").connect();
        s.client("pub").publish("t", "m", qos_1);
        s.client(sub).wire.send_connect(persistent(1));
        s.node.run();
        s.start_disk();
        s.client(sub).wire.listen();
        EXPECT_TRUE(s.client(sub).wire.is_connected());
        EXPECT_TRUE(before->is_closed());
        before.reset();
        s.settle_for_good();
    }
}

// Crashes at every point.

struct world {
    std::size_t shards;
    std::size_t shards_after;
    disk_speed speed;
};

void PrintTo(const world& of, std::ostream* to) {
    *to << of.shards << " shards, then " << of.shards_after << ", "
        << (of.speed == disk_speed::slow ? "slow" : "quick") << " disk";
}

class PersistCrash : public testing::TestWithParam<world> {
  protected:
    void replay(const std::function<void(stored_script&)>& steps, place at = place::current()) {
        replay_with_crashes({.node = {.shards = GetParam().shards},
                             .shards_after = GetParam().shards_after,
                             .speed = GetParam().speed},
                            steps, at);
    }
    /// The last shard.
    [[nodiscard]] static std::size_t far(stored_script& s) { return s.node.shards() - 1; }
};

TEST_P(PersistCrash, QosOneToAnOfflineSession) {
    replay([](stored_script& s) {
        s.client("sub").resume();
        s.client("sub").subscribe("t", qos_1);
        s.client("sub").disconnect();
        s.client("pub").connect();
        for (const char* each : {"1", "2", "3"}) {
            s.client("pub").publish_settled({.topic = "t", .payload = each, .quality = qos_1});
        }
    });
}

TEST_P(PersistCrash, QosOneToAnOnlineSession) {
    replay([](stored_script& s) {
        s.client("sub").connect(persistent(far(s)));
        s.client("sub").subscribe("t", qos_1);
        s.client("pub").resume();
        for (const char* each : {"1", "2", "3"}) {
            s.client("pub").publish("t", each, qos_1);
        }
        s.client("sub").take("t", "1");
        s.client("sub").receive("t", "2");
    });
}

TEST_P(PersistCrash, QosTwoIn) {
    replay([](stored_script& s) {
        const std::string pub = named(s, "pub", far(s));
        s.client("sub").resume();
        s.client("sub").subscribe("t", qos_2);
        s.client("sub").disconnect();
        s.client(pub).connect(persistent());
        s.client(pub).publish_settled({.topic = "t", .payload = "1", .quality = qos_2});
        s.client(pub).publish_settled({.topic = "t", .payload = "2", .quality = qos_2});
        s.client(pub).publish("t", "3", qos_2);
    });
}

TEST_P(PersistCrash, QosTwoOut) {
    replay([](stored_script& s) {
        const std::string sub = named(s, "sub", far(s));
        s.client(sub).connect(persistent());
        s.client(sub).subscribe("t", qos_2);
        s.client("pub").resume();
        s.client("pub").publish("t", "1", qos_2);
        s.client("pub").publish("t", "2", qos_2);
        s.client("pub").publish("t", "3", qos_2);
        s.client(sub).take("t", "1");
        const delivered second = s.client(sub).receive("t", "2");
        s.client(sub).receive("t", "3");
        s.client(sub).acknowledge(packet_type::pubrec, second.id);
        s.client(sub).expect_ack(packet_type::pubrel, second.id);
    });
}

TEST_P(PersistCrash, QosTwoToOneSubscriberOfEachQos) {
    replay([](stored_script& s) {
        const std::string pub = named(s, "pub", far(s));
        s.client("one").connect(persistent());
        s.client("one").subscribe("t", qos_1);
        s.client("two").connect(persistent(far(s)));
        s.client("two").subscribe("t", qos_2);
        s.client("away").resume();
        s.client("away").subscribe("t", qos_2);
        s.client("away").disconnect();
        s.client(pub).connect(persistent());
        s.client(pub).publish_settled({.topic = "t", .payload = "1" + large, .quality = qos_2});
        s.client("one").take("t", "1" + large);
        s.client("two").take("t", "1" + large);
        s.client(pub).publish_settled({.topic = "t", .payload = "2" + large, .quality = qos_2});
        s.client("one").take("t", "2" + large);
    });
}

TEST_P(PersistCrash, OneBodyForManySessions) {
    replay([](stored_script& s) {
        for (const char* each : {"a", "b", "c", "d"}) {
            s.client(each).resume();
            s.client(each).subscribe("t/#", qos_1);
            s.client(each).disconnect();
        }
        s.client("pub").resume();
        s.client("pub").publish_settled({.topic = "t/1", .payload = "1" + large, .quality = qos_1});
        s.client("pub").publish_settled({.topic = "t/2", .payload = "2" + large, .quality = qos_2});
        s.client("a").resume();
        s.client("a").take("t/1", "1" + large);
    });
}

TEST_P(PersistCrash, SubscribeAndUnsubscribe) {
    replay([](stored_script& s) {
        const std::string sub = named(s, "sub", far(s));
        s.client(sub).connect(persistent());
        s.client("pub").resume();
        s.client(sub).subscribe("t", qos_1);
        s.client("pub").publish_settled({.topic = "t", .payload = "1", .quality = qos_1});
        s.client(sub).take("t", "1");
        s.client(sub).subscribe("u", qos_2);
        s.client(sub).unsubscribe("t");
        s.client("pub").publish_settled({.topic = "t", .payload = "2", .quality = qos_1});
        s.client("pub").publish_settled({.topic = "u", .payload = "3", .quality = qos_2});
        s.client(sub).take("u", "3");
    });
}

TEST_P(PersistCrash, Takeover) {
    replay([](stored_script& s) {
        s.client("sub").connect(persistent());
        s.client("sub").subscribe("t", qos_2);
        s.client("pub").resume();
        s.client("pub").publish("t", "1", qos_2);
        s.client("pub").publish("t", "2", qos_1);
        s.client("sub").receive("t", "1");
        s.ledger.went_away("sub");
        const auto before = s.client("sub").wire.let_go();
        s.client("sub").connect(persistent(far(s)));
        s.client("pub").publish("t", "3", qos_2);
        s.client("sub").receive("t", "1");
    });
}

TEST_P(PersistCrash, CleanStart) {
    replay([](stored_script& s) {
        s.client("sub").resume();
        s.client("sub").subscribe("t", qos_2);
        s.client("pub").resume();
        s.client("pub").publish_settled({.topic = "t", .payload = "1", .quality = qos_2});
        s.client("sub").take("t", "1");
        s.client("pub").publish_settled({.topic = "t", .payload = "2", .quality = qos_2});
        s.client("sub").receive("t", "2");
        s.client("sub").disconnect();
        s.client("sub").connect({.clean_start = true, .session_expiry = 3600});
        s.client("pub").publish_settled({.topic = "t", .payload = "3", .quality = qos_2});
        s.client("sub").subscribe("t", qos_2);
        s.client("pub").publish_settled({.topic = "t", .payload = "4", .quality = qos_2});
        s.client("sub").take("t", "4");
    });
}

TEST_P(PersistCrash, AnEndAndANewBeginning) {
    replay([](stored_script& s) {
        s.client("sub").resume();
        s.client("sub").subscribe("t", qos_2);
        s.client("sub").disconnect(mqtt::reason_code::success, 0U);
        s.client("sub").connect({.clean_start = true, .session_expiry = 3600});
        s.client("pub").resume();
        s.client("pub").publish_settled({.topic = "t", .payload = "1", .quality = qos_2});
    });
}

TEST_P(PersistCrash, SharedGroup) {
    replay([](stored_script& s) {
        const std::string near_member = named(s, "near", 0);
        const std::string far_member = named(s, "far", far(s));
        for (const std::string& each : {near_member, far_member}) {
            s.client(each).resume();
            s.client(each).subscribe("$share/g/t", qos_2);
        }
        const std::string pub = named(s, "pub", far(s));
        s.client(pub).connect(persistent());
        for (const char* each : {"1", "2", "3", "4"}) {
            s.client(pub).publish_settled({.topic = "t", .payload = each, .quality = qos_2});
        }
    });
}

TEST_P(PersistCrash, SleepingSharedGroupLosesNothing) {
    replay([](stored_script& s) {
        const std::string member = named(s, "far", far(s));
        s.client(member).resume();
        s.client(member).subscribe("$share/g/t", qos_2);
        s.client(member).disconnect();
        s.client("pub").resume();
        s.client("pub").publish_settled({.topic = "t", .payload = "1", .quality = qos_2});
        s.client("pub").publish_settled({.topic = "t", .payload = "2", .quality = qos_1});
    });
}

INSTANTIATE_TEST_SUITE_P(
    Worlds, PersistCrash,
    testing::Values(world{1, 1, disk_speed::slow}, world{1, 1, disk_speed::quick},
                    world{2, 2, disk_speed::slow}, world{2, 2, disk_speed::quick},
                    world{3, 3, disk_speed::slow}, world{2, 1, disk_speed::slow},
                    world{1, 3, disk_speed::quick}, world{3, 2, disk_speed::slow}));

// Transactions: a QoS 2 message with the identifier under which it came, on several shards.

/// A publisher whose home is on the second shard, with a subscriber on each of the others.
struct spread_message {
    explicit spread_message(stored_script& s) : script(s), pub(named(s, "pub", 1)) {
        for (std::size_t shard = 0; shard < s.node.shards(); ++shard) {
            if (shard != 1) {
                const std::string sub = named(s, "sub", shard);
                s.client(sub).connect(persistent(shard));
                s.client(sub).subscribe("t", qos_2);
                s.client(sub).disconnect();
                ++takers;
            }
        }
        s.client(pub).connect(persistent(0));
        s.stop_disk();
    }
    /// Rows that are durable, each of which must be there if any is.
    void expect_all_or_nothing() const {
        const std::size_t identifiers = script.rows(table::small);
        const std::size_t rows = script.rows(table::queue);
        EXPECT_THAT(identifiers, testing::AnyOf(0U, 1U));
        EXPECT_EQ(rows, identifiers * takers);
    }

    stored_script& script;
    std::string pub;
    std::size_t takers = 0;
};

TEST(PersistTransaction, IsThereWholeOrNotAtAllWhereverItIsCut) {
    for (const std::size_t shards : {2U, 3U, 4U}) {
        for (std::uint64_t seed = 1; seed <= 8; ++seed) {
            for (std::size_t cut = 0;; ++cut) {
                SCOPED_TRACE(std::to_string(shards) + " shards, seed " + std::to_string(seed)
                             + ", cut after " + std::to_string(cut));
                stored_script s({.node = {.shards = shards, .seed = seed}});
                const spread_message message(s);
                s.client(message.pub).publish("t", "m", qos_2);
                EXPECT_GE(s.store().waiting(), shards);
                const bool is_whole = cut >= s.store().waiting();
                s.let_through(cut);
                message.expect_all_or_nothing();
                EXPECT_EQ(s.rows(table::queue) > 0, is_whole);
                s.client(message.pub).wire.listen();
                EXPECT_EQ(s.client(message.pub).wire.owed.size(), is_whole ? 1U : 0U);
                s.crash();
                message.expect_all_or_nothing();
                s.come_back_all();
                s.settle_for_good();
                if (is_whole) {
                    break;
                }
            }
        }
    }
}

// A shard that waits for the store keeps its part; those it asked do not.
TEST(PersistTransaction, IsThereWholeOrNotAtAllIfAShardHandsOverLate) {
    for (std::size_t cut = 0; cut < 12; ++cut) {
        SCOPED_TRACE("cut after " + std::to_string(cut));
        stored_script s(on(3));
        s.client("sleeper").resume();
        s.client("sleeper").subscribe("busy", qos_1);
        s.client("sleeper").disconnect();
        s.client("busy").resume();
        const spread_message message(s);
        const std::size_t before = s.rows(table::queue);
        ASSERT_EQ(before, 0U);
        for (const char* each : {"1", "2", "3"}) {
            s.client("busy").publish(
                {.topic = "busy", .payload = each, .quality = qos_1, .retain = true});
        }
        s.client(message.pub).publish("t", "m", qos_2);
        s.let_through(cut);
        const std::size_t identifiers = s.rows(table::small);
        std::size_t rows = 0;
        for (const auto& [key, value] :
             s.store().durable()[static_cast<std::size_t>(table::queue)]) {
            rows += value.ends_with("m") ? 1U : 0U;
        }
        EXPECT_EQ(rows, identifiers * message.takers);
        s.crash();
        s.come_back_all();
        s.settle_for_good();
    }
}

TEST(PersistTransaction, OfAShardThatIsBusyCompletes) {
    stored_script s(on(2));
    s.client("busy").resume();
    const spread_message message(s);
    for (std::size_t i = 0; i < 4; ++i) {
        s.client("busy").publish({.topic = kept_on(s, 0),
                                  .payload = std::to_string(i),
                                  .quality = qos_1,
                                  .retain = true});
    }
    const packet_id id = s.client(message.pub).publish("t", "m", qos_2);
    s.start_disk();
    s.client(message.pub).expect_ack(packet_type::pubrec, id);
    s.settle_for_good();
}

TEST(PersistTransaction, DoesNotBringBackAnOlderRetainedMessage) {
    stored_script s(on(2));
    const std::string pub = named(s, "pub", 1);
    const std::string topic = kept_on(s, 0);
    s.client(pub).connect(persistent(0));
    s.client("other").connect();
    s.stop_disk();
    s.node.block_mail(0, 1, true);
    s.client(pub).publish({.topic = topic, .payload = "old", .quality = qos_2, .retain = true});
    const packet_id id = s.client("other").publish(
        {.topic = topic, .payload = "new", .quality = qos_1, .retain = true});
    s.let_through();
    s.let_through();
    s.client("other").expect_ack(packet_type::puback, id);
    s.node.block_mail(0, 1, false);
    s.start_disk();
    s.crash();
    s.client("late").connect();
    s.client("late").subscribe(topic, qos_1);
    s.client("late").receive(topic, "new");
}

TEST(PersistTransaction, LeavesNoRowOfWhatWasAcknowledgedMeanwhile) {
    for (const std::size_t shards : {2U, 3U}) {
        SCOPED_TRACE(std::to_string(shards) + " shards");
        stored_script s(on(shards));
        const std::string pub = named(s, "pub", 1);
        const std::string sub = named(s, "sub", 0);
        s.client(sub).connect(persistent());
        s.client(sub).subscribe("t", qos_1);
        s.client(pub).connect(persistent());
        s.client(pub).publish_settled({.topic = "t", .payload = "m", .quality = qos_2});
        s.client(sub).take("t", "m");
        EXPECT_THAT(s.keys(table::queue), IsEmpty());
        s.crash();
        EXPECT_FALSE(s.client(sub).wire.has_peer());
        EXPECT_TRUE(s.client(sub).connect(persistent()));
        s.client(sub).expect_nothing();
    }
}

// What was on the way when the process died.

/// Messages that stay unacknowledged, some under identifiers that do not follow from their order:
/// the first blocks the place of later ones.
void expect_same_identifiers(qos quality) {
    stored_script s;
    s.client("sub").resume();
    s.client("sub").subscribe("t", quality);
    s.client("pub").connect();
    std::map<std::string, packet_id> sent;
    for (int i = 0; i < 24; ++i) {
        const std::string payload = "m" + std::to_string(i);
        s.client("pub").publish_settled({.topic = "t", .payload = payload, .quality = quality});
        if (i == 0 || i == 4 || i == 8 || i > 20) {
            sent[payload] = s.client("sub").receive("t", payload).id;
        } else {
            s.client("sub").take("t", payload);
        }
    }
    // What was in the way is gone now.
    if (quality == qos_1) {
        s.client("sub").acknowledge(packet_type::puback, sent["m0"]);
    } else {
        s.client("sub").acknowledge(packet_type::pubrec, sent["m0"]);
        s.client("sub").expect_ack(packet_type::pubrel, sent["m0"]);
        s.client("sub").acknowledge(packet_type::pubcomp, sent["m0"]);
    }
    for (int life = 0; life < 3; ++life) {
        s.crash();
        EXPECT_TRUE(s.client("sub").resume());
        for (const int i : {4, 8, 21, 22, 23}) {
            const std::string payload = "m" + std::to_string(i);
            const delivered again = s.client("sub").receive("t", payload);
            EXPECT_EQ(again.id, sent[payload]) << payload;
            EXPECT_TRUE(again.dup) << payload;
        }
        s.client("sub").expect_nothing();
    }
    s.settle_for_good();
}

TEST(PersistInFlight, QosOneIsSentAgainUnderItsIdentifier) { expect_same_identifiers(qos_1); }
TEST(PersistInFlight, QosTwoIsSentAgainUnderItsIdentifier) { expect_same_identifiers(qos_2); }

// How far the client was served is not forgotten when sequence numbers are reserved anew.
TEST(PersistInFlight, IsMarkedAsRepeatedAlsoAfterMoreCameToTheSleeper) {
    stored_script s;
    s.client("sub").resume();
    s.client("sub").subscribe("t", qos_2);
    s.client("pub").connect();
    s.client("pub").publish_settled({.topic = "t", .payload = "1", .quality = qos_2});
    const packet_id id = s.client("sub").receive("t", "1").id;
    s.client("sub").disconnect();
    s.crash();
    s.client("pub").connect();
    s.client("pub").publish_settled({.topic = "t", .payload = "2", .quality = qos_2});
    s.crash();
    s.client("sub").resume();
    const delivered again = s.client("sub").receive("t", "1");
    EXPECT_EQ(again.id, id);
    EXPECT_TRUE(again.dup);
    EXPECT_FALSE(s.client("sub").receive("t", "2").dup);
    s.settle_for_good();
}

// Rows in flight are counted, not their numbers: those between may be gone.
TEST(PersistInFlight, IsMarkedAsRepeatedBehindOneThatIsDone) {
    stored_script s;
    s.client("sub").connect({.clean_start = false, .session_expiry = 3600, .receive_maximum = 3});
    s.client("sub").subscribe("t", qos_1);
    s.client("pub").connect();
    std::vector<packet_id> sent;
    for (const char* each : {"1", "2", "3"}) {
        s.client("pub").publish_settled({.topic = "t", .payload = each, .quality = qos_1});
        sent.push_back(s.client("sub").receive("t", each).id);
    }
    for (const char* each : {"4", "5"}) {
        s.client("pub").publish_settled({.topic = "t", .payload = each, .quality = qos_1});
    }
    s.client("sub").acknowledge(packet_type::puback, sent[1]);
    EXPECT_FALSE(s.client("sub").receive("t", "4").dup);
    s.node.run();
    s.crash();
    s.client("sub").connect({.clean_start = false, .session_expiry = 3600, .receive_maximum = 4});
    for (const char* each : {"1", "3", "4"}) {
        EXPECT_TRUE(s.client("sub").receive("t", each).dup) << each;
    }
    EXPECT_FALSE(s.client("sub").receive("t", "5").dup);
}

TEST(PersistInFlight, ReleasesComeBackInTheirOrderAndFirst) {
    stored_script s;
    s.client("sub").resume();
    s.client("sub").subscribe("t", qos_2);
    s.client("pub").connect();
    std::map<std::string, packet_id> sent;
    for (const char* each : {"1", "2", "3"}) {
        s.client("pub").publish_settled({.topic = "t", .payload = each, .quality = qos_2});
        sent[each] = s.client("sub").receive("t", each).id;
    }
    s.client("sub").acknowledge(packet_type::pubrec, sent["2"]);
    s.client("sub").acknowledge(packet_type::pubrec, sent["1"]);
    s.crash();
    s.client("sub").resume();
    s.client("sub").expect_ack(packet_type::pubrel, sent["2"]);
    s.client("sub").expect_ack(packet_type::pubrel, sent["1"]);
    EXPECT_EQ(s.client("sub").receive("t", "3").id, sent["3"]);
    s.settle_for_good();
}

// The client may hold its identifier, and would take the next message under it for a repetition.
TEST(PersistInFlight, AnExpiredMessageThatMayHaveArrivedCompletesItsHandshake) {
    stored_script s;
    s.client("sub").resume();
    s.client("sub").subscribe("t", qos_2);
    s.client("pub").connect();
    s.client("pub").publish_settled({.topic = "t", .payload = "1", .quality = qos_2, .expiry = 5});
    const packet_id id = s.client("sub").receive("t", "1").id;
    s.crash();
    s.advance(10s);
    s.client("sub").resume();
    const delivered again = s.client("sub").receive("t", "1");
    EXPECT_EQ(again.id, id);
    EXPECT_TRUE(again.dup);
    s.settle_for_good();
}

TEST(PersistInFlight, ALongQueueComesInOrder) {
    stored_script s;
    s.client("sub").resume();
    s.client("sub").subscribe("t", qos_1);
    s.client("sub").disconnect();
    s.client("pub").connect();
    constexpr int count = 3000;
    for (int i = 0; i < count; ++i) {
        s.client("pub").publish_settled(
            {.topic = "t", .payload = std::to_string(i), .quality = qos_1});
    }
    s.crash();
    s.client("sub").behave();
    s.come_back_all();
    s.settle_for_good();
    EXPECT_EQ(s.client("sub").got.size(), static_cast<std::size_t>(count));
}

// Time.

TEST(PersistTime, ASessionEndsWhenItsTimeIsOverHoweverManyProcessesItTakes) {
    stored_script s(on(2));
    s.client("sub").connect({.clean_start = false, .session_expiry = 60});
    s.client("sub").subscribe("t", qos_1);
    s.client("pub").connect();
    s.client("sub").disconnect();
    s.client("pub").publish_settled({.topic = "t", .payload = "m", .quality = qos_1});
    for (int life = 0; life < 3; ++life) {
        s.crash(); // takes two seconds
        s.advance(15s);
        EXPECT_EQ(s.rows(table::sessions), 1U) << life;
    }
    s.crash();
    s.advance(15s);
    for (const table each :
         {table::sessions, table::queue_meta, table::subscriptions, table::queue, table::small}) {
        EXPECT_THAT(s.keys(each), IsEmpty()) << static_cast<int>(each);
    }
    EXPECT_FALSE(s.client("sub").resume());
}

TEST(PersistTime, AMessageExpiresWhileTheBrokerIsDown) {
    stored_script s;
    s.client("sub").resume();
    s.client("sub").subscribe("t", qos_1);
    s.client("sub").disconnect();
    s.client("pub").connect();
    s.client("pub").publish_settled(
        {.topic = "t", .payload = "short", .quality = qos_1, .expiry = 1});
    s.client("pub").publish_settled(
        {.topic = "t", .payload = "long", .quality = qos_1, .expiry = 100});
    s.crash();
    s.client("sub").resume();
    s.client("sub").take("t", "long");
    s.client("sub").expect_nothing();
    EXPECT_EQ(s.node.dropped(session::drop_reason::expired), 1U);
    s.settle_for_good();
}

// Wills.

[[nodiscard]] connect_request with_will(std::uint32_t delay) {
    connect_request how = persistent();
    how.will = will_request{.topic = "w", .payload = "gone", .quality = qos_2, .delay = delay};
    return how;
}

TEST(PersistWill, OfAClientThatWasConnectedIsPublishedOnce) {
    for (const std::size_t shards : {1U, 2U, 3U}) {
        SCOPED_TRACE(std::to_string(shards) + " shards");
        stored_script s(on(shards));
        s.client("sub").resume();
        s.client("sub").subscribe("w", qos_2);
        s.client("sub").disconnect();
        s.client("c").connect(with_will(0));
        s.crash();
        s.advance(1s);
        s.client("sub").resume();
        s.client("sub").take("w", "gone");
        s.client("sub").expect_nothing();
        s.crash();
        s.advance(1s);
        s.client("sub").resume();
        s.client("sub").expect_nothing();
        EXPECT_TRUE(s.client("c").resume());
    }
}

// The session waits for nobody while the node is not serving; its client may be the first to come.
TEST(PersistWill, ThatIsDueComesBeforeTheClientThatIsBackAtOnce) {
    for (const std::size_t shards : {1U, 2U}) {
        SCOPED_TRACE(std::to_string(shards) + " shards");
        stored_script s(on(shards));
        s.client("sub").resume();
        s.client("sub").subscribe("w", qos_2);
        s.client("c").connect(with_will(2));
        s.client("c").cut();
        s.crash();
        for (std::size_t shard = 0; shard < shards; ++shard) {
            s.node.core(shard).hold_sessions();
        }
        s.advance(10s);
        s.client("sub").resume();
        s.client("sub").expect_nothing();
        for (std::size_t shard = 0; shard < shards; ++shard) {
            s.node.core(shard).begin_serving();
        }
        EXPECT_TRUE(s.client("c").resume());
        s.client("sub").take("w", "gone");
        s.advance(10s);
        s.client("sub").expect_nothing();
    }
}

TEST(PersistWill, OfASessionWhoseTimeIsOverComesBeforeANewSession) {
    stored_script s;
    s.client("sub").resume();
    s.client("sub").subscribe("w", qos_2);
    connect_request how = with_will(60);
    how.session_expiry = 5;
    s.client("c").connect(how);
    s.client("c").cut();
    s.crash();
    s.node.core(0).hold_sessions();
    s.advance(10s);
    s.node.core(0).begin_serving();
    EXPECT_FALSE(s.client("c").connect(how)) << "it was over";
    s.client("sub").resume();
    s.client("sub").take("w", "gone");
    s.client("sub").expect_nothing();
}

TEST(PersistWill, WithDelayIsPublishedAfterItOrNotIfTheClientIsBack) {
    for (const bool is_back : {false, true}) {
        SCOPED_TRACE(is_back ? "is back" : "stays away");
        stored_script s;
        s.client("sub").resume();
        s.client("sub").subscribe("w", qos_2);
        s.client("c").connect(with_will(30));
        s.client("c").cut();
        s.crash();
        s.client("sub").resume();
        s.advance(20s);
        s.client("sub").expect_nothing();
        if (is_back) {
            EXPECT_TRUE(s.client("c").resume());
        }
        s.advance(20s);
        EXPECT_EQ(s.client("sub").has_next(), !is_back);
    }
}

TEST(PersistWill, OfAClientThatSaidGoodbyeIsForgotten) {
    stored_script s;
    s.client("sub").resume();
    s.client("sub").subscribe("w", qos_2);
    s.client("c").connect(with_will(0));
    s.client("c").disconnect();
    s.crash();
    s.advance(10s);
    s.client("sub").resume();
    s.client("sub").expect_nothing();
}

// It was promised with the CONNACK: whichever shard has to write it down, and however often the
// process dies meanwhile.
TEST(PersistWill, ComesOnceAcrossShards) {
    stored_script probe(on(2));
    const std::string dying = named(probe, "c", 0);
    const std::string heir = named(probe, "sub", 1);
    for (const bool ends : {false, true}) { // the session with the connection
        for (std::size_t cut = 0; cut < 8; ++cut) {
            SCOPED_TRACE("cut after " + std::to_string(cut) + (ends ? ", the session ends" : ""));
            stored_script s(on(2));
            s.client(heir).resume();
            s.client(heir).subscribe("w", qos_2);
            s.client(heir).disconnect();
            s.client(dying).connect(with_will(0));
            s.stop_disk();
            ends ? s.client(dying).disconnect(mqtt::reason_code::disconnect_with_will_message, 0U)
                 : s.client(dying).cut();
            s.let_through(cut);
            s.crash();
            s.stop_disk();
            s.advance(1s);
            s.let_through(cut / 2);
            s.crash();
            s.advance(1s);
            s.client(heir).resume();
            s.client(heir).take("w", "gone");
            s.client(heir).expect_nothing();
            s.settle_for_good();
        }
    }
}

// Retained messages.

TEST(PersistRetained, WhatWasAcknowledgedIsThereOnAnyNumberOfShards) {
    for (const std::size_t after : {1U, 2U, 5U}) {
        stored_script s({.node = {.shards = 3}, .shards_after = after});
        s.client("pub").connect();
        for (int i = 0; i < 10; ++i) {
            const std::string topic = "r/" + std::to_string(i);
            for (const std::string payload : {"old", "new"}) {
                s.client("pub").publish_settled({.topic = topic,
                                                 .payload = payload + std::to_string(i),
                                                 .quality = i % 2 == 0 ? qos_1 : qos_2,
                                                 .retain = true});
            }
        }
        for (int i = 5; i < 10; ++i) {
            s.client("pub").publish_settled({.topic = "r/" + std::to_string(i),
                                             .payload = "",
                                             .quality = qos_1,
                                             .retain = true});
        }
        s.crash();
        s.client("late").connect();
        s.client("late").subscribe("r/#", qos_1);
        s.client("late").wire.listen();
        EXPECT_THAT(s.client("late").payloads(),
                    testing::UnorderedElementsAre("new0", "new1", "new2", "new3", "new4"));
        EXPECT_EQ(s.rows(table::retained), 5U);
    }
}

/// A member of a cluster.
struct PersistRetainedCluster : testing::Test {
    retained_digest digest;
    stored_script s{{.node = {.core = {.retained = {.digest = &digest}}}}};

    PersistRetainedCluster() { s.client("pub").connect(); }
    void publish(std::string_view topic, std::string_view payload) {
        s.client("pub").publish({.topic = std::string(topic),
                                 .payload = std::string(payload),
                                 .quality = qos_1,
                                 .retain = true});
        s.node.run();
    }
    [[nodiscard]] const router::retained_table& table_here() { return s.node.core(0).retained(); }
    [[nodiscard]] bool is_digest_zero() const {
        for (std::uint16_t bucket = 0; bucket < retained_bucket_count; ++bucket) {
            if (digest.at(retained_bucket{bucket}) != 0) {
                return false;
            }
        }
        return true;
    }
};

TEST_F(PersistRetainedCluster, RemovalsOutliveTheProcess) {
    publish("t", "m");
    publish("t", "");
    publish("never there", "");
    EXPECT_EQ(s.rows(table::retained), 2U);
    EXPECT_EQ(table_here().tombstones(), 2U);
    s.crash();
    EXPECT_EQ(table_here().tombstones(), 2U);
    EXPECT_EQ(table_here().count(), 0U);
    EXPECT_TRUE(is_digest_zero()) << "each row was added once more: they are the same";
}

TEST_F(PersistRetainedCluster, RemovalsGoFromTheDiskWithAClaimThatStays) {
    publish("t", "m");
    publish("t", "");
    shard::core& here = s.node.core(0);
    here.claim_retained({.from = {1}, .to = hybrid_clock().next(s.node.wall() + 1s)});
    EXPECT_TRUE(here.collect_retained(100));
    publish("$SYS/next", "turn");
    EXPECT_THAT(s.keys(table::retained), IsEmpty());
    EXPECT_THAT(s.keys(table::small), ElementsAre(std::string("C\0\0", 3)));
}

// Its clock was set back: others would take such a message for one that was removed.
TEST_F(PersistRetainedCluster, NothingIsDatedWithinAClaim) {
    const hybrid_time end = hybrid_clock().next(s.node.wall() + 2h);
    const auto stamp_of = [&](std::string_view topic) {
        return table_here().find(topic, s.node.now())->header().stamp;
    };
    s.node.core(0).claim_retained({.from = {1}, .to = end});
    publish("t", "m");
    EXPECT_GT(stamp_of("t"), end);
    s.crash();
    s.client("pub").connect();
    publish("after", "m");
    EXPECT_GT(stamp_of("after"), end);
}

TEST_F(PersistRetainedCluster, ARowOfAPeerIsWrittenDownOnce) {
    publication what;
    what.header.stamp = {1};
    what.header.origin = node_id{9};
    what.header.retain = true;
    what.topic = "peer";
    what.payload = "value";
    const retained_row row{.what = message::copy_of(what, message::reach::shared),
                           .expires = s.node.wall() + 100s};
    shard::core& here = s.node.core(0);
    EXPECT_EQ(here.retain_row(row), router::put_outcome::stored);
    EXPECT_EQ(here.retain_row(row), router::put_outcome::known);
    publish("$SYS/next", "turn");
    EXPECT_THAT(s.keys(table::retained), ElementsAre("peer"));
    s.crash();
    EXPECT_TRUE(is_digest_zero());
    EXPECT_TRUE(table_here().find("peer", s.node.now() + 50s));
    EXPECT_FALSE(table_here().find("peer", s.node.now() + 101s));
}

TEST_F(PersistRetainedCluster, WhatExpiresIsATombstoneOnDiskToo) {
    s.client("pub").publish(
        {.topic = "t", .payload = "m", .quality = qos_1, .retain = true, .expiry = 10});
    s.node.advance(15s);
    EXPECT_EQ(table_here().tombstones(), 1U);
    EXPECT_THAT(s.keys(table::retained), ElementsAre("t"));
    s.crash();
    EXPECT_EQ(table_here().tombstones(), 1U);
    EXPECT_TRUE(is_digest_zero());
}

TEST(PersistRetained, TombstonesOfAClusterAreErasedByANodeThatIsInNone) {
    stored_script s;
    publication what;
    what.header.stamp = {1};
    what.topic = "t";
    std::string row;
    encode(what, storage::moment{}, row);
    s.node.core(0).restore_retained("t", row);
    EXPECT_EQ(s.node.core(0).retained().tombstones(), 0U);
}

TEST(PersistRetained, IsReplacedByALaterOneOfAnotherLife) {
    stored_script s;
    for (const char* payload : {"1", "2", "3"}) {
        s.client("pub").connect();
        s.client("pub").publish_settled(
            {.topic = "r", .payload = payload, .quality = qos_1, .retain = true});
        s.crash();
    }
    s.client("late").connect();
    s.client("late").subscribe("r", qos_1);
    s.client("late").receive("r", "3");
}

TEST(PersistRetained, ReachesAPersistentSessionThatSubscribes) {
    stored_script s;
    s.client("pub").connect();
    s.client("pub").publish_settled(
        {.topic = "r", .payload = "kept", .quality = qos_2, .retain = true});
    s.crash();
    s.client("sub").resume();
    s.client("sub").subscribe("r", qos_2);
    s.client("sub").take("r", "kept");
    s.settle_for_good();
}

TEST(PersistRetained, OfOneReplayHaveTheirOwnContent) {
    for (const bool has_persistent_taker : {false, true}) {
        stored_script s;
        s.client("pub").connect();
        for (const char* topic : {"conf/a", "conf/b"}) {
            s.client("pub").publish_settled(
                {.topic = topic, .payload = topic + large, .quality = qos_1, .retain = true});
        }
        for (const char* each : {"reader", "other"}) {
            s.client(each).connect(has_persistent_taker ? persistent() : connect_request{});
            s.client(each).subscribe("news", qos_1);
        }
        s.stop_disk();
        static_cast<void>(s.client("pub").publish("news", "secret" + large, qos_1));
        s.node.run();
        s.start_disk();
        s.client("sub").resume();
        s.client("sub").subscribe("conf/#", qos_1);
        s.node.run();
        s.crash();
        s.client("sub").resume();
        s.client("sub").take("conf/a", "conf/a" + large);
        s.client("sub").take("conf/b", "conf/b" + large);
    }
}

TEST(PersistRetained, ReplayTakesNoMoreThanTheWindow) {
    for (const std::size_t shards : {1U, 2U}) {
        SCOPED_TRACE(std::to_string(shards) + " shards");
        stored_script s(on(shards));
        constexpr int topics = 100;
        constexpr std::uint16_t window = 10;
        s.client("pub").connect();
        for (int i = 0; i < topics; ++i) {
            s.client("pub").publish_settled({.topic = "r/" + std::to_string(i),
                                             .payload = std::to_string(i),
                                             .quality = qos_2,
                                             .retain = true});
        }
        const std::string sub = named(s, "sub", shards - 1);
        s.client(sub).connect(
            {.clean_start = false, .session_expiry = 3600, .receive_maximum = window});
        s.client(sub).subscribe("r/#", qos_2);
        s.node.run();
        EXPECT_LE(s.node.queues().messages, std::size_t{window});
        s.client(sub).behave();
        s.settle();
        EXPECT_EQ(s.client(sub).got.size(), std::size_t{topics});
    }
}

// Bodies.

TEST(PersistBodies, AreWrittenOnceAndGoWithTheirBucket) {
    stored_script s;
    for (const char* each : {"a", "b", "c"}) {
        s.client(each).resume();
        s.client(each).subscribe("t", qos_1);
        s.client(each).disconnect();
    }
    s.client("pub").connect();
    s.client("pub").publish_settled({.topic = "t", .payload = large, .quality = qos_1});
    EXPECT_EQ(s.rows(table::bodies), 1U);
    EXPECT_EQ(s.rows(table::queue), 3U);
    s.crash();
    for (const char* each : {"a", "b", "c"}) {
        s.client(each).resume();
        s.client(each).take("t", large);
    }
    s.advance(2h);
    EXPECT_EQ(s.rows(table::queue), 0U);
    EXPECT_EQ(s.rows(table::bodies), 0U);
}

TEST(PersistBodies, OfNobodyAreRemovedAtStart) {
    stored_script s({.node = {.shards = 2}, .shards_after = 1});
    for (const char* each : {"a", "b", "c", "d"}) {
        s.client(each).resume();
        s.client(each).subscribe("t", qos_1);
        s.client(each).disconnect();
    }
    s.client("pub").connect();
    s.client("pub").publish_settled({.topic = "t", .payload = large, .quality = qos_1});
    const std::size_t bodies = s.rows(table::bodies);
    EXPECT_GE(bodies, 1U);
    s.crash(); // to another number of shards: counted by nobody from now on
    EXPECT_EQ(s.rows(table::bodies), bodies);
    for (const char* each : {"a", "b", "c", "d"}) {
        s.client(each).resume();
        s.client(each).take("t", large);
    }
    s.crash();
    EXPECT_EQ(s.rows(table::bodies), 0U);
}

// A store that is lost.

TEST(PersistLoss, NothingIsAcknowledgedThatCannotBeStored) {
    stored_script s(on(2));
    const std::string pub = named(s, "pub", 1);
    s.client(pub).connect(persistent());
    s.client("volatile").connect();
    s.store().lose();
    s.node.run();
    const packet_id kept =
        s.client("volatile")
            .publish({.topic = "r", .payload = "kept", .quality = qos_1, .retain = true});
    EXPECT_EQ(s.client("volatile").expect_ack(packet_type::puback, kept),
              mqtt::reason_code::quota_exceeded);
    const packet_id twice = s.client(pub).publish("t", "m", qos_2);
    EXPECT_EQ(s.client(pub).expect_ack(packet_type::pubrec, twice),
              mqtt::reason_code::quota_exceeded);
    const packet_id light = s.client("volatile").publish("t", "m", qos_1);
    EXPECT_FALSE(mqtt::is_error(s.client("volatile").expect_ack(packet_type::puback, light)));
}

// A disk without room.

TEST(PersistRoom, WhatWouldHaveToBeKeptIsRefusedUntilThereIsRoom) {
    for (const std::size_t shards : {1U, 2U}) {
        SCOPED_TRACE(std::to_string(shards) + " shards");
        stored_script s(on(shards));
        const std::string sub = named(s, "sub", shards - 1);
        const std::string topic = kept_on(s, shards - 1);
        s.client(sub).resume();
        s.client(sub).subscribe("t", qos_1);
        s.client("other").connect();
        s.client("other").subscribe("volatile", qos_1);
        s.client("pub").connect();
        s.client("pub").publish_settled({.topic = "t", .payload = "before", .quality = qos_1});
        s.client(sub).disconnect();
        const auto tell = [&s](shard::store_room room) {
            for (std::size_t shard = 0; shard < s.node.shards(); ++shard) {
                s.core(shard).set_store_room(room);
            }
        };
        const auto answer = [&s](const publish_request& what) {
            const packet_id id = s.client("pub").publish(what);
            return s.client("pub").expect_ack(
                what.quality == qos_1 ? packet_type::puback : packet_type::pubrec, id);
        };
        tell(shard::store_room::scarce);
        EXPECT_EQ(answer({.topic = "t", .payload = "1", .quality = qos_1}),
                  mqtt::reason_code::quota_exceeded);
        EXPECT_EQ(answer({.topic = "t", .payload = "2", .quality = qos_2}),
                  mqtt::reason_code::quota_exceeded);
        EXPECT_EQ(answer({.topic = topic, .payload = "3", .quality = qos_1, .retain = true}),
                  mqtt::reason_code::quota_exceeded);
        EXPECT_FALSE(mqtt::is_error(
            answer({.topic = topic, .payload = "", .quality = qos_1, .retain = true})));
        EXPECT_FALSE(
            mqtt::is_error(answer({.topic = "volatile", .payload = "4", .quality = qos_1})));
        s.client("other").receive("volatile", "4");
        s.client("new").resume();
        s.client(sub).resume();
        s.client(sub).take("t", "before");
        tell(shard::store_room::none);
        s.client("newer").wire.send_connect(persistent());
        s.client("newer").expect_refused(mqtt::reason_code::quota_exceeded);
        s.client("short").connect();
        tell(shard::store_room::plenty);
        s.client("pub").publish_settled({.topic = "t", .payload = "after", .quality = qos_1});
        s.client(sub).take("t", "after");
        s.client("newest").resume();
    }
}

// Before MQTT 5 there is no answer that refuses: the client gets none, and sends it again.
TEST(PersistRoom, WhatGotNoAnswerIsTakenWhenItComesAgain) {
    for (const std::size_t shards : {1U, 2U}) {
        SCOPED_TRACE(std::to_string(shards) + " shards");
        stored_script s(on(shards));
        const std::string sub = named(s, "sub", shards - 1);
        s.client(sub).resume();
        s.client(sub).subscribe("t", qos_2);
        const support::connect_request as_v3{.version = mqtt::protocol_version::v3_1_1,
                                             .clean_start = false};
        s.client("pub").connect(as_v3);
        s.core(shards - 1).set_store_room(shard::store_room::scarce);
        const packet_id id = s.client("pub").publish("t", "m", qos_2);
        s.client("pub").expect_nothing();
        s.client("pub").cut();
        s.core(shards - 1).set_store_room(shard::store_room::plenty);
        EXPECT_TRUE(s.client("pub").connect(as_v3));
        s.client("pub").wire.resend();
        s.client("pub").expect_ack(packet_type::pubrec, id);
        s.client(sub).take("t", "m");
    }
}

// A machine without a clock chip.

TEST(PersistClock, NothingEndsEarlyBecauseAClockBeganInThePast) {
    for (const std::size_t shards : {1U, 2U}) {
        stored_script s(on(shards));
        s.client("sub").connect(persistent());
        s.client("sub").subscribe("t", qos_1);
        s.client("pub").connect();
        s.client("pub").publish_settled({.topic = "other", .payload = "1", .quality = qos_1});
        const wall_time right = s.node.wall();
        const auto since_1970 =
            std::chrono::duration_cast<std::chrono::milliseconds>(right.time_since_epoch());
        s.store().set_last_stamp({static_cast<std::uint64_t>(since_1970.count()) << 16});
        s.node.set_wall(wall_time(24h)); // 1970
        s.crash();
        s.advance(1s);
        s.client("sub").resume();
        s.client("sub").disconnect();
        s.client("pub").connect();
        s.client("pub").publish_settled(
            {.topic = "t", .payload = "2", .quality = qos_1, .expiry = 3'600});
        s.node.set_wall(right + 60s);
        s.crash();
        EXPECT_TRUE(s.client("sub").resume());
        s.client("sub").take("t", "2");
    }
}

// Only the newest of each topic.

TEST(PersistNewest, AClientThatWasAwayGetsTheLastOfEachTopic) {
    for (const std::size_t shards : {1U, 2U}) {
        for (const std::string& filling : {std::string(), large}) { // in the row, or shared
            stored_script s(on(shards));
            const std::string sub = named(s, "sub", shards - 1);
            const std::string other = named(s, "other", 0);
            s.client(sub).resume();
            s.client(sub).subscribe({.filter = "state/#", .quality = qos_1, .newest_only = true});
            s.client(sub).subscribe("command", qos_1);
            s.client(other).resume();
            s.client(other).subscribe("#", qos_1);
            s.client("pub").connect();
            s.client(sub).disconnect();
            s.client(other).disconnect();
            std::vector<std::pair<std::string, std::string>> published;
            const auto publish = [&](const std::string& topic, const std::string& payload,
                                     qos quality = qos_1) {
                published.emplace_back(topic, payload + filling);
                s.client("pub").publish_settled(
                    {.topic = topic, .payload = payload + filling, .quality = quality});
            };
            publish("state/a", "1");
            publish("command", "first");
            publish("state/b", "1");
            s.crash();
            s.client("pub").connect();
            publish("state/a", "2");
            publish("state/a", "3", qos_2);
            publish("command", "second");
            publish("state/a", "4");
            EXPECT_EQ(s.node.dropped(session::drop_reason::superseded), 3U);
            s.crash();
            EXPECT_EQ(s.rows(table::queue), 4U + 7U);
            s.client(sub).resume();
            s.client(sub).take("command", "first" + filling);
            s.client(sub).take("state/b", "1" + filling);
            s.client(sub).take("command", "second" + filling);
            s.client(sub).take("state/a", "4" + filling);
            s.client(sub).expect_nothing();
            s.client(other).resume();
            for (const auto& [topic, payload] : published) {
                s.client(other).take(topic, payload);
            }
            EXPECT_EQ(s.rows(table::queue), 0U);
        }
    }
}

TEST(PersistNewest, WhatTheClientMayHaveSeenComesAgain) {
    stored_script s;
    s.client("sub").resume();
    s.client("sub").subscribe({.filter = "t", .quality = qos_2, .newest_only = true});
    s.client("pub").connect();
    s.client("pub").publish_settled({.topic = "t", .payload = "seen", .quality = qos_2});
    s.client("sub").receive("t", "seen");
    s.crash();
    s.client("pub").connect();
    s.client("pub").publish_settled({.topic = "t", .payload = "newer", .quality = qos_2});
    s.client("pub").publish_settled({.topic = "t", .payload = "newest", .quality = qos_2});
    s.client("sub").resume();
    s.client("sub").take("t", "seen");
    s.client("sub").take("t", "newest");
    s.client("sub").expect_nothing();
}

// The other half of a transaction may be long in coming: nothing is replaced by it, nor in it, that
// would come back without it or be lost with it.
TEST(PersistNewest, WhatATransactionHasNotWrittenYetIsNotReplaced) {
    stored_script s(on(2));
    const std::string sub = named(s, "sub", 0);
    const std::string kept = named(s, "kept", 1);
    s.client(sub).resume();
    s.client(sub).subscribe({.filter = "state/#", .quality = qos_2, .newest_only = true});
    s.client(sub).subscribe("c", qos_1);
    s.client(sub).disconnect();
    s.client("pub").connect();
    s.client(kept).connect(persistent());
    s.client("pub").publish_settled({.topic = "c", .payload = "0", .quality = qos_1});
    s.stop_disk();
    static_cast<void>(s.client(kept).publish("state/a", "1", qos_2));
    static_cast<void>(s.client("pub").publish("state/a", "2", qos_1));
    static_cast<void>(s.client("pub").publish("c", "3", qos_1));
    s.let_through();
    s.client(sub).wire.is_automatic = true;
    s.client(sub).wire.send_connect(s.client(sub).wire.last_connect());
    s.let_through(0);
    s.start_disk();
    for (int i = 0; i < 10; ++i) {
        s.client(sub).wire.listen();
    }
    EXPECT_THAT(s.client(sub).payloads(), ElementsAre("0", "1", "2", "3"));
    EXPECT_EQ(s.node.queues().messages, 0U);
    EXPECT_EQ(s.rows(table::queue), 0U);
}

TEST(PersistNewest, WhatWasAcknowledgedStaysUntilItsSuccessorIsThere) {
    stored_script s(on(2));
    const std::string sub = named(s, "sub", 0);
    const std::string kept = named(s, "kept", 1);
    s.client(sub).resume();
    s.client(sub).subscribe({.filter = "state/#", .quality = qos_2, .newest_only = true});
    s.client(sub).disconnect();
    s.client("pub").connect();
    s.client(kept).connect(persistent());
    s.stop_disk();
    static_cast<void>(s.client("pub").publish("state/x", "1", qos_1));
    static_cast<void>(s.client("pub").publish("state/y", "1", qos_1));
    s.node.block_mail(0, 1, true); // the other shard is busy for a moment
    const packet_id old = s.client("pub").publish("state/a", "old", qos_1);
    static_cast<void>(s.client(kept).publish("state/a", "new", qos_2));
    s.let_through();
    s.let_through();
    bool is_acknowledged = false;
    while (s.client("pub").has_next()) {
        const received next = s.client("pub").next();
        const auto* ack = next.as<mqtt::ack_view>();
        is_acknowledged = is_acknowledged || (ack != nullptr && ack->id == old);
    }
    EXPECT_TRUE(is_acknowledged);
    EXPECT_FALSE(s.client(kept).has_next()) << "PUBREC";
    s.node.block_mail(0, 1, false);
    s.stop_disk();
    s.crash();
    s.client(sub).resume();
    s.client(sub).take("state/x", "1");
    s.client(sub).take("state/y", "1");
    s.client(sub).take("state/a", "old");
}

TEST(PersistNewest, TakesTheOlderOnesPlaceInAFullQueue) {
    stored_options options;
    options.node.core.limits.outbound.queue_messages_max = 1;
    options.node.core.topics = {{.filter = "t", .level = {}, .newest_only = true}};
    stored_script s(options);
    s.client("sub").resume();
    s.client("sub").subscribe("#", qos_1);
    s.client("sub").disconnect();
    s.client("pub").connect();
    for (const char* each : {"1", "2", "3"}) {
        s.client("pub").publish_settled({.topic = "t", .payload = each, .quality = qos_1});
        s.client("pub").publish_settled({.topic = "other", .payload = each, .quality = qos_1});
    }
    EXPECT_EQ(s.node.dropped(session::drop_reason::superseded), 2U);
    EXPECT_EQ(s.node.dropped(session::drop_reason::queue_full), 3U);
    s.client("sub").resume();
    s.client("sub").take("t", "3");
    s.client("sub").expect_nothing();
}

TEST(PersistNewest, OverlappingFiltersOfWhichOneWantsAllGetAll) {
    stored_script s;
    s.client("sub").resume();
    s.client("sub").subscribe({.filter = "t", .quality = qos_1, .newest_only = true});
    s.client("sub").subscribe("#", qos_1);
    s.client("sub").disconnect();
    s.client("pub").connect();
    for (const char* each : {"1", "2"}) {
        s.client("pub").publish_settled({.topic = "t", .payload = each, .quality = qos_1});
    }
    s.client("sub").resume();
    s.client("sub").take("t", "1");
    s.client("sub").take("t", "2");
}

// A limit for all clients of a user, on whichever shard each of them is.

TEST(PersistUsers, ShareOneLimit) {
    for (const std::size_t shards : {1U, 2U}) {
        stored_options options = on(shards);
        options.node.core.users = std::make_shared<user_accounts>();
        options.node.core.limits.outbound.user_bytes_max = 1'000;
        stored_script s(options);
        const std::string first = named(s, "first", 0);
        const std::string second = named(s, "second", shards - 1);
        for (const std::string& each : {first, second, std::string("stranger")}) {
            connect_request how = persistent();
            how.username = each == "stranger" ? "eve" : "adam";
            s.client(each).connect(how);
            s.client(each).subscribe(each, qos_1);
            s.client(each).disconnect();
        }
        s.client("pub").connect();
        const std::string half(300, 'x');
        const auto publish = [&](const std::string& to) {
            s.client("pub").publish_settled({.topic = to, .payload = half, .quality = qos_1});
            return s.node.dropped(session::drop_reason::queue_full);
        };
        EXPECT_EQ(publish(first), 0U);
        EXPECT_EQ(publish(second), 0U);
        EXPECT_EQ(publish(second), 1U);
        EXPECT_EQ(publish("stranger"), 1U);
        s.crash(); // who they are is written down
        s.client("pub").connect();
        EXPECT_EQ(publish(first), 1U);
        EXPECT_EQ(publish("stranger"), 1U);
        connect_request how = persistent();
        how.username = "adam";
        s.client(first).connect(how);
        s.client(first).take(first, half);
        EXPECT_EQ(publish(second), 1U);
    }
}

// A disk that is full: it takes nothing until there is room.

void fill_disk(stored_script& s) {
    s.stop_disk();
    s.store().set_full(true);
    s.node.run();
}

void make_room(stored_script& s) {
    s.store().set_full(false);
    s.start_disk();
}

/// Publishes, and gives the reason of the acknowledgement.
mqtt::reason_code answer(stored_script& s, const char* publisher, const publish_request& what) {
    const packet_id id = s.client(publisher).publish(what);
    return s.client(publisher).expect_ack(
        what.quality == qos_1 ? packet_type::puback : packet_type::pubrec, id);
}

TEST(PersistFull, WhatWouldHaveToBeKeptIsRefusedAtOnce) {
    for (const std::size_t shards : {1U, 2U}) {
        SCOPED_TRACE(std::to_string(shards) + " shards");
        stored_script s(on(shards));
        const std::string sub = named(s, "sub", shards - 1);
        const std::string topic = kept_on(s, shards - 1);
        s.client(sub).resume();
        s.client(sub).subscribe("t", qos_1);
        s.client(sub).disconnect();
        s.client("pub").connect();
        s.client("kept pub").connect(persistent());
        fill_disk(s);
        EXPECT_EQ(answer(s, "pub", {.topic = "t", .payload = "1", .quality = qos_1}),
                  mqtt::reason_code::quota_exceeded);
        EXPECT_EQ(answer(s, "pub", {.topic = "t", .payload = "2", .quality = qos_2}),
                  mqtt::reason_code::quota_exceeded);
        EXPECT_EQ(
            answer(s, "pub", {.topic = topic, .payload = "3", .quality = qos_1, .retain = true}),
            mqtt::reason_code::quota_exceeded);
        // Its identifier would have to be kept, whoever takes the message.
        EXPECT_EQ(answer(s, "kept pub", {.topic = "nobody", .payload = "4", .quality = qos_2}),
                  mqtt::reason_code::quota_exceeded);
        s.client("new").wire.send_connect(persistent());
        s.client("new").expect_refused(mqtt::reason_code::quota_exceeded);
        make_room(s);
        s.client("pub").publish_settled({.topic = "t", .payload = "after", .quality = qos_1});
        s.client("kept pub").publish_settled({.topic = "t", .payload = "and", .quality = qos_2});
        s.client(sub).resume();
        s.client(sub).take("t", "after");
        s.client(sub).take("t", "and");
        s.settle_for_good();
    }
}

TEST(PersistFull, AClientThatTriesAgainAndAgainWaitsOnce) {
    stored_script s;
    s.client("a").resume();
    fill_disk(s);
    s.client("a").disconnect(mqtt::reason_code::success, 0U);
    for (int i = 0; i < 20'000; ++i) {
        s.client("a").wire.send_connect({.clean_start = true});
        s.client("a").expect_nothing();
        s.client("a").wire.cut();
        s.node.run();
    }
    make_room(s);
    s.client("a").resume();
}

TEST(PersistFull, WhatNeedsNoDiskGoesOn) {
    stored_script s(on(2));
    const std::string kept = named(s, "kept", 0);
    s.client("sub").connect();
    s.client("sub").subscribe("volatile", qos_2);
    s.client("pub").connect();
    s.client(kept).resume();
    s.client(kept).disconnect();
    fill_disk(s);
    for (const qos quality : {qos::at_most_once, qos_1, qos_2}) {
        s.client("pub").publish_settled({.topic = "volatile", .payload = "m", .quality = quality});
        s.client("sub").take("volatile", "m");
    }
    // The end of a session waits for the disk, and nobody else with it.
    s.client(kept).wire.send_connect({.clean_start = true, .session_expiry = 3600});
    for (std::size_t shard = 0; shard < 2; ++shard) {
        const std::string brief = named(s, "brief", shard);
        s.client(brief).connect();
        s.client(brief).subscribe("volatile", qos_1);
    }
    s.client(kept).expect_nothing();
    make_room(s);
    EXPECT_TRUE(s.client(kept).has_next()) << "CONNACK";
}

TEST(PersistFull, WhatWasOnItsWayIsAcknowledgedWhenThereIsRoom) {
    stored_script s(on(2));
    const std::string sub = named(s, "sub", 1);
    s.client(sub).resume();
    s.client(sub).subscribe("t", qos_1);
    s.client(sub).disconnect();
    s.client("pub").connect();
    s.stop_disk();
    const packet_id id = s.client("pub").publish("t", "on its way", qos_1);
    fill_disk(s);
    s.client("pub").expect_nothing();
    make_room(s);
    EXPECT_FALSE(mqtt::is_error(s.client("pub").expect_ack(packet_type::puback, id)));
    s.client(sub).resume();
    s.client(sub).take("t", "on its way");
    s.settle_for_good();
}

// What needs no disk.

TEST(PersistNothing, OfVolatileClients) {
    stored_script s;
    s.client("sub").connect();
    s.client("sub").subscribe("t", qos_2);
    s.client("pub").connect();
    s.client("pub").publish_settled({.topic = "t", .payload = large, .quality = qos_2});
    s.client("sub").take("t", large);
    for (std::size_t i = 1; i < storage::table_count; ++i) {
        EXPECT_THAT(s.keys(static_cast<table>(i)), IsEmpty()) << i;
    }
}

} // namespace
} // namespace gv::support
