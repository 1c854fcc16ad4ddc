// SPDX-License-Identifier: Apache-2.0
// What waits for a client at QoS 1 and 2, oldest first. The queue of a persistent session is as
// long as the disk allows: only its two ends are in memory, the page to be sent next and what came
// last and is not on disk yet. Of the rows between, a few bytes for each run of them are kept.
//
//     page        read back, or never left       sent next
//     stored      on disk alone, in runs         read page by page
//     recent      in memory                      spilled once on disk
//
// Without a log nothing is stored, and everything is recent.
#pragma once

#include "base/ring.hpp"
#include "broker/session/outbound_log.hpp"

#include <optional>
#include <vector>

namespace gv::session {

class row_queue {
  public:
    /// A page is read once fewer than this are left of the last.
    static constexpr std::size_t page_low = 512;
    static constexpr std::uint32_t run_rows_max = 1'024;

    /// Lifetime: `total` outlives it.
    explicit row_queue(queue_account& total) noexcept : total_(&total) {}
    row_queue(const row_queue&) = delete;
    row_queue& operator=(const row_queue&) = delete;
    ~row_queue() { count_out(rows(), bytes_); }

    [[nodiscard]] bool empty() const noexcept { return rows() == 0; }
    [[nodiscard]] std::size_t rows() const noexcept {
        return page_.size() + stored_rows_ + recent_.size();
    }
    /// By message weight.
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    /// Of these, held in memory.
    [[nodiscard]] std::size_t resident_bytes() const noexcept {
        return page_bytes_ + recent_bytes_;
    }
    /// Sequence of the oldest row. Requires: not empty.
    [[nodiscard]] std::uint64_t first_sequence() noexcept;

    void push(queued_row row);
    /// The oldest row; null if there is none, or if it has to be read first.
    [[nodiscard]] queued_row* front() noexcept;
    /// Requires: front() is not null.
    queued_row pop();
    /// Takes the oldest row without reading it; or, if it is not known which that is, the oldest
    /// run of rows. Requires: not empty.
    [[nodiscard]] std::optional<stored_run> drop_oldest(std::optional<queued_row>& single);
    /// Mark of the oldest row that spill() left; 0 if there is none.
    [[nodiscard]] commit_mark oldest_mark() noexcept {
        return recent_.empty() ? commit_mark{} : recent_.front().where.mark;
    }

    /// Lets go of the messages of recent rows that are on disk. The oldest rows stay if
    /// `keeps_page` says that they will be sent soon. Adds the groups of those that went through
    /// one to `settled`. Requires: a log.
    void spill(const outbound_log& log, bool keeps_page, std::vector<group_origin>& settled);

    /// Rows count for no group from now on.
    void forget_groups() noexcept {
        for (ring<queued_row>* rows : {&page_, &recent_}) {
            for (std::size_t i = 0; i < rows->size(); ++i) {
                (*rows)[i].group = {};
            }
        }
    }

    /// What to read next, if it is time; add_page() follows.
    [[nodiscard]] std::optional<row_range> begin_read();
    /// Rows of the range asked for, in order; all there are before `read_until`.
    void add_page(std::vector<queued_row> rows, std::uint64_t read_until);

    /// Rows as they were stored. Runs come in order.
    void restore(const stored_run& run);

    /// Calls `visit(stored_run)` or `visit(queued_row)` for everything in it.
    template <typename Visit>
    void for_each(Visit&& visit) {
        for (std::size_t i = 0; i < page_.size(); ++i) {
            visit(page_[i]);
        }
        for (std::size_t i = 0; i < stored_.size(); ++i) {
            visit(stored_[i]);
        }
        for (std::size_t i = 0; i < recent_.size(); ++i) {
            visit(recent_[i]);
        }
    }
    /// Gives memory back if nothing waits.
    void shrink() noexcept {
        if (empty()) {
            page_.clear();
            stored_.clear();
            recent_.clear();
        }
    }

  private:
    static constexpr std::size_t page_bytes_max = std::size_t{256} << 10;

    void store(std::uint64_t sequence, std::size_t weight, std::uint32_t body);
    void return_page(std::vector<group_origin>& settled);
    [[nodiscard]] queued_row take(ring<queued_row>& from, std::size_t& bytes);
    [[nodiscard]] static bool is_even(const stored_run& run) noexcept;
    void take_from_runs(const queued_row& row);
    void forget_run();
    void count_in(std::size_t rows, std::size_t weight) noexcept {
        bytes_ += weight;
        total_->bytes += weight;
        total_->messages += rows;
    }
    void count_out(std::size_t rows, std::size_t weight) noexcept {
        bytes_ -= weight;
        total_->bytes -= weight;
        total_->messages -= rows;
    }

    queue_account* total_;
    ring<queued_row> page_;
    ring<stored_run> stored_;
    ring<queued_row> recent_;
    std::size_t stored_rows_ = 0;
    std::size_t bytes_ = 0;
    std::size_t page_bytes_ = 0;
    std::size_t recent_bytes_ = 0;
    bool is_reading_ = false;
    bool is_read_stale_ = false; ///< rows before those asked for are stored again
};

} // namespace gv::session
