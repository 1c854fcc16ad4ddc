// SPDX-License-Identifier: Apache-2.0
// CONNACK (3.2):  flags byte, reason byte, properties
// SUBSCRIBE (3.8): packet id, properties, then (filter string, options byte) until the end
// SUBACK (3.9), UNSUBACK (3.11): packet id, properties, then reason bytes until the end
// UNSUBSCRIBE (3.10): packet id, properties, then filter strings until the end
// PINGREQ, PINGRESP (3.12, 3.13): empty
// DISCONNECT (3.14), AUTH (3.15): reason byte, properties; what is left off is success and none
// Properties in 5.0 only; UNSUBACK has reasons, DISCONNECT a body and AUTH a meaning in 5.0 only.
#include "broker/mqtt/decode.hpp"

#include "base/topic.hpp"
#include "broker/mqtt/body_reader.hpp"

namespace gv::mqtt {

namespace {

using packet_result = result<packet_view, violation>;

constexpr packet_set client_only = bit_of(packet_type::connect) | bit_of(packet_type::subscribe)
                                   | bit_of(packet_type::unsubscribe)
                                   | bit_of(packet_type::pingreq);
constexpr packet_set server_only = bit_of(packet_type::connack) | bit_of(packet_type::suback)
                                   | bit_of(packet_type::unsuback) | bit_of(packet_type::pingresp);

/// CONNECT learns the version first, PUBLISH has flags of its own, the others are on the hot path.
constexpr packet_set checks_own_flags =
    bit_of(packet_type::connect) | bit_of(packet_type::publish) | bit_of(packet_type::puback)
    | bit_of(packet_type::pubrec) | bit_of(packet_type::pubrel) | bit_of(packet_type::pubcomp);

std::optional<violation> check_sender(packet_type type, protocol_version version,
                                      peer from) noexcept {
    const bool is_v5 = version == protocol_version::v5;
    if (type == packet_type{} || (type == packet_type::auth && !is_v5)) {
        return violation{.reason = reason_code::malformed_packet,
                         .text = "There is no packet of this type"};
    }
    packet_set forbidden = from == peer::client ? server_only : client_only;
    if (from == peer::server && !is_v5) {
        forbidden |= bit_of(packet_type::disconnect);
    }
    if ((forbidden & bit_of(type)) == 0) {
        return std::nullopt;
    }
    return violation{.reason = reason_code::protocol_error,
                     .text = from == peer::client ? "Only a server may send this packet"
                                                  : "Only a client may send this packet"};
}

rule_pair flags_rule(packet_type type) noexcept {
    if (type == packet_type::subscribe) {
        return {"MQTT-3.8.1-1", "MQTT-3.8.1-1"};
    }
    if (type == packet_type::unsubscribe) {
        return {"MQTT-3.10.1-1", "MQTT-3.10.1-1"};
    }
    if (type == packet_type::disconnect) {
        return {"MQTT-3.14.1-1", "MQTT-3.14.1-1"};
    }
    return {"MQTT-2.2.2-2", type == packet_type::auth ? "MQTT-3.15.1-1" : "MQTT-2.1.3-1"};
}

void check_flags(packet_type type, unsigned flags, body_reader& reader) noexcept {
    const bool is_request = type == packet_type::subscribe || type == packet_type::unsubscribe;
    // 3.1 allows DUP in requests and says nothing of the rest.
    reader.reject_unless(
        reader.version() == protocol_version::v3_1 || flags == (is_request ? 2U : 0U),
        reason_code::malformed_packet, flags_rule(type), "Reserved flags of the header are set");
}

reason_code read_v3_connack_reason(body_reader& reader) noexcept {
    const auto reason = reason_of_v3_connack(reader.u8());
    reader.reject_unless(reason.has_value(), reason_code::protocol_error, {"MQTT-3.2.2-6", ""},
                         "The return code of the CONNACK is reserved");
    return reason.value_or(reason_code::unspecified_error);
}

reason_code read_reason(packet_type type, rule_pair rule, peer from, body_reader& reader) noexcept {
    const auto reason = static_cast<reason_code>(reader.u8());
    reader.reject_unless(may_send(reason, type, from), reason_code::protocol_error, rule,
                         "The reason code does not belong into this packet");
    return reason;
}

packet_result decode_connack(body_reader& reader) {
    connack_view packet;
    const unsigned flags = reader.u8();
    packet.session_present = (flags & 1) != 0;
    // 3.1 does not use the first byte.
    if (reader.version() == protocol_version::v3_1) {
        packet.session_present = false;
    } else {
        reader.reject_unless((flags & ~1U) == 0, reason_code::malformed_packet,
                             {"", "MQTT-3.2.2-1"}, "Reserved flags of the CONNACK are set");
    }
    packet.reason = reader.is_v5() ? read_reason(packet_type::connack, {"", "MQTT-3.2.2-8"},
                                                 peer::server, reader)
                                   : read_v3_connack_reason(reader);
    reader.reject_unless(!packet.session_present || packet.reason == reason_code::success,
                         reason_code::protocol_error, {"MQTT-3.2.2-4", "MQTT-3.2.2-6"},
                         "A session is present though the connection is refused");
    packet.properties = reader.properties(bit_of(packet_type::connack));
    check_authentication(packet.properties, reader);
    return reader.finish<packet_view>(std::move(packet));
}

void check_v5_options(unsigned options, std::string_view filter, body_reader& reader) noexcept {
    reader.reject_unless((options & 0xc0) == 0, reason_code::malformed_packet, {"", "MQTT-3.8.3-5"},
                         "Reserved subscription options are set");
    reader.reject_unless((options & 3) != 3, reason_code::protocol_error, {},
                         "The QoS of a subscription is 3");
    reader.reject_unless((options & 0x30) != 0x30, reason_code::protocol_error, {},
                         "The retain handling of a subscription is 3");
    reader.reject_unless((options & 4) == 0 || !is_shared_filter(filter),
                         reason_code::protocol_error, {"", "MQTT-3.8.3-4"},
                         "No Local is set on a shared subscription");
}

subscription_request read_request(body_reader& reader) noexcept {
    subscription_request request{.filter = reader.text()};
    const unsigned options = reader.u8();
    request.quality = static_cast<qos>(options & 3);
    if (reader.is_v5()) {
        check_v5_options(options, request.filter, reader);
        request.no_local = (options & 4) != 0;
        request.retain_as_published = (options & 8) != 0;
        request.handling = static_cast<retain_handling>((options >> 4) & 3);
        return request;
    }
    const unsigned checked = reader.version() == protocol_version::v3_1 ? 3 : 0xff;
    reader.reject_unless((options & checked) < 3, reason_code::malformed_packet,
                         {"MQTT-3-8.3-4", ""}, "The QoS of a subscription is not 0, 1 or 2");
    return request;
}

packet_result decode_subscribe(body_reader& reader) {
    subscribe_view packet;
    packet.id = reader.id();
    packet.properties = reader.properties(bit_of(packet_type::subscribe));
    reader.reject_unless(!reader.at_end(), reason_code::protocol_error,
                         {"MQTT-3.8.3-3", "MQTT-3.8.3-2"}, "The SUBSCRIBE has no topic filter");
    while (!reader.at_end()) {
        packet.filters.push_back(read_request(reader));
    }
    return reader.finish<packet_view>(std::move(packet));
}

packet_result decode_unsubscribe(body_reader& reader) {
    unsubscribe_view packet;
    packet.id = reader.id();
    packet.properties = reader.properties(bit_of(packet_type::unsubscribe));
    reader.reject_unless(!reader.at_end(), reason_code::protocol_error,
                         {"MQTT-3.10.3-2", "MQTT-3.10.3-2"}, "The UNSUBSCRIBE has no topic filter");
    while (!reader.at_end()) {
        packet.filters.push_back(reader.text());
    }
    return reader.finish<packet_view>(std::move(packet));
}

reason_code read_v3_suback_reason(body_reader& reader) noexcept {
    const std::uint8_t code = reader.u8();
    reader.reject_unless(code <= 2 || code == 0x80, reason_code::protocol_error,
                         {"MQTT-3.9.3-2", ""}, "The return code of the SUBACK is reserved");
    return static_cast<reason_code>(code);
}

packet_result decode_suback(packet_type type, body_reader& reader) {
    suback_view packet{.type = type};
    packet.id = reader.id();
    packet.properties = reader.properties(bit_of(type));
    if (type == packet_type::unsuback && !reader.is_v5()) {
        return reader.finish<packet_view>(std::move(packet));
    }
    const rule_pair rule{"", type == packet_type::suback ? "MQTT-3.9.3-2" : "MQTT-3.11.3-2"};
    reader.reject_unless(!reader.at_end(), reason_code::protocol_error, {},
                         "The acknowledgement has no reason code");
    while (!reader.at_end()) {
        packet.reasons.push_back(reader.is_v5() ? read_reason(type, rule, peer::server, reader)
                                                : read_v3_suback_reason(reader));
    }
    return reader.finish<packet_view>(std::move(packet));
}

packet_result decode_disconnect(peer from, body_reader& reader) {
    disconnect_view packet;
    if (reader.is_v5() && !reader.at_end()) {
        packet.reason = read_reason(packet_type::disconnect, {"", "MQTT-3.14.2-1"}, from, reader);
    }
    if (reader.is_v5() && !reader.at_end()) {
        packet.properties = reader.properties(bit_of(packet_type::disconnect));
    }
    reader.reject_unless(from == peer::client
                             || !packet.properties.has(property::session_expiry_interval),
                         reason_code::protocol_error, {"", "MQTT-3.14.2-2"},
                         "A server sent a session expiry interval");
    return reader.finish<packet_view>(std::move(packet));
}

packet_result decode_auth(peer from, body_reader& reader) {
    auth_view packet;
    if (reader.at_end()) {
        reader.reject_unless(may_send(packet.reason, packet_type::auth, from),
                             reason_code::protocol_error, {"", "MQTT-3.15.2-1"},
                             "Only a server ends an authentication with success");
        return reader.finish<packet_view>(std::move(packet));
    }
    packet.reason = read_reason(packet_type::auth, {"", "MQTT-3.15.2-1"}, from, reader);
    if (!reader.at_end()) {
        packet.properties = reader.properties(bit_of(packet_type::auth));
    }
    reader.reject_unless(packet.reason == reason_code::success
                             || packet.properties.has(property::authentication_method),
                         reason_code::protocol_error, {}, "The AUTH has no authentication method");
    check_authentication(packet.properties, reader);
    return reader.finish<packet_view>(std::move(packet));
}

template <typename Packet, typename Decoder>
packet_result decode_in_place(Decoder decoder) {
    Packet packet;
    if (const std::optional<violation> fault = decoder(packet)) {
        return failure(*fault);
    }
    return packet;
}

} // namespace

packet_result decode(std::uint8_t first_byte, std::string_view body, protocol_version version,
                     peer from) {
    const auto type = static_cast<packet_type>(first_byte >> 4);
    if (const auto fault = check_sender(type, version, from)) {
        return failure(*fault);
    }
    body_reader reader(body, version);
    if ((checks_own_flags & bit_of(type)) == 0) {
        check_flags(type, first_byte & 0x0fU, reader);
    }
    switch (type) {
    case packet_type::connect:
        return decode_connect(first_byte, body);
    case packet_type::connack:
        return decode_connack(reader);
    case packet_type::publish:
        return decode_in_place<publish_view>([&](publish_view& packet) {
            return decode_publish(first_byte, body, version, from, packet);
        });
    case packet_type::puback:
    case packet_type::pubrec:
    case packet_type::pubrel:
    case packet_type::pubcomp:
        return decode_in_place<ack_view>(
            [&](ack_view& packet) { return decode_ack(first_byte, body, version, from, packet); });
    case packet_type::subscribe:
        return decode_subscribe(reader);
    case packet_type::suback:
    case packet_type::unsuback:
        return decode_suback(type, reader);
    case packet_type::unsubscribe:
        return decode_unsubscribe(reader);
    case packet_type::pingreq:
        return reader.finish<packet_view>(pingreq_view{});
    case packet_type::pingresp:
        return reader.finish<packet_view>(pingresp_view{});
    case packet_type::disconnect:
        return decode_disconnect(from, reader);
    case packet_type::auth:
        return decode_auth(from, reader);
    }
    return failure(violation{}); // check_sender has refused type 0
}

} // namespace gv::mqtt
