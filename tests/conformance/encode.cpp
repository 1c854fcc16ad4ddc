// SPDX-License-Identifier: Apache-2.0
// Symbolic form to bytes. Judges nothing: a case must be able to say what is forbidden.
#include "tests/conformance/wire.hpp"

#include <array>

namespace gv::conformance {
namespace {

void put(std::string& out, std::uint32_t value, unsigned bytes) {
    while (bytes-- > 0) {
        out.push_back(static_cast<char>(value >> (8 * bytes)));
    }
}

void put_variable(std::string& out, std::uint32_t value) {
    do {
        const std::uint32_t rest = value >> 7;
        put(out, (value & 0x7f) | (rest > 0 ? 0x80U : 0U), 1);
        value = rest;
    } while (value > 0);
}

void put_text(std::string& out, const json& field) {
    const auto bytes = text_of(field);
    put(out, static_cast<std::uint32_t>(bytes.size()), 2);
    out += bytes;
}

bool flag(const json& packet, const char* name, bool otherwise = false) {
    return number_of(packet.value(name, json(otherwise))) != 0;
}

std::uint32_t number(const json& packet, const char* name, std::uint32_t otherwise = 0) {
    return number_of(packet.value(name, json(otherwise)));
}

const json& empty_text() {
    static const json text = "";
    return text;
}

const json& field(const json& packet, const char* name) {
    return packet.contains(name) ? packet.at(name) : empty_text();
}

void put_value(std::string& out, wire_form form, const json& value) {
    switch (form) {
    case wire_form::byte:
        return put(out, number_of(value), 1);
    case wire_form::two_bytes:
        return put(out, number_of(value), 2);
    case wire_form::four_bytes:
        return put(out, number_of(value), 4);
    case wire_form::variable:
        return put_variable(out, number_of(value));
    case wire_form::text:
    case wire_form::binary:
        return put_text(out, value);
    case wire_form::text_pair:
        put_text(out, value.at(0));
        return put_text(out, value.at(1));
    }
}

void put_property(std::string& out, const std::string& name, const json& value) {
    const auto* row = find_property(name);
    if (row == nullptr) {
        throw wire_error("no property is called \"" + name + "\"");
    }
    const auto each = row->repeats && value.is_array() ? value : json::array({value});
    for (const auto& one : each) {
        put(out, row->id, 1);
        put_value(out, row->form, one);
    }
}

std::string property_block(const json& packet) {
    std::string block;
    const auto properties = packet.value("properties", json::object());
    if (properties.contains("hex")) {
        return text_of(properties);
    }
    if (properties.is_array()) {
        for (const auto& pair : properties) {
            put_property(block, pair.at(0), pair.at(1));
        }
    } else {
        for (const auto& [name, value] : properties.items()) {
            put_property(block, name, value);
        }
    }
    return block;
}

void put_properties(std::string& out, const json& packet, protocol_level level) {
    if (level < 5) {
        return;
    }
    const auto block = property_block(packet);
    put_variable(out, static_cast<std::uint32_t>(block.size()));
    out += block;
}

std::uint32_t connect_flags(const json& packet) {
    std::uint32_t flags = flag(packet, "clean_start", true) ? 0x02 : 0;
    if (packet.contains("will")) {
        const auto& will = packet.at("will");
        flags |= 0x04 | (number(will, "qos") << 3) | (flag(will, "retain") ? 0x20U : 0U);
    }
    flags |= packet.contains("password") ? 0x40U : 0U;
    flags |= packet.contains("username") ? 0x80U : 0U;
    return flags;
}

std::string connect_body(const json& packet, protocol_level level) {
    std::string body;
    put_text(body, packet.value("protocol", json(level == 3 ? "MQIsdp" : "MQTT")));
    put(body, number(packet, "level", static_cast<std::uint32_t>(level)), 1);
    put(body, number(packet, "connect_flags", connect_flags(packet)), 1);
    put(body, number(packet, "keep_alive"), 2);
    put_properties(body, packet, level);
    put_text(body, field(packet, "client_id"));
    if (packet.contains("will")) {
        const auto& will = packet.at("will");
        put_properties(body, will, level);
        put_text(body, field(will, "topic"));
        put_text(body, field(will, "payload"));
    }
    for (const char* name : {"username", "password"}) {
        if (packet.contains(name)) {
            put_text(body, packet.at(name));
        }
    }
    return body;
}

std::string publish_body(const json& packet, protocol_level level) {
    std::string body;
    put_text(body, field(packet, "topic"));
    if (packet.contains("id")) {
        put(body, number(packet, "id"), 2);
    }
    put_properties(body, packet, level);
    return body + text_of(field(packet, "payload"));
}

/// The reason and the properties may be left out from the end, which is how most senders do it;
/// "long": true writes them nevertheless.
void put_reason(std::string& body, const json& packet, protocol_level level) {
    if (level < 5) {
        return;
    }
    const bool properties = packet.contains("properties") || flag(packet, "long");
    if (properties || number(packet, "reason") != 0) {
        put(body, number(packet, "reason"), 1);
    }
    if (properties) {
        put_properties(body, packet, level);
    }
}

std::string ack_body(const json& packet, protocol_level level) {
    std::string body;
    put(body, number(packet, "id"), 2);
    put_reason(body, packet, level);
    return body;
}

std::string disconnect_body(const json& packet, protocol_level level) {
    std::string body;
    put_reason(body, packet, level);
    return body;
}

std::uint32_t subscription_options(const json& one) {
    return number(one, "qos") | (flag(one, "no_local") ? 0x04U : 0U)
           | (flag(one, "retain_as_published") ? 0x08U : 0U) | (number(one, "retain_handling") << 4)
           | (number(one, "reserved") << 6);
}

std::string subscribe_body(const json& packet, protocol_level level) {
    std::string body;
    put(body, number(packet, "id"), 2);
    put_properties(body, packet, level);
    for (const auto& one : packet.value("filters", json::array())) {
        put_text(body, one.at("filter"));
        put(body, subscription_options(one), 1);
    }
    return body;
}

std::string unsubscribe_body(const json& packet, protocol_level level) {
    std::string body;
    put(body, number(packet, "id"), 2);
    put_properties(body, packet, level);
    for (const auto& filter : packet.value("filters", json::array())) {
        put_text(body, filter);
    }
    return body;
}

/// For packets only a server may send: a client that sends one is what is tested.
std::string reasons_body(const json& packet, protocol_level level) {
    std::string body;
    put(body, number(packet, "id"), 2);
    put_properties(body, packet, level);
    for (const auto& reason : packet.value("reasons", json::array())) {
        put(body, number_of(reason), 1);
    }
    return body;
}

std::string connack_body(const json& packet, protocol_level level) {
    std::string body;
    put(body, flag(packet, "session_present") ? 1 : 0, 1);
    put(body, number(packet, "reason"), 1);
    put_properties(body, packet, level);
    return body;
}

std::string body_of(packet_kind kind, const json& packet, protocol_level level) {
    switch (kind) {
    case packet_kind::connect:
        return connect_body(packet, level);
    case packet_kind::connack:
        return connack_body(packet, level);
    case packet_kind::publish:
        return publish_body(packet, level);
    case packet_kind::puback:
    case packet_kind::pubrec:
    case packet_kind::pubrel:
    case packet_kind::pubcomp:
        return ack_body(packet, level);
    case packet_kind::subscribe:
        return subscribe_body(packet, level);
    case packet_kind::unsubscribe:
        return unsubscribe_body(packet, level);
    case packet_kind::suback:
    case packet_kind::unsuback:
        return reasons_body(packet, level);
    case packet_kind::disconnect:
    case packet_kind::auth:
        return disconnect_body(packet, level);
    case packet_kind::pingreq:
    case packet_kind::pingresp:
        return {};
    case packet_kind::will:
        break;
    }
    throw wire_error("a will is not a packet of its own");
}

std::uint32_t header_flags(packet_kind kind, const json& packet) {
    if (packet.contains("header_flags")) {
        return number(packet, "header_flags");
    }
    if (kind == packet_kind::publish) {
        return (flag(packet, "dup") ? 8U : 0U) | (number(packet, "qos") << 1)
               | (flag(packet, "retain") ? 1U : 0U);
    }
    const bool two = kind == packet_kind::pubrel || kind == packet_kind::subscribe
                     || kind == packet_kind::unsubscribe;
    return two ? 2 : 0;
}

} // namespace

std::string encode(const json& packet, protocol_level level) {
    const auto kind = kind_of(packet.at("packet").get<std::string>());
    auto body = body_of(kind, packet, level) + bytes_of_hex(packet.value("trailing", ""));
    std::string out;
    put(out, (static_cast<std::uint32_t>(kind) << 4) | header_flags(kind, packet), 1);
    if (packet.contains("remaining_length")) {
        out += bytes_of_hex(packet.at("remaining_length").get<std::string>());
    } else {
        put_variable(out, static_cast<std::uint32_t>(body.size()));
    }
    const auto cut = number(packet, "truncated");
    body.resize(body.size() - std::min<std::size_t>(cut, body.size()));
    return out + body;
}

} // namespace gv::conformance
