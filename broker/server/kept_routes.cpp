// SPDX-License-Identifier: Apache-2.0
#include "broker/server/kept_routes.hpp"

#include "base/log.hpp"

#include <utility>

namespace gv::server {

using storage::table;

void kept_routes::add(const storage::route_place& where, const storage::route_row& row) {
    scratch_.clear();
    encode(row, scratch_);
    rows_.open().put(table::routes, storage::route_key_of(where), scratch_);
}

void kept_routes::restore(cluster::cluster_node& node, shard::event_loop& loop) {
    rows_.begin(loop);
    const storage::batch found = std::exchange(rows_.open(), {});
    std::size_t restored = 0;
    std::size_t unknown = 0;
    found.for_each([&](const storage::batch::operation& each) {
        storage::route_place place;
        storage::route_row row;
        const auto taken =
            decode(each.key, place) && decode(each.value, row)
                ? node.restore_route(place.author, {.filter = place.filter, .group = place.group},
                                     {.quality = static_cast<std::uint8_t>(row.quality),
                                      .no_local_only = row.no_local_only,
                                      .online = row.online,
                                      .total = row.total})
                : failure(cluster::route_fault::filter_invalid);
        restored += taken ? 1U : 0U;
        // Of a node that is not remembered they stay: it may be the list of nodes that was lost.
        if (!taken && taken.error() == cluster::route_fault::unknown_peer) {
            ++unknown;
        } else if (!taken) {
            rows_.open().erase(table::routes, each.key);
        }
    });
    if (found.size() > 0) {
        log::info("routes_restored", {{"filters", restored},
                                      {"erased", rows_.open().size()},
                                      {"of_unknown_nodes", unknown}});
    }
    hand_over(node);
}

void kept_routes::put(node_id author, const cluster::route_key& key,
                      const cluster::route_value& value) {
    if (rows_.is_on()) {
        add({.author = author, .filter = key.filter, .group = key.group},
            {.quality = static_cast<qos>(value.quality),
             .no_local_only = value.no_local_only,
             .online = value.online,
             .total = value.total});
    }
}

void kept_routes::erase(node_id author, const cluster::route_key& key) {
    if (rows_.is_on()) {
        rows_.open().erase(
            table::routes,
            storage::route_key_of({.author = author, .filter = key.filter, .group = key.group}));
    }
}

void kept_routes::hand_over(const cluster::cluster_node& node) {
    if (rows_.begins_anew()) {
        node.for_each_kept_route(
            [this](node_id author, const cluster::route_key& key,
                   const cluster::route_value& value) { put(author, key, value); });
    }
    rows_.hand_over();
}

} // namespace gv::server
