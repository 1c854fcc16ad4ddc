// SPDX-License-Identifier: Apache-2.0
#include "broker/mqtt/describe.hpp"
#include "broker/mqtt/property_table.hpp"
#include "tests/broker/mqtt/wire.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace gv::mqtt {
namespace {

using namespace std::string_view_literals;

constexpr packet_set connect = bit_of(packet_type::connect);
constexpr packet_set connack = bit_of(packet_type::connack);
constexpr packet_set publish = bit_of(packet_type::publish);
constexpr packet_set subscribe = bit_of(packet_type::subscribe);

std::string packets_of(packet_set packets) {
    std::string text = (packets & will_bit) != 0 ? " WILL" : "";
    for (unsigned type = 1; type < 16; ++type) {
        if ((packets & (1U << type)) != 0) {
            text += ' ';
            text += type_name(static_cast<packet_type>(type));
        }
    }
    return text;
}

std::string print_table() {
    constexpr std::string_view types[] = {"byte", "u16",    "u32", "variable",
                                          "utf8", "binary", "pair"};
    std::string text;
    for (const property_row& row : property_rows()) {
        char start[16];
        std::snprintf(start, sizeof start, "0x%02X ", static_cast<unsigned>(row.id));
        text += start + std::string(row.name) + " | "
                + std::string(types[static_cast<std::size_t>(row.type)]) + " "
                + std::to_string(row.min) + ".." + std::to_string(row.max) + " |"
                + packets_of(row.packets) + " | repeats:" + packets_of(row.repeatable) + "\n";
    }
    return text;
}

TEST(PropertyTable, WholeTableIsThatOfTheSpecification) {
    EXPECT_EQ(print_table(), R"(0x01 payload_format_indicator | byte 0..1 | WILL PUBLISH | repeats:
0x02 message_expiry_interval | u32 0..4294967295 | WILL PUBLISH | repeats:
0x03 content_type | utf8 0..0 | WILL PUBLISH | repeats:
0x08 response_topic | utf8 0..0 | WILL PUBLISH | repeats:
0x09 correlation_data | binary 0..0 | WILL PUBLISH | repeats:
0x0B subscription_identifier | variable 1..268435455 | PUBLISH SUBSCRIBE | repeats: PUBLISH
0x11 session_expiry_interval | u32 0..4294967295 | CONNECT CONNACK DISCONNECT | repeats:
0x12 assigned_client_identifier | utf8 0..0 | CONNACK | repeats:
0x13 server_keep_alive | u16 0..65535 | CONNACK | repeats:
0x15 authentication_method | utf8 0..0 | CONNECT CONNACK AUTH | repeats:
0x16 authentication_data | binary 0..0 | CONNECT CONNACK AUTH | repeats:
0x17 request_problem_information | byte 0..1 | CONNECT | repeats:
0x18 will_delay_interval | u32 0..4294967295 | WILL | repeats:
0x19 request_response_information | byte 0..1 | CONNECT | repeats:
0x1A response_information | utf8 0..0 | CONNACK | repeats:
0x1C server_reference | utf8 0..0 | CONNACK DISCONNECT | repeats:
0x1F reason_string | utf8 0..0 | CONNACK PUBACK PUBREC PUBREL PUBCOMP SUBACK UNSUBACK DISCONNECT AUTH | repeats:
0x21 receive_maximum | u16 1..65535 | CONNECT CONNACK | repeats:
0x22 topic_alias_maximum | u16 0..65535 | CONNECT CONNACK | repeats:
0x23 topic_alias | u16 1..65535 | PUBLISH | repeats:
0x24 maximum_qos | byte 0..1 | CONNACK | repeats:
0x25 retain_available | byte 0..1 | CONNACK | repeats:
0x26 user_property | pair 0..0 | WILL CONNECT CONNACK PUBLISH PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE UNSUBACK DISCONNECT AUTH | repeats: WILL CONNECT CONNACK PUBLISH PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE UNSUBACK DISCONNECT AUTH
0x27 maximum_packet_size | u32 1..4294967295 | CONNECT CONNACK | repeats:
0x28 wildcard_subscription_available | byte 0..1 | CONNACK | repeats:
0x29 subscription_identifier_available | byte 0..1 | CONNACK | repeats:
0x2A shared_subscription_available | byte 0..1 | CONNACK | repeats:
)");
}

TEST(PropertyTable, IdsRiseAndAreFoundAgain) {
    int last = 0;
    for (const property_row& row : property_rows()) {
        EXPECT_GT(static_cast<int>(row.id), last);
        last = static_cast<int>(row.id);
        EXPECT_EQ(find_property(static_cast<std::uint32_t>(row.id)), &row);
        EXPECT_EQ(property_name(row.id), row.name);
    }
    EXPECT_EQ(find_property(0), nullptr);
    EXPECT_EQ(find_property(0x2b), nullptr);
    EXPECT_EQ(find_property(0xffff'ffff), nullptr);
    EXPECT_EQ(property_name(static_cast<property>(0x04)), "unknown");
}

struct good_case {
    std::string bytes;
    packet_set place;
};

TEST(CheckProperties, AcceptsValuesAtTheEndsOfTheirRange) {
    for (const auto& [bytes, place] : {
             good_case{"", connect},
             {wire(0x01, 0) /* payload format: bytes */, publish},
             {wire(0x01, 1) /* payload format: UTF-8 */, will_bit},
             {wire(0x21, u16(1)) /* receive maximum */, connect},
             {wire(0x21, u16(0xffff)), connack},
             {wire(0x22, u16(0)) /* topic alias maximum */, connect},
             {wire(0x23, u16(1)) /* topic alias */, publish},
             {wire(0x27, u16(0), u16(1)) /* maximum packet size */, connect},
             {wire(0x0b, 1) /* subscription identifier */, subscribe},
             {wire(0x0b, 0xff, 0xff, 0xff, 0x7f), subscribe},
             {wire(0x0b, 1, 0x0b, 2) /* twice, as overlapping subscriptions have it */, publish},
             {wire(0x26, text("k"), text("v"), 0x26, text("k"), text("v")), connect},
             {wire(0x03, text("")) /* content type */, publish},
             {wire(0x09, text("\0\xff"sv)) /* correlation data, no UTF-8 */, publish},
         }) {
        const auto checked = check_properties(bytes, place, 0);
        ASSERT_TRUE(checked) << describe(checked.error());
        EXPECT_EQ(checked->raw(), bytes);
    }
}

struct bad_case {
    std::string bytes;
    packet_set place;
    reason_code reason;
    std::string_view rule;
    std::string_view text;
    std::uint32_t offset;
};

TEST(CheckProperties, RefusesWhatIsWrong) {
    constexpr auto malformed = reason_code::malformed_packet;
    constexpr auto protocol = reason_code::protocol_error;
    const auto within = "A property goes beyond the property length"sv;
    const auto unknown = "There is no property with this id"sv;
    const auto misplaced = "A property does not belong into this packet"sv;
    const auto repeated = "A property that may stand only once is repeated"sv;
    const auto range = "The value of a property is out of its range"sv;
    const auto utf8 = "A string property is not valid UTF-8"sv;
    const auto nul = "A string property holds the character U+0000"sv;
    for (const auto& c : {
             bad_case{wire(0x00), connect, malformed, "", unknown, 100},
             {wire(0x04, 1), connect, malformed, "", unknown, 100},
             {wire(0x7f, 1), connect, malformed, "", unknown, 100},
             {wire(0x81, 0x00, 1), publish, malformed, "", unknown, 100},
             {wire(0x02, u16(0), u16(1), 0xff), publish, malformed, "", unknown, 105},
             {wire(0x01, 1), connect, malformed, "", misplaced, 100},
             {wire(0x18, u16(0), u16(0)), publish, malformed, "", misplaced, 100},
             {wire(0x0b, 1), connect, malformed, "", misplaced, 100},
             {wire(0x01, 1, 0x01, 1), publish, protocol, "", repeated, 102},
             {wire(0x0b, 1, 0x0b, 2), subscribe, protocol, "", repeated, 102},
             {wire(0x03, text("a"), 0x03, text("a")), will_bit, protocol, "", repeated, 104},
             {wire(0x01, 2), publish, protocol, "", range, 100},
             {wire(0x17, 2), connect, protocol, "", range, 100},
             {wire(0x19, 2), connect, protocol, "", range, 100},
             {wire(0x21, u16(0)), connect, protocol, "", range, 100},
             {wire(0x24, 2), connack, protocol, "", range, 100},
             {wire(0x25, 2), connack, protocol, "", range, 100},
             {wire(0x28, 2), connack, protocol, "", range, 100},
             {wire(0x29, 2), connack, protocol, "", range, 100},
             {wire(0x2a, 2), connack, protocol, "", range, 100},
             {wire(0x27, u16(0), u16(0)), connect, protocol, "", range, 100},
             {wire(0x0b, 0), subscribe, protocol, "", range, 100},
             {wire(0x23, u16(0)), publish, reason_code::topic_alias_invalid, "MQTT-3.3.2-8",
              "The topic alias is 0", 100},
             {wire(0x01), publish, malformed, "", within, 100},
             {wire(0x21, 1), connect, malformed, "", within, 100},
             {wire(0x27, u16(1), 1), connect, malformed, "", within, 100},
             {wire(0x03), publish, malformed, "", within, 100},
             {wire(0x03, u16(5), "abcd"), publish, malformed, "", within, 100},
             {wire(0x09, u16(5), "abcd"), publish, malformed, "", within, 100},
             {wire(0x26, text("key")), publish, malformed, "", within, 100},
             {wire(0x26, text("key"), u16(3), "ab"), publish, malformed, "", within, 100},
             {wire(0x0b, 0xff, 0xff, 0xff, 0xff, 0x01), subscribe, malformed, "", within, 100},
             {wire(0x0b, 0xff), subscribe, malformed, "", within, 100},
             {wire(0x0b, 0x81, 0x00), subscribe, malformed, "MQTT-1.5.5-1",
              "A variable byte integer is longer than it need be", 100},
             {wire(0x03, text("\xc0\x80")), publish, malformed, "MQTT-1.5.4-1", utf8, 100},
             {wire(0x26, text("\xff"), text("v")), publish, malformed, "MQTT-1.5.4-1", utf8, 100},
             {wire(0x26, text("k"), text("\xff")), publish, malformed, "MQTT-1.5.4-1", utf8, 100},
             {wire(0x1f, text("a\0b"sv)), connack, malformed, "MQTT-1.5.4-2", nul, 100},
         }) {
        const auto checked = check_properties(c.bytes, c.place, 100);
        ASSERT_FALSE(checked) << testing::PrintToString(c.bytes);
        EXPECT_EQ(describe(checked.error()),
                  describe(violation{c.reason, c.rule, c.text, c.offset}))
            << testing::PrintToString(c.bytes);
    }
}

} // namespace
} // namespace gv::mqtt
