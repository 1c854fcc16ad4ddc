// SPDX-License-Identifier: Apache-2.0
// SUBSCRIBE and UNSUBSCRIBE, and how messages reach those who subscribed: on_subscribe.cpp,
// deliver.cpp.
#include "broker/auth/acl.hpp"
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
using support::publish_request;
using support::replay_with_cuts;
using support::script;
using support::script_client;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

TEST(Subscribe, EachFilterIsAnsweredInOrder) {
    node_options options{.shards = 2};
    options.core.limits.quality_max = qos::at_least_once;
    options.core.limits.topic_levels_max = 4;
    script s(options);
    script_client& who = s.client("a");
    who.connect();
    const auto reasons = who.subscribe_all({{.filter = "a/+", .quality = qos::exactly_once},
                                            {.filter = "a#"},
                                            {.filter = "a/b/c/d/e"},
                                            {.filter = "$share//a"},
                                            {.filter = "$share/g+/a"},
                                            {.filter = "$share/g/a", .quality = qos::at_least_once},
                                            {.filter = "#"}});
    EXPECT_THAT(reasons,
                ElementsAre(reason_code::granted_qos_1, reason_code::topic_filter_invalid,
                            reason_code::topic_filter_invalid, reason_code::topic_filter_invalid,
                            reason_code::topic_filter_invalid, reason_code::granted_qos_1,
                            reason_code::granted_qos_0));
}

TEST(Subscribe, V3GetsItsOwnCodes) {
    script s;
    script_client& who = s.client("a");
    who.connect({.version = protocol_version::v3_1_1});
    EXPECT_THAT(
        who.subscribe_all({{.filter = "a", .quality = qos::exactly_once}, {.filter = "a#"}}),
        ElementsAre(reason_code::granted_qos_2, reason_code::unspecified_error));
}

TEST(Subscribe, WhatIsSwitchedOffIsSaid) {
    node_options options;
    options.core.limits.wildcards_available = false;
    options.core.limits.shared_available = false;
    options.core.limits.subscription_ids_available = false;
    options.core.limits.filters_per_subscribe_max = 3;
    script s(options);
    script_client& who = s.client("a");
    who.connect();
    EXPECT_THAT(
        who.subscribe_all({{.filter = "a/+"}, {.filter = "$share/g/a"}, {.filter = "a"}, {"b"}}),
        ElementsAre(reason_code::wildcard_subscriptions_not_supported,
                    reason_code::shared_subscriptions_not_supported, reason_code::granted_qos_0,
                    reason_code::quota_exceeded));
    who.wire.send_subscribe({{.filter = "a", .id = 5}});
    who.expect_closed(reason_code::subscription_identifiers_not_supported);
}

TEST(Subscribe, SubscriptionsOfAClientAreLimited) {
    node_options options;
    options.core.limits.subscriptions_max = 2;
    for (const std::uint32_t expiry : {0U, 60U}) {
        script s(options);
        script_client& who = s.client("a");
        who.connect({.session_expiry = expiry});
        who.subscribe("a", qos::at_most_once);
        who.subscribe("b", qos::at_most_once);
        EXPECT_THAT(who.subscribe_all({{.filter = "c"}, {.filter = "a"}}),
                    ElementsAre(reason_code::quota_exceeded, reason_code::granted_qos_0));
    }
}

TEST(Subscribe, OverlappingFiltersBringOneCopyAtTheHighestQosWithAllIdentifiers) {
    for (const std::uint32_t expiry : {0U, 60U}) {
        script s(on_shards(3));
        script_client& who = s.client("a");
        who.connect({.session_expiry = expiry});
        who.subscribe({.filter = "a/#", .quality = qos::at_most_once, .id = 7});
        who.subscribe({.filter = "a/+", .quality = qos::exactly_once, .id = 3});
        who.subscribe({.filter = "a/b", .quality = qos::at_least_once});
        s.client("from").connect({.shard = 2});
        s.client("from").publish("a/b", "m", qos::exactly_once);
        const auto got = who.take("a/b", "m");
        EXPECT_EQ(got.quality, qos::exactly_once);
        EXPECT_THAT(got.subscription_ids, UnorderedElementsAre(3U, 7U));
        who.expect_nothing();
    }
}

TEST(Subscribe, NoLocalIsByClientNotByConnection) {
    for (const std::uint32_t expiry : {0U, 60U}) {
        script s(on_shards(2));
        script_client& who = s.client("a");
        who.connect({.session_expiry = expiry});
        who.subscribe({.filter = "t", .quality = qos::at_least_once, .no_local = true});
        who.publish("t", "mine", qos::at_most_once);
        who.expect_nothing();
        script_client& other = s.client("b");
        other.connect();
        other.publish("t", "other's", qos::at_most_once);
        who.receive("t", "other's");
        who.subscribe({.filter = "#", .quality = qos::at_least_once});
        who.publish("t", "mine again", qos::at_most_once);
        who.receive("t", "mine again");
        who.expect_nothing();
    }
}

TEST(Subscribe, NoLocalHoldsForRetainedMessagesToo) {
    for (const std::uint32_t expiry : {0U, 60U}) {
        script s(on_shards(2));
        script_client& who = s.client("a");
        who.connect({.session_expiry = expiry});
        who.publish({.topic = "t", .payload = "mine", .retain = true});
        who.subscribe({.filter = "t", .no_local = true});
        who.expect_nothing();
        script_client& other = s.client("b");
        other.connect();
        other.subscribe({.filter = "t", .no_local = true});
        other.receive("t", "mine");
    }
}

TEST(Subscribe, NoLocalInASharedSubscriptionIsAnError) {
    script s;
    script_client& who = s.client("a");
    who.connect();
    who.wire.send_subscribe({{.filter = "$share/g/t", .no_local = true}});
    who.expect_closed(reason_code::protocol_error);
}

TEST(Subscribe, RetainIsShownAsPublishedOnlyToThoseWhoAsked) {
    script s(on_shards(2));
    script_client& plain = s.client("plain");
    plain.connect();
    plain.subscribe({.filter = "t"});
    script_client& asked = s.client("asked");
    asked.connect({.shard = 1});
    asked.subscribe({.filter = "t", .retain_as_published = true});
    s.client("from").connect();
    s.client("from").publish({.topic = "t", .payload = "m", .retain = true});
    EXPECT_FALSE(plain.receive("t", "m").retain);
    EXPECT_TRUE(asked.receive("t", "m").retain);
}

TEST(Subscribe, NothingComesAfterUnsuback) {
    for (const std::uint32_t expiry : {0U, 60U}) {
        for (const std::size_t shards : {1U, 3U}) {
            script s(on_shards(shards));
            script_client& who = s.client("a");
            who.connect({.session_expiry = expiry});
            who.subscribe("t", qos::at_least_once);
            who.unsubscribe("t");
            s.client("from").connect({.shard = shards - 1});
            s.client("from").publish("t", "m", qos::at_most_once);
            who.expect_nothing();
            who.wire.send_unsubscribe({"t", "never"});
            const auto answer = who.next();
            ASSERT_NE(answer.as<mqtt::suback_view>(), nullptr);
            EXPECT_THAT(answer.as<mqtt::suback_view>()->reasons,
                        ElementsAre(reason_code::no_subscription_existed,
                                    reason_code::no_subscription_existed));
        }
    }
}

TEST(Subscribe, ReplacingASubscriptionChangesItsQosAndLosesNothing) {
    replay_with_cuts(on_shards(2), [](script& s) {
        script_client& who = s.client("a");
        who.resume();
        who.subscribe("t", qos::at_least_once);
        s.client("from").resume();
        s.client("from").publish_settled(
            {.topic = "t", .payload = "m1", .quality = qos::exactly_once});
        who.subscribe("t", qos::exactly_once);
        s.client("from").publish_settled(
            {.topic = "t", .payload = "m2", .quality = qos::exactly_once});
        EXPECT_EQ(who.take("t", "m1").quality, qos::at_least_once);
        EXPECT_EQ(who.take("t", "m2").quality, qos::exactly_once);
    });
}

TEST(Deliver, DollarTopicsAreNotForWildcards) {
    script s;
    script_client& who = s.client("a");
    who.connect();
    who.subscribe("#", qos::at_most_once);
    who.subscribe("+/broker/x", qos::at_most_once);
    script_client& sys = s.client("sys");
    sys.connect();
    sys.subscribe("$SYS/broker/#", qos::at_most_once);
    publication what;
    what.topic = "$SYS/broker/x";
    what.payload = "1";
    s.core().publish(what);
    s.node.run();
    sys.receive("$SYS/broker/x", "1");
    who.expect_nothing();
}

TEST(Deliver, AMessageLargerThanTheClientTakesIsLeftOutAndNothingIsLeaked) {
    for (const std::size_t shards : {1U, 2U, 3U}) {
        for (const std::uint32_t expiry : {0U, 60U}) {
            script s(on_shards(shards));
            script_client& who = s.client("a");
            who.connect({.session_expiry = expiry, .receive_maximum = 3, .packet_size_max = 60});
            who.subscribe("t", qos::exactly_once);
            script_client& from = s.client("from");
            from.connect({.shard = shards - 1});
            for (int i = 0; i < 10; ++i) {
                from.publish_settled(
                    {.topic = "t",
                     .payload = std::to_string(i) + std::string(100, 'x'),
                     .quality = i % 2 == 0 ? qos::exactly_once : qos::at_least_once});
            }
            from.publish_settled({.topic = "t", .payload = "m", .quality = qos::exactly_once});
            who.take("t", "m");
            who.expect_nothing();
            EXPECT_EQ(s.node.dropped(drop_reason::packet_too_large), 10U);
            EXPECT_EQ(s.node.queues().in_flight, 0U);
        }
    }
}

TEST(Deliver, AQueueOfMessagesThatAreTooLargeIsWorkedOffWithoutEnd) {
    for (const std::size_t shards : {1U, 2U}) {
        script s(on_shards(shards));
        script_client& who = s.client("a");
        who.resume();
        who.subscribe("t", qos::at_least_once);
        who.disconnect();
        script_client& from = s.client("from");
        from.connect();
        from.behave();
        for (int i = 0; i < 20'000; ++i) {
            from.wire.send_publish(
                {.topic = "t", .payload = std::string(50, 'x'), .quality = qos::at_least_once});
            if (i % 500 == 0) {
                from.wire.listen();
            }
        }
        from.wire.listen();
        who.connect({.clean_start = false, .session_expiry = 60, .packet_size_max = 40});
        who.ping();
        EXPECT_EQ(s.node.queues().messages, 0U);
        EXPECT_EQ(s.node.queues().in_flight, 0U);
        EXPECT_EQ(s.node.dropped(drop_reason::packet_too_large), 20'000U);
    }
}

TEST(Deliver, ResumingWithASmallerPacketSizeCompletesWhatNoLongerFits) {
    for (const std::size_t shards : {1U, 2U, 3U}) {
        script s(on_shards(shards));
        script_client& who = s.client("a");
        who.resume();
        who.subscribe("t", qos::exactly_once);
        script_client& from = s.client("from");
        from.connect();
        for (const char* each : {"1", "2", "3", "4"}) {
            const bool is_long = *each % 2 == 1;
            from.publish_settled({.topic = "t",
                                  .payload = each + std::string(is_long ? 100 : 0, 'x'),
                                  .quality = *each < '3' ? qos::exactly_once : qos::at_least_once});
        }
        who.wire.listen();
        who.cut();
        who.connect({.clean_start = false, .session_expiry = 60, .packet_size_max = 50});
        who.behave();
        for (int i = 0; i < 10; ++i) {
            who.wire.listen();
        }
        EXPECT_EQ(s.node.queues().in_flight, 0U);
        EXPECT_EQ(who.count_of("2"), 1U);
        EXPECT_EQ(who.count_of("4"), 2U); // QoS 1: seen before the cut, and again
    }
}

TEST(Deliver, WhatMayNotBeReadIsLeftOutOfAReplayToo) {
    for (const std::uint32_t expiry : {0U, 60U}) {
        node_options options{.shards = 2};
        options.core.authoriser = std::make_shared<auth::acl_authoriser>(
            auth::parse_acl_file("topic write #\ntopic read open/#\n", "acl.conf").table);
        script s(options);
        script_client& from = s.client("from");
        from.connect();
        from.publish_settled(
            {.topic = "secret", .payload = "s", .quality = qos::at_least_once, .retain = true});
        from.publish_settled(
            {.topic = "open/1", .payload = "o", .quality = qos::at_least_once, .retain = true});
        script_client& who = s.client("a");
        who.connect({.session_expiry = expiry});
        who.subscribe("#", qos::at_most_once);
        who.receive("open/1", "o");
        who.expect_nothing();
    }
}

TEST(Deliver, TopicAliasesTowardsTheClient) {
    node_options options{.shards = 2};
    options.core.limits.topic_alias_max_out = 2;
    script s(options);
    script_client& who = s.client("a");
    who.connect({.topic_alias_max = 10, .shard = 1});
    who.subscribe("#", qos::at_most_once);
    script_client& from = s.client("from");
    from.connect();
    for (const char* topic : {"a", "b", "c", "a", "b", "c", "a"}) {
        from.publish(topic, std::string("of ") + topic, qos::at_most_once);
        who.receive(topic, std::string("of ") + topic);
    }
}

TEST(Deliver, AnAliasThatWasNotSentIsNotUsed) {
    script s;
    script_client& who = s.client("a");
    who.connect({.packet_size_max = 60, .topic_alias_max = 10});
    who.subscribe("#", qos::at_most_once);
    script_client& from = s.client("from");
    from.connect();
    from.publish("a/long/topic", std::string(100, 'x'), qos::at_most_once);
    from.publish("a/long/topic", "m1", qos::at_most_once);
    from.publish("a/long/topic", "m2", qos::at_most_once);
    who.receive("a/long/topic", "m1");
    who.receive("a/long/topic", "m2");
}

TEST(Deliver, ALargePayloadIsSentByReference) {
    for (const std::size_t shards : {1U, 2U}) {
        script s(on_shards(shards));
        script_client& who = s.client("a");
        who.resume();
        who.subscribe("t", qos::at_least_once);
        script_client& from = s.client("from");
        from.connect({.shard = shards - 1});
        const std::string large(300'000, 'y');
        from.publish_settled({.topic = "t", .payload = large, .quality = qos::at_least_once});
        from.publish_settled({.topic = "t", .payload = "small", .quality = qos::at_least_once});
        who.take("t", large);
        who.take("t", "small");
        EXPECT_EQ(s.node.bytes_in_use(), 0U);
    }
}

TEST(Deliver, AVolatileClientsWindowIsItsReceiveMaximum) {
    for (const std::uint32_t expiry : {0U, 60U}) {
        script s(on_shards(2));
        script_client& who = s.client("a");
        who.connect({.session_expiry = expiry, .receive_maximum = 2});
        who.subscribe("t", qos::exactly_once);
        script_client& from = s.client("from");
        from.connect({.shard = 1});
        for (int i = 0; i < 5; ++i) {
            from.publish_settled(
                {.topic = "t", .payload = "m" + std::to_string(i), .quality = qos::exactly_once});
        }
        const auto first = who.receive("t", "m0");
        who.receive("t", "m1");
        who.expect_nothing();
        who.acknowledge(packet_type::pubrec, first.id, reason_code::quota_exceeded);
        who.receive("t", "m2"); // an error frees the place at once
        who.expect_nothing();
    }
}

} // namespace
} // namespace gv::session
