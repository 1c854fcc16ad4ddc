// SPDX-License-Identifier: Apache-2.0
// Messages on their way to the client: the other half of the hot path.
#include "base/bytes.hpp"
#include "broker/session/front.hpp"

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
    } else if (load == pressure::slow) {
        dropped(drop_reason::slow_reader);
        return;
    } else {
        transmit(what, how);
    }
    if (load == pressure::open && is_full()) {
        effects().became_full(*this);
    }
}

void front::on_push(const publication& what, const delivery& how) {
    if (phase_ != phase::connected) {
        return;
    }
    if (how.quality == qos::at_most_once && load == pressure::slow) {
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
    if (!(is_v5() ? write_publish_v5(what, how) : write_publish(what, how, {}, what.topic))) {
        dropped(drop_reason::packet_too_large);
        complete_unsendable(how);
        return;
    }
    ++counters().messages_sent[static_cast<std::size_t>(how.quality)];
    counters().payload_bytes_sent += what.payload.size();
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
        own_->out.forget(how.id);
    }
}

// `properties`: all of the packet's, with their length in front; empty before 5.0.
bool front::write_publish(const publication& what, const delivery& how, std::string_view properties,
                          std::string_view topic) {
    const bool by_reference = what.payload.size() >= large_payload;
    const std::size_t id_size = how.quality == qos::at_most_once ? 0 : 2;
    const std::size_t head = 2 + topic.size() + id_size + properties.size();
    const auto remaining = static_cast<std::uint32_t>(head + what.payload.size());
    char* at = output_.reserve(5 + head + (by_reference ? 0 : what.payload.size()));
    at = store_u8(at, static_cast<std::uint8_t>(0x30 | (how.dup ? 8 : 0)
                                                | (static_cast<int>(how.quality) << 1)
                                                | (how.retain ? 1 : 0)));
    at = store_variable(at, remaining);
    at = store_u16(at, static_cast<std::uint16_t>(topic.size()));
    at = store_bytes(at, topic);
    if (id_size != 0) {
        at = store_u16(at, how.id.value);
    }
    at = store_bytes(at, properties);
    if (!by_reference) {
        at = store_bytes(at, what.payload);
    }
    output_.commit(at);
    if (by_reference) {
        output_.append_payload(what.hold());
    }
    return true;
}

bool front::write_publish_v5(const publication& what, const delivery& how) {
    outbound_aliases::use alias;
    if (v5_->topic_alias_max != 0) {
        alias = v5_->aliases_out.find(what.topic, v5_->topic_alias_max);
    }
    const std::size_t id_size = how.quality == qos::at_most_once ? 0 : 2;
    const bool is_plain = what.properties.empty() && what.header.expires == never
                          && how.subscription_ids.empty() && alias.alias == 0;
    if (is_plain) {
        return fits(2 + what.topic.size() + id_size + 1 + what.payload.size())
               && write_publish(what, how, std::string_view("\0", 1), what.topic);
    }
    std::string properties;
    byte_writer writer(properties);
    if (what.header.expires != never) {
        const auto left = std::chrono::ceil<std::chrono::seconds>(what.header.expires - now());
        writer.u8(static_cast<std::uint8_t>(mqtt::property::message_expiry_interval));
        writer.u32(static_cast<std::uint32_t>(left.count()));
    }
    if (alias.alias != 0) {
        writer.u8(static_cast<std::uint8_t>(mqtt::property::topic_alias));
        writer.u16(alias.alias);
    }
    for (const std::uint32_t id : how.subscription_ids) {
        writer.u8(static_cast<std::uint8_t>(mqtt::property::subscription_identifier));
        writer.variable(id);
    }
    writer.bytes(what.properties);
    std::string encoded;
    byte_writer(encoded).variable(static_cast<std::uint32_t>(properties.size()));
    encoded += properties;
    const std::string_view topic = alias.is_known ? std::string_view() : what.topic;
    if (!fits(2 + topic.size() + id_size + encoded.size() + what.payload.size())) {
        return false;
    }
    v5_->aliases_out.confirm(what.topic, alias);
    return write_publish(what, how, encoded, topic);
}

// Maximum Packet Size of the client (MQTT 5, 3.1.2.11.4), which counts the whole packet.
bool front::fits(std::size_t remaining) const {
    return v5_->packet_size_max == 0xffff'ffff
           || 1 + variable_size(static_cast<std::uint32_t>(remaining)) + remaining
                  <= v5_->packet_size_max;
}

void front::transmit_pubrel(packet_id id) {
    send_ack(mqtt::packet_type::pubrel, id, mqtt::reason_code::success);
}

} // namespace gv::session
