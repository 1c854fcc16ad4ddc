// SPDX-License-Identifier: Apache-2.0
// Between the table of partitions and the shards of this node: tells the shards where sessions
// live, tells the table whether there are any here, and has partitions handed over that other nodes
// should have: those without sessions at once, the others by their shards.
#pragma once

#include "broker/shard/event_loop.hpp"
#include "cluster/cluster_node.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace gv::server {

/// Used on the thread of the cluster alone.
class session_homes {
  public:
    using loops = std::vector<std::unique_ptr<shard::event_loop>>;
    /// Calls what it is given with the node, on the thread of the cluster; thread-safe.
    using runner =
        std::function<void(std::function<void(cluster::cluster_node&, cluster::moment)>)>;

    /// Lifetime: `context` is that of the thread, and outlives it.
    session_homes(boost::asio::io_context& context, runner run);

    /// Lifetime: `all` outlives the thread.
    void start(node_id self, const loops& all);
    /// The table is another one, or a node is known that was not.
    void changed() noexcept { is_changed_ = true; }
    /// All of its sessions is at that node, and the row that says so is on disk.
    void arrived(partition_id which, node_id at, cluster::cluster_node& node);
    /// Whether all shards were told of the table as it is; what is posted to them now comes after.
    [[nodiscard]] bool do_shards_know() const noexcept { return !is_changed_ && told_; }
    /// To be called after each input of the node.
    void tell_shards(const cluster::cluster_node& node);

  private:
    struct round;
    void wait();
    void look(cluster::cluster_node& node);
    [[nodiscard]] static std::vector<shard::handover_order>
    orders_for(const cluster::cluster_node& node, std::span<const partition_id> wanted);
    void end(cluster::cluster_node& node, const round& done);

    boost::asio::steady_timer timer_;
    runner run_;
    node_id self_;
    const loops* loops_ = nullptr;
    bool is_changed_ = true;
    bool is_releasing_ = false; ///< the shards are asked; until they have answered the table waits
    std::optional<shard::partition_homes> told_; ///< to the shards
};

} // namespace gv::server
