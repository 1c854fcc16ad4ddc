// SPDX-License-Identifier: Apache-2.0
// Whether the clock of another node may be believed. A hybrid clock takes over the greatest stamp
// that it absorbs, so that one wrong clock would set all of them; whoever absorbs stamps of peers
// asks here first.
#pragma once

#include "base/time.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace gv::cluster {

enum class clock_standing : std::uint8_t {
    fine,
    ahead,    ///< not absorbed: what it sends is stamped anew; an alarm
    far_ahead ///< nothing that depends on who was first may be taken from it
};
inline constexpr std::array<std::string_view, 3> clock_standing_names{"fine", "ahead", "far_ahead"};

struct clock_bounds {
    duration ahead = 500ms;
    duration far_ahead = 5s;
};

/// How far `seen`, a stamp that has just come, is ahead of `mine`. What was on its way seems
/// behind. A stamp of no date that a clock shows counts as the farthest that there is.
[[nodiscard]] constexpr std::chrono::milliseconds clock_offset(hybrid_time seen,
                                                               wall_time mine) noexcept {
    const auto theirs = static_cast<std::int64_t>(seen.value >> 16);
    const auto ours =
        std::chrono::duration_cast<std::chrono::milliseconds>(mine.time_since_epoch());
    return std::chrono::milliseconds(theirs) - ours;
}

[[nodiscard]] constexpr clock_standing judge_clock(std::chrono::milliseconds offset,
                                                   const clock_bounds& bounds) noexcept {
    // In milliseconds: a wild stamp has no count of nanoseconds.
    const auto in_milliseconds = [](duration bound) {
        return std::chrono::duration_cast<std::chrono::milliseconds>(bound);
    };
    if (offset > in_milliseconds(bounds.far_ahead)) {
        return clock_standing::far_ahead;
    }
    return offset > in_milliseconds(bounds.ahead) ? clock_standing::ahead : clock_standing::fine;
}

} // namespace gv::cluster
