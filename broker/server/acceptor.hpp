// SPDX-License-Identifier: Apache-2.0
// A listener of the configuration at work: accepts on the first shard and deals connections out to
// all shards in turn.
#pragma once

#include "broker/server/options.hpp"
#include "broker/shard/event_loop.hpp"
#include "broker/transport/listener.hpp"
#include "broker/transport/make_stream.hpp"

#include <atomic>
#include <memory>
#include <span>
#include <string_view>

namespace gv::server {

/// What new connections get. Immutable; replaced as a whole by a reload.
struct connection_rules {
    transport::stream_profile stream;
    std::shared_ptr<const shard::listener_profile> profile;
    std::uint32_t connections_max = 0;       ///< through this listener; 0: no limit
    std::uint32_t connections_max_total = 0; ///< through all
    /// Whether connections_max_total is what the limit of descriptors leaves, not what was asked
    /// for.
    bool is_total_by_descriptors = false;
};

class acceptor final : private transport::accept_handler {
  public:
    /// Lifetime: `loops` outlive it. Lives on the first loop's thread once started.
    acceptor(std::span<const std::unique_ptr<shard::event_loop>> loops,
             transport::listener_options where, std::string name);

    /// Binds. Before the loops run.
    [[nodiscard]] result<void, problem> open() { return listener_.open(); }
    /// Begins to accept. Requires: open, with rules. Thread: the first loop's.
    void start() { listener_.start(); }
    /// For connections that come from now on.
    void replace_rules(std::shared_ptr<const connection_rules> rules) { rules_ = std::move(rules); }
    void stop() noexcept { listener_.stop(); }

    [[nodiscard]] transport::endpoint local() const noexcept { return listener_.local(); }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// How many connections through it are open, whatever rules they came by: for the profile of
    /// its rules.
    [[nodiscard]] const std::shared_ptr<std::atomic<std::uint32_t>>& open_count() const noexcept {
        return open_count_;
    }

  private:
    // transport::accept_handler
    [[nodiscard]] shard_id choose_shard() override { return next_.next(); }
    void post_to(shard_id shard, std::vector<transport::accepted_socket> sockets) override;
    void on_accept_paused(boost::system::error_code why, std::chrono::milliseconds pause) override;
    void on_accepting_again() override;

    /// Why no connection may come in now, and what to do about it; `why` is empty if one may.
    struct refusal {
        std::string_view why;
        std::string_view remedy;
    };
    [[nodiscard]] refusal refusal_now() const noexcept;

    std::span<const std::unique_ptr<shard::event_loop>> loops_;
    std::string name_;
    transport::round_robin next_;
    std::shared_ptr<const connection_rules> rules_;
    std::shared_ptr<std::atomic<std::uint32_t>> open_count_ =
        std::make_shared<std::atomic<std::uint32_t>>();
    transport::listener listener_;
};

} // namespace gv::server
