// SPDX-License-Identifier: Apache-2.0
#include "bench/load/event_loop.hpp"

#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace gv::load {

namespace {

void control(int epoll, int operation, int socket, endpoint& owner, interest what) {
    epoll_event event{};
    event.events = static_cast<std::uint32_t>(what);
    event.data.ptr = &owner;
    if (epoll_ctl(epoll, operation, socket, &event) != 0) {
        throw std::system_error(errno, std::generic_category(), "epoll_ctl");
    }
}

} // namespace

event_loop::event_loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0) {
        throw std::system_error(errno, std::generic_category(), "epoll_create1");
    }
}

event_loop::~event_loop() { close(epoll_); }

void event_loop::add(int socket, endpoint& owner, interest what) {
    control(epoll_, EPOLL_CTL_ADD, socket, owner, what);
}

void event_loop::change(int socket, endpoint& owner, interest what) {
    control(epoll_, EPOLL_CTL_MOD, socket, owner, what);
}

nanoseconds event_loop::turn(nanoseconds timeout) {
    const timespec wait{static_cast<time_t>(timeout / second_ns),
                        static_cast<long>(timeout % second_ns)};
    const int count =
        epoll_pwait2(epoll_, events_.data(), static_cast<int>(events_.size()), &wait, nullptr);
    if (count < 0 && errno != EINTR) {
        throw std::system_error(errno, std::generic_category(), "epoll_pwait2");
    }
    const nanoseconds now = clock_now();
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events_[static_cast<std::size_t>(i)];
        static_cast<endpoint*>(event.data.ptr)->on_ready(event.events, now);
    }
    return now;
}

} // namespace gv::load
