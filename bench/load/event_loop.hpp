// SPDX-License-Identifier: Apache-2.0
// epoll, level-triggered: one wait a turn, and what was found ready is read once.
#pragma once

#include "bench/load/clock.hpp"

#include <sys/epoll.h>

#include <array>
#include <span>

namespace gv::load {

/// Whatever owns a socket in the loop.
class endpoint {
  public:
    virtual ~endpoint() = default;
    /// `now` is the clock of this turn.
    virtual void on_ready(std::uint32_t epoll_events, nanoseconds now) = 0;

  protected:
    endpoint() = default;
    endpoint(const endpoint&) = default;
    endpoint(endpoint&&) = default;
    endpoint& operator=(const endpoint&) = default;
    endpoint& operator=(endpoint&&) = default;
};

/// Which readiness a socket waits for.
enum class interest : std::uint32_t {
    reading = EPOLLIN,
    reading_and_writing = EPOLLIN | EPOLLOUT,
};

class event_loop {
  public:
    event_loop();
    ~event_loop();
    event_loop(const event_loop&) = delete;
    event_loop& operator=(const event_loop&) = delete;

    /// Lifetime: `owner` must stay where it is until the socket is closed.
    void add(int socket, endpoint& owner, interest what);
    void change(int socket, endpoint& owner, interest what);

    /// Waits until a socket is ready or `timeout` is over, then lets each ready endpoint act once.
    /// Returns the clock of the turn.
    nanoseconds turn(nanoseconds timeout);

  private:
    int epoll_;
    std::array<epoll_event, 1'024> events_{};
};

} // namespace gv::load
