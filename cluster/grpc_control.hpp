// SPDX-License-Identifier: Apache-2.0
// Control streams that this node has opened, each directly or by way of a neighbour. By whether
// they are there it is known by which way a peer can be reached.
#pragma once

#include "cluster/grpc_calls.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace gv::cluster {

/// A neighbour that passes streams on.
struct relay_place {
    node_id via;
    std::string address;
};

/// Thread-safe. Lifetime: core.calls must be closed before it goes.
class control_links {
  public:
    explicit control_links(grpc_core& core);
    ~control_links();
    control_links(const control_links&) = delete;
    control_links& operator=(const control_links&) = delete;

    /// Foreign: from now on this way leads to that node; `via` 0: the direct one. Set before the
    /// first open().
    using way_listener = std::function<void(node_id to, node_id via)>;
    void tell_ways(way_listener to);

    // As those of peer_transport.

    void open(peer_identity to, std::string address, std::uint64_t features);
    void close(node_id to);
    void send(node_id to, const control_message& message);

    /// Whether there is a stream to that node, of either kind.
    [[nodiscard]] bool is_open(node_id to);
    /// The address of that node, if there is a direct stream to it.
    [[nodiscard]] std::optional<std::string> direct_address(node_id to);
    /// Who passes on what goes to that node, if its control stream goes that way.
    [[nodiscard]] std::optional<relay_place> relay_to(node_id to);
    /// That neighbour does not pass on a lane: another is tried for all that goes there.
    void on_lane_refused(node_id to, node_id via);

  private:
    class table;
    std::unique_ptr<table> table_;
};

} // namespace gv::cluster
