// SPDX-License-Identifier: Apache-2.0
// One struct per MQTT control packet, for 3.1, 3.1.1 and 5.0 alike; the version is a parameter of
// decoding and encoding. Before 5.0 the properties are empty and reason codes pass through the v3
// column of their table. Decoded packets are views into the receive buffer, valid until it is
// consumed. Source: OASIS MQTT 3.1.1 and 5.0, chapter 3.
#pragma once

#include "base/ids.hpp"
#include "base/message.hpp"
#include "broker/mqtt/property.hpp"
#include "broker/mqtt/reason_code.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

namespace gv::mqtt {

enum class protocol_version : std::uint8_t { v3_1 = 3, v3_1_1 = 4, v5 = 5 };

enum class packet_type : std::uint8_t {
    connect = 1,
    connack,
    publish,
    puback,
    pubrec,
    pubrel,
    pubcomp,
    subscribe,
    suback,
    unsubscribe,
    unsuback,
    pingreq,
    pingresp,
    disconnect,
    auth
};

using gv::qos;

enum class retain_handling : std::uint8_t { always = 0, if_new = 1, never = 2 };

/// The peer broke the protocol: what it is told, the normative statement it broke, and where.
struct violation {
    reason_code reason = reason_code::malformed_packet;
    std::string_view rule{};  ///< static, e.g. "MQTT-3.1.2-3"; may be empty
    std::string_view text{};  ///< static, a sentence for the reason string and the log
    std::uint32_t offset = 0; ///< bytes from the start of the packet's body

    friend bool operator==(const violation&, const violation&) = default;
};

struct will_view {
    std::string_view topic{};
    std::string_view payload{};
    qos quality = qos::at_most_once;
    bool retain = false;
    property_view properties{};

    friend bool operator==(const will_view&, const will_view&) = default;
};

struct connect_view {
    protocol_version version = protocol_version::v3_1_1;
    bool is_bridge = false; ///< protocol level had bit 7 set (0x83, 0x84)
    bool clean_start = true;
    std::uint16_t keep_alive = 0; ///< seconds; 0 means none
    std::string_view client_id{};
    std::optional<will_view> will{};
    std::optional<std::string_view> username{};
    std::optional<std::string_view> password{};
    property_view properties{};

    friend bool operator==(const connect_view&, const connect_view&) = default;
};

struct connack_view {
    bool session_present = false;
    reason_code reason = reason_code::success;
    property_view properties{};

    friend bool operator==(const connack_view&, const connack_view&) = default;
};

/// PUBLISH, as received. Decoded in place, on the hot path.
struct publish_view {
    std::string_view topic{}; ///< empty if only an alias was sent
    std::string_view payload{};
    property_view properties{}; ///< all of them, as sent
    packet_id id{};             ///< 0 for QoS 0
    qos quality = qos::at_most_once;
    bool dup = false;
    bool retain = false;
    /// Whether `properties` holds any that the receiver keeps to itself (topic alias, message
    /// expiry, subscription identifier): if not, they may be forwarded byte for byte.
    bool has_hop_properties = false;
    std::uint16_t topic_alias = 0;                 ///< 0: none
    std::optional<std::uint32_t> message_expiry{}; ///< seconds

    friend bool operator==(const publish_view&, const publish_view&) = default;
};

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
struct ack_view {
    packet_type type = packet_type::puback;
    packet_id id{};
    reason_code reason = reason_code::success;
    property_view properties{};

    friend bool operator==(const ack_view&, const ack_view&) = default;
};

struct subscription_request {
    std::string_view filter{};
    qos quality = qos::at_most_once;
    bool no_local = false;
    bool retain_as_published = false;
    retain_handling handling = retain_handling::always;

    friend bool operator==(const subscription_request&, const subscription_request&) = default;
};

struct subscribe_view {
    packet_id id{};
    property_view properties{};
    std::vector<subscription_request> filters{}; ///< at least one

    friend bool operator==(const subscribe_view&, const subscribe_view&) = default;
};

struct unsubscribe_view {
    packet_id id{};
    property_view properties{};
    std::vector<std::string_view> filters{}; ///< at least one

    friend bool operator==(const unsubscribe_view&, const unsubscribe_view&) = default;
};

/// SUBACK or UNSUBACK.
struct suback_view {
    packet_type type = packet_type::suback;
    packet_id id{};
    property_view properties{};
    std::vector<reason_code> reasons{}; ///< empty for an UNSUBACK before 5.0

    friend bool operator==(const suback_view&, const suback_view&) = default;
};

struct pingreq_view {
    friend bool operator==(pingreq_view, pingreq_view) = default;
};
struct pingresp_view {
    friend bool operator==(pingresp_view, pingresp_view) = default;
};

struct disconnect_view {
    reason_code reason = reason_code::success;
    property_view properties{};

    friend bool operator==(const disconnect_view&, const disconnect_view&) = default;
};

struct auth_view {
    reason_code reason = reason_code::success;
    property_view properties{};

    friend bool operator==(const auth_view&, const auth_view&) = default;
};

using packet_view =
    std::variant<connect_view, connack_view, publish_view, ack_view, subscribe_view, suback_view,
                 unsubscribe_view, pingreq_view, pingresp_view, disconnect_view, auth_view>;

} // namespace gv::mqtt
