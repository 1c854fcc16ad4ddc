// SPDX-License-Identifier: Apache-2.0
#include "cluster/wire_partitions.hpp"

#include "cluster/wire_reader.hpp"

#include <proto/grapevine_cluster.pb.h>

namespace gv::cluster {

namespace {

namespace wire = grapevine::cluster::v1;

template <typename Message>
void encode(const partition_heading& heading, Message& out) {
    if (heading.founding.is_there()) {
        out.mutable_founding()->set_at(heading.founding.at.value);
        out.mutable_founding()->set_by(heading.founding.by.value);
    }
    out.set_has_sessions(heading.has_sessions);
    out.set_takes_no_more(!heading.takes_more);
}

template <typename Message>
[[nodiscard]] partition_heading heading_of(const Message& in) {
    return {.founding = {.at = {in.founding().at()}, .by = node_id{in.founding().by()}},
            .has_sessions = in.has_sessions(),
            .takes_more = !in.takes_no_more()};
}

void encode(const partition_rows& told, wire::PartitionRows& out) {
    encode(told.heading, out);
    out.set_wants_answer(told.wants_answer);
    for (const told_partition& each : told.rows) {
        wire::PartitionRow& to = *out.add_rows();
        to.set_partition(each.which.value);
        to.set_home(each.row.home.value);
        to.set_epoch(each.row.epoch);
    }
}

[[nodiscard]] result<partition_message, decode_fault> decode(const wire::PartitionRows& in) {
    wire_reader reader;
    partition_rows made{.heading = heading_of(in), .wants_answer = in.wants_answer(), .rows = {}};
    const std::size_t rows = reader.rows(in.rows_size(), partition_count);
    made.rows.reserve(rows);
    for (std::size_t at = 0; at < rows; ++at) {
        const wire::PartitionRow& row = in.rows(static_cast<int>(at));
        made.rows.push_back({.which = partition_id{reader.fitting<std::uint16_t>(row.partition())},
                             .row = {.home = node_id{row.home()}, .epoch = row.epoch()}});
    }
    if (const auto fault = reader.fault()) {
        return failure(decode_fault(*fault));
    }
    return made;
}

} // namespace

void encode(const partition_message& message, wire::ControlFrame& out) {
    if (const auto* const rows = std::get_if<partition_rows>(&message)) {
        encode(*rows, *out.mutable_partition_rows());
        return;
    }
    const auto& digest = std::get<partition_digest>(message);
    encode(digest.heading, *out.mutable_partition_digest());
    out.mutable_partition_digest()->set_hash(digest.hash);
}

bool is_about_partitions(const wire::ControlFrame& in) noexcept {
    return in.has_partition_rows() || in.has_partition_digest();
}

result<partition_message, decode_fault> decode_partitions(const wire::ControlFrame& in) {
    if (in.has_partition_rows()) {
        return decode(in.partition_rows());
    }
    return partition_digest{.heading = heading_of(in.partition_digest()),
                            .hash = in.partition_digest().hash()};
}

} // namespace gv::cluster
