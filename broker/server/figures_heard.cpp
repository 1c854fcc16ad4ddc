// SPDX-License-Identifier: Apache-2.0
#include "broker/server/figures_heard.hpp"

namespace gv::server {

void figures_heard::on_peer(const cluster::peer_view& now) {
    const std::scoped_lock changing(lock_);
    if (now.state == cluster::peer_state::gone) {
        nodes_.erase(now.who.node);
        return;
    }
    heard& node = nodes_[now.who.node];
    node.name = now.name;
    node.life = now.who.boot;
    node.is_alive = now.state == cluster::peer_state::alive;
}

void figures_heard::hear(const cluster::peer_identity& from, cluster::node_figures figures) {
    const std::scoped_lock changing(lock_);
    const auto found = nodes_.find(from.node);
    if (found == nodes_.end() || from.boot < found->second.told) {
        return; // it comes again
    }
    found->second.told = from.boot;
    found->second.figures = std::move(figures);
}

std::vector<peer_figures> figures_heard::all() const {
    std::vector<peer_figures> made;
    const std::scoped_lock reading(lock_);
    for (const auto& [node, each] : nodes_) {
        if (each.told.value != 0) {
            made.push_back({.node = node,
                            .boot = each.told,
                            .name = each.name,
                            .is_there = each.is_alive && each.told == each.life,
                            .figures = each.figures});
        }
    }
    return made;
}

} // namespace gv::server
