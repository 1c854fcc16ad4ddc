// SPDX-License-Identifier: Apache-2.0
// Strong identities. Two ids of different kinds never compare or convert by accident.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace gv {

template <typename Tag, typename Value>
struct strong_id {
    Value value{};

    constexpr strong_id() = default;
    constexpr explicit strong_id(Value v) : value(v) {}
    friend constexpr auto operator<=>(strong_id, strong_id) = default;
};

/// A node of the cluster: random, made once, kept on disk.
using node_id = strong_id<struct node_id_tag, std::uint64_t>;
/// How often a node has started; with node_id it names one life of a node.
using boot_id = strong_id<struct boot_id_tag, std::uint32_t>;
/// Another node, as this process counts them: small, and never given to a second one.
using peer_slot = strong_id<struct peer_slot_tag, std::uint16_t>;
/// One core of a node.
using shard_id = strong_id<struct shard_id_tag, std::uint16_t>;
/// One of the 256 partitions of sessions: xxh64(client id) mod 256.
using partition_id = strong_id<struct partition_id_tag, std::uint16_t>;
/// Grows with every attach of a client; whatever carries an older one is ignored.
using attach_epoch = strong_id<struct attach_epoch_tag, std::uint64_t>;
/// Position of a message in the queue of a session; never used again for another message.
using sequence_number = strong_id<struct sequence_number_tag, std::uint64_t>;
/// MQTT packet identifier, 1 to 65,535; 0 means none.
using packet_id = strong_id<struct packet_id_tag, std::uint16_t>;

inline constexpr std::size_t partition_count = 256;
inline constexpr std::size_t shards_max = 64;

/// Whoever a shard may post to, as one number: the shards of its node, then other nodes.
[[nodiscard]] constexpr shard_id party_of(peer_slot node) noexcept {
    return shard_id{static_cast<std::uint16_t>(shards_max + node.value)};
}
[[nodiscard]] constexpr bool is_node(shard_id party) noexcept { return party.value >= shards_max; }
/// Requires: is_node().
[[nodiscard]] constexpr peer_slot slot_of(shard_id party) noexcept {
    return peer_slot{static_cast<std::uint16_t>(party.value - shards_max)};
}

/// Home shard of a partition on a node with `shards` shards.
[[nodiscard]] constexpr shard_id home_shard(partition_id partition, std::size_t shards) {
    return shard_id{static_cast<std::uint16_t>(partition.value % shards)};
}

} // namespace gv

template <typename Tag, typename Value>
struct std::hash<gv::strong_id<Tag, Value>> {
    std::size_t operator()(gv::strong_id<Tag, Value> id) const noexcept {
        return std::hash<Value>{}(id.value);
    }
};
