// SPDX-License-Identifier: Apache-2.0
// Whether this node has what others told, and they what it told: then clients may come.
#include "cluster/route_exchange.hpp"

namespace gv::cluster {

bool route_exchange::has(const peer& whom, const route_owner& routes, route_seq seq) const {
    const auto found = whom.positions.find(routes.stream());
    return found != whom.positions.end() && found->second.of == routes.of()
           && found->second.since == 0 && found->second.applied >= seq;
}

void route_exchange::report_when_ready(route_effects& out) {
    wants_ready_ = true;
    look_if_ready(out);
}

// Each is asked for once: subscriptions never stop, and there may be no instant at which all others
// have all of this node, and this node all of theirs.
void route_exchange::look_if_ready(route_effects& out) {
    if (!wants_ready_) {
        return;
    }
    for (const auto& [name, stream] : own_) {
        stream->ready_at = stream->ready_at == 0 ? stream->routes.seq() : stream->ready_at;
    }
    bool is_ready = true;
    for (const node_id node : alive_) {
        peer& each = peers_.at(node);
        is_ready = has_what_is_due(each) && each.has_told && is_ready;
    }
    for (const auto& [name, copy] : replicas_) {
        is_ready = (!is_alive(copy->wanted().author) || was_complete(*copy)) && is_ready;
    }
    if (is_ready) {
        wants_ready_ = false;
        complete_.clear();
        out.on_routes_ready();
    }
}

bool route_exchange::has_what_is_due(peer& whom) const {
    bool has_all = true;
    for (const auto& [name, stream] : own_) {
        if (has(whom, stream->routes, stream->ready_at)) {
            whom.has.insert(name);
        }
        has_all = has_all && (!stream->routes.is_serving() || whom.has.contains(name));
    }
    return has_all;
}

bool route_exchange::was_complete(const route_replica& copy) {
    if (copy.is_complete()) {
        complete_.insert_or_assign(copy.stream(), copy.of());
    }
    const auto found = complete_.find(copy.stream());
    return found != complete_.end() && found->second == copy.wanted();
}

} // namespace gv::cluster
