// SPDX-License-Identifier: Apache-2.0
// PUBLISH from the client, and its acknowledgements: on_publish.cpp, on_acks.cpp.
#include "tests/support/session_script.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::session {
namespace {

using mqtt::packet_type;
using mqtt::protocol_version;
using mqtt::reason_code;
using support::node_options;
using support::on_shards;
using support::replay_with_cuts;
using support::script;
using support::script_client;
using testing::ElementsAre;

TEST(SessionPublish, Qos1IsRoutedThenAcknowledged) {
    replay_with_cuts([](script& s) {
        script_client& to = s.client("to");
        to.resume();
        to.subscribe("a/b", qos::at_least_once);
        script_client& from = s.client("from");
        from.resume();
        const packet_id id = from.publish("a/b", "m1", qos::at_least_once);
        EXPECT_EQ(from.expect_ack(packet_type::puback, id), reason_code::success);
        const auto got = to.receive("a/b", "m1");
        EXPECT_EQ(got.quality, qos::at_least_once);
        EXPECT_FALSE(got.dup);
        EXPECT_FALSE(got.retain);
        to.acknowledge(packet_type::puback, got.id);
        to.expect_nothing();
    });
}

TEST(SessionPublish, Qos2IsRoutedOnceWhateverIsCut) {
    for (const std::size_t shards : {1U, 3U}) {
        replay_with_cuts(on_shards(shards), [](script& s) {
            script_client& to = s.client("to");
            to.resume();
            to.subscribe("a/#", qos::exactly_once);
            script_client& from = s.client("from");
            from.resume(protocol_version::v3_1_1);
            const packet_id id = from.publish("a/b", "m1", qos::exactly_once);
            from.expect_ack(packet_type::pubrec, id);
            const auto got = to.receive("a/b", "m1");
            EXPECT_EQ(got.quality, qos::exactly_once);
            to.acknowledge(packet_type::pubrec, got.id);
            from.acknowledge(packet_type::pubrel, id);
            from.expect_ack(packet_type::pubcomp, id);
            to.expect_ack(packet_type::pubrel, got.id);
            to.acknowledge(packet_type::pubcomp, got.id);
        });
    }
}

TEST(SessionPublish, ManyInFlightBothWaysSurviveAnyCut) {
    node_options options{.shards = 2};
    replay_with_cuts(options, [](script& s) {
        script_client& to = s.client("to");
        to.connect({.clean_start = false, .session_expiry = 60, .receive_maximum = 2, .shard = 1});
        to.subscribe("t/+", qos::exactly_once);
        script_client& from = s.client("from");
        from.connect({.clean_start = false, .session_expiry = 60});
        for (int i = 0; i < 4; ++i) {
            from.publish("t/x", "m" + std::to_string(i),
                         i % 2 == 0 ? qos::exactly_once : qos::at_least_once);
        }
        to.take("t/x", "m0");
        to.take("t/x", "m1");
        to.take("t/x", "m2");
    });
}

TEST(SessionPublish, ARepeatedQos2MessageIsAcknowledgedNotRouted) {
    script s;
    script_client& to = s.client("to");
    to.connect();
    to.subscribe("t", qos::exactly_once);
    script_client& from = s.client("from");
    from.connect({.version = protocol_version::v3_1_1});
    const packet_id id = from.publish("t", "m", qos::exactly_once);
    from.expect_ack(packet_type::pubrec, id);
    from.wire.send(mqtt::publish_view{
        .topic = "t", .payload = "m", .id = id, .quality = qos::exactly_once, .dup = true});
    from.expect_ack(packet_type::pubrec, id);
    to.take("t", "m");
    to.expect_nothing();
}

TEST(SessionPublish, AResentQos2MessageIsKnownAfterResuming) {
    for (const std::size_t shards : {1U, 2U, 3U}) {
        script s(on_shards(shards));
        script_client& to = s.client("to");
        to.connect();
        to.subscribe("t", qos::exactly_once);
        script_client& from = s.client("from");
        from.resume();
        const packet_id id = from.publish("t", "m", qos::exactly_once);
        from.cut();
        EXPECT_TRUE(from.resume());
        from.wire.resend();
        from.expect_ack(packet_type::pubrec, id);
        from.acknowledge(packet_type::pubrel, id);
        EXPECT_EQ(from.expect_ack(packet_type::pubcomp, id), reason_code::success);
        to.take("t", "m");
        to.expect_nothing();
        from.wire.is_strict = false;
        // The identifier is free again: what comes under it now is another message.
        from.wire.send(mqtt::publish_view{
            .topic = "t", .payload = "m2", .id = id, .quality = qos::exactly_once});
        to.take("t", "m2");
    }
}

TEST(SessionPublish, PubrelOfNothingIsAnsweredWithNotFound) {
    script s;
    script_client& from = s.client("from");
    from.connect();
    from.wire.is_strict = false;
    from.wire.send(mqtt::ack_view{.type = packet_type::pubrel, .id = packet_id{9}});
    const auto answer = from.next();
    const auto* pubcomp = answer.as<mqtt::ack_view>();
    ASSERT_NE(pubcomp, nullptr);
    EXPECT_EQ(pubcomp->type, packet_type::pubcomp);
    EXPECT_EQ(pubcomp->reason, reason_code::packet_identifier_not_found);
}

TEST(SessionPublish, PubrecOfNothingIsAnsweredWithNotFound) {
    for (const std::size_t shards : {1U, 2U, 3U}) {
        for (const std::uint32_t expiry : {0U, 60U}) {
            script s(on_shards(shards));
            script_client& from = s.client("from");
            from.connect({.session_expiry = expiry});
            from.wire.send(mqtt::ack_view{.type = packet_type::pubrec, .id = packet_id{9}});
            const auto answer = from.next();
            const auto* pubrel = answer.as<mqtt::ack_view>();
            ASSERT_NE(pubrel, nullptr);
            EXPECT_EQ(pubrel->type, packet_type::pubrel);
            EXPECT_EQ(pubrel->reason, reason_code::packet_identifier_not_found);
        }
    }
}

TEST(SessionPublish, WithoutTakersV5IsTold) {
    for (const std::size_t shards : {1U, 3U}) {
        script s(on_shards(shards));
        script_client& from = s.client("from");
        from.connect();
        const packet_id one = from.publish("nobody", "m1", qos::at_least_once);
        EXPECT_EQ(from.expect_ack(packet_type::puback, one), reason_code::no_matching_subscribers);
        const packet_id two = from.publish("nobody", "m2", qos::exactly_once);
        EXPECT_EQ(from.expect_ack(packet_type::pubrec, two), reason_code::no_matching_subscribers);
        from.acknowledge(packet_type::pubrel, two);
        EXPECT_EQ(from.expect_ack(packet_type::pubcomp, two), reason_code::success);
    }
}

TEST(SessionPublish, MoreThanReceiveMaximumEndsTheConnection) {
    node_options options;
    options.core.limits.receive_maximum = 3;
    script s(options);
    script_client& from = s.client("from");
    from.connect();
    for (int i = 0; i < 3; ++i) {
        from.publish("t", "m" + std::to_string(i), qos::exactly_once);
    }
    from.publish("t", "m3", qos::exactly_once);
    from.expect_closed(reason_code::receive_maximum_exceeded);
}

TEST(SessionPublish, ReceiveMaximumCountsOnlyWhatIsNotComplete) {
    node_options options;
    options.core.limits.receive_maximum = 3;
    script s(options);
    script_client& from = s.client("from");
    from.connect();
    for (int i = 0; i < 20; ++i) {
        from.publish_settled({.topic = "t",
                              .payload = "m" + std::to_string(i),
                              .quality = i % 2 == 0 ? qos::exactly_once : qos::at_least_once});
    }
}

TEST(SessionPublish, ReceiveMaximumHoldsForThoseAnnounced) {
    node_options options;
    options.core.limits.receive_maximum = 10;
    script s(options);
    script_client& from = s.client("from");
    from.connect();
    session_limits tighter = options.core.limits;
    tighter.receive_maximum = 1;
    s.core().reload(tighter, nullptr);
    for (int i = 0; i < 10; ++i) {
        from.publish("t", "m" + std::to_string(i), qos::exactly_once);
    }
    EXPECT_FALSE(from.wire.is_closed());
}

TEST(SessionPublish, AcknowledgementsComeInTheOrderOfTheMessages) {
    // The second message finds its takers at home, the first has to ask another shard.
    script s(on_shards(2));
    script_client& far = s.client("far");
    far.connect({.shard = 1});
    far.subscribe("far", qos::at_most_once);
    script_client& near = s.client("near");
    near.connect();
    near.subscribe("near", qos::at_most_once);
    script_client& from = s.client("from");
    from.connect();
    s.node.block_mail(0, 1, true);
    const packet_id first = from.publish("far", "m1", qos::at_least_once);
    const packet_id second = from.publish("near", "m2", qos::at_least_once);
    from.expect_nothing();
    s.node.block_mail(0, 1, false);
    from.expect_ack(packet_type::puback, first);
    from.expect_ack(packet_type::puback, second);
}

TEST(SessionPublish, TopicAliases) {
    script s;
    script_client& to = s.client("to");
    to.connect();
    to.subscribe("#", qos::at_most_once);
    script_client& from = s.client("from");
    from.connect();
    from.publish({.topic = "a/b", .payload = "m1", .alias = 1});
    from.wire.send_publish({.topic = "", .payload = "m2", .alias = 1});
    from.publish({.topic = "c", .payload = "m3", .alias = 1});
    from.wire.send_publish({.topic = "", .payload = "m4", .alias = 1});
    to.receive("a/b", "m1");
    to.receive("a/b", "m2");
    to.receive("c", "m3");
    to.receive("c", "m4");
    from.wire.send_publish({.topic = "", .payload = "m5", .alias = 2});
    from.expect_closed(reason_code::protocol_error);
}

TEST(SessionPublish, ATopicAliasAboveTheMaximumEndsTheConnection) {
    node_options options;
    options.core.limits.topic_alias_max_in = 5;
    script s(options);
    script_client& from = s.client("from");
    from.connect();
    from.publish({.topic = "a/b", .payload = "m1", .alias = 6});
    from.expect_closed(reason_code::topic_alias_invalid);
}

TEST(SessionPublish, AliasesDoNotOutliveTheConnection) {
    script s;
    script_client& from = s.client("from");
    from.resume();
    from.publish({.topic = "a/b", .payload = "m1", .alias = 1});
    from.cut();
    from.resume();
    from.wire.send_publish({.topic = "", .payload = "m2", .alias = 1});
    from.expect_closed(reason_code::protocol_error);
}

TEST(SessionPublish, ExpiryIsCountedDownAndPropertiesAreForwarded) {
    script s(on_shards(2));
    script_client& to = s.client("to");
    to.resume();
    to.subscribe("t", qos::at_least_once);
    to.cut();
    script_client& from = s.client("from");
    from.connect();
    mqtt::property_writer more;
    more.add_pair("k", "v").add(mqtt::property::content_type, std::string_view("text/plain"));
    from.publish_settled({.topic = "t",
                          .payload = "m1",
                          .quality = qos::at_least_once,
                          .expiry = 100,
                          .more_properties = more.take()});
    from.publish_settled(
        {.topic = "t", .payload = "m2", .quality = qos::at_least_once, .expiry = 5});
    s.advance(30s);
    to.resume();
    const auto got = to.take("t", "m1");
    const mqtt::property_view properties(got.properties);
    EXPECT_EQ(properties.number(mqtt::property::message_expiry_interval), 70U);
    EXPECT_EQ(properties.text(mqtt::property::content_type), "text/plain");
    EXPECT_TRUE(properties.has(mqtt::property::user_property));
    to.expect_nothing();
    EXPECT_EQ(s.node.dropped(drop_reason::expired), 1U);
}

TEST(SessionPublish, TooManyLevelsAreRefusedWithoutEndingTheConnection) {
    node_options options;
    options.core.limits.topic_levels_max = 3;
    script s(options);
    script_client& five = s.client("five");
    five.connect();
    const packet_id id = five.publish("a/b/c/d", "m1", qos::at_least_once);
    EXPECT_EQ(five.expect_ack(packet_type::puback, id), reason_code::topic_name_invalid);
    script_client& three = s.client("three");
    three.connect({.version = protocol_version::v3_1_1});
    three.publish_settled({.topic = "a/b/c/d", .payload = "m2", .quality = qos::exactly_once});
}

TEST(SessionPublish, AV3ClientThatIsDeniedIsAcknowledgedToTheEnd) {
    script s;
    script_client& three = s.client("three");
    three.connect({.version = protocol_version::v3_1_1});
    three.publish_settled({.topic = "$SYS/x", .payload = "m1", .quality = qos::at_least_once});
    three.publish_settled({.topic = "$SYS/x", .payload = "m2", .quality = qos::exactly_once});
    script_client& five = s.client("five");
    five.connect();
    const packet_id id = five.publish("$SYS/x", "m3", qos::exactly_once);
    EXPECT_EQ(five.expect_ack(packet_type::pubrec, id), reason_code::not_authorized);
    // The exchange is over: the identifier may be used again at once.
    five.wire.is_strict = false;
    five.wire.send(
        mqtt::publish_view{.topic = "t", .payload = "m4", .id = id, .quality = qos::exactly_once});
    EXPECT_EQ(five.expect_ack(packet_type::pubrec, id), reason_code::no_matching_subscribers);
}

// [MQTT-3.1.2-29]
TEST(SessionPublish, WhyItWasRefusedIsSaidToWhomWantsToKnow) {
    script s;
    for (const bool wants : {true, false}) {
        mqtt::property_writer asked;
        asked.add(mqtt::property::request_problem_information, wants ? 1U : 0U);
        script_client& who = s.client(wants ? "curious" : "incurious");
        who.connect({.more_properties = asked.take()});
        who.wire.send_publish({.topic = "$SYS/x", .payload = "m", .quality = qos::at_least_once});
        const support::received answer = who.next();
        const auto* ack = answer.as<mqtt::ack_view>();
        ASSERT_NE(ack, nullptr);
        EXPECT_EQ(ack->reason, reason_code::not_authorized);
        EXPECT_EQ(ack->properties.text(mqtt::property::reason_string).has_value(), wants);
        who.wire.send_subscribe({{.filter = "t"}, {.filter = "a/#/b"}});
        const support::received granted = who.next();
        const auto* suback = granted.as<mqtt::suback_view>();
        ASSERT_NE(suback, nullptr);
        EXPECT_EQ(suback->properties.text(mqtt::property::reason_string).has_value(), wants);
    }
}

TEST(SessionPublish, AV3ClientThatReusesAnIdentifierOfAnotherMessageIsNotLeftWaiting) {
    script s;
    script_client& from = s.client("from");
    from.connect({.version = protocol_version::v3_1_1});
    const packet_id id = from.publish("t", "m1", qos::exactly_once);
    from.expect_ack(packet_type::pubrec, id);
    from.wire.send(
        mqtt::publish_view{.topic = "t", .payload = "m2", .id = id, .quality = qos::at_least_once});
    from.wire.listen();
    EXPECT_TRUE(from.wire.is_closed() || !from.wire.inbox.empty());
}

TEST(SessionPublish, AWrongAcknowledgementEndsTheConnection) {
    for (const std::size_t shards : {1U, 2U, 3U}) {
        for (const std::uint32_t expiry : {0U, 60U}) {
            script s(on_shards(shards));
            script_client& to = s.client("to");
            to.connect({.session_expiry = expiry});
            to.subscribe("t", qos::at_least_once);
            script_client& from = s.client("from");
            from.connect();
            from.publish("t", "m1", qos::at_least_once);
            const auto got = to.receive("t", "m1");
            to.acknowledge(packet_type::pubrec, got.id);
            to.expect_closed(reason_code::protocol_error);
        }
    }
}

TEST(SessionPublish, AWrongAcknowledgementOfASessionThatEndsWithIt) {
    script s;
    script_client& to = s.client("to");
    to.resume();
    to.subscribe("t", qos::at_least_once);
    to.cut();
    to.connect({.clean_start = false, .session_expiry = 0}); // resumed, and not longer than this
    s.client("from").connect();
    s.client("from").publish("t", "m1", qos::at_least_once);
    const auto got = to.receive("t", "m1");
    to.acknowledge(packet_type::pubrec, got.id);
    to.expect_closed(reason_code::protocol_error);
    EXPECT_EQ(s.core().stored_sessions(), 0U);
}

} // namespace
} // namespace gv::session
