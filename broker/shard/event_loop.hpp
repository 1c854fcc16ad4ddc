// SPDX-License-Identifier: Apache-2.0
// One core of the machine: a thread, its io_context, its connections, and the core that decides.
// This file is the only place where the core meets sockets, clocks and other threads.
#pragma once

#include "broker/shard/cluster_seat.hpp"
#include "broker/shard/connection.hpp"
#include "broker/shard/core.hpp"
#include "broker/shard/inbox.hpp"
#include "broker/shard/lane_links.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <deque>
#include <memory>
#include <thread>
#include <vector>

namespace gv::shard {

struct event_loop_options {
    core_options logic;
    std::size_t read_bytes_per_turn = std::size_t{256} << 10;
    /// How long a peer may take to end its side after we have ended ours.
    duration linger = 2s;
};

class event_loop final : public core_driver {
  public:
    explicit event_loop(event_loop_options options);
    event_loop(const event_loop&) = delete;
    event_loop& operator=(const event_loop&) = delete;
    ~event_loop();

    /// All shards of the node, this one included, by number. Before start().
    void set_peers(std::vector<event_loop*> all) { peers_ = std::move(all); }
    /// Access rules of the first clients. Before start().
    void set_access(std::shared_ptr<const auth::authoriser> authoriser);
    /// From now on what must outlive the process goes there. Before any client and before start().
    /// Lifetime: `store` outlives the threads of all shards.
    void keep_in(storage::store& store);
    /// For a node of a cluster that has no store: who it is. Before any client and before start().
    void be(node_id node, boot_id boot);
    /// What filters come and go is told there from now on. Before the first is known. Lifetime:
    /// `seat` outlives the threads of all shards.
    void sit_at(cluster_seat& seat) { seat_ = &seat; }
    /// Lanes go over the transport of the seat from now on. Before start().
    void open_lanes();
    /// Does what there is to do at once, on the calling thread. Returns whether there was anything.
    /// Before start(), so that shards may tell each other of what was restored.
    bool settle();
    void start();
    /// Thread-safe. Says good-bye to all clients, waits for their output up to `patience`, and ends
    /// the thread. join() waits for it.
    void stop(duration patience);
    void join();
    /// Thread-safe.
    template <typename Task>
    void post(Task&& task) {
        boost::asio::post(context_, [this, task = std::forward<Task>(task)]() mutable {
            begin_turn();
            task();
            end_turn_soon(0);
        });
    }

    /// Thread-safe.
    void on_applied(std::uint64_t operation) {
        post([this, operation] { core_->on_applied(operation); });
    }
    /// What the cluster knows of another node. Thread-safe.
    void on_peer(peer_place now) {
        post([this, now = std::move(now)] { links_->on_peer(now); });
    }
    /// Another node opens a lane that ends here. Thread-safe.
    void on_lane(std::unique_ptr<cluster::incoming_lane> lane, const cluster::lane_hello& hello);

    // For what runs on this shard's thread.

    [[nodiscard]] boost::asio::io_context& context() noexcept { return context_; }
    [[nodiscard]] core& logic() noexcept { return *core_; }
    void accept(transport::stream_ptr stream, std::shared_ptr<const listener_profile> profile);

    std::uint64_t refused_connections = 0; ///< turned away for connections_max
    std::uint64_t accept_pauses = 0;       ///< of the listeners, for want of descriptors
    std::uint64_t failed_handshakes = 0;   ///< of TLS and WebSocket

    /// Every callback into this shard is a turn, or a part of one.
    void begin_turn() noexcept;
    /// Sends at once what came of a small input to an idle shard; else what all ready sockets gave.
    void end_turn_soon(std::size_t bytes_read);
    [[nodiscard]] std::span<char> scratch() noexcept { return {scratch_.get(), scratch_size_}; }
    void linger(connection& ending);
    void bury(connection& gone);
    void count_received(std::size_t bytes) noexcept {
        bytes_received_ += bytes;
        ++reads_;
    }
    void count_sent(std::size_t bytes) noexcept {
        bytes_sent_ += bytes;
        ++writes_;
    }
    [[nodiscard]] std::uint64_t reads() const noexcept { return reads_; }
    [[nodiscard]] std::uint64_t writes() const noexcept { return writes_; }
    [[nodiscard]] std::uint64_t accepted() const noexcept { return accepted_; }
    [[nodiscard]] std::uint64_t bytes_received() const noexcept { return bytes_received_; }
    [[nodiscard]] std::uint64_t bytes_sent() const noexcept { return bytes_sent_; }
    [[nodiscard]] std::uint64_t turns() const noexcept { return turns_; }
    [[nodiscard]] std::size_t connections() const noexcept { return connections_.size(); }

  private:
    void end_turn();
    void arm_timer();
    void on_timer();
    void receive();
    void cut_lingering();
    void stop_when_idle(time_point deadline);

    // core_driver
    void send(shard_id to, std::vector<shard_message> batch) override;
    [[nodiscard]] auth::completion verdict_for(std::uint64_t connection) override;
    void tell_cluster(const route_word& what, std::uint64_t operation) override {
        seat_->tell(options_.logic.me, what, operation);
    }
    void partition_arrived(partition_id which, node_id at) override {
        seat_->partition_arrived(which, at);
    }

    struct leaving {
        time_point until;
        std::uint64_t number;
    };

    event_loop_options options_;
    boost::asio::io_context context_{1};
    boost::asio::steady_timer timer_{context_};
    time_point armed_for_ = never;
    std::unique_ptr<char[]> scratch_;
    std::size_t scratch_size_;
    std::unique_ptr<core> core_;
    std::vector<event_loop*> peers_;
    cluster_seat* seat_ = nullptr; ///< null: this node is alone
    std::unique_ptr<lane_links> links_;
    inbox inbox_;
    boost::unordered_flat_map<std::uint64_t, std::unique_ptr<connection>> connections_;
    std::vector<std::unique_ptr<connection>> buried_;
    std::vector<connection*> ended_; ///< ended in this turn, perhaps with nothing to send
    std::deque<leaving> leaving_;
    std::uint64_t bytes_received_ = 0;
    std::uint64_t bytes_sent_ = 0;
    std::uint64_t reads_ = 0;
    std::uint64_t writes_ = 0;
    std::uint64_t accepted_ = 0;
    std::uint64_t turns_ = 0;
    time_point last_end_{};
    bool is_end_posted_ = false;
    bool is_stopping_ = false;
    std::thread thread_;
};

} // namespace gv::shard
