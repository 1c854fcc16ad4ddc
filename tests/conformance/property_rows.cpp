// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/property_rows.hpp"

#include "tests/conformance/wire.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace gv::conformance {
namespace {

constexpr std::uint16_t in(auto... kinds) {
    return static_cast<std::uint16_t>((... | (1U << static_cast<unsigned>(kinds))));
}

using enum packet_kind;
using enum wire_form;

constexpr std::uint16_t acks = in(puback, pubrec, pubrel, pubcomp, suback, unsuback);

constexpr std::array rows{
    property_row{0x01, "payload_format_indicator", byte, in(publish, will), false},
    property_row{0x02, "message_expiry_interval", four_bytes, in(publish, will), false},
    property_row{0x03, "content_type", text, in(publish, will), false},
    property_row{0x08, "response_topic", text, in(publish, will), false},
    property_row{0x09, "correlation_data", binary, in(publish, will), false},
    property_row{0x0b, "subscription_identifier", variable, in(publish, subscribe), true},
    property_row{0x11, "session_expiry_interval", four_bytes, in(connect, connack, disconnect),
                 false},
    property_row{0x12, "assigned_client_identifier", text, in(connack), false},
    property_row{0x13, "server_keep_alive", two_bytes, in(connack), false},
    property_row{0x15, "authentication_method", text, in(connect, connack, auth), false},
    property_row{0x16, "authentication_data", binary, in(connect, connack, auth), false},
    property_row{0x17, "request_problem_information", byte, in(connect), false},
    property_row{0x18, "will_delay_interval", four_bytes, in(will), false},
    property_row{0x19, "request_response_information", byte, in(connect), false},
    property_row{0x1a, "response_information", text, in(connack), false},
    property_row{0x1c, "server_reference", text, in(connack, disconnect), false},
    property_row{0x1f, "reason_string", text, acks | in(connack, disconnect, auth), false},
    property_row{0x21, "receive_maximum", two_bytes, in(connect, connack), false},
    property_row{0x22, "topic_alias_maximum", two_bytes, in(connect, connack), false},
    property_row{0x23, "topic_alias", two_bytes, in(publish), false},
    property_row{0x24, "maximum_qos", byte, in(connack), false},
    property_row{0x25, "retain_available", byte, in(connack), false},
    property_row{
        0x26, "user_property", text_pair,
        acks | in(connect, connack, publish, will, subscribe, unsubscribe, disconnect, auth), true},
    property_row{0x27, "maximum_packet_size", four_bytes, in(connect, connack), false},
    property_row{0x28, "wildcard_subscription_available", byte, in(connack), false},
    property_row{0x29, "subscription_identifier_available", byte, in(connack), false},
    property_row{0x2a, "shared_subscription_available", byte, in(connack), false},
};

constexpr std::array<std::string_view, 16> kind_names{
    "will",    "connect",  "connack",    "publish", "puback",      "pubrec",
    "pubrel",  "pubcomp",  "subscribe",  "suback",  "unsubscribe", "unsuback",
    "pingreq", "pingresp", "disconnect", "auth"};

const property_row* found(auto at) { return at == rows.end() ? nullptr : &*at; }

} // namespace

std::span<const property_row> property_rows() { return rows; }

const property_row* find_property(std::string_view name) {
    return found(std::ranges::find(rows, name, &property_row::name));
}

const property_row* find_property(std::uint32_t id) {
    return found(std::ranges::find(rows, id, &property_row::id));
}

bool is_allowed(const property_row& row, packet_kind kind) { return (row.allowed & in(kind)) != 0; }

std::string_view name_of(packet_kind kind) { return kind_names.at(static_cast<std::size_t>(kind)); }

packet_kind kind_of(std::string_view name) {
    const auto at = std::ranges::find(kind_names, name);
    if (at == kind_names.end()) {
        throw wire_error("no packet is called \"" + std::string(name) + "\"");
    }
    return static_cast<packet_kind>(at - kind_names.begin());
}

} // namespace gv::conformance
