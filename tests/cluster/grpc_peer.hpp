// SPDX-License-Identifier: Apache-2.0
// A node that is nothing but its transport, and remembers what it was told; for tests over real
// sockets. Whatever is waited for is waited for with a deadline.
#pragma once

#include "cluster/grpc_transport.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace gv::cluster {

inline constexpr duration patience = 20s;

/// Looks again and again; for what nobody tells of. False if it did not come to be.
template <typename Condition>
[[nodiscard]] bool comes_true(Condition&& condition) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) {
            return false;
        }
        std::this_thread::sleep_for(1ms);
    }
    return true;
}

/// What was told by other threads. Thread-safe.
class told {
  public:
    template <typename Change>
    void note(Change&& change) {
        {
            const std::lock_guard lock(mutex_);
            change();
        }
        changed_.notify_all();
    }
    /// False if it did not come to be.
    template <typename Condition>
    [[nodiscard]] bool wait(Condition&& condition, duration most = patience) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, most, std::forward<Condition>(condition));
    }
    template <typename Read>
    [[nodiscard]] auto read(Read&& what) {
        const std::lock_guard lock(mutex_);
        return what();
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
};

/// The receiver's end of a lane that was opened to a grpc_peer.
class heard_lane final : public incoming_lane_listener {
  public:
    heard_lane(std::unique_ptr<incoming_lane> at, peer_identity who, const lane_hello& what)
        : lane(std::move(at)), from(who), hello(what) {}
    void on_frame(lane_frame frame) override {
        bool goes_on = false;
        on.note([&] {
            frames.push_back(std::move(frame));
            goes_on = reads_all;
        });
        if (goes_on) {
            lane->read_next();
        }
    }
    void on_lost() override {
        on.note([&] { ++lost; });
    }
    void accept(std::uint64_t credit_bytes = 1u << 20) {
        lane->welcome({.boot = boot_id{1}, .expected = 1, .credit_bytes = credit_bytes}, *this);
    }

    told on;
    std::vector<lane_frame> frames;
    bool reads_all = true;
    int lost = 0;
    std::unique_ptr<incoming_lane> lane;
    const peer_identity from;
    const lane_hello hello;
};

/// The sender's end of a lane.
class spoken_lane final : public lane_link_listener {
  public:
    void on_welcome(lane_welcome got) override {
        on.note([&] { welcome = got; });
    }
    void on_written() override {
        on.note([&] { ++written; });
    }
    void on_reply(lane_reply reply) override {
        on.note([&] { replies.push_back(std::move(reply)); });
    }
    void on_lost(std::string why) override {
        on.note([&] { lost.push_back(std::move(why)); });
    }
    [[nodiscard]] bool is_welcome() {
        return on.wait([&] { return welcome.boot != boot_id{}; });
    }
    [[nodiscard]] bool is_lost() {
        return on.wait([&] { return !lost.empty(); });
    }
    /// Writes one frame and waits until the next may follow.
    [[nodiscard]] bool write(lane_frame frame, duration most = patience) {
        const std::size_t before = on.read([&] { return written; });
        link->write(std::move(frame));
        return on.wait([&] { return written > before || !lost.empty(); }, most)
               && on.read([&] { return written; }) > before;
    }

    told on;
    lane_welcome welcome;
    std::size_t written = 0;
    std::vector<lane_reply> replies;
    std::vector<std::string> lost;
    std::unique_ptr<lane_link> link;
};

class grpc_peer final : public peer_listener {
  public:
    struct refused {
        node_id to;
        std::string address;
    };
    struct heard_control {
        peer_identity from;
        control_message message;
    };

    explicit grpc_peer(std::uint64_t number,
                       const std::function<void(grpc_transport_options&)>& set = {})
        : self{node_id{number}, boot_id{1}} {
        options.cluster = "garden";
        options.self = self;
        options.reopen_shortest = 20ms;
        options.reopen_longest = 100ms;
        if (set) {
            set(options);
        }
        start();
    }
    ~grpc_peer() override { stop(); }
    grpc_peer(const grpc_peer&) = delete;
    grpc_peer& operator=(const grpc_peer&) = delete;

    void start() {
        auto started = grpc_transport::start(options, *this);
        if (!started) {
            throw std::runtime_error(started.error().what);
        }
        options.port = (*started)->port();
        on.note([&] { transport = std::move(*started); });
    }
    void stop() {
        if (transport != nullptr) {
            transport->shut_down();
        }
        // Lanes may outlive the transport.
        transport.reset();
    }
    [[nodiscard]] std::string address() const {
        return "127.0.0.1:" + std::to_string(options.port);
    }
    [[nodiscard]] envelope message(message_body body, node_id to = {}) const {
        return {.cluster = options.cluster,
                .wire = options.wire,
                .from = self.node,
                .boot = self.boot,
                .to = to,
                .body = std::move(body)};
    }
    void open_control(const grpc_peer& to) {
        transport->open_control(to.self, to.address(), feature_relay);
    }
    void speak_lane(const grpc_peer& to, spoken_lane& lane, std::uint16_t shard = 0) {
        lane.link = transport->open_lane(to.self.node, to.address(), hello_of(shard), lane);
    }
    [[nodiscard]] lane_hello hello_of(std::uint16_t shard) const {
        return {.lane = {.origin = self.node, .boot = self.boot, .shard = shard_id{shard}}};
    }

    void on_question(question_id which, envelope asked) override {
        if (answers) {
            const envelope answer = answers(asked);
            // Questions may come before start() has returned.
            EXPECT_TRUE(on.wait([&] { return transport != nullptr; }));
            transport->answer(which, &answer);
        }
        on.note([&] { questions.emplace_back(which, std::move(asked)); });
    }
    void on_answer(envelope answer) override {
        on.note([&] { got.push_back(std::move(answer)); });
    }
    void on_refused(node_id to, std::string where) override {
        on.note([&] { refusals.push_back({to, std::move(where)}); });
    }
    void on_control(peer_identity from, control_message message,
                    std::function<void()> taken) override {
        on.note([&] {
            control.push_back({from, std::move(message)});
            if (holds_control) {
                held_control.push_back(std::exchange(taken, {}));
            }
        });
        if (taken) {
            taken();
        }
    }
    /// Whoever was held goes on, and nobody is from now on.
    void release_control() {
        std::vector<std::function<void()>> all;
        on.note([&] {
            holds_control = false;
            all = std::exchange(held_control, {});
        });
        for (const auto& each : all) {
            each();
        }
    }
    void on_control_open(node_id to, node_id via) override {
        on.note([&] {
            opened.push_back(to);
            ways.push_back(via);
        });
    }
    void on_control_lost(node_id to, std::string why) override {
        on.note([&] { lost.emplace_back(to, std::move(why)); });
    }
    void on_lane(std::unique_ptr<incoming_lane> lane, peer_identity from,
                 lane_hello hello) override {
        on.note([&] {
            lanes.push_back(std::make_unique<heard_lane>(std::move(lane), from, hello));
            if (accepts_lanes) {
                lanes.back()->accept();
                lanes.back()->lane->read_next();
            }
        });
    }
    void on_distrusted(peer_distrust what) override {
        on.note([&] { distrusted.push_back(std::move(what)); });
    }
    /// What the n-th loss of a control stream said; empty if it does not come.
    [[nodiscard]] std::string loss(std::size_t number) {
        return on.wait([&] { return lost.size() > number; })
                   ? on.read([&] { return lost[number].second; })
                   : std::string();
    }
    [[nodiscard]] heard_lane* lane(std::size_t number) {
        return on.wait([&] { return lanes.size() > number; })
                   ? on.read([&] { return lanes[number].get(); })
                   : nullptr;
    }

    peer_identity self;
    grpc_transport_options options;
    /// Set before anybody asks.
    std::function<envelope(const envelope&)> answers;

    told on;
    std::vector<std::pair<question_id, envelope>> questions;
    std::vector<envelope> got;
    std::vector<refused> refusals;
    std::vector<heard_control> control;
    std::vector<node_id> opened;
    std::vector<node_id> ways; ///< of these: by way of whom
    std::vector<std::pair<node_id, std::string>> lost;
    std::vector<std::unique_ptr<heard_lane>> lanes;
    std::vector<peer_distrust> distrusted;
    std::vector<std::function<void()>> held_control; ///< one of each stream
    bool holds_control = false;                      ///< of a stream nothing follows
    bool accepts_lanes = true;
    std::unique_ptr<grpc_transport> transport;
};

/// A control message that is known again by its number.
[[nodiscard]] inline control_message numbered(std::uint64_t number) {
    return route_message(resend_request{.stream = route_destination(node_id{1}), .after = number});
}
[[nodiscard]] inline std::uint64_t number_of(const control_message& message) {
    return std::get<resend_request>(std::get<route_message>(message)).after;
}

} // namespace gv::cluster
