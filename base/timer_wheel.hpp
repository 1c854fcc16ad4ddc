// SPDX-License-Identifier: Apache-2.0
// A hierarchical timing wheel: any number of timers, each a node inside its owner, scheduled and
// cancelled in constant time and without allocation. One wheel a shard. Five levels of 64 slots at
// 50 ms a tick reach 1.7 years; later deadlines wait in the last level and are sorted in again.
// Source: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (SOSP 1987), scheme 7.
#pragma once

#include "base/assert.hpp"
#include "base/time.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>

namespace gv {

namespace detail {

/// Node of a circular list; alone, it is linked to itself.
struct timer_link {
    timer_link() noexcept = default;
    timer_link(const timer_link&) = delete;
    timer_link& operator=(const timer_link&) = delete;
    ~timer_link() { unlink(); }

    [[nodiscard]] bool is_alone() const noexcept { return next == this; }
    void unlink() noexcept {
        prev->next = next;
        next->prev = prev;
        prev = next = this;
    }
    void insert_before(timer_link& place) noexcept {
        prev = place.prev;
        next = &place;
        prev->next = this;
        place.prev = this;
    }
    /// Takes all nodes of `from`. Requires: this list is empty.
    void take_all(timer_link& from) noexcept {
        if (!from.is_alone()) {
            insert_before(from);
            from.unlink();
        }
    }

    timer_link* prev = this;
    timer_link* next = this;
};

} // namespace detail

/// One timer: a base or a member of what it wakes. It never moves; it leaves its wheel when it
/// ends. 24 bytes.
class timer : private detail::timer_link {
  public:
    [[nodiscard]] bool is_scheduled() const noexcept { return !is_alone(); }
    /// As last scheduled; `never` before that.
    [[nodiscard]] time_point deadline() const noexcept { return deadline_; }

  private:
    friend class timer_wheel;
    time_point deadline_ = never;
};

class timer_wheel {
  public:
    static constexpr duration tick = 50ms;

    explicit timer_wheel(time_point now) noexcept : start_(now) {}
    timer_wheel(const timer_wheel&) = delete;
    timer_wheel& operator=(const timer_wheel&) = delete;

    /// Schedules, or moves to another deadline. A deadline that has passed fires at the next tick;
    /// `never` cancels.
    void schedule(timer& what, time_point deadline) noexcept;

    /// No effect on a timer that is not scheduled.
    void cancel(timer& what) noexcept { what.unlink(); }

    /// Calls `fire(timer&)` for each timer whose deadline has passed, in order of their ticks:
    /// never before the deadline, and less than one tick after it if called at `next_deadline()`.
    /// A timer is no longer scheduled when it fires. `fire` may schedule, cancel and destroy any
    /// timer, its own included; it must not call advance(). Returns how many fired.
    template <typename Fire>
    std::size_t advance(time_point now, Fire&& fire);

    /// When advance() has something to do next: exact to a tick for deadlines within 3.2 s, and
    /// otherwise early enough, at most once for each level a timer comes down through. Nothing if
    /// no timer is scheduled.
    [[nodiscard]] std::optional<time_point> next_deadline() noexcept;
};

} // namespace gv
