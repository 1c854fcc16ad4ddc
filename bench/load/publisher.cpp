// SPDX-License-Identifier: Apache-2.0
#include "bench/load/publisher.hpp"

#include <bit>
#include <limits>

namespace gv::load {

namespace {

constexpr std::uint32_t packet_ids = 65'535;

std::uint16_t packet_id_of(std::uint32_t number) noexcept {
    return static_cast<std::uint16_t>(1 + number % packet_ids);
}

} // namespace

publisher::publisher(connection link, publisher_context& context, std::uint32_t index,
                     std::string_view topic)
    : plan_(context.plan), context_(&context), stamp_{.run = plan_.run, .publisher = index},
      template_(topic, plan_.payload, plan_.qos, stamp_), link_(std::move(link)) {
    if (plan_.fan > 1) {
        deliveries_.resize(std::bit_ceil(plan_.undelivered));
    }
}

void publisher::on_ready(std::uint32_t epoll_events, nanoseconds) {
    if ((epoll_events & EPOLLOUT) != 0) {
        link_.on_writable();
        want_turn();
    }
    if ((epoll_events & ~std::uint32_t{EPOLLOUT}) == 0) {
        return;
    }
    const nanoseconds received = context_->counts.is_timed ? clock_now() : 0;
    char* const answers = context_->scratch.acks();
    char* end = answers;
    link_.receive(context_->scratch, [&](const frame& ack) { end = on_ack(ack, end, received); });
    if (end != answers) {
        link_.send({answers, static_cast<std::size_t>(end - answers)});
    }
    want_turn();
}

char* publisher::on_ack(const frame& ack, char* answers, nanoseconds now) noexcept {
    const std::uint16_t packet_id = load_u16(ack.body);
    if (ack.type() == packet::puback) {
        on_finished(acknowledged_, now);
        check_order(acknowledged_, packet_id);
    } else if (ack.type() == packet::pubrec) {
        check_order(acknowledged_, packet_id);
        return store_ack(answers, packet::pubrel, packet_id);
    } else if (ack.type() == packet::pubcomp) {
        on_finished(finished_, now);
        check_order(finished_, packet_id);
    }
    return answers;
}

void publisher::on_finished(std::uint32_t number, nanoseconds now) noexcept {
    --in_flight_;
    if (context_->counts.is_timed) {
        context_->counts.ack_latency.record(now - (first_due_ + number * plan_.interval));
    }
}

void publisher::check_order(std::uint32_t& expected, std::uint16_t packet_id) noexcept {
    if (packet_id_of(expected++) != packet_id) {
        ++context_->counts.ack_disorder;
    }
}

void publisher::count_delivery(std::uint32_t number) noexcept {
    const std::size_t mask = deliveries_.size() - 1;
    ++deliveries_[number & mask];
    while (completed_ != sent_ && deliveries_[completed_ & mask] >= plan_.fan) {
        deliveries_[completed_ & mask] = 0;
        ++completed_;
    }
}

std::uint32_t publisher::allowance(nanoseconds now) const noexcept {
    if (is_stopped_ || link_.is_blocked()) {
        return 0;
    }
    std::uint32_t room = std::numeric_limits<std::uint32_t>::max();
    if (plan_.undelivered > 0) {
        room = plan_.undelivered - (sent_ - completed_);
    }
    if (plan_.qos > 0) {
        room = std::min(room, plan_.window - in_flight_);
    }
    if (plan_.interval > 0) {
        const nanoseconds due = now < first_due_ ? 0 : (now - first_due_) / plan_.interval + 1;
        return std::min(room, static_cast<std::uint32_t>(due) - sent_);
    }
    return room < plan_.refill ? 0 : room;
}

stamp publisher::next_stamp(nanoseconds now) noexcept {
    stamp value = stamp_;
    value.due = plan_.interval > 0 ? first_due_ + sent_ * plan_.interval : now;
    value.number = sent_;
    value.sequence = sent_;
    if (walk_) {
        const topic_walk::step step = walk_->next();
        template_.patch_topic(topic_walk::group_at, {step.digits.data(), step.digits.size()});
        value.sequence = step.sequence;
    }
    return value;
}

void publisher::publish(frame_batch& batch, nanoseconds now) {
    is_waiting_ = false;
    const std::uint32_t room = allowance(now);
    const std::uint32_t count = std::min(room, batch.capacity());
    if (count == 0) {
        return;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        const stamp value = next_stamp(now);
        template_.write(batch.at(i), value, packet_id_of(sent_));
        ++sent_;
    }
    if (plan_.qos > 0) {
        in_flight_ += count;
    }
    ++context_->counts.writes;
    link_.send(batch.first(count));
    if (room > count) {
        want_turn();
    }
}

} // namespace gv::load
