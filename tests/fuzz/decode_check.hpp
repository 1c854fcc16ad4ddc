// SPDX-License-Identifier: Apache-2.0
// What must hold for any bytes given to the decoder. An input is a byte of version, the first byte
// of a packet, and its body.
#pragma once

#include "base/assert.hpp"
#include "broker/mqtt/decode.hpp"
#include "broker/mqtt/describe.hpp"
#include "broker/mqtt/encode.hpp"
#include "broker/mqtt/frame.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace gv::mqtt {

inline protocol_version version_of_fuzz_byte(std::uint8_t byte) {
    return static_cast<protocol_version>(3 + byte % 3);
}

inline protocol_version version_of_packet(const packet_view& packet, protocol_version version) {
    const auto* connect = std::get_if<connect_view>(&packet);
    return connect != nullptr ? connect->version : version;
}

/// Encoded again, a packet decodes to itself.
inline void check_round_trip(const packet_view& packet, protocol_version version, peer from) {
    std::string bytes;
    encode(packet, version_of_packet(packet, version), bytes);
    const frame found = next_frame(bytes);
    BROKER_ASSERT(found.state == frame_state::complete && found.size == bytes.size(),
                  "an encoded packet is one frame");
    const auto again = decode(found.first_byte, found.body, version, from);
    BROKER_ASSERT(again.has_value(), "an encoded packet is valid");
    BROKER_ASSERT(*again == packet, "an encoded packet decodes to what it was made from");
}

inline void check_violation(const violation& fault, std::size_t body_size) {
    BROKER_ASSERT(is_error(fault.reason), "a violation has the code of an error");
    BROKER_ASSERT(!fault.text.empty(), "a violation says what is wrong");
    BROKER_ASSERT(fault.offset <= body_size, "a violation is within the packet");
    BROKER_ASSERT(!describe(fault).empty(), "a violation can be logged");
}

/// The quick inline decoders agree with the thorough ones.
inline void check_hot_paths(std::uint8_t first_byte, std::string_view body,
                            protocol_version version, peer from) {
    const auto type = static_cast<packet_type>(first_byte >> 4);
    if (type == packet_type::publish) {
        publish_view quick;
        publish_view thorough;
        const auto fault = decode_publish(first_byte, body, version, from, quick);
        BROKER_ASSERT(fault
                          == detail::decode_any_publish(first_byte, body, version, from, thorough),
                      "both paths find the same fault");
        BROKER_ASSERT(fault || quick == thorough, "both paths find the same packet");
    } else if (type >= packet_type::puback && type <= packet_type::pubcomp) {
        ack_view quick;
        ack_view thorough;
        const auto fault = decode_ack(first_byte, body, version, from, quick);
        BROKER_ASSERT(fault == detail::decode_any_ack(first_byte, body, version, from, thorough),
                      "both paths find the same fault");
        BROKER_ASSERT(fault || quick == thorough, "both paths find the same packet");
    }
}

inline void check_decode(const std::uint8_t* data, std::size_t size, peer from) {
    if (size < 2) {
        return;
    }
    const protocol_version version = version_of_fuzz_byte(data[0]);
    const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
    check_hot_paths(data[1], body, version, from);
    const auto decoded = decode(data[1], body, version, from);
    if (!decoded) {
        check_violation(decoded.error(), body.size());
        return;
    }
    BROKER_ASSERT(!describe(*decoded).empty(), "a packet can be logged");
    check_round_trip(*decoded, version, from);
}

} // namespace gv::mqtt
