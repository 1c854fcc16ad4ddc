// SPDX-License-Identifier: Apache-2.0
#include "storage/group_commit.hpp"

#include "base/thread_name.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>

namespace gv::storage {

group_commit::group_commit(commit_target& target, std::size_t group_bytes_max,
                           std::chrono::milliseconds sync_interval)
    : target_(&target), group_bytes_max_(group_bytes_max), sync_interval_(sync_interval),
      writer_([this] { write_loop(); }), syncer_([this] { sync_loop(); }) {}

void group_commit::listen(shard_id shard, std::function<void(progress)> to) {
    const std::lock_guard lock(mutex_);
    listeners_[shard] = std::move(to);
}

void group_commit::add(shard_id from, hand_over what) {
    const std::lock_guard lock(mutex_);
    if (is_lost_) {
        return; // the shard has been told
    }
    line_.push_back({.from = from, .what = std::move(what)});
    has_entries_.notify_one();
}

void group_commit::close() {
    {
        const std::lock_guard lock(mutex_);
        is_closing_ = true;
        has_entries_.notify_one();
    }
    if (writer_.joinable()) {
        writer_.join();
    }
    {
        const std::lock_guard lock(mutex_);
        is_written_out_ = true;
        has_written_.notify_one();
    }
    if (syncer_.joinable()) {
        syncer_.join();
    }
}

store_counts group_commit::counts() const noexcept {
    return {.is_writable = !is_lost_,
            .groups = groups_,
            .operations = operations_,
            .bytes = bytes_,
            .syncs = syncs_,
            .sync_nanoseconds = sync_nanoseconds_};
}

// Waits; empty: the end.
std::vector<line_entry> group_commit::next_entries() {
    std::unique_lock lock(mutex_);
    has_entries_.wait(lock, [this] { return !line_.empty() || is_closing_ || is_lost_; });
    if (is_lost_) {
        return {};
    }
    std::size_t bytes = 0;
    std::size_t count = 0;
    while (count < line_.size() && (count == 0 || bytes < group_bytes_max_)) {
        bytes += line_[count++].what.operations.bytes();
    }
    if (count == line_.size()) {
        return std::exchange(line_, {});
    }
    const auto end = line_.begin() + static_cast<std::ptrdiff_t>(count);
    std::vector<line_entry> taken(std::make_move_iterator(line_.begin()),
                                  std::make_move_iterator(end));
    line_.erase(line_.begin(), end);
    return taken;
}

void group_commit::write_loop() {
    name_this_thread("store writer");
    for (;;) {
        std::vector<line_entry> entries = next_entries();
        if (entries.empty()) {
            return;
        }
        group made = write_group(entries);
        const std::lock_guard lock(mutex_);
        if (is_lost_) {
            return;
        }
        written_.push_back(std::move(made));
        has_written_.notify_one();
    }
}

group group_commit::write_group(std::vector<line_entry>& entries) {
    gathered made = gather(entries, joining_);
    if (made.operations.empty()) {
        made.done.wants = durability::memory;
        return std::move(made.done);
    }
    std::vector<const batch*> all;
    for (const batch& each : made.operations) {
        all.push_back(&each);
        operations_ += each.size();
        bytes_ += each.bytes();
    }
    ++groups_;
    if (!target_->write(all)) {
        give_up();
    }
    return std::move(made.done);
}

void group_commit::sync_loop() {
    name_this_thread("store syncer");
    for (bool is_end = false; !is_end;) {
        std::vector<group> covered;
        {
            std::unique_lock lock(mutex_);
            const auto has_work = [this] {
                return !written_.empty() || is_written_out_ || is_lost_;
            };
            if (sync_due_) {
                has_written_.wait_until(lock, *sync_due_, has_work);
            } else {
                has_written_.wait(lock, has_work);
            }
            if (is_lost_) {
                return;
            }
            is_end = written_.empty() && is_written_out_;
            covered = std::exchange(written_, {});
        }
        if (!sync_if_due(covered, is_end)) {
            give_up();
            return;
        }
        tell(covered);
    }
}

// False if a sync failed.
bool group_commit::sync_if_due(const std::vector<group>& covered, bool is_end) {
    const auto now = std::chrono::steady_clock::now();
    durability wants = durability::memory;
    for (const group& each : covered) {
        wants = std::min(wants, each.wants);
    }
    if (wants == durability::interval && !sync_due_) {
        sync_due_ = now + sync_interval_;
    }
    if (wants != durability::fsync && (!sync_due_ || (now < *sync_due_ && !is_end))) {
        return true;
    }
    sync_due_.reset();
    if (!target_->sync()) {
        return false;
    }
    ++syncs_;
    sync_nanoseconds_ += static_cast<std::uint64_t>(
        std::chrono::nanoseconds(std::chrono::steady_clock::now() - now).count());
    return true;
}

void group_commit::tell(const std::vector<group>& done) {
    std::map<shard_id, progress> words;
    for (const group& each : done) {
        for (const auto& [shard, word] : each.words) {
            progress& sum = words[shard];
            sum.durable = std::max(sum.durable, word.durable);
            sum.transactions.insert(sum.transactions.end(), word.transactions.begin(),
                                    word.transactions.end());
        }
    }
    const std::lock_guard alone(telling_);
    if (is_lost_) {
        return; // all were told, and have acted on it
    }
    for (auto& [shard, word] : words) {
        if (const auto found = listeners_.find(shard); found != listeners_.end()) {
            found->second(std::move(word));
        }
    }
}

void group_commit::give_up() {
    {
        const std::lock_guard lock(mutex_);
        if (is_lost_) {
            return;
        }
        is_lost_ = true;
        line_.clear();
        written_.clear();
        has_entries_.notify_one();
        has_written_.notify_one();
    }
    const std::lock_guard alone(telling_);
    for (const auto& [shard, to] : listeners_) {
        to({.durable = 0, .transactions = {}, .is_lost = true});
    }
}

} // namespace gv::storage
