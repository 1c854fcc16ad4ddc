// SPDX-License-Identifier: Apache-2.0
// The words of forwarding between nodes. A *lane* carries the messages of one shard of one node to
// one other node, in order. Its two ends are a `lane_sender` and a `lane_receiver`; between them
// lies a *link*, one stream at a time: frames go one way, replies come back. A node in the middle
// that passes both on is no part of it.
//
//   sender                              receiver
//     lane_hello   ──────────────────────▶           first on every link
//               ◀──────────────────────── lane_welcome
//     lane_frame   ──────────────────────▶           while there is credit
//               ◀──────────────────────── lane_reply   what was taken, credit given back
//
// Only messages of QoS 1 and 2 are *counted*: they have the numbers 1, 2, 3, … of their lane, are
// kept until they are taken, and are known again by their number when they come twice. Those of QoS
// 0 have none: they may be dropped without leaving a gap, and cost neither memory nor an answer.
//
// Everything here is as a transport should carry it; cluster/lane_format.hpp tells what is in the
// bytes of frames and replies, docs/cluster-protocol-lanes.md the rules.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gv::cluster {

/// Number of a counted message in its lane, from 1; 0: none.
using lane_seq = std::uint64_t;
/// How the receiving node took a message: a reason code of MQTT, 0 for success. What it means to a
/// publisher is the owner's matter.
using lane_reason = std::uint8_t;
/// Who waits at the sender, in the owner's words; 0: nobody.
using lane_waiter = std::uint32_t;

/// Names a lane, with the node that it goes to. A new life of the origin has new lanes.
struct lane_identity {
    node_id origin;
    boot_id boot;   ///< of the origin
    shard_id shard; ///< of the origin: the number of the lane
    friend constexpr auto operator<=>(const lane_identity&, const lane_identity&) = default;
};

/// What the receiving node is to do with a message: some of the first three, or give it to one
/// member of a shared group, and to nobody else. Lifetime of the texts: that of the message.
struct forward_flags {
    bool for_subscribers = false; ///< those of no group
    bool for_retained = false;    ///< store it, or delete what is stored
    /// There are kept sessions among the subscribers; alone, it is for those only.
    bool for_kept = false;
    std::string_view group = {};  ///< name; empty: none
    std::string_view filter = {}; ///< of the group; matches the topic
    /// Something between two shards about a session, in their own words; the message is a part of
    /// it, and may be without topic. Then it is for nobody else.
    std::string_view errand = {};
    [[nodiscard]] constexpr bool is_for_group() const noexcept { return !group.empty(); }
    friend constexpr bool operator==(const forward_flags&, const forward_flags&) = default;
};

/// What a node answers if the group has no member there any more: another is to be chosen. That of
/// MQTT for a message that matches no subscriber.
inline constexpr lane_reason lane_no_member = 0x10;

/// First word of the sender on a link.
struct lane_hello {
    lane_identity lane;
    lane_seq oldest = 1; ///< every number below is known to be taken
    friend bool operator==(const lane_hello&, const lane_hello&) = default;
};

/// First word of the receiver on a link.
struct lane_welcome {
    boot_id boot;                   ///< of the receiving node
    lane_seq expected = 0;          ///< the next number that it has not had
    std::uint64_t credit_bytes = 0; ///< of frames that may be sent before the next reply
    friend bool operator==(const lane_welcome&, const lane_welcome&) = default;
};

struct lane_frame {
    lane_seq first = 0;       ///< number of the first counted message in it, or of the next to come
    lane_seq oldest = 0;      ///< every number below is known to be taken
    std::uint64_t age_ms = 0; ///< what is left of the life of its messages is so much less
    std::string bytes;        ///< pieces, see cluster/lane_format.hpp; not empty
    friend bool operator==(const lane_frame&, const lane_frame&) = default;
};

struct lane_reply {
    std::string taken;              ///< ranges, see cluster/lane_format.hpp; may be empty
    std::uint64_t credit_bytes = 0; ///< so many more bytes may be sent
    friend bool operator==(const lane_reply&, const lane_reply&) = default;
};

/// Limits of the wire: a peer that passes one is at fault.
inline constexpr std::size_t lane_frame_bytes_max = 256u << 10;
inline constexpr std::size_t lane_reply_bytes_max = 64u << 10;
/// A whole message, encoded: the greatest of MQTT, and what is said of it.
inline constexpr std::size_t lane_message_bytes_max = (256u << 20) + 1'024;
/// Numbers sent and not known to be taken; the sender waits when it comes there.
inline constexpr std::size_t lane_unanswered_max = 1u << 20;
/// Credit that a sender may hold at a time.
inline constexpr std::uint64_t lane_credit_bytes_max = std::uint64_t{1} << 30;
/// Life left of a message, in milliseconds: 136 years, as much as MQTT can say.
inline constexpr std::uint64_t lane_life_ms_max = std::uint64_t{0xffff'ffff} * 1'000;

/// Why what a peer says is not believed. The link is to be closed; the message at fault was not
/// given out, those before it in the frame were.
enum class lane_fault : std::uint8_t {
    wrong_lane,        ///< a hello for another lane
    numbers_invalid,   ///< numbers that no lane can have, or that contradict what was said
    gap,               ///< counted messages are missing before a frame
    frame_too_large,   ///< or empty
    frame_malformed,   ///< pieces that do not fill it, or of an unknown kind
    message_too_large, ///< whole, over the limit of this node
    message_malformed, ///< fields cut short, unknown bits, values out of range
    topic_invalid,     ///< empty, with a wildcard or a zero, or too many levels
    chunk_misplaced,   ///< a part of a message that was not begun, or anything else within one
    credit_exceeded,   ///< more sent than was allowed
    credit_invalid,    ///< more allowed than a lane may have
    too_many_unanswered,
    reply_malformed,
    never_sent, ///< an answer to a message that was not sent
    unexpected, ///< a frame or reply before hello and welcome
};
inline constexpr std::size_t lane_fault_count = 15;

[[nodiscard]] std::string_view text_of(lane_fault fault) noexcept;

} // namespace gv::cluster
