// SPDX-License-Identifier: Apache-2.0
// Figures of all nodes of a cluster as those of one broker. Pure.
//
//   levels    those of this node and of others that are there: who dies takes his along
//   counters  of every life of every node that this node has heard of since its own start: they go
//             on when a node dies or begins again, and never back
//   retained  messages are the same everywhere, so this node's are shown
#pragma once

#include "base/ids.hpp"
#include "cluster/node_figures.hpp"

#include <map>
#include <span>
#include <string>
#include <vector>

namespace gv::server {

/// What was last heard of another node.
struct peer_figures {
    node_id node;
    boot_id boot; ///< the life that it is of
    std::string name;
    bool is_there = false; ///< alive or suspect
    cluster::node_figures figures;
};

class figure_sums {
  public:
    struct summed {
        cluster::node_figures shown;
        /// Grows by what was done since the last time, not by what a node that comes has done
        /// before.
        cluster::node_counters progress;
    };
    /// `others` has every node that was heard of and is not forgotten.
    [[nodiscard]] summed add(const cluster::node_figures& own,
                             std::span<const peer_figures> others);

  private:
    struct known_node {
        boot_id boot;
        cluster::node_counters last;  ///< of that boot
        cluster::node_counters ended; ///< of the boots before
    };
    void note(const peer_figures& of);
    void fold_those_without(std::span<const peer_figures> others);

    std::map<node_id, known_node> known_;
    cluster::node_counters departed_; ///< of nodes that are no members any more
    cluster::node_counters own_;      ///< at the last time
    cluster::node_counters progress_;
};

/// What each node is called in a topic: its name, with what has a meaning in topics as %2F, and its
/// id behind it where several have that name.
[[nodiscard]] std::map<node_id, std::string>
topic_names(std::span<const std::pair<node_id, std::string>> nodes);

} // namespace gv::server
