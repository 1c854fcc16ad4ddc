// SPDX-License-Identifier: Apache-2.0
// What the cluster asks of the broker around it. Called on the control thread, in the middle of an
// input, so none of these may call back.
#pragma once

#include "cluster/membership_effects.hpp"
#include "cluster/peer_transport.hpp"
#include "cluster/retained_effects.hpp"
#include "cluster/route_exchange.hpp"

#include <string>
#include <vector>

namespace gv::cluster {

/// Another node, for those who send to it.
struct peer_view {
    peer_slot slot; ///< the same for every life of the node
    peer_identity who;
    peer_state state = peer_state::dead;
    bool is_suspected = false;
    bool has_stopped = false; ///< it has said so itself
    bool has_ended = false;   ///< dead, and not only cut off: see member::has_ended()
    std::string name;
    std::string address; ///< host:port for other nodes
};

class cluster_effects {
  public:
    /// To be kept on disk: all nodes ever met that are not forgotten.
    virtual void keep_members(std::vector<member_row> rows) = 0;
    virtual void peer_changed(const peer_view& now) = 0;
    /// For the log: what became of a node.
    virtual void member_changed(const member& now, member_change change) = 0;
    /// cluster_node::who_wants() may answer differently for topics that this filter matches.
    virtual void route_changed(std::string_view filter) = 0;
    /// The same for every topic.
    virtual void all_routes_changed() = 0;
    virtual void known(wait_token who, route_known how) = 0;
    /// To be kept on disk, in this order: what kept sessions of that node want by a key, and that
    /// they want it no more. See cluster_node::restore_route().
    virtual void keep_route(node_id author, const route_key& key, const route_value& value) = 0;
    virtual void drop_route(node_id author, const route_key& key) = 0;
    /// This node goes by another table of partitions from now on, of that founding; its rows
    /// follow. Both are to be kept on disk.
    virtual void table_founded(const partition_founding& founding) = 0;
    /// That node, which may be this one or one that is not known yet, is home of the partition.
    virtual void partition_changed(partition_id which, const partition_row& now) = 0;
    /// See partition_effects.
    virtual void tables_differ(node_id with, const partition_founding& theirs) = 0;
    // Of the shards; answered by cluster_node's inputs of the same name. See retained_effects.

    virtual void read_entries(retained_ticket ticket, const retained_range& of,
                              std::size_t entries_max) = 0;
    virtual void read_rows(retained_ticket ticket, retained_question&& question) = 0;
    virtual void apply(retained_ticket ticket, retained_bucket bucket,
                       std::vector<retained_row>&& rows, std::vector<retained_entry>&& dead) = 0;
    virtual void collect(const retained_claim& claim) = 0;
    virtual void stay_after(hybrid_time told) = 0;

    /// Clients may come: the routes and retained messages of all nodes that are there are here,
    /// or there was too long to wait. Called once.
    virtual void ready(bool is_complete) = 0;
    /// A stamp of a peer: no stamp of this node is to be older from now on.
    virtual void absorb(hybrid_time seen) = 0;
    /// By which clock this node dates what it takes, and judges the stamps of others, from now on.
    /// Nothing: by its own. `correction`: what its own lacks, 0 if it is right.
    virtual void clock_agreed(const std::optional<agreed_time>& now, duration correction) = 0;
    virtual void alarm(const membership_alarm& what) = 0;
    /// What is spoken in the cluster, at the start and when it has changed.
    virtual void levels_changed(const wire_levels& now) = 0;
    /// The cluster has forgotten this life of this node: it takes no part any more.
    virtual void forgotten() = 0;

  protected:
    ~cluster_effects() = default;
};

} // namespace gv::cluster
