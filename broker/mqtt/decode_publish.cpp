// SPDX-License-Identifier: Apache-2.0
// PUBLISH (3.3):            PUBACK, PUBREC, PUBREL, PUBCOMP (3.4 to 3.7):
//   topic name   string       packet id    u16
//   packet id    u16, QoS>0   reason       byte, 5.0 only, optional
//   properties   5.0 only     properties   5.0 only, optional
//   payload      the rest
#include "broker/mqtt/body_reader.hpp"
#include "broker/mqtt/decode.hpp"

namespace gv::mqtt {

namespace {

/// The statement that names the reason codes of an acknowledgement.
rule_pair reason_rule(packet_type type) noexcept {
    if (type == packet_type::puback) {
        return {"", "MQTT-3.4.2-1"};
    }
    if (type == packet_type::pubrec) {
        return {"", "MQTT-3.5.2-1"};
    }
    return {"", type == packet_type::pubrel ? "MQTT-3.6.2-1" : "MQTT-3.7.2-1"};
}

void read_publish_flags(unsigned flags, body_reader& reader, publish_view& out) noexcept {
    const unsigned quality = (flags >> 1) & 3U;
    reader.reject_unless(quality != 3, reason_code::malformed_packet,
                         {"MQTT-3.3.1-4", "MQTT-3.3.1-4"}, "The QoS is 3");
    out.quality = static_cast<qos>(quality);
    out.retain = (flags & 1) != 0;
    out.dup = (flags & 8) != 0;
    if (!out.dup || quality != 0) {
        return;
    }
    // 3.1 calls the combination meaningless, not wrong.
    out.dup = false;
    reader.reject_unless(reader.version() == protocol_version::v3_1, reason_code::malformed_packet,
                         {"MQTT-3.3.1-2", "MQTT-3.3.1-2"}, "DUP is set on a message of QoS 0");
}

/// An empty name may stand for an alias, which comes later.
void read_topic(body_reader& reader, publish_view& out) noexcept {
    out.topic = reader.text();
    if (!out.topic.empty() && is_plain_topic(out.topic)) {
        return;
    }
    reader.reject_unless(reader.is_v5() || !out.topic.empty(), reason_code::topic_name_invalid,
                         {"MQTT-4.7.3-1", ""}, "The topic name is empty");
    const bool has_wildcard = out.topic.contains('+') || out.topic.contains('#');
    reader.reject_unless(!has_wildcard, reason_code::topic_name_invalid,
                         {"MQTT-3.3.2-2", "MQTT-3.3.2-2"}, "The topic name holds a wildcard");
}

void read_publish_properties(body_reader& reader, peer from, publish_view& out) noexcept {
    out.properties = reader.properties(bit_of(packet_type::publish));
    bool has_identifier = false;
    for (const property_entry& entry : out.properties) {
        if (entry.id == property::topic_alias) {
            out.topic_alias = static_cast<std::uint16_t>(entry.number);
        } else if (entry.id == property::message_expiry_interval) {
            out.message_expiry = entry.number;
        } else if (entry.id == property::subscription_identifier) {
            has_identifier = true;
        } else if (entry.id == property::response_topic) {
            check_response_topic(entry.text, reader);
        }
    }
    out.has_hop_properties = has_identifier || out.topic_alias != 0 || out.message_expiry;
    reader.reject_unless(!has_identifier || from == peer::server, reason_code::protocol_error,
                         {"", "MQTT-3.3.4-6"}, "A client sent a subscription identifier");
    reader.reject_unless(!reader.is_v5() || !out.topic.empty() || out.topic_alias != 0,
                         reason_code::protocol_error, {"", "MQTT-4.7.3-1"},
                         "There is neither a topic name nor a topic alias");
}

void check_ack_flags(unsigned flags, packet_type type, body_reader& reader) noexcept {
    const bool is_release = type == packet_type::pubrel;
    // 3.1 allows DUP here and says nothing of the rest.
    reader.reject_unless(reader.version() == protocol_version::v3_1
                             || flags == (is_release ? 2U : 0U),
                         reason_code::malformed_packet,
                         is_release ? rule_pair{"MQTT-3.6.1-1", "MQTT-3.6.1-1"}
                                    : rule_pair{"MQTT-2.2.2-2", "MQTT-2.1.3-1"},
                         "Reserved flags of the header are set");
}

} // namespace

std::optional<violation> detail::decode_any_publish(std::uint8_t first_byte, std::string_view body,
                                                    protocol_version version, peer from,
                                                    publish_view& out) {
    out = {};
    body_reader reader(body, version);
    read_publish_flags(first_byte & 0x0fU, reader, out);
    read_topic(reader, out);
    if (out.quality != qos::at_most_once) {
        out.id = reader.id();
    }
    read_publish_properties(reader, from, out);
    out.payload = reader.rest();
    return reader.fault();
}

std::optional<violation> detail::decode_any_ack(std::uint8_t first_byte, std::string_view body,
                                                protocol_version version, peer from,
                                                ack_view& out) {
    out = {.type = static_cast<packet_type>(first_byte >> 4)};
    body_reader reader(body, version);
    check_ack_flags(first_byte & 0x0fU, out.type, reader);
    out.id = reader.id();
    if (reader.is_v5() && !reader.at_end()) {
        out.reason = static_cast<reason_code>(reader.u8());
        reader.reject_unless(may_send(out.reason, out.type, from), reason_code::protocol_error,
                             reason_rule(out.type),
                             "The reason code does not belong into this packet");
    }
    if (reader.is_v5() && !reader.at_end()) {
        out.properties = reader.properties(bit_of(out.type));
    }
    reader.expect_end();
    return reader.fault();
}

} // namespace gv::mqtt
