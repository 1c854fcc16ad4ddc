// SPDX-License-Identifier: Apache-2.0
// CONNECT, DISCONNECT and deadlines: on_connect.cpp, on_disconnect.cpp, front.cpp.
#include "tests/support/session_script.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::session {
namespace {

using mqtt::packet_type;
using mqtt::property;
using mqtt::protocol_version;
using mqtt::reason_code;
using support::connect_request;
using support::node_options;
using support::on_shards;
using support::script;
using support::script_client;

/// The properties of the CONNACK.
std::string accepted_with(script_client& who, const connect_request& how) {
    who.wire.send_connect(how);
    const auto answer = who.next();
    const auto* connack = answer.as<mqtt::connack_view>();
    if (connack == nullptr || connack->reason != reason_code::success) {
        ADD_FAILURE() << support::text_of(answer);
        return {};
    }
    return std::string(connack->properties.raw());
}

TEST(SessionConnect, AnEmptyIdentifierIsAssigned) {
    script s(on_shards(2));
    script_client& one = s.client("");
    const std::string first = accepted_with(one, {});
    const auto id = mqtt::property_view(first).text(property::assigned_client_identifier);
    ASSERT_TRUE(id.has_value());
    script_client& two = s.client("#2");
    const std::string second = accepted_with(two, {});
    EXPECT_NE(mqtt::property_view(second).text(property::assigned_client_identifier), id);
    one.ping();
}

TEST(SessionConnect, AnEmptyIdentifierOfV3NeedsACleanSession) {
    script s;
    script_client& good = s.client("");
    good.connect({.version = protocol_version::v3_1_1});
    script_client& bad = s.client("#2");
    bad.wire.send_connect({.version = protocol_version::v3_1_1, .clean_start = false});
    bad.expect_refused(reason_code::client_identifier_not_valid);
}

TEST(SessionConnect, LimitsAreAnnounced) {
    node_options options;
    auto& limits = options.core.limits;
    limits.receive_maximum = 7;
    limits.packet_size_max = 1000;
    limits.quality_max = qos::at_least_once;
    limits.retain_available = false;
    limits.wildcards_available = false;
    limits.subscription_ids_available = false;
    limits.shared_available = false;
    limits.topic_alias_max_in = 3;
    limits.keep_alive_max = 60;
    limits.session_expiry_max = 100;
    script s(options);
    const std::string text =
        accepted_with(s.client("a"), {.session_expiry = 1000, .keep_alive = 90});
    const mqtt::property_view given(text);
    EXPECT_EQ(given.number(property::receive_maximum), 7U);
    EXPECT_EQ(given.number(property::maximum_packet_size), 1000U);
    EXPECT_EQ(given.number(property::maximum_qos), 1U);
    EXPECT_EQ(given.number(property::retain_available), 0U);
    EXPECT_EQ(given.number(property::wildcard_subscription_available), 0U);
    EXPECT_EQ(given.number(property::subscription_identifier_available), 0U);
    EXPECT_EQ(given.number(property::shared_subscription_available), 0U);
    EXPECT_EQ(given.number(property::topic_alias_maximum), 3U);
    EXPECT_EQ(given.number(property::server_keep_alive), 60U);
    EXPECT_EQ(given.number(property::session_expiry_interval), 100U);
}

TEST(SessionConnect, WithoutAnythingSpecialLittleIsSaid) {
    script s;
    const std::string text = accepted_with(s.client("a"), {});
    const mqtt::property_view given(text);
    EXPECT_FALSE(given.has(property::assigned_client_identifier));
    EXPECT_FALSE(given.has(property::server_keep_alive));
    EXPECT_FALSE(given.has(property::session_expiry_interval));
    EXPECT_FALSE(given.has(property::response_information));
}

TEST(SessionConnect, ResponseInformationOnlyToWhomAsks) {
    node_options options;
    options.core.limits.response_information = "answers/%c/";
    script s(options);
    mqtt::property_writer asks;
    asks.add(property::request_response_information, 1U);
    const std::string text = accepted_with(s.client("a"), {.more_properties = asks.take()});
    EXPECT_EQ(mqtt::property_view(text).text(property::response_information), "answers/a/");
}

TEST(SessionConnect, ASecondConnectEndsTheConnection) {
    script s;
    script_client& who = s.client("a");
    who.connect();
    who.wire.send_connect({});
    who.expect_closed(reason_code::protocol_error);
}

TEST(SessionConnect, WhatIsNoConnectIsClosedWithoutAWord) {
    script s;
    script_client& who = s.client("a");
    who.wire.open();
    who.wire.send(mqtt::pingreq_view{});
    who.wire.listen();
    EXPECT_TRUE(who.wire.is_closed());
    EXPECT_TRUE(who.wire.inbox.empty());
}

TEST(SessionConnect, VersionsThatAreSwitchedOffAreRefused) {
    node_options options;
    options.core.limits.allows_v3_1_1 = false;
    script s(options);
    script_client& who = s.client("a");
    who.wire.send_connect({.version = protocol_version::v3_1_1});
    who.expect_refused(reason_code::unsupported_protocol_version);
}

TEST(SessionConnect, NothingInTenSecondsIsTheEnd) {
    script s;
    script_client& silent = s.client("silent");
    silent.wire.open();
    script_client& talker = s.client("talker");
    talker.connect();
    s.advance(9900ms);
    EXPECT_FALSE(silent.wire.is_closed());
    s.advance(300ms);
    silent.wire.listen();
    EXPECT_TRUE(silent.wire.is_closed());
    EXPECT_TRUE(silent.wire.inbox.empty());
    EXPECT_FALSE(talker.wire.is_closed());
}

TEST(SessionConnect, AHalfConnectTimesOutToo) {
    script s;
    script_client& who = s.client("a");
    who.wire.open();
    who.wire.write(std::string_view("\x10\x20\x00", 3));
    s.advance(10'200ms);
    EXPECT_TRUE(who.wire.is_closed());
}

TEST(SessionKeepAlive, EndsAtOneAndAHalfTimes) {
    script s;
    script_client& who = s.client("a");
    who.connect({.keep_alive = 10});
    s.advance(14s);
    who.ping();
    s.advance(14'900ms);
    who.expect_nothing();
    s.advance(300ms);
    who.expect_closed(reason_code::keep_alive_timeout);
}

TEST(SessionKeepAlive, AnyPacketKeepsItAlive) {
    script s;
    script_client& who = s.client("a");
    who.connect({.keep_alive = 2});
    for (int i = 0; i < 10; ++i) {
        s.advance(2900ms);
        who.publish("t", "m" + std::to_string(i), qos::at_most_once);
    }
    who.expect_nothing();
}

TEST(SessionKeepAlive, ZeroMeansNever) {
    script s;
    script_client& who = s.client("a");
    who.connect({.keep_alive = 0});
    s.advance(100h);
    who.ping();
}

TEST(SessionKeepAlive, AMaximumHoldsForZeroToo) {
    node_options options;
    options.core.limits.keep_alive_max = 10;
    script s(options);
    script_client& who = s.client("a");
    who.connect({.keep_alive = 0});
    s.advance(15'200ms);
    who.expect_closed(reason_code::keep_alive_timeout);
}

TEST(SessionDisconnect, ReasonTextsAreLeftOutWhereTheyDoNotFit) {
    script s;
    script_client& who = s.client("a");
    who.connect({.packet_size_max = 40});
    who.wire.send_connect({.packet_size_max = 40});
    who.expect_closed(reason_code::protocol_error); // the client throws on a larger packet
}

// [MQTT-3.1.2-24]
TEST(SessionDisconnect, WhomNoConnackFitsIsClosedWithoutAWord) {
    script s;
    script_client& who = s.client("a");
    who.wire.send_connect({.packet_size_max = 4});
    who.wire.listen();
    EXPECT_TRUE(who.wire.is_closed());
    EXPECT_FALSE(who.has_next());
}

TEST(SessionDisconnect, ARefusalFitsToo) {
    node_options options;
    options.core.limits.retain_available = false;
    script s(options);
    script_client& who = s.client("a");
    who.wire.send_connect(
        {.packet_size_max = 30,
         .will = support::will_request{.topic = "t", .payload = "w", .retain = true}});
    who.expect_refused(reason_code::retain_not_supported);
}

TEST(SessionDisconnect, AnExpiryCannotBeRaisedFromZero) {
    script s;
    script_client& who = s.client("a");
    who.connect();
    who.wire.send_disconnect(reason_code::success, 10);
    who.expect_closed(reason_code::protocol_error);
}

TEST(SessionDisconnect, NorAfterResumingWithZero) {
    script s;
    script_client& who = s.client("a");
    who.resume();
    who.cut();
    who.connect({.clean_start = false, .session_expiry = 0});
    who.wire.send_disconnect(reason_code::success, 10);
    who.expect_closed(reason_code::protocol_error);
}

TEST(SessionDisconnect, WhatComesBehindItIsIgnored) {
    script s;
    script_client& to = s.client("to");
    to.connect();
    to.subscribe("t", qos::at_most_once);
    script_client& who = s.client("a");
    who.connect();
    std::string bytes;
    mqtt::encode(mqtt::disconnect_view{}, protocol_version::v5, bytes);
    mqtt::encode(mqtt::publish_view{.topic = "t", .payload = "late"}, protocol_version::v5, bytes);
    who.wire.write(bytes);
    to.expect_nothing();
}

TEST(SessionShutDown, EverybodyIsToldInTheirWay) {
    script s(on_shards(2));
    script_client& five = s.client("five");
    five.resume();
    script_client& three = s.client("three");
    three.connect({.version = protocol_version::v3_1_1, .shard = 1});
    script_client& silent = s.client("silent");
    silent.wire.open(1);
    s.core(0).shut_down(reason_code::server_shutting_down);
    s.core(1).shut_down(reason_code::server_shutting_down);
    five.expect_closed(reason_code::server_shutting_down);
    three.expect_closed();
    EXPECT_TRUE(three.wire.inbox.empty());
    silent.wire.listen();
    EXPECT_TRUE(silent.wire.is_closed());
    EXPECT_EQ(s.node.core(0).counts().connected + s.node.core(1).counts().connected, 0U);
}

TEST(SessionDisconnect, TooLargeAPacketIsRefusedBeforeItHasArrived) {
    node_options options;
    options.core.limits.packet_size_max = 100;
    script s(options);
    script_client& who = s.client("a");
    who.connect();
    who.wire.write(std::string_view("\x30\xc8\x01", 3)); // 200 bytes to come
    who.expect_closed(reason_code::packet_too_large);
}

TEST(SessionDisconnect, AMalformedLengthEndsTheConnection) {
    script s;
    script_client& who = s.client("a");
    who.connect();
    who.wire.write(std::string_view("\x30\xff\xff\xff\xff", 5));
    who.expect_closed(reason_code::malformed_packet);
}

} // namespace
} // namespace gv::session
