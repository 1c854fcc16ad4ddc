// SPDX-License-Identifier: Apache-2.0
// Cuts a byte stream into packets: fixed header = one byte of type and flags, then the remaining
// length as a variable byte integer of one to four bytes, then the body (MQTT 5, 2.1).
#pragma once

#include "broker/mqtt/packet.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gv::mqtt {

/// Largest value of a variable byte integer, thus of a remaining length.
inline constexpr std::uint32_t remaining_length_max = 268'435'455;
/// Largest packet: one byte of type, four of length, the body.
inline constexpr std::size_t packet_size_max = 5 + std::size_t{remaining_length_max};

enum class frame_state : std::uint8_t {
    partial,  ///< more bytes are needed
    complete, ///< a whole packet
    malformed ///< the remaining length is longer than four bytes, or than it need be
};

struct frame {
    frame_state state = frame_state::partial;
    std::uint8_t first_byte = 0;  ///< type and flags; valid if the buffer was not empty
    std::uint8_t header_size = 0; ///< 2 to 5; 0 while not known
    std::size_t size = 0;         ///< the whole packet, header included; 0 while not known
    std::string_view body;        ///< what has arrived of it: all of it only when complete

    [[nodiscard]] packet_type type() const noexcept {
        return static_cast<packet_type>(first_byte >> 4);
    }
};

/// What is wrong with a malformed frame. [MQTT-1.5.5-1]
inline constexpr violation malformed_length{
    .reason = reason_code::malformed_packet,
    .rule = "MQTT-1.5.5-1",
    .text = "The remaining length is not a variable byte integer of one to four bytes",
    .offset = 0};

/// The frame at the start of `buffer`. As soon as the header has arrived `size` is known, so that
/// a packet over the limit can be refused before its body is received. A partial frame without
/// size needs at least one byte more. Lifetime: the body points into `buffer`.
[[nodiscard]] inline frame next_frame(std::string_view buffer) noexcept {
    frame found;
    if (buffer.empty()) {
        return found;
    }
    found.first_byte = static_cast<std::uint8_t>(buffer[0]);
    std::size_t length = 0;
    for (std::size_t at = 1; at < 5; ++at) {
        if (at == buffer.size()) {
            return found;
        }
        const auto byte = static_cast<std::uint8_t>(buffer[at]);
        length |= static_cast<std::size_t>(byte & 0x7f) << (7 * (at - 1));
        if ((byte & 0x80) != 0) {
            continue;
        }
        if (byte == 0 && at > 1) {
            break;
        }
        found.header_size = static_cast<std::uint8_t>(at + 1);
        found.size = found.header_size + length;
        found.state = buffer.size() >= found.size ? frame_state::complete : frame_state::partial;
        found.body = buffer.substr(found.header_size, length);
        return found;
    }
    found.state = frame_state::malformed;
    return found;
}

} // namespace gv::mqtt
