// SPDX-License-Identifier: Apache-2.0
// Bytes on the wire, written field by field: `wire(0x30, 7, u16(3), "a/b", "hi")`.
#pragma once

#include "broker/mqtt/decode.hpp"
#include "broker/mqtt/frame.hpp"

#include <concepts>
#include <stdexcept>
#include <string>
#include <string_view>

namespace gv::mqtt {

inline constexpr auto v3_1 = protocol_version::v3_1;
inline constexpr auto v3_1_1 = protocol_version::v3_1_1;
inline constexpr auto v5 = protocol_version::v5;
inline constexpr protocol_version versions[] = {v3_1, v3_1_1, v5};

/// A number of two bytes.
inline std::string u16(unsigned value) {
    return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

/// A string with its length before it.
inline std::string text(std::string_view value) {
    return u16(static_cast<unsigned>(value.size())) + std::string(value);
}

inline void append_field(std::string& out, std::string_view bytes) { out += bytes; }
template <std::integral Byte>
void append_field(std::string& out, Byte byte) {
    out += static_cast<char>(byte);
}

template <typename... Fields>
std::string wire(const Fields&... fields) {
    std::string out;
    (append_field(out, fields), ...);
    return out;
}

/// A packet with its remaining length filled in.
template <typename... Fields>
std::string packet(unsigned first_byte, const Fields&... fields) {
    const std::string body = wire(fields...);
    char length[4];
    const char* end = store_variable(length, static_cast<std::uint32_t>(body.size()));
    return wire(first_byte, std::string_view(length, static_cast<std::size_t>(end - length)), body);
}

/// Decodes bytes that are exactly one packet. Lifetime: views into `bytes`.
inline result<packet_view, violation> decode_whole(std::string_view bytes, protocol_version version,
                                                   peer from) {
    const frame found = next_frame(bytes);
    if (found.state != frame_state::complete || found.size != bytes.size()) {
        throw std::logic_error("the bytes are not one whole packet");
    }
    return decode(found.first_byte, found.body, version, from);
}

} // namespace gv::mqtt
