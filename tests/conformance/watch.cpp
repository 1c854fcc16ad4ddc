// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/watch.hpp"

namespace gv::conformance {
namespace {

void demand(bool holds, const std::string& complaint) {
    if (!holds) {
        throw wire_error("the broker broke a rule of every connection: " + complaint);
    }
}

std::uint32_t number(const json& properties, const char* name, std::uint32_t otherwise) {
    return properties.is_object() && properties.contains(name) ? number_of(properties.at(name))
                                                               : otherwise;
}

} // namespace

void watch::on_sent(const json& packet, protocol_level level) {
    const auto type = packet.at("packet").get<std::string>();
    level_ = level;
    if (type == "connect" && !asked_) {
        on_connect(packet);
    }
    const bool refused = packet.contains("reason") && number_of(packet.at("reason")) >= 0x80;
    if (type == "puback" || type == "pubcomp" || (type == "pubrec" && refused)) {
        in_flight_.erase(number_of(packet.at("id")));
    }
}

void watch::on_connect(const json& packet) {
    asked_ = true;
    const auto properties = packet.value("properties", json::object());
    if (const auto limit = number(properties, "maximum_packet_size", packet_size_max_); limit > 0) {
        packet_size_max_ = limit; // 0 is an error of the case's own making, and limits nothing
    }
    receive_max_ = number(properties, "receive_maximum", receive_max_);
    alias_max_ = number(properties, "topic_alias_maximum", 0);
    wants_problems_ = number(properties, "request_problem_information", 1) != 0;
    wants_response_information_ = number(properties, "request_response_information", 0) != 0;
    has_method_ = properties.is_object() && properties.contains("authentication_method");
}

void watch::on_received(json& packet, std::size_t size) {
    const auto type = packet.at("packet").get<std::string>();
    demand(size <= packet_size_max_, "larger than Maximum Packet Size [MQTT-3.1.2-24]");
    check_order(type, packet);
    const auto properties = packet.value("properties", json::object());
    check_problem_information(type, properties);
    demand(type != "disconnect" || !properties.contains("session_expiry_interval"),
           "session expiry in a server's DISCONNECT [MQTT-3.14.2-2]");
    if (type == "publish") {
        check_publish(packet);
    }
}

void watch::check_order(const std::string& type, const json& packet) {
    demand(!disconnected_, "a packet after DISCONNECT [MQTT-3.14.4-1]");
    const auto properties = packet.value("properties", json::object());
    if (type == "auth") {
        demand(has_method_, "AUTH without an authentication method [MQTT-4.12.0-6]");
        return;
    }
    if (type == "connack") {
        demand(!answered_, "a second CONNACK [MQTT-3.2.0-2]");
        demand(has_method_ || !properties.contains("authentication_method"),
               "an authentication method nobody asked for [MQTT-4.12.0-6]");
        demand(wants_response_information_ || !properties.contains("response_information"),
               "response information nobody asked for [MQTT-3.1.2-28]");
        answered_ = true;
        is_accepted_ = packet.at("reason") == 0;
        return;
    }
    demand(is_accepted_, type + " before a successful CONNACK [MQTT-3.2.0-1, MQTT-3.14.0-1]");
    disconnected_ = type == "disconnect";
}

void watch::check_problem_information(const std::string& type, const json& properties) const {
    if (wants_problems_ || type == "publish" || type == "connack" || type == "disconnect") {
        return;
    }
    demand(!properties.contains("reason_string") && !properties.contains("user_property"),
           "a reason string or user property that was declined [MQTT-3.1.2-29]");
}

void watch::check_publish(json& packet) {
    resolve_alias(packet);
    if (packet.at("qos") > 0) {
        count_in_flight(packet);
    }
}

void watch::resolve_alias(json& packet) {
    auto topic = packet.at("topic").get<std::string>();
    const auto alias = number(packet.at("properties"), "topic_alias", 0);
    demand(alias <= alias_max_, "topic alias above the client's maximum [MQTT-3.1.2-26]");
    if (alias > 0 && topic.empty()) {
        demand(aliases_.contains(alias), "a topic alias that stands for nothing [MQTT-3.3.2-7]");
        topic = aliases_.at(alias);
    } else if (alias > 0) {
        aliases_[alias] = topic;
    }
    demand(!topic.empty(), "an empty topic [MQTT-4.7.3-1]");
    packet["resolved_topic"] = topic;
}

void watch::count_in_flight(const json& packet) {
    const bool is_new = in_flight_.insert(packet.at("id").get<std::uint32_t>()).second;
    demand(is_new, "a packet identifier that is in use, or a message sent twice on one connection "
                   "[MQTT-2.2.1-4, MQTT-4.4.0-1]");
    demand(in_flight_.size() <= receive_max_, "more than Receive Maximum in flight [MQTT-3.3.4-9]");
}

} // namespace gv::conformance
