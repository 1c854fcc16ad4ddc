// SPDX-License-Identifier: Apache-2.0
// How the cluster looks from one node, and which member an operator means.
#pragma once

#include "broker/shard/handover.hpp"
#include "cluster/cluster_node.hpp"
#include "cluster/operator_answers.hpp"

#include <functional>
#include <map>
#include <string>

namespace gv::server {

/// "0123456789abcdef".
[[nodiscard]] std::string hex(node_id node);

/// What a node knows beside the machines of its cluster.
struct status_sources {
    const std::map<node_id, cluster::lane_summary>& lanes;
    /// Whether the control stream to it is open.
    const std::function<bool(node_id)>& is_linked;
};

/// Itself, and all that were ever met and not forgotten, by name.
[[nodiscard]] std::vector<cluster::operator_member>
members_of(const cluster::cluster_node& node, const status_sources& from, time_point now);

/// Registered members that are not alive, with how they are, as a list for a person.
[[nodiscard]] std::string members_away(const cluster::membership& members);

/// Puts down to and from whom sessions of this node go, where they live, and what holds them up.
void add_handovers(const cluster::cluster_node& node, const shard::handover_state& now,
                   cluster::operator_status& to);

/// The node whose id or name that is. Of several nodes of that name the one that may be forgotten.
/// Errors: there is none, it is alive, or more than one could be meant.
[[nodiscard]] result<cluster::member_row, problem>
find_to_forget(const cluster::membership& members, const std::string& which);

} // namespace gv::server
