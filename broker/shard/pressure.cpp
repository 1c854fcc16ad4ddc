// SPDX-License-Identifier: Apache-2.0
// Who waits for whom. Publishers of what is to be stored wait for a disk that is behind. A client
// whose output or queue passes its limit is full; publishers whose messages go mostly to full
// clients are held back, so that TCP tells them, for as long as the full ones still take bytes, and
// for one second at most. Then the full ones are slow: their drop policy applies and nobody waits
// for them. One slow reader among many never holds anybody.
#include "base/log.hpp"
#include "broker/shard/core.hpp"

#include <algorithm>
#include <bit>

namespace gv::shard {

using session::pressure;

void core::became_full(session::front& who) {
    client& full = owner_of(who);
    full.front_.load = pressure::full;
    if (!full.congestion_) {
        full.congestion_ = std::make_unique<client::congestion>();
    }
    full.congestion_->full_since = turn_.now;
    full.congestion_->progress_at = turn_.now;
    if (full_.empty()) {
        wheel_.schedule(housekeeping_, turn_.now + options_.pressure.progress_window);
    }
    full_.push_back(&full);
    tell_home(full, true);
}

// The home counts it among those who take its messages.
void core::tell_home(const client& who, bool is_full) {
    if (who.front_.is_held_by_home() && !is_mine(who.home_at_)) {
        post_rare(who.home_at_,
                  front_load{.home = who.home_, .connection = who.number_, .is_full = is_full});
    }
}

void core::on_front_load(shard_id from, const front_load& word) {
    home_entry* home = find_home(word.home, {.shard = from, .connection = word.connection});
    if (home == nullptr) {
        return;
    }
    if (!word.is_full) {
        open_home(*home);
    } else if (!home->waiters_) {
        home->waiters_ = std::make_unique<waiting_publishers>();
    }
}

void core::open_home(home_entry& home) {
    if (home.waiters_) {
        if (takers_.one_full == home.waiters_.get()) {
            takers_.one_full = nullptr;
        }
        set_free(*home.waiters_);
        home.waiters_.reset();
    }
}

void core::note_taker(client& to) noexcept {
    if (to.front_.load == pressure::full && !to.is_ended_) {
        ++takers_.full;
        takers_.one_full = &to.congestion_->waiters;
    }
}

void core::note_taker(home_entry& to) noexcept {
    if (to.client_ != nullptr) {
        note_taker(*to.client_);
    } else if (to.waiters_) {
        ++takers_.full;
        takers_.one_full = to.waiters_.get();
    }
}

// A taker may have been closed by this very message.
bool core::most_takers_are_full() const noexcept {
    return takers_.one_full != nullptr && options_.pressure.hold_max > duration::zero()
           && static_cast<double>(takers_.full)
                  > options_.pressure.full_share * static_cast<double>(takers_.all);
}

void core::hold_if_takers_are_full(std::uint64_t publisher, std::uint64_t shards,
                                   peer_lane* full_lane) {
    if (journal_.last_mark().value != 0 && journal_.is_behind()) {
        hold(publisher, journal_waiters_);
        return;
    }
    if (most_takers_are_full()) {
        hold(publisher, *takers_.one_full);
        return;
    }
    for (; shards != 0; shards &= shards - 1) {
        const auto shard = static_cast<std::size_t>(std::countr_zero(shards));
        if (credit_used_[shard] > options_.pressure.credit_bytes_max) {
            ++counts_.credit_holds;
            hold(publisher, credit_waiters_[shard]);
            return;
        }
    }
    if (full_lane != nullptr) {
        ++counts_.lane_holds;
        hold(publisher, full_lane->waiters);
    }
}

// One of another shard is held there, and told once for all of its messages that are still to come.
void core::hold(std::uint64_t publisher, waiting_publishers& waiters) {
    const shard_id where{static_cast<std::uint16_t>(publisher >> shard_bits)};
    if (publisher == 0) {
        return;
    }
    if (!is_mine(where)) {
        if (waiters.elsewhere.insert(publisher).second) {
            post_rare(where, publisher_hold{.publisher = publisher, .is_held = true});
        }
    } else if (client* held = find_client(publisher); held && begin_hold(*held, waiters.here)) {
        waiters.here.push_back(held);
    }
}

bool core::begin_hold(client& publisher, ring<client*>& waiters) {
    if (publisher.held_in_ != nullptr) {
        return false;
    }
    publisher.held_in_ = &waiters;
    ++counts_.holds;
    count_held_time();
    ++held_now_;
    return true;
}

void core::on_publisher_hold(const publisher_hold& word) {
    client* publisher = find_client(word.publisher);
    if (publisher == nullptr) {
        return;
    }
    if (word.is_held) {
        ++publisher->holds_elsewhere_;
        static_cast<void>(begin_hold(*publisher, held_elsewhere_));
    } else if (--publisher->holds_elsewhere_ == 0 && publisher->held_in_ == &held_elsewhere_) {
        publisher->held_in_ = &freed_;
        freed_.push_back(publisher);
    }
}

// Called before the number of held publishers changes.
void core::count_held_time() noexcept {
    counts_.held += (turn_.now - held_counted_to_) * static_cast<duration::rep>(held_now_);
    held_counted_to_ = turn_.now;
}

void core::check_pressure() {
    for (std::size_t i = 0; i < full_.size();) {
        client& full = *full_[i];
        const bool is_stuck =
            turn_.now - full.congestion_->progress_at > options_.pressure.progress_window
            || turn_.now - full.congestion_->full_since > options_.pressure.hold_max;
        if (is_stuck) {
            full.front_.load = pressure::slow;
            ++counts_.slow_readers;
            ++slow_clients_;
            log::info({.conn = full.number_, .client = full.front_.client_id()}, "slow_reader",
                      {{"waiting_bytes", full.front_.waiting_bytes()}});
            full_[i] = full_.back();
            full_.pop_back();
            set_free(full.congestion_->waiters);
            tell_home(full, false);
        } else {
            ++i;
        }
    }
}

void core::reopen_if_drained(client& full) {
    if (full.is_ended_ || full.front_.waiting_bytes() * 2 > options_.limits.output_bytes_max) {
        return;
    }
    slow_clients_ -= full.front_.load == pressure::slow ? 1U : 0U;
    full.front_.load = pressure::open;
    tell_home(full, false);
    std::erase(full_, &full);
    set_free_elsewhere(full.congestion_->waiters);
    if (full.congestion_->waiters.here.empty()) {
        full.congestion_.reset();
    } else {
        reopened_.push_back(&full);
    }
}

// Whoever waits in `waiters` goes on at the end of the turn, come what may.
void core::set_free(waiting_publishers& waiters) {
    while (!waiters.here.empty()) {
        if (client* next = waiters.here.pop_front()) {
            next->held_in_ = &freed_;
            freed_.push_back(next);
        }
    }
    waiters.here.clear();
    set_free_elsewhere(waiters);
}

void core::set_free_elsewhere(waiting_publishers& waiters) {
    for (const std::uint64_t each : waiters.elsewhere) {
        post_rare(shard_id{static_cast<std::uint16_t>(each >> shard_bits)},
                  publisher_hold{.publisher = each, .is_held = false});
    }
    waiters.elsewhere.clear();
}

// Those who waited for a client go on one after the other, each with all of its input, until that
// client is full again: the rest waits on untouched, so that it comes in whole batches and not
// message by message.
void core::resume_held() {
    for (std::size_t i = 0; i < reopened_.size(); ++i) {
        if (reopened_[i] == nullptr) {
            continue; // ended
        }
        client& taker = *reopened_[i];
        while (taker.congestion_ && !taker.congestion_->waiters.here.empty()
               && taker.front_.load != pressure::full) {
            resume(taker.congestion_->waiters.here.pop_front());
        }
        if (taker.front_.load == pressure::open) {
            taker.congestion_.reset();
        }
    }
    reopened_.clear();
    while (!freed_.empty()) {
        resume(freed_.pop_front());
    }
    for (std::size_t i = 0; i < relieved_.size(); ++i) {
        if (client* next = relieved_[i]) {
            next->resume_input();
        }
    }
    relieved_.clear();
}

void core::resume(client* held) {
    if (held == nullptr) {
        return;
    }
    if (held->holds_elsewhere_ > 0) {
        held->held_in_ = &held_elsewhere_;
        return;
    }
    count_held_time();
    held->held_in_ = nullptr;
    --held_now_;
    held->front_.note_alive(); // what it said meanwhile was not heard
    held->resume_input();
}

// An ended client neither waits nor is waited for. Lists that resume_held() goes through keep their
// length: it may be one of those it resumed that ends.
void core::forget_pressure(client& ended) {
    std::erase(full_, &ended);
    std::ranges::replace(reopened_, &ended, nullptr);
    std::ranges::replace(relieved_, &ended, nullptr);
    if (ended.congestion_) {
        if (takers_.one_full == &ended.congestion_->waiters) {
            takers_.one_full = nullptr;
        }
        set_free(ended.congestion_->waiters);
    }
    if (ended.held_in_ != nullptr) {
        count_held_time();
        for (std::size_t i = 0; i < ended.held_in_->size(); ++i) {
            client*& slot = (*ended.held_in_)[i];
            slot = slot == &ended ? nullptr : slot;
        }
        ended.held_in_ = nullptr;
        --held_now_;
    }
}

} // namespace gv::shard
