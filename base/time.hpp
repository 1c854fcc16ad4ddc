// SPDX-License-Identifier: Apache-2.0
// Time as an argument: layers 0 to 2 never read a clock. A shard reads both clocks once a turn.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace gv {

using namespace std::chrono_literals;

/// Monotonic: timeouts, expiry while running.
using time_point = std::chrono::steady_clock::time_point;
using duration = std::chrono::steady_clock::duration;
/// Wall clock: stamps, logs, what survives a restart.
using wall_time = std::chrono::system_clock::time_point;

inline constexpr time_point never = time_point::max();

/// Hybrid logical clock: 48 bits of milliseconds since 1970, 16 bits of counter. Newest wins.
struct hybrid_time {
    std::uint64_t value{};
    friend constexpr auto operator<=>(hybrid_time, hybrid_time) = default;
};

/// Makes stamps that never go back. Source: Kulkarni et al., "Logical Physical Clocks" (2014).
class hybrid_clock {
  public:
    /// The next stamp: after every stamp made or absorbed, and not before `now`.
    [[nodiscard]] hybrid_time next(wall_time now) noexcept {
        const auto physical = to_milliseconds(now) << 16;
        last_ = physical > last_ ? physical : last_ + 1;
        return {last_};
    }
    /// After this no stamp is older than `seen`.
    void absorb(hybrid_time seen) noexcept {
        if (seen.value > last_) {
            last_ = seen.value;
        }
    }

  private:
    static std::uint64_t to_milliseconds(wall_time now) noexcept {
        return static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count());
    }
    std::uint64_t last_ = 0;
};

/// A wall clock that never shows less than was known. A machine without a clock chip starts in the
/// past until it has heard from a time server: what is dated then would be long over afterwards.
class wall_floor {
  public:
    /// From `now` on it is at least `known`.
    void set(time_point now, wall_time known) noexcept {
        since_ = now;
        known_ = known;
    }
    [[nodiscard]] wall_time correct(time_point now, wall_time shown) const noexcept {
        const auto passed = std::chrono::duration_cast<wall_time::duration>(now - since_);
        return std::max(shown, known_ + passed);
    }

  private:
    time_point since_{};
    wall_time known_{};
};

/// The time in a stamp.
[[nodiscard]] constexpr wall_time wall_of(hybrid_time stamp) noexcept {
    return wall_time(std::chrono::milliseconds(stamp.value >> 16));
}

} // namespace gv
