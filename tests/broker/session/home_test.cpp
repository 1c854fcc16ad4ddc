// SPDX-License-Identifier: Apache-2.0
// Homes: sessions that outlive connections, takeover, wills: home.cpp.
#include "tests/support/session_script.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::session {
namespace {

using mqtt::packet_type;
using mqtt::protocol_version;
using mqtt::reason_code;
using support::connect_request;
using support::on_shards;
using support::replay_with_cuts;
using support::script;
using support::script_client;
using support::will_request;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(Home, WhatCameMeanwhileIsSentAfterResuming) {
    for (const auto version :
         {protocol_version::v3_1, protocol_version::v3_1_1, protocol_version::v5}) {
        replay_with_cuts(on_shards(2), [version](script& s) {
            script_client& to = s.client("to");
            EXPECT_FALSE(to.resume(version));
            to.subscribe("t", qos::at_least_once);
            to.disconnect();
            script_client& from = s.client("from");
            from.connect();
            from.publish_settled({.topic = "t", .payload = "m1", .quality = qos::at_least_once});
            from.publish_settled({.topic = "t", .payload = "m0", .quality = qos::at_most_once});
            from.publish_settled({.topic = "t", .payload = "m2", .quality = qos::exactly_once});
            EXPECT_EQ(to.resume(version), version != protocol_version::v3_1);
            to.take("t", "m1");
            to.take("t", "m2");
            to.expect_nothing();
        });
    }
}

TEST(Home, RedeliveryCarriesDupAndTheFirstIdentifierPubrelFirst) {
    for (const std::size_t shards : {1U, 2U, 3U}) {
        script s(on_shards(shards));
        script_client& to = s.client("to");
        to.resume();
        to.subscribe("t", qos::exactly_once);
        script_client& from = s.client("from");
        from.connect();
        for (const char* each : {"m1", "m2", "m3"}) {
            from.publish_settled({.topic = "t", .payload = each, .quality = qos::exactly_once});
        }
        const packet_id first = to.receive("t", "m1").id;
        const packet_id second = to.receive("t", "m2").id;
        const packet_id third = to.receive("t", "m3").id;
        to.acknowledge(packet_type::pubrec, second);
        to.expect_ack(packet_type::pubrel, second);
        to.cut();
        EXPECT_TRUE(to.resume());
        to.expect_ack(packet_type::pubrel, second);
        const auto again = to.receive("t", "m1");
        EXPECT_TRUE(again.dup);
        EXPECT_EQ(again.id, first);
        EXPECT_EQ(to.receive("t", "m3").id, third);
    }
}

TEST(Home, ASessionEndsWithItsExpiry) {
    script s(on_shards(2));
    script_client& to = s.client("to");
    to.connect({.session_expiry = 60});
    to.subscribe("t", qos::at_least_once);
    to.cut();
    s.advance(59s);
    EXPECT_TRUE(to.connect({.clean_start = false, .session_expiry = 60}));
    to.cut();
    s.advance(61s);
    EXPECT_FALSE(to.connect({.clean_start = false}));
    s.client("from").connect();
    const packet_id id = s.client("from").publish("t", "m", qos::at_least_once);
    EXPECT_EQ(s.client("from").expect_ack(packet_type::puback, id),
              reason_code::no_matching_subscribers);
}

TEST(Home, DisconnectMayChangeTheExpiry) {
    script s;
    script_client& who = s.client("a");
    who.connect({.session_expiry = 60});
    who.disconnect(reason_code::success, 1000);
    s.advance(900s);
    EXPECT_TRUE(who.connect({.clean_start = false, .session_expiry = 60}));
    who.disconnect(reason_code::success, 0);
    EXPECT_FALSE(who.connect({.clean_start = false}));
}

TEST(Home, AnExpiryOfAllOnesIsForAsLongAsIsAllowed) {
    support::node_options options;
    options.core.limits.session_expiry_max = 0xffff'ffff;
    script s(options);
    script_client& who = s.client("a");
    who.connect({.session_expiry = 0xffff'ffff});
    who.cut();
    s.advance(24h * 30);
    EXPECT_TRUE(who.connect({.clean_start = false}));
}

TEST(Home, CleanStartEndsTheSessionBefore) {
    script s(on_shards(2));
    script_client& to = s.client("to");
    to.resume();
    to.subscribe("t", qos::at_least_once);
    to.cut();
    s.client("from").connect();
    s.client("from").publish_settled({.topic = "t", .payload = "m", .quality = qos::at_least_once});
    EXPECT_FALSE(to.connect());
    to.expect_nothing();
    s.client("from").publish_settled(
        {.topic = "t", .payload = "m2", .quality = qos::at_least_once});
    to.expect_nothing();
}

TEST(Home, ASessionThatWasResumedWithoutExpiryEndsWithTheConnection) {
    script s;
    script_client& who = s.client("a");
    who.resume();
    who.cut();
    EXPECT_TRUE(who.connect({.clean_start = false, .session_expiry = 0}));
    who.cut();
    EXPECT_FALSE(who.connect({.clean_start = false}));
}

TEST(Home, ATakeoverOfASessionWithoutExpiryFindsNone) {
    // The old connection is closed first, and its session ends with it.
    script s;
    script_client& old = s.client("a");
    old.resume();
    old.cut();
    EXPECT_TRUE(old.connect({.clean_start = false, .session_expiry = 0}));
    script_client& next = s.client("a#2");
    EXPECT_FALSE(next.connect({.clean_start = false, .session_expiry = 10}));
    old.expect_closed(reason_code::session_taken_over);
}

TEST(Home, TheOldConnectionIsToldOfATakeover) {
    for (const std::size_t shards : {1U, 2U, 3U}) {
        for (std::size_t other = 0; other < shards; ++other) {
            script s(on_shards(shards));
            script_client& old = s.client("a");
            old.connect({.clean_start = false, .session_expiry = 60, .shard = 0});
            script_client& next = s.client("a#2");
            EXPECT_TRUE(next.connect({.clean_start = false, .session_expiry = 60, .shard = other}));
            old.expect_closed(reason_code::session_taken_over);
            next.ping();
            script_client& three = s.client("a#3");
            three.connect({.version = protocol_version::v3_1_1, .clean_start = false});
            next.expect_closed(reason_code::session_taken_over);
            script_client& four = s.client("a#4");
            four.connect();
            three.expect_closed();
            EXPECT_EQ(three.wire.farewell(), std::nullopt);
            four.ping();
        }
    }
}

TEST(Home, ATakeoverCarriesTheSessionWithAllThatIsInFlight) {
    for (const std::size_t other : {0U, 1U}) {
        script s(on_shards(2));
        script_client& old = s.client("a");
        old.connect({.clean_start = false, .session_expiry = 60, .receive_maximum = 1});
        old.subscribe("t", qos::exactly_once);
        script_client& from = s.client("from");
        from.connect();
        from.publish_settled({.topic = "t", .payload = "m1", .quality = qos::exactly_once});
        from.publish_settled({.topic = "t", .payload = "m2", .quality = qos::at_least_once});
        const packet_id first = old.receive("t", "m1").id;
        script_client& next = s.client("a#2");
        EXPECT_TRUE(next.connect({.clean_start = false, .session_expiry = 60, .shard = other}));
        const auto again = next.take("t", "m1");
        EXPECT_EQ(again.id, first);
        next.take("t", "m2");
        next.expect_nothing();
    }
}

// Takeover and wills: MQTT 5, 3.1.2.5, 3.1.3.2.2, 3.1.4.

struct takeover_case {
    protocol_version version;
    std::uint32_t delay;
    std::uint32_t old_expiry;
    bool clean_start;
    bool is_published; ///< at once
};

class TakeoverWill : public testing::TestWithParam<takeover_case> {};

TEST_P(TakeoverWill, IsPublishedAsTheSpecificationSays) {
    const takeover_case& given = GetParam();
    for (const std::size_t shards : {1U, 3U}) {
        script s(on_shards(shards));
        script_client& watch = s.client("watch");
        watch.connect();
        watch.subscribe("will", qos::at_most_once);
        script_client& old = s.client("a");
        old.connect(
            {.version = given.version,
             .clean_start = given.version != protocol_version::v5 && given.old_expiry == 0,
             .session_expiry = given.old_expiry,
             .will = will_request{.topic = "will", .payload = "dead", .delay = given.delay}});
        script_client& next = s.client("a#2");
        next.connect({.version = given.version,
                      .clean_start = given.clean_start,
                      .session_expiry = 60,
                      .shard = shards - 1});
        s.node.run();
        EXPECT_EQ(watch.has_next(), given.is_published);
        s.advance(100s);
        watch.wire.listen();
        EXPECT_EQ(watch.count_of("dead"), given.is_published ? 1U : 0U);
    }
}

INSTANTIATE_TEST_SUITE_P(
    Matrix, TakeoverWill,
    testing::Values(takeover_case{protocol_version::v5, 0, 60, false, true},
                    takeover_case{protocol_version::v5, 0, 60, true, true},
                    takeover_case{protocol_version::v5, 10, 60, false, false},
                    takeover_case{protocol_version::v5, 10, 60, true, true},
                    takeover_case{protocol_version::v5, 10, 0, false, true},
                    takeover_case{protocol_version::v5, 10, 0, true, true},
                    takeover_case{protocol_version::v5, 0, 0, true, true},
                    takeover_case{protocol_version::v3_1_1, 0, 0, true, true},
                    takeover_case{protocol_version::v3_1_1, 0, 60, false, true},
                    takeover_case{protocol_version::v3_1_1, 0, 60, true, true}));

struct will_case {
    std::uint32_t delay;
    std::uint32_t expiry;
    int seconds; ///< after which it is there; -1: never
};

class DelayedWill : public testing::TestWithParam<will_case> {};

TEST_P(DelayedWill, ComesAfterItsDelayOrWithTheEndOfTheSession) {
    const will_case& given = GetParam();
    script s(on_shards(2));
    script_client& watch = s.client("watch");
    watch.connect();
    watch.subscribe("will", qos::at_most_once);
    script_client& who = s.client("a");
    who.connect({.session_expiry = given.expiry,
                 .will = will_request{.topic = "will", .payload = "dead", .delay = given.delay}});
    who.cut();
    if (given.seconds > 0) {
        s.advance(std::chrono::seconds(given.seconds) - 1ms);
        EXPECT_EQ(watch.payloads().size(), 0U);
        watch.expect_nothing();
        s.advance(201ms);
    }
    watch.receive("will", "dead");
    s.advance(1000s);
    watch.expect_nothing();
}

INSTANTIATE_TEST_SUITE_P(Times, DelayedWill,
                         testing::Values(will_case{0, 0, 0}, will_case{0, 60, 0},
                                         will_case{10, 0, 0}, will_case{10, 60, 10},
                                         will_case{60, 10, 10}, will_case{10, 10, 10}));

TEST(HomeWill, IsCancelledByComingBackInTime) {
    script s;
    script_client& watch = s.client("watch");
    watch.connect();
    watch.subscribe("will", qos::at_most_once);
    script_client& who = s.client("a");
    who.connect({.session_expiry = 60,
                 .will = will_request{.topic = "will", .payload = "dead", .delay = 10}});
    who.cut();
    s.advance(9s);
    EXPECT_TRUE(who.resume());
    s.advance(100s);
    watch.expect_nothing();
    who.cut();
    s.advance(100s);
    watch.expect_nothing(); // the new connection had no will
}

TEST(HomeWill, ComingBackWithCleanStartPublishesIt) {
    script s;
    script_client& watch = s.client("watch");
    watch.connect();
    watch.subscribe("will", qos::at_most_once);
    script_client& who = s.client("a");
    who.connect({.session_expiry = 60,
                 .will = will_request{.topic = "will", .payload = "dead", .delay = 10}});
    who.cut();
    who.connect();
    watch.receive("will", "dead");
    s.advance(100s);
    watch.expect_nothing();
}

TEST(HomeWill, AProperGoodbyeDropsItAndADeliberateOneSendsIt) {
    script s(on_shards(2));
    script_client& watch = s.client("watch");
    watch.connect();
    watch.subscribe("will", qos::at_most_once);
    const will_request will{.topic = "will", .payload = "dead"};
    script_client& good = s.client("good");
    good.connect({.will = will});
    good.disconnect();
    s.advance(1s);
    watch.expect_nothing();
    script_client& three = s.client("three");
    three.connect({.version = protocol_version::v3_1_1, .will = will});
    three.disconnect();
    watch.expect_nothing();
    good.connect({.will = will});
    good.disconnect(reason_code::disconnect_with_will_message);
    watch.receive("will", "dead");
    good.connect({.session_expiry = 60,
                  .will = will_request{.topic = "will", .payload = "dead", .delay = 50}});
    good.disconnect(reason_code::disconnect_with_will_message, 0);
    watch.receive("will", "dead"); // the session ended with the connection
}

TEST(HomeWill, AViolationAndATimeoutSendIt) {
    script s;
    script_client& watch = s.client("watch");
    watch.connect();
    watch.subscribe("will", qos::exactly_once);
    const will_request will{.topic = "will", .payload = "dead", .quality = qos::exactly_once};
    script_client& bad = s.client("bad");
    bad.connect({.will = will});
    bad.wire.send_connect({});
    bad.expect_closed(reason_code::protocol_error);
    watch.take("will", "dead");
    bad.connect({.keep_alive = 1, .will = will});
    s.advance(1700ms);
    bad.expect_closed(reason_code::keep_alive_timeout);
    watch.take("will", "dead");
}

TEST(HomeWill, ItsExpiryCountsFromItsPublication) {
    script s;
    script_client& who = s.client("a");
    who.connect({.session_expiry = 1000,
                 .will = will_request{.topic = "will",
                                      .payload = "dead",
                                      .quality = qos::at_least_once,
                                      .retain = true,
                                      .delay = 100,
                                      .expiry = 30}});
    who.cut();
    s.advance(110s);
    script_client& watch = s.client("watch");
    watch.connect();
    watch.subscribe("will", qos::at_least_once);
    const auto got = watch.take("will", "dead");
    EXPECT_TRUE(got.retain);
    EXPECT_NEAR(static_cast<double>(mqtt::property_view(got.properties)
                                        .number(mqtt::property::message_expiry_interval)
                                        .value_or(0)),
                20, 1);
    s.advance(30s);
    watch.disconnect();
    watch.connect();
    watch.subscribe("will", qos::at_least_once);
    watch.expect_nothing();
}

TEST(HomeWill, AShutDownSendsNone) {
    script s;
    script_client& watch = s.client("watch");
    watch.resume();
    watch.subscribe("will", qos::at_least_once);
    script_client& who = s.client("a");
    who.connect(
        {.will = will_request{.topic = "will", .payload = "dead", .quality = qos::at_least_once}});
    s.core().shut_down(reason_code::server_shutting_down);
    s.node.run();
    EXPECT_EQ(s.core().counts().wills, 0U);
}

TEST(Home, NothingIsLeftWhenAllHaveGone) {
    script s(on_shards(3));
    for (int i = 0; i < 20; ++i) {
        script_client& who = s.client("c" + std::to_string(i));
        who.connect(
            {.session_expiry = i % 2 == 0 ? 0U : 30U, .shard = static_cast<std::size_t>(i) % 3});
        who.subscribe("t/" + std::to_string(i % 4), qos::at_least_once);
        who.subscribe("$share/g/t/#", qos::at_least_once);
        who.cut();
    }
    s.advance(31s);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(s.core(i).sessions(), 0U);
        EXPECT_EQ(s.core(i).stored_sessions(), 0U);
        EXPECT_EQ(s.core(i).clients(), 0U);
        EXPECT_EQ(s.core(i).routing().filters(), 0U);
        EXPECT_EQ(s.core(i).routing().groups(), 0U);
    }
    EXPECT_EQ(s.node.bytes_in_use(), 0U);
}

// The old connection still had something to say when it was taken over: what it says late must not
// be held against the new one.
TEST(Home, AQos2MessageThatTheOldConnectionTookIsNotRoutedAgainForTheNewOne) {
    script s(on_shards(3));
    script_client& to = s.client("to");
    to.connect();
    to.subscribe("t", qos::exactly_once);
    const std::size_t home = s.node.home_of("a");
    script_client& old = s.client("a");
    old.connect({.clean_start = false, .session_expiry = 60, .shard = (home + 1) % 3});
    s.node.block_mail((home + 1) % 3, home, true);
    const packet_id id = old.publish("t", "m", qos::exactly_once);
    script_client& next = s.client("a#2");
    next.wire.send_connect({.clean_start = false, .session_expiry = 60, .shard = (home + 2) % 3});
    s.node.run();
    s.node.block_mail((home + 1) % 3, home, false);
    next.wire.listen();
    ASSERT_TRUE(next.wire.is_connected());
    next.wire.inbox.clear();
    next.wire.is_strict = false;
    next.wire.send(mqtt::publish_view{
        .topic = "t", .payload = "m", .id = id, .quality = qos::exactly_once, .dup = true});
    next.wire.listen();
    to.take("t", "m");
    to.expect_nothing();
}

TEST(Home, SeveralMayWaitForATakeoverAndLeaveMeanwhile) {
    for (const std::uint32_t expiry : {0U, 60U}) {
        script s(on_shards(2));
        const std::size_t home = s.node.home_of("a");
        const std::size_t away = home == 0 ? 1 : 0;
        script_client& old = s.client("a");
        old.connect({.clean_start = false, .session_expiry = expiry, .shard = away});
        s.node.block_mail(away, home, true);
        std::vector<script_client*> waiting;
        for (int i = 2; i < 6; ++i) {
            waiting.push_back(&s.client("a#" + std::to_string(i)));
            waiting.back()->wire.send_connect(
                {.clean_start = false, .session_expiry = expiry, .shard = home});
            s.node.run();
        }
        waiting[0]->wire.cut();
        waiting[3]->wire.cut();
        s.node.run();
        s.node.block_mail(away, home, false);
        for (script_client* each : waiting) {
            each->wire.listen();
        }
        old.expect_closed(reason_code::session_taken_over);
        for (const std::size_t replaced : {1U, 2U}) {
            waiting[replaced]->expect_refused(reason_code::server_busy);
        }
        s.advance(61s);
        EXPECT_EQ(s.core(home).sessions(), 0U);
        EXPECT_EQ(s.core(home).counts().connected + s.core(away).counts().connected, 0U);
    }
}

} // namespace
} // namespace gv::session
