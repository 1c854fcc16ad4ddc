// SPDX-License-Identifier: Apache-2.0
// What an earlier life of this node knew of others.
#include "cluster/cluster_node.hpp"

#include <mutex>

namespace gv::cluster {

// Nobody has heard of them in this life: membership says nothing until somebody does.
void cluster_node::meet_remembered(moment at) {
    now_ = at;
    for (const auto& [node, each] : membership_->members()) {
        if (is_registered(each.row.state)) {
            if (const auto seen = meet(each, peer_state::dead)) {
                effects_.peer_changed(*seen);
            }
        }
    }
}

result<void, route_fault> cluster_node::restore_route(node_id author, const route_key& key,
                                                      const route_value& value) {
    const std::unique_lock changing(routes_lock_);
    return routes_->restore_kept(author, key, value);
}

std::optional<peer_view> cluster_node::meet(const member& now, peer_state state) {
    const std::unique_lock changing(routes_lock_);
    const auto slot = slot_of(now.row.node, state);
    if (!slot) {
        return std::nullopt;
    }
    const bool has_stopped =
        state != peer_state::alive
        && (now.row.accuser == now.row.node || now.row.state == member_state::left);
    peer_view seen{.slot = *slot,
                   .who = {.node = now.row.node, .boot = now.row.boot},
                   .state = state,
                   .is_suspected = now.row.state == member_state::suspect,
                   .has_stopped = has_stopped,
                   .has_ended = now.has_ended(),
                   .name = now.row.profile.name,
                   .address = now.row.profile.peer_address};
    routes_->on_peer({.node = seen.who.node, .boot = seen.who.boot}, state, now_.now, *this);
    return seen;
}

} // namespace gv::cluster
