// SPDX-License-Identifier: Apache-2.0
// Enhanced authentication (MQTT 5, 3.15 and 4.12).
#include "broker/session/front.hpp"

namespace gv::session {

using mqtt::property;
using mqtt::reason_code;

void front::on_auth(const mqtt::auth_view& packet) {
    const std::string_view method =
        packet.properties.text(property::authentication_method).value_or("");
    if (!connect_ || connect_->method.empty() || method != connect_->method) {
        violate(reason_code::protocol_error,
                "AUTH with another method than CONNECT [MQTT-4.12.0-5]");
        return;
    }
    const bool continues = packet.reason == reason_code::continue_authentication;
    const bool begins_again =
        packet.reason == reason_code::re_authenticate && phase_ == phase::connected;
    if (!begins_again && !(continues && is_exchange_open_)) {
        violate(reason_code::protocol_error, "AUTH that does not continue an exchange");
        return;
    }
    is_exchange_open_ = false;
    const std::string data(packet.properties.text(property::authentication_data).value_or(""));
    effects().authenticate(*this,
                           begins_again ? credential_check::exchange_begin
                                        : credential_check::exchange_continue,
                           std::nullopt, data);
}

void front::on_reauthenticated(const authentication_answer& answer) {
    switch (answer.result) {
    case authentication_answer::outcome::proceed:
        is_exchange_open_ = true;
        send_auth(reason_code::continue_authentication, answer.data);
        return;
    case authentication_answer::outcome::accepted:
        send_auth(reason_code::success, answer.data);
        return;
    case authentication_answer::outcome::refused:
        disconnect(close_cause::protocol_violation, answer.reason, answer.detail);
        return;
    }
}

void front::send_auth(reason_code reason, std::string_view data) {
    mqtt::property_writer given;
    given.add(property::authentication_method, connect_->method);
    if (!data.empty()) {
        given.add(property::authentication_data, data);
    }
    const std::string properties(given.view().raw());
    send(mqtt::packet_type::auth,
         mqtt::auth_view{.reason = reason, .properties = mqtt::property_view(properties)});
}

} // namespace gv::session
