// SPDX-License-Identifier: Apache-2.0
// PUBLISH from the client (MQTT 5, 3.3, 4.3). The hot path of the broker.
#include "base/topic.hpp"
#include "broker/session/front.hpp"

namespace gv::session {

using mqtt::reason_code;

void front::on_publish(std::uint8_t first_byte, std::string_view body) {
    mqtt::publish_view packet;
    if (const auto broken =
            mqtt::decode_publish(first_byte, body, version_, mqtt::peer::client, packet)) {
        on_violation(*broken);
        return;
    }
    ++counters().messages_received[static_cast<std::size_t>(packet.quality)];
    counters().payload_bytes_received += packet.payload.size();
    publication what{
        .header = {.publisher = client_hash_, .quality = packet.quality, .retain = packet.retain},
        .topic = packet.topic,
        .payload = packet.payload};
    std::string filtered;
    if (version_ == mqtt::protocol_version::v5 && !accept_v5(packet, what, filtered)) {
        return;
    }
    if (!accept_publish(packet, what)) {
        return;
    }
    what.header.stamp = effects().next_stamp();
    if (packet.quality != qos::at_most_once) {
        effects().set_keeping(*this, what.topic, what.header);
    }
    switch (packet.quality) {
    case qos::at_most_once:
        effects().route(*this, what, route_token{}, packet_id{});
        return;
    case qos::at_least_once:
        effects().route(*this, what, acks_.add(packet.id, mqtt::packet_type::puback), packet_id{});
        return;
    case qos::exactly_once:
        on_qos2_publish(what, packet.id);
        return;
    }
}

// Alias, expiry and forwardable properties. `filtered` is where those go that had company.
bool front::accept_v5(const mqtt::publish_view& packet, publication& what, std::string& filtered) {
    if (packet.topic_alias != 0 || packet.topic.empty()) {
        switch (
            v5_->aliases_in.apply(packet.topic_alias, v5_->topic_alias_max_announced, what.topic)) {
        case inbound_aliases::outcome::resolved:
            break;
        case inbound_aliases::outcome::out_of_range:
            violate(reason_code::topic_alias_invalid, "topic alias above the maximum announced");
            return false;
        case inbound_aliases::outcome::undefined:
            violate(reason_code::protocol_error, "topic alias that was never defined");
            return false;
        }
    }
    if (packet.message_expiry) {
        what.header.expires = now() + std::chrono::seconds(*packet.message_expiry);
    }
    if (packet.has_hop_properties) {
        mqtt::append_forwardable_properties(packet.properties, filtered);
        what.properties = filtered;
    } else {
        what.properties = packet.properties.raw();
    }
    return true;
}

// What the protocol allows and the broker does not. On v3 the message is acknowledged and dropped,
// so that a client cannot loop over it for ever; v5 has a reason code.
bool front::accept_publish(const mqtt::publish_view& packet, const publication& what) {
    if (packet.quality != qos::at_most_once && !accept_identifier(packet)) {
        return false;
    }
    if (packet.quality > limits().quality_max) {
        if (is_v5()) {
            violate(reason_code::qos_not_supported, "QoS above the maximum announced");
            return false;
        }
    }
    if (packet.retain && !limits().retain_available) {
        if (is_v5()) {
            violate(reason_code::retain_not_supported, "retained messages are switched off");
        } else {
            reject_publish(packet, reason_code::retain_not_supported, "retained messages are off");
        }
        return false;
    }
    if (count_levels(what.topic) > limits().topic_levels_max) {
        reject_publish(packet, reason_code::topic_name_invalid,
                       "more levels than mqtt.topic_levels_max");
        return false;
    }
    const permission allowed = effects().may_publish(*this, what.topic);
    if (!allowed.is_allowed) {
        reject_publish(packet, reason_code::not_authorized, allowed.rule);
        return false;
    }
    return true;
}

// A resend of what is being handled is not routed again; more than the announced Receive Maximum is
// a violation [MQTT-3.3.4-9]. Returns false where the packet needs nothing more.
bool front::accept_identifier(const mqtt::publish_view& packet) {
    const bool is_known = inbound_ && inbound_->contains(packet.id.value);
    if (packet.quality == qos::exactly_once && is_known) {
        if (!acks_.holds(packet.id)) {
            confirm({.id = packet.id, .type = mqtt::packet_type::pubrec});
        }
        return false;
    }
    if (is_known || (packet.dup && acks_.size() > 0 && acks_.holds(packet.id))) {
        // A v3 client may repeat what it waits for; that answer is on its way.
        if (is_v5() || is_known) {
            violate(reason_code::protocol_error, "packet identifier in use [MQTT-2.2.1-3]");
        }
        return false;
    }
    const std::size_t owed = acks_.not_held() + (inbound_ ? inbound_->size() : 0);
    if (is_v5() && owed >= v5_->receive_maximum_announced) {
        violate(reason_code::receive_maximum_exceeded, "more in flight than the Receive Maximum");
        return false;
    }
    return true;
}

void front::reject_publish(const mqtt::publish_view& packet, reason_code reason,
                           std::string_view rule) {
    ++counters().publishes_denied;
    effects().denied(*this, packet.topic, reason, rule);
    if (packet.quality == qos::at_most_once || phase_ != phase::connected) {
        return;
    }
    const auto type = packet.quality == qos::at_least_once ? mqtt::packet_type::puback
                                                           : mqtt::packet_type::pubrec;
    const route_token token = acks_.add(packet.id, type);
    if (!is_v5() && packet.quality == qos::exactly_once) {
        remember_inbound(packet.id); // the client will send PUBREL for it
    }
    on_taken(token, is_v5() ? reason : reason_code::success);
}

void front::on_qos2_publish(const publication& what, packet_id id) {
    const route_token token = acks_.add(id, mqtt::packet_type::pubrec, ack_ring::identifier::held);
    inbound_ids().insert(id.value);
    effects().route(*this, what, token, id);
}

void front::remember_inbound(packet_id id) {
    inbound_ids().insert(id.value);
    if (is_held_by_home_) {
        effects().hold_inbound(*this, id);
    }
}

boost::unordered_flat_set<std::uint16_t>& front::inbound_ids() {
    if (!inbound_) {
        inbound_ = std::make_unique<boost::unordered_flat_set<std::uint16_t>>();
    }
    return *inbound_;
}

void front::on_taken(route_token token, reason_code reason) {
    if (reason == not_stored) {
        if (!is_v5()) {
            withhold(token);
            return;
        }
        reason = reason_code::quota_exceeded;
    }
    // PUBREC with an error ends the exchange: the identifier is free again (MQTT 5, 4.3.3). At
    // once: the connection may end before it is the turn of this one.
    if (mqtt::is_error(reason)) {
        forget_refused(token);
    }
    acks_.take(token, reason);
    if (phase_ == phase::connected) {
        send_ready_acks();
    }
}

// There is no answer that refuses. The client sends the message again, in another connection, and
// its identifier must be free then: what the session holds counts as given out.
void front::withhold(route_token token) {
    withholds_ = true;
    ++withheld_;
    forget_refused(token);
}

void front::forget_refused(route_token token) {
    const ack_ring::entry* refused = acks_.find(token);
    if (refused != nullptr && refused->type == mqtt::packet_type::pubrec) {
        forget_inbound(refused->id);
    }
}

std::map<route_token, packet_id> front::held_under_way() const {
    std::map<route_token, packet_id> found = acks_.pubrecs_not_taken();
    std::erase_if(found, [this](const auto& each) {
        return !inbound_ || !inbound_->contains(each.second.value); // withheld, or refused as such
    });
    return found;
}

void front::send_ready_acks() {
    while (acks_.is_ready()) {
        const ack_ring::entry ready = acks_.next();
        send_ack(ready.type, ready.id, ready.reason);
    }
}

bool front::forget_inbound(packet_id id) {
    if (!inbound_ || inbound_->erase(id.value) == 0) {
        return false;
    }
    if (is_held_by_home_) {
        effects().release_inbound(*this, id);
    }
    return true;
}

} // namespace gv::session
