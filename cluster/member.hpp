// SPDX-License-Identifier: Apache-2.0
// What nodes tell each other of a node: one row, whole. Of two rows about a node the one of higher
// precedence holds, whoever tells it and in whatever order they come, so that views that have heard
// the same are the same:
//
//   precedence = (boot, is gone, incarnation, state)
//   state      = remembered < alive < suspect < dead < left < gone
//
// Only a node itself raises its boot (by starting) and its incarnation (by refuting what is said of
// it, and by changing its profile). `gone` ends one life of a node for good: no incarnation refutes
// it, a new boot does.
//
//   remembered  registered, not heard of since this node has started
//   alive       answers
//   suspect     somebody got no answer, by no way; it may still refute
//   dead        did not refute in time, or said that it goes down; redialled for ever
//   left        said that it goes for good; neither probed nor redialled
//   gone        forgotten by an operator
//
// A node of a later release may tell more of itself than this one knows. That is kept as it came,
// and comes out again wherever the row does. It belongs to the row: what is new in a row must
// change with its precedence only, as all that is in it does.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "cluster/wire_versions.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>

namespace gv::cluster {

/// Raised by a node to contradict what is said of it; counts within one boot.
using incarnation_number = strong_id<struct incarnation_tag, std::uint32_t>;
/// Above this a row is malformed: nobody refutes so often, and the number must have room to rise.
inline constexpr incarnation_number incarnation_max{1U << 31};

enum class member_state : std::uint8_t { remembered, alive, suspect, dead, left, gone };
inline constexpr std::array<std::string_view, 6> member_state_names{
    "remembered", "alive", "suspect", "dead", "left", "gone"};

/// What a node tells of itself. It changes with its incarnation only.
struct member_profile {
    std::string name;
    std::string peer_address;   ///< host:port at which other nodes reach it
    std::string client_address; ///< host:port for clients of this node alone; may be empty
    wire_range wire;
    std::uint64_t features = 0; ///< bits, see below; those that are not known are passed on
    std::string unknown;        ///< fields that are not known, as on the wire: passed on

    friend bool operator==(const member_profile&, const member_profile&) = default;
};

/// Bits of member_profile::features. A node is asked for nothing that it does not say it can do.
inline constexpr std::uint64_t feature_relay = 1U << 0U; ///< passes streams on to a neighbour
inline constexpr std::uint64_t feature_figures = 1U
                                                 << 1U; ///< takes node_figures in control streams

/// Takes part in where sessions live: partition_message in control streams, sessions over lanes.
inline constexpr std::uint64_t feature_partitions = 1U << 3U;

/// Keeps nothing on disk: what starts at its address after its end is another node.
inline constexpr std::uint64_t feature_passing = 1U << 2U;

inline constexpr std::size_t node_name_bytes_max = 64;
inline constexpr std::size_t address_bytes_max = 255;
/// Of a row and its profile together: a row fits into gossip with them. Later releases keep to it
/// as long as they speak version 1.
inline constexpr std::size_t unknown_bytes_max = 256;

struct member_row {
    node_id node;
    boot_id boot;
    incarnation_number incarnation;
    member_state state = member_state::alive;
    node_id accuser; ///< of suspect and dead: who says so; the node itself, if it goes down
    member_profile profile;
    std::string unknown; ///< as in the profile

    friend bool operator==(const member_row&, const member_row&) = default;
};

/// Alive or suspect: it counts, is probed, and gets what it is sent.
[[nodiscard]] constexpr bool is_live(member_state state) noexcept {
    return state == member_state::alive || state == member_state::suspect;
}
/// Part of the cluster, reachable or not.
[[nodiscard]] constexpr bool is_registered(member_state state) noexcept {
    return state < member_state::left;
}
/// Whether it is somebody's word against the node.
[[nodiscard]] constexpr bool is_accusation(const member_row& row) noexcept {
    return (row.state == member_state::suspect || row.state == member_state::dead)
           && row.accuser != row.node;
}

[[nodiscard]] constexpr auto precedence(const member_row& row) noexcept {
    return std::tuple(row.boot, row.state == member_state::gone, row.incarnation, row.state);
}
/// Requires: both are about the same node.
[[nodiscard]] constexpr bool supersedes(const member_row& news, const member_row& known) noexcept {
    return precedence(news) > precedence(known);
}

/// Why a message of a peer is not understood.
enum class message_fault : std::uint8_t {
    no_sender,
    cluster_name,
    node_name,
    address,
    wire_versions,
    incarnation,
    state,
    unknown_fields,
    too_many_rows,
    too_much_gossip
};
inline constexpr std::array<std::string_view, 10> message_fault_texts{
    "a node or boot of zero",
    "name of the cluster empty, too long or with control characters",
    "name of a node empty, too long or with control characters",
    "address empty, too long or not printable",
    "least wire version above the greatest",
    "incarnation out of range",
    "unknown state",
    "more unknown fields than a member may have",
    "more members than a cluster may have",
    "more gossip than a message may carry"};

/// A name that may be logged: 1 to `bytes_max` bytes, no control characters.
[[nodiscard]] bool is_plain_name(std::string_view text, std::size_t bytes_max) noexcept;

/// Errors: the first thing that no honest node says.
[[nodiscard]] result<void, message_fault> check(const member_profile& profile);
[[nodiscard]] result<void, message_fault> check(const member_row& row);

/// At most so many bytes on the wire, tag and length of its field included.
[[nodiscard]] std::size_t wire_bytes(const member_row& row) noexcept;

} // namespace gv::cluster
