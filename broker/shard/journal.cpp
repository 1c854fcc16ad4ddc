// SPDX-License-Identifier: Apache-2.0
#include "broker/shard/journal.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <utility>

namespace gv::shard {

namespace {

/// Transactions are unique on the node: the shard is in the upper bits, below the mark's own.
constexpr unsigned shard_bits = 48;

/// A bijection that leaves no pattern (Steele et al., "Fast splittable pseudorandom number
/// generators", 2014): names of branches shall not cancel each other out by chance.
[[nodiscard]] std::uint64_t scrambled(std::uint64_t number) noexcept {
    number += 0x9e37'79b9'7f4a'7c15;
    number = (number ^ (number >> 30)) * 0xbf58'476d'1ce4'e5b9;
    number = (number ^ (number >> 27)) * 0x94d0'49bb'1331'11eb;
    return number ^ (number >> 31);
}

} // namespace

journal::journal(shard_id me, storage::store* to) noexcept
    : me_(me), store_(to), next_transaction_(std::uint64_t{me.value} << shard_bits),
      next_branch_(next_transaction_) {
    open_.ticket = 1;
    open_.wants = durability::memory;
}

session::written_row journal::put(storage::table where, std::string_view key,
                                  std::string_view value, durability level) {
    open_.wants = std::min(open_.wants, level);
    last_mark_ = open_mark();
    return {.mark = last_mark_, .operation = open_.operations.put(where, key, value)};
}

session::written_row journal::put_in_part(storage::table where, std::string_view key,
                                          std::string_view value, durability level) {
    if (!part_) {
        return put(where, key, value, level);
    }
    part_->wants = std::min(part_->wants, level);
    last_mark_ = part_mark();
    return {.mark = last_mark_, .operation = part_->operations.put(where, key, value)};
}

void journal::erase(storage::table where, std::string_view key) {
    open_.operations.erase(where, key);
}

void journal::erase_range(storage::table where, std::string_view begin, std::string_view end) {
    open_.operations.erase_range(where, begin, end);
}

session::commit_mark journal::erase_in_part(storage::table where, std::string_view key) {
    if (!part_) {
        erase(where, key);
        return open_mark();
    }
    part_->operations.erase(where, key);
    return part_mark();
}

session::commit_mark journal::undo(const session::written_row& what, storage::table where,
                                   std::string_view key) {
    if (what.mark.value == open_.ticket && !part_) {
        open_.operations.withdraw(what.operation);
    } else if ((what.mark.value & transaction_bit) != 0 && !is_durable(what.mark)) {
        transactions_[what.mark.value & ~transaction_bit].undone.push_back(
            {.where = where, .key = std::string(key)});
    } else {
        return erase_in_part(where, key);
    }
    return {}; // nobody has seen it
}

bool journal::may_replace(const session::written_row& what) const noexcept {
    const bool is_in_open_transaction =
        (what.mark.value & transaction_bit) != 0 && !is_durable(what.mark);
    return !is_in_open_transaction && !(part_ && what.body != 0);
}

storage::branch journal::new_transaction() noexcept {
    return {.transaction = storage::transaction_id{++next_transaction_}};
}

storage::branch journal::fork() noexcept {
    if (!part_) {
        return {};
    }
    const std::uint64_t name = scrambled(++next_branch_);
    part_->names ^= name;
    return {.transaction = part_->id, .name = name};
}

void journal::begin_part(const storage::branch& from) {
    part_ = std::make_unique<storage::part>();
    part_->id = from.transaction;
    part_->names = from.name;
    part_->wants = durability::memory;
    if (!is_lost_) {
        transactions_.try_emplace(from.transaction.value);
    }
}

void journal::end_part() {
    open_part_bytes_ += part_->operations.bytes();
    open_.parts.push_back(std::move(*part_));
    part_.reset();
}

bool journal::is_durable(session::commit_mark mark) const noexcept {
    return (mark.value & transaction_bit) != 0
               ? !transactions_.contains(mark.value & ~transaction_bit)
               : mark.value <= durable_;
}

void journal::wait(session::commit_mark mark, waiter who, durability level) {
    BROKER_ASSERT(!is_durable(mark), "nobody would come to wake it");
    if ((mark.value & transaction_bit) != 0) {
        transactions_[mark.value & ~transaction_bit].waiters.push_back(who);
        ++in_parts_;
    } else {
        waiters_.push_back({.ticket = mark.value, .who = who});
        if (mark.value == open_.ticket) {
            open_.wants = std::min(open_.wants, level);
            is_awaited_ = true;
        }
    }
}

std::size_t journal::wait_for_all(waiter who) {
    for (auto& [id, open] : transactions_) {
        open.waiters.push_back(who);
        ++in_parts_;
    }
    const bool is_all_durable = open_.operations.empty() && handed_over_ <= durable_;
    if (!is_all_durable) {
        wait(open_.operations.empty() ? session::commit_mark{handed_over_} : open_mark(), who);
    }
    return transactions_.size() + (is_all_durable ? 0 : 1);
}

std::vector<waiter> journal::on_progress(const storage::progress& word) {
    std::vector<waiter> ready;
    is_stalled_ = word.is_stalled;
    if (word.is_lost) {
        is_lost_ = true;
        while (!waiters_.empty()) {
            ready.push_back(waiters_.pop_front().who);
        }
        for (const auto& [id, open] : transactions_) {
            ready.insert(ready.end(), open.waiters.begin(), open.waiters.end());
        }
        transactions_.clear();
        under_way_.clear();
        in_parts_ = 0;
        return ready;
    }
    durable_ = std::max(durable_, word.durable);
    while (!under_way_.empty() && under_way_.front().ticket <= durable_) {
        handed_over_bytes_ -= under_way_.pop_front().bytes;
    }
    while (!waiters_.empty() && waiters_.front().ticket <= durable_) {
        ready.push_back(waiters_.pop_front().who);
    }
    for (const storage::transaction_id id : word.transactions) {
        if (const auto found = transactions_.find(id.value); found != transactions_.end()) {
            in_parts_ -= found->second.waiters.size();
            ready.insert(ready.end(), found->second.waiters.begin(), found->second.waiters.end());
            for (const undone_row& each : found->second.undone) {
                erase(each.where, each.key);
            }
            transactions_.erase(found);
        }
    }
    return ready;
}

bool journal::is_store_busy() const noexcept {
    return handed_over_ - durable_ >= handed_over_max
           && !(is_stalled_ && open_.operations.bytes() > piece_stalled);
}

void journal::end_turn(bool at_last) {
    if (is_lost_) {
        open_.operations.clear();
        open_.parts.clear();
        return;
    }
    if (open_.operations.empty() && open_.parts.empty() && !is_awaited_) {
        return;
    }
    if (!at_last && open_.parts.empty() && is_store_busy()) {
        return;
    }
    const std::uint64_t ticket = open_.ticket;
    const std::size_t bytes = open_.operations.bytes() + std::exchange(open_part_bytes_, 0);
    under_way_.push_back({.ticket = ticket, .bytes = bytes});
    handed_over_bytes_ += bytes;
    store_->commit(me_, std::exchange(open_, {.ticket = ticket + 1, .wants = durability::memory}));
    is_awaited_ = false;
    handed_over_ = ticket;
}

} // namespace gv::shard
