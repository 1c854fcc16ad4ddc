// SPDX-License-Identifier: Apache-2.0
// CONNECT and what follows until CONNACK (MQTT 5, 3.1 and 3.2).
#include "base/bytes.hpp"
#include "base/topic.hpp"
#include "broker/session/front.hpp"

#include <algorithm>

namespace gv::session {

namespace {

using mqtt::property;
using mqtt::reason_code;

[[nodiscard]] bool is_allowed(mqtt::protocol_version version, const session_limits& limits) {
    switch (version) {
    case mqtt::protocol_version::v3_1:
        return limits.allows_v3_1;
    case mqtt::protocol_version::v3_1_1:
        return limits.allows_v3_1_1;
    case mqtt::protocol_version::v5:
        return limits.allows_v5;
    }
    return false;
}

} // namespace

// Reads the version ahead of the rest, so that a CONNECT that is broken further on, or of a version
// that nobody knows, is answered in the form its sender most likely reads.
void front::sniff_version(std::string_view connect_body) {
    read_cursor body(connect_body);
    const std::string_view name = body.prefixed();
    const auto level = static_cast<std::uint8_t>(body.u8() & 0x7f);
    if (body.failed() || (name != "MQTT" && name != "MQIsdp")) {
        return;
    }
    // A level that nobody knows is answered as 3.1.1 demands [MQTT-3.1.2-2 of 3.1.1].
    version_ = level == 5 ? mqtt::protocol_version::v5 : mqtt::protocol_version::v3_1_1;
    answers_connect_ = level >= 5 || level < 3 || (name == "MQIsdp") != (level == 3);
}

void front::on_connect(const mqtt::connect_view& packet) {
    answers_connect_ = true;
    version_ = packet.version;
    is_bridge_ = packet.is_bridge;
    connect_ = std::make_unique<connect_details>();
    if (is_v5()) {
        v5_ = std::make_unique<v5_details>();
        take_v5_properties(packet);
    }
    if (!is_allowed(version_, limits())) {
        refuse(reason_code::unsupported_protocol_version, "this protocol version is switched off");
        return;
    }
    if (!accept_client_id(packet) || !accept_will(packet)) {
        return;
    }
    connect_->clean_start = packet.clean_start;
    connect_->asked_keep_alive = packet.keep_alive;
    if (packet.username) {
        connect_->username = *packet.username;
        connect_->has_username = true;
    }
    if (!is_v5()) {
        connect_->session_expiry = packet.clean_start ? 0 : limits().session_expiry_v3;
    }
    keep_alive_ = packet.keep_alive;
    if (limits().keep_alive_max != 0
        && (keep_alive_ == 0 || keep_alive_ > limits().keep_alive_max)) {
        keep_alive_ = limits().keep_alive_max;
    }
    phase_ = phase::authenticating;
    const bool has_method = !connect_->method.empty();
    const std::string data(packet.properties.text(property::authentication_data).value_or(""));
    effects().authenticate(*this,
                           has_method ? credential_check::exchange_begin : credential_check::plain,
                           packet.password, data);
}

bool front::accept_client_id(const mqtt::connect_view& packet) {
    if (packet.client_id.size() > limits().client_id_length_max) {
        refuse(reason_code::client_identifier_not_valid,
               "the client identifier is longer than mqtt.client_id_length_max");
        return false;
    }
    if (packet.client_id.starts_with("$share/")) {
        refuse(reason_code::client_identifier_not_valid,
               "client identifiers that begin with $share/ are those of shared groups");
        return false;
    }
    if (!packet.client_id.empty()) {
        client_id_ = packet.client_id;
    } else if (is_v5() || (packet.clean_start && version_ == mqtt::protocol_version::v3_1_1)) {
        client_id_ = effects().assign_client_id();
        connect_->is_id_assigned = true;
    } else {
        refuse(reason_code::client_identifier_not_valid,
               "an empty client identifier needs a clean session"); // [MQTT-3.1.3-8]
        return false;
    }
    client_hash_ = hash64(client_id_);
    return true;
}

bool front::accept_will(const mqtt::connect_view& packet) {
    if (!packet.will) {
        return true;
    }
    const mqtt::will_view& will = *packet.will;
    if (will.quality > limits().quality_max) {
        refuse(reason_code::qos_not_supported, "the will asks for a QoS above the maximum");
        return false;
    }
    if (will.retain && !limits().retain_available) {
        refuse(reason_code::retain_not_supported, "retained messages are switched off");
        return false;
    }
    if (!is_valid_topic_name(will.topic) || count_levels(will.topic) > limits().topic_levels_max) {
        refuse(reason_code::topic_name_invalid, "the topic of the will is not valid");
        return false;
    }
    std::string properties;
    mqtt::append_forwardable_properties(will.properties, properties);
    publication content{
        .header = {.publisher = client_hash_, .quality = will.quality, .retain = will.retain},
        .topic = will.topic,
        .properties = properties,
        .payload = will.payload};
    will_message kept;
    // The expiry of a will counts from when it is published: kept as a span since time zero.
    if (const auto expiry = will.properties.number(property::message_expiry_interval)) {
        content.header.expires = time_point{} + std::chrono::seconds(*expiry);
    }
    kept.content = message::copy_of(content, message::reach::shared);
    kept.delay =
        std::chrono::seconds(will.properties.number(property::will_delay_interval).value_or(0));
    connect_->will = std::move(kept);
    return true;
}

void front::take_v5_properties(const mqtt::connect_view& packet) {
    const auto& given = packet.properties;
    v5_->receive_maximum =
        static_cast<std::uint16_t>(given.number(property::receive_maximum).value_or(65'535));
    v5_->packet_size_max = given.number(property::maximum_packet_size).value_or(0xffff'ffff);
    v5_->topic_alias_max = std::min(
        static_cast<std::uint16_t>(given.number(property::topic_alias_maximum).value_or(0)),
        limits().topic_alias_max_out);
    v5_->wants_problem_information =
        given.number(property::request_problem_information).value_or(1) != 0;
    connect_->wants_response_information =
        given.number(property::request_response_information).value_or(0) != 0;
    connect_->session_expiry = given.number(property::session_expiry_interval).value_or(0);
    connect_->method = given.text(property::authentication_method).value_or("");
    v5_->receive_maximum_announced = limits().receive_maximum;
    v5_->topic_alias_max_announced = limits().topic_alias_max_in;
}

void front::on_authenticated(const authentication_answer& answer) {
    if (phase_ == phase::connected) {
        on_reauthenticated(answer);
        return;
    }
    if (phase_ != phase::authenticating) {
        return;
    }
    is_exchange_open_ = false;
    switch (answer.result) {
    case authentication_answer::outcome::proceed:
        is_exchange_open_ = true;
        send_auth(reason_code::continue_authentication, answer.data);
        return;
    case authentication_answer::outcome::refused:
        refuse(answer.reason, answer.detail);
        return;
    case authentication_answer::outcome::accepted:
        break;
    }
    connect_->has_username = answer.username.has_value();
    connect_->username = answer.username.value_or("");
    connect_->authentication_data = answer.data;
    if (connect_->will
        && !effects().may_publish(*this, connect_->will->content->topic()).is_allowed) {
        refuse(reason_code::not_authorized, "the will may not be published to its topic");
        return;
    }
    request_attach();
}

void front::request_attach() {
    phase_ = phase::attaching;
    const std::uint32_t expiry =
        std::min(connect_->session_expiry, is_v5() ? limits().session_expiry_max : 0xffff'ffff);
    outlives_connection_ = expiry != 0;
    effects().attach(*this,
                     {.client_id = client_id_,
                      .will = std::move(connect_->will),
                      .connected_at = effects().next_stamp(),
                      .session_expiry = expiry,
                      .receive_maximum = is_v5() ? v5_->receive_maximum : limits().in_flight_max_v3,
                      .clean_start = connect_->clean_start,
                      .is_v5 = is_v5()});
}

void front::on_attached(attached answer) {
    if (phase_ != phase::attaching) {
        return;
    }
    epoch_ = answer.epoch;
    is_held_by_home_ = answer.is_held_by_home;
    for (const packet_id id : answer.inbound) {
        inbound_ids().insert(id.value);
    }
    mqtt::connack_view packet{.session_present = answer.session_present};
    const std::string properties = connack_properties();
    packet.properties = mqtt::property_view(properties);
    if (!send(mqtt::packet_type::connack, packet)) {
        refuse(reason_code::packet_too_large,
               "CONNACK is larger than the client's Maximum Packet Size");
        return;
    }
    phase_ = phase::connected;
    last_receipt_ = now();
    if (connect_->username.empty() && connect_->method.empty() && !connect_->has_username) {
        connect_.reset(); // nothing of it is needed again
    }
}

std::string front::connack_properties() const {
    mqtt::property_writer given;
    if (!is_v5()) {
        return {};
    }
    if (connect_->session_expiry > limits().session_expiry_max) {
        given.add(property::session_expiry_interval, limits().session_expiry_max);
    }
    if (v5_->receive_maximum_announced != 65'535) {
        given.add(property::receive_maximum, v5_->receive_maximum_announced);
    }
    if (limits().quality_max != qos::exactly_once) {
        given.add(property::maximum_qos, static_cast<std::uint32_t>(limits().quality_max));
    }
    if (!limits().retain_available) {
        given.add(property::retain_available, 0U);
    }
    given.add(property::maximum_packet_size, limits().packet_size_max);
    if (connect_->is_id_assigned) {
        given.add(property::assigned_client_identifier, client_id_);
    }
    if (v5_->topic_alias_max_announced != 0) {
        given.add(property::topic_alias_maximum, v5_->topic_alias_max_announced);
    }
    if (keep_alive_ != connect_->asked_keep_alive) {
        given.add(property::server_keep_alive, keep_alive_);
    }
    if (!limits().wildcards_available) {
        given.add(property::wildcard_subscription_available, 0U);
    }
    if (!limits().subscription_ids_available) {
        given.add(property::subscription_identifier_available, 0U);
    }
    if (!limits().shared_available) {
        given.add(property::shared_subscription_available, 0U);
    }
    if (connect_->wants_response_information && !limits().response_information.empty()) {
        given.add(property::response_information, response_information());
    }
    if (!connect_->method.empty()) {
        given.add(property::authentication_method, connect_->method);
        if (!connect_->authentication_data.empty()) {
            given.add(property::authentication_data, connect_->authentication_data);
        }
    }
    return std::string(given.view().raw());
}

// The option with each %c replaced by the client identifier.
std::string front::response_information() const {
    std::string text = limits().response_information;
    for (std::size_t at = text.find("%c"); at != std::string::npos; at = text.find("%c", at)) {
        text.replace(at, 2, client_id_);
        at += client_id_.size();
    }
    return text;
}

// A refused client gets CONNACK with an error and is closed [MQTT-3.2.2-7]; a v3 client the kindest
// return code that exists.
void front::refuse(reason_code reason, std::string_view detail) {
    reason = redirected(reason);
    refuse(reason, detail, reference_for(reason));
}

bool front::may_be_referred() const noexcept {
    return phase_ == phase::attaching && is_v5() && !connect_->is_id_assigned;
}

void front::on_referred(std::string_view address) {
    refuse(reason_code::use_another_server, "the session of this client lives there", address);
}

void front::refuse(reason_code reason, std::string_view detail, std::string_view reference) {
    phase_ = phase::closing;
    const std::string properties = farewell_properties(reference, detail);
    send(mqtt::packet_type::connack,
         mqtt::connack_view{.reason = reason, .properties = mqtt::property_view(properties)});
    effects().close(*this, close_cause::refused, reason, detail);
}

} // namespace gv::session
