// SPDX-License-Identifier: Apache-2.0
// What time it is by most clocks of the cluster, so that one that is wrong dates nothing. All
// readings are kept as distances from this node's monotonic clock: a jump of its own wall clock
// then changes its own vote and nothing else. Pure.
#pragma once

#include "base/message.hpp"
#include "base/time.hpp"

#include <map>
#include <optional>
#include <span>

namespace gv::cluster {

/// A moment by the agreed clock, which goes on from there as the monotonic one does.
struct agreed_time {
    time_point at;
    wall_time wall;

    [[nodiscard]] wall_time on(time_point now) const noexcept {
        return wall + std::chrono::duration_cast<wall_time::duration>(now - at);
    }
};

struct agreed_clock_bounds {
    /// Readings are gathered for so long. Longer: what comes late misleads less. Shorter: a clock
    /// that has become wrong is known earlier. A peer must say something in it as a rule.
    duration period = 1500ms;
    /// This node's clock is wrong if it differs by more, and right again if it differs by less.
    duration wrong_above = 500ms;
    duration right_below = 250ms;
    /// Differences up to this are not told.
    duration steady = 50ms;
};

class agreed_clock {
  public:
    agreed_clock(const agreed_clock_bounds& bounds, time_point now)
        : bounds_(bounds), due_(now + bounds.period) {}

    /// A peer has sent that time. What is late seems early: the latest reading of a period counts.
    void hear(node_id from, wall_time sent, time_point now);
    /// This node did not run: what it reads now may have waited for long.
    void begin_anew(time_point now);
    [[nodiscard]] time_point due() const noexcept { return due_; }
    /// Judges what was heard in the period that ends, and begins the next. `live` are the peers
    /// that count; their number and this node must be three at least, else nobody knows who is
    /// right. Returns whether told() has changed, or whether this node's own clock is right.
    [[nodiscard]] bool judge(time_point now, wall_time own, std::span<const node_id> live);

    /// Nothing: there is none.
    [[nodiscard]] const std::optional<agreed_time>& told() const noexcept { return told_; }
    /// What this node's own clock lacked at the last judgement; 0 as long as it is right.
    [[nodiscard]] duration correction() const noexcept { return correction_; }

  private:
    [[nodiscard]] bool tell(const std::optional<agreed_time>& now, duration correction);

    agreed_clock_bounds bounds_;
    time_point due_;
    std::map<node_id, duration> readings_; ///< wall clock, less this node's monotonic one
    std::optional<agreed_time> told_;
    duration correction_{};
};

} // namespace gv::cluster
