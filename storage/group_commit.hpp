// SPDX-License-Identifier: Apache-2.0
// Many small hand-overs, one write and one sync. While one group is being synced the next is
// gathered and written, so that a slow disk makes larger groups, not longer queues. Transactions
// of several shards are joined here, since here all that they write comes by.
//
//   hand-over    a shard's thread    waits in line
//   group        writer thread       all that waits, joined, in one atomic write
//   word         sync thread         one sync for every group written before it began
#pragma once

#include "storage/gathering.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <thread>

namespace gv::storage {

/// What groups are written to. Called by one thread each.
class commit_target {
  public:
    /// Applies all batches at once or not at all. False if it cannot; it is never asked again.
    virtual bool write(std::span<const batch* const> group) = 0;
    /// Makes durable all that was written before the call. False: none of it can be relied on.
    virtual bool sync() = 0;

  protected:
    ~commit_target() = default;
};

class group_commit {
  public:
    /// `sync_interval`: what wants no more than that is synced so much later at the latest.
    explicit group_commit(commit_target& target, std::size_t group_bytes_max = 2u << 20,
                          std::chrono::milliseconds sync_interval = std::chrono::seconds(1));
    group_commit(const group_commit&) = delete;
    group_commit& operator=(const group_commit&) = delete;
    ~group_commit() { close(); }

    void listen(shard_id shard, std::function<void(progress)> to);
    /// Thread-safe.
    void add(shard_id from, hand_over what);
    /// Completes what was added, and ends the threads.
    void close();
    /// Thread-safe.
    [[nodiscard]] store_counts counts() const noexcept;

  private:
    void write_loop();
    void sync_loop();
    [[nodiscard]] std::vector<line_entry> next_entries();
    [[nodiscard]] group write_group(std::vector<line_entry>& entries);
    [[nodiscard]] bool sync_if_due(const std::vector<group>& covered, bool is_end);
    void tell(const std::vector<group>& done);
    void give_up();

    commit_target* target_;
    std::size_t group_bytes_max_;
    std::chrono::milliseconds sync_interval_;
    std::map<shard_id, std::function<void(progress)>> listeners_;

    std::mutex telling_; ///< one thread says that all is lost while the other has good news
    std::mutex mutex_;
    std::condition_variable has_entries_;
    std::condition_variable has_written_;
    std::vector<line_entry> line_;
    std::vector<group> written_;
    bool is_closing_ = false;
    bool is_written_out_ = false; ///< the writer has ended
    std::atomic<bool> is_lost_{false};

    transactions joining_; ///< of the writer thread
    /// Of the sync thread: when what is only written now must be synced.
    std::optional<std::chrono::steady_clock::time_point> sync_due_;

    std::atomic<std::uint64_t> groups_{0};
    std::atomic<std::uint64_t> syncs_{0};
    std::atomic<std::uint64_t> operations_{0};
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<std::uint64_t> sync_nanoseconds_{0};

    std::thread writer_;
    std::thread syncer_;
};

} // namespace gv::storage
