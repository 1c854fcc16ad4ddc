// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/hash_pool.hpp"

#include "base/assert.hpp"
#include "base/thread_name.hpp"

#include <utility>

namespace gv::auth {

hash_pool::hash_pool(hash_pool_options options) : options_(options) {
    BROKER_ASSERT(options_.threads > 0 && options_.queue_max > 0, "a hash pool that cannot work");
    for (std::size_t i = 0; i < options_.threads; ++i) {
        threads_.emplace_back([this](const std::stop_token& stop) {
            name_this_thread("password hash");
            run(stop);
        });
    }
}

hash_pool::~hash_pool() {
    // All are told before any is waited for.
    for (auto& thread : threads_) {
        thread.request_stop();
    }
}

bool hash_pool::enqueue(job& work) {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= options_.queue_max) {
        return false;
    }
    waiting_.push_back(std::move(work));
    return true;
}

void hash_pool::submit(job work) {
    if (enqueue(work)) {
        arrived_.notify_one();
    } else {
        work(admission::queue_full);
    }
}

void hash_pool::run(const std::stop_token& stop) {
    for (;;) {
        std::unique_lock lock(mutex_);
        arrived_.wait(lock, stop, [this] { return !waiting_.empty(); });
        if (stop.stop_requested()) {
            return;
        }
        job work = std::move(waiting_.front());
        waiting_.pop_front();
        lock.unlock();
        work(admission::taken);
    }
}

} // namespace gv::auth
