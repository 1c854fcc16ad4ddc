// SPDX-License-Identifier: Apache-2.0
#include "broker/mqtt/describe.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::mqtt {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Describe, PublishShowsSizeNotPayload) {
    EXPECT_EQ(describe(publish_view{.topic = "a/b",
                                    .payload = "secret",
                                    .id = packet_id{7},
                                    .quality = qos::at_least_once}),
              R"(PUBLISH d0 q1 r0 m7 "a/b" 6 bytes)");
}

TEST(Describe, ConnectShowsUserNotPassword) {
    property_writer properties;
    properties.add(property::receive_maximum, 10)
        .add(property::authentication_method, "SCRAM")
        .add(property::authentication_data, "proof");
    const std::string text =
        describe(connect_view{.version = protocol_version::v5,
                              .keep_alive = 60,
                              .client_id = "c",
                              .will = will_view{.topic = "gone", .payload = "bye"},
                              .username = "ann",
                              .password = "hunter2",
                              .properties = properties.view()});
    EXPECT_EQ(text, R"(CONNECT 5.0 "c" c1 k60 receive_maximum=10 authentication_method="SCRAM")"
                    R"( authentication_data=5 bytes user "ann" with password)"
                    R"( will q0 r0 "gone" 3 bytes)");
    EXPECT_THAT(text, Not(HasSubstr("hunter2")));
}

TEST(Describe, ForeignBytesCannotForgeALine) {
    EXPECT_EQ(describe(publish_view{.topic = "a\n\"\\\xc3\xa9"}),
              R"(PUBLISH d0 q0 r0 m0 "a\x0a\x22\x5c\xc3\xa9" 0 bytes)");
}

TEST(Describe, LongStringsAreCut) {
    const std::string topic(1'000, 't');
    EXPECT_EQ(describe(unsubscribe_view{.id = packet_id{1}, .filters = {topic}}),
              "UNSUBSCRIBE m1 \"" + std::string(256, 't') + "\"…");
}

TEST(Describe, EveryOtherPacket) {
    property_writer user;
    user.add_pair("k", "v");
    const std::pair<packet_view, std::string> rows[] = {
        {connack_view{.session_present = true}, "CONNACK success session present"},
        {ack_view{.type = packet_type::pubrec,
                  .id = packet_id{2},
                  .reason = reason_code::quota_exceeded,
                  .properties = user.view()},
         R"(PUBREC m2 quota_exceeded user_property="k":"v")"},
        {subscribe_view{.id = packet_id{3},
                        .filters = {{.filter = "a", .quality = qos::at_least_once},
                                    {.filter = "b",
                                     .no_local = true,
                                     .retain_as_published = true,
                                     .handling = retain_handling::never},
                                    {.filter = "c", .handling = retain_handling::if_new}}},
         R"(SUBSCRIBE m3 "a" q1 "b" q0 no local as published retained never "c" q0 retained if new)"},
        {suback_view{.type = packet_type::suback,
                     .id = packet_id{3},
                     .reasons = {reason_code::granted_qos_0, reason_code::not_authorized}},
         "SUBACK m3 granted_qos_0 not_authorized"},
        {suback_view{
             .type = packet_type::unsuback, .id = packet_id{4}, .reasons = {reason_code::success}},
         "UNSUBACK m4 success"},
        {pingreq_view{}, "PINGREQ"},
        {pingresp_view{}, "PINGRESP"},
        {disconnect_view{.reason = reason_code::session_taken_over},
         "DISCONNECT session_taken_over"},
        {auth_view{.reason = reason_code::re_authenticate}, "AUTH re_authenticate"},
    };
    for (const auto& [packet, text] : rows) {
        EXPECT_EQ(describe(packet), text);
    }
}

TEST(Describe, Violation) {
    EXPECT_EQ(describe(violation{.rule = "MQTT-3.3.1-4", .text = "The QoS is 3", .offset = 2}),
              "malformed_packet at byte 2: The QoS is 3 [MQTT-3.3.1-4]");
    EXPECT_EQ(describe(violation{.reason = reason_code::protocol_error, .text = "Odd"}),
              "protocol_error at byte 0: Odd");
}

TEST(Describe, VersionsAndTypesHaveNames) {
    EXPECT_EQ(version_name(protocol_version::v3_1), "3.1");
    EXPECT_EQ(version_name(protocol_version::v3_1_1), "3.1.1");
    EXPECT_EQ(version_name(protocol_version::v5), "5.0");
    EXPECT_EQ(type_name(packet_type{}), "RESERVED");
    EXPECT_EQ(type_name(packet_type::unsubscribe), "UNSUBSCRIBE");
    EXPECT_EQ(type_name(packet_type::auth), "AUTH");
}

} // namespace
} // namespace gv::mqtt
