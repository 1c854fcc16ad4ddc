// SPDX-License-Identifier: Apache-2.0
#include "broker/mqtt/property.hpp"
#include "broker/mqtt/property_table.hpp"
#include "tests/broker/mqtt/wire.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace gv::mqtt {
namespace {

using testing::ElementsAre;

TEST(PropertyWriter, EncodesEveryKindOfValue) {
    property_writer properties;
    properties.add(property::payload_format_indicator, 1)
        .add(property::topic_alias, 0x0102)
        .add(property::message_expiry_interval, 0x01020304)
        .add(property::subscription_identifier, 300)
        .add(property::content_type, "text")
        .add(property::correlation_data, std::string_view("\0\xff", 2))
        .add_pair("key", "value");
    EXPECT_EQ(properties.view().raw(), wire(0x01, 1,                         // payload format
                                            0x23, 1, 2,                      // topic alias
                                            0x02, 1, 2, 3, 4,                // message expiry
                                            0x0b, 0xac, 0x02,                // subscription id
                                            0x03, 0, 4, "text",              // content type
                                            0x09, 0, 2, 0x00, 0xff,          // correlation data
                                            0x26, 0, 3, "key", 0, 5, "value" // user property
                                            ));
}

TEST(PropertyWriter, TakeLeavesItEmpty) {
    property_writer properties;
    properties.add(property::receive_maximum, 10).add_encoded(wire(0x22, 0, 1));
    EXPECT_EQ(properties.size(), 6U);
    EXPECT_EQ(properties.take(), wire(0x21, 0, 10, 0x22, 0, 1));
    EXPECT_TRUE(properties.empty());
}

TEST(PropertyView, FindsNumbersAndTexts) {
    property_writer properties;
    properties.add(property::session_expiry_interval, 7)
        .add(property::authentication_method, "SCRAM")
        .add_pair("a", "b");
    const property_view view = properties.view();
    EXPECT_EQ(view.number(property::session_expiry_interval), 7U);
    EXPECT_EQ(view.text(property::authentication_method), "SCRAM");
    EXPECT_EQ(view.number(property::receive_maximum), std::nullopt);
    EXPECT_EQ(view.text(property::authentication_data), std::nullopt);
    EXPECT_EQ(view.number(property::authentication_method), std::nullopt);
    EXPECT_EQ(view.text(property::session_expiry_interval), std::nullopt);
    EXPECT_TRUE(view.has(property::user_property));
    EXPECT_FALSE(view.has(property::topic_alias));
    EXPECT_FALSE(view.empty());
    EXPECT_TRUE(property_view().empty());
    EXPECT_FALSE(property_view().has(property::topic_alias));
}

TEST(PropertyView, IsWalkedInOrder) {
    property_writer properties;
    properties.add_pair("k", "1").add(property::topic_alias, 2).add_pair("k", "3");
    std::vector<property_entry> entries;
    properties.view().for_each([&](const property_entry& entry) { entries.push_back(entry); });
    EXPECT_THAT(
        entries,
        ElementsAre(property_entry{.id = property::user_property, .text = "1", .key = "k"},
                    property_entry{.id = property::topic_alias, .number = 2},
                    property_entry{.id = property::user_property, .text = "3", .key = "k"}));
}

TEST(ForwardableProperties, AreAllThatTheHopDoesNotKeep) {
    property_writer received;
    received.add(property::topic_alias, 1)
        .add_pair("first", "1")
        .add(property::message_expiry_interval, 60)
        .add(property::payload_format_indicator, 1)
        .add(property::subscription_identifier, 5)
        .add(property::response_topic, "reply")
        .add(property::will_delay_interval, 3)
        .add(property::correlation_data, "id")
        .add(property::content_type, "json")
        .add_pair("second", "2");
    property_writer expected;
    expected.add_pair("first", "1")
        .add(property::payload_format_indicator, 1)
        .add(property::response_topic, "reply")
        .add(property::correlation_data, "id")
        .add(property::content_type, "json")
        .add_pair("second", "2");
    std::string forwarded = "before";
    append_forwardable_properties(received.view(), forwarded);
    EXPECT_EQ(forwarded, "before" + std::string(expected.view().raw()));
}

TEST(PropertyWriterDeath, RefusesWhatThePropertyCannotHold) {
    property_writer properties;
    EXPECT_DEATH(properties.add(property::topic_alias, 0U), "out of the range");
    EXPECT_DEATH(properties.add(property::topic_alias, "text"), "neither string nor binary");
    EXPECT_DEATH(properties.add(property::content_type, 1), "no integer");
    EXPECT_DEATH(properties.add(property::content_type, std::string(65'536, 'a')), "too long");
}

} // namespace
} // namespace gv::mqtt
