// SPDX-License-Identifier: Apache-2.0
// Packets that are wrong by themselves, one row each: bytes, and the reason, the rule and the byte
// that decoding names.
#include "broker/mqtt/decode.hpp"
#include "broker/mqtt/describe.hpp"
#include "tests/broker/mqtt/wire.hpp"

#include <gtest/gtest.h>

#include <string>

namespace gv::mqtt {
namespace {

using namespace std::string_view_literals;

constexpr auto malformed = reason_code::malformed_packet;
constexpr auto protocol = reason_code::protocol_error;
constexpr auto bad_topic = reason_code::topic_name_invalid;
constexpr auto bad_version = reason_code::unsupported_protocol_version;
constexpr auto bad_client = reason_code::client_identifier_not_valid;

struct bad_packet {
    std::string_view what;
    std::string bytes;
    reason_code reason;
    std::string_view rule;
    std::uint32_t offset;
};

void expect_refused(const bad_packet& row, protocol_version version, peer from) {
    const auto decoded = decode_whole(row.bytes, version, from);
    ASSERT_FALSE(decoded) << row.what << " was decoded: " << describe(*decoded);
    const violation& found = decoded.error();
    EXPECT_EQ(describe(violation{found.reason, found.rule, "", found.offset}),
              describe(violation{row.reason, row.rule, "", row.offset}))
        << row.what << ": " << found.text;
    EXPECT_FALSE(found.text.empty()) << row.what;
}

template <std::size_t Rows>
void expect_all_refused(const bad_packet (&rows)[Rows], protocol_version version, peer from) {
    for (const bad_packet& row : rows) {
        expect_refused(row, version, from);
    }
}

/// A CONNECT of 3.1.1 with those flags, keep alive 0 and that payload.
template <typename... Fields>
std::string connect_v311(unsigned flags, const Fields&... payload) {
    return packet(0x10, text("MQTT"), 4, flags, u16(0), payload...);
}

/// A CONNECT of 5.0 without properties.
template <typename... Fields>
std::string connect_v5(unsigned flags, const Fields&... payload) {
    return packet(0x10, text("MQTT"), 5, flags, u16(0), 0, payload...);
}

TEST(Malformed, ConnectOfUnknownProtocol) {
    const bad_packet rows[] = {
        {"empty", packet(0x10), malformed, "", 0},
        {"name cut off", packet(0x10, u16(4), "MQT"), malformed, "", 0},
        {"name in lower case", packet(0x10, text("mqtt"), 4, 2, u16(0), text("c")), bad_version,
         "MQTT-3.1.2-1", 0},
        {"empty name", packet(0x10, text(""), 4, 2, u16(0), text("c")), bad_version, "MQTT-3.1.2-1",
         0},
        {"no level", packet(0x10, text("MQTT")), malformed, "", 6},
        {"level 6", packet(0x10, text("MQTT"), 6, 2, u16(0), text("c")), bad_version,
         "MQTT-3.1.2-2", 6},
        {"level 0", packet(0x10, text("MQTT"), 0, 2, u16(0), text("c")), bad_version,
         "MQTT-3.1.2-2", 6},
        {"name of 3.1, level of 3.1.1", packet(0x10, text("MQIsdp"), 4, 2, u16(0), text("c")),
         bad_version, "MQTT-3.1.2-2", 8},
        {"name of 3.1.1, level of 3.1", packet(0x10, text("MQTT"), 3, 2, u16(0), text("c")),
         bad_version, "MQTT-3.1.2-2", 6},
    };
    expect_all_refused(rows, v5, peer::client);
}

TEST(Malformed, ConnectOf31) {
    const auto connect = [](unsigned flags, const auto&... payload) {
        return packet(0x10, text("MQIsdp"), 3, flags, u16(0), payload...);
    };
    const bad_packet rows[] = {
        {"no client id", connect(2, text("")), bad_client, "", 12},
        {"will QoS 3", connect(0x1e, text("c"), text("w"), text("")), malformed, "MQTT-3.1.2-14",
         9},
        {"password without user", connect(0x42, text("c"), text("p")), malformed, "MQTT-3.1.2-22",
         9},
        {"user name cut off", connect(0x82, text("c"), u16(4), "use"), malformed, "", 15},
        {"more than its fields", connect(2, text("c"), 0), malformed, "", 15},
    };
    expect_all_refused(rows, v3_1, peer::client);
}

TEST(Malformed, ConnectOf311) {
    const bad_packet rows[] = {
        {"header flags", packet(0x11, text("MQTT"), 4, 2, u16(0), text("c")), malformed,
         "MQTT-2.2.2-2", 6},
        {"reserved connect flag", connect_v311(3, text("c")), malformed, "MQTT-3.1.2-3", 7},
        {"will QoS without will", connect_v311(0x0a, text("c")), malformed, "MQTT-3.1.2-13", 7},
        {"will retain without will", connect_v311(0x22, text("c")), malformed, "MQTT-3.1.2-15", 7},
        {"will QoS 3", connect_v311(0x1e, text("c"), text("w"), text("")), malformed,
         "MQTT-3.1.2-14", 7},
        {"password without user", connect_v311(0x42, text("c"), text("p")), malformed,
         "MQTT-3.1.2-22", 7},
        {"keep alive cut off", packet(0x10, text("MQTT"), 4, 2, 0), malformed, "", 8},
        {"client id missing", connect_v311(2), malformed, "", 10},
        {"client id cut off", connect_v311(2, u16(3), "cl"), malformed, "", 10},
        {"client id is not UTF-8", connect_v311(2, text("\xff")), malformed, "MQTT-1.5.3-1", 10},
        {"client id holds NUL", connect_v311(2, text("\0"sv)), malformed, "MQTT-1.5.3-2", 10},
        {"no client id for a session that is kept", connect_v311(0, text("")), bad_client,
         "MQTT-3.1.3-8", 10},
        {"will missing", connect_v311(6, text("c")), malformed, "", 13},
        {"will payload missing", connect_v311(6, text("c"), text("w")), malformed, "", 16},
        {"will topic empty", connect_v311(6, text("c"), text(""), text("")), bad_topic,
         "MQTT-4.7.3-1", 13},
        {"wildcard in the will topic", connect_v311(6, text("c"), text("w/#"), text("")), bad_topic,
         "MQTT-4.7.1-1", 13},
        {"will topic is not UTF-8", connect_v311(6, text("c"), text("\xc3"), text("")), malformed,
         "MQTT-1.5.3-1", 13},
        {"user name missing", connect_v311(0x82, text("c")), malformed, "", 13},
        {"user name is not UTF-8", connect_v311(0x82, text("c"), text("\xed\xa0\x80")), malformed,
         "MQTT-1.5.3-1", 13},
        {"password missing", connect_v311(0xc2, text("c"), text("u")), malformed, "", 16},
        {"more than its flags announce", connect_v311(2, text("c"), text("u")), malformed, "", 13},
    };
    expect_all_refused(rows, v3_1_1, peer::client);
}

TEST(Malformed, ConnectOf5) {
    const auto with_properties = [](const std::string& properties) {
        return packet(0x10, text("MQTT"), 5, 2, u16(0), properties.size(), properties, text("c"));
    };
    const bad_packet rows[] = {
        {"header flags", packet(0x18, text("MQTT"), 5, 2, u16(0), 0, text("c")), malformed,
         "MQTT-2.1.3-1", 6},
        {"level of a bridge", packet(0x10, text("MQTT"), 0x85, 2, u16(0), 0, text("c")),
         bad_version, "MQTT-3.1.2-2", 6},
        {"reserved connect flag", connect_v5(3, text("c")), malformed, "MQTT-3.1.2-3", 7},
        {"will QoS without will", connect_v5(0x0a, text("c")), malformed, "MQTT-3.1.2-11", 7},
        {"will retain without will", connect_v5(0x22, text("c")), malformed, "MQTT-3.1.2-13", 7},
        {"will QoS 3", connect_v5(0x1e, text("c"), 0, text("w"), text("")), malformed,
         "MQTT-3.1.2-12", 7},
        {"property length missing", packet(0x10, text("MQTT"), 5, 2, u16(0)), malformed, "", 10},
        {"property length beyond the packet",
         packet(0x10, text("MQTT"), 5, 2, u16(0), 9, text("c")), malformed, "", 10},
        {"property length of five bytes",
         packet(0x10, text("MQTT"), 5, 2, u16(0), 0x80, 0x80, 0x80, 0x80, 0, text("c")), malformed,
         "", 10},
        {"property length longer than needed",
         packet(0x10, text("MQTT"), 5, 2, u16(0), 0x80, 0, text("c")), malformed, "MQTT-1.5.5-1",
         10},
        {"property of another packet", with_properties(wire(0x23, u16(1))), malformed, "", 11},
        {"will property outside the will", with_properties(wire(0x18, u16(0), u16(1))), malformed,
         "", 11},
        {"receive maximum 0", with_properties(wire(0x21, u16(0))), protocol, "", 11},
        {"maximum packet size 0", with_properties(wire(0x27, u16(0), u16(0))), protocol, "", 11},
        {"session expiry twice", with_properties(wire(0x11, u16(0), u16(1), 0x11, u16(0), u16(1))),
         protocol, "", 16},
        {"authentication data without method", with_properties(wire(0x16, text("d"))), protocol, "",
         10},
        {"client id is not UTF-8", connect_v5(2, text("\xc0\x80")), malformed, "MQTT-1.5.4-1", 11},
        {"will properties missing", connect_v5(6, text("c")), malformed, "", 14},
        {"property of CONNECT in the will",
         connect_v5(6, text("c"), 3, 0x21, u16(1), text("w"), text("")), malformed, "", 15},
        {"wildcard in the response topic of the will",
         connect_v5(6, text("c"), 4, 0x08, text("+"), text("w"), text("")), protocol,
         "MQTT-3.3.2-14", 14},
        {"wildcard in the will topic", connect_v5(6, text("c"), 0, text("+"), text("")), bad_topic,
         "MQTT-4.7.1-1", 15},
        {"user name holds NUL", connect_v5(0x82, text("c"), text("a\0b"sv)), malformed,
         "MQTT-1.5.4-2", 14},
        {"more than its flags announce", connect_v5(2, text("c"), 1), malformed, "", 14},
    };
    expect_all_refused(rows, v3_1_1, peer::client);
}

TEST(Malformed, PublishOf3) {
    const bad_packet rows[] = {
        {"QoS 3", packet(0x36, text("a"), u16(1)), malformed, "MQTT-3.3.1-4", 0},
        {"DUP with QoS 0", packet(0x38, text("a")), malformed, "MQTT-3.3.1-2", 0},
        {"empty packet", packet(0x30), malformed, "", 0},
        {"one byte", packet(0x30, 0), malformed, "", 0},
        {"topic beyond the packet", packet(0x30, u16(5), "abcd"), malformed, "", 0},
        {"topic empty", packet(0x30, text(""), "hi"), bad_topic, "MQTT-4.7.3-1", 0},
        {"# in the topic", packet(0x30, text("a/#")), bad_topic, "MQTT-3.3.2-2", 0},
        {"+ in a long topic", packet(0x30, text("a/long/+/topic")), bad_topic, "MQTT-3.3.2-2", 0},
        {"topic holds NUL", packet(0x30, text("a\0b"sv)), malformed, "MQTT-1.5.3-2", 0},
        {"topic is not UTF-8", packet(0x30, text("a\xff")), malformed, "MQTT-1.5.3-1", 0},
        {"surrogate in the topic", packet(0x30, text("\xed\xbf\xbf")), malformed, "MQTT-1.5.3-1",
         0},
        {"packet id missing", packet(0x32, text("a")), malformed, "", 3},
        {"packet id cut off", packet(0x32, text("a"), 0), malformed, "", 3},
        {"packet id 0", packet(0x34, text("a"), u16(0), "hi"), protocol, "MQTT-2.3.1-1", 3},
    };
    expect_all_refused(rows, v3_1_1, peer::client);
    expect_all_refused(rows, v3_1_1, peer::server);
}

TEST(Malformed, PublishOf5) {
    const auto with_properties = [](const std::string& properties) {
        return packet(0x30, text("a"), properties.size(), properties, "hi");
    };
    const bad_packet rows[] = {
        {"QoS 3", packet(0x37, text("a"), u16(1), 0), malformed, "MQTT-3.3.1-4", 0},
        {"DUP with QoS 0", packet(0x39, text("a"), 0), malformed, "MQTT-3.3.1-2", 0},
        {"topic is not UTF-8", packet(0x30, text("\xf5"), 0), malformed, "MQTT-1.5.4-1", 0},
        {"topic holds NUL", packet(0x30, text("\0"sv), 0), malformed, "MQTT-1.5.4-2", 0},
        {"wildcard in the topic", packet(0x30, text("+"), 0), bad_topic, "MQTT-3.3.2-2", 0},
        {"neither topic nor alias", packet(0x30, text(""), 0), protocol, "MQTT-4.7.3-1", 2},
        {"packet id 0", packet(0x32, text("a"), u16(0), 0), protocol, "MQTT-2.2.1-3", 3},
        {"property length missing", packet(0x30, text("a")), malformed, "", 3},
        {"property length beyond the packet", packet(0x30, text("a"), 2, 0x01), malformed, "", 3},
        {"property length longer than needed", packet(0x30, text("a"), 0x80, 0), malformed,
         "MQTT-1.5.5-1", 3},
        {"topic alias 0", with_properties(wire(0x23, u16(0))), reason_code::topic_alias_invalid,
         "MQTT-3.3.2-8", 4},
        {"topic alias twice", with_properties(wire(0x23, u16(1), 0x23, u16(1))), protocol, "", 7},
        {"payload format 2", with_properties(wire(0x01, 2)), protocol, "", 4},
        {"subscription identifier of a client", with_properties(wire(0x0b, 1)), protocol,
         "MQTT-3.3.4-6", 3},
        {"wildcard in the response topic", with_properties(wire(0x08, text("a/#"))), protocol,
         "MQTT-3.3.2-14", 3},
        {"response topic empty", with_properties(wire(0x08, text(""))), protocol, "MQTT-3.3.2-14",
         3},
        {"response topic is not UTF-8", with_properties(wire(0x08, text("\xff"))), malformed,
         "MQTT-1.5.4-1", 4},
        {"property of CONNECT", with_properties(wire(0x11, u16(0), u16(1))), malformed, "", 4},
    };
    expect_all_refused(rows, v5, peer::client);
}

TEST(Malformed, Acknowledgements) {
    for (const unsigned first_byte : {0x40U, 0x50U, 0x62U, 0x70U}) {
        const bool is_release = first_byte == 0x62;
        const bad_packet before_5[] = {
            {"header flags", packet(first_byte ^ 1, u16(1)), malformed,
             is_release ? "MQTT-3.6.1-1"sv : "MQTT-2.2.2-2"sv, 0},
            {"empty", packet(first_byte), malformed, "", 0},
            {"packet id cut off", packet(first_byte, 1), malformed, "", 0},
            {"packet id 0", packet(first_byte, u16(0)), protocol, "MQTT-2.3.1-1", 0},
            {"reason before 5.0", packet(first_byte, u16(1), 0), malformed, "", 2},
        };
        expect_all_refused(before_5, v3_1_1, peer::client);
        const std::string_view reason_rule = first_byte == 0x40   ? "MQTT-3.4.2-1"
                                             : first_byte == 0x50 ? "MQTT-3.5.2-1"
                                             : is_release         ? "MQTT-3.6.2-1"
                                                                  : "MQTT-3.7.2-1";
        const bad_packet since_5[] = {
            {"header flags", packet(first_byte ^ 4, u16(1)), malformed,
             is_release ? "MQTT-3.6.1-1"sv : "MQTT-2.1.3-1"sv, 0},
            {"packet id 0", packet(first_byte, u16(0)), protocol, "MQTT-2.2.1-3", 0},
            {"reason of another packet", packet(first_byte, u16(1), 0x8e), protocol, reason_rule,
             2},
            {"reason that does not exist", packet(first_byte, u16(1), 0x7f, 0), protocol,
             reason_rule, 2},
            {"property of another packet", packet(first_byte, u16(1), 0, 2, 0x01, 1), malformed, "",
             4},
            {"property length beyond the packet", packet(first_byte, u16(1), 0, 1), malformed, "",
             3},
            {"more than its properties", packet(first_byte, u16(1), 0, 0, 0), malformed, "", 4},
        };
        expect_all_refused(since_5, v5, peer::client);
        expect_all_refused(since_5, v5, peer::server);
    }
}

TEST(Malformed, SubscribeOf3) {
    const bad_packet rows[] = {
        {"header flags", packet(0x80, u16(1), text("a"), 0), malformed, "MQTT-3.8.1-1", 0},
        {"empty", packet(0x82), malformed, "", 0},
        {"packet id 0", packet(0x82, u16(0), text("a"), 0), protocol, "MQTT-2.3.1-1", 0},
        {"no filter", packet(0x82, u16(1)), protocol, "MQTT-3.8.3-3", 0},
        {"QoS missing", packet(0x82, u16(1), text("a")), malformed, "", 5},
        {"QoS 3", packet(0x82, u16(1), text("a"), 3), malformed, "MQTT-3-8.3-4", 5},
        {"reserved bits", packet(0x82, u16(1), text("a"), 4), malformed, "MQTT-3-8.3-4", 5},
        {"filter is not UTF-8", packet(0x82, u16(1), text("\xfe"), 0), malformed, "MQTT-1.5.3-1",
         2},
        {"filter holds NUL", packet(0x82, u16(1), text("\0"sv), 0), malformed, "MQTT-1.5.3-2", 2},
        {"second filter cut off", packet(0x82, u16(1), text("a"), 0, u16(2), "b"), malformed, "",
         6},
    };
    expect_all_refused(rows, v3_1_1, peer::client);
}

TEST(Malformed, SubscribeOf5) {
    const auto with_option = [](unsigned options, std::string_view filter = "a") {
        return packet(0x82, u16(1), 0, text(filter), options);
    };
    const bad_packet rows[] = {
        {"header flags", packet(0x8a, u16(1), 0, text("a"), 0), malformed, "MQTT-3.8.1-1", 0},
        {"no filter", packet(0x82, u16(1), 0), protocol, "MQTT-3.8.3-2", 2},
        {"property length missing", packet(0x82, u16(1)), malformed, "", 2},
        {"QoS 3", with_option(3), protocol, "", 6},
        {"retain handling 3", with_option(0x30), protocol, "", 6},
        {"reserved bit 6", with_option(0x40), malformed, "MQTT-3.8.3-5", 6},
        {"reserved bit 7", with_option(0x80), malformed, "MQTT-3.8.3-5", 6},
        {"No Local on a shared subscription", with_option(4, "$share/g/a"), protocol,
         "MQTT-3.8.3-4", 15},
        {"subscription identifier 0", packet(0x82, u16(1), 2, 0x0b, 0, text("a"), 0), protocol, "",
         3},
        {"two subscription identifiers", packet(0x82, u16(1), 4, 0x0b, 1, 0x0b, 2, text("a"), 0),
         protocol, "", 5},
    };
    expect_all_refused(rows, v5, peer::client);
}

TEST(Malformed, Unsubscribe) {
    const bad_packet before_5[] = {
        {"header flags", packet(0xa0, u16(1), text("a")), malformed, "MQTT-3.10.1-1", 0},
        {"no filter", packet(0xa2, u16(1)), protocol, "MQTT-3.10.3-2", 0},
        {"packet id 0", packet(0xa2, u16(0), text("a")), protocol, "MQTT-2.3.1-1", 0},
        {"filter is not UTF-8", packet(0xa2, u16(1), text("\x80")), malformed, "MQTT-1.5.3-1", 2},
        {"filter cut off", packet(0xa2, u16(1), u16(1)), malformed, "", 2},
    };
    expect_all_refused(before_5, v3_1_1, peer::client);
    const bad_packet since_5[] = {
        {"no filter", packet(0xa2, u16(1), 0), protocol, "MQTT-3.10.3-2", 2},
        {"subscription identifier", packet(0xa2, u16(1), 2, 0x0b, 1, text("a")), malformed, "", 3},
    };
    expect_all_refused(since_5, v5, peer::client);
}

TEST(Malformed, PingAndDisconnectAndAuth) {
    const bad_packet before_5[] = {
        {"PINGREQ with flags", packet(0xc1), malformed, "MQTT-2.2.2-2", 0},
        {"PINGREQ with a body", packet(0xc0, 0), malformed, "", 0},
        {"DISCONNECT with flags", packet(0xe2), malformed, "MQTT-3.14.1-1", 0},
        {"DISCONNECT with a body", packet(0xe0, 0), malformed, "", 0},
        {"AUTH before 5.0", packet(0xf0), malformed, "", 0},
        {"type 0", packet(0x00), malformed, "", 0},
    };
    expect_all_refused(before_5, v3_1_1, peer::client);
    const bad_packet since_5[] = {
        {"PINGREQ with flags", packet(0xc8), malformed, "MQTT-2.1.3-1", 0},
        {"DISCONNECT with flags", packet(0xe1), malformed, "MQTT-3.14.1-1", 0},
        {"DISCONNECT of a server", packet(0xe0, 0x8b), protocol, "MQTT-3.14.2-1", 0},
        {"DISCONNECT with a reason of another packet", packet(0xe0, 0x01), protocol,
         "MQTT-3.14.2-1", 0},
        {"DISCONNECT with more than its properties", packet(0xe0, 0, 0, 0), malformed, "", 2},
        {"AUTH with flags", packet(0xf2), malformed, "MQTT-3.15.1-1", 0},
        {"AUTH that succeeds, of a client", packet(0xf0), protocol, "MQTT-3.15.2-1", 0},
        {"AUTH with a reason of another packet", packet(0xf0, 0x80, 0), protocol, "MQTT-3.15.2-1",
         0},
        {"AUTH without a method", packet(0xf0, 0x18, 0), protocol, "", 1},
        {"AUTH without properties", packet(0xf0, 0x19), protocol, "", 0},
        {"type 0", packet(0x0f), malformed, "", 0},
    };
    expect_all_refused(since_5, v5, peer::client);
}

TEST(Malformed, FromAServerBefore5) {
    const bad_packet rows[] = {
        {"CONNACK with flags", packet(0x21, 0, 0), malformed, "MQTT-2.2.2-2", 0},
        {"CONNACK cut off", packet(0x20, 0), malformed, "", 1},
        {"CONNACK with reserved flags", packet(0x20, 2, 0), malformed, "", 0},
        {"CONNACK with a reserved code", packet(0x20, 0, 6), protocol, "MQTT-3.2.2-6", 1},
        {"refused with a session", packet(0x20, 1, 5), protocol, "MQTT-3.2.2-4", 1},
        {"SUBACK with a reserved code", packet(0x90, u16(1), 3), protocol, "MQTT-3.9.3-2", 2},
        {"SUBACK without codes", packet(0x90, u16(1)), protocol, "", 0},
        {"UNSUBACK with a body", packet(0xb0, u16(1), 0), malformed, "", 2},
        {"PINGRESP with a body", packet(0xd0, 0), malformed, "", 0},
        {"DISCONNECT", packet(0xe0), protocol, "", 0},
    };
    expect_all_refused(rows, v3_1_1, peer::server);
}

TEST(Malformed, FromAServerSince5) {
    const bad_packet rows[] = {
        {"CONNACK with reserved flags", packet(0x20, 2, 0, 0), malformed, "MQTT-3.2.2-1", 0},
        {"CONNACK with a reason of another packet", packet(0x20, 0, 0x8e, 0), protocol,
         "MQTT-3.2.2-8", 1},
        {"refused with a session", packet(0x20, 1, 0x87, 0), protocol, "MQTT-3.2.2-6", 1},
        {"maximum QoS 2", packet(0x20, 0, 0, 2, 0x24, 2), protocol, "", 3},
        {"SUBACK with a reason of another packet", packet(0x90, u16(1), 0, 0x8b), protocol,
         "MQTT-3.9.3-2", 3},
        {"UNSUBACK with a reason of another packet", packet(0xb0, u16(1), 0, 0x01), protocol,
         "MQTT-3.11.3-2", 3},
        {"UNSUBACK without reasons", packet(0xb0, u16(1), 0), protocol, "", 2},
        {"session expiry of a server", packet(0xe0, 0, 5, 0x11, u16(0), u16(1)), protocol,
         "MQTT-3.14.2-2", 1},
        {"DISCONNECT of a client", packet(0xe0, 0x04), protocol, "MQTT-3.14.2-1", 0},
        {"re-authentication by a server", packet(0xf0, 0x19, 4, 0x15, text("m")), protocol,
         "MQTT-3.15.2-1", 0},
        {"authentication data without method", packet(0xf0, 0, 4, 0x16, text("d")), protocol, "",
         1},
    };
    expect_all_refused(rows, v5, peer::server);
}

} // namespace
} // namespace gv::mqtt
