// SPDX-License-Identifier: Apache-2.0
#include "broker/mqtt/decode.hpp"
#include "broker/mqtt/describe.hpp"
#include "tests/broker/mqtt/wire.hpp"

#include <gtest/gtest.h>

#include <array>

namespace gv::mqtt {
namespace {

using namespace std::string_view_literals;

publish_view publish_of(std::string_view bytes, protocol_version version,
                        peer from = peer::client) {
    const auto decoded = decode_whole(bytes, version, from);
    if (!decoded) {
        ADD_FAILURE() << describe(decoded.error());
        return {};
    }
    return std::get<publish_view>(*decoded);
}

TEST(DecodePublish, Qos0HasNoPacketIdentifier) {
    const auto bytes = wire(0x31, 7,     // PUBLISH, retained
                            0, 3, "a/b", // topic
                            "hi");       // payload
    EXPECT_EQ(publish_of(bytes, v3_1_1),
              (publish_view{.topic = "a/b", .payload = "hi", .retain = true}));
}

TEST(DecodePublish, Qos1AndQos2HaveOne) {
    const auto first = wire(0x3a, 5,   // PUBLISH, DUP, QoS 1
                            0, 1, "a", // topic
                            1, 2);     // packet id; the payload is empty
    EXPECT_EQ(
        publish_of(first, v3_1),
        (publish_view{
            .topic = "a", .id = packet_id{0x0102}, .quality = qos::at_least_once, .dup = true}));
    const auto second = wire(0x34, 6,    // PUBLISH, QoS 2
                             0, 1, "a",  // topic
                             0xff, 0xff, // packet id
                             0);         // payload
    EXPECT_EQ(publish_of(second, v3_1_1), (publish_view{.topic = "a",
                                                        .payload = "\0"sv,
                                                        .id = packet_id{0xffff},
                                                        .quality = qos::exactly_once}));
}

TEST(DecodePublish, V5WithoutProperties) {
    const auto bytes = wire(0x32, 9,     // PUBLISH, QoS 1
                            0, 3, "a/b", // topic
                            0, 7,        // packet id
                            0,           // property length
                            "!");        // payload
    EXPECT_EQ(
        publish_of(bytes, v5),
        (publish_view{
            .topic = "a/b", .payload = "!", .id = packet_id{7}, .quality = qos::at_least_once}));
}

TEST(DecodePublish, V5HopPropertiesAreTakenOut) {
    const auto bytes = wire(0x30, 18,         // PUBLISH
                            0, 3, "a/b",      // topic
                            10,               // property length
                            0x23, 0, 9,       //   topic alias
                            0x02, 0, 0, 1, 0, //   message expiry
                            0x01, 1,          //   payload format
                            "hi");            // payload
    const publish_view packet = publish_of(bytes, v5);
    EXPECT_TRUE(packet.has_hop_properties);
    EXPECT_EQ(packet.topic_alias, 9);
    EXPECT_EQ(packet.message_expiry, 256U);
    EXPECT_EQ(packet.properties.number(property::payload_format_indicator), 1U);
    EXPECT_EQ(packet.payload, "hi");
}

TEST(DecodePublish, V5OtherPropertiesMayBeForwarded) {
    const auto bytes = packet(0x30, text("a/b"), 7, 0x26, text("k"), text("v"), "hi");
    const publish_view packet = publish_of(bytes, v5);
    EXPECT_FALSE(packet.has_hop_properties);
    EXPECT_EQ(packet.properties.raw(), bytes.substr(8, 7));
}

TEST(DecodePublish, AliasMayStandForTheTopic) {
    const auto bytes = packet(0x30, text(""), 3, 0x23, u16(1), "hi");
    const publish_view packet = publish_of(bytes, v5);
    EXPECT_EQ(packet.topic, "");
    EXPECT_EQ(packet.topic_alias, 1);
}

TEST(DecodePublish, ServerMaySendSubscriptionIdentifiers) {
    const auto bytes = packet(0x30, text("a"), 4, 0x0b, 1, 0x0b, 2, "hi");
    EXPECT_TRUE(publish_of(bytes, v5, peer::server).has_hop_properties);
}

TEST(DecodePublish, ExpiryOfZeroIsAnExpiry) {
    const auto bytes = packet(0x30, text("a"), 5, 0x02, u16(0), u16(0));
    EXPECT_EQ(publish_of(bytes, v5).message_expiry, 0U);
    EXPECT_TRUE(publish_of(bytes, v5).has_hop_properties);
}

TEST(DecodePublish, TopicsBeyondAsciiAndUnusualOnesAreGood) {
    for (const auto topic :
         {"/"sv, "caf\xc3\xa9/\xf0\x9f\x98\x80"sv, " "sv, "$SYS/a"sv, "a\x01"sv}) {
        for (const auto version : {v3_1, v3_1_1}) {
            EXPECT_EQ(publish_of(packet(0x30, text(topic)), version).topic, topic);
        }
        EXPECT_EQ(publish_of(packet(0x30, text(topic), 0), v5).topic, topic);
    }
}

TEST(DecodePublish, LongestTopicIsGood) {
    const std::string topic(65'535, 't');
    EXPECT_EQ(publish_of(packet(0x30, text(topic), "p"), v3_1_1).topic, topic);
}

TEST(DecodePublish, V31IgnoresDupOfQos0) {
    EXPECT_EQ(publish_of(packet(0x38, text("a")), v3_1), (publish_view{.topic = "a"}));
}

TEST(DecodePublish, ResultOfAnEarlierPacketIsOverwritten) {
    publish_view packet{.topic_alias = 5, .message_expiry = 7};
    packet.has_hop_properties = true;
    const std::string body = wire(text("a"), 0, "hi");
    ASSERT_FALSE(decode_publish(0x30, body, v5, peer::client, packet));
    EXPECT_EQ(packet, (publish_view{.topic = "a", .payload = "hi"}));
}

/// The inline path and the thorough one must agree on everything. All bodies of a few bytes out of
/// those that matter, in all versions and with all flags.
TEST(DecodePublish, BothPathsAgree) {
    constexpr std::array bytes = {'\0', '\1', '\2', '\3', 'a', '+', '\x80'};
    constexpr unsigned combinations = 7 * 7 * 7 * 7 * 7 * 7;
    for (unsigned n = 0; n < combinations; ++n) {
        std::string body;
        for (unsigned rest = n; body.size() < 6; rest /= 7) {
            body += bytes[rest % 7];
        }
        const std::string_view view = std::string_view(body).substr(n % 5 == 0 ? 1 : 0);
        const auto first_byte = static_cast<std::uint8_t>(0x30 + n % 16);
        for (const auto version : {v3_1_1, v5}) {
            publish_view quick;
            publish_view thorough;
            const auto quick_fault = decode_publish(first_byte, view, version, peer::client, quick);
            const auto fault =
                detail::decode_any_publish(first_byte, view, version, peer::client, thorough);
            ASSERT_EQ(quick_fault, fault) << testing::PrintToString(view);
            ASSERT_TRUE(fault || quick == thorough) << testing::PrintToString(view);
        }
    }
}

ack_view ack_of(std::string_view bytes, protocol_version version, peer from = peer::client) {
    const auto decoded = decode_whole(bytes, version, from);
    if (!decoded) {
        ADD_FAILURE() << describe(decoded.error());
        return {};
    }
    return std::get<ack_view>(*decoded);
}

struct ack_case {
    unsigned first_byte;
    packet_type type;
};

constexpr ack_case acks[] = {{0x40, packet_type::puback},
                             {0x50, packet_type::pubrec},
                             {0x62, packet_type::pubrel},
                             {0x70, packet_type::pubcomp}};

TEST(DecodeAck, TwoBytesMeanSuccess) {
    for (const auto& [first_byte, type] : acks) {
        for (const auto version : versions) {
            const auto bytes = wire(first_byte, 2, 0x12, 0x34); // packet id
            EXPECT_EQ(ack_of(bytes, version), (ack_view{.type = type, .id = packet_id{0x1234}}));
        }
    }
}

TEST(DecodeAck, ReasonMayComeWithoutProperties) {
    const auto bytes = wire(0x62, 3, // PUBREL
                            0, 1,    // packet id
                            0x92);   // packet identifier not found
    EXPECT_EQ(ack_of(bytes, v5), (ack_view{.type = packet_type::pubrel,
                                           .id = packet_id{1},
                                           .reason = reason_code::packet_identifier_not_found}));
    EXPECT_EQ(ack_of(wire(0x40, 4, 0, 1, 0x00, 0), v5), (ack_view{.id = packet_id{1}}));
}

TEST(DecodeAck, PropertiesMayFollow) {
    const auto bytes = wire(0x50, 10,           // PUBREC
                            0, 1,               // packet id
                            0x97,               // quota exceeded
                            6,                  // property length
                            0x1f, 0, 3, "why"); //   reason string
    const ack_view packet = ack_of(bytes, v5);
    EXPECT_EQ(packet.reason, reason_code::quota_exceeded);
    EXPECT_EQ(packet.properties.text(property::reason_string), "why");
}

TEST(DecodeAck, OnlyAServerKnowsOfNoSubscribers) {
    const auto bytes = wire(0x40, 3, 0, 1, 0x10);
    EXPECT_EQ(ack_of(bytes, v5, peer::server).reason, reason_code::no_matching_subscribers);
    EXPECT_FALSE(decode_whole(bytes, v5, peer::client));
}

TEST(DecodeAck, V31IgnoresFlags) {
    EXPECT_EQ(ack_of(wire(0x6a, 2, 0, 1), v3_1).type, packet_type::pubrel); // with DUP
    EXPECT_EQ(ack_of(wire(0x4f, 2, 0, 1), v3_1).type, packet_type::puback);
}

} // namespace
} // namespace gv::mqtt
