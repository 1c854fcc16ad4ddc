// SPDX-License-Identifier: Apache-2.0
// Decoding: the body of a frame becomes a packet, or a violation. Total: any bytes give one of the
// two. Everything that one packet alone can do wrong is found here; what depends on the session
// (packet identifiers in use, limits, order) is not, and neither is the form of topic filters, for
// a bad filter is answered in its SUBACK.
//
// Reasons of violations are those of MQTT 5 whatever the version; rules are those of the version.
// Decoded packets point into the body.
#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "broker/mqtt/packet.hpp"
#include "broker/mqtt/utf8.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace gv::mqtt {

/// Any packet. CONNECT says its own version, for it `version` is ignored. A packet that `from` may
/// not send is a protocol error.
[[nodiscard]] result<packet_view, violation> decode(std::uint8_t first_byte, std::string_view body,
                                                    protocol_version version, peer from);

[[nodiscard]] result<connect_view, violation> decode_connect(std::uint8_t first_byte,
                                                             std::string_view body);

/// The version that the body of a CONNECT asks for, to answer in it even if the rest is wrong;
/// nothing if protocol name or level are unknown or cut off.
[[nodiscard]] std::optional<protocol_version> version_of_connect(std::string_view body) noexcept;

namespace detail {
/// Everything that the inline paths leave out: they give up at the first unusual thing.
[[nodiscard]] std::optional<violation> decode_any_publish(std::uint8_t first_byte,
                                                          std::string_view body,
                                                          protocol_version version, peer from,
                                                          publish_view& out);
[[nodiscard]] std::optional<violation> decode_any_ack(std::uint8_t first_byte,
                                                      std::string_view body,
                                                      protocol_version version, peer from,
                                                      ack_view& out);
} // namespace detail

/// PUBLISH, on the hot path. Requires: the type bits of `first_byte` say so. `out` is overwritten;
/// after a violation it holds no meaning.
[[nodiscard]] inline std::optional<violation> decode_publish(std::uint8_t first_byte,
                                                             std::string_view body,
                                                             protocol_version version, peer from,
                                                             publish_view& out) {
    // Plain: sound flags, a topic of printable ASCII without wildcards, no properties.
    const unsigned quality = (first_byte >> 1) & 3U;
    const bool dup = (first_byte & 0x08) != 0;
    const std::size_t topic_size = body.size() >= 2 ? load_u16(body.data()) : 0;
    const std::size_t after_topic = 2 + topic_size;
    const std::size_t header_size =
        after_topic + (quality != 0 ? 2 : 0) + (version == protocol_version::v5 ? 1 : 0);
    if (quality == 3 || (dup && quality == 0) || topic_size == 0 || body.size() < header_size
        || !is_plain_topic(body.substr(2, topic_size))) [[unlikely]] {
        return detail::decode_any_publish(first_byte, body, version, from, out);
    }
    const std::uint16_t id = quality != 0 ? load_u16(body.data() + after_topic) : std::uint16_t{0};
    if ((quality != 0 && id == 0)
        || (version == protocol_version::v5 && body[header_size - 1] != 0)) {
        return detail::decode_any_publish(first_byte, body, version, from, out);
    }
    out.topic = {body.data() + 2, topic_size};
    out.payload = {body.data() + header_size, body.size() - header_size};
    out.properties = {};
    out.id = packet_id{id};
    out.quality = static_cast<qos>(quality);
    out.dup = dup;
    out.retain = (first_byte & 1) != 0;
    out.has_hop_properties = false;
    out.topic_alias = 0;
    out.message_expiry.reset();
    return std::nullopt;
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP, on the hot path. Requires: the type bits of `first_byte` say
/// so. `out` is overwritten; after a violation it holds no meaning.
[[nodiscard]] inline std::optional<violation> decode_ack(std::uint8_t first_byte,
                                                         std::string_view body,
                                                         protocol_version version, peer from,
                                                         ack_view& out) {
    const auto type = static_cast<packet_type>(first_byte >> 4);
    const unsigned flags = type == packet_type::pubrel ? 2 : 0;
    if (body.size() != 2 || (first_byte & 0x0fU) != flags || (body[0] | body[1]) == 0)
        [[unlikely]] {
        return detail::decode_any_ack(first_byte, body, version, from, out);
    }
    out.type = type;
    out.id = packet_id{load_u16(body.data())};
    out.reason = reason_code::success;
    out.properties = {};
    return std::nullopt;
}

} // namespace gv::mqtt
