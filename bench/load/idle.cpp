// SPDX-License-Identifier: Apache-2.0
#include "bench/load/idle.hpp"

#include "bench/load/event_loop.hpp"
#include "bench/load/socket.hpp"
#include "bench/load/wire.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <deque>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace gv::load {

namespace {

constexpr nanoseconds patience = 20 * second_ns;
constexpr std::uint16_t keep_alive_seconds = 600;
/// A lost SYN is sent again after one second.
constexpr nanoseconds retransmission = second_ns * 9 / 10;

/// How far the handshakes of a group are.
struct handshake_progress {
    std::uint32_t started = 0;
    std::uint32_t connected = 0;
    std::uint32_t slow = 0; ///< took as long as a SYN that was lost
    nanoseconds slowest = 0;
};

/// One connection: TCP handshake, CONNECT, CONNACK, and then silence.
class idle_client final : public endpoint {
  public:
    idle_client(const broker_address& address, std::uint32_t index, event_loop& loop,
                handshake_progress& progress)
        : socket_(address.start_connect(index)), loop_(loop), progress_(progress),
          started_(clock_now()), index_(index) {
        ++progress_.started;
        loop_.add(socket_.get(), *this, interest::reading_and_writing);
    }

    void on_ready(std::uint32_t epoll_events, nanoseconds now) override {
        if (!has_sent_connect_ && (epoll_events & EPOLLOUT) != 0) {
            send_connect();
        } else if ((epoll_events & ~std::uint32_t{EPOLLOUT}) != 0) {
            receive_connack(now);
        }
    }

  private:
    void send_connect();
    void receive_connack(nanoseconds now);
    [[noreturn]] void fail(const std::string& why) const {
        throw std::runtime_error("connection " + std::to_string(index_) + ": " + why);
    }

    unique_socket socket_;
    event_loop& loop_;
    handshake_progress& progress_;
    nanoseconds started_;
    std::uint32_t index_;
    bool has_sent_connect_ = false;
};

void idle_client::send_connect() {
    if (const int error = connect_error(socket_.get()); error != 0) {
        fail(std::generic_category().message(error));
    }
    const std::string connect =
        encode_connect("idle-" + std::to_string(index_), keep_alive_seconds);
    if (send(socket_.get(), connect.data(), connect.size(), MSG_NOSIGNAL)
        != static_cast<ssize_t>(connect.size())) {
        fail("CONNECT could not be sent");
    }
    has_sent_connect_ = true;
    loop_.change(socket_.get(), *this, interest::reading);
}

void idle_client::receive_connack(nanoseconds now) {
    char answer[16];
    const ssize_t got = recv(socket_.get(), answer, sizeof(answer), 0);
    if (got != 4 || answer[0] != static_cast<char>(packet::connack) || answer[3] != 0) {
        fail("the broker refused it or closed it");
    }
    const nanoseconds took = now - started_;
    ++progress_.connected;
    progress_.slow += took > retransmission ? 1U : 0U;
    progress_.slowest = std::max(progress_.slowest, took);
}

class idle_run {
  public:
    explicit idle_run(const load_options& options)
        : options_(options), broker_(options.broker_pid),
          address_(options.host, static_cast<std::uint16_t>(options.port)) {
        require_descriptors(options.connections + options.burst);
    }

    void open(report& out);
    void hold(report& out);
    void burst(report& out);

  private:
    /// Opens `count` more, at most `parallel` at a time.
    handshake_progress open_group(std::uint32_t count, std::uint32_t parallel);

    const load_options& options_;
    broker_process broker_;
    broker_address address_;
    event_loop loop_;
    handshake_progress progress_;
    std::deque<idle_client> clients_; ///< a deque, since the loop points to them
};

handshake_progress idle_run::open_group(std::uint32_t count, std::uint32_t parallel) {
    progress_ = {};
    const nanoseconds deadline = clock_now() + patience;
    while (progress_.connected < count) {
        while (progress_.started < count && progress_.started - progress_.connected < parallel) {
            clients_.emplace_back(address_, static_cast<std::uint32_t>(clients_.size()), loop_,
                                  progress_);
        }
        if (loop_.turn(options_.spin != 0 ? 0 : second_ns / 10) > deadline) {
            throw std::runtime_error("only " + std::to_string(progress_.connected) + " of "
                                     + std::to_string(count) + " connections stand after 20 s");
        }
    }
    return progress_;
}

void idle_run::open(report& out) {
    const std::uint64_t resident_before = broker_.resident_bytes();
    const sample start = take_sample(broker_);
    const handshake_progress group = open_group(options_.connections, options_.parallel);
    const sample end = take_sample(broker_);
    add_window(out, "connect_", start, end, group.connected, broker_);
    if (broker_.is_known() && group.connected > 0) {
        // Signed: an allocator may have given something back.
        const auto grown =
            static_cast<double>(broker_.resident_bytes()) - static_cast<double>(resident_before);
        out.add("resident_before", resident_before);
        out.add("resident_bytes_per_connection", grown / group.connected);
    }
}

void idle_run::hold(report& out) {
    const sample start = take_sample(broker_);
    std::this_thread::sleep_for(std::chrono::nanoseconds(from_seconds(options_.hold)));
    const sample end = take_sample(broker_);
    if (broker_.is_known()) {
        const double used_us = (end.broker_cpu - start.broker_cpu).total_us;
        out.add("idle_cpu_share", used_us / 1e6 / std::max(options_.hold, 1e-3));
    }
}

void idle_run::burst(report& out) {
    const listen_counters before = read_listen_counters();
    const nanoseconds start = clock_now();
    const handshake_progress group = open_group(options_.burst, options_.burst);
    const nanoseconds end = clock_now();
    const listen_counters after = read_listen_counters();
    out.add("burst", group.connected);
    out.add("burst_ms", to_seconds(end - start) * 1e3);
    out.add("burst_slowest_ms", to_seconds(group.slowest) * 1e3);
    out.add("burst_slow_handshakes", group.slow);
    out.add("listen_drops", after.drops - before.drops);
    out.add("listen_overflows", after.overflows - before.overflows);
    out.add("full_queue_drops", after.full_queue - before.full_queue);
}

} // namespace

void run_idle(const load_options& options, report& out) {
    idle_run run(options);
    run.open(out);
    run.hold(out);
    run.burst(out);
}

} // namespace gv::load
