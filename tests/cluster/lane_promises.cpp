// SPDX-License-Identifier: Apache-2.0
// What the two ends do, held against what was promised.
#include "tests/cluster/lane_world.hpp"

#include <algorithm>

namespace gv::cluster::testing {

namespace {

std::uint64_t id_of(std::string_view payload) { return load_u64(payload.data()); }

lane_reason reason_of(std::uint64_t id) { return static_cast<lane_reason>(id / 5 % 3 * 16); }

std::string text(std::uint64_t number) { return std::to_string(number); }

} // namespace

// --- what the sender asks for

void lane_world::effects::taken(lane_waiter waiter, lane_reason reason) {
    const auto found = world->waiting_.find(waiter);
    if (found == world->waiting_.end()) {
        return world->complain("somebody who did not wait was answered");
    }
    const message_id id = found->second;
    fate& of = world->fates_[id];
    world->waiting_.erase(found);
    of.is_promised = of.is_done = true;
    if (!of.answers.contains(reason)) {
        world->complain("message " + text(id) + " was not taken for reason " + text(reason));
    }
}

void lane_world::effects::given_back(lane_waiter waiter, lane_return why) {
    const auto found = world->waiting_.find(waiter);
    if (found == world->waiting_.end()) {
        return world->complain("what nobody waits for was given back");
    }
    const message_id id = found->second;
    fate& of = world->fates_[id];
    world->say("given back " + text(id));
    world->waiting_.erase(found);
    ++world->returned;
    of.is_done = true;
    of.returned = why;
    of.returned_on = world->link_;
    if (!of.is_for_group || !of.was_in_memory) {
        world->complain("message " + text(id) + " was given back, and is not for a group alone");
    }
    if (why == lane_return::unsent && of.deliveries > 0) {
        world->complain("message " + text(id) + " was delivered, and given back as unsent");
    }
}

void lane_world::effects::has_room() {
    if (!std::exchange(world->was_full_, false)) {
        world->complain("room where there was no lack of it");
    }
}

void lane_world::effects::spool_put(lane_seq seq, std::string_view bytes, lane_waiter waiter) {
    publication seen;
    forward_flags flags;
    if (decode_message(bytes, {.lane_origin = sending, .now = world->network_.now()}, seen,
                       flags)) {
        return world->complain("a row for the spool cannot be decoded");
    }
    const message_id id = id_of(seen.payload);
    if (!world->spool_
             .try_emplace(seq, std::string(bytes), id, world->network_.now(), false,
                          world->known_life_)
             .second) {
        world->complain("row " + text(seq) + " was put twice");
    }
    world->say("put " + text(seq) + " message " + text(id));
    if (world->fates_[id].is_for_group && world->fates_[id].was_in_memory) {
        world->complain("message " + text(id) + " is for a group, and was moved to the spool");
    }
    if (waiter != 0 && (!world->waiting_.contains(waiter) || world->waiting_[waiter] != id)) {
        world->complain("a row whose publisher does not wait for it");
    }
    world->after(world->between(0ms, 20ms), world->sender_life_, world->sender_life_,
                 [world = world, seq, id, waiter] {
                     if (const auto at = world->spool_.find(seq); at != world->spool_.end()) {
                         at->second.is_durable = true;
                     }
                     world->fates_[id].is_promised = true;
                     world->waiting_.erase(waiter);
                 });
}

void lane_world::effects::spool_read(lane_seq from, std::size_t bytes_max) {
    auto rows = std::make_shared<std::vector<std::pair<lane_seq, row>>>();
    std::size_t bytes = 0;
    for (auto at = world->spool_.lower_bound(from); at != world->spool_.end(); ++at) {
        bytes += at->second.bytes.size();
        if (!rows->empty() && bytes > bytes_max) {
            break;
        }
        rows->emplace_back(*at);
    }
    world->say("read " + text(rows->size()) + " rows from " + text(from));
    world->after(world->between(0ms, 10ms), world->sender_life_, world->sender_life_,
                 [world = world, rows] {
                     std::vector<lane_spool_row> seen;
                     for (const auto& [seq, each] : *rows) {
                         seen.push_back({seq, each.bytes, world->network_.now() - each.put_at,
                                         each.life < world->known_life_});
                     }
                     world->drained += seen.size();
                     world->sender_->on_spool_rows(seen, world->network_.now(), world->out_);
                     world->pump_sender();
                 });
}

void lane_world::effects::spool_erase(lane_seq first, lane_seq last) {
    world->say("erase " + text(first) + " to " + text(last));
    const auto begin = world->spool_.lower_bound(first);
    const auto end = world->spool_.upper_bound(last);
    for (auto at = begin; at != end; ++at) {
        fate& of = world->fates_[at->second.id];
        of.is_done = true;
        if (of.answers.empty()) {
            world->complain("row " + text(at->first) + " was erased and not taken");
        }
    }
    world->spool_.erase(begin, end);
}

// --- what arrives

/// For kept sessions alone it may be in another life.
bool lane_world::has_its_flags(const fate& of, const forward_flags& flags) const {
    if (of.is_for_group) {
        return flags == to_group;
    }
    const bool may_be_old = of.quality != qos::at_most_once && of.life < receiver_life_;
    return flags.for_kept && (flags.for_subscribers || may_be_old);
}

void lane_world::deliver(const publication& what, const forward_flags& flags, lane_seq seq) {
    const message_id id = id_of(what.payload);
    say("deliver " + text(id) + " number " + text(seq));
    fate& of = fates_[id];
    order& last = orders_[{sender_life_, receiver_life_}];
    const bool is_counted = of.quality != qos::at_most_once;
    message_id& before = is_counted ? last.counted : last.uncounted;
    if (id <= before || (!sender_options_.spools && id <= last.any)) {
        complain("message " + text(id) + " came twice or late, after " + text(before));
    }
    before = last.any = id;
    if (of.deliveries++ > 0 && !what.header.maybe_dup) {
        complain("message " + text(id) + " came again without a flag");
    }
    if (of.returned && (*of.returned == lane_return::unsent || of.returned_on != link_)) {
        complain("message " + text(id) + " came after it was given back");
    }
    if (what.header.quality != of.quality || what.topic != topic || !has_its_flags(of, flags)
        || (seq != 0) != is_counted) {
        complain("message " + text(id) + " has changed");
    }
    const bool is_endless = of.expires == never;
    const duration late = delay_max_ + 5ms;
    const time_point latest = is_endless ? never : std::max(of.expires, network_.now()) + late;
    if (is_endless ? what.header.expires != never
                   : what.header.expires < of.expires - 10ms || what.header.expires > latest) {
        complain("message " + text(id) + " has another life");
    }
    if (!is_counted) {
        return;
    }
    after(between(0ms, answer_max_), receiver_life_, receiver_life_,
          [this, id, seq, life = sender_life_] {
              if (life == receiver_sender_life_) {
                  fates_[id].answers.insert(reason_of(id));
                  receiver_->answer(seq, reason_of(id));
                  pump_receiver();
              }
          });
}

// --- promises

void lane_world::check_frame(const lane_frame& frame) {
    if (frame.bytes.size() > sender_options_.frame_bytes_max) {
        complain("a frame of " + text(frame.bytes.size()) + " bytes");
    }
    piece_reader pieces(frame.bytes);
    while (const auto each = pieces.next()) {
        publication seen;
        forward_flags flags;
        if (each->kind != piece_kind::whole) {
            continue;
        }
        if (decode_message(each->content, {.lane_origin = sending}, seen, flags)) {
            complain("a frame with a message that cannot be decoded");
        } else if (fates_[id_of(seen.payload)].is_done) {
            complain("message " + text(id_of(seen.payload)) + " is sent after it was taken");
        }
    }
}

/// Publishers are held when it is full: one more message, and what is not dropped of QoS 0.
void lane_world::check_memory() {
    const std::size_t one = largest_ + 200;
    const std::size_t most = sender_options_.queue_bytes_max + sender_options_.frame_bytes_max
                             + 2 * sender_options_.spool_read_bytes + 4 * one;
    const lane_sender_counts now = sender_->counted();
    if (now.queue_bytes > most) {
        complain(text(now.queue_bytes) + " bytes in memory");
    }
    std::uint64_t bytes = 0;
    for (const auto& [seq, each] : spool_) {
        bytes += each.bytes.size();
    }
    if (now.spool_rows != spool_.size() || now.spool_bytes != bytes) {
        complain("the spool is not as large as it is thought to be");
    }
    if (was_full_ != sender_->is_full()) {
        complain("full, and nobody was told");
    }
}

void lane_world::check_rest() {
    const lane_sender_counts now = sender_->counted();
    if (!sender_->is_idle() || sender_->state() != lane_state::live || now.queue_bytes != 0
        || !spool_.empty() || sender_->is_full()) {
        complain("it does not come to rest: " + text(now.unanswered) + " unanswered, "
                 + text(now.queue_bytes) + " bytes, " + text(spool_.size()) + " rows, state "
                 + text(static_cast<unsigned>(sender_->state())));
    }
    if (now.credit_bytes != receiver_options_.credit_bytes) {
        complain("credit of " + text(now.credit_bytes) + " of "
                 + text(receiver_options_.credit_bytes));
    }
    if (!waiting_.empty()) {
        complain("publishers still wait");
    }
    for (message_id id = 1; id < fates_.size(); ++id) {
        const fate& of = fates_[id];
        if (of.quality != qos::at_most_once && of.deliveries == 0 && !of.is_lost && !of.returned) {
            complain("message " + text(id) + " never came");
        }
    }
    if (now.unanswered != 0 || receiver_->counted().unanswered != 0
        || receiver_->counted().held_bytes != 0) {
        complain("something is held");
    }
}

} // namespace gv::cluster::testing
