// SPDX-License-Identifier: Apache-2.0
// How an event becomes a line: pure functions, used by base/log.cpp only.
//   text: 2026-01-31T12:00:00.123Z info client_connected conn=7 client="james bond" from=::1
//   JSON: {"time":"2026-01-31T12:00:00.123Z","level":"info","event":"client_connected","conn":7,…}
// Whatever a client put into a value, a line stays one line and shows no control character: those,
// and bytes that are not UTF-8, are escaped. A text longer than `text_max` bytes is cut ("…").
#pragma once

#include "base/log.hpp"
#include "base/time.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace gv::log {

inline constexpr std::size_t text_max = 512;

struct line_head {
    wall_time at{};
    bool has_time = true; ///< false where the destination adds its own
    level severity = level::info;
    std::string_view event{};
    std::string_view node{};
};

[[nodiscard]] std::string_view level_name(level severity) noexcept;

/// UTC with milliseconds: 2026-01-31T12:00:00.123Z.
[[nodiscard]] std::string to_iso8601(wall_time at);

[[nodiscard]] std::string make_line(format shape, const line_head& head, const prefix& who,
                                    fields content);

} // namespace gv::log
