// SPDX-License-Identifier: Apache-2.0
#include "broker/server/space_watch.hpp"

#include "base/log.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace gv::server {

using shard::store_room;

namespace {

constexpr std::uint64_t automatic_max = std::uint64_t{1} << 30;
constexpr std::uint64_t automatic_percent = 8;

} // namespace

std::optional<disk_space> space_of(const std::string& folder) {
    struct statvfs found{};
    if (::statvfs(folder.c_str(), &found) != 0) {
        return std::nullopt;
    }
    return disk_space{.free = std::uint64_t{found.f_bavail} * found.f_frsize,
                      .total = std::uint64_t{found.f_blocks} * found.f_frsize};
}

store_room judge_room(const disk_space& found, std::uint64_t free_min, store_room before) noexcept {
    const std::uint64_t scarce_below =
        free_min != 0 ? free_min : std::min(found.total / 100 * automatic_percent, automatic_max);
    const std::uint64_t none_below = scarce_below / 8 * 3;
    const auto is_below = [&](std::uint64_t limit, bool was_below) {
        return found.free < (was_below ? limit + limit / 4 : limit);
    };
    if (is_below(none_below, before == store_room::none)) {
        return store_room::none;
    }
    return is_below(scarce_below, before != store_room::plenty) ? store_room::scarce
                                                                : store_room::plenty;
}

space_watch::space_watch(boost::asio::io_context& control, std::string folder,
                         std::uint64_t free_min, std::function<void(store_room)> tell)
    : folder_(std::move(folder)), free_min_(free_min), tell_(std::move(tell)), second_(control) {}

void space_watch::start() {
    look();
    second_.expires_after(std::chrono::seconds(1));
    second_.async_wait([this](const boost::system::error_code& error) {
        if (!error) {
            start();
        }
    });
}

void space_watch::stop() { second_.cancel(); }

void space_watch::look() {
    const std::optional<disk_space> found = space_of(folder_);
    if (!found) {
        return; // the store will find out more
    }
    free_ = found->free;
    const store_room now = judge_room(*found, free_min_, room_);
    if (now != room_) {
        room_ = now;
        tell_(now);
        log_change(*found);
    }
}

void space_watch::log_change(const disk_space& found) const {
    if (room_ == store_room::plenty) {
        log::info("store_has_room", {{"folder", folder_}, {"free_bytes", found.free}});
        return;
    }
    log::error("store_has_no_room",
               {{"folder", folder_},
                {"free_bytes", found.free},
                {"refused", room_ == store_room::none
                                ? "QoS 1 and 2 for kept sessions, retained messages, new sessions"
                                : "QoS 1 and 2 for kept sessions, retained messages"},
                {"remedy", "make room on the disk, or lower storage.free_min"}});
}

} // namespace gv::server
