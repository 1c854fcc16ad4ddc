// SPDX-License-Identifier: Apache-2.0
#include "bench/load/subscriber.hpp"

namespace gv::load {

void subscriber::on_ready(std::uint32_t epoll_events, nanoseconds now) {
    if ((epoll_events & EPOLLOUT) != 0) {
        link_.on_writable();
    }
    if ((epoll_events & ~std::uint32_t{EPOLLOUT}) == 0) {
        return;
    }
    // A latency ends here, not at the start of a turn in which much else may have been read.
    const nanoseconds received = context_->counts.is_timed ? clock_now() : now;
    ++context_->counts.reads;
    char* const answers = context_->scratch.acks();
    char* end = answers;
    link_.receive(context_->scratch,
                  [&](const frame& value) { end = on_frame(value, received, end); });
    if (end != answers) {
        link_.send({answers, static_cast<std::size_t>(end - answers)});
    }
}

char* subscriber::on_frame(const frame& value, nanoseconds now, char* answers) {
    if (value.is_publish()) [[likely]] {
        const publish_parts message = split_publish(value);
        on_message(message, now);
        if (value.qos() == 0) {
            return answers;
        }
        return store_ack(answers, value.qos() == 1 ? packet::puback : packet::pubrec,
                         message.packet_id);
    }
    if (value.type() == packet::pubrel) {
        return store_ack(answers, packet::pubcomp, load_u16(value.body));
    }
    return answers;
}

void subscriber::on_message(const publish_parts& message, nanoseconds now) {
    tally& counts = context_->counts;
    if (message.payload_size < sizeof(stamp)) [[unlikely]] {
        ++counts.foreign;
        return;
    }
    const stamp mark = load_stamp(message.payload);
    if (mark.run != context_->run || mark.publisher >= context_->publishers.size()) [[unlikely]] {
        ++counts.foreign;
        return;
    }
    const std::uint32_t flow = mark.publisher - first_source_;
    if (flow >= check_.flows()) [[unlikely]] {
        ++counts.misrouted;
        return;
    }
    ++counts.delivered;
    check_.on_message(flow, mark.sequence, counts.sequences);
    if (counts.is_timed) {
        counts.latency.record(now - mark.due);
    }
    context_->publishers[mark.publisher].on_delivered(mark.number);
}

} // namespace gv::load
