// SPDX-License-Identifier: Apache-2.0
// The property table of MQTT 5.0 (2.2.2.2) as the conformance tests read it. Deliberately not the
// broker's table: one mistake must not hide in both.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace gv::conformance {

enum class packet_kind : std::uint8_t {
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
    auth,
    will = 0 ///< no packet: the property block of a will inside CONNECT
};

enum class wire_form : std::uint8_t {
    byte,
    two_bytes,
    four_bytes,
    variable,
    text,
    binary,
    text_pair
};

struct property_row {
    std::uint8_t id;
    std::string_view name;
    wire_form form;
    std::uint16_t allowed; ///< bit n: allowed in packet_kind n
    bool repeats;
};

[[nodiscard]] std::span<const property_row> property_rows();
/// Null if there is none.
[[nodiscard]] const property_row* find_property(std::string_view name);
[[nodiscard]] const property_row* find_property(std::uint32_t id);
[[nodiscard]] bool is_allowed(const property_row& row, packet_kind kind);

/// "publish" for packet_kind::publish.
[[nodiscard]] std::string_view name_of(packet_kind kind);
/// Throws wire_error if the name is unknown.
[[nodiscard]] packet_kind kind_of(std::string_view name);

} // namespace gv::conformance
