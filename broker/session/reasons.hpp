// SPDX-License-Identifier: Apache-2.0
// Reason strings of acknowledgements: what a person at the client can do about it.
#pragma once

#include "broker/mqtt/packet.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

namespace gv::session {

namespace detail {

struct reason_text {
    mqtt::reason_code reason;
    std::string_view text;
};

inline constexpr std::array not_taken{
    reason_text{mqtt::reason_code::not_authorized,
                "the access rules do not let this client publish to the topic"},
    reason_text{mqtt::reason_code::topic_name_invalid,
                "the topic has more levels than mqtt.topic_levels_max"},
    reason_text{mqtt::reason_code::quota_exceeded,
                "not stored: the store or a limit of retained messages is full; send it later"}};

inline constexpr std::array not_granted{
    reason_text{mqtt::reason_code::topic_filter_invalid,
                "not a valid filter, or too long: # stands alone and last, + alone in its level"},
    reason_text{mqtt::reason_code::not_authorized,
                "the access rules do not let this client subscribe to the filter"},
    reason_text{mqtt::reason_code::quota_exceeded,
                "more subscriptions than a limit allows, or the store takes none"},
    reason_text{mqtt::reason_code::shared_subscriptions_not_supported,
                "shared subscriptions are switched off"},
    reason_text{mqtt::reason_code::wildcard_subscriptions_not_supported,
                "wildcards are switched off"}};

[[nodiscard]] constexpr std::string_view find_text(std::span<const reason_text> texts,
                                                   mqtt::reason_code reason) noexcept {
    const auto found = std::ranges::find(texts, reason, &reason_text::reason);
    return found == texts.end() ? std::string_view() : found->text;
}

} // namespace detail

/// For PUBACK and PUBREC; empty where the reason code says all.
[[nodiscard]] constexpr std::string_view why_not_taken(mqtt::reason_code reason) noexcept {
    return detail::find_text(detail::not_taken, reason);
}

/// For SUBACK, of one filter; empty where it was granted or the reason code says all.
[[nodiscard]] constexpr std::string_view why_not_granted(mqtt::reason_code reason) noexcept {
    return detail::find_text(detail::not_granted, reason);
}

} // namespace gv::session
