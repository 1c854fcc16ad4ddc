// SPDX-License-Identifier: Apache-2.0
// MQTT packets between their symbolic form, a JSON object, and bytes: the test's own codec, which
// shares no code with the broker's.
//
//   {"packet": "publish", "topic": "a/b", "payload": "hello", "qos": 1, "id": 7,
//    "properties": {"topic_alias": 3, "user_property": [["key", "value"]]}}
//
// Text and binary fields are a string, {"hex": "c0af"} or {"repeat": "x", "times": 70000}; numbers
// are a number or "0x8e". Encoding fills in defaults and never judges, so that bad packets can be
// written down; these fields bend a packet of any type:
//   "header_flags": n        low four bits of the first byte
//   "remaining_length": hex  the bytes of the length field, whatever the body
//   "trailing": hex          bytes added to the body (counted in the length)
//   "truncated": n           bytes taken from the end of the body (not counted in the length)
// "properties" may be a list of [name, value], to send one twice, or {"hex": ...} for the block.
// Decoding is for what a server sends and accepts nothing that a server may not send.
#pragma once

#include "tests/conformance/property_rows.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace gv::conformance {

using json = nlohmann::json;

/// 3 is MQIsdp, 4 is 3.1.1, 5 is 5.0: the protocol level on the wire.
using protocol_level = int;

struct wire_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Errors: wire_error if the description is not one (unknown packet, property, or field type).
[[nodiscard]] std::string encode(const json& packet, protocol_level level);

struct frame {
    std::uint8_t first_byte = 0;
    std::string body;
    std::size_t size = 0; ///< bytes of the whole packet
};

/// Takes the first whole packet off the front of `bytes`; nothing if it is not all there yet.
/// Errors: wire_error if the length field is malformed.
[[nodiscard]] std::optional<frame> take_frame(std::string& bytes);

/// The symbolic form, with every field of the packet present.
/// Errors: wire_error naming what a server may not send.
[[nodiscard]] json decode(const frame& packet, protocol_level level);

/// The bytes of a text field in any of its three forms.
[[nodiscard]] std::string text_of(const json& field);
/// A number or "0x..".
[[nodiscard]] std::uint32_t number_of(const json& field);
[[nodiscard]] std::string bytes_of_hex(std::string_view hex);
/// For messages: control and non-ASCII bytes escaped, long text shortened.
[[nodiscard]] std::string printable(const json& value);
/// Well-formed UTF-8 without U+0000 and surrogates (1.5.4).
[[nodiscard]] bool is_mqtt_text(std::string_view bytes);

} // namespace gv::conformance
