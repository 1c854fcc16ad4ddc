// SPDX-License-Identifier: Apache-2.0
// CONNECT (3.1):
//   protocol name   string   "MQIsdp" for 3.1, else "MQTT"
//   level           byte     3, 4 or 5; bit 7: a bridge of Mosquitto's kind
//   connect flags   byte     user name, password, will retain, will QoS (2), will, clean start, 0
//   keep alive      u16      seconds
//   properties               5.0 only
//   client id       string
//   will            properties (5.0 only), topic string, payload binary; if the will flag is set
//   user name       string   if its flag is set
//   password        binary   if its flag is set
#include "broker/mqtt/body_reader.hpp"
#include "broker/mqtt/decode.hpp"

namespace gv::mqtt {

namespace {

constexpr unsigned clean_start_flag = 0x02;
constexpr unsigned will_flag = 0x04;
constexpr unsigned will_retain_flag = 0x20;
constexpr unsigned password_flag = 0x40;
constexpr unsigned username_flag = 0x80;

constexpr unsigned bridge_level = 0x80;

unsigned will_qos(unsigned flags) noexcept { return (flags >> 3) & 3U; }

bool is_name_of(protocol_version version, std::string_view name) noexcept {
    return name == (version == protocol_version::v3_1 ? "MQIsdp" : "MQTT");
}

/// The version of a level without its bridge bit, which 5.0 does not know.
std::optional<protocol_version> version_of_level(unsigned level) noexcept {
    switch (level) {
    case 3:
    case 3 | bridge_level:
        return protocol_version::v3_1;
    case 4:
    case 4 | bridge_level:
        return protocol_version::v3_1_1;
    case 5:
        return protocol_version::v5;
    default:
        return std::nullopt;
    }
}

void read_protocol(body_reader& reader, connect_view& packet) noexcept {
    const std::string_view name = reader.binary();
    const bool is_known = name == "MQTT" || name == "MQIsdp";
    reader.reject_unless(is_known, reason_code::unsupported_protocol_version,
                         {"MQTT-3.1.2-1", "MQTT-3.1.2-1"},
                         "The protocol name is neither MQTT nor MQIsdp");
    const unsigned level = reader.u8();
    const auto version = version_of_level(level);
    const bool is_supported = version && is_name_of(*version, name);
    reader.reject_unless(is_supported, reason_code::unsupported_protocol_version,
                         {"MQTT-3.1.2-2", "MQTT-3.1.2-2"},
                         "The protocol level is not 3 (MQIsdp), 4 or 5 (MQTT)");
    if (is_supported) {
        packet.version = *version;
        packet.is_bridge = (level & bridge_level) != 0;
        reader.set_version(*version);
    }
}

void check_will_flags(unsigned flags, body_reader& reader) noexcept {
    if ((flags & will_flag) != 0) {
        reader.reject_unless(will_qos(flags) != 3, reason_code::malformed_packet,
                             {"MQTT-3.1.2-14", "MQTT-3.1.2-12"}, "The QoS of the will is 3");
        return;
    }
    reader.reject_unless(will_qos(flags) == 0, reason_code::malformed_packet,
                         {"MQTT-3.1.2-13", "MQTT-3.1.2-11"}, "There is a QoS but no will");
    reader.reject_unless((flags & will_retain_flag) == 0, reason_code::malformed_packet,
                         {"MQTT-3.1.2-15", "MQTT-3.1.2-13"}, "There is a retain flag but no will");
}

unsigned read_flags(body_reader& reader, connect_view& packet) noexcept {
    const unsigned flags = reader.u8();
    packet.clean_start = (flags & clean_start_flag) != 0;
    // In 3.1 the lowest bit is not reserved but unused, and a user name need not come first.
    if (packet.version != protocol_version::v3_1) {
        reader.reject_unless((flags & 1) == 0, reason_code::malformed_packet,
                             {"MQTT-3.1.2-3", "MQTT-3.1.2-3"}, "The reserved connect flag is set");
    }
    if (packet.version != protocol_version::v5) {
        reader.reject_unless((flags & username_flag) != 0 || (flags & password_flag) == 0,
                             reason_code::malformed_packet, {"MQTT-3.1.2-22", ""},
                             "There is a password but no user name");
    }
    check_will_flags(flags, reader);
    return flags;
}

void check_client_id(const connect_view& packet, body_reader& reader) noexcept {
    if (!packet.client_id.empty() || packet.version == protocol_version::v5) {
        return;
    }
    reader.reject_unless(packet.version != protocol_version::v3_1,
                         reason_code::client_identifier_not_valid, {},
                         "MQTT 3.1 requires a client identifier");
    reader.reject_unless(packet.clean_start, reason_code::client_identifier_not_valid,
                         {"MQTT-3.1.3-8", ""},
                         "A session that is kept requires a client identifier");
}

void read_will(unsigned flags, body_reader& reader, connect_view& packet) noexcept {
    if ((flags & will_flag) == 0) {
        return;
    }
    will_view& will = packet.will.emplace();
    will.quality = static_cast<qos>(will_qos(flags));
    will.retain = (flags & will_retain_flag) != 0;
    will.properties = reader.properties(will_bit);
    if (const auto topic = will.properties.text(property::response_topic)) {
        check_response_topic(*topic, reader);
    }
    will.topic = reader.topic_name({"MQTT-4.7.1-1", "MQTT-4.7.1-1"});
    will.payload = reader.binary();
}

/// MQTT 3.1 lets the remaining length win over the flags: announced but absent is no fault.
bool is_present(unsigned flags, unsigned flag, const body_reader& reader) noexcept {
    return (flags & flag) != 0 && (reader.version() != protocol_version::v3_1 || !reader.at_end());
}

void read_credentials(unsigned flags, body_reader& reader, connect_view& packet) noexcept {
    if (is_present(flags, username_flag, reader)) {
        packet.username = reader.text();
    }
    if (is_present(flags, password_flag, reader)) {
        packet.password = reader.binary();
    }
}

} // namespace

std::optional<protocol_version> version_of_connect(std::string_view body) noexcept {
    body_reader reader(body, protocol_version::v3_1_1);
    connect_view packet;
    read_protocol(reader, packet);
    return reader.failed() ? std::nullopt : std::optional(packet.version);
}

result<connect_view, violation> decode_connect(std::uint8_t first_byte, std::string_view body) {
    body_reader reader(body, protocol_version::v3_1_1);
    connect_view packet;
    read_protocol(reader, packet);
    if (packet.version != protocol_version::v3_1) {
        reader.reject_unless((first_byte & 0x0f) == 0, reason_code::malformed_packet,
                             {"MQTT-2.2.2-2", "MQTT-2.1.3-1"},
                             "Reserved flags of the header are set");
    }
    const unsigned flags = read_flags(reader, packet);
    packet.keep_alive = reader.u16();
    packet.properties = reader.properties(bit_of(packet_type::connect));
    check_authentication(packet.properties, reader);
    packet.client_id = reader.text();
    check_client_id(packet, reader);
    read_will(flags, reader, packet);
    read_credentials(flags, reader, packet);
    return reader.finish(std::move(packet));
}

} // namespace gv::mqtt
