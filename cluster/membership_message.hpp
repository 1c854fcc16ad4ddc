// SPDX-License-Identifier: Apache-2.0
// What nodes say to each other about who is there. Every message is one envelope; what it asks and
// answers fits unary calls: the answer goes back to where the question came from.
//
//   question        answer            asks
//   probe           ack               are you there
//   probe_request   ack or nack       can you reach that one; one of the two, always
//   push_pull       push_pull_answer  all that you know, against all that I know; also to join
//   notice          nothing           carries gossip alone
//   any             refusal           you are not of this cluster, not of its versions, or wrong
//   here
#pragma once

#include "base/time.hpp"
#include "cluster/member.hpp"

#include <variant>
#include <vector>

namespace gv::cluster {

struct probe {
    std::uint64_t sequence = 0;
};

struct probe_request {
    std::uint64_t sequence = 0;
    node_id target;
};

struct ack {
    std::uint64_t sequence = 0; ///< that of the question
    node_id subject;            ///< who is alive: who answers, or the target of the request
    bool wants_state = false;   ///< who answers does not know who asked; a push_pull should follow
};

/// The target did not answer who was asked to reach it; whoever says so is well.
struct nack {
    std::uint64_t sequence = 0;
};

struct push_pull {
    std::uint64_t sequence = 0;
    std::vector<member_row> rows;
};

struct push_pull_answer {
    std::uint64_t sequence = 0;
    std::vector<member_row> rows;
};

struct notice {};

enum class refusal_cause : std::uint8_t {
    other_cluster,
    wire_versions,
    other_node ///< the address belongs to another node than the one that was meant
};

/// Name of the cluster and wire versions of who refuses are in the envelope.
struct refusal {
    refusal_cause cause = refusal_cause::other_cluster;
    node_id meant; ///< to whom the refused message was addressed
};

using message_body =
    std::variant<probe, probe_request, ack, nack, push_pull, push_pull_answer, notice, refusal>;

struct envelope {
    std::string cluster; ///< name of the cluster of the sender
    wire_range wire;     ///< what the sender speaks
    node_id from;
    boot_id boot;          ///< of the sender
    node_id to;            ///< 0: whoever has this address
    hybrid_time sent_at{}; ///< the sender's wall clock
    std::vector<member_row> gossip;
    message_body body;
};

inline constexpr std::size_t cluster_name_bytes_max = 64;

/// What a message may hold at most.
struct message_limits {
    std::size_t rows_max = 1'024;
    std::size_t gossip_bytes_max = 1'024;
};

/// Errors: the first thing that no honest node sends; nothing of such a message may be used.
[[nodiscard]] result<void, message_fault> check(const envelope& message,
                                                const message_limits& limits);

/// At most so many bytes on the wire.
[[nodiscard]] std::size_t wire_bytes(const envelope& message) noexcept;

} // namespace gv::cluster
