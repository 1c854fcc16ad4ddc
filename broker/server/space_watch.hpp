// SPDX-License-Identifier: Apache-2.0
// How much room the disk of the store has. Before it is full nothing new is taken that would have
// to be kept, so that what is there can still be acknowledged, erased and compacted away; when room
// returns, all goes on by itself.
#pragma once

#include "broker/shard/core.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace gv::server {

/// Bytes that a process without privileges may still write, and of the whole file system.
struct disk_space {
    std::uint64_t free = 0;
    std::uint64_t total = 0;
};

/// Of the file system that `folder` is on; nothing if it cannot be asked.
[[nodiscard]] std::optional<disk_space> space_of(const std::string& folder);

/// The room there is. `free_min`: bytes below which it is scarce; 0: 8 % of the disk, at most
/// 1 GiB. Below three eighths of that there is none. It must be a quarter more than a limit before
/// `before` is left for the better.
[[nodiscard]] shard::store_room judge_room(const disk_space& found, std::uint64_t free_min,
                                           shard::store_room before) noexcept;

class space_watch {
  public:
    /// `tell` is called on the thread of `control` with every change. Lifetime: `control` outlives
    /// it.
    space_watch(boost::asio::io_context& control, std::string folder, std::uint64_t free_min,
                std::function<void(shard::store_room)> tell);

    /// Looks at once, and then every second.
    void start();
    void stop();
    /// As of the last look. Thread-safe.
    [[nodiscard]] std::uint64_t free_bytes() const noexcept { return free_; }
    [[nodiscard]] shard::store_room room() const noexcept { return room_; }

  private:
    void look();
    void log_change(const disk_space& found) const;

    std::string folder_;
    std::uint64_t free_min_;
    std::function<void(shard::store_room)> tell_;
    boost::asio::steady_timer second_;
    std::atomic<std::uint64_t> free_{0};
    std::atomic<shard::store_room> room_{shard::store_room::plenty};
};

} // namespace gv::server
