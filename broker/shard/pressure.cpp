// SPDX-License-Identifier: Apache-2.0
// Who waits for whom. A client whose output or queue passes its limit is full; publishers whose
// messages go mostly to full clients are held back, so that TCP tells them, for as long as the full
// ones still take bytes, and for one second at most. Then the full ones are slow: their drop policy
// applies and nobody waits for them. One slow reader among many never holds anybody.
#include "base/log.hpp"
#include "broker/shard/core.hpp"

#include <algorithm>
#include <bit>

namespace gv::shard {

using session::pressure;

void core::became_full(session::front& who) {
    client& full = owner_of(who);
    full.front_.load = pressure::full;
    full.full_since_ = turn_.now;
    full.progress_at_ = turn_.now;
    if (full_.empty()) {
        wheel_.schedule(housekeeping_, turn_.now + options_.pressure.progress_window);
    }
    full_.push_back(&full);
}

void core::note_taker(const client& to) noexcept {
    takers_.full += to.front_.load == pressure::full ? 1 : 0;
}

void core::hold_if_takers_are_full(client& publisher, std::uint64_t shards) {
    if (takers_.full > 0 && options_.pressure.hold_max > duration::zero()
        && static_cast<double>(takers_.full)
               > options_.pressure.full_share * static_cast<double>(takers_.all)) {
        hold(publisher);
        return;
    }
    for (; shards != 0; shards &= shards - 1) {
        if (credit_used_[static_cast<std::size_t>(std::countr_zero(shards))]
            > options_.pressure.credit_bytes_max) {
            ++counts_.credit_holds;
            hold(publisher);
            return;
        }
    }
}

void core::hold(client& publisher) {
    if (!publisher.is_held_ && !publisher.is_ended_) {
        publisher.is_held_ = true;
        ++counts_.holds;
        count_held_time();
        held_.push_back(&publisher);
    }
}

// Called before the number of held publishers changes.
void core::count_held_time() noexcept {
    counts_.held += (turn_.now - held_counted_to_) * static_cast<duration::rep>(held_.size());
    held_counted_to_ = turn_.now;
}

void core::check_pressure() {
    for (std::size_t i = 0; i < full_.size();) {
        client& full = *full_[i];
        const bool is_stuck = turn_.now - full.progress_at_ > options_.pressure.progress_window
                              || turn_.now - full.full_since_ > options_.pressure.hold_max;
        if (is_stuck) {
            full.front_.load = pressure::slow;
            ++counts_.slow_readers;
            ++slow_clients_;
            log::info({.conn = full.number_, .client = full.front_.client_id()}, "slow_reader",
                      {{"waiting_bytes", full.front_.waiting_bytes()}});
            full_[i] = full_.back();
            full_.pop_back();
            must_resume_ = true;
        } else {
            ++i;
        }
    }
}

void core::reopen_if_drained(client& full) {
    if (full.front_.waiting_bytes() * 2 > options_.limits.output_bytes_max) {
        return;
    }
    slow_clients_ -= full.front_.load == pressure::slow ? 1U : 0U;
    full.front_.load = pressure::open;
    std::erase(full_, &full);
    must_resume_ = true;
}

// Those whose takers are full again are held again by their next message.
void core::resume_held() {
    if (!must_resume_) {
        return;
    }
    must_resume_ = false;
    count_held_time();
    for (client* each : std::exchange(held_, {})) {
        each->is_held_ = false;
        each->resume_input();
    }
}

} // namespace gv::shard
