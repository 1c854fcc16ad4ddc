// SPDX-License-Identifier: Apache-2.0
#include "cluster/wire_retained.hpp"

#include "cluster/wire_reader.hpp"

#include <proto/grapevine_cluster.pb.h>

namespace gv::cluster {

namespace {

namespace wire = grapevine::cluster::v1;
using std::chrono::milliseconds;

void encode(const retained_claim& claim, wire::RetainedClaim& out) {
    out.set_from(claim.from.value);
    out.set_to(claim.to.value);
}

void encode(const retained_range& range, wire::RetainedRange& out) {
    out.set_bucket(range.bucket.value);
    out.set_after(range.after);
    out.set_until(range.until);
}

void encode(const retained_entry& entry, wire::RetainedEntry& out) {
    out.set_topic_hash(entry.topic_hash);
    out.set_stamp(entry.version.stamp.value);
    out.set_origin(entry.version.origin.value);
    out.set_publisher(entry.version.publisher);
}

void encode(const retained_row& row, wire::RetainedRow& out) {
    const message& what = *row.what;
    const gv::envelope& head = what.header();
    out.set_topic(std::string(what.topic()));
    out.set_properties(std::string(what.properties()));
    out.set_payload(std::string(what.payload()));
    out.set_stamp(head.stamp.value);
    out.set_origin(head.origin.value);
    out.set_publisher(head.publisher);
    out.set_quality(static_cast<std::uint32_t>(head.quality));
    out.set_level(static_cast<std::uint32_t>(head.level));
    out.set_mount_point(head.mount_point);
    out.set_newest_only(head.newest_only);
    if (row.expires != never_expires) {
        const auto since = std::chrono::duration_cast<milliseconds>(row.expires.time_since_epoch());
        out.set_expires_ms(
            static_cast<std::uint64_t>(std::max<milliseconds::rep>(since.count(), 1)));
    }
}

struct encoder {
    wire::ControlFrame& frame;

    void operator()(const retained_root& m) const {
        wire::RetainedRoot& out = *frame.mutable_retained_root();
        out.set_boot(m.boot.value);
        out.set_hash(m.hash);
        encode(m.claim, *out.mutable_claim());
        out.set_present_since(m.present_since.value);
        out.set_wants_answer(m.wants_answer);
        for (const retained_covered& each : m.covered) {
            wire::RetainedCovered& to = *out.add_covered();
            to.set_node(each.node.value);
            to.set_until(each.until.value);
        }
    }
    void operator()(const retained_hashes_request& m) const {
        frame.mutable_retained_hashes_request()->set_groups(m.groups);
    }
    void operator()(const retained_hashes& m) const {
        wire::RetainedHashes& out = *frame.mutable_retained_hashes();
        out.set_groups(m.groups);
        out.mutable_hashes()->Assign(m.hashes.begin(), m.hashes.end());
    }
    void operator()(const retained_rows_request& m) const {
        wire::RetainedRowsRequest& out = *frame.mutable_retained_rows_request();
        out.set_number(m.number);
        encode(m.of, *out.mutable_range());
        out.set_bytes_max(m.bytes_max);
        encode(m.claim, *out.mutable_claim());
        for (const retained_entry& each : m.known) {
            encode(each, *out.add_known());
        }
    }
    void operator()(const retained_page& m) const {
        wire::RetainedPage& out = *frame.mutable_retained_page();
        out.set_number(m.number);
        out.set_until(m.until);
        encode(m.claim, *out.mutable_claim());
        for (const retained_entry& each : m.dead) {
            encode(each, *out.add_dead());
        }
        for (const retained_row& each : m.rows) {
            encode(each, *out.add_rows());
        }
    }
};

class decoder {
  public:
    explicit decoder(const retained_limits& limits) : limits_(limits) {}

    [[nodiscard]] retained_message read(const wire::ControlFrame& in) {
        if (in.has_retained_root()) {
            return read(in.retained_root());
        }
        if (in.has_retained_hashes_request()) {
            return retained_hashes_request{.groups = in.retained_hashes_request().groups()};
        }
        if (in.has_retained_hashes()) {
            return read(in.retained_hashes());
        }
        if (in.has_retained_rows_request()) {
            return read(in.retained_rows_request());
        }
        return read(in.retained_page());
    }
    [[nodiscard]] std::optional<wire_fault> fault() const noexcept { return reader_.fault(); }

  private:
    [[nodiscard]] static retained_claim read(const wire::RetainedClaim& in) {
        return {.from = {in.from()}, .to = {in.to()}};
    }
    [[nodiscard]] static retained_entry read(const wire::RetainedEntry& in) {
        return {.topic_hash = in.topic_hash(),
                .version = {.stamp = {in.stamp()},
                            .origin = node_id{in.origin()},
                            .publisher = in.publisher()}};
    }
    [[nodiscard]] retained_root read(const wire::RetainedRoot& in) {
        retained_root made{.boot = boot_id{in.boot()},
                           .hash = in.hash(),
                           .claim = read(in.claim()),
                           .present_since = {in.present_since()},
                           .wants_answer = in.wants_answer(),
                           .covered = {}};
        const std::size_t rows = reader_.rows(in.covered_size(), limits_.members_max);
        for (std::size_t at = 0; at < rows; ++at) {
            const wire::RetainedCovered& each = in.covered(static_cast<int>(at));
            made.covered.push_back({.node = node_id{each.node()}, .until = {each.until()}});
        }
        return made;
    }
    [[nodiscard]] retained_hashes read(const wire::RetainedHashes& in) {
        reader_.require(static_cast<std::size_t>(in.hashes_size()) <= retained_bucket_count,
                        wire_fault::too_many);
        return {.groups = in.groups(), .hashes = {in.hashes().begin(), in.hashes().end()}};
    }
    [[nodiscard]] std::vector<retained_entry>
    read(const google::protobuf::RepeatedPtrField<wire::RetainedEntry>& in) {
        std::vector<retained_entry> made;
        const std::size_t rows = reader_.rows(in.size(), limits_.entries_max);
        made.reserve(rows);
        for (std::size_t at = 0; at < rows; ++at) {
            made.push_back(read(in[static_cast<int>(at)]));
        }
        return made;
    }
    [[nodiscard]] retained_rows_request read(const wire::RetainedRowsRequest& in) {
        return {
            .number = in.number(),
            .of = {.bucket = retained_bucket{reader_.fitting<std::uint16_t>(in.range().bucket())},
                   .after = in.range().after(),
                   .until = in.range().until()},
            .bytes_max = in.bytes_max(),
            .claim = read(in.claim()),
            .known = read(in.known())};
    }
    [[nodiscard]] retained_row read(const wire::RetainedRow& in) {
        publication made{
            .topic = in.topic(), .properties = in.properties(), .payload = in.payload()};
        reader_.require(in.topic().size() <= limits_.topic_bytes_max
                            && in.properties().size() <= limits_.properties_bytes_max
                            && in.payload().size() <= limits_.payload_bytes_max,
                        wire_fault::too_large);
        reader_.require(in.quality() <= 2 && in.level() <= 2, wire_fault::out_of_range);
        if (reader_.fault()) {
            return {};
        }
        made.header.stamp = {in.stamp()};
        made.header.origin = node_id{in.origin()};
        made.header.publisher = in.publisher();
        made.header.quality = static_cast<qos>(in.quality());
        made.header.level = static_cast<durability>(in.level());
        made.header.mount_point = reader_.fitting<std::uint16_t>(in.mount_point());
        made.header.newest_only = in.newest_only();
        made.header.retain = true;
        constexpr std::uint64_t last_ms = std::uint64_t{1} << 43; // in the year 2248
        reader_.require(in.expires_ms() <= last_ms, wire_fault::out_of_range);
        return {.what = message::copy_of(made, message::reach::shared),
                .expires = in.expires_ms() == 0
                               ? never_expires
                               : wall_time(milliseconds(std::min(in.expires_ms(), last_ms)))};
    }
    [[nodiscard]] retained_page read(const wire::RetainedPage& in) {
        retained_page made{.number = in.number(),
                           .until = in.until(),
                           .claim = read(in.claim()),
                           .dead = read(in.dead()),
                           .rows = {}};
        const std::size_t rows = reader_.rows(in.rows_size(), limits_.page_rows_max + 1);
        for (std::size_t at = 0; at < rows && !reader_.fault(); ++at) {
            made.rows.push_back(read(in.rows(static_cast<int>(at))));
        }
        return made;
    }

    const retained_limits& limits_;
    wire_reader reader_;
};

} // namespace

void encode(const retained_message& message, wire::ControlFrame& out) {
    std::visit(encoder{out}, message);
}

bool is_retained(const wire::ControlFrame& in) noexcept {
    return in.has_retained_root() || in.has_retained_hashes_request() || in.has_retained_hashes()
           || in.has_retained_rows_request() || in.has_retained_page();
}

result<retained_message, decode_fault> decode_retained(const wire::ControlFrame& in,
                                                       const retained_limits& limits) {
    decoder reading(limits);
    retained_message made = reading.read(in);
    if (const auto fault = reading.fault()) {
        return failure(decode_fault(*fault));
    }
    return made;
}

} // namespace gv::cluster
