// SPDX-License-Identifier: Apache-2.0
#include "broker/mqtt/decode.hpp"
#include "broker/mqtt/describe.hpp"
#include "tests/broker/mqtt/wire.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::mqtt {
namespace {

using testing::ElementsAre;

template <typename Packet>
Packet packet_of(std::string_view bytes, protocol_version version, peer from) {
    const auto decoded = decode_whole(bytes, version, from);
    if (!decoded) {
        ADD_FAILURE() << describe(decoded.error());
        return {};
    }
    return std::get<Packet>(*decoded);
}

TEST(DecodeConnack, V3CodesBecomeReasons) {
    const auto accepted = wire(0x20, 2, // CONNACK
                               1,       // session present
                               0);      // accepted
    EXPECT_EQ(packet_of<connack_view>(accepted, v3_1_1, peer::server),
              (connack_view{.session_present = true, .reason = reason_code::success}));
    const auto refused = wire(0x20, 2, // CONNACK
                              0,       // no session
                              2);      // identifier rejected
    EXPECT_EQ(packet_of<connack_view>(refused, v3_1_1, peer::server).reason,
              reason_code::client_identifier_not_valid);
    // 3.1 does not use the first byte.
    EXPECT_FALSE(
        packet_of<connack_view>(wire(0x20, 2, 0xff, 0), v3_1, peer::server).session_present);
}

TEST(DecodeConnack, V5HasProperties) {
    const auto bytes = wire(0x20, 11,         // CONNACK
                            0,                // no session
                            0,                // success
                            8,                // property length
                            0x12, 0, 2, "id", //   assigned client identifier
                            0x13, 0, 10);     //   server keep alive
    const auto packet = packet_of<connack_view>(bytes, v5, peer::server);
    EXPECT_EQ(packet.properties.text(property::assigned_client_identifier), "id");
    EXPECT_EQ(packet.properties.number(property::server_keep_alive), 10U);
}

TEST(DecodeSubscribe, V3HasFiltersAndQos) {
    const auto bytes = wire(0x82, 13,    // SUBSCRIBE
                            0, 10,       // packet id
                            0, 3, "a/b", // filter
                            1,           //   QoS 1
                            0, 2, "+#",  // a filter of no valid form is the session's business
                            2);          //   QoS 2
    const auto packet = packet_of<subscribe_view>(bytes, v3_1_1, peer::client);
    EXPECT_EQ(packet.id, packet_id{10});
    EXPECT_THAT(packet.filters,
                ElementsAre(subscription_request{.filter = "a/b", .quality = qos::at_least_once},
                            subscription_request{.filter = "+#", .quality = qos::exactly_once}));
}

TEST(DecodeSubscribe, V5HasOptions) {
    const auto bytes = wire(0x82, 17,         // SUBSCRIBE
                            0, 10,            // packet id
                            3,                // property length
                            0x0b, 0xac, 0x02, //   subscription identifier 300
                            0, 1, "a",        // filter
                            0x2e,             //   QoS 2, no local, as published, never retained
                            0, 1, "b",        // filter
                            0x10,             //   retained if new
                            0, 0,             // an empty filter is the session's business
                            0x00);
    const auto packet = packet_of<subscribe_view>(bytes, v5, peer::client);
    EXPECT_EQ(packet.properties.number(property::subscription_identifier), 300U);
    EXPECT_THAT(
        packet.filters,
        ElementsAre(subscription_request{.filter = "a",
                                         .quality = qos::exactly_once,
                                         .no_local = true,
                                         .retain_as_published = true,
                                         .handling = retain_handling::never},
                    subscription_request{.filter = "b", .handling = retain_handling::if_new},
                    subscription_request{.filter = ""}));
}

TEST(DecodeSubscribe, V31AllowsDupAndUnusedOptionBits) {
    const auto packet =
        packet_of<subscribe_view>(wire(0x8a, 6, 0, 1, 0, 1, "a", 0xf9), v3_1, peer::client);
    EXPECT_EQ(packet.filters.front().quality, qos::at_least_once);
}

TEST(DecodeSuback, HasOneReasonAFilter) {
    const auto v3 = wire(0x90, 6,        // SUBACK
                         0, 10,          // packet id
                         0, 1, 2, 0x80); // three grants, one failure
    EXPECT_EQ(
        packet_of<suback_view>(v3, v3_1_1, peer::server),
        (suback_view{.type = packet_type::suback,
                     .id = packet_id{10},
                     .reasons = {reason_code::granted_qos_0, reason_code::granted_qos_1,
                                 reason_code::granted_qos_2, reason_code::unspecified_error}}));
    const auto with_reasons = wire(0x90, 5,     // SUBACK
                                   0, 10,       // packet id
                                   0,           // property length
                                   0x87, 0x8f); // not authorized, filter invalid
    EXPECT_THAT(packet_of<suback_view>(with_reasons, v5, peer::server).reasons,
                ElementsAre(reason_code::not_authorized, reason_code::topic_filter_invalid));
}

TEST(DecodeUnsubscribe, HasFilters) {
    const auto v3 = wire(0xa2, 8,   // UNSUBSCRIBE
                         0, 11,     // packet id
                         0, 1, "a", // filters
                         0, 1, "b");
    EXPECT_THAT(packet_of<unsubscribe_view>(v3, v3_1_1, peer::client).filters,
                ElementsAre("a", "b"));
    const auto with_properties = packet(0xa2, u16(11), 7, 0x26, text("k"), text("v"), text("a"));
    const auto packet = packet_of<unsubscribe_view>(with_properties, v5, peer::client);
    EXPECT_EQ(packet.id, packet_id{11});
    EXPECT_TRUE(packet.properties.has(property::user_property));
    EXPECT_THAT(packet.filters, ElementsAre("a"));
}

TEST(DecodeUnsuback, HasReasonsSince5) {
    const auto v3 = wire(0xb0, 2, 0, 11);
    EXPECT_EQ(packet_of<suback_view>(v3, v3_1_1, peer::server),
              (suback_view{.type = packet_type::unsuback, .id = packet_id{11}}));
    const auto with_reasons = wire(0xb0, 5,     // UNSUBACK
                                   0, 11,       // packet id
                                   0,           // property length
                                   0x00, 0x11); // success, no subscription existed
    EXPECT_EQ(packet_of<suback_view>(with_reasons, v5, peer::server).reasons.back(),
              reason_code::no_subscription_existed);
}

TEST(DecodePing, IsEmpty) {
    for (const auto version : versions) {
        packet_of<pingreq_view>(wire(0xc0, 0), version, peer::client);
        packet_of<pingresp_view>(wire(0xd0, 0), version, peer::server);
    }
}

TEST(DecodeDisconnect, MayLeaveOffReasonAndProperties) {
    for (const auto version : versions) {
        EXPECT_EQ(packet_of<disconnect_view>(wire(0xe0, 0), version, peer::client),
                  disconnect_view{});
    }
    EXPECT_EQ(packet_of<disconnect_view>(wire(0xe0, 1, 0x04), v5, peer::client).reason,
              reason_code::disconnect_with_will_message);
    EXPECT_EQ(packet_of<disconnect_view>(wire(0xe0, 2, 0x8b, 0), v5, peer::server).reason,
              reason_code::server_shutting_down);
    const auto bytes = wire(0xe0, 7,            // DISCONNECT
                            0x00,               // normal
                            5,                  // property length
                            0x11, 0, 0, 0, 60); //   session expiry
    EXPECT_EQ(packet_of<disconnect_view>(bytes, v5, peer::client)
                  .properties.number(property::session_expiry_interval),
              60U);
}

TEST(DecodeAuth, CarriesMethodAndData) {
    const auto bytes = wire(0xf0, 15,            // AUTH
                            0x18,                // continue
                            13,                  // property length
                            0x15, 0, 5, "SCRAM", //   method
                            0x16, 0, 2, 0, 1);   //   data
    for (const auto from : {peer::client, peer::server}) {
        const auto packet = packet_of<auth_view>(bytes, v5, from);
        EXPECT_EQ(packet.reason, reason_code::continue_authentication);
        EXPECT_EQ(packet.properties.text(property::authentication_method), "SCRAM");
        EXPECT_EQ(packet.properties.text(property::authentication_data)->size(), 2U);
    }
    EXPECT_EQ(packet_of<auth_view>(wire(0xf0, 0), v5, peer::server).reason, reason_code::success);
}

TEST(Decode, EachEndSendsItsPacketsOnly) {
    const std::string from_server[] = {wire(0x20, 2, 0, 0), wire(0x90, 3, 0, 1, 0),
                                       wire(0xb0, 2, 0, 1), wire(0xd0, 0)};
    const std::string from_client[] = {packet(0x10, text("MQTT"), 4, 2, u16(0), text("c")),
                                       packet(0x82, u16(1), text("a"), 0),
                                       packet(0xa2, u16(1), text("a")), wire(0xc0, 0)};
    for (const std::string& bytes : from_server) {
        EXPECT_TRUE(decode_whole(bytes, v3_1_1, peer::server));
        const auto refused = decode_whole(bytes, v3_1_1, peer::client);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().reason, reason_code::protocol_error);
    }
    for (const std::string& bytes : from_client) {
        EXPECT_TRUE(decode_whole(bytes, v3_1_1, peer::client));
        const auto refused = decode_whole(bytes, v3_1_1, peer::server);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().reason, reason_code::protocol_error);
    }
}

} // namespace
} // namespace gv::mqtt
