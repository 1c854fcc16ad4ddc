// SPDX-License-Identifier: Apache-2.0
// The client side of MQTT 3.1.1 as far as a load generator needs it, on its own two feet: it
// measures brokers and must not share a codec with one of them.
#pragma once

#include "base/bytes.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gv::load {

/// First byte of a packet, without the flags of PUBLISH.
enum class packet : std::uint8_t {
    connect = 0x10,
    connack = 0x20,
    publish = 0x30,
    puback = 0x40,
    pubrec = 0x50,
    pubrel = 0x62,
    pubcomp = 0x70,
    subscribe = 0x82,
    suback = 0x90,
    pingreq = 0xc0,
    pingresp = 0xd0,
    disconnect = 0xe0,
};

inline constexpr std::size_t ack_size = 4;

struct publish_flags {
    unsigned qos = 0;
    bool retain = false;
};

/// Clean session; keep alive in seconds, 0 for none.
[[nodiscard]] std::string encode_connect(std::string_view client_id, std::uint16_t keep_alive,
                                         bool is_clean = true);
[[nodiscard]] std::string encode_subscribe(std::uint16_t packet_id,
                                           std::span<const std::string> filters, unsigned qos);
/// With QoS above 0 the packet id is zero, to be filled in.
[[nodiscard]] std::string encode_publish(std::string_view topic, std::string_view payload,
                                         publish_flags flags);
[[nodiscard]] std::string encode_bare(packet type);

inline char* store_ack(char* at, packet type, std::uint16_t packet_id) noexcept {
    at = store_u8(at, static_cast<std::uint8_t>(type));
    at = store_u8(at, 2);
    return store_u16(at, packet_id);
}

/// A packet in a receive buffer. Of one that is being skipped (see connection) only the first
/// bytes are there.
struct frame {
    std::uint8_t first = 0;
    const char* body = nullptr;
    std::size_t size = 0; ///< of the body

    [[nodiscard]] bool is_publish() const noexcept { return (first & 0xf0) == 0x30; }
    [[nodiscard]] unsigned qos() const noexcept { return (first >> 1) & 3U; }
    [[nodiscard]] packet type() const noexcept { return static_cast<packet>(first); }
};

/// How much of a packet is there.
struct frame_split {
    frame value;
    std::size_t header = 0; ///< bytes of the fixed header; 0: not all of it is there
    [[nodiscard]] std::size_t total() const noexcept { return header + value.size; }
};

/// Reads the fixed header at `at`. Errors: throws std::runtime_error for a length of five bytes.
[[nodiscard]] frame_split split_frame_slow(const char* at, const char* end);

[[nodiscard]] inline frame_split split_frame(const char* at, const char* end) {
    if (end - at >= 2 && (at[1] & 0x80) == 0) [[likely]] {
        return {{static_cast<std::uint8_t>(at[0]), at + 2, static_cast<std::size_t>(at[1])}, 2};
    }
    return split_frame_slow(at, end);
}

/// Topic, packet id and payload of a PUBLISH.
struct publish_parts {
    std::string_view topic;
    std::uint16_t packet_id = 0;
    const char* payload = nullptr;
    std::size_t payload_size = 0;
};

[[nodiscard]] inline publish_parts split_publish(const frame& value) noexcept {
    const std::size_t topic_size = load_u16(value.body);
    const std::size_t id_at = 2 + topic_size;
    const std::size_t payload_at = id_at + (value.qos() == 0 ? 0U : 2U);
    if (payload_at > value.size) [[unlikely]] {
        return {};
    }
    return {{value.body + 2, topic_size},
            value.qos() == 0 ? std::uint16_t{0} : load_u16(value.body + id_at),
            value.body + payload_at,
            value.size - payload_at};
}

} // namespace gv::load
