// SPDX-License-Identifier: Apache-2.0
// Listening sockets. A listener lives on one shard and hands out sockets that no io_context has
// seen yet, so that each may go to the shard that shall own it. Two ways to spread connections:
//
//   one listener       accepts on its shard and deals the sockets out (choose_shard, post_to).
//                      Even for any number of connections; one hand-over a shard and wake-up.
//   one each shard     with reuse_port the kernel chooses by a hash of the addresses. No hand-over,
//                      but uneven for few connections. With port 0 open the first, then the others
//                      with local().port.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "broker/transport/socket.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <memory>
#include <span>
#include <vector>

namespace gv::transport {

struct listener_options {
    endpoint where; ///< port 0: any free port
    /// Connections that the kernel completes before we take them; capped by net.core.somaxconn.
    /// Larger: bursts of connects lose no SYN. Smaller: overload is refused earlier.
    int backlog = 4096;
    bool reuse_port = false; ///< several listeners share the port, one each shard
    bool only_v6 = true;     ///< false: an IPv6 wildcard address takes IPv4 as well
    /// Taken in one wake-up. Larger: fewer wake-ups in a burst. Smaller: less delay for others.
    std::size_t accepts_max = 256;
    /// How long to leave accepting alone when descriptors or memory have run out.
    std::chrono::milliseconds pause{100};
};

/// Where accepted sockets go. Called on the listener's thread.
class accept_handler {
  public:
    /// The shard of the next connection.
    [[nodiscard]] virtual shard_id choose_shard() = 0;
    /// Takes sockets for `shard`, whose thread then calls make_stream. At most one call a shard
    /// and wake-up. A socket that is dropped is closed.
    virtual void post_to(shard_id shard, std::vector<accepted_socket> sockets) = 0;
    /// Out of descriptors or memory: nothing is accepted for `pause`. Called once when it begins,
    /// and on_accepting_again once it is over.
    virtual void on_accept_paused(boost::system::error_code why,
                                  std::chrono::milliseconds pause) = 0;
    virtual void on_accepting_again() = 0;

  protected:
    ~accept_handler() = default;
};

/// Deals out shards in turn.
class round_robin {
  public:
    explicit round_robin(std::size_t shards) noexcept : shards_(shards) {}
    shard_id next() noexcept { return shard_id{static_cast<std::uint16_t>(next_++ % shards_)}; }

  private:
    std::size_t shards_;
    std::size_t next_ = 0;
};

class listener {
  public:
    /// Lifetime: `handler` outlives the listener. The listener may be destroyed inside a call.
    listener(boost::asio::io_context& context, listener_options options, accept_handler& handler);
    ~listener();
    listener(const listener&) = delete;
    listener& operator=(const listener&) = delete;

    /// Binds and listens; from now on the kernel completes connections. Errors: place is the
    /// address, nothing is held.
    [[nodiscard]] result<void, problem> open();
    /// Begins to accept. Requires: open.
    void start();
    /// Closes: whoever is not accepted yet is refused. Allowed in any state.
    void stop() noexcept;

    /// With the port that the kernel chose. Requires: open.
    [[nodiscard]] endpoint local() const noexcept;

  private:
    class core;
    std::shared_ptr<core> core_;
};

} // namespace gv::transport
