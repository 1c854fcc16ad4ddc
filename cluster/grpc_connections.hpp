// SPDX-License-Identifier: Apache-2.0
// Connections of gRPC: what all of them are given, on both sides.
#pragma once

#include "cluster/grpc_transport.hpp"

#include <memory>
#include <string>
#include <vector>

namespace grpc {
class Channel;
class Server;
class Service;
class Status;
} // namespace grpc

namespace gv::cluster {

/// Requires: options.security.made. Connects when it is first used; shares its connection with no
/// other channel. What comes back by it has at most so many bytes.
[[nodiscard]] std::shared_ptr<grpc::Channel> open_channel(const std::string& address,
                                                          const grpc_transport_options& options,
                                                          const keep_alive& silence,
                                                          std::size_t receive_bytes_max);

struct listening_server {
    std::unique_ptr<grpc::Server> server;
    std::uint16_t port = 0;
};

/// Errors: why it cannot listen there. Lifetime: the services must outlive the server.
[[nodiscard]] result<listening_server, problem> listen(const grpc_transport_options& options,
                                                       const std::vector<grpc::Service*>& services);

/// Nobody listens there, and the machine said so.
[[nodiscard]] bool is_refused(const grpc::Status& status);

/// What a person is told of the end of a call.
[[nodiscard]] std::string text_of(const grpc::Status& status);

} // namespace gv::cluster
