// SPDX-License-Identifier: Apache-2.0
// Why bytes of a peer did not become a message. What is wrong with the form is a wire_fault; what
// no honest node says keeps the fault of the machine whose message it is.
#pragma once

#include "cluster/member.hpp"
#include "cluster/route.hpp"

#include <array>
#include <cstdint>
#include <string_view>
#include <variant>

namespace gv::cluster {

enum class wire_fault : std::uint8_t {
    malformed,     ///< not Protocol Buffers of that message
    unknown_kind,  ///< none of the kinds that this version knows
    unknown_value, ///< of an enumeration
    out_of_range,  ///< a number
    too_many,      ///< rows
    too_large,     ///< bytes
    no_hello,      ///< a stream that begins with something else
    second_hello,  ///< a hello or welcome that is not the first
};
inline constexpr std::array<std::string_view, 8> wire_fault_texts{
    "not a message of this protocol",          "a kind of message that this version does not know",
    "a value that this version does not know", "a number out of range",
    "more rows than a message may have",       "more bytes than a message may have",
    "the first message was no hello",          "a hello in the middle of a stream"};

using decode_fault = std::variant<wire_fault, message_fault, route_fault>;

[[nodiscard]] std::string_view text_of(const decode_fault& fault) noexcept;

} // namespace gv::cluster
