// SPDX-License-Identifier: Apache-2.0
// What routes ask of those around them. Calls are made in the middle of an input, so none of them
// may call back.
#pragma once

#include "cluster/route_index.hpp"
#include "cluster/route_message.hpp"
#include "cluster/route_waits.hpp"

#include <span>

namespace gv::cluster {

/// How a wait ended.
enum class route_known : std::uint8_t {
    everywhere, ///< every node named alive sends what the filter matches from now on
    timed_out   ///< not all have said so in time
};

class route_effects : public route_listener {
  public:
    /// Messages to one node should arrive in order; those lost are made up for.
    virtual void send(std::span<const node_id> to, const route_message& message) = 0;
    virtual void on_known(wait_token who, route_known how) = 0;
    /// All streams of all nodes named alive are here, and these have all of this node. Called once.
    virtual void on_routes_ready() = 0;
};

} // namespace gv::cluster
