// SPDX-License-Identifier: Apache-2.0
#include "base/output_buffer.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>

namespace gv {
namespace {

std::string drain(output_buffer& buffer, std::size_t at_most) {
    std::array<iovec, 8> parts;
    std::string sent;
    const std::size_t used = buffer.gather(parts);
    for (std::size_t i = 0; i < used && sent.size() < at_most; ++i) {
        sent.append(static_cast<const char*>(parts[i].iov_base),
                    std::min(parts[i].iov_len, at_most - sent.size()));
    }
    buffer.consume(sent.size());
    return sent;
}

message_ref with_payload(std::string_view payload) {
    return message::copy_of({.topic = "t", .payload = payload}, message::reach::local);
}

TEST(OutputBuffer, GivesItsMemoryBackWhenAllIsSent) {
    buffer_pool pool;
    output_buffer buffer(pool);
    buffer.append("hello");
    EXPECT_GT(pool.bytes_in_use(), 0u);
    EXPECT_EQ(drain(buffer, 100), "hello");
    EXPECT_EQ(pool.bytes_in_use(), 0u);
}

TEST(OutputBuffer, KeepsTheOrderOfSmallAndLargeParts) {
    buffer_pool pool;
    std::mt19937 random(7);
    for (int round = 0; round < 200; ++round) {
        output_buffer buffer(pool);
        std::string expected;
        std::string sent;
        for (int step = 0; step < 60; ++step) {
            const std::string part(random() % 900, static_cast<char>('a' + random() % 26));
            if (random() % 4 == 0 && !part.empty()) {
                buffer.append_payload(with_payload(part));
            } else {
                buffer.append(part);
            }
            expected += part;
            if (random() % 3 == 0) {
                sent += drain(buffer, random() % 1500);
            }
            ASSERT_EQ(buffer.size(), expected.size() - sent.size());
        }
        while (!buffer.empty()) {
            sent += drain(buffer, 1 + random() % 4000);
        }
        ASSERT_EQ(sent, expected) << "round " << round;
        ASSERT_EQ(pool.bytes_in_use(), 0u);
    }
}

TEST(OutputBuffer, MovesItsBytesOnlyAFewTimesHoweverLargeItGrows) {
    buffer_pool pool;
    output_buffer buffer(pool);
    const std::string part(1024, 'x');
    std::size_t moves = 0;
    const char* at = nullptr;
    for (int kib = 0; kib < 32 * 1024; ++kib) {
        const std::size_t held = buffer.size();
        buffer.append(part);
        std::array<iovec, 8> parts;
        ASSERT_EQ(buffer.gather(parts), 1u);
        const char* now_at = static_cast<const char*>(parts[0].iov_base);
        moves += now_at != at && held > 0 ? 1U : 0U;
        at = now_at;
    }
    EXPECT_LT(moves, 30u);
}

TEST(Message, HoldCopiesOnceForAll) {
    const std::string payload = "21.5";
    const publication seen{.header = {.publisher = 3, .quality = qos::at_least_once},
                           .topic = "home/temp",
                           .properties = {},
                           .payload = payload};
    const message_ref first = seen.hold();
    EXPECT_EQ(&*first, &*seen.hold());
    EXPECT_EQ(first->topic(), "home/temp");
    EXPECT_EQ(first->payload(), payload);
    EXPECT_NE(first->payload().data(), payload.data());
    EXPECT_EQ(first->header().publisher, 3u);
    EXPECT_EQ(&*message::view_of(first).hold(), &*first);
}

} // namespace
} // namespace gv
