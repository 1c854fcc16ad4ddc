// SPDX-License-Identifier: Apache-2.0
// Threads on which passwords are hashed, so that no shard waits milliseconds for one client. One
// pool serves the process. The queue is bounded: a storm of connects is answered "busy" rather
// than with minutes of delay.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

namespace gv::auth {

struct hash_pool_options {
    /// Larger: more log-ins a second. Smaller: more of the processor for the shards.
    std::size_t threads = 1;
    /// Larger: rides out a larger storm of connects. Smaller: clients learn sooner that the server
    /// is busy. Longest wait = queue_max × time of a hash / threads.
    std::size_t queue_max = 1'024;
};

/// Thread-safe.
class hash_pool {
  public:
    enum class admission { taken, queue_full };

    /// Must not throw; owns what it needs.
    using job = std::move_only_function<void(admission)>;

    /// Requires: threads > 0 and queue_max > 0.
    explicit hash_pool(hash_pool_options options = {});
    /// Finishes the jobs that run; destroys, without running them, those that wait.
    ~hash_pool();
    hash_pool(const hash_pool&) = delete;
    hash_pool& operator=(const hash_pool&) = delete;

    /// Queues `work`, which a thread of the pool calls with `taken`. If the queue is full it is
    /// called with `queue_full` instead, at once, on the caller's thread.
    void submit(job work);

  private:
    [[nodiscard]] bool enqueue(job& work);
    void run(const std::stop_token& stop);

    const hash_pool_options options_;
    // The one lock of this folder; it guards waiting_ and is held for one push or pop, once a
    // log-in.
    std::mutex mutex_;
    std::condition_variable_any arrived_;
    std::deque<job> waiting_;
    std::vector<std::jthread> threads_; // last: they end before what they use
};

} // namespace gv::auth
