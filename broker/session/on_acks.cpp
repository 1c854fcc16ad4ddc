// SPDX-License-Identifier: Apache-2.0
// PUBACK, PUBREC, PUBREL and PUBCOMP from the client (MQTT 5, 3.4 to 3.7, 4.3).
#include "broker/session/front.hpp"
#include "broker/session/reasons.hpp"

namespace gv::session {

using mqtt::packet_type;
using mqtt::reason_code;

void front::on_ack(std::uint8_t first_byte, std::string_view body) {
    mqtt::ack_view packet;
    if (const auto broken =
            mqtt::decode_ack(first_byte, body, version_, mqtt::peer::client, packet)) {
        on_violation(*broken);
        return;
    }
    if (packet.type == packet_type::pubrel) {
        on_pubrel(packet);
        return;
    }
    const delivery_ack ack{
        .id = packet.id, .type = packet.type, .is_error = mqtt::is_error(packet.reason)};
    if (is_held_by_home_) {
        effects().acknowledge(*this, ack);
        return;
    }
    if (!own_) {
        on_settled(ack, outbound::ack::unknown);
        return;
    }
    outbound& out = own_->out;
    on_settled(ack, ack.type == packet_type::puback ? out.on_puback(ack.id, *this, now())
                    : ack.type == packet_type::pubrec
                        ? out.on_pubrec(ack.id, ack.is_error, *this, now())
                        : out.on_pubcomp(ack.id, *this, now()));
}

// A PUBREC for nothing is answered with PUBREL, so that the client can forget it. An
// acknowledgement of the wrong kind is a protocol error; one of nothing at all may be late, and is
// passed over.
void front::on_settled(const delivery_ack& ack, outbound::ack outcome) {
    if (phase_ != phase::connected) {
        return;
    }
    if (outcome == outbound::ack::out_of_state) {
        violate(reason_code::protocol_error, "an acknowledgement that does not fit its message");
    } else if (outcome == outbound::ack::unknown && ack.type == packet_type::pubrec
               && !ack.is_error) {
        send_ack(packet_type::pubrel, ack.id, reason_code::packet_identifier_not_found);
    }
}

void front::on_pubrel(const mqtt::ack_view& packet) {
    if (acks_.size() > 0 && acks_.holds(packet.id)) {
        violate(reason_code::protocol_error, "PUBREL before PUBREC");
        return;
    }
    const bool is_known = forget_inbound(packet.id);
    confirm({.id = packet.id,
             .type = packet_type::pubcomp,
             .reason = is_known ? reason_code::success : reason_code::packet_identifier_not_found});
}

void front::confirm(const inbound_ack& what) {
    if (is_held_by_home_) {
        effects().confirm(*this, what);
    } else {
        send_ack(what.type, what.id, what.reason);
    }
}

void front::on_confirmed(const inbound_ack& what) {
    if (phase_ == phase::connected) {
        send_ack(what.type, what.id, what.reason);
    }
}

std::string front::reason_properties(std::string_view text) const {
    constexpr std::size_t around = 16; // of an acknowledgement of one message or filter
    mqtt::property_writer given;
    if (is_v5() && v5_->wants_problem_information && !text.empty()
        && around + text.size() <= v5_->packet_size_max) {
        given.add(mqtt::property::reason_string, text);
    }
    return given.take();
}

void front::send_ack(packet_type type, packet_id id, reason_code reason) {
    if (mqtt::is_error(reason)) [[unlikely]] {
        const std::string properties = reason_properties(why_not_taken(reason));
        send(type, mqtt::ack_view{.type = type,
                                  .id = id,
                                  .reason = reason,
                                  .properties = mqtt::property_view(properties)});
        return;
    }
    char* at = output_.reserve(mqtt::ack_size_max);
    output_.commit(mqtt::write_ack(at, type, id, reason, version_));
    ++counters().packets_sent[static_cast<std::size_t>(type)];
    if (limits().traces_packets) [[unlikely]] {
        trace_sent(mqtt::ack_view{.type = type, .id = id, .reason = reason});
    }
}

} // namespace gv::session
