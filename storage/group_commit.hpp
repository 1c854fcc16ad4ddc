// SPDX-License-Identifier: Apache-2.0
// Many small hand-overs, one write and one sync. While one group is being synced the next is
// gathered and written, so that a slow disk makes larger groups, not longer queues. Transactions
// of several shards are joined here, since here all that they write comes by.
//
//   hand-over    a shard's thread    waits in line
//   group        writer thread       all that waits, joined, in one atomic write
//   word         sync thread         one sync for every group written before it began
//
// A full disk is a disk that takes long: the line waits, the sync thread too, and the writer asks
// the target every now and then whether it can go on. What no sync has covered is kept until one
// has, and is written again then, in one atomic write, before anything else.
//
//   state     what happens                      next       the shards hear
//   running   write or sync finds no room,      stalled    is_stalled
//             or on_full() is called
//   running   write or sync fails               lost       is_lost
//   stalled   the target goes on, all is        running    what is durable by now
//             written again and synced
//   stalled   it finds no room                  stalled
//   stalled   it fails, too much waits, or      lost       is_lost
//             the end has come
#pragma once

#include "storage/gathering.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <thread>

namespace gv::storage {

enum class commit_outcome : std::uint8_t {
    done,
    no_room, ///< the disk is full; resume() may help
    failed   ///< it is never asked again
};

/// What groups are written to. Its calls never overlap, but for a write beside a sync.
class commit_target {
  public:
    /// Applies all batches at once or not at all.
    [[nodiscard]] virtual commit_outcome write(std::span<const batch* const> group) = 0;
    /// Makes durable all that was written before the call. Else none of it can be relied on.
    [[nodiscard]] virtual commit_outcome sync() = 0;
    /// After `no_room`: makes it such that it can be written to again. All that a sync covered is
    /// there then, and of what was written since whatever is from its beginning. `no_room`: not
    /// yet. Asked once a second, so it should find that out cheaply.
    [[nodiscard]] virtual commit_outcome resume() = 0;
    /// It was resumed, and all that was written before has been written again and synced.
    virtual void on_resumed(std::chrono::nanoseconds stalled, std::size_t operations_again) = 0;
    /// None of the others will be called again.
    virtual void on_lost() = 0;

  protected:
    ~commit_target() = default;
};

struct group_commit_options {
    std::size_t group_bytes_max = std::size_t{2} << 20;
    /// What wants no more than that is synced so much later at the latest.
    std::chrono::milliseconds sync_interval = std::chrono::seconds(1);
    /// Written and not synced; beyond, it is synced whether anybody wants it or not. Larger: fewer
    /// syncs of what nobody waits for. Smaller: less memory.
    std::size_t unsynced_bytes_max = std::size_t{8} << 20;
    /// In line while the disk is full; beyond, the store is lost. And for each shard, which may
    /// have brought its backlog before and goes on with what must be written.
    std::size_t stalled_bytes_max = std::size_t{64} << 20;
    std::size_t stalled_bytes_of_shard = std::size_t{20} << 20;
    /// How often resume() is called.
    std::chrono::milliseconds resume_interval = std::chrono::seconds(1);
};

class group_commit {
  public:
    explicit group_commit(commit_target& target, const group_commit_options& options = {});
    group_commit(const group_commit&) = delete;
    group_commit& operator=(const group_commit&) = delete;
    ~group_commit() { close(); }

    void listen(shard_id shard, std::function<void(progress)> to);
    /// Thread-safe.
    void add(shard_id from, hand_over what);
    /// Foreign: the target is full, found out on a thread of its own.
    void on_full();
    /// Completes what was added, and ends the threads. While the disk is full one more attempt is
    /// made.
    void close();
    /// Thread-safe.
    [[nodiscard]] store_counts counts() const noexcept;

  private:
    void write_loop();
    void sync_loop();
    [[nodiscard]] bool wait_for_work();
    [[nodiscard]] std::vector<line_entry> next_entries();
    void write_group(std::vector<line_entry> entries);
    void keep_until_synced(std::vector<batch> operations);
    [[nodiscard]] bool wait_for_groups();
    void sync_groups(bool is_end);
    void stall_with(std::vector<group> covered);
    void end_sync();
    [[nodiscard]] bool is_sync_due(const std::vector<group>& covered, bool is_end);
    [[nodiscard]] commit_outcome sync();
    void forget_synced(std::size_t count);
    void outlast_stall();
    struct stall;
    [[nodiscard]] bool wait_to_resume(stall& now);
    [[nodiscard]] commit_outcome write_again(stall& now);
    [[nodiscard]] bool go_on();
    [[nodiscard]] bool is_line_too_long() const;
    void tell(const std::vector<group>& done);
    void tell_stalled(bool is_stalled);
    void give_up();

    commit_target* target_;
    group_commit_options options_;

    // Under telling_: one thread says that all is lost while the other has good news.
    std::mutex telling_;
    std::map<shard_id, std::function<void(progress)>> listeners_;
    bool is_told_stalled_ = false;

    // Under mutex_.
    std::mutex mutex_;
    std::condition_variable has_entries_; ///< the writer waits
    std::condition_variable has_written_; ///< the sync thread waits
    std::vector<line_entry> line_;
    std::vector<group> written_; ///< of which no word was given
    /// Of groups that no sync has covered yet, of which word may have been given.
    std::deque<std::vector<batch>> unsynced_;
    std::size_t unsynced_bytes_ = 0;
    bool is_syncing_ = false;    ///< the sync thread is at work
    bool is_full_again_ = false; ///< found out while it was being resumed
    bool is_closing_ = false;
    bool is_written_out_ = false; ///< the writer has ended
    std::atomic<bool> is_stalled_{false};
    std::atomic<bool> is_lost_{false};

    transactions joining_; ///< of the writer thread
    /// Of the sync thread: when what is only written now must be synced.
    std::optional<std::chrono::steady_clock::time_point> sync_due_;

    std::atomic<std::uint64_t> groups_{0};
    std::atomic<std::uint64_t> syncs_{0};
    std::atomic<std::uint64_t> operations_{0};
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<std::uint64_t> sync_nanoseconds_{0};
    std::atomic<std::uint64_t> resumes_{0};
    std::atomic<std::uint64_t> stalled_nanoseconds_{0};

    std::thread writer_;
    std::thread syncer_;
};

} // namespace gv::storage
