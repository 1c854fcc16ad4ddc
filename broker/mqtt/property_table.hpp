// SPDX-License-Identifier: Apache-2.0
// The table of properties: what each is called, how it is encoded, where it may stand and what its
// value may be. Decoding, encoding, logging and tests read it. Source: OASIS MQTT 5.0, 2.2.2.2.
#pragma once

#include "base/result.hpp"
#include "broker/mqtt/packet.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace gv::mqtt {

enum class wire_type : std::uint8_t {
    byte,
    two_byte_integer,
    four_byte_integer,
    variable_byte_integer,
    utf8_string,
    binary_data,
    utf8_string_pair
};

struct property_row {
    property id;
    std::string_view name; ///< e.g. "topic_alias"
    wire_type type;
    packet_set packets;    ///< packets that may carry it; will_bit for the will
    packet_set repeatable; ///< those in which it may stand more than once
    std::uint32_t min;     ///< of integers
    std::uint32_t max;
};

/// The whole table, by rising id.
[[nodiscard]] std::span<const property_row> property_rows() noexcept;

/// Row of the property with that id; null if MQTT does not define it.
[[nodiscard]] const property_row* find_property(std::uint32_t id) noexcept;

/// "unknown" for an id that MQTT does not define. Lifetime: static.
[[nodiscard]] std::string_view property_name(property id) noexcept;

/// Checks encoded properties that stand in a packet of the set `place` (one bit). `offset` is that
/// of their first byte in the body, for the violation. Errors: unknown ids and ids in the wrong
/// packet are malformed, repetition and values out of range are protocol errors.
[[nodiscard]] result<property_view, violation>
check_properties(std::string_view bytes, packet_set place, std::uint32_t offset);

} // namespace gv::mqtt
