// SPDX-License-Identifier: Apache-2.0
#include "broker/mqtt/frame.hpp"
#include "tests/broker/mqtt/wire.hpp"

#include <gtest/gtest.h>

namespace gv::mqtt {
namespace {

TEST(Frame, EmptyBufferIsPartialWithoutSize) {
    const frame found = next_frame("");
    EXPECT_EQ(found.state, frame_state::partial);
    EXPECT_EQ(found.size, 0U);
}

TEST(Frame, PacketEndsWhereItsLengthSays) {
    const std::string buffer = wire(0xc0, 0, /* PINGREQ */ 0x30, 2, "ab");
    const frame ping = next_frame(buffer);
    EXPECT_EQ(ping.state, frame_state::complete);
    EXPECT_EQ(ping.type(), packet_type::pingreq);
    EXPECT_EQ(ping.size, 2U);
    EXPECT_EQ(ping.body, "");
    const frame publish = next_frame(std::string_view(buffer).substr(ping.size));
    EXPECT_EQ(publish.type(), packet_type::publish);
    EXPECT_EQ(publish.body, "ab");
}

struct length_case {
    std::string header;
    std::size_t size;
};

TEST(Frame, SizeIsKnownBeforeTheBodyArrives) {
    for (const auto& [header, size] : {
             length_case{wire(0x30, 0x01), 3},
             {wire(0x30, 0x7f), 2 + 127},
             {wire(0x30, 0x80, 0x01), 3 + 128},
             {wire(0x30, 0xff, 0x7f), 3 + 16'383},
             {wire(0x30, 0x80, 0x80, 0x01), 4 + 16'384},
             {wire(0x30, 0xff, 0xff, 0x7f), 4 + 2'097'151},
             {wire(0x30, 0x80, 0x80, 0x80, 0x01), 5 + 2'097'152},
             {wire(0x30, 0xff, 0xff, 0xff, 0x7f), packet_size_max},
         }) {
        for (std::size_t cut = 0; cut < header.size(); ++cut) {
            const frame part = next_frame(std::string_view(header).substr(0, cut));
            EXPECT_EQ(part.state, frame_state::partial);
            EXPECT_EQ(part.size, 0U);
        }
        const frame found = next_frame(header);
        EXPECT_EQ(found.state, frame_state::partial);
        EXPECT_EQ(found.size, size);
        EXPECT_EQ(found.header_size, header.size());
    }
}

TEST(Frame, PartialFrameShowsWhatHasArrived) {
    const frame found = next_frame(wire(0x30, 5, "abc"));
    EXPECT_EQ(found.state, frame_state::partial);
    EXPECT_EQ(found.size, 7U);
    EXPECT_EQ(found.body.size(), 3U);
}

TEST(Frame, LengthOfFiveBytesIsMalformed) {
    EXPECT_EQ(next_frame(wire(0x30, 0x80, 0x80, 0x80, 0x80)).state, frame_state::malformed);
    EXPECT_EQ(next_frame(wire(0x30, 0xff, 0xff, 0xff, 0xff, 0x01)).state, frame_state::malformed);
    EXPECT_EQ(malformed_length.reason, reason_code::malformed_packet);
}

TEST(Frame, LengthLongerThanNeededIsMalformed) {
    EXPECT_EQ(next_frame(wire(0xc0, 0x80, 0x00)).state, frame_state::malformed);
    EXPECT_EQ(next_frame(wire(0x30, 0xff, 0x80, 0x00)).state, frame_state::malformed);
}

} // namespace
} // namespace gv::mqtt
