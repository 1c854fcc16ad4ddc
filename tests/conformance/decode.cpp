// SPDX-License-Identifier: Apache-2.0
// Bytes from a server to the symbolic form, as strict as the specification: whatever a server may
// not send throws, with the statement it breaks, in whichever case it happens.
#include "tests/conformance/wire.hpp"

#include <algorithm>
#include <initializer_list>

namespace gv::conformance {
namespace {

void demand(bool holds, const std::string& complaint) {
    if (!holds) {
        throw wire_error("the broker's packet is malformed: " + complaint);
    }
}

/// Reads a body front to back; running out of bytes is the sender's error.
class reader {
  public:
    explicit reader(std::string_view bytes) : bytes_(bytes) {}

    [[nodiscard]] bool at_end() const { return bytes_.empty(); }
    std::string take(std::size_t count) {
        demand(count <= bytes_.size(), "a field is longer than the packet");
        const auto taken = bytes_.substr(0, count);
        bytes_.remove_prefix(count);
        return std::string(taken);
    }
    std::string rest() { return take(bytes_.size()); }
    std::uint32_t number(std::size_t count) {
        std::uint32_t value = 0;
        for (const char byte : take(count)) {
            value = (value << 8) | static_cast<unsigned char>(byte);
        }
        return value;
    }
    std::string binary() { return take(number(2)); }
    std::string text() {
        auto bytes = binary();
        demand(is_mqtt_text(bytes), "ill-formed UTF-8 or U+0000 in a string [MQTT-1.5.4-1]");
        return bytes;
    }
    std::uint32_t variable() {
        std::uint32_t value = 0;
        for (unsigned shift = 0; shift < 28; shift += 7) {
            const auto byte = number(1);
            value |= (byte & 0x7f) << shift;
            if ((byte & 0x80) == 0) {
                demand(byte != 0 || shift == 0,
                       "a length has bytes it does not need [MQTT-1.5.5-1]");
                return value;
            }
        }
        throw wire_error("the broker's packet is malformed: a variable byte integer of five bytes");
    }

  private:
    std::string_view bytes_;
};

json property_value(reader& in, wire_form form) {
    switch (form) {
    case wire_form::byte:
        return in.number(1);
    case wire_form::two_bytes:
        return in.number(2);
    case wire_form::four_bytes:
        return in.number(4);
    case wire_form::variable:
        return in.variable();
    case wire_form::text:
        return in.text();
    case wire_form::binary:
        return in.binary();
    case wire_form::text_pair: {
        auto name = in.text();
        auto value = in.text();
        return json::array({std::move(name), std::move(value)});
    }
    }
    throw wire_error("no such form");
}

void check_value(const property_row& row, const json& value) {
    const auto is = [&](std::string_view name) { return row.name == name; };
    if (is("receive_maximum") || is("maximum_packet_size") || is("topic_alias")
        || is("subscription_identifier")) {
        demand(value != 0, std::string(row.name) + " is zero");
    }
    if (row.form == wire_form::byte) {
        demand(value <= 1, std::string(row.name) + " is neither 0 nor 1");
    }
}

void read_property(reader& block, packet_kind kind, json& properties) {
    const auto id = block.variable();
    const auto* row = find_property(id);
    demand(row != nullptr, "there is no property " + std::to_string(id));
    const std::string name(row->name);
    demand(is_allowed(*row, kind), name + " is not allowed in " + std::string(name_of(kind)));
    auto value = property_value(block, row->form);
    check_value(*row, value);
    if (row->repeats) {
        properties[name].push_back(std::move(value));
        return;
    }
    demand(!properties.contains(name), name + " is there twice");
    properties[name] = std::move(value);
}

json read_properties(reader& in, packet_kind kind) {
    json properties = json::object();
    const auto bytes = in.take(in.variable());
    reader block(bytes);
    while (!block.at_end()) {
        read_property(block, kind, properties);
    }
    return properties;
}

void put_properties(json& packet, reader& in, packet_kind kind, protocol_level level) {
    packet["properties"] = level == 5 ? read_properties(in, kind) : json::object();
}

/// The reason codes a server may send in each packet (5.0, 2.4).
bool is_reason_of(packet_kind kind, std::uint32_t reason) {
    const auto among = [&](std::initializer_list<std::uint32_t> codes) {
        return std::ranges::find(codes, reason) != codes.end();
    };
    switch (kind) {
    case packet_kind::connack:
        return among({0,    0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
                      0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f});
    case packet_kind::puback:
    case packet_kind::pubrec:
        return among({0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99});
    case packet_kind::pubrel:
    case packet_kind::pubcomp:
        return among({0, 0x92});
    case packet_kind::suback:
        return among({0, 1, 2, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2});
    case packet_kind::unsuback:
        return among({0, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91});
    case packet_kind::disconnect:
        return among({0,    0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e,
                      0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
                      0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2});
    case packet_kind::auth:
        return among({0, 0x18});
    case packet_kind::connect:
    case packet_kind::publish:
    case packet_kind::subscribe:
    case packet_kind::unsubscribe:
    case packet_kind::pingreq:
    case packet_kind::pingresp:
    case packet_kind::will:
        break;
    }
    return false;
}

std::uint32_t checked_reason(packet_kind kind, std::uint32_t reason) {
    demand(is_reason_of(kind, reason), "reason " + std::to_string(reason)
                                           + " is not one of a server's "
                                           + std::string(name_of(kind)));
    return reason;
}

void read_connack(json& packet, reader& in, protocol_level level) {
    const auto flags = in.number(1);
    demand(flags <= 1, "reserved acknowledge flags are set [MQTT-3.2.2-1]");
    packet["session_present"] = flags == 1;
    const auto reason = in.number(1);
    demand(level == 5 || reason <= 5, "there is no return code " + std::to_string(reason));
    packet["reason"] = level == 5 ? checked_reason(packet_kind::connack, reason) : reason;
    put_properties(packet, in, packet_kind::connack, level);
    demand(reason == 0 || flags == 0, "session present in a refusal [MQTT-3.2.2-6]");
}

void read_publish(json& packet, reader& in, std::uint8_t first_byte, protocol_level level) {
    const auto qos = (first_byte >> 1) & 3;
    packet["dup"] = (first_byte & 8) != 0;
    packet["qos"] = qos;
    packet["retain"] = (first_byte & 1) != 0;
    demand(qos != 3, "QoS 3 [MQTT-3.3.1-4]");
    demand(qos != 0 || packet["dup"] == false, "DUP at QoS 0 [MQTT-3.3.1-2]");
    const auto topic = in.text();
    demand(topic.find_first_of("+#") == std::string::npos, "wildcard in a topic [MQTT-3.3.2-2]");
    packet["topic"] = topic;
    if (qos > 0) {
        packet["id"] = in.number(2);
        demand(packet["id"] != 0, "packet identifier 0 [MQTT-2.2.1-4]");
    }
    put_properties(packet, in, packet_kind::publish, level);
    packet["payload"] = in.rest();
}

void read_reason(json& packet, reader& in, packet_kind kind, protocol_level level) {
    packet["reason"] = in.at_end() ? 0 : checked_reason(kind, in.number(1));
    packet["properties"] = json::object();
    if (!in.at_end()) {
        put_properties(packet, in, kind, level);
    }
}

void read_ack(json& packet, reader& in, packet_kind kind, protocol_level level) {
    packet["id"] = in.number(2);
    if (level < 5) {
        return;
    }
    read_reason(packet, in, kind, level);
}

void read_reasons(json& packet, reader& in, packet_kind kind, protocol_level level) {
    packet["id"] = in.number(2);
    put_properties(packet, in, kind, level);
    packet["reasons"] = json::array();
    while (!in.at_end()) {
        const auto reason = in.number(1);
        const bool is_v3_suback = kind == packet_kind::suback && (reason <= 2 || reason == 0x80);
        demand(level == 5 || is_v3_suback, "return code " + std::to_string(reason));
        packet["reasons"].push_back(level == 5 ? checked_reason(kind, reason) : reason);
    }
}

void read_body(json& packet, reader& in, const frame& raw, protocol_level level) {
    const auto kind = static_cast<packet_kind>(raw.first_byte >> 4);
    switch (kind) {
    case packet_kind::connack:
        return read_connack(packet, in, level);
    case packet_kind::publish:
        return read_publish(packet, in, raw.first_byte, level);
    case packet_kind::puback:
    case packet_kind::pubrec:
    case packet_kind::pubrel:
    case packet_kind::pubcomp:
        return read_ack(packet, in, kind, level);
    case packet_kind::suback:
    case packet_kind::unsuback:
        return read_reasons(packet, in, kind, level);
    case packet_kind::pingresp:
        return;
    case packet_kind::disconnect:
    case packet_kind::auth:
        demand(level == 5, "a " + std::string(name_of(kind)) + " before 5.0");
        return read_reason(packet, in, kind, level);
    case packet_kind::connect:
    case packet_kind::subscribe:
    case packet_kind::unsubscribe:
    case packet_kind::pingreq:
    case packet_kind::will:
        break;
    }
    throw wire_error("a server may not send " + std::string(name_of(kind)));
}

/// How many bytes the length field has and what it says; nothing while it is incomplete.
struct length_field {
    std::size_t bytes;
    std::size_t value;
};

std::optional<length_field> length_of(std::string_view bytes) {
    std::size_t value = 0;
    for (std::size_t at = 1; at < bytes.size() && at <= 4; ++at) {
        const auto byte = static_cast<unsigned char>(bytes[at]);
        value |= static_cast<std::size_t>(byte & 0x7f) << (7 * (at - 1));
        if ((byte & 0x80) == 0) {
            demand(byte != 0 || at == 1, "remaining length is not minimal [MQTT-1.5.5-1]");
            return length_field{at, value};
        }
    }
    demand(bytes.size() < 5, "remaining length of five bytes");
    return std::nullopt;
}

} // namespace

std::optional<frame> take_frame(std::string& bytes) {
    const auto length = length_of(bytes);
    if (!length || bytes.size() < 1 + length->bytes + length->value) {
        return std::nullopt;
    }
    frame taken;
    taken.first_byte = static_cast<std::uint8_t>(bytes.front());
    taken.body = bytes.substr(1 + length->bytes, length->value);
    taken.size = 1 + length->bytes + length->value;
    bytes.erase(0, taken.size);
    return taken;
}

json decode(const frame& raw, protocol_level level) {
    const auto kind = static_cast<packet_kind>(raw.first_byte >> 4);
    json packet{{"packet", name_of(kind)}};
    const auto flags = raw.first_byte & 0x0f;
    const int expected = kind == packet_kind::pubrel ? 2 : 0;
    demand(kind == packet_kind::publish || flags == expected,
           "reserved header flags of " + std::string(name_of(kind)) + " [MQTT-2.1.3-1]");
    reader in(raw.body);
    read_body(packet, in, raw, level);
    demand(in.at_end(), "bytes after the last field");
    return packet;
}

} // namespace gv::conformance
