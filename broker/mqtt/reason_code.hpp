// SPDX-License-Identifier: Apache-2.0
// Reason codes: the alphabet in which peers tell each other how something went. One row per code
// in reason_code.cpp gives its label, its text, the packets it may stand in and its MQTT 3 values;
// everything else is derived from that table. Source: OASIS MQTT 5.0, 2.4 and chapter 3.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace gv::mqtt {

enum class packet_type : std::uint8_t;

/// Which end of a connection sent a packet.
enum class peer : std::uint8_t { client, server };

/// A set of packet types: bit n stands for the packet type with value n. Bit 0, which is no packet
/// type, stands for the will inside a CONNECT (it has properties of its own).
using packet_set = std::uint16_t;

inline constexpr packet_set will_bit = 1;

[[nodiscard]] constexpr packet_set bit_of(packet_type type) noexcept {
    return static_cast<packet_set>(1U << static_cast<unsigned>(type));
}

enum class reason_code : std::uint8_t {
    success = 0x00,
    normal_disconnection = 0x00, ///< 0x00 in a DISCONNECT
    granted_qos_0 = 0x00,        ///< 0x00 in a SUBACK
    granted_qos_1 = 0x01,
    granted_qos_2 = 0x02,
    disconnect_with_will_message = 0x04,
    no_matching_subscribers = 0x10,
    no_subscription_existed = 0x11,
    continue_authentication = 0x18,
    re_authenticate = 0x19,
    unspecified_error = 0x80,
    malformed_packet = 0x81,
    protocol_error = 0x82,
    implementation_specific_error = 0x83,
    unsupported_protocol_version = 0x84,
    client_identifier_not_valid = 0x85,
    bad_user_name_or_password = 0x86,
    not_authorized = 0x87,
    server_unavailable = 0x88,
    server_busy = 0x89,
    banned = 0x8a,
    server_shutting_down = 0x8b,
    bad_authentication_method = 0x8c,
    keep_alive_timeout = 0x8d,
    session_taken_over = 0x8e,
    topic_filter_invalid = 0x8f,
    topic_name_invalid = 0x90,
    packet_identifier_in_use = 0x91,
    packet_identifier_not_found = 0x92,
    receive_maximum_exceeded = 0x93,
    topic_alias_invalid = 0x94,
    packet_too_large = 0x95,
    message_rate_too_high = 0x96,
    quota_exceeded = 0x97,
    administrative_action = 0x98,
    payload_format_invalid = 0x99,
    retain_not_supported = 0x9a,
    qos_not_supported = 0x9b,
    use_another_server = 0x9c,
    server_moved = 0x9d,
    shared_subscriptions_not_supported = 0x9e,
    connection_rate_exceeded = 0x9f,
    maximum_connect_time = 0xa0,
    subscription_identifiers_not_supported = 0xa1,
    wildcard_subscriptions_not_supported = 0xa2,
};

/// Who may send a code where both ends may send the packet.
enum class reason_sender : std::uint8_t { either, client, server };

struct reason_row {
    reason_code code;
    std::string_view name; ///< label of metrics, e.g. "topic_filter_invalid"
    std::string_view text; ///< for people, e.g. "Topic Filter invalid"
    packet_set packets;    ///< packets that may carry it
    reason_sender sender;
    std::uint8_t connack; ///< return code of a CONNACK before 5.0
    std::uint8_t suback;  ///< return code of a SUBACK before 5.0
};

/// The whole table, by rising code.
[[nodiscard]] std::span<const reason_row> reason_rows() noexcept;

/// Row of `code`; null if MQTT does not define it.
[[nodiscard]] const reason_row* find_reason(std::uint8_t code) noexcept;

/// "unknown" for a code that MQTT does not define. Lifetime: static.
[[nodiscard]] std::string_view reason_name(reason_code code) noexcept;

/// "Unknown reason" for a code that MQTT does not define. Lifetime: static.
[[nodiscard]] std::string_view reason_text(reason_code code) noexcept;

[[nodiscard]] constexpr bool is_error(reason_code code) noexcept {
    return static_cast<std::uint8_t>(code) >= 0x80;
}

/// Return code of a CONNACK before 5.0, 0 to 5. Where none says what `code` says: 3 (server
/// unavailable) if trying again may help, else 5 (not authorized).
[[nodiscard]] std::uint8_t v3_connack(reason_code code) noexcept;

/// Return code of a SUBACK before 5.0: 0, 1, 2 or 0x80.
[[nodiscard]] std::uint8_t v3_suback(reason_code code) noexcept;

/// What the return code of a CONNACK before 5.0 means; nothing for 6 and above, which are reserved.
[[nodiscard]] std::optional<reason_code> reason_of_v3_connack(std::uint8_t code) noexcept;

/// Whether packets of `type` may carry `code`.
[[nodiscard]] bool may_appear_in(reason_code code, packet_type type) noexcept;

/// As may_appear_in, and whether that end of the connection may send it.
[[nodiscard]] bool may_send(reason_code code, packet_type type, peer from) noexcept;

} // namespace gv::mqtt
