// SPDX-License-Identifier: Apache-2.0
#include "broker/session/outbound.hpp"

#include <algorithm>

namespace gv::session {

void outbound::attach(std::uint16_t receive_maximum) {
    receive_maximum_ = std::min(receive_maximum, limits_->in_flight_max);
    quota_ = receive_maximum_;
    is_attached_ = true;
    has_resends_ = in_flight_ > 0;
    for (std::uint32_t i = 0; i < slot_count_; ++i) {
        slots_[i].is_resend_due = slots_[i].now != state::free;
    }
}

void outbound::detach() noexcept {
    is_attached_ = false;
    has_resends_ = false;
}

bool outbound::deliver(const publication& what, const delivery& how, queueing limit, time_point now,
                       outbound_sink& to) {
    if (is_attached_ && quota_ > 0 && queue_.empty() && !has_resends_ && to.has_room()) {
        if (what.header.expires <= now) {
            to.dropped(drop_reason::expired);
            return true;
        }
        send(what, how, to);
        return true;
    }
    return enqueue(what, how, limit, to);
}

bool outbound::enqueue(const publication& what, const delivery& how, queueing limit,
                       outbound_sink& to) {
    const std::size_t weight = what.weight();
    if (limit == queueing::limited && !has_queue_room(weight)) {
        if (limits_->policy == queue_policy::disconnect) {
            to.dropped(drop_reason::queue_full);
            return false;
        }
        if (limits_->policy == queue_policy::drop_newest || !make_queue_room(weight, to)) {
            to.dropped(drop_reason::queue_full);
            return true;
        }
    }
    queue_.push_back(
        {.content = what.hold(),
         .subscription_ids = {how.subscription_ids.begin(), how.subscription_ids.end()},
         .quality = how.quality,
         .retain = how.retain});
    queued_bytes_ += weight;
    total_->bytes += weight;
    ++total_->messages;
    return true;
}

// Drops the oldest, unless all of them together would not be enough.
bool outbound::make_queue_room(std::size_t weight, outbound_sink& to) {
    if (weight > limits_->queue_bytes_max
        || total_->bytes - queued_bytes_ + weight > limits_->total_bytes_max) {
        return false;
    }
    while (!has_queue_room(weight)) {
        static_cast<void>(take_oldest());
        to.dropped(drop_reason::queue_full);
    }
    return true;
}

outbound::waiting outbound::take_oldest() {
    waiting oldest = queue_.pop_front();
    const std::size_t weight = oldest.content->weight();
    queued_bytes_ -= weight;
    total_->bytes -= weight;
    --total_->messages;
    return oldest;
}

void outbound::send(const publication& what, delivery how, outbound_sink& to) {
    slot& taken = occupy_free();
    taken.now = state::sent;
    taken.quality = how.quality;
    taken.sequence = sequence_++;
    if (keeps_ == keeps::messages) {
        taken.content = what.hold();
        taken.retain = how.retain;
        taken.subscription_ids.assign(how.subscription_ids.begin(), how.subscription_ids.end());
    }
    --quota_;
    how.id = packet_id{taken.id};
    to.transmit(what, how);
}

void outbound::pump(time_point now, outbound_sink& to) {
    // A queue of messages that the client does not take must not become a stack of calls.
    if (!is_attached_ || is_pumping_) {
        return;
    }
    is_pumping_ = true;
    if (has_resends_) {
        resend(now, to);
    }
    while (!has_resends_ && quota_ > 0 && !queue_.empty() && to.has_room()) {
        const waiting next = take_oldest();
        if (next.content->header().expires <= now) {
            to.dropped(drop_reason::expired);
            continue;
        }
        send(message::view_of(next.content),
             {.quality = next.quality,
              .retain = next.retain,
              .subscription_ids = next.subscription_ids},
             to);
    }
    is_pumping_ = false;
    if (queue_.empty()) {
        queue_.clear();
    }
}

// PUBRELs do not count against the client's Receive Maximum (MQTT 5, 4.9) and go first; messages
// follow in the order of their first sending [MQTT-4.6.0-1], as far as the window allows.
void outbound::resend(time_point now, outbound_sink& to) {
    std::vector<slot*> due;
    for (std::uint32_t i = 0; i < slot_count_; ++i) {
        if (slots_[i].is_resend_due) {
            due.push_back(&slots_[i]);
        }
    }
    std::ranges::sort(due, {}, [](const slot* a) {
        return std::pair(a->now == state::released ? 0 : 1, a->sequence);
    });
    for (slot* again : due) {
        if (again->now == state::sent && (quota_ == 0 || !to.has_room())) {
            return;
        }
        again->is_resend_due = false;
        if (again->now == state::released) {
            to.transmit_pubrel(packet_id{again->id});
            continue;
        }
        // An expired message that may have reached the client must still complete its handshake.
        publication what = message::view_of(again->content);
        what.header.expires = std::max(what.header.expires, now + std::chrono::seconds(1));
        --quota_;
        to.transmit(what, {.quality = again->quality,
                           .retain = again->retain,
                           .dup = true,
                           .id = packet_id{again->id},
                           .subscription_ids = again->subscription_ids});
    }
    has_resends_ = false;
}

outbound::ack outbound::on_puback(packet_id id, outbound_sink& to, time_point now) {
    slot* done = find(id.value);
    if (done == nullptr) {
        return ack::unknown;
    }
    if (done->quality != qos::at_least_once) {
        return ack::out_of_state;
    }
    free_slot(*done);
    give_back_quota();
    if (!queue_.empty() || has_resends_) {
        pump(now, to);
    }
    return ack::done;
}

outbound::ack outbound::on_pubrec(packet_id id, bool is_error, outbound_sink& to, time_point now) {
    slot* taken = find(id.value);
    if (taken == nullptr) {
        return ack::unknown;
    }
    if (taken->quality != qos::exactly_once) {
        return ack::out_of_state;
    }
    if (is_error) {
        free_slot(*taken);
        give_back_quota();
        pump(now, to);
        return ack::done;
    }
    if (taken->now == state::sent) {
        taken->now = state::released;
        taken->is_resend_due = false;
        taken->sequence = sequence_++; // PUBRELs go in the order of the PUBRECs [MQTT-4.6.0-4]
        taken->content = {};
        taken->subscription_ids = {};
    }
    to.transmit_pubrel(id);
    return ack::done;
}

outbound::ack outbound::on_pubcomp(packet_id id, outbound_sink& to, time_point now) {
    slot* done = find(id.value);
    if (done == nullptr) {
        return ack::unknown;
    }
    if (done->quality != qos::exactly_once || done->now != state::released) {
        return ack::out_of_state;
    }
    free_slot(*done);
    give_back_quota();
    if (!queue_.empty() || has_resends_) {
        pump(now, to);
    }
    return ack::done;
}

void outbound::forget(packet_id id) noexcept {
    if (slot* unsent = find(id.value)) {
        free_slot(*unsent);
        give_back_quota();
    }
}

void outbound::give_back_quota() noexcept {
    if (is_attached_ && quota_ < receive_maximum_) {
        ++quota_;
    }
}

// The identifier follows the sequence number, so that it is not used again soon. One whose place is
// taken (it is still in flight, or hashes to one that is) is passed over, so that a client that
// never acknowledges one message cannot make the table grow.
outbound::slot& outbound::occupy_free() {
    if (in_flight_ * 2 >= slot_count_) {
        widen();
    }
    std::uint64_t candidate = sequence_;
    for (;;) {
        const auto id = static_cast<std::uint16_t>(1 + candidate++ % 65'535);
        slot& place = slots_[id & (slot_count_ - 1)];
        if (place.now == state::free) {
            place.id = id;
            ++in_flight_;
            ++total_->in_flight;
            return place;
        }
    }
}

outbound::slot* outbound::find(std::uint16_t id) noexcept {
    if (slot_count_ == 0) {
        return nullptr;
    }
    slot& there = slots_[id & (slot_count_ - 1)];
    return there.now != state::free && there.id == id ? &there : nullptr;
}

// Two identifiers in different places stay apart when the table doubles.
void outbound::widen() {
    const std::uint32_t wider = slot_count_ == 0 ? 8 : slot_count_ * 2;
    auto moved = std::make_unique<slot[]>(wider);
    for (std::uint32_t i = 0; i < slot_count_; ++i) {
        if (slots_[i].now != state::free) {
            moved[slots_[i].id & (wider - 1)] = std::move(slots_[i]);
        }
    }
    slots_ = std::move(moved);
    slot_count_ = wider;
}

void outbound::free_slot(slot& done) noexcept {
    done.now = state::free;
    done.is_resend_due = false;
    done.content = {};
    done.subscription_ids.clear();
    --in_flight_;
    --total_->in_flight;
}

} // namespace gv::session
