// SPDX-License-Identifier: Apache-2.0
#include "storage/format.hpp"

#include "base/bytes.hpp"
#include "base/topic.hpp"

#include <algorithm>

namespace gv::storage {

namespace {

constexpr std::uint8_t quality_bits = 0x03;
constexpr std::uint8_t retain_bit = 0x04;
// Of a queue row.
constexpr std::uint8_t body_bit = 0x08;
constexpr std::uint8_t id_bit = 0x10;
constexpr std::uint8_t subscription_ids_bit = 0x20;
constexpr std::uint8_t newest_bit = 0x40; // of a subscription too
constexpr std::uint8_t by_group_bit = 0x80;
// Of a message.
constexpr std::size_t message_header_size = 8 + 8 + 8 + 1 + 8;
constexpr std::uint8_t maybe_dup_bit = 0x08;
constexpr std::uint8_t newest_only_bit = 0x10;
// Of a session.
constexpr std::uint8_t attached_bit = 0x01;
constexpr std::uint8_t v5_bit = 0x02;
constexpr std::uint8_t username_bit = 0x04;
constexpr std::uint8_t will_bit = 0x08;
// Of a subscription, above the QoS; then two bits of retain handling.
constexpr std::uint8_t no_local_bit = 0x04;
constexpr std::uint8_t as_published_bit = 0x08;
constexpr unsigned handling_shift = 4;
// Of a route, above the QoS; No Local as of a subscription.
constexpr std::uint8_t group_bit = 0x08;

/// Farther than any client can ask for, and half of what a clock holds.
constexpr auto left_max = std::chrono::milliseconds(std::chrono::hours(24 * 365 * 146));
constexpr auto deadline_max = 2 * left_max;

[[nodiscard]] std::uint8_t flag(bool is_set, std::uint8_t bit) noexcept {
    return is_set ? bit : std::uint8_t{0};
}

[[nodiscard]] std::uint64_t milliseconds_of(wall_time when) noexcept {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(when.time_since_epoch()).count());
}

char* store_session(char* at, partition_id partition, session_id session) noexcept {
    return store_u64(store_u64(store_u16(at, partition.value), session.created.value),
                     session.node.value);
}

[[nodiscard]] bool ends_well(const read_cursor& in) noexcept { return !in.failed() && in.at_end(); }

void begin_row(const queue_row& row, std::uint8_t more, std::string& out) {
    byte_writer to(out);
    to.u8(static_cast<std::uint8_t>(
        static_cast<unsigned>(row.quality) | flag(row.retain, retain_bit) | more
        | flag(row.id.value != 0, id_bit)
        | flag(!row.subscription_ids.empty(), subscription_ids_bit)
        | flag(row.topic != 0, newest_bit) | flag(row.by_group, by_group_bit)));
    if (row.id.value != 0) {
        to.u16(row.id.value);
    }
    if (!row.subscription_ids.empty()) {
        to.variable(static_cast<std::uint32_t>(row.subscription_ids.size()));
        for (const std::uint32_t each : row.subscription_ids) {
            to.variable(each);
        }
    }
    if (row.topic != 0) {
        to.u64(row.topic);
    }
}

} // namespace

std::uint64_t moment::to_stored(time_point due) const noexcept {
    if (due == never) {
        return 0;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(due - now).count();
    const auto at = static_cast<std::int64_t>(milliseconds_of(wall)) + left;
    return static_cast<std::uint64_t>(std::max<std::int64_t>(at, 1));
}

time_point moment::from_stored(std::uint64_t milliseconds) const noexcept {
    if (milliseconds == 0) {
        return never;
    }
    // Whatever a damaged row says, or a clock that was lost: the sum does not wrap round.
    const auto stored = static_cast<std::int64_t>(
        std::min(milliseconds, static_cast<std::uint64_t>(deadline_max.count())));
    const std::int64_t left = stored - static_cast<std::int64_t>(milliseconds_of(wall));
    return now + std::min(std::chrono::milliseconds(left), left_max);
}

session_key key_of(partition_id partition, session_id session) noexcept {
    session_key made;
    store_session(made.bytes, partition, session);
    return made;
}

queue_key queue_key_of(const session_key& session, std::uint64_t sequence) noexcept {
    queue_key made;
    store_u64(store_bytes(made.bytes, session.view()), sequence);
    return made;
}

release_key release_key_of(const session_key& session, std::uint64_t sequence) noexcept {
    release_key made;
    store_u64(store_bytes(store_u8(made.bytes, 'R'), session.view()), sequence);
    return made;
}

inbound_key inbound_key_of(const session_key& session, packet_id id) noexcept {
    inbound_key made;
    store_u16(store_bytes(store_u8(made.bytes, 'I'), session.view()), id.value);
    return made;
}

due_will_key due_will_key_of(hybrid_time stamp, shard_id shard) noexcept {
    due_will_key made;
    made.bytes[0] = 'W';
    store_u16(store_u64(made.bytes + 1, stamp.value), shard.value);
    return made;
}

claim_key claim_key_of(shard_id shard) noexcept {
    claim_key made;
    made.bytes[0] = 'C';
    store_u16(made.bytes + 1, shard.value);
    return made;
}

partition_key partition_key_of(partition_id which) noexcept {
    partition_key made;
    made.bytes[0] = 'P';
    store_u16(made.bytes + 1, which.value);
    return made;
}

spool_key spool_key_of(const spool_place& where) noexcept {
    spool_key made;
    store_u64(store_u16(store_u64(made.bytes, where.of.peer.value), where.of.lane.value),
              where.sequence);
    return made;
}

bool decode(std::string_view key, spool_place& where) noexcept {
    read_cursor in(key);
    where.of.peer.value = in.u64();
    where.of.lane.value = in.u16();
    where.sequence = in.u64();
    return ends_well(in) && where.sequence != 0;
}

author_key author_key_of(node_id author) noexcept {
    author_key made;
    store_u64(made.bytes, author.value);
    return made;
}

std::string route_key_of(const route_place& where) {
    std::string made(author_key_of(where.author).view());
    made.append(where.filter);
    if (!where.group.empty()) {
        made.append(1, '\0').append(where.group);
    }
    return made;
}

bool decode(std::string_view key, route_place& where) noexcept {
    read_cursor in(key);
    where.author.value = in.u64();
    const std::string_view rest = in.rest();
    const std::size_t end = rest.find('\0');
    const bool has_group = end != std::string_view::npos;
    where.filter = rest.substr(0, end);
    where.group = has_group ? rest.substr(end + 1) : std::string_view();
    return !in.failed() && is_valid_topic_filter(where.filter) && has_group == !where.group.empty();
}

bucket_key bucket_key_of(const bucket& which) noexcept {
    bucket_key made;
    store_u16(store_u32(store_u32(made.bytes, which.slot), which.boot.value), which.shard.value);
    return made;
}

bool decode(std::string_view key, bucket& which) noexcept {
    read_cursor in(key);
    which.slot = in.u32();
    which.boot.value = in.u32();
    which.shard.value = in.u16();
    return !in.failed();
}

body_key body_key_of(const body_id& body) noexcept {
    body_key made;
    store_u64(store_bytes(made.bytes, bucket_key_of(body.in).view()), body.number);
    return made;
}

std::string client_key_of(partition_id partition, std::string_view client_id) {
    std::string made;
    byte_writer to(made);
    to.u16(partition.value);
    to.bytes(client_id);
    return made;
}

std::string subscription_key_of(const session_key& session, std::string_view filter) {
    std::string made(session.view());
    made.append(filter);
    return made;
}

void encode(const node_record& record, std::string& out) {
    byte_writer to(out);
    to.u32(record.schema);
    to.u64(record.node.value);
    to.u32(record.boot.value);
}

// The schema is read first and whatever else a newer one has, so that it can be refused by name.
bool decode(std::string_view value, node_record& record) noexcept {
    read_cursor in(value);
    record.schema = in.u32();
    record.node.value = in.u64();
    record.boot.value = in.u32();
    return !in.failed();
}

void encode(const publication& what, const moment& at, std::string& out) {
    const envelope& header = what.header;
    byte_writer to(out);
    to.u64(header.stamp.value);
    to.u64(header.origin.value);
    to.u64(header.publisher);
    to.u8(static_cast<std::uint8_t>(
        static_cast<unsigned>(header.quality) | flag(header.retain, retain_bit)
        | flag(header.maybe_dup, maybe_dup_bit) | flag(header.newest_only, newest_only_bit)));
    to.u64(at.to_stored(header.expires));
    to.prefixed(what.topic);
    to.u32(static_cast<std::uint32_t>(what.properties.size()));
    to.bytes(what.properties);
    to.bytes(what.payload);
}

bool decode(std::string_view value, const moment& at, publication& what) noexcept {
    read_cursor in(value);
    envelope& header = what.header;
    header.stamp.value = in.u64();
    header.origin.value = in.u64();
    header.publisher = in.u64();
    const std::uint8_t flags = in.u8();
    header.quality = static_cast<qos>(flags & quality_bits);
    header.retain = (flags & retain_bit) != 0;
    header.maybe_dup = (flags & maybe_dup_bit) != 0;
    header.newest_only = (flags & newest_only_bit) != 0;
    header.expires = at.from_stored(in.u64());
    what.topic = in.prefixed();
    what.properties = in.bytes(in.u32());
    what.payload = in.rest();
    return !in.failed() && (flags & quality_bits) != quality_bits;
}

void encode(const claim_record& record, std::string& out) {
    byte_writer to(out);
    to.u64(record.from.value);
    to.u64(record.to.value);
    to.u16(record.shards);
}

bool decode(std::string_view value, claim_record& record) noexcept {
    read_cursor in(value);
    record.from.value = in.u64();
    record.to.value = in.u64();
    record.shards = in.u16();
    return ends_well(in) && record.shards > 0;
}

namespace {

void put(const founding_record& record, byte_writer& to) {
    to.u64(record.at.value);
    to.u64(record.by.value);
}
void take(read_cursor& in, founding_record& record) noexcept {
    record.at.value = in.u64();
    record.by.value = in.u64();
}
[[nodiscard]] bool is_sound(const founding_record& record) noexcept {
    return record.at.value != 0 && record.by.value != 0;
}

} // namespace

void encode(const founding_record& record, std::string& out) {
    byte_writer to(out);
    put(record, to);
}

bool decode(std::string_view value, founding_record& record) noexcept {
    read_cursor in(value);
    take(in, record);
    return ends_well(in) && is_sound(record);
}

void encode(const partition_record& record, std::string& out) {
    byte_writer to(out);
    put(record.of, to);
    to.u64(record.home.value);
    to.u64(record.epoch);
}

bool decode(std::string_view value, partition_record& record) noexcept {
    read_cursor in(value);
    take(in, record.of);
    record.home.value = in.u64();
    record.epoch = in.u64();
    return ends_well(in) && is_sound(record.of) && record.home.value != 0 && record.epoch != 0;
}

void encode(const unrouted_record& record, std::string& out) {
    byte_writer to(out);
    to.u64(record.node.value);
    to.u32(record.boot.value);
}

bool decode(std::string_view value, unrouted_record& record) noexcept {
    read_cursor in(value);
    record.node.value = in.u64();
    record.boot.value = in.u32();
    return ends_well(in) && record.node.value != 0;
}

void encode(const arriving_record& record, std::string& out) {
    byte_writer to(out);
    to.u8(static_cast<std::uint8_t>(record.state));
    to.u64(record.cut.value);
}

bool decode(std::string_view value, arriving_record& record) noexcept {
    read_cursor in(value);
    const std::uint8_t state = in.u8();
    record.state = static_cast<arriving_state>(state);
    record.cut.value = in.u64();
    return ends_well(in) && state <= static_cast<std::uint8_t>(arriving_state::at_home);
}

void encode(const queue_row& row, const publication& what, const moment& at, std::string& out) {
    begin_row(row, 0, out);
    encode(what, at, out);
}

void encode(const queue_row& row, std::string_view message, std::string& out) {
    begin_row(row, 0, out);
    out.append(message);
}

void encode(const queue_row& row, const body_id& where, std::uint32_t size, std::string& out) {
    begin_row(row, body_bit, out);
    out.append(body_key_of(where).view());
    byte_writer(out).u32(size);
}

std::size_t queue_row_view::size() const noexcept {
    // Beside these, a message has a header and the sizes of its topic and properties.
    constexpr std::size_t overhead = message_header_size + 2 + 4;
    return body ? body_size : message.size() < overhead ? 0 : message.size() - overhead;
}

bool decode(std::string_view value, queue_row_view& row) {
    read_cursor in(value);
    const std::uint8_t flags = in.u8();
    row.row.quality = static_cast<qos>(flags & quality_bits);
    row.row.retain = (flags & retain_bit) != 0;
    row.row.id.value = (flags & id_bit) != 0 ? in.u16() : std::uint16_t{0};
    row.subscription_ids.clear();
    if ((flags & subscription_ids_bit) != 0) {
        for (std::uint32_t left = in.variable(); left > 0 && !in.failed(); --left) {
            row.subscription_ids.push_back(in.variable());
        }
    }
    row.row.subscription_ids = row.subscription_ids;
    row.row.topic = (flags & newest_bit) != 0 ? in.u64() : 0;
    row.row.by_group = (flags & by_group_bit) != 0;
    row.body.reset();
    row.message = {};
    if ((flags & quality_bits) == quality_bits) {
        return false;
    }
    if ((flags & body_bit) != 0) {
        body_id& where = row.body.emplace();
        where.in.slot = in.u32();
        where.in.boot.value = in.u32();
        where.in.shard.value = in.u16();
        where.number = in.u64();
        row.body_size = in.u32();
        return ends_well(in);
    }
    row.message = in.rest();
    return !in.failed();
}

void encode(const queue_record& record, std::string& out) {
    byte_writer to(out);
    to.u64(record.reserved_until);
    to.u64(record.sent_until);
}

bool decode(std::string_view value, queue_record& record) noexcept {
    read_cursor in(value);
    record.reserved_until = in.u64();
    record.sent_until = in.u64();
    return ends_well(in);
}

void encode(const will_record& record, std::string& out) {
    byte_writer to(out);
    to.u32(record.delay_seconds);
    to.u32(record.expiry_seconds);
    to.bytes(record.message);
}

bool decode(std::string_view value, will_record& record) {
    read_cursor in(value);
    record.delay_seconds = in.u32();
    record.expiry_seconds = in.u32();
    record.message = in.rest();
    return ends_well(in);
}

void encode(const session_record& record, std::string& out) {
    byte_writer to(out);
    to.u64(record.id.created.value);
    to.u64(record.id.node.value);
    to.u64(record.epoch.value);
    to.u8(static_cast<std::uint8_t>(flag(record.is_attached, attached_bit)
                                    | flag(record.is_v5, v5_bit)
                                    | flag(record.username.has_value(), username_bit)
                                    | flag(record.will.has_value(), will_bit)));
    to.u32(record.expiry_seconds);
    to.u64(record.left_at);
    to.u16(record.receive_maximum);
    if (record.username) {
        to.prefixed(*record.username);
    }
    if (record.will) {
        encode(*record.will, out);
    }
}

bool decode(std::string_view value, session_record& record) {
    read_cursor in(value);
    record.id.created.value = in.u64();
    record.id.node.value = in.u64();
    record.epoch.value = in.u64();
    const std::uint8_t flags = in.u8();
    record.is_attached = (flags & attached_bit) != 0;
    record.is_v5 = (flags & v5_bit) != 0;
    record.expiry_seconds = in.u32();
    record.left_at = in.u64();
    record.receive_maximum = in.u16();
    record.username.reset();
    if ((flags & username_bit) != 0) {
        record.username.emplace(in.prefixed());
    }
    record.will.reset();
    if ((flags & will_bit) != 0) {
        return decode(in.rest(), record.will.emplace()) && !in.failed();
    }
    return ends_well(in);
}

void encode(const subscription_record& record, std::string& out) {
    byte_writer to(out);
    to.u8(static_cast<std::uint8_t>(
        static_cast<unsigned>(record.quality) | flag(record.no_local, no_local_bit)
        | flag(record.retain_as_published, as_published_bit) | flag(record.newest_only, newest_bit)
        | (unsigned{record.retain_handling} << handling_shift)));
    to.u32(record.subscription_id);
}

bool decode(std::string_view value, subscription_record& record) noexcept {
    read_cursor in(value);
    const std::uint8_t flags = in.u8();
    record.quality = static_cast<qos>(flags & quality_bits);
    record.no_local = (flags & no_local_bit) != 0;
    record.retain_as_published = (flags & as_published_bit) != 0;
    record.newest_only = (flags & newest_bit) != 0;
    record.retain_handling = static_cast<std::uint8_t>((flags >> handling_shift) & 0x03);
    record.subscription_id = in.u32();
    return ends_well(in) && (flags & quality_bits) != quality_bits && record.retain_handling < 3;
}

void encode(const spooled_row& row, std::string& out) {
    byte_writer to(out);
    to.u64(row.put_at);
    to.u32(row.life.value);
    to.bytes(row.message);
}

bool decode(std::string_view value, spooled_row& row) noexcept {
    read_cursor in(value);
    row.put_at = in.u64();
    row.life.value = in.u32();
    row.message = in.rest();
    return !in.failed() && !row.message.empty();
}

void encode(const route_row& row, std::string& out) {
    byte_writer to(out);
    to.u8(static_cast<std::uint8_t>(static_cast<unsigned>(row.quality)
                                    | flag(row.no_local_only, no_local_bit)
                                    | flag(row.is_of_group(), group_bit)));
    if (row.is_of_group()) {
        to.u32(row.online);
        to.u32(row.total);
    }
}

bool decode(std::string_view value, route_row& row) noexcept {
    read_cursor in(value);
    const std::uint8_t flags = in.u8();
    row.quality = static_cast<qos>(flags & quality_bits);
    row.no_local_only = (flags & no_local_bit) != 0;
    const bool has_group = (flags & group_bit) != 0;
    row.online = has_group ? in.u32() : 0;
    row.total = has_group ? in.u32() : 0;
    return ends_well(in) && (flags & quality_bits) != quality_bits && has_group == row.is_of_group()
           && row.online <= row.total;
}

void encode(packet_id id, std::string& out) { byte_writer(out).u16(id.value); }

bool decode(std::string_view value, packet_id& id) noexcept {
    read_cursor in(value);
    id.value = in.u16();
    return ends_well(in) && id.value != 0;
}

} // namespace gv::storage
