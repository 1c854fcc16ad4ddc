// SPDX-License-Identifier: Apache-2.0
#include "cluster/wire_routes.hpp"

#include "cluster/wire_reader.hpp"

#include <proto/grapevine_cluster.pb.h>

#include <algorithm>

namespace gv::cluster {

namespace {

namespace wire = grapevine::cluster::v1;

using wire_rows = google::protobuf::RepeatedPtrField<wire::RouteRow>;

void encode(const route_destination& stream, wire::RouteStream& out) {
    if (stream.kind == destination_kind::node) {
        out.set_node(stream.number);
    } else if (stream.kind == destination_kind::kept) {
        out.set_kept(stream.number);
    } else {
        out.set_partition(static_cast<std::uint32_t>(stream.number));
    }
}

void encode(const route_generation& of, wire::RouteGeneration& out) {
    out.set_epoch(of.epoch);
    out.set_author(of.author.value);
    out.set_boot(of.boot.value);
}

void encode(const route_change& change, wire::RouteRow& out) {
    out.set_filter(change.filter);
    out.set_group(change.group);
    out.set_quality(change.value.quality);
    out.set_no_local_only(change.value.no_local_only);
    out.set_online(change.value.online);
    out.set_total(change.value.total);
    out.set_is_removal(change.is_removal);
}

void encode(const std::vector<route_change>& rows, wire_rows& out) {
    out.Reserve(static_cast<int>(rows.size()));
    for (const route_change& row : rows) {
        encode(row, *out.Add());
    }
}

void encode(const stream_digest& digest, wire::StreamDigest& out) {
    encode(digest.stream, *out.mutable_stream());
    encode(digest.of, *out.mutable_generation());
    out.set_seq(digest.seq);
    out.set_hash(digest.hash);
    out.set_count(digest.count);
    out.set_wants_position(digest.wants_position);
}

void encode(const stream_position& position, wire::StreamPosition& out) {
    encode(position.stream, *out.mutable_stream());
    encode(position.of, *out.mutable_generation());
    out.set_since(position.since);
    out.set_applied(position.applied);
}

struct encoder {
    wire::ControlFrame& frame;

    void operator()(const route_digests& m) const {
        wire::RouteDigests& out = *frame.mutable_route_digests();
        out.set_boot(m.boot.value);
        out.set_lists_all(m.lists_all);
        out.set_wants_them(m.wants_them);
        for (const stream_digest& each : m.streams) {
            encode(each, *out.add_streams());
        }
    }
    void operator()(const route_deltas& m) const {
        wire::RouteDeltas& out = *frame.mutable_route_deltas();
        encode(m.stream, *out.mutable_stream());
        encode(m.of, *out.mutable_generation());
        out.set_first_seq(m.first_seq);
        out.set_latest_seq(m.latest_seq);
        encode(m.changes, *out.mutable_changes());
    }
    void operator()(const route_applied& m) const {
        wire::RouteApplied& out = *frame.mutable_route_applied();
        out.set_boot(m.boot.value);
        for (const stream_position& each : m.positions) {
            encode(each, *out.add_positions());
        }
    }
    void operator()(const resend_request& m) const {
        wire::ResendRequest& out = *frame.mutable_resend_request();
        encode(m.stream, *out.mutable_stream());
        encode(m.of, *out.mutable_generation());
        out.set_after(m.after);
    }
    void operator()(const hashes_request& m) const {
        encode(m.stream, *frame.mutable_hashes_request()->mutable_stream());
    }
    void operator()(const stream_hashes& m) const {
        wire::StreamHashes& out = *frame.mutable_stream_hashes();
        encode(m.stream, *out.mutable_stream());
        encode(m.of, *out.mutable_generation());
        out.set_seq(m.seq);
        out.mutable_hashes()->Add(m.hashes.begin(), m.hashes.end());
    }
    void operator()(const page_request& m) const {
        wire::PageRequest& out = *frame.mutable_page_request();
        encode(m.stream, *out.mutable_stream());
        encode(m.of, *out.mutable_generation());
        out.set_number(m.number);
        out.set_buckets(m.buckets);
        out.set_cursor(m.cursor);
        out.set_bytes_max(m.bytes_max);
    }
    void operator()(const route_page& m) const {
        wire::RoutePage& out = *frame.mutable_route_page();
        encode(m.stream, *out.mutable_stream());
        encode(m.of, *out.mutable_generation());
        out.set_number(m.number);
        out.set_seq(m.seq);
        out.set_next_cursor(m.next_cursor);
        out.set_is_last(m.is_last);
        encode(m.rows, *out.mutable_rows());
    }
};

class decoder {
  public:
    explicit decoder(const route_limits& limits) : limits_(limits) {}

    [[nodiscard]] route_message read(wire::ControlFrame& in) {
        switch (in.content_case()) {
        case wire::ControlFrame::kRouteDigests:
            return read(in.route_digests());
        case wire::ControlFrame::kRouteDeltas:
            return read(*in.mutable_route_deltas());
        case wire::ControlFrame::kRouteApplied:
            return read(in.route_applied());
        case wire::ControlFrame::kResendRequest:
            return resend_request{.stream = stream(in.resend_request().stream()),
                                  .of = generation(in.resend_request().generation()),
                                  .after = in.resend_request().after()};
        case wire::ControlFrame::kHashesRequest:
            return hashes_request{stream(in.hashes_request().stream())};
        case wire::ControlFrame::kStreamHashes:
            return read(in.stream_hashes());
        case wire::ControlFrame::kPageRequest:
            return read(in.page_request());
        case wire::ControlFrame::kRoutePage:
            return read(*in.mutable_route_page());
        case wire::ControlFrame::kHello:
        case wire::ControlFrame::kRetainedRoot:
        case wire::ControlFrame::kRetainedHashesRequest:
        case wire::ControlFrame::kRetainedHashes:
        case wire::ControlFrame::kRetainedRowsRequest:
        case wire::ControlFrame::kRetainedPage:
        case wire::ControlFrame::kNodeFigures:
        case wire::ControlFrame::kPartitionRows:
        case wire::ControlFrame::kPartitionDigest:
        case wire::ControlFrame::CONTENT_NOT_SET:
            break;
        }
        reader_.require(false, wire_fault::unknown_kind);
        return hashes_request{};
    }
    [[nodiscard]] auto fault() const { return reader_.fault(); }

  private:
    [[nodiscard]] route_digests read(const wire::RouteDigests& in) {
        route_digests out{
            .boot = boot_id{in.boot()}, .lists_all = in.lists_all(), .wants_them = in.wants_them()};
        out.streams.reserve(reader_.rows(in.streams_size(), route_streams_max));
        for (int i = 0; !reader_.fault() && i < in.streams_size(); ++i) {
            const wire::StreamDigest& each = in.streams(i);
            out.streams.push_back({.stream = stream(each.stream()),
                                   .of = generation(each.generation()),
                                   .seq = each.seq(),
                                   .hash = each.hash(),
                                   .count = each.count(),
                                   .wants_position = each.wants_position()});
        }
        return out;
    }
    [[nodiscard]] route_deltas read(wire::RouteDeltas& in) {
        return {.stream = stream(in.stream()),
                .of = generation(in.generation()),
                .first_seq = in.first_seq(),
                .latest_seq = in.latest_seq(),
                .changes = rows(*in.mutable_changes())};
    }
    [[nodiscard]] route_applied read(const wire::RouteApplied& in) {
        route_applied out{.boot = boot_id{in.boot()}};
        out.positions.reserve(reader_.rows(in.positions_size(), route_streams_max));
        for (int i = 0; !reader_.fault() && i < in.positions_size(); ++i) {
            const wire::StreamPosition& each = in.positions(i);
            out.positions.push_back({.stream = stream(each.stream()),
                                     .of = generation(each.generation()),
                                     .since = each.since(),
                                     .applied = each.applied()});
        }
        return out;
    }
    [[nodiscard]] stream_hashes read(const wire::StreamHashes& in) {
        stream_hashes out{
            .stream = stream(in.stream()), .of = generation(in.generation()), .seq = in.seq()};
        if (static_cast<std::size_t>(in.hashes_size()) != bucket_count) {
            reader_.require(false, wire_fault::out_of_range);
            return out;
        }
        std::ranges::copy(in.hashes(), out.hashes.begin());
        return out;
    }
    [[nodiscard]] page_request read(const wire::PageRequest& in) {
        return {.stream = stream(in.stream()),
                .of = generation(in.generation()),
                .number = in.number(),
                .buckets = in.buckets(),
                .cursor = in.cursor(),
                .bytes_max = in.bytes_max()};
    }
    [[nodiscard]] route_page read(wire::RoutePage& in) {
        return {.stream = stream(in.stream()),
                .of = generation(in.generation()),
                .number = in.number(),
                .seq = in.seq(),
                .next_cursor = in.next_cursor(),
                .is_last = in.is_last(),
                .rows = rows(*in.mutable_rows())};
    }

    [[nodiscard]] route_destination stream(const wire::RouteStream& in) {
        switch (in.destination_case()) {
        case wire::RouteStream::kNode:
            return route_destination(node_id{in.node()});
        case wire::RouteStream::kPartition:
            return route_destination(partition_id{reader_.fitting<std::uint16_t>(in.partition())});
        case wire::RouteStream::kKept:
            return route_destination::kept_of(node_id{in.kept()});
        case wire::RouteStream::DESTINATION_NOT_SET:
            break;
        }
        reader_.require(false, wire_fault::unknown_kind);
        return {};
    }
    [[nodiscard]] static route_generation generation(const wire::RouteGeneration& in) {
        return {.epoch = in.epoch(), .author = node_id{in.author()}, .boot = boot_id{in.boot()}};
    }
    [[nodiscard]] route_change row(wire::RouteRow& in) {
        return {.filter = std::move(*in.mutable_filter()),
                .group = std::move(*in.mutable_group()),
                .value = {.quality = reader_.fitting<std::uint8_t>(in.quality()),
                          .no_local_only = in.no_local_only(),
                          .online = in.online(),
                          .total = in.total()},
                .is_removal = in.is_removal()};
    }
    [[nodiscard]] std::vector<route_change> rows(wire_rows& in) {
        std::vector<route_change> out;
        out.reserve(reader_.rows(in.size(), limits_.message_rows_max));
        for (int i = 0; !reader_.fault() && i < in.size(); ++i) {
            out.push_back(row(in[i]));
        }
        return out;
    }

    const route_limits& limits_;
    wire_reader reader_;
};

} // namespace

void encode(const route_message& message, wire::ControlFrame& out) {
    std::visit(encoder{out}, message);
}

result<route_message, decode_fault> decode_routes(wire::ControlFrame&& in, node_id from,
                                                  const route_limits& limits) {
    decoder reader(limits);
    route_message out = reader.read(in);
    if (const auto fault = reader.fault()) {
        return failure(decode_fault(*fault));
    }
    if (auto sound = check(out, from, limits); !sound) {
        return failure(decode_fault(sound.error()));
    }
    return out;
}

} // namespace gv::cluster
