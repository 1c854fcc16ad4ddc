// SPDX-License-Identifier: Apache-2.0
#include "bench/load/retained_clients.hpp"

#include <algorithm>

namespace gv::load {

namespace {

constexpr std::string_view topic_prefix = "bench/retained/";
constexpr std::size_t digit_count = 7;
constexpr std::uint32_t batch_messages = 512;

/// Where the digits start: behind a fixed header and the length of the topic.
std::size_t digits_at(const std::string& frame) {
    return frame.find(topic_prefix) + topic_prefix.size();
}

void store_digits(char* at, std::uint32_t number) noexcept {
    for (std::size_t i = digit_count; i-- > 0; number /= 10) {
        at[i] = static_cast<char>('0' + number % 10);
    }
}

} // namespace

retained_writer::retained_writer(connection link, event_loop& loop, io_scratch& scratch)
    : scratch_(scratch), link_(std::move(link)) {
    link_.attach(loop, *this);
}

void retained_writer::start(const retained_plan& plan) {
    plan_ = plan;
    sent_ = 0;
    const std::string topic = std::string(topic_prefix) + std::string(digit_count, '0');
    frame_ =
        encode_publish(topic, std::string(plan.payload, 'x'), {.qos = plan.qos, .retain = true});
    publish();
}

void retained_writer::publish() {
    while (!link_.is_blocked() && sent_ < plan_.messages) {
        const std::uint32_t room =
            plan_.qos == 0 ? batch_messages : std::min(batch_messages, plan_.window - in_flight_);
        if (room == 0) {
            return;
        }
        publish_batch(std::min(room, plan_.messages - sent_));
        if (sent_ == plan_.messages) {
            link_.send(encode_bare(packet::pingreq));
            awaits_ping_ = true;
        }
    }
}

void retained_writer::publish_batch(std::uint32_t count) {
    const std::size_t topic_end = digits_at(frame_) + digit_count;
    batch_.clear();
    for (std::uint32_t i = 0; i < count; ++i, ++sent_) {
        batch_ += frame_;
        char* const at = batch_.data() + batch_.size() - frame_.size();
        store_digits(at + topic_end - digit_count, sent_);
        if (plan_.qos > 0) {
            store_u16(at + topic_end, static_cast<std::uint16_t>(1 + sent_ % 65'535));
            ++in_flight_;
        }
        if (plan_.payload > 0) {
            store_stamp(at + frame_.size() - plan_.payload,
                        {.run = plan_.run, .number = sent_, .sequence = sent_});
        }
    }
    link_.send(batch_);
}

void retained_writer::on_answer(const frame& answer) noexcept {
    if (answer.type() == packet::puback) {
        --in_flight_;
    } else if (answer.type() == packet::pingresp) {
        awaits_ping_ = false;
    }
}

void retained_writer::on_ready(std::uint32_t epoll_events, nanoseconds) {
    if ((epoll_events & EPOLLOUT) != 0) {
        link_.on_writable();
    }
    if ((epoll_events & ~std::uint32_t{EPOLLOUT}) != 0) {
        link_.receive(scratch_, [&](const frame& answer) { on_answer(answer); });
    }
    publish();
}

retained_reader::retained_reader(connection link, event_loop& loop, io_scratch& scratch,
                                 const retained_plan& plan)
    : plan_(plan), scratch_(scratch), has_(plan.messages, false), link_(std::move(link)) {
    link_.attach(loop, *this);
}

void retained_reader::start() {
    const std::string everything = "#";
    link_.send(encode_subscribe(1, {&everything, 1}, plan_.replay_qos));
}

void retained_reader::on_ready(std::uint32_t epoll_events, nanoseconds) {
    if ((epoll_events & EPOLLOUT) != 0) {
        link_.on_writable();
    }
    if ((epoll_events & ~std::uint32_t{EPOLLOUT}) == 0) {
        return;
    }
    char* const acks = scratch_.acks();
    char* end = acks;
    link_.receive(scratch_, [&](const frame& value) {
        if (!value.is_publish()) {
            return;
        }
        const publish_parts message = split_publish(value);
        on_message(value, message);
        if (value.qos() > 0) {
            end = store_ack(end, packet::puback, message.packet_id);
        }
    });
    if (end != acks) {
        link_.send({acks, static_cast<std::size_t>(end - acks)});
    }
}

void retained_reader::on_message(const frame& value, const publish_parts& message) {
    const bool is_retained = (value.first & 1U) != 0;
    const stamp mark =
        message.payload_size >= sizeof(stamp) ? load_stamp(message.payload) : stamp{};
    if (!is_retained || mark.run != plan_.run || mark.sequence >= plan_.messages) {
        ++foreign_;
    } else if (has_[mark.sequence]) {
        ++duplicates_;
    } else {
        has_[mark.sequence] = true;
        ++seen_;
    }
}

} // namespace gv::load
