// SPDX-License-Identifier: Apache-2.0
#include "broker/mqtt/decode.hpp"
#include "broker/mqtt/describe.hpp"
#include "tests/broker/mqtt/wire.hpp"

#include <gtest/gtest.h>

namespace gv::mqtt {
namespace {

using namespace std::string_view_literals;

/// The CONNECT in `bytes`; a failure of the test if it is none.
connect_view connect_of(std::string_view bytes) {
    const auto decoded = decode_whole(bytes, v3_1_1, peer::client);
    if (!decoded) {
        ADD_FAILURE() << describe(decoded.error());
        return {};
    }
    return std::get<connect_view>(*decoded);
}

TEST(DecodeConnect, V311WithEverything) {
    const auto bytes = wire(0x10, 45,                // CONNECT
                            0, 4, "MQTT",            // protocol name
                            4,                       // level
                            0xee,                    // user, password, retain, QoS 1, will, clean
                            0, 60,                   // keep alive
                            0, 6, "client",          // client id
                            0, 4, "gone",            // will topic
                            0, 3, "bye",             // will payload
                            0, 4, "user",            // user name
                            0, 8, "pass\0rd\xff"sv); // password
    const connect_view packet = connect_of(bytes);
    EXPECT_EQ(packet, (connect_view{.version = v3_1_1,
                                    .clean_start = true,
                                    .keep_alive = 60,
                                    .client_id = "client",
                                    .will = will_view{.topic = "gone",
                                                      .payload = "bye",
                                                      .quality = qos::at_least_once,
                                                      .retain = true},
                                    .username = "user",
                                    .password = "pass\0rd\xff"sv}));
}

TEST(DecodeConnect, V5WithProperties) {
    const auto bytes = wire(0x10, 42,          // CONNECT
                            0, 4, "MQTT",      // protocol name
                            5,                 // level
                            0x14,              // will of QoS 2
                            0xff, 0xff,        // keep alive
                            8,                 // property length
                            0x11, 0, 0, 0, 10, //   session expiry
                            0x21, 0, 5,        //   receive maximum
                            0, 2, "id",        // client id
                            8,                 // will property length
                            0x18, 0, 0, 0, 30, //   will delay
                            0x03, 0, 0,        //   content type, empty
                            0, 3, "w/t",       // will topic
                            0, 3, "\0\1\2"sv); // will payload
    const connect_view packet = connect_of(bytes);
    EXPECT_EQ(packet.version, v5);
    EXPECT_FALSE(packet.clean_start);
    EXPECT_EQ(packet.keep_alive, 65'535);
    EXPECT_EQ(packet.client_id, "id");
    EXPECT_EQ(packet.properties.number(property::session_expiry_interval), 10U);
    EXPECT_EQ(packet.properties.number(property::receive_maximum), 5U);
    ASSERT_TRUE(packet.will);
    EXPECT_EQ(packet.will->quality, qos::exactly_once);
    EXPECT_FALSE(packet.will->retain);
    EXPECT_EQ(packet.will->topic, "w/t");
    EXPECT_EQ(packet.will->payload, "\0\1\2"sv);
    EXPECT_EQ(packet.will->properties.number(property::will_delay_interval), 30U);
    EXPECT_EQ(packet.will->properties.text(property::content_type), "");
    EXPECT_FALSE(packet.username);
    EXPECT_FALSE(packet.password);
}

TEST(DecodeConnect, V5PasswordNeedsNoUserName) {
    const auto bytes = packet(0x10, text("MQTT"), 5, 0x42, u16(0), /* no properties */ 0, text(""),
                              text("secret"));
    const connect_view packet = connect_of(bytes);
    EXPECT_FALSE(packet.username);
    EXPECT_EQ(packet.password, "secret");
    EXPECT_EQ(packet.client_id, "");
}

TEST(DecodeConnect, EmptyUserNameAndPasswordArePresent) {
    const auto bytes = packet(0x10, text("MQTT"), 4, 0xc2, u16(0), text("c"), text(""), text(""));
    const connect_view packet = connect_of(bytes);
    EXPECT_EQ(packet.username, "");
    EXPECT_EQ(packet.password, "");
}

TEST(DecodeConnect, V31IsLenientWhereItsSpecificationIs) {
    const auto bytes = packet(0x1f,              // flags of the header are unused
                              text("MQIsdp"), 3, // protocol name and level
                              0xc3,              // user, password, clean; the lowest bit is unused
                              u16(30), text("a client identifier of more than 23 bytes"),
                              text("user")); // the password is absent though announced
    const connect_view packet = connect_of(bytes);
    EXPECT_EQ(packet.version, v3_1);
    EXPECT_EQ(packet.username, "user");
    EXPECT_FALSE(packet.password);
}

TEST(DecodeConnect, BridgesSetTheTopBitOfTheLevel) {
    const auto v311 = packet(0x10, text("MQTT"), 0x84, 0x02, u16(60), text("b"));
    EXPECT_TRUE(connect_of(v311).is_bridge);
    EXPECT_EQ(connect_of(v311).version, v3_1_1);
    const auto v31 = packet(0x10, text("MQIsdp"), 0x83, 0x02, u16(60), text("b"));
    EXPECT_TRUE(connect_of(v31).is_bridge);
    EXPECT_EQ(connect_of(v31).version, v3_1);
}

TEST(DecodeConnect, VersionIsKnownEvenIfTheRestIsWrong) {
    EXPECT_EQ(version_of_connect(wire(text("MQTT"), 5, 0xff)), v5);
    EXPECT_EQ(version_of_connect(wire(text("MQTT"), 4)), v3_1_1);
    EXPECT_EQ(version_of_connect(wire(text("MQIsdp"), 3)), v3_1);
    for (const auto& unknown : {wire(text("MQTT"), 6), wire(text("MQTT"), 3),
                                wire(text("MQIsdp"), 4), wire(text("mqtt"), 4), wire(text("MQTT")),
                                wire(text("MQTT"), 0x85), wire("GET /"), wire()}) {
        EXPECT_EQ(version_of_connect(unknown), std::nullopt) << testing::PrintToString(unknown);
    }
}

} // namespace
} // namespace gv::mqtt
