// SPDX-License-Identifier: Apache-2.0
#include "cluster/wire_lane.hpp"

#include <gtest/gtest.h>
#include <proto/grapevine_cluster.pb.h>

#include <functional>

namespace gv::cluster {

namespace {

namespace wire = grapevine::cluster::v1;

const lane_opening opening{
    .link = {.cluster = "garden", .from = {node_id{5}, boot_id{7}}, .to = node_id{9}},
    .lane = {.lane = {.origin = node_id{~0ULL}, .boot = boot_id{~0U}, .shard = shard_id{63}},
             .oldest = ~0ULL}};

template <typename Wire, typename Part>
Wire through(Part&& part) {
    Wire out;
    encode(std::forward<Part>(part), out);
    Wire parsed;
    EXPECT_TRUE(parsed.ParseFromString(out.SerializeAsString()));
    return parsed;
}

TEST(WireLane, TheOpeningIsReadAsItWasWritten) {
    const auto read = decode(through<wire::LaneFrame>(opening));
    ASSERT_TRUE(read) << text_of(read.error());
    const auto& got = std::get<lane_opening>(*read);
    EXPECT_EQ(got.lane, opening.lane);
    EXPECT_EQ(got.link.from, opening.link.from);
    EXPECT_EQ(got.link.to, opening.link.to);
}

TEST(WireLane, FramesAndRepliesAreReadAsTheyWereWritten) {
    const lane_frame frame{.first = 1,
                           .oldest = ~0ULL,
                           .age_ms = 1u << 31,
                           .bytes = std::string(lane_frame_bytes_max, '\xff')};
    EXPECT_EQ(std::get<lane_frame>(*decode(through<wire::LaneFrame>(lane_frame(frame)))), frame);
    const lane_reply reply{.taken = std::string(lane_reply_bytes_max, '\0'),
                           .credit_bytes = lane_credit_bytes_max};
    EXPECT_EQ(std::get<lane_reply>(*decode(through<wire::LaneReply>(lane_reply(reply)))), reply);
    const lane_welcome welcome{
        .boot = boot_id{3}, .expected = ~0ULL, .credit_bytes = lane_credit_bytes_max};
    EXPECT_EQ(std::get<lane_welcome>(*decode(through<wire::LaneReply>(welcome))), welcome);
}

TEST(WireLane, TheBytesOfAFrameAreMovedNotCopied) {
    lane_frame frame{.first = 1, .bytes = std::string(100'000, 'x')};
    const char* const at = frame.bytes.data();
    wire::LaneFrame out;
    encode(std::move(frame), out);
    EXPECT_EQ(out.pieces().pieces().data(), at);
    EXPECT_EQ(std::get<lane_frame>(*decode(std::move(out))).bytes.data(), at);
}

TEST(WireLaneFaults, OfFramesAreToldApart) {
    struct wrong {
        decode_fault fault;
        std::function<void(wire::LaneFrame&)> spoil;
    };
    const wrong all[] = {
        {wire_fault::unknown_kind, [](auto& m) { m.clear_content(); }},
        {message_fault::no_sender, [](auto& m) { m.mutable_hello()->clear_origin(); }},
        {message_fault::no_sender, [](auto& m) { m.mutable_hello()->clear_boot(); }},
        {message_fault::no_sender, [](auto& m) { m.mutable_hello()->clear_link(); }},
        {wire_fault::out_of_range, [](auto& m) { m.mutable_hello()->set_shard(128); }},
        {wire_fault::out_of_range, [](auto& m) { m.mutable_hello()->set_shard(65'536); }},
        {wire_fault::out_of_range, [](auto& m) { m.mutable_hello()->clear_oldest(); }},
        {wire_fault::malformed, [](auto& m) { m.mutable_pieces(); }},
        {wire_fault::too_large,
         [](auto& m) {
             m.mutable_pieces()->set_pieces(std::string(lane_frame_bytes_max + 1, 'x'));
         }},
    };
    for (const wrong& each : all) {
        wire::LaneFrame spoilt = through<wire::LaneFrame>(opening);
        each.spoil(spoilt);
        const auto read = decode(std::move(spoilt));
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error(), each.fault) << text_of(each.fault);
    }
}

TEST(WireLaneFaults, OfRepliesAreToldApart) {
    struct wrong {
        decode_fault fault;
        std::function<void(wire::LaneReply&)> spoil;
    };
    const wrong all[] = {
        {wire_fault::unknown_kind, [](auto& m) { m.clear_content(); }},
        {message_fault::no_sender, [](auto& m) { m.mutable_welcome()->clear_boot(); }},
        {wire_fault::out_of_range, [](auto& m) { m.mutable_welcome()->clear_expected(); }},
        {wire_fault::out_of_range,
         [](auto& m) { m.mutable_welcome()->set_credit_bytes(lane_credit_bytes_max + 1); }},
        {wire_fault::out_of_range,
         [](auto& m) { m.mutable_taken()->set_credit_bytes(lane_credit_bytes_max + 1); }},
        {wire_fault::too_large,
         [](auto& m) {
             m.mutable_taken()->set_ranges(std::string(lane_reply_bytes_max + 1, 'x'));
         }},
    };
    for (const wrong& each : all) {
        auto spoilt = through<wire::LaneReply>(lane_welcome{.boot = boot_id{3}, .expected = 1});
        each.spoil(spoilt);
        const auto read = decode(std::move(spoilt));
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error(), each.fault) << text_of(each.fault);
    }
}

} // namespace
} // namespace gv::cluster
