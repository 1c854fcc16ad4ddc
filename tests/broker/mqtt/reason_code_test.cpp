// SPDX-License-Identifier: Apache-2.0
#include "broker/mqtt/describe.hpp"
#include "broker/mqtt/reason_code.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace gv::mqtt {
namespace {

std::string packets_of(packet_set packets) {
    std::string text;
    for (unsigned type = 1; type < 16; ++type) {
        if ((packets & (1U << type)) != 0) {
            text += ' ';
            text += type_name(static_cast<packet_type>(type));
        }
    }
    return text;
}

std::string print_table() {
    std::string text;
    for (const reason_row& row : reason_rows()) {
        char start[16];
        std::snprintf(start, sizeof start, "0x%02X ", static_cast<unsigned>(row.code));
        text += start + std::string(row.name) + " | " + std::string(row.text) + " |"
                + packets_of(row.packets);
        text += row.sender == reason_sender::client   ? " (client)"
                : row.sender == reason_sender::server ? " (server)"
                                                      : "";
        text += " | " + std::to_string(row.connack) + " " + std::to_string(row.suback) + "\n";
    }
    return text;
}

TEST(ReasonCode, WholeTableIsThatOfTheSpecification) {
    EXPECT_EQ(
        print_table(),
        R"(0x00 success | Success | CONNACK PUBACK PUBREC PUBREL PUBCOMP SUBACK UNSUBACK DISCONNECT AUTH | 0 0
0x01 granted_qos_1 | Granted QoS 1 | SUBACK | 0 1
0x02 granted_qos_2 | Granted QoS 2 | SUBACK | 0 2
0x04 disconnect_with_will_message | Disconnect with Will Message | DISCONNECT (client) | 0 0
0x10 no_matching_subscribers | No matching subscribers | PUBACK PUBREC (server) | 0 0
0x11 no_subscription_existed | No subscription existed | UNSUBACK | 0 0
0x18 continue_authentication | Continue authentication | AUTH | 0 0
0x19 re_authenticate | Re-authenticate | AUTH (client) | 0 0
0x80 unspecified_error | Unspecified error | CONNACK PUBACK PUBREC SUBACK UNSUBACK DISCONNECT | 3 128
0x81 malformed_packet | Malformed Packet | CONNACK DISCONNECT | 5 128
0x82 protocol_error | Protocol Error | CONNACK DISCONNECT | 5 128
0x83 implementation_specific_error | Implementation specific error | CONNACK PUBACK PUBREC SUBACK UNSUBACK DISCONNECT | 3 128
0x84 unsupported_protocol_version | Unsupported Protocol Version | CONNACK | 1 128
0x85 client_identifier_not_valid | Client Identifier not valid | CONNACK | 2 128
0x86 bad_user_name_or_password | Bad User Name or Password | CONNACK | 4 128
0x87 not_authorized | Not authorized | CONNACK PUBACK PUBREC SUBACK UNSUBACK DISCONNECT | 5 128
0x88 server_unavailable | Server unavailable | CONNACK | 3 128
0x89 server_busy | Server busy | CONNACK DISCONNECT (server) | 3 128
0x8A banned | Banned | CONNACK | 5 128
0x8B server_shutting_down | Server shutting down | DISCONNECT (server) | 3 128
0x8C bad_authentication_method | Bad authentication method | CONNACK DISCONNECT (server) | 5 128
0x8D keep_alive_timeout | Keep Alive timeout | DISCONNECT (server) | 3 128
0x8E session_taken_over | Session taken over | DISCONNECT (server) | 3 128
0x8F topic_filter_invalid | Topic Filter invalid | SUBACK UNSUBACK DISCONNECT (server) | 5 128
0x90 topic_name_invalid | Topic Name invalid | CONNACK PUBACK PUBREC DISCONNECT | 5 128
0x91 packet_identifier_in_use | Packet Identifier in use | PUBACK PUBREC SUBACK UNSUBACK | 3 128
0x92 packet_identifier_not_found | Packet Identifier not found | PUBREL PUBCOMP | 5 128
0x93 receive_maximum_exceeded | Receive Maximum exceeded | DISCONNECT | 5 128
0x94 topic_alias_invalid | Topic Alias invalid | DISCONNECT | 5 128
0x95 packet_too_large | Packet too large | CONNACK DISCONNECT | 5 128
0x96 message_rate_too_high | Message rate too high | DISCONNECT | 3 128
0x97 quota_exceeded | Quota exceeded | CONNACK PUBACK PUBREC SUBACK DISCONNECT | 3 128
0x98 administrative_action | Administrative action | DISCONNECT | 3 128
0x99 payload_format_invalid | Payload format invalid | CONNACK PUBACK PUBREC DISCONNECT | 5 128
0x9A retain_not_supported | Retain not supported | CONNACK DISCONNECT (server) | 5 128
0x9B qos_not_supported | QoS not supported | CONNACK DISCONNECT (server) | 5 128
0x9C use_another_server | Use another server | CONNACK DISCONNECT (server) | 3 128
0x9D server_moved | Server moved | CONNACK DISCONNECT (server) | 3 128
0x9E shared_subscriptions_not_supported | Shared Subscriptions not supported | SUBACK DISCONNECT (server) | 5 128
0x9F connection_rate_exceeded | Connection rate exceeded | CONNACK DISCONNECT (server) | 3 128
0xA0 maximum_connect_time | Maximum connect time | DISCONNECT (server) | 3 128
0xA1 subscription_identifiers_not_supported | Subscription Identifiers not supported | SUBACK DISCONNECT (server) | 5 128
0xA2 wildcard_subscriptions_not_supported | Wildcard Subscriptions not supported | SUBACK DISCONNECT (server) | 5 128
)");
}

TEST(ReasonCode, CodesRiseAndAreFoundAgain) {
    int last = -1;
    for (const reason_row& row : reason_rows()) {
        const auto value = static_cast<std::uint8_t>(row.code);
        EXPECT_GT(value, last);
        last = value;
        EXPECT_EQ(find_reason(value), &row);
        EXPECT_EQ(reason_name(row.code), row.name);
        EXPECT_EQ(reason_text(row.code), row.text);
        EXPECT_EQ(is_error(row.code), value >= 0x80);
    }
}

TEST(ReasonCode, UndefinedCodeIsUnknownAndNowhereAllowed) {
    constexpr auto undefined = static_cast<reason_code>(0xff);
    EXPECT_EQ(find_reason(0xff), nullptr);
    EXPECT_EQ(reason_name(undefined), "unknown");
    EXPECT_EQ(reason_text(undefined), "Unknown reason");
    EXPECT_FALSE(may_appear_in(undefined, packet_type::disconnect));
    EXPECT_EQ(v3_connack(undefined), 3);
    EXPECT_EQ(v3_suback(undefined), 0x80);
}

TEST(ReasonCode, SomeCodesAreOfOneEndOnly) {
    EXPECT_TRUE(may_send(reason_code::server_shutting_down, packet_type::disconnect, peer::server));
    EXPECT_FALSE(
        may_send(reason_code::server_shutting_down, packet_type::disconnect, peer::client));
    EXPECT_FALSE(may_send(reason_code::re_authenticate, packet_type::auth, peer::server));
    EXPECT_FALSE(may_send(reason_code::success, packet_type::auth, peer::client));
    EXPECT_TRUE(may_send(reason_code::success, packet_type::puback, peer::client));
    EXPECT_FALSE(may_send(reason_code::not_authorized, packet_type::disconnect, peer::client));
    EXPECT_TRUE(may_send(reason_code::not_authorized, packet_type::puback, peer::client));
    EXPECT_FALSE(may_send(reason_code::granted_qos_1, packet_type::puback, peer::client));
}

TEST(ReasonCode, V3ConnackCodesComeBack) {
    for (std::uint8_t code = 0; code < 6; ++code) {
        const auto reason = reason_of_v3_connack(code);
        ASSERT_TRUE(reason);
        EXPECT_EQ(v3_connack(*reason), code);
    }
    EXPECT_FALSE(reason_of_v3_connack(6));
}

} // namespace
} // namespace gv::mqtt
