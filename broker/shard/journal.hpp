// SPDX-License-Identifier: Apache-2.0
// What a shard writes down: gathered during a turn, handed to the store at its end, and the list of
// those who wait until it is on disk. While the store is busy with earlier hand-overs the next one
// keeps gathering, and what is undone meanwhile (a message delivered and acknowledged) is withdrawn
// and never written.
#pragma once

#include "base/ring.hpp"
#include "broker/session/outbound.hpp"
#include "storage/store.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gv::shard {

/// Somebody who goes on when something is durable.
struct waiter {
    enum class kind : std::uint8_t { take, operation, home, spool, departure, arrival };
    kind what = kind::take;
    std::uint64_t number = 0;
};

class journal {
  public:
    /// Hand-overs that the store has at a time: one being synced, one being written.
    static constexpr std::uint64_t handed_over_max = 2;
    /// Bytes that are not durable yet; beyond, whoever adds to them should wait.
    static constexpr std::size_t backlog_bytes_max = std::size_t{16} << 20;
    /// The same while the disk is full, which may be long.
    static constexpr std::size_t backlog_stalled_max = std::size_t{4} << 20;
    /// What a shard gathers while the disk is full is handed over in pieces of that size, so that
    /// the store knows how much waits.
    static constexpr std::size_t piece_stalled = std::size_t{1} << 20;

    /// `to` is null if nothing is kept.
    journal(shard_id me, storage::store* to) noexcept;

    [[nodiscard]] bool is_on() const noexcept { return store_ != nullptr; }

    // Operations.

    /// Its mark is durable when the row is as `level` says, also if nobody waits for it.
    session::written_row put(storage::table where, std::string_view key, std::string_view value,
                             durability level = durability::fsync);
    void erase_range(storage::table where, std::string_view begin, std::string_view end);
    void erase(storage::table where, std::string_view key);
    /// Of all that is gathered now, also if nobody waits for it.
    void want(durability level) noexcept { open_.wants = std::min(open_.wants, level); }
    /// Whether undo() now would be one with what is put now: not of a row that another transaction
    /// has not written yet; nor, while a part is open, of one whose body would go before it.
    [[nodiscard]] bool may_replace(const session::written_row& what) const noexcept;
    /// Undoes put() of `key` if it was not handed over yet, else erases the row. While a part is
    /// open, with that: else what takes the row's place could be lost without it.
    session::commit_mark undo(const session::written_row& what, storage::table where,
                              std::string_view key);
    /// With the part that is open, if one is: what takes the row's place is in it.
    session::commit_mark erase_in_part(storage::table where, std::string_view key);

    // Transactions. Only what must not be there without the rest goes into a part: it may be
    // written long after what the shard hands over later, so nothing may overtake it.

    void begin_part(const storage::branch& from);
    /// Opens a branch of the transaction under way, for a message to another shard; none if there
    /// is no transaction.
    [[nodiscard]] storage::branch fork() noexcept;
    /// As put(), into the part that was begun, if there is one.
    session::written_row put_in_part(storage::table where, std::string_view key,
                                     std::string_view value, durability level = durability::fsync);
    /// Mark of the transaction as a whole. All of the turn is on disk then as well.
    [[nodiscard]] session::commit_mark part_mark() const noexcept {
        return session::commit_mark{part_->id.value | transaction_bit};
    }
    void end_part();
    /// The part that is open, if one is, waits while something else is written down.
    [[nodiscard]] std::unique_ptr<storage::part> leave_part() noexcept { return std::move(part_); }
    void return_to(std::unique_ptr<storage::part> left) noexcept { part_ = std::move(left); }
    [[nodiscard]] storage::branch new_transaction() noexcept;

    [[nodiscard]] bool is_in_part() const noexcept { return part_ != nullptr; }

    /// Mark of all that is gathered now, parts aside.
    [[nodiscard]] session::commit_mark open_mark() const noexcept {
        return session::commit_mark{open_.ticket};
    }
    /// Mark of all that was put or erased until now, parts aside.
    [[nodiscard]] session::commit_mark newest_mark() const noexcept {
        return session::commit_mark{open_.operations.empty() ? handed_over_ : open_.ticket};
    }
    /// Mark of the last put, unless set_mark() was called since.
    [[nodiscard]] session::commit_mark last_mark() const noexcept { return last_mark_; }
    void set_mark(session::commit_mark mark) noexcept { last_mark_ = mark; }

    // Waiting.

    [[nodiscard]] bool is_durable(session::commit_mark mark) const noexcept;
    /// `level`: what is needed of operations without one of their own, such as erasures.
    void wait(session::commit_mark mark, waiter who, durability level = durability::fsync);
    /// Waits for all that was put until now, parts included. Returns how often the waiter will be
    /// called: once for each thing that is not on disk yet.
    [[nodiscard]] std::size_t wait_for_all(waiter who);
    /// Those who may go on now, in the order in which they came; if the store is lost, all of them:
    /// what they waited for will not be.
    [[nodiscard]] std::vector<waiter> on_progress(const storage::progress& word);

    /// Hands over what was gathered, unless the store has enough to do; `at_last`: regardless. A
    /// part is always handed over: whoever it announces may be quicker, and must not come first.
    void end_turn(bool at_last = false);

    /// The store writes no more: nothing that is put now can be waited for.
    [[nodiscard]] bool is_lost() const noexcept { return is_lost_; }
    /// The disk is full: what is put now is durable when there is room again.
    [[nodiscard]] bool is_stalled() const noexcept { return is_stalled_; }
    /// The disk is slower than what is added: more than a backlog may have is not durable.
    [[nodiscard]] bool is_behind() const noexcept {
        return !is_lost_
               && open_.operations.bytes() + open_part_bytes_ + handed_over_bytes_
                      > (is_stalled_ ? backlog_stalled_max : backlog_bytes_max);
    }
    [[nodiscard]] std::size_t waiting() const noexcept { return waiters_.size() + in_parts_; }

  private:
    struct plain_waiter {
        std::uint64_t ticket = 0;
        waiter who;
    };
    struct under_way {
        std::uint64_t ticket = 0;
        std::size_t bytes = 0;
    };
    struct undone_row {
        storage::table where;
        std::string key;
    };
    struct open_transaction {
        std::vector<waiter> waiters;
        std::vector<undone_row> undone; ///< to be erased once it has been written
    };
    static constexpr std::uint64_t transaction_bit = std::uint64_t{1} << 63;

    [[nodiscard]] bool is_store_busy() const noexcept;

    shard_id me_;
    storage::store* store_;
    storage::hand_over open_;
    std::unique_ptr<storage::part> part_; ///< being gathered
    std::uint64_t durable_ = 0;           ///< ticket
    std::uint64_t handed_over_ = 0;       ///< ticket
    ring<under_way> under_way_;           ///< handed over and not durable
    std::size_t handed_over_bytes_ = 0;   ///< of all of these
    std::size_t open_part_bytes_ = 0;     ///< of parts that are to be handed over
    ring<plain_waiter> waiters_;
    boost::unordered_flat_map<std::uint64_t, open_transaction> transactions_;
    std::size_t in_parts_ = 0; ///< waiters of transactions
    std::uint64_t next_transaction_;
    std::uint64_t next_branch_;
    session::commit_mark last_mark_;
    bool is_awaited_ = false; ///< somebody waits for what is gathered
    bool is_lost_ = false;
    bool is_stalled_ = false;
};

} // namespace gv::shard
