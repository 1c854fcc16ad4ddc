// SPDX-License-Identifier: Apache-2.0
// Batches from other threads for one shard: one lock a batch, one wake-up for as many as come
// before the shard looks. What is in flight between two shards is bounded by their credits, not
// here.
#pragma once

#include "broker/shard/messages.hpp"

#include <mutex>
#include <utility>
#include <vector>

namespace gv::shard {

class inbox {
  public:
    struct batch {
        shard_id from;
        std::vector<shard_message> messages;
    };

    /// Thread-safe. Returns whether the shard must be woken: nothing waited before.
    [[nodiscard]] bool put(shard_id from, std::vector<shard_message> messages) {
        const std::lock_guard lock(mutex_);
        waiting_.push_back({.from = from, .messages = std::move(messages)});
        return waiting_.size() == 1;
    }
    /// Thread-safe. Takes all that waits, oldest first.
    [[nodiscard]] std::vector<batch> take() {
        const std::lock_guard lock(mutex_);
        return std::exchange(waiting_, {});
    }

  private:
    std::mutex mutex_;
    std::vector<batch> waiting_;
};

} // namespace gv::shard
