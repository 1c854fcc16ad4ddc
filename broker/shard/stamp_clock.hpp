// SPDX-License-Identifier: Apache-2.0
// The clock by which a shard dates what it takes: the agreed one of the cluster, if there is one,
// else that of this node; and which stamps may be believed by it.
#pragma once

#include "base/time.hpp"
#include "cluster/agreed_clock.hpp"

#include <algorithm>
#include <limits>
#include <optional>

namespace gv::shard {

/// No stamp is believed that is further ahead of the agreed clock.
inline constexpr duration stamp_ahead_max = 5s;

class stamp_clock {
  public:
    /// Once a turn. `own`: this node's wall clock.
    void set_time(time_point now, wall_time own) noexcept {
        wall_ = agreed_ ? agreed_->on(now) : own;
        latest_ = agreed_ ? end_of(wall_ + stamp_ahead_max) : everything;
        if (last_ > latest_) { // nobody has believed what was dated so
            last_ = {};
            clock_ = {};
        }
        absorb(floor_);
    }
    /// Holds from the next set_time() on. Nothing: this node goes by its own clock, and believes
    /// every stamp.
    void agree(const std::optional<cluster::agreed_time>& on) noexcept { agreed_ = on; }

    /// After all stamps made or absorbed before, but for those that nobody believes.
    [[nodiscard]] hybrid_time next() noexcept {
        last_ = clock_.next(wall_);
        return last_;
    }
    /// Names something on disk: differs from all that were made or absorbed before, whatever has
    /// become of the clock since.
    [[nodiscard]] hybrid_time next_name() noexcept { return names_.next(wall_); }
    void absorb_name(hybrid_time seen) noexcept { names_.absorb(seen); }
    /// No effect if it is not believed.
    void absorb(hybrid_time seen) noexcept {
        if (believes(seen)) {
            clock_.absorb(seen);
            last_ = std::max(last_, seen);
        }
    }
    /// As absorb(), and for good: whatever becomes of the clock, no stamp is made that is not
    /// later.
    void stay_after(hybrid_time told) noexcept {
        if (believes(told)) {
            floor_ = std::max(floor_, told);
            absorb(told);
        }
    }
    [[nodiscard]] bool believes(hybrid_time stamp) const noexcept { return stamp <= latest_; }
    /// The last stamp that is believed. Lifetime: that of this.
    [[nodiscard]] const hybrid_time& latest() const noexcept { return latest_; }
    [[nodiscard]] wall_time wall() const noexcept { return wall_; }

  private:
    static constexpr hybrid_time everything{std::numeric_limits<std::uint64_t>::max()};

    static hybrid_time end_of(wall_time wall) noexcept {
        const auto ms =
            std::chrono::duration_cast<std::chrono::milliseconds>(wall.time_since_epoch());
        return {static_cast<std::uint64_t>(ms.count()) << 16 | 0xffff};
    }

    std::optional<cluster::agreed_time> agreed_;
    wall_time wall_{};
    hybrid_time latest_ = everything;
    hybrid_clock clock_;
    hybrid_clock names_; ///< never goes back
    hybrid_time last_{};
    hybrid_time floor_{};
};

} // namespace gv::shard
