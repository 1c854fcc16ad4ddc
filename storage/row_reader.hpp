// SPDX-License-Identifier: Apache-2.0
// Reads rows of queues beside the shards, so that a disk that is slow stops none of them.
#pragma once

#include "base/thread_name.hpp"
#include "storage/loading.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

namespace gv::storage {

class row_reader {
  public:
    /// Lifetime: `from` outlives it.
    explicit row_reader(const table_source& from) : from_(from), thread_([this] { loop(); }) {}
    row_reader(const row_reader&) = delete;
    row_reader& operator=(const row_reader&) = delete;
    ~row_reader() { close(); }

    void listen(shard_id shard, std::function<void(read_answer)> to) {
        const std::lock_guard lock(mutex_);
        listeners_[shard] = std::move(to);
    }
    /// Thread-safe. Answered in the order of the calls, on the reader's thread.
    void add(shard_id from, const read_request& what) {
        const std::lock_guard lock(mutex_);
        line_.emplace_back(from, what);
        has_requests_.notify_one();
    }
    /// Thread-safe.
    [[nodiscard]] std::uint64_t rows_read() const noexcept { return rows_read_; }
    /// What was not read yet is not answered.
    void close() {
        {
            const std::lock_guard lock(mutex_);
            is_closing_ = true;
            has_requests_.notify_one();
        }
        if (thread_.joinable()) {
            thread_.join();
        }
    }

  private:
    void loop() {
        name_this_thread("store reader");
        std::unique_lock lock(mutex_);
        for (;;) {
            has_requests_.wait(lock, [this] { return !line_.empty() || is_closing_; });
            if (is_closing_) {
                return;
            }
            const auto [shard, what] = line_.front();
            line_.pop_front();
            const auto& to = listeners_.at(shard);
            lock.unlock();
            read_answer answer = read_rows(from_, what);
            rows_read_ += answer.rows.size();
            to(std::move(answer));
            lock.lock();
        }
    }

    const table_source& from_;
    std::mutex mutex_;
    std::condition_variable has_requests_;
    std::deque<std::pair<shard_id, read_request>> line_;
    std::map<shard_id, std::function<void(read_answer)>> listeners_;
    std::atomic<std::uint64_t> rows_read_{0};
    bool is_closing_ = false;
    std::thread thread_;
};

} // namespace gv::storage
