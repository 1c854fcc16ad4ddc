// SPDX-License-Identifier: Apache-2.0
// Streams that other nodes have opened to this one: control, and the receiver's end of lanes; for
// it, or to be passed on to a neighbour.
#pragma once

#include "cluster/grpc_calls.hpp"

namespace grpc {
class Service;
} // namespace grpc

namespace gv::cluster {

class control_links;

/// Lifetime: the server must be shut down before it goes; incoming lanes may stay. `links` know the
/// neighbours.
class link_service {
  public:
    link_service(grpc_core& core, control_links& links);
    ~link_service();
    link_service(const link_service&) = delete;
    link_service& operator=(const link_service&) = delete;

    [[nodiscard]] grpc::Service& service() noexcept;

  private:
    class handler;
    std::unique_ptr<handler> handler_;
};

} // namespace gv::cluster
