// SPDX-License-Identifier: Apache-2.0
// Streams that other nodes have opened to this one: control, and the receiver's end of lanes.
#pragma once

#include "cluster/grpc_calls.hpp"

namespace grpc {
class Service;
} // namespace grpc

namespace gv::cluster {

/// Lifetime: the server must be shut down before it goes; incoming lanes may stay.
class link_service {
  public:
    explicit link_service(grpc_core& core);
    ~link_service();
    link_service(const link_service&) = delete;
    link_service& operator=(const link_service&) = delete;

    [[nodiscard]] grpc::Service& service() noexcept;

  private:
    class handler;
    std::unique_ptr<handler> handler_;
};

} // namespace gv::cluster
