// SPDX-License-Identifier: Apache-2.0
#include "broker/mqtt/reason_code.hpp"

#include "broker/mqtt/packet.hpp"

#include <algorithm>
#include <array>

namespace gv::mqtt {

namespace {

using enum reason_sender;

constexpr packet_set connack = bit_of(packet_type::connack);
constexpr packet_set puback = bit_of(packet_type::puback);
constexpr packet_set pubrec = bit_of(packet_type::pubrec);
constexpr packet_set pubrel = bit_of(packet_type::pubrel);
constexpr packet_set pubcomp = bit_of(packet_type::pubcomp);
constexpr packet_set suback = bit_of(packet_type::suback);
constexpr packet_set unsuback = bit_of(packet_type::unsuback);
constexpr packet_set disconnect = bit_of(packet_type::disconnect);
constexpr packet_set auth = bit_of(packet_type::auth);

// clang-format off
constexpr reason_row rows[] = {
    {reason_code::success, "success", "Success", connack | puback | pubrec | pubrel | pubcomp | suback | unsuback | disconnect | auth, either, 0, 0},
    {reason_code::granted_qos_1, "granted_qos_1", "Granted QoS 1", suback, either, 0, 1},
    {reason_code::granted_qos_2, "granted_qos_2", "Granted QoS 2", suback, either, 0, 2},
    {reason_code::disconnect_with_will_message, "disconnect_with_will_message", "Disconnect with Will Message", disconnect, client, 0, 0},
    {reason_code::no_matching_subscribers, "no_matching_subscribers", "No matching subscribers", puback | pubrec, server, 0, 0},
    {reason_code::no_subscription_existed, "no_subscription_existed", "No subscription existed", unsuback, either, 0, 0},
    {reason_code::continue_authentication, "continue_authentication", "Continue authentication", auth, either, 0, 0},
    {reason_code::re_authenticate, "re_authenticate", "Re-authenticate", auth, client, 0, 0},
    {reason_code::unspecified_error, "unspecified_error", "Unspecified error", connack | puback | pubrec | suback | unsuback | disconnect, either, 3, 0x80},
    {reason_code::malformed_packet, "malformed_packet", "Malformed Packet", connack | disconnect, either, 5, 0x80},
    {reason_code::protocol_error, "protocol_error", "Protocol Error", connack | disconnect, either, 5, 0x80},
    {reason_code::implementation_specific_error, "implementation_specific_error", "Implementation specific error", connack | puback | pubrec | suback | unsuback | disconnect, either, 3, 0x80},
    {reason_code::unsupported_protocol_version, "unsupported_protocol_version", "Unsupported Protocol Version", connack, either, 1, 0x80},
    {reason_code::client_identifier_not_valid, "client_identifier_not_valid", "Client Identifier not valid", connack, either, 2, 0x80},
    {reason_code::bad_user_name_or_password, "bad_user_name_or_password", "Bad User Name or Password", connack, either, 4, 0x80},
    {reason_code::not_authorized, "not_authorized", "Not authorized", connack | puback | pubrec | suback | unsuback | disconnect, either, 5, 0x80},
    {reason_code::server_unavailable, "server_unavailable", "Server unavailable", connack, either, 3, 0x80},
    {reason_code::server_busy, "server_busy", "Server busy", connack | disconnect, server, 3, 0x80},
    {reason_code::banned, "banned", "Banned", connack, either, 5, 0x80},
    {reason_code::server_shutting_down, "server_shutting_down", "Server shutting down", disconnect, server, 3, 0x80},
    {reason_code::bad_authentication_method, "bad_authentication_method", "Bad authentication method", connack | disconnect, server, 5, 0x80},
    {reason_code::keep_alive_timeout, "keep_alive_timeout", "Keep Alive timeout", disconnect, server, 3, 0x80},
    {reason_code::session_taken_over, "session_taken_over", "Session taken over", disconnect, server, 3, 0x80},
    {reason_code::topic_filter_invalid, "topic_filter_invalid", "Topic Filter invalid", suback | unsuback | disconnect, server, 5, 0x80},
    {reason_code::topic_name_invalid, "topic_name_invalid", "Topic Name invalid", connack | puback | pubrec | disconnect, either, 5, 0x80},
    {reason_code::packet_identifier_in_use, "packet_identifier_in_use", "Packet Identifier in use", puback | pubrec | suback | unsuback, either, 3, 0x80},
    {reason_code::packet_identifier_not_found, "packet_identifier_not_found", "Packet Identifier not found", pubrel | pubcomp, either, 5, 0x80},
    {reason_code::receive_maximum_exceeded, "receive_maximum_exceeded", "Receive Maximum exceeded", disconnect, either, 5, 0x80},
    {reason_code::topic_alias_invalid, "topic_alias_invalid", "Topic Alias invalid", disconnect, either, 5, 0x80},
    {reason_code::packet_too_large, "packet_too_large", "Packet too large", connack | disconnect, either, 5, 0x80},
    {reason_code::message_rate_too_high, "message_rate_too_high", "Message rate too high", disconnect, either, 3, 0x80},
    {reason_code::quota_exceeded, "quota_exceeded", "Quota exceeded", connack | puback | pubrec | suback | disconnect, either, 3, 0x80},
    {reason_code::administrative_action, "administrative_action", "Administrative action", disconnect, either, 3, 0x80},
    {reason_code::payload_format_invalid, "payload_format_invalid", "Payload format invalid", connack | puback | pubrec | disconnect, either, 5, 0x80},
    {reason_code::retain_not_supported, "retain_not_supported", "Retain not supported", connack | disconnect, server, 5, 0x80},
    {reason_code::qos_not_supported, "qos_not_supported", "QoS not supported", connack | disconnect, server, 5, 0x80},
    {reason_code::use_another_server, "use_another_server", "Use another server", connack | disconnect, server, 3, 0x80},
    {reason_code::server_moved, "server_moved", "Server moved", connack | disconnect, server, 3, 0x80},
    {reason_code::shared_subscriptions_not_supported, "shared_subscriptions_not_supported", "Shared Subscriptions not supported", suback | disconnect, server, 5, 0x80},
    {reason_code::connection_rate_exceeded, "connection_rate_exceeded", "Connection rate exceeded", connack | disconnect, server, 3, 0x80},
    {reason_code::maximum_connect_time, "maximum_connect_time", "Maximum connect time", disconnect, server, 3, 0x80},
    {reason_code::subscription_identifiers_not_supported, "subscription_identifiers_not_supported", "Subscription Identifiers not supported", suback | disconnect, server, 5, 0x80},
    {reason_code::wildcard_subscriptions_not_supported, "wildcard_subscriptions_not_supported", "Wildcard Subscriptions not supported", suback | disconnect, server, 5, 0x80},
};
// clang-format on

/// Row of each code, or null, so that finding one is one load.
constexpr auto rows_by_code = [] {
    std::array<const reason_row*, 256> found{};
    for (const reason_row& row : rows) {
        found[static_cast<std::uint8_t>(row.code)] = &row;
    }
    return found;
}();

constexpr reason_code v3_connack_reasons[] = {
    reason_code::success,
    reason_code::unsupported_protocol_version,
    reason_code::client_identifier_not_valid,
    reason_code::server_unavailable,
    reason_code::bad_user_name_or_password,
    reason_code::not_authorized,
};

const reason_row* row_of(reason_code code) noexcept {
    return find_reason(static_cast<std::uint8_t>(code));
}

} // namespace

std::span<const reason_row> reason_rows() noexcept { return rows; }

const reason_row* find_reason(std::uint8_t code) noexcept { return rows_by_code[code]; }

std::string_view reason_name(reason_code code) noexcept {
    const reason_row* row = row_of(code);
    return row != nullptr ? row->name : "unknown";
}

std::string_view reason_text(reason_code code) noexcept {
    const reason_row* row = row_of(code);
    return row != nullptr ? row->text : "Unknown reason";
}

std::uint8_t v3_connack(reason_code code) noexcept {
    const reason_row* row = row_of(code);
    return row != nullptr ? row->connack : v3_connack(reason_code::unspecified_error);
}

std::uint8_t v3_suback(reason_code code) noexcept {
    const reason_row* row = row_of(code);
    return row != nullptr ? row->suback : v3_suback(reason_code::unspecified_error);
}

std::optional<reason_code> reason_of_v3_connack(std::uint8_t code) noexcept {
    if (code >= std::size(v3_connack_reasons)) {
        return std::nullopt;
    }
    return v3_connack_reasons[code];
}

bool may_appear_in(reason_code code, packet_type type) noexcept {
    const reason_row* row = row_of(code);
    return row != nullptr && (row->packets & bit_of(type)) != 0;
}

bool may_send(reason_code code, packet_type type, peer from) noexcept {
    if (!may_appear_in(code, type)) {
        return false;
    }
    // Two codes whose sender depends on the packet: only a server ends an authentication with
    // success (3.15.2.1), and a client that disconnects does not say "not authorized" (3.14.2.1).
    if (type == packet_type::auth && code == reason_code::success) {
        return from == peer::server;
    }
    if (type == packet_type::disconnect && code == reason_code::not_authorized) {
        return from == peer::server;
    }
    const reason_sender sender = row_of(code)->sender;
    return sender == either || (sender == reason_sender::server) == (from == peer::server);
}

} // namespace gv::mqtt
