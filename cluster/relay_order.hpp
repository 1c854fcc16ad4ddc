// SPDX-License-Identifier: Apache-2.0
// Which neighbour passes on what one node has for another while the link between them is cut.
// Rendezvous hashing: every pair of nodes has an order of its own, so that a neighbour that many
// have in common is not asked by all of them.
#pragma once

#include "base/ids.hpp"

#include <vector>

namespace gv::cluster {

/// The order in which `from` asks its neighbours to pass on to `to`.
[[nodiscard]] std::vector<node_id> relay_order(node_id from, node_id to,
                                               std::vector<node_id> neighbours);

} // namespace gv::cluster
