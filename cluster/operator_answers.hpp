// SPDX-License-Identifier: Apache-2.0
// What an operator asks a node on its own machine, and what the node answers. It travels by gRPC on
// a unix socket (proto/grapevine_operator.proto).
#pragma once

#include "base/time.hpp"
#include "cluster/lane_sender.hpp"
#include "cluster/member.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace gv::cluster {

/// All lanes of a node to another.
struct lane_summary {
    std::size_t lanes = 0;
    std::size_t linked = 0;
    lane_state state = lane_state::live; ///< spooling if one is, else draining if one is
    std::uint64_t queue_bytes = 0;
    std::uint64_t spool_rows = 0;
    std::uint64_t spool_bytes = 0;
};

/// A member, as the node that was asked sees it.
struct operator_member {
    member_row row;
    bool is_self = false;
    duration since{}; ///< in this state, as far as the node knows; of itself: 0
    std::optional<duration> round_trip;
    std::optional<std::chrono::milliseconds> clock_ahead;
    bool is_linked = false; ///< the control stream to it is open, directly or by way of another
    std::uint64_t routes = 0;
    std::uint32_t partitions = 0;   ///< of which it is home, of 256
    bool has_another_table = false; ///< of these, than the node that was asked
    lane_summary lanes;
    std::optional<std::uint64_t> retained_differences; ///< see retained_exchange::differences()
};

/// Partitions with their sessions, from the node that was asked to another one.
struct operator_handover {
    node_id node;
    std::string name;
    std::uint32_t waiting = 0;       ///< partitions that are to go there
    std::uint32_t under_way = 0;     ///< those that are going
    std::uint32_t arriving = 0;      ///< those that come from there
    std::uint64_t sessions_left = 0; ///< of the first two
    std::uint64_t gone = 0;          ///< partitions, since the start, as all below
    std::uint64_t sessions_gone = 0;
    std::uint64_t bytes_gone = 0;
    friend bool operator==(const operator_handover&, const operator_handover&) = default;
};

struct operator_status {
    std::string cluster;
    wire_range wire;
    bool is_ready = false; ///< serves clients
    bool has_routes = false;
    bool has_retained = false;
    bool is_leaving = false;
    bool is_forgotten = false;
    std::uint64_t kept_sessions = 0;
    std::uint64_t misplaced_sessions = 0; ///< of these, while their home is another node
    std::uint64_t queued_messages = 0;
    std::vector<operator_member> members; ///< itself first
    std::vector<operator_handover> handovers{};
    std::string held_up{};        ///< why some of these are, for a person; empty: they are not
    std::vector<node_id> homes{}; ///< of each partition, 0: not known; empty: there is no table
};

struct operator_found {
    std::string place; ///< as the operator wrote it
    std::string address;
    node_id node;
    std::string name;
    bool is_known_already = false;
};

/// What becomes of the sessions of a node where others go by another table of partitions.
enum class own_sessions : std::uint8_t { stay, merge, discard };

struct operator_join_request {
    std::vector<std::string> places; ///< may be empty unless sessions stay
    own_sessions sessions = own_sessions::stay;
};

struct operator_join {
    std::vector<operator_found> found;
    std::vector<problem> failed; ///< places where nobody was found; then nothing else was done
    std::uint64_t sessions = 0;  ///< handed over or erased
    std::uint64_t messages = 0;  ///< erased with them
};

struct operator_leave_request {
    bool is_forced = false; ///< even if something is on this node alone
    bool is_drain = false;  ///< the node remains a member, and stops when it has nothing more to do
};

struct operator_leave {
    node_id node;
    std::string name;
    std::string cluster;
    std::int64_t process = 0;
    std::string mark; ///< the file that keeps it from joining again; empty: there is none
};

struct operator_forget {
    node_id node;
    std::string name;
    bool was_forgotten_already = false;
};

/// Foreign: called by threads of gRPC, and must only post. Each reply is to be called once; it may
/// be dropped when the process ends. Replies are thread-safe.
class operator_listener {
  public:
    template <typename Answer>
    using reply = std::function<void(result<Answer, problem>)>;

    virtual ~operator_listener() = default;
    virtual void on_status(reply<operator_status> answer) = 0;
    virtual void on_join(operator_join_request asked, reply<operator_join> answer) = 0;
    virtual void on_leave(operator_leave_request asked, reply<operator_leave> answer) = 0;
    /// `which` is a name or a node id.
    virtual void on_forget(std::string which, reply<operator_forget> answer) = 0;
};

} // namespace gv::cluster
