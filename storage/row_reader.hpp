// SPDX-License-Identifier: Apache-2.0
// Reads rows of queues beside the shards, so that a disk that is slow stops none of them.
#pragma once

#include "base/thread_name.hpp"
#include "storage/store.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

namespace gv::storage {

class row_reader {
  public:
    /// Nothing: it cannot be read now; asked again after go_on().
    using source = std::function<std::optional<read_answer>(const read_request&)>;

    explicit row_reader(source from) : from_(std::move(from)), thread_([this] { loop(); }) {}
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
    /// What could not be read is tried again. Thread-safe.
    void go_on() {
        const std::lock_guard lock(mutex_);
        ++rounds_;
        has_requests_.notify_one();
    }
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
            const auto& to = listeners_.at(shard);
            const std::uint64_t round = rounds_;
            lock.unlock();
            std::optional<read_answer> answer = from_(what);
            if (answer) {
                rows_read_ += answer->rows.size();
                to(*std::move(answer));
            }
            lock.lock();
            if (answer) {
                line_.pop_front();
            } else {
                has_requests_.wait(lock, [&] { return rounds_ != round || is_closing_; });
            }
        }
    }

    source from_;
    std::mutex mutex_;
    std::condition_variable has_requests_;
    std::deque<std::pair<shard_id, read_request>> line_;
    std::map<shard_id, std::function<void(read_answer)>> listeners_;
    std::atomic<std::uint64_t> rows_read_{0};
    std::uint64_t rounds_ = 0;
    bool is_closing_ = false;
    std::thread thread_;
};

} // namespace gv::storage
