// SPDX-License-Identifier: Apache-2.0
#include "cluster/wire_lane.hpp"

#include "cluster/wire_link.hpp"
#include "cluster/wire_reader.hpp"

#include <proto/grapevine_cluster.pb.h>

namespace gv::cluster {

namespace {

namespace wire = grapevine::cluster::v1;

[[nodiscard]] auto wrong(wire_fault fault) { return failure(decode_fault(fault)); }

[[nodiscard]] result<lane_opening, decode_fault> read(wire::LaneHello& in) {
    auto link = decode(std::move(*in.mutable_link()));
    if (!link) {
        return failure(link.error());
    }
    wire_reader reader;
    lane_opening out{
        .link = std::move(*link),
        .lane = {.lane = {.origin = node_id{in.origin()},
                          .boot = boot_id{in.boot()},
                          .shard = shard_id{reader.fitting<std::uint16_t>(in.shard())}},
                 .oldest = in.oldest()}};
    if (in.origin() == 0 || in.boot() == 0) {
        return failure(decode_fault(message_fault::no_sender));
    }
    reader.require(in.shard() < 2 * shards_max && in.oldest() > 0, wire_fault::out_of_range);
    if (const auto fault = reader.fault()) {
        return wrong(*fault);
    }
    return out;
}

[[nodiscard]] result<lane_frame, decode_fault> read(wire::LanePieces& in) {
    if (in.pieces().size() > lane_frame_bytes_max) {
        return wrong(wire_fault::too_large);
    }
    if (in.pieces().empty()) {
        return wrong(wire_fault::malformed);
    }
    return lane_frame{.first = in.first(),
                      .oldest = in.oldest(),
                      .age_ms = in.age_ms(),
                      .bytes = std::move(*in.mutable_pieces())};
}

[[nodiscard]] result<lane_welcome, decode_fault> read(const wire::LaneWelcome& in) {
    if (in.boot() == 0) {
        return failure(decode_fault(message_fault::no_sender));
    }
    if (in.expected() == 0 || in.credit_bytes() > lane_credit_bytes_max) {
        return wrong(wire_fault::out_of_range);
    }
    return lane_welcome{
        .boot = boot_id{in.boot()}, .expected = in.expected(), .credit_bytes = in.credit_bytes()};
}

[[nodiscard]] result<lane_reply, decode_fault> read(wire::LaneTaken& in) {
    if (in.ranges().size() > lane_reply_bytes_max) {
        return wrong(wire_fault::too_large);
    }
    if (in.credit_bytes() > lane_credit_bytes_max) {
        return wrong(wire_fault::out_of_range);
    }
    return lane_reply{.taken = std::move(*in.mutable_ranges()), .credit_bytes = in.credit_bytes()};
}

template <typename Message, typename Part>
[[nodiscard]] result<Message, decode_fault> either(result<Part, decode_fault>&& part) {
    if (!part) {
        return failure(part.error());
    }
    return std::move(*part);
}

} // namespace

void encode(const lane_opening& opening, wire::LaneFrame& out) {
    wire::LaneHello& hello = *out.mutable_hello();
    encode(opening.link, *hello.mutable_link());
    hello.set_origin(opening.lane.lane.origin.value);
    hello.set_boot(opening.lane.lane.boot.value);
    hello.set_shard(opening.lane.lane.shard.value);
    hello.set_oldest(opening.lane.oldest);
}

void encode(lane_frame&& frame, wire::LaneFrame& out) {
    wire::LanePieces& pieces = *out.mutable_pieces();
    pieces.set_first(frame.first);
    pieces.set_oldest(frame.oldest);
    pieces.set_age_ms(frame.age_ms);
    pieces.set_pieces(std::move(frame.bytes));
}

void encode(const lane_welcome& welcome, wire::LaneReply& out) {
    out.mutable_welcome()->set_boot(welcome.boot.value);
    out.mutable_welcome()->set_expected(welcome.expected);
    out.mutable_welcome()->set_credit_bytes(welcome.credit_bytes);
}

void encode(lane_reply&& reply, wire::LaneReply& out) {
    out.mutable_taken()->set_ranges(std::move(reply.taken));
    out.mutable_taken()->set_credit_bytes(reply.credit_bytes);
}

result<lane_request_message, decode_fault> decode(wire::LaneFrame&& in) {
    switch (in.content_case()) {
    case wire::LaneFrame::kHello:
        return either<lane_request_message>(read(*in.mutable_hello()));
    case wire::LaneFrame::kPieces:
        return either<lane_request_message>(read(*in.mutable_pieces()));
    case wire::LaneFrame::CONTENT_NOT_SET:
        break;
    }
    return wrong(wire_fault::unknown_kind);
}

result<lane_reply_message, decode_fault> decode(wire::LaneReply&& in) {
    switch (in.content_case()) {
    case wire::LaneReply::kWelcome:
        return either<lane_reply_message>(read(in.welcome()));
    case wire::LaneReply::kTaken:
        return either<lane_reply_message>(read(*in.mutable_taken()));
    case wire::LaneReply::CONTENT_NOT_SET:
        break;
    }
    return wrong(wire_fault::unknown_kind);
}

} // namespace gv::cluster
