// SPDX-License-Identifier: Apache-2.0
// Messages on their way to the client: the other half of the hot path.
#include "base/bytes.hpp"
#include "broker/session/front.hpp"

#include <algorithm>

namespace gv::session {

namespace {

// From here on a payload is referenced, not copied: one more part of a gathered write costs about
// as much as copying this many bytes.
constexpr std::size_t large_payload = 4096;

} // namespace

void front::on_delivery(const publication& what, const delivery& how) {
    if (phase_ != phase::connected) {
        return;
    }
    own_->replays.note_live(what);
    if (how.quality != qos::at_most_once) {
        if (!own_->out.deliver(what, how, outbound::queueing::limited, now(), *this)) {
            disconnect(close_cause::slow_reader, mqtt::reason_code::quota_exceeded,
                       "the queue is full");
            return;
        }
    } else if (load != pressure::open && drops_now()) {
        dropped(drop_reason::slow_reader);
        return;
    } else {
        transmit(what, how);
    }
    if (load == pressure::open && is_full()) {
        effects().became_full(*this);
    }
}

// QoS 0 to a client that is behind. One that still reads gets what was under way when publishers
// were held for it, and one message of each of a few more. Beyond that nobody is held for it, and
// however much comes before its time is up is not buffered.
bool front::drops_now() const noexcept {
    constexpr std::size_t surplus_factor = 8;
    constexpr std::size_t output_bytes_most = std::size_t{2} << 30;
    return load == pressure::slow || limits().drops_qos0_when_full
           || waiting_bytes() > std::min(limits().output_bytes_max * surplus_factor
                                             + limits().packet_size_max + context_->under_way_max,
                                         output_bytes_most);
}

void front::on_push(const publication& what, const delivery& how) {
    if (phase_ != phase::connected) {
        return;
    }
    if (how.quality == qos::at_most_once && load != pressure::open && drops_now()) {
        dropped(drop_reason::slow_reader);
        return;
    }
    transmit(what, how);
    if (load == pressure::open && is_full()) {
        effects().became_full(*this);
    }
}

void front::on_push_pubrel(packet_id id) {
    if (phase_ == phase::connected) {
        transmit_pubrel(id);
    }
}

void front::on_replay_row(const publication& what, const delivery& how) {
    if (how.quality == qos::at_most_once) {
        transmit(what, how);
    } else {
        own_->out.deliver(what, how, outbound::queueing::unlimited, now(), *this);
    }
}

void front::transmit(const publication& what, const delivery& how) {
    if (what.header.expires <= now()) {
        dropped(drop_reason::expired);
        complete_unsendable(how);
        return;
    }
    mqtt::publish_parts parts{.topic = what.topic,
                              .id = how.id,
                              .quality = how.quality,
                              .dup = how.dup,
                              .retain = how.retain};
    if (!(v5_ ? write_publish_v5(what, parts, how.subscription_ids) : write_publish(what, parts))) {
        dropped(drop_reason::packet_too_large);
        complete_unsendable(how);
        return;
    }
    ++counters().messages_sent[static_cast<std::size_t>(how.quality)];
    counters().payload_bytes_sent += what.payload.size();
    counters().retransmitted += how.dup ? 1U : 0U;
    if (limits().traces_packets) [[unlikely]] {
        trace_publish(what, how);
    }
}

// The client never sees this one: its place in the window is free again [MQTT-3.1.2-25].
void front::complete_unsendable(const delivery& how) {
    if (how.quality == qos::at_most_once) {
        return;
    }
    if (is_held_by_home_) {
        effects().acknowledge(*this, {.id = how.id,
                                      .type = how.quality == qos::at_least_once
                                                  ? mqtt::packet_type::puback
                                                  : mqtt::packet_type::pubrec,
                                      .is_error = true});
    } else if (own_) {
        own_->out.forget(how.id, *this);
    }
}

bool front::write_publish(const publication& what, const mqtt::publish_parts& parts) {
    const std::size_t head = mqtt::publish_header_size(parts, what.payload.size(), version_);
    if (v5_ && head + what.payload.size() > v5_->packet_size_max) {
        return false; // the client's Maximum Packet Size (MQTT 5, 3.1.2.11.4)
    }
    if (what.payload.size() >= large_payload) {
        char* at = output_.reserve(head);
        output_.commit(mqtt::write_publish_header(at, parts, what.payload.size(), version_));
        output_.append_payload(what.hold());
    } else {
        char* at = output_.reserve(head + what.payload.size());
        output_.commit(mqtt::write_publish(at, parts, what.payload, version_));
    }
    return true;
}

bool front::write_publish_v5(const publication& what, mqtt::publish_parts& parts,
                             std::span<const std::uint32_t> subscription_ids) {
    outbound_aliases::use alias;
    if (v5_->topic_alias_max != 0) {
        alias = v5_->aliases_out.find(what.topic, v5_->topic_alias_max);
    }
    parts.forwarded = what.properties;
    if (what.header.expires == never && subscription_ids.empty() && alias.alias == 0) {
        return write_publish(what, parts);
    }
    std::string added;
    byte_writer writer(added);
    if (what.header.expires != never) {
        const auto left = std::chrono::ceil<std::chrono::seconds>(what.header.expires - now());
        writer.u8(static_cast<std::uint8_t>(mqtt::property::message_expiry_interval));
        writer.u32(static_cast<std::uint32_t>(left.count()));
    }
    if (alias.alias != 0) {
        writer.u8(static_cast<std::uint8_t>(mqtt::property::topic_alias));
        writer.u16(alias.alias);
    }
    for (const std::uint32_t id : subscription_ids) {
        writer.u8(static_cast<std::uint8_t>(mqtt::property::subscription_identifier));
        writer.variable(id);
    }
    parts.added = added;
    if (alias.is_known) {
        parts.topic = {};
    }
    const bool is_written = write_publish(what, parts);
    if (is_written) {
        v5_->aliases_out.confirm(what.topic, alias);
    }
    return is_written;
}

void front::transmit_pubrel(packet_id id) {
    send_ack(mqtt::packet_type::pubrel, id, mqtt::reason_code::success);
}

} // namespace gv::session
