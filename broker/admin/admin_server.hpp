// SPDX-License-Identifier: Apache-2.0
// HTTP for operators, on a thread of its own: /metrics, /livez, /readyz. It asks for no password
// and changes nothing; it answers GET and HEAD without a body.
//
//   /metrics  200, the Prometheus text format. Shards that do not answer within `patience` are
//             shown as they were last.
//   /livez    200 while every shard answers within `patience`; else 503: restart the broker.
//   /readyz   200 while clients are served; 503 before the listeners are open and from the moment
//             the broker begins to stop.
//   others    404; other methods 405
#pragma once

#include "base/result.hpp"
#include "broker/admin/admin_source.hpp"
#include "broker/transport/endpoint.hpp"

#include <chrono>
#include <cstddef>
#include <memory>

namespace gv::admin {

struct admin_server_options {
    transport::endpoint where; ///< port 0: any free port
    /// Connections at one time; more are closed at once.
    std::size_t connections_max = 64;
    /// Bytes of a request; a longer one is answered with 431.
    std::uint32_t request_bytes_max = 8 * 1024;
    /// How long a connection may take to send its next request, or to take an answer.
    std::chrono::milliseconds idle_max{30'000};
    /// How long shards may take to answer.
    std::chrono::milliseconds patience{2'000};
};

class admin_server {
  public:
    /// Lifetime: `source` outlives it. It outlives the threads that call what refresh() was given.
    admin_server(const admin_server_options& options, admin_source& source);
    /// Stops.
    ~admin_server();
    admin_server(const admin_server&) = delete;
    admin_server& operator=(const admin_server&) = delete;

    /// Binds and listens. Errors: place is the address; nothing is held.
    [[nodiscard]] result<void, problem> open();
    /// Begins to answer, on its own thread. Requires: open.
    void start();
    /// Closes all connections and ends the thread. Allowed in any state, more than once.
    void stop();

    /// With the port that the kernel chose. Requires: open.
    [[nodiscard]] transport::endpoint local() const;

  private:
    class core;
    std::unique_ptr<core> core_;
};

} // namespace gv::admin
