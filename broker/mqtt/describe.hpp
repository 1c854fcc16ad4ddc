// SPDX-License-Identifier: Apache-2.0
// One line of text per packet, for trace logs: fields and properties, the size of a payload but
// never the payload, the user name but never the password or authentication data.
#pragma once

#include "broker/mqtt/packet.hpp"

#include <string>
#include <string_view>

namespace gv::mqtt {

/// E.g. `PUBLISH d0 q1 r0 m7 "a/b" 12 bytes`. Bytes beyond printable ASCII are escaped, so that a
/// peer cannot forge lines; long strings are cut.
[[nodiscard]] std::string describe(const packet_view& packet);

/// "CONNECT", "CONNACK", …; "RESERVED" for 0. Lifetime: static.
[[nodiscard]] std::string_view type_name(packet_type type) noexcept;

/// "3.1", "3.1.1" or "5.0". Lifetime: static.
[[nodiscard]] std::string_view version_name(protocol_version version) noexcept;

/// E.g. `malformed_packet at byte 12: The topic is not valid UTF-8 [MQTT-1.5.4-1]`.
[[nodiscard]] std::string describe(const violation& fault);

} // namespace gv::mqtt
