// SPDX-License-Identifier: Apache-2.0
#include "bench/load/wire.hpp"

#include <stdexcept>

namespace gv::load {

namespace {

std::string with_header(std::uint8_t first, std::string_view body) {
    std::string out;
    byte_writer writer(out);
    writer.u8(first);
    writer.variable(static_cast<std::uint32_t>(body.size()));
    writer.bytes(body);
    return out;
}

} // namespace

std::string encode_connect(std::string_view client_id, std::uint16_t keep_alive, bool is_clean) {
    constexpr std::uint8_t clean_session = 2;
    std::string body;
    byte_writer writer(body);
    writer.prefixed("MQTT");
    writer.u8(4);
    writer.u8(is_clean ? clean_session : std::uint8_t{0});
    writer.u16(keep_alive);
    writer.prefixed(client_id);
    return with_header(static_cast<std::uint8_t>(packet::connect), body);
}

std::string encode_subscribe(std::uint16_t packet_id, std::span<const std::string> filters,
                             unsigned qos) {
    std::string body;
    byte_writer writer(body);
    writer.u16(packet_id);
    for (const std::string& filter : filters) {
        writer.prefixed(filter);
        writer.u8(static_cast<std::uint8_t>(qos));
    }
    return with_header(static_cast<std::uint8_t>(packet::subscribe), body);
}

std::string encode_publish(std::string_view topic, std::string_view payload, publish_flags flags) {
    std::string body;
    byte_writer writer(body);
    writer.prefixed(topic);
    if (flags.qos > 0) {
        writer.u16(0);
    }
    writer.bytes(payload);
    const unsigned first = 0x30U | (flags.qos << 1) | (flags.retain ? 1U : 0U);
    return with_header(static_cast<std::uint8_t>(first), body);
}

std::string encode_bare(packet type) { return with_header(static_cast<std::uint8_t>(type), {}); }

frame_split split_frame_slow(const char* at, const char* end) {
    const auto available = static_cast<std::size_t>(end - at);
    std::size_t size = 0;
    for (std::size_t i = 1; i < available; ++i) {
        if (i > 4) {
            throw std::runtime_error("the broker sent a packet whose length takes over 4 bytes");
        }
        const auto byte = static_cast<std::uint8_t>(at[i]);
        size |= static_cast<std::size_t>(byte & 0x7f) << (7 * (i - 1));
        if ((byte & 0x80) == 0) {
            return {{static_cast<std::uint8_t>(at[0]), at + i + 1, size}, i + 1};
        }
    }
    return {};
}

} // namespace gv::load
