// SPDX-License-Identifier: Apache-2.0
// Routes of pure nodes to each other, found by looking at all of them.
#pragma once

#include "base/topic.hpp"
#include "broker/router/peer_routes.hpp"
#include "broker/shard/core.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace gv::support {

/// What each node has told. Slots are the numbers of the nodes.
struct directory {
    struct members {
        std::uint32_t online = 0;
        std::uint32_t total = 0;
    };
    std::map<std::pair<std::string, std::string>, std::map<std::size_t, members>> groups;
    std::map<std::string, std::map<std::size_t, int>> filters;

    void hear(std::size_t node, const shard::route_word& what) {
        members& group = groups[{std::string(what.group), std::string(what.filter)}][node];
        switch (what.news) {
        case shard::route_news::first:
            ++filters[std::string(what.filter)][node];
            break;
        case shard::route_news::again:
            break;
        case shard::route_news::last:
            --filters[std::string(what.filter)][node];
            break;
        case shard::route_news::joined:
            ++group.total;
            group.online += what.is_online ? 1 : 0;
            break;
        case shard::route_news::left:
            --group.total;
            group.online -= what.is_online ? 1 : 0;
            break;
        case shard::route_news::went_online:
            ++group.online;
            break;
        case shard::route_news::went_offline:
            --group.online;
            break;
        }
    }
    void forget(std::size_t node) {
        for (auto& [key, places] : groups) {
            places.erase(node);
        }
        for (auto& [filter, places] : filters) {
            places.erase(node);
        }
    }
};

class peers_of final : public router::peer_routes {
  public:
    peers_of(std::size_t self, const directory& known) : self_(self), known_(known) {}
    void changed() { count_change_of_all(); }
    void who_wants(std::string_view topic, std::vector<router::peer_want>& into,
                   std::vector<router::spread_group>& groups) const override {
        std::map<std::size_t, bool> nodes;
        for (const auto& [filter, places] : known_.filters) {
            for (const auto& [node, count] : places) {
                if (node != self_ && count > 0 && topic_matches(filter, topic)) {
                    nodes[node] = true;
                }
            }
        }
        for (const auto& [node, wants] : nodes) {
            into.push_back(
                {.slot = peer_slot{static_cast<std::uint16_t>(node)}, .for_volatile = true});
        }
        for (const auto& [key, places] : known_.groups) {
            router::spread_group found{
                .name = key.first, .filter = key.second, .here = nullptr, .elsewhere = {}};
            for (const auto& [node, of] : places) {
                if (node != self_ && of.total > 0 && topic_matches(key.second, topic)) {
                    found.elsewhere.push_back({.at = peer_slot{static_cast<std::uint16_t>(node)},
                                               .node = node_id{node + 1},
                                               .online = of.online,
                                               .total = of.total});
                }
            }
            if (!found.elsewhere.empty()) {
                groups.push_back(std::move(found));
            }
        }
    }

  private:
    std::size_t self_;
    const directory& known_;
};

} // namespace gv::support
