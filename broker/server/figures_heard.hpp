// SPDX-License-Identifier: Apache-2.0
// The newest figures of each other node. Thread-safe: the thread of the cluster hears them, another
// shows them.
#pragma once

#include "broker/server/figure_sums.hpp"
#include "cluster/cluster_effects.hpp"

#include <mutex>

namespace gv::server {

class figures_heard {
  public:
    void on_peer(const cluster::peer_view& now);
    void hear(const cluster::peer_identity& from, cluster::node_figures figures);
    /// Of nodes that have told some.
    [[nodiscard]] std::vector<peer_figures> all() const;

  private:
    struct heard {
        std::string name;
        boot_id life;
        bool is_alive = false;
        boot_id told; ///< the life that the figures are of; 0: none yet
        cluster::node_figures figures;
    };
    mutable std::mutex lock_;
    std::map<node_id, heard> nodes_; ///< members that were met
};

} // namespace gv::server
