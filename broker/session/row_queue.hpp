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
#include "base/user_accounts.hpp"
#include "broker/session/outbound_log.hpp"

#include <map>
#include <memory>
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

    void set_user(std::shared_ptr<user_account> whose) noexcept {
        if (user_) {
            user_->bytes.fetch_sub(bytes_, std::memory_order_relaxed);
        }
        user_ = std::move(whose);
        if (user_) {
            user_->bytes.fetch_add(bytes_, std::memory_order_relaxed);
        }
    }
    /// By message weight, of all queues of the user; 0 if nobody counts them.
    [[nodiscard]] std::size_t user_bytes() const noexcept {
        return user_ ? user_->bytes.load(std::memory_order_relaxed) : 0;
    }

    [[nodiscard]] bool empty() const noexcept { return rows() == 0; }
    [[nodiscard]] std::size_t rows() const noexcept {
        return page_.rows() + stored_rows_ + recent_.rows();
    }
    /// By message weight.
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    /// Of these, held in memory.
    [[nodiscard]] std::size_t resident_bytes() const noexcept {
        return page_.bytes + recent_.bytes;
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
    /// Takes out a row wherever it is; nothing if it was dropped. Of one that is on disk alone the
    /// content is empty and nothing else is known. `weight`, `body`: as it was pushed. Requires: it
    /// was not popped, nor removed before.
    [[nodiscard]] std::optional<queued_row> remove(std::uint64_t sequence, std::size_t weight,
                                                   std::uint32_t body);
    /// Of a row that was removed: until the mark is durable, a read may still find it.
    void note_erased(std::uint64_t sequence, commit_mark mark, const outbound_log& log) {
        if (!is_reading_ && erased_.size() % 64 == 63) {
            forget_erased(log);
        }
        erased_.push_back({.sequence = sequence, .mark = mark});
    }
    /// Mark of the oldest row that spill() left; 0 if there is none.
    [[nodiscard]] commit_mark oldest_mark() noexcept {
        return recent_.all.empty() ? commit_mark{} : recent_.all.front().where.mark;
    }

    /// Lets go of the messages of recent rows that are on disk. The oldest rows stay if
    /// `keeps_page` says that they will be sent soon. Adds the groups of those that went through
    /// one to `settled`. Requires: a log.
    void spill(const outbound_log& log, bool keeps_page, std::vector<group_origin>& settled);

    /// Calls `visit(queued_row)` for those in memory that are loans.
    template <typename Visit>
    void for_each_lent(Visit&& visit) {
        for (ring<queued_row>* rows : {&page_.all, &recent_.all}) {
            for (std::size_t i = 0; i < rows->size(); ++i) {
                if ((*rows)[i].content && is_loan((*rows)[i].group)) {
                    visit((*rows)[i]);
                }
            }
        }
    }

    /// Rows count for no group from now on.
    void forget_groups() noexcept {
        for (ring<queued_row>* rows : {&page_.all, &recent_.all}) {
            for (std::size_t i = 0; i < rows->size(); ++i) {
                (*rows)[i].group = {};
            }
        }
    }

    /// What to read next, if it is time; add_page() follows.
    [[nodiscard]] std::optional<row_range> begin_read(const outbound_log& log);
    /// Rows of the range asked for, in order; all there are before `read_until`.
    void add_page(std::vector<queued_row> rows, std::uint64_t read_until);

    /// Rows as they were stored. Runs come in order.
    void restore(const stored_run& run);

    /// Calls `visit(stored_run)` or `visit(queued_row)` for everything in it.
    template <typename Visit>
    void for_each(Visit&& visit) {
        const auto visit_rows = [&](ring<queued_row>& rows) {
            for (std::size_t i = 0; i < rows.size(); ++i) {
                if (rows[i].content) {
                    visit(rows[i]);
                }
            }
        };
        visit_rows(page_.all);
        if (stored_) {
            for (const auto& [first, run] : *stored_) {
                visit(run);
            }
        }
        visit_rows(recent_.all);
    }
    /// Gives memory back if nothing waits.
    void shrink() noexcept {
        if (empty()) {
            page_.all.clear();
            stored_.reset();
            recent_.all.clear();
        }
    }

  private:
    static constexpr std::size_t page_bytes_max = std::size_t{256} << 10;

    /// Rows in memory, in order. One that was removed leaves a gap, without content, until those
    /// before it have gone; the front is none.
    struct resident_rows {
        ring<queued_row> all;
        std::size_t bytes = 0;
        std::size_t gaps = 0;

        [[nodiscard]] std::size_t rows() const noexcept { return all.size() - gaps; }
        [[nodiscard]] bool empty() const noexcept { return all.empty(); }
        void push(queued_row row);
        [[nodiscard]] queued_row take();
        [[nodiscard]] std::optional<queued_row> remove(std::uint64_t sequence);

      private:
        void close_gaps();
    };
    /// By first sequence; they do not overlap.
    using stored_runs = std::map<std::uint64_t, stored_run>;

    void store(std::uint64_t sequence, std::size_t weight, std::uint32_t body);
    [[nodiscard]] bool belongs_to(const stored_run& run, std::uint64_t sequence,
                                  std::uint32_t body) const noexcept;
    void return_page(std::vector<group_origin>& settled);
    [[nodiscard]] static bool is_even(const stored_run& run) noexcept;
    [[nodiscard]] bool take_from_runs(const queued_row& row);
    [[nodiscard]] bool remove_stored(std::uint64_t sequence, std::size_t weight,
                                     std::uint32_t body);
    void split(stored_runs::iterator at, std::uint64_t gap);
    void begin_later(stored_runs::iterator at, std::uint64_t first);
    void forget_run();
    void forget_erased(const outbound_log& log);
    void count_in(std::size_t rows, std::size_t weight) noexcept {
        bytes_ += weight;
        total_->bytes += weight;
        if (user_) {
            user_->bytes.fetch_add(weight, std::memory_order_relaxed);
        }
        total_->messages += rows;
    }
    void count_out(std::size_t rows, std::size_t weight) noexcept {
        bytes_ -= weight;
        total_->bytes -= weight;
        if (user_) {
            user_->bytes.fetch_sub(weight, std::memory_order_relaxed);
        }
        total_->messages -= rows;
    }

    queue_account* total_;
    std::shared_ptr<user_account> user_; ///< null: nobody counts
    resident_rows page_;
    std::unique_ptr<stored_runs> stored_; ///< null: none
    resident_rows recent_;
    std::size_t stored_rows_ = 0;
    std::size_t bytes_ = 0;
    bool has_removed_ = false; ///< or may: of each row of a run it is known where it is
    bool is_reading_ = false;
    bool is_read_stale_ = false; ///< rows before those asked for are stored again
    struct erased_row {
        std::uint64_t sequence = 0;
        commit_mark mark;
    };
    std::vector<erased_row> erased_; ///< that the present read, or the next, may find
};

} // namespace gv::session
