// SPDX-License-Identifier: Apache-2.0
// How a connection ends: DISCONNECT from either side, violations, kicks (MQTT 5, 3.14 and 4.13).
#include "broker/session/front.hpp"

namespace gv::session {

using mqtt::property;
using mqtt::reason_code;

void front::on_disconnect(const mqtt::disconnect_view& packet) {
    const auto expiry = packet.properties.number(property::session_expiry_interval);
    if (expiry && *expiry != 0 && !outlives_connection_) {
        // [MQTT-3.14.2-2]: a session that ends with its connection cannot be prolonged.
        violate(reason_code::protocol_error, "session expiry was 0 in CONNECT");
        return;
    }
    if (expiry) {
        farewell_.session_expiry = std::min(*expiry, limits().session_expiry_max);
    }
    phase_ = phase::closing;
    const bool drops_will = packet.reason == reason_code::success;
    effects().close(*this,
                    drops_will ? close_cause::client_disconnect
                               : close_cause::client_disconnect_with_will,
                    packet.reason, packet.properties.text(property::reason_string).value_or(""));
}

void front::on_violation(const mqtt::violation& what) {
    ++counters().violations[static_cast<std::uint8_t>(what.reason)];
    // The rest of that CONNECT is sound, and 3.1.1 has a return code for it [MQTT-3.1.3-8].
    answers_connect_ = answers_connect_ || what.reason == reason_code::client_identifier_not_valid;
    std::string text(what.text);
    if (!what.rule.empty()) {
        text.append(" [").append(what.rule).append("]");
    }
    disconnect(close_cause::protocol_violation, what.reason, text);
}

std::string front::farewell_properties(std::string_view reference, std::string_view text) const {
    mqtt::property_writer given;
    if (!is_v5()) {
        return {};
    }
    const std::size_t room = v5_ ? v5_->packet_size_max : 0xffff'ffff;
    constexpr std::size_t around = 16; // fixed header, flags, reason and lengths
    if (!reference.empty() && around + reference.size() <= room) {
        given.add(property::server_reference, reference);
    }
    if (!text.empty() && around + given.size() + text.size() <= room) {
        given.add(property::reason_string, text); // [MQTT-3.2.2-19, 3.14.2-3]
    }
    return given.take();
}

void front::on_oversized(std::uint8_t first_byte, std::string_view body) {
    if (phase_ == phase::awaiting_connect
        && static_cast<mqtt::packet_type>(first_byte >> 4) == mqtt::packet_type::connect) {
        sniff_version(body);
    }
    violate(reason_code::packet_too_large, phase_ == phase::connected
                                               ? "the packet is larger than mqtt.packet_size_max"
                                               : "the packet is larger than mqtt.connect_size_max");
}

void front::violate(reason_code reason, std::string_view text) {
    ++counters().violations[static_cast<std::uint8_t>(reason)];
    disconnect(close_cause::protocol_violation, reason, text);
}

void front::on_kicked(close_cause cause, reason_code reason, std::string_view why) {
    if (phase_ != phase::closing) {
        disconnect(cause, reason, why);
    }
}

// Who is turned away while another server is known is told to go there (MQTT 5, 4.13).
reason_code front::redirected(reason_code reason) const noexcept {
    const bool is_turned_away =
        reason == reason_code::server_busy || reason == reason_code::server_shutting_down;
    return is_turned_away && is_v5() && !limits().server_reference.empty()
               ? reason_code::use_another_server
               : reason;
}

std::string_view front::reference_for(reason_code reason) const noexcept {
    return reason == reason_code::use_another_server ? std::string_view(limits().server_reference)
                                                     : std::string_view();
}

// A v5 client that was connected is told why; others are closed (3.1.1 has no word for it).
void front::disconnect(close_cause cause, reason_code reason, std::string_view text) {
    const bool was_connected = phase_ == phase::connected;
    if (!was_connected && answers_connect_) {
        refuse(reason, text);
        return;
    }
    phase_ = phase::closing;
    reason = redirected(reason);
    if (was_connected && is_v5()) {
        const std::string properties = farewell_properties(reference_for(reason), text);
        send(
            mqtt::packet_type::disconnect,
            mqtt::disconnect_view{.reason = reason, .properties = mqtt::property_view(properties)});
    }
    effects().close(*this, cause, reason, text);
}

} // namespace gv::session
