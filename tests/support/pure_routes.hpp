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
        std::uint32_t queues = 0;
    };
    std::map<std::pair<std::string, std::string>, std::map<std::size_t, members>> groups;
    struct subscribers {
        int not_kept = 0;
        int kept = 0;
        int& of(shard::taker_kind kind) {
            return kind == shard::taker_kind::kept ? kept : not_kept;
        }
    };
    std::map<std::string, std::map<std::size_t, subscribers>> filters;

    void hear(std::size_t node, const shard::route_word& what) {
        members& group = groups[{std::string(what.group), std::string(what.filter)}][node];
        if (!what.group.empty() && what.kind == shard::taker_kind::kept) {
            group.queues += what.news == shard::route_news::joined ? 1U : 0U;
            group.queues -= what.news == shard::route_news::left ? 1U : 0U;
            return;
        }
        switch (what.news) {
        case shard::route_news::first:
            ++filters[std::string(what.filter)][node].of(what.kind);
            break;
        case shard::route_news::again:
            break;
        case shard::route_news::last:
            --filters[std::string(what.filter)][node].of(what.kind);
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
        std::map<std::size_t, router::peer_want> nodes;
        for (const auto& [filter, places] : known_.filters) {
            for (const auto& [node, count] : places) {
                const bool is_wanted = count.not_kept > 0 || count.kept > 0;
                if (node != self_ && is_wanted && topic_matches(filter, topic)) {
                    router::peer_want& wants = nodes[node];
                    wants.slot = peer_slot{static_cast<std::uint16_t>(node)};
                    wants.for_volatile = wants.for_volatile || count.not_kept > 0;
                    wants.for_kept = wants.for_kept || count.kept > 0;
                }
            }
        }
        for (const auto& [node, wants] : nodes) {
            into.push_back(wants);
        }
        for (const auto& [key, places] : known_.groups) {
            router::spread_group found{
                .name = key.first, .filter = key.second, .here = nullptr, .elsewhere = {}};
            for (const auto& [node, of] : places) {
                const bool is_there = of.total > 0 || of.queues > 0;
                if (node != self_ && is_there && topic_matches(key.second, topic)) {
                    found.elsewhere.push_back({.at = peer_slot{static_cast<std::uint16_t>(node)},
                                               .node = node_id{node + 1},
                                               .online = of.online,
                                               .total = of.total,
                                               .has_queue = of.queues > 0});
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
