// SPDX-License-Identifier: Apache-2.0
#include "broker/session/front.hpp"

#include <algorithm>

namespace gv::session {

namespace {
const std::string no_text;
} // namespace

front::front(const front_context& context, buffer_pool& pool, front_owner& owner) noexcept
    : context_(&context), owner_(&owner), output_(pool), last_receipt_(context.now->now) {}

session_state& front::make_own_session() {
    if (!own_) {
        own_ = std::make_unique<session_state>(limits().outbound_in_memory, *context_->queued,
                                               outbound::keeps::nothing);
        if (context_->users != nullptr) {
            own_->out.set_user(
                context_->users->of(has_username() ? std::string_view(username()) : ""));
        }
        own_->out.attach(is_v5() ? v5_->receive_maximum : limits().in_flight_max_v3);
    }
    return *own_;
}

const std::string& front::username() const noexcept {
    return connect_ ? connect_->username : no_text;
}

const std::string& front::authentication_method() const noexcept {
    return connect_ ? connect_->method : no_text;
}

void front::on_frame(std::uint8_t first_byte, std::string_view body) {
    using mqtt::packet_type;
    last_receipt_ = now();
    const auto type = static_cast<packet_type>(first_byte >> 4);
    ++counters().packets_received[first_byte >> 4];
    if (limits().traces_packets) [[unlikely]] {
        trace_received(first_byte, body);
    }
    if (phase_ == phase::connected) {
        if (type == packet_type::publish) {
            on_publish(first_byte, body);
            return;
        }
        if (type >= packet_type::puback && type <= packet_type::pubcomp) {
            on_ack(first_byte, body);
            return;
        }
    }
    on_rare_frame(first_byte, body);
}

void front::on_stranger(std::string_view bytes) {
    const auto is_letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
    if (bytes.front() == tls_handshake) {
        violate(
            mqtt::reason_code::protocol_error,
            "TLS came to a listener without: connect without TLS, or give it a tls_certificate");
    } else if (std::ranges::all_of(bytes.substr(0, 3), is_letter)) {
        violate(mqtt::reason_code::protocol_error,
                "this looks like HTTP: WebSocket needs a listener with transport = \"websocket\"");
    } else {
        violate(mqtt::reason_code::protocol_error,
                "the first packet is not CONNECT [MQTT-3.1.0-1]");
    }
}

// What is neither a message nor an acknowledgement.
void front::on_rare_frame(std::uint8_t first_byte, std::string_view body) {
    const auto type = static_cast<mqtt::packet_type>(first_byte >> 4);
    if (phase_ != phase::awaiting_connect && type == mqtt::packet_type::connect) {
        violate(mqtt::reason_code::protocol_error, "a second CONNECT [MQTT-3.1.0-2]");
        return;
    }
    if (type == mqtt::packet_type::connect) {
        sniff_version(body);
    }
    if (phase_ == phase::authenticating && type != mqtt::packet_type::auth
        && type != mqtt::packet_type::disconnect) {
        violate(mqtt::reason_code::protocol_error,
                "a packet other than AUTH while authenticating [MQTT-3.1.2-30]");
        return;
    }
    const auto packet = mqtt::decode(first_byte, body, version_, mqtt::peer::client);
    if (!packet) {
        on_violation(packet.error());
        return;
    }
    if (const auto* connect = std::get_if<mqtt::connect_view>(&*packet)) {
        on_connect(*connect);
    } else if (const auto* subscribe = std::get_if<mqtt::subscribe_view>(&*packet)) {
        on_subscribe(*subscribe);
    } else if (const auto* unsubscribe = std::get_if<mqtt::unsubscribe_view>(&*packet)) {
        on_unsubscribe(*unsubscribe);
    } else if (std::holds_alternative<mqtt::pingreq_view>(*packet)) {
        send(mqtt::packet_type::pingresp, mqtt::pingresp_view{});
    } else if (const auto* farewell = std::get_if<mqtt::disconnect_view>(&*packet)) {
        on_disconnect(*farewell);
    } else if (const auto* auth = std::get_if<mqtt::auth_view>(&*packet)) {
        on_auth(*auth);
    }
}

void front::on_writable() {
    if (own_) {
        own_->out.pump(now(), *this);
    }
}

time_point front::next_deadline() const noexcept {
    if (phase_ != phase::connected) {
        return last_receipt_ + limits().connect_timeout;
    }
    return keep_alive_ == 0 ? never : last_receipt_ + std::chrono::milliseconds(1500) * keep_alive_;
}

void front::on_deadline() {
    if (phase_ == phase::closing || now() < next_deadline()) {
        return;
    }
    if (phase_ == phase::connected) {
        disconnect(close_cause::keep_alive_timeout, mqtt::reason_code::keep_alive_timeout,
                   "nothing came within one and a half times the keep alive");
    } else {
        phase_ = phase::closing;
        effects().close(*this, close_cause::connect_timeout, mqtt::reason_code::success, {});
    }
}

} // namespace gv::session
