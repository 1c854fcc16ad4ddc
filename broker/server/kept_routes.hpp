// SPDX-License-Identifier: Apache-2.0
// What kept sessions of other nodes want, on disk: a table of the store that follows what this node
// knows of them, and is given back to it at the next start, so that it is known also while those
// nodes are away (ADR 28). Nobody waits for it: one shard writes it down with what it has.
#pragma once

#include "broker/server/row_keeper.hpp"
#include "cluster/cluster_node.hpp"
#include "storage/format.hpp"

#include <string>

namespace gv::server {

/// Used by the main thread until the cluster starts, and by its thread from then on.
class kept_routes {
  public:
    /// A row that was found in the store.
    void add(const storage::route_place& where, const storage::route_row& row);
    /// Gives all that was found to the node. What it does not take is erased. `loop` is to write
    /// from now on; without a call nothing is. Lifetime: `loop` outlives the thread of the cluster.
    void restore(cluster::cluster_node& node, shard::event_loop& loop);

    void put(node_id author, const cluster::route_key& key, const cluster::route_value& value);
    void erase(node_id author, const cluster::route_key& key);
    /// To be called after each input of the node.
    void hand_over(const cluster::cluster_node& node);

  private:
    row_keeper rows_{"routes"}; ///< found, then to be written
    std::string scratch_;
};

} // namespace gv::server
