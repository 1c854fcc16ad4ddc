// SPDX-License-Identifier: Apache-2.0
// TLS on connections between nodes, the same on both sides: who is at the other end is judged by
// node_trust, not by gRPC, since gRPC would not say why it refuses. What a node then says of itself
// must be what its certificate says.
#pragma once

#include "cluster/grpc_transport.hpp"

#include <memory>
#include <optional>
#include <string>

namespace grpc {
class AuthContext;
class ChannelCredentials;
class ServerCredentials;
class Status;
} // namespace grpc

namespace gv::cluster {

/// Thread-safe. Lifetime: until no connection of it is left.
class grpc_security {
  public:
    /// `report` is called by threads of gRPC, and by those who open connections.
    using report_call = std::function<void(peer_distrust)>;
    grpc_security(const transport_security& how, report_call report);
    ~grpc_security();
    grpc_security(const grpc_security&) = delete;
    grpc_security& operator=(const grpc_security&) = delete;

    /// For a connection to that address. Null: there may be none.
    [[nodiscard]] std::shared_ptr<grpc::ChannelCredentials> channel(const std::string& address);
    [[nodiscard]] std::shared_ptr<grpc::ServerCredentials> server();

    /// Whether the other end of a connection is that node, by its certificate; in plain text, by
    /// its word. If not, it is reported. `address`: that was called; empty: it has called.
    [[nodiscard]] bool is(const grpc::AuthContext* other, node_id said, const std::string& address);
    /// Why nobody could be talked to at that address, if that is a matter of certificates.
    void look_at(const grpc::Status& status, const std::string& address);

  private:
    class parts;
    std::unique_ptr<parts> parts_;
};

} // namespace gv::cluster
