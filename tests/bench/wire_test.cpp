// SPDX-License-Identifier: Apache-2.0
#include "bench/load/wire.hpp"

#include <gtest/gtest.h>

#include <array>
#include <stdexcept>

namespace gv::load {
namespace {

using namespace std::string_literals;

frame_split split(std::string_view bytes) {
    return split_frame(bytes.data(), bytes.data() + bytes.size());
}

TEST(Wire, Connect) {
    EXPECT_EQ(encode_connect("ab", 600), "\x10"             // CONNECT
                                         "\x0e"             // remaining length
                                         "\x00\x04MQTT\x04" // protocol, level
                                         "\x02"             // clean session
                                         "\x02\x58"         // keep alive
                                         "\x00\x02"
                                         "ab"s);
}

TEST(Wire, Subscribe) {
    const std::array filters{"a/+"s, "#"s};
    EXPECT_EQ(encode_subscribe(7, filters, 1), "\x82"     // SUBSCRIBE
                                               "\x0c"     // remaining length
                                               "\x00\x07" // packet id
                                               "\x00\x03"
                                               "a/+\x01"
                                               "\x00\x01"
                                               "#\x01"s);
}

TEST(Wire, PublishComesApartAsItWasPutTogether) {
    const std::string bytes = encode_publish("t/1", "hello", {.qos = 2, .retain = true});
    EXPECT_EQ(bytes, "\x35\x0c\x00\x03t/1\x00\x00hello"s);
    const frame_split whole = split(bytes);
    ASSERT_EQ(whole.total(), bytes.size());
    EXPECT_TRUE(whole.value.is_publish());
    EXPECT_EQ(whole.value.qos(), 2U);
    const publish_parts parts = split_publish(whole.value);
    EXPECT_EQ(parts.topic, "t/1");
    EXPECT_EQ(std::string_view(parts.payload, parts.payload_size), "hello");
}

TEST(Wire, LengthsOfSeveralBytes) {
    for (const std::size_t size : {127U, 128U, 16'383U, 16'384U, 65'600U, 2'097'152U}) {
        const std::string bytes = encode_publish("t", std::string(size, 'x'), {});
        EXPECT_EQ(split(bytes).total(), bytes.size()) << size;
    }
}

TEST(Wire, AnIncompleteHeaderIsNoFrame) {
    EXPECT_EQ(split("").header, 0U);
    EXPECT_EQ(split("\x30").header, 0U);
    EXPECT_EQ(split("\x30\x80\x80").header, 0U);
}

TEST(Wire, ALengthOfFiveBytesIsRefused) {
    EXPECT_THROW((void)split("\x30\xff\xff\xff\xff\x01"), std::runtime_error);
}

TEST(Wire, APublishWhoseTopicExceedsItHasNoPayload) {
    const std::string bytes = "\x30\x04\x00\x09xx"s;
    EXPECT_EQ(split_publish(split(bytes).value).payload_size, 0U);
    EXPECT_EQ(split_publish(split(bytes).value).payload, nullptr);
}

} // namespace
} // namespace gv::load
