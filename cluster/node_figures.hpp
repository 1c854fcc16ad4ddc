// SPDX-License-Identifier: Apache-2.0
// What a node tells the others of its own traffic and load, every few seconds, for $SYS topics.
// Told in control streams, to nodes with feature_figures.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace gv::cluster {

/// Since the start of the node; they only grow. Units: packets, messages, bytes, times.
struct node_counters {
    std::uint64_t packets_received = 0;
    std::uint64_t packets_sent = 0;
    std::uint64_t messages_received = 0; ///< PUBLISH
    std::uint64_t messages_sent = 0;
    std::uint64_t messages_dropped = 0;
    std::uint64_t payload_bytes_received = 0;
    std::uint64_t payload_bytes_sent = 0;
    std::uint64_t bytes_received = 0;
    std::uint64_t bytes_sent = 0;
    std::uint64_t sessions_expired = 0;
    std::uint64_t sockets = 0; ///< connections accepted
    std::uint64_t connects = 0;

    friend bool operator==(const node_counters&, const node_counters&) = default;
};

/// As of now.
struct node_levels {
    std::uint64_t sessions = 0;
    std::uint64_t sessions_max = 0; ///< since the start
    std::uint64_t connected = 0;
    std::uint64_t subscriptions = 0; ///< without shared ones
    std::uint64_t shared_subscriptions = 0;
    std::uint64_t queued_messages = 0;
    std::uint64_t queued_bytes = 0;
    std::uint64_t retained_messages = 0; ///< the same on all nodes, but for $SYS topics
    std::uint64_t retained_bytes = 0;
    std::uint64_t heap_bytes = 0;
    std::uint64_t heap_bytes_max = 0; ///< since the start
    std::uint64_t uptime_s = 0;

    friend bool operator==(const node_levels&, const node_levels&) = default;
};

struct node_figures {
    std::string version; ///< 1 to 64 bytes, no control characters
    node_counters counters;
    node_levels levels;

    friend bool operator==(const node_figures&, const node_figures&) = default;
};

inline constexpr std::size_t version_bytes_max = 64;

inline constexpr std::array counter_fields{&node_counters::packets_received,
                                           &node_counters::packets_sent,
                                           &node_counters::messages_received,
                                           &node_counters::messages_sent,
                                           &node_counters::messages_dropped,
                                           &node_counters::payload_bytes_received,
                                           &node_counters::payload_bytes_sent,
                                           &node_counters::bytes_received,
                                           &node_counters::bytes_sent,
                                           &node_counters::sessions_expired,
                                           &node_counters::sockets,
                                           &node_counters::connects};
inline constexpr std::array level_fields{
    &node_levels::sessions,      &node_levels::sessions_max,         &node_levels::connected,
    &node_levels::subscriptions, &node_levels::shared_subscriptions, &node_levels::queued_messages,
    &node_levels::queued_bytes,  &node_levels::retained_messages,    &node_levels::retained_bytes,
    &node_levels::heap_bytes,    &node_levels::heap_bytes_max,       &node_levels::uptime_s};
static_assert(sizeof(node_counters) == counter_fields.size() * sizeof(std::uint64_t));
static_assert(sizeof(node_levels) == level_fields.size() * sizeof(std::uint64_t));

} // namespace gv::cluster
