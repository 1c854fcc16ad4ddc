// SPDX-License-Identifier: Apache-2.0
#include "storage/group_commit.hpp"

#include "base/thread_name.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>

namespace gv::storage {

namespace {

[[nodiscard]] std::size_t bytes_of(const std::vector<batch>& operations) {
    std::size_t bytes = 0;
    for (const batch& each : operations) {
        bytes += each.bytes();
    }
    return bytes;
}

[[nodiscard]] std::size_t bytes_of(const hand_over& what) {
    std::size_t bytes = what.operations.bytes();
    for (const part& each : what.parts) {
        bytes += each.operations.bytes();
    }
    return bytes;
}

[[nodiscard]] std::uint64_t nanoseconds_since(std::chrono::steady_clock::time_point begun) {
    return static_cast<std::uint64_t>(
        std::chrono::nanoseconds(std::chrono::steady_clock::now() - begun).count());
}

} // namespace

group_commit::group_commit(commit_target& target, const group_commit_options& options)
    : target_(&target), options_(options), writer_([this] { write_loop(); }),
      syncer_([this] { sync_loop(); }) {}

void group_commit::listen(shard_id shard, std::function<void(progress)> to) {
    const std::lock_guard alone(telling_);
    const auto& told = listeners_[shard] = std::move(to);
    if (is_told_stalled_) {
        told({.is_stalled = true});
    }
}

void group_commit::add(shard_id from, hand_over what) {
    const std::lock_guard lock(mutex_);
    if (is_lost_) {
        return; // the shard has been told
    }
    line_.push_back({.from = from, .what = std::move(what)});
    has_entries_.notify_one();
}

void group_commit::on_full() {
    const std::lock_guard lock(mutex_);
    is_stalled_ = !is_lost_;
    is_full_again_ = true;
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
    return {.is_writable = !is_lost_ && !is_stalled_,
            .is_stalled = is_stalled_,
            .groups = groups_,
            .operations = operations_,
            .bytes = bytes_,
            .syncs = syncs_,
            .sync_nanoseconds = sync_nanoseconds_,
            .resumes = resumes_,
            .stalled_nanoseconds = stalled_nanoseconds_};
}

// The writer thread.

void group_commit::write_loop() {
    name_this_thread("store writer");
    while (wait_for_work()) {
        if (is_stalled_) {
            outlast_stall();
        } else {
            write_group(next_entries());
        }
    }
}

// False: the end.
bool group_commit::wait_for_work() {
    std::unique_lock lock(mutex_);
    has_entries_.wait(lock,
                      [this] { return !line_.empty() || is_closing_ || is_stalled_ || is_lost_; });
    return !is_lost_ && (!line_.empty() || is_stalled_);
}

std::vector<line_entry> group_commit::next_entries() {
    const std::lock_guard lock(mutex_);
    std::size_t bytes = 0;
    std::size_t count = 0;
    while (count < line_.size() && (count == 0 || bytes < options_.group_bytes_max)) {
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

void group_commit::write_group(std::vector<line_entry> entries) {
    gathered made = gather(entries, joining_);
    commit_outcome outcome = commit_outcome::done;
    if (made.operations.empty()) {
        made.done.wants = durability::memory;
    } else {
        std::vector<const batch*> all;
        for (const batch& each : made.operations) {
            all.push_back(&each);
            operations_ += each.size();
            bytes_ += each.bytes();
        }
        ++groups_;
        outcome = target_->write(all);
    }
    if (outcome == commit_outcome::failed) {
        give_up();
        return;
    }
    // Also if there was no room: nobody hears of it before it has been written again.
    const std::lock_guard lock(mutex_);
    if (is_lost_) {
        return;
    }
    is_stalled_ = is_stalled_ || outcome == commit_outcome::no_room;
    keep_until_synced(std::move(made.operations));
    written_.push_back(std::move(made.done));
    has_written_.notify_one();
}

void group_commit::keep_until_synced(std::vector<batch> operations) {
    if (!operations.empty()) {
        unsynced_bytes_ += bytes_of(operations);
        unsynced_.push_back(std::move(operations));
    }
}

// The sync thread.

void group_commit::sync_loop() {
    name_this_thread("store syncer");
    while (!is_lost_) {
        const bool is_end = wait_for_groups();
        sync_groups(is_end);
        if (is_end) {
            return;
        }
    }
}

// True: there will be no others.
bool group_commit::wait_for_groups() {
    std::unique_lock lock(mutex_);
    const auto has_work = [this] {
        return (!written_.empty() && !is_stalled_) || is_written_out_ || is_lost_;
    };
    bool is_due = false;
    while (!is_due && !has_work()) {
        if (sync_due_ && !is_stalled_) {
            is_due = has_written_.wait_until(lock, *sync_due_) == std::cv_status::timeout
                     && !is_stalled_;
        } else {
            has_written_.wait(lock);
        }
    }
    is_syncing_ = true;
    return is_written_out_ && written_.empty();
}

void group_commit::sync_groups(bool is_end) {
    std::vector<group> covered;
    std::size_t unsynced = 0;
    bool is_much = false;
    {
        const std::lock_guard lock(mutex_);
        if (is_lost_) {
            return;
        }
        covered = std::exchange(written_, {});
        unsynced = unsynced_.size();
        is_much = unsynced_bytes_ > options_.unsynced_bytes_max;
    }
    if (is_sync_due(covered, is_end) || is_much) {
        switch (sync()) {
        case commit_outcome::done:
            forget_synced(unsynced);
            break;
        case commit_outcome::no_room:
            stall_with(std::move(covered));
            return;
        case commit_outcome::failed:
            give_up();
            return;
        }
    }
    tell(covered);
    end_sync();
}

bool group_commit::is_sync_due(const std::vector<group>& covered, bool is_end) {
    const auto now = std::chrono::steady_clock::now();
    durability wants = durability::memory;
    for (const group& each : covered) {
        wants = std::min(wants, each.wants);
    }
    if (wants == durability::interval && !sync_due_) {
        sync_due_ = now + options_.sync_interval;
    }
    return wants == durability::fsync || (sync_due_ && (now >= *sync_due_ || is_end));
}

commit_outcome group_commit::sync() {
    const auto begun = std::chrono::steady_clock::now();
    const commit_outcome outcome = target_->sync();
    if (outcome == commit_outcome::done) {
        ++syncs_;
        sync_nanoseconds_ += nanoseconds_since(begun);
    }
    return outcome;
}

// The first `count` of those that are kept.
void group_commit::forget_synced(std::size_t count) {
    sync_due_.reset();
    std::deque<std::vector<batch>> gone; // freed without the lock
    const std::lock_guard lock(mutex_);
    for (; count > 0 && !is_lost_; --count) {
        unsynced_bytes_ -= bytes_of(unsynced_.front());
        gone.push_back(std::move(unsynced_.front()));
        unsynced_.pop_front();
    }
}

// They are told when they have been written again, in their place before what came later.
void group_commit::stall_with(std::vector<group> covered) {
    {
        const std::lock_guard lock(mutex_);
        if (!is_written_out_) {
            written_.insert(written_.begin(), std::make_move_iterator(covered.begin()),
                            std::make_move_iterator(covered.end()));
            is_stalled_ = true;
            is_syncing_ = false;
            has_entries_.notify_one();
            return;
        }
    }
    give_up(); // the writer has ended
}

void group_commit::end_sync() {
    const std::lock_guard lock(mutex_);
    is_syncing_ = false;
    has_entries_.notify_one();
}

// A full disk. On the writer thread; the sync thread rests.

struct group_commit::stall {
    std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
    std::chrono::steady_clock::time_point counted_to = begun;
    std::size_t attempts = 0;
    std::size_t operations_again = 0;
    bool is_last_attempt = false; ///< the end has come
};

void group_commit::outlast_stall() {
    tell_stalled(true);
    stall now;
    while (wait_to_resume(now)) {
        const commit_outcome outcome = write_again(now);
        const auto seen = std::chrono::steady_clock::now();
        stalled_nanoseconds_ += nanoseconds_since(std::exchange(now.counted_to, seen));
        if (outcome == commit_outcome::failed) {
            break;
        }
        if (outcome == commit_outcome::done && go_on()) {
            ++resumes_;
            target_->on_resumed(std::chrono::steady_clock::now() - now.begun, now.operations_again);
            tell_stalled(false);
            return;
        }
    }
    give_up();
}

// False: there is nothing to wait for.
bool group_commit::wait_to_resume(stall& now) {
    std::unique_lock lock(mutex_);
    has_entries_.wait(lock, [this] { return !is_syncing_ || is_lost_; });
    if (now.attempts++ > 0) {
        has_entries_.wait_for(lock, options_.resume_interval,
                              [this] { return is_closing_ || is_lost_; });
    }
    is_full_again_ = false;
    return !is_lost_ && !is_line_too_long() && !std::exchange(now.is_last_attempt, is_closing_);
}

bool group_commit::is_line_too_long() const {
    std::size_t bytes = 0;
    for (const line_entry& each : line_) {
        bytes += bytes_of(each.what);
    }
    return bytes > options_.stalled_bytes_max + listeners_.size() * options_.stalled_bytes_of_shard;
}

// As one write: in a state between, something could be there again that a later group had erased.
commit_outcome group_commit::write_again(stall& now) {
    commit_outcome outcome = target_->resume();
    std::vector<const batch*> all;
    now.operations_again = 0;
    for (const std::vector<batch>& group : unsynced_) {
        for (const batch& each : group) {
            all.push_back(&each);
            now.operations_again += each.size();
        }
    }
    if (outcome == commit_outcome::done && !all.empty()) {
        outcome = target_->write(all);
    }
    return outcome == commit_outcome::done ? sync() : outcome;
}

// Gives word of all that was written. False if the disk is full again.
bool group_commit::go_on() {
    std::vector<group> done;
    {
        const std::lock_guard lock(mutex_);
        unsynced_.clear();
        unsynced_bytes_ = 0;
        done = std::exchange(written_, {});
        is_stalled_ = is_full_again_;
    }
    tell(done);
    return !is_stalled_;
}

// Word.

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
            word.is_stalled = is_told_stalled_;
            found->second(std::move(word));
        }
    }
}

void group_commit::tell_stalled(bool is_stalled) {
    const std::lock_guard alone(telling_);
    is_told_stalled_ = is_stalled;
    if (is_lost_) {
        return;
    }
    for (const auto& [shard, to] : listeners_) {
        to({.is_stalled = is_stalled});
    }
}

void group_commit::give_up() {
    {
        const std::lock_guard lock(mutex_);
        if (is_lost_) {
            return;
        }
        is_lost_ = true;
        is_stalled_ = false;
        line_.clear();
        written_.clear();
        unsynced_.clear();
        has_entries_.notify_one();
        has_written_.notify_one();
    }
    target_->on_lost();
    const std::lock_guard alone(telling_);
    for (const auto& [shard, to] : listeners_) {
        to({.is_lost = true});
    }
}

} // namespace gv::storage
