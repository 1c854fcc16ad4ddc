// SPDX-License-Identifier: Apache-2.0
// The words of routes between nodes. A *destination* takes messages: a node, for its volatile
// subscribers or, apart from those, for its kept sessions, or a partition, for its persistent ones.
// For each destination one node, its *owner*, tells all others what is wanted there: a *stream* of
// rows, numbered, that starts anew with each *generation*.
#pragma once

#include "base/ids.hpp"
#include "base/time.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gv::cluster {

enum class destination_kind : std::uint8_t { node, partition, kept };

/// Names the stream of its routes, too.
struct route_destination {
    destination_kind kind = destination_kind::node;
    std::uint64_t number = 0; ///< of the node or partition

    constexpr route_destination() = default;
    constexpr explicit route_destination(node_id node) : number(node.value) {}
    constexpr explicit route_destination(partition_id partition)
        : kind(destination_kind::partition), number(partition.value) {}
    /// The kept sessions of a node: wanted there also while it is away.
    [[nodiscard]] static constexpr route_destination kept_of(node_id node) {
        route_destination made(node);
        made.kind = destination_kind::kept;
        return made;
    }
    friend constexpr auto operator<=>(const route_destination&, const route_destination&) = default;
};

/// Of two generations of a stream the higher is true. The stream of a node has epoch 0. The boot
/// is there for partitions too: a home that starts again numbers its changes from 1 again. The
/// author settles what two sides of a split made of one partition.
struct route_generation {
    std::uint64_t epoch = 0; ///< of the partition
    node_id author;
    boot_id boot;
    friend constexpr auto operator<=>(const route_generation&, const route_generation&) = default;
};

/// Place of a change in a stream. The first state of a generation is 1, so 0 is before all.
using route_seq = std::uint64_t;

/// What a row is about: a filter, or a shared group of a filter.
struct route_key {
    std::string_view filter;
    std::string_view group; ///< empty: none
};

/// What a destination wants by one key.
struct route_value {
    std::uint8_t quality = 0;   ///< highest QoS granted
    bool no_local_only = false; ///< every subscription has No Local; never with a group
    std::uint32_t online = 0;   ///< members of the group
    std::uint32_t total = 0;    ///< members of the group, at least 1; 0 without a group
    friend constexpr bool operator==(const route_value&, const route_value&) = default;
};

/// What became of a row.
struct route_change {
    std::string filter;
    std::string group;
    route_value value;
    bool is_removal = false; ///< then the value is that of a default row

    [[nodiscard]] route_key key() const noexcept { return {filter, group}; }
    friend bool operator==(const route_change&, const route_change&) = default;
};

/// What one node may be the author of: its subscribers, its kept sessions, every partition.
inline constexpr std::size_t route_streams_max = partition_count + 2;

/// Most of what a peer, or this node, may fill memory with.
struct route_limits {
    std::size_t filter_bytes_max = 65'535;
    std::size_t group_bytes_max = 65'535;
    /// Levels of a filter, each of which may cost a node of the tree.
    std::size_t levels_max = 128;
    /// Rows of one stream. Also refused at home, where it is made.
    std::size_t rows_max = 4'000'000;
    /// Rows of one message.
    std::size_t message_rows_max = 65'536;
    /// Bytes of one message, in our own way of counting (bytes_of).
    std::size_t message_bytes_max = 2u << 20;
};

/// Why something was refused; text in route_message.cpp.
enum class route_fault : std::uint8_t {
    unknown_peer,      ///< membership has not told of it, or has told that it is gone
    not_its_own,       ///< it speaks for a stream that another node authors
    unknown_stream,    ///< no such partition
    filter_invalid,    ///< not a topic filter
    filter_too_long,   ///< bytes or levels
    group_invalid,     ///< not the name of a group, or too long
    value_invalid,     ///< a QoS over 2, counts that contradict each other
    message_too_large, ///< rows or bytes
    too_many_rows,     ///< in the stream
    numbers_invalid,   ///< sequence numbers or cursors that no stream can have
};

[[nodiscard]] std::string_view text_of(route_fault fault) noexcept;

} // namespace gv::cluster
