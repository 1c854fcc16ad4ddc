// SPDX-License-Identifier: Apache-2.0
// Control streams that this node has opened.
#pragma once

#include "cluster/grpc_calls.hpp"

namespace gv::cluster {

/// Thread-safe. Lifetime: core.calls must be closed before it goes.
class control_links {
  public:
    explicit control_links(grpc_core& core);
    ~control_links();
    control_links(const control_links&) = delete;
    control_links& operator=(const control_links&) = delete;

    void open(peer_identity to, std::string address);
    void close(node_id to);
    void send(node_id to, const control_message& message);

  private:
    class table;
    std::unique_ptr<table> table_;
};

} // namespace gv::cluster
