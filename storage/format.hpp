// SPDX-License-Identifier: Apache-2.0
// Keys and values of the store, byte by byte (docs/storage-format.md has the reasons). Integers are
// big-endian, so that keys sort as numbers; times are milliseconds since 1970. Whatever this file
// describes is read by newer brokers: a change of meaning raises `schema`.
//
// Encoders append to a string that the caller reuses. Decoders return false where the bytes are not
// what an encoder writes; what they give are views into those bytes.
#pragma once

#include "base/ids.hpp"
#include "base/message.hpp"
#include "base/time.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gv::storage {

inline constexpr std::uint32_t schema = 1;

/// Names a session for as long as it lives; a new one of the same client has another.
struct session_id {
    hybrid_time created{};
    node_id node{};
    friend constexpr auto operator<=>(session_id, session_id) = default;
};

/// Bodies that one shard wrote in one time slot. They are neighbours, so that those of a slot of
/// which nothing is alive go in one piece.
struct bucket {
    std::uint32_t slot = 0; ///< hours since 1970
    boot_id boot{};
    shard_id shard{};
    friend constexpr auto operator<=>(bucket, bucket) = default;
};
/// A body that several queue rows share.
struct body_id {
    bucket in;
    std::uint64_t number = 0;
    friend constexpr auto operator<=>(body_id, body_id) = default;
};

/// The two clocks of one moment: deadlines are kept by the wall clock, which survives a restart.
struct moment {
    time_point now{};
    wall_time wall{};

    /// Milliseconds since 1970; 0: never.
    [[nodiscard]] std::uint64_t to_stored(time_point due) const noexcept;
    [[nodiscard]] time_point from_stored(std::uint64_t milliseconds) const noexcept;
};

/// A lane to another node, and a place in its spool.
struct spool_lane {
    node_id peer{};
    shard_id lane{}; ///< its number
    friend constexpr auto operator<=>(spool_lane, spool_lane) = default;
};
struct spool_place {
    spool_lane of;
    std::uint64_t sequence = 0;
};

/// What the kept sessions of a node want, by a filter or by a shared group of it.
struct route_place {
    node_id author{};
    std::string_view filter;
    std::string_view group; ///< empty: none
};

// Keys. One of fixed size is an array on the stack.

template <std::size_t Size>
struct fixed_key {
    char bytes[Size];
    [[nodiscard]] std::string_view view() const noexcept { return {bytes, Size}; }
};

/// partition(2) session(16): of queue_meta, and what rows of the session begin with.
using session_key = fixed_key<18>;
/// session_key sequence(8).
using queue_key = fixed_key<26>;
/// 'R' session_key sequence(8), a sequence of its own: the order of the PUBRECs.
using release_key = fixed_key<27>;
/// 'I' session_key packet id(2): a QoS 2 message of the client, until its PUBREL. The row is an
/// unrouted_record, or empty: what was to be given out is.
using inbound_key = fixed_key<21>;
/// 'W' stamp(8) shard(2), of which is publishing it: a will that is due and not yet taken.
using due_will_key = fixed_key<11>;
/// 'C' shard(2): what the shard's retained messages are known to be complete for.
using claim_key = fixed_key<3>;
/// 'P' partition(2): which node has its sessions.
using partition_key = fixed_key<3>;
/// 'A' session_key: the session is, or was, handed over to this node.
using arriving_key = fixed_key<19>;
/// node(8) lane(2) sequence(8): a message for that node, in the lane of that number.
using spool_key = fixed_key<18>;
/// slot(4) boot(4) shard(2): what keys of its bodies begin with.
using bucket_key = fixed_key<10>;
/// bucket_key number(8).
using body_key = fixed_key<18>;

[[nodiscard]] session_key key_of(partition_id partition, session_id session) noexcept;
[[nodiscard]] queue_key queue_key_of(const session_key& session, std::uint64_t sequence) noexcept;
[[nodiscard]] release_key release_key_of(const session_key& session,
                                         std::uint64_t sequence) noexcept;
[[nodiscard]] inbound_key inbound_key_of(const session_key& session, packet_id id) noexcept;
[[nodiscard]] due_will_key due_will_key_of(hybrid_time stamp, shard_id shard) noexcept;
[[nodiscard]] claim_key claim_key_of(shard_id shard) noexcept;
[[nodiscard]] partition_key partition_key_of(partition_id which) noexcept;
[[nodiscard]] spool_key spool_key_of(const spool_place& where) noexcept;
[[nodiscard]] bool decode(std::string_view key, spool_place& where) noexcept;
[[nodiscard]] bucket_key bucket_key_of(const bucket& which) noexcept;
/// Of a body's key or a bucket's. False if it is too short.
[[nodiscard]] bool decode(std::string_view key, bucket& which) noexcept;
[[nodiscard]] body_key body_key_of(const body_id& body) noexcept;
/// partition(2) client id.
[[nodiscard]] std::string client_key_of(partition_id partition, std::string_view client_id);
/// node(8): what keys of its routes begin with.
using author_key = fixed_key<8>;
[[nodiscard]] author_key author_key_of(node_id author) noexcept;
/// author_key filter, and behind a zero byte, which no filter has, the group if there is one.
[[nodiscard]] std::string route_key_of(const route_place& where);
/// A view into the key.
[[nodiscard]] bool decode(std::string_view key, route_place& where) noexcept;
/// session_key filter.
[[nodiscard]] std::string subscription_key_of(const session_key& session, std::string_view filter);

// Values.

/// Of the node's own record in the table `meta`.
inline constexpr std::string_view node_key = "N";
/// Of a stamp there that no other in the store is newer than.
inline constexpr std::string_view clock_key = "H";
struct node_record {
    std::uint32_t schema = storage::schema;
    node_id node{};
    boot_id boot{};
};
void encode(const node_record& record, std::string& out);
[[nodiscard]] bool decode(std::string_view value, node_record& record) noexcept;

/// A message wherever it is stored: stamp(8) origin(8) publisher(8) flags(1) expires(8) topic,
/// properties (each after its size: 2 and 4 bytes), payload (the rest).
void encode(const publication& what, const moment& at, std::string& out);
[[nodiscard]] bool decode(std::string_view value, const moment& at, publication& what) noexcept;

/// Of a shard of a node in a cluster: retained messages with stamps in (from, to] that are not in
/// its part were removed. There are as many records as there were shards.
struct claim_record {
    hybrid_time from{};
    hybrid_time to{};
    std::uint16_t shards = 1;
};
void encode(const claim_record& record, std::string& out);
[[nodiscard]] bool decode(std::string_view value, claim_record& record) noexcept;

/// Of `small`: the table of partitions that the node goes by.
inline constexpr std::string_view founding_key = "F";
struct founding_record {
    hybrid_time at{}; ///< not 0
    node_id by{};     ///< the same
    friend bool operator==(const founding_record&, const founding_record&) = default;
};
void encode(const founding_record& record, std::string& out);
[[nodiscard]] bool decode(std::string_view value, founding_record& record) noexcept;

/// A row of such a table; of another than that of the node it is left over.
struct partition_record {
    founding_record of;
    node_id home{};          ///< not 0
    std::uint64_t epoch = 0; ///< the same
};
void encode(const partition_record& record, std::string& out);
[[nodiscard]] bool decode(std::string_view value, partition_record& record) noexcept;

/// The life of a node that was still giving out a QoS 2 message when its identifier was written
/// down.
struct unrouted_record {
    node_id node;
    boot_id boot;
};
void encode(const unrouted_record& record, std::string& out);
[[nodiscard]] bool decode(std::string_view value, unrouted_record& record) noexcept;

/// How far a session has come here.
enum class arriving_state : std::uint8_t {
    on_its_way, ///< is this node's if the partition is
    merging,    ///< the partition is this node's, the session is not yet
    at_home     ///< the node that had it may have a copy
};
struct arriving_record {
    arriving_state state = arriving_state::on_its_way;
    hybrid_time cut{}; ///< what is dated up to it has come with it
};
void encode(const arriving_record& record, std::string& out);
[[nodiscard]] bool decode(std::string_view value, arriving_record& record) noexcept;

/// A row of a session's queue: how the message goes to the client, then the message or where it is.
struct queue_row {
    qos quality = qos::at_least_once;
    bool retain = false;
    packet_id id{}; ///< 0: follows from the sequence
    std::span<const std::uint32_t> subscription_ids{};
    std::uint64_t topic = 0; ///< hash64 of the topic if only its newest row is kept; else 0
    bool by_group = false;   ///< it came through a shared group
};
void encode(const queue_row& row, const publication& what, const moment& at, std::string& out);
/// `message`: as encoded.
void encode(const queue_row& row, std::string_view message, std::string& out);
/// `size`: bytes of topic, properties and payload there.
void encode(const queue_row& row, const body_id& where, std::uint32_t size, std::string& out);
struct queue_row_view {
    queue_row row;
    std::vector<std::uint32_t> subscription_ids;
    std::optional<body_id> body; ///< else `message` holds it
    std::uint32_t body_size = 0; ///< of topic, properties and payload there
    std::string_view message;

    /// Bytes of topic, properties and payload, wherever they are.
    [[nodiscard]] std::size_t size() const noexcept;
};
[[nodiscard]] bool decode(std::string_view value, queue_row_view& row);

/// What is known of a queue without reading it.
struct queue_record {
    std::uint64_t reserved_until = 0; ///< no sequence from here on has been seen by the client
    std::uint64_t sent_until = 0;     ///< rows before it were sent; in doubt while attached
};
void encode(const queue_record& record, std::string& out);
[[nodiscard]] bool decode(std::string_view value, queue_record& record) noexcept;

struct will_record {
    std::uint32_t delay_seconds = 0;
    std::uint32_t expiry_seconds = 0; ///< counted from its publication; 0: none
    std::string message;              ///< encoded
};
/// Of a will that is due; that of a session is in its record.
void encode(const will_record& record, std::string& out);
[[nodiscard]] bool decode(std::string_view value, will_record& record);
struct session_record {
    session_id id;
    attach_epoch epoch{};
    bool is_attached = false; ///< a client was connected when this was written
    bool is_v5 = false;
    std::uint32_t expiry_seconds = 0; ///< all ones: never
    std::uint64_t left_at = 0;        ///< when the client went; 0 if attached
    std::uint16_t receive_maximum = 0;
    std::optional<std::string> username;
    std::optional<will_record> will;
};
void encode(const session_record& record, std::string& out);
[[nodiscard]] bool decode(std::string_view value, session_record& record);

struct subscription_record {
    qos quality = qos::at_most_once;
    bool no_local = false;
    bool retain_as_published = false;
    bool newest_only = false;
    std::uint8_t retain_handling = 0;
    std::uint32_t subscription_id = 0;
};
void encode(const subscription_record& record, std::string& out);
[[nodiscard]] bool decode(std::string_view value, subscription_record& record) noexcept;

/// A message that waits for another node: put at(8) life(4) message, as a lane carries it.
struct spooled_row {
    std::uint64_t put_at = 0;
    boot_id life{}; ///< of the peer, for which it was meant; 0: not known
    std::string_view message;
};
void encode(const spooled_row& row, std::string& out);
[[nodiscard]] bool decode(std::string_view value, spooled_row& row) noexcept;

/// Of a route_place: flags(1), and of a group online(4) total(4).
struct route_row {
    qos quality = qos::at_most_once; ///< highest granted
    bool no_local_only = false;      ///< all subscriptions have No Local
    std::uint32_t online = 0;        ///< members of the group
    std::uint32_t total = 0;         ///< at least 1; 0 without a group
    [[nodiscard]] bool is_of_group() const noexcept { return total != 0; }
};
void encode(const route_row& row, std::string& out);
[[nodiscard]] bool decode(std::string_view value, route_row& row) noexcept;

/// The identifier of a message whose PUBREL is awaited or to be sent.
void encode(packet_id id, std::string& out);
[[nodiscard]] bool decode(std::string_view value, packet_id& id) noexcept;

} // namespace gv::storage
