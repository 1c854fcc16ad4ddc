// SPDX-License-Identifier: Apache-2.0
// Encoding, in both directions and for every version. Structs are appended to a string; what is
// sent per message, PUBLISH and the acknowledgements, is written straight into the caller's memory.
//
// Requires throughout: strings of at most 65,535 bytes and packets of at most packet_size_max
// (asserted); for versions before 5.0 properties are left out and reason codes become the v3
// column of their table.
#pragma once

#include "base/bytes.hpp"
#include "broker/mqtt/packet.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace gv::mqtt {

/// In the version that the packet names.
void encode(const connect_view& packet, std::string& out);
void encode(const connack_view& packet, protocol_version version, std::string& out);
void encode(const publish_view& packet, protocol_version version, std::string& out);
void encode(const ack_view& packet, protocol_version version, std::string& out);
void encode(const subscribe_view& packet, protocol_version version, std::string& out);
void encode(const suback_view& packet, protocol_version version, std::string& out);
void encode(const unsubscribe_view& packet, protocol_version version, std::string& out);
void encode(const pingreq_view& packet, protocol_version version, std::string& out);
void encode(const pingresp_view& packet, protocol_version version, std::string& out);
/// Requires: from a server, version 5.0.
void encode(const disconnect_view& packet, protocol_version version, std::string& out);
/// Requires: version 5.0.
void encode(const auth_view& packet, protocol_version version, std::string& out);
/// Any of the above.
void encode(const packet_view& packet, protocol_version version, std::string& out);

/// A PUBLISH to be written, but for its payload. The two runs of encoded properties are written
/// one after the other, and left out before 5.0.
struct publish_parts {
    std::string_view topic{};     ///< empty if an alias is among `added`
    std::string_view forwarded{}; ///< properties that came with the message
    std::string_view added{}; ///< properties of this hop: alias, expiry, subscription identifiers
    packet_id id{};           ///< left out for QoS 0
    qos quality = qos::at_most_once;
    bool dup = false;
    bool retain = false;
};

namespace detail {

[[nodiscard]] inline std::size_t property_bytes(const publish_parts& parts) noexcept {
    return parts.forwarded.size() + parts.added.size();
}

/// Bytes between the fixed header and the payload.
[[nodiscard]] inline std::size_t variable_header_size(const publish_parts& parts,
                                                      protocol_version version) noexcept {
    std::size_t size = 2 + parts.topic.size() + (parts.quality != qos::at_most_once ? 2 : 0);
    if (version == protocol_version::v5) {
        const std::size_t properties = property_bytes(parts);
        size += variable_size(static_cast<std::uint32_t>(properties)) + properties;
    }
    return size;
}

} // namespace detail

/// Bytes of the whole packet without its payload of `payload_size` bytes.
[[nodiscard]] inline std::size_t publish_header_size(const publish_parts& parts,
                                                     std::size_t payload_size,
                                                     protocol_version version) noexcept {
    const std::size_t size = detail::variable_header_size(parts, version);
    return 1 + variable_size(static_cast<std::uint32_t>(size + payload_size)) + size;
}

/// Bytes of the whole packet; compare it with the receiver's maximum packet size.
[[nodiscard]] inline std::size_t publish_size(const publish_parts& parts, std::size_t payload_size,
                                              protocol_version version) noexcept {
    return publish_header_size(parts, payload_size, version) + payload_size;
}

/// Writes all but the payload, which then follows or is sent from where it is. Returns the end.
/// Requires: publish_header_size() bytes at `at`.
inline char* write_publish_header(char* at, const publish_parts& parts, std::size_t payload_size,
                                  protocol_version version) noexcept {
    const std::size_t remaining = detail::variable_header_size(parts, version) + payload_size;
    at = store_u8(at, static_cast<std::uint8_t>(0x30 | (parts.dup ? 8 : 0)
                                                | (static_cast<unsigned>(parts.quality) << 1)
                                                | (parts.retain ? 1 : 0)));
    at = store_variable(at, static_cast<std::uint32_t>(remaining));
    at = store_u16(at, static_cast<std::uint16_t>(parts.topic.size()));
    at = store_bytes(at, parts.topic);
    if (parts.quality != qos::at_most_once) {
        at = store_u16(at, parts.id.value);
    }
    if (version == protocol_version::v5) {
        at = store_variable(at, static_cast<std::uint32_t>(detail::property_bytes(parts)));
        at = store_bytes(at, parts.forwarded);
        at = store_bytes(at, parts.added);
    }
    return at;
}

/// Writes the whole packet and returns its end. Requires: publish_size() bytes at `at`.
inline char* write_publish(char* at, const publish_parts& parts, std::string_view payload,
                           protocol_version version) noexcept {
    return store_bytes(write_publish_header(at, parts, payload.size(), version), payload);
}

/// Most bytes that write_ack() writes.
inline constexpr std::size_t ack_size_max = 5;

/// Writes a PUBACK, PUBREC, PUBREL or PUBCOMP without properties, in its short form, and returns
/// its end: four bytes, five if the version is 5.0 and the reason is not success. Requires:
/// ack_size_max bytes at `at`.
inline char* write_ack(char* at, packet_type type, packet_id id, reason_code reason,
                       protocol_version version) noexcept {
    const bool has_reason = version == protocol_version::v5 && reason != reason_code::success;
    const unsigned flags = type == packet_type::pubrel ? 2 : 0;
    at = store_u8(at, static_cast<std::uint8_t>((static_cast<unsigned>(type) << 4) | flags));
    at = store_u8(at, has_reason ? 3 : 2);
    at = store_u16(at, id.value);
    return has_reason ? store_u8(at, static_cast<std::uint8_t>(reason)) : at;
}

} // namespace gv::mqtt
