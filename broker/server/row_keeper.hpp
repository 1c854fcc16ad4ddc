// SPDX-License-Identifier: Apache-2.0
// Writes down what the thread of the cluster has to remember: rows of the store for which nobody
// waits, by one shard, in order. While the disk is full nothing is written; once there is room
// again, whoever owns the rows puts all of them anew, as they are by then.
#pragma once

#include "broker/shard/event_loop.hpp"
#include "storage/batch.hpp"

#include <atomic>
#include <string_view>

namespace gv::server {

/// Used by the main thread until the cluster starts, and by its thread from then on.
class row_keeper {
  public:
    /// `what` names the rows in the log.
    explicit row_keeper(std::string_view what) : what_(what) {}

    /// `loop` is to write from now on; without a call nothing is. Lifetime: `loop` outlives the
    /// thread of the cluster.
    void begin(shard::event_loop& loop) noexcept { loop_ = &loop; }
    [[nodiscard]] bool is_on() const noexcept { return loop_ != nullptr; }
    /// What the next hand_over() hands over.
    [[nodiscard]] storage::batch& open() noexcept { return open_; }
    /// Whether all rows are to be put anew, before the next hand_over(). True once for each time
    /// that the disk was full.
    [[nodiscard]] bool begins_anew() noexcept { return has_room_.exchange(false); }
    /// To be called after each input of the cluster.
    void hand_over();

  private:
    void write(const storage::batch& rows);

    std::string_view what_;
    shard::event_loop* loop_ = nullptr;
    storage::batch open_;
    // Of both threads.
    std::atomic<bool> has_missed_ = false; ///< the disk was full: some rows were not taken
    std::atomic<bool> is_asking_ = false;  ///< whether there is room again
    std::atomic<bool> has_room_ = false;   ///< there is
};

} // namespace gv::server
