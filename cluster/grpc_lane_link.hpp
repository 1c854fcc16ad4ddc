// SPDX-License-Identifier: Apache-2.0
// The sender's end of lanes.
#pragma once

#include "cluster/grpc_calls.hpp"

namespace gv::cluster {

class control_links;

/// Thread-safe. Lifetime: core.calls must be closed before it goes; links may stay.
class lane_links {
  public:
    lane_links(grpc_core& core, control_links& ways);
    ~lane_links();
    lane_links(const lane_links&) = delete;
    lane_links& operator=(const lane_links&) = delete;

    [[nodiscard]] std::unique_ptr<lane_link> open(node_id to, const std::string& address,
                                                  const lane_hello& hello,
                                                  lane_link_listener& listener);

    /// Lanes to that node that go another way are lost; `via` 0: the direct one.
    void reroute(node_id to, node_id via);

  private:
    class channels;
    grpc_core& core_;
    control_links& ways_;
    std::unique_ptr<channels> channels_;
};

} // namespace gv::cluster
