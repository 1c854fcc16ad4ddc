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
    ~timer_wheel();

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
    [[nodiscard]] std::optional<time_point> next_deadline() noexcept {
        const std::uint64_t event = next_event();
        return event == no_event ? std::nullopt : std::optional(start_ + tick * event);
    }

  private:
    static constexpr unsigned level_bits = 6;
    static constexpr std::size_t slots = std::size_t{1} << level_bits;
    static constexpr unsigned levels = 5;
    static constexpr std::uint64_t reach = std::uint64_t{1} << (level_bits * levels);
    static constexpr std::uint64_t no_event = ~std::uint64_t{0};

    struct level {
        std::array<detail::timer_link, slots> slot;
        /// Slots that may hold timers: a timer that leaves by itself does not clear its bit.
        std::uint64_t filled = 0;
    };

    static std::size_t slot_of(std::uint64_t when, unsigned depth) noexcept {
        return (when >> (level_bits * depth)) % slots;
    }
    /// First tick that is not before `deadline`.
    [[nodiscard]] std::uint64_t tick_after(time_point deadline) const noexcept {
        if (deadline <= start_) {
            return 0;
        }
        const duration left = deadline - start_;
        return static_cast<std::uint64_t>(left / tick + (left % tick != duration::zero() ? 1 : 0));
    }
    void place(timer& what, std::uint64_t earliest) noexcept;
    void sort_in(std::uint64_t when) noexcept;
    [[nodiscard]] std::uint64_t next_event() noexcept;
    [[nodiscard]] std::uint64_t next_event(unsigned depth) noexcept;

    time_point start_;
    std::uint64_t current_ = 0; ///< last tick that was carried out
    std::array<level, levels> levels_;
};

inline timer_wheel::~timer_wheel() {
    for (level& each : levels_) {
        for (detail::timer_link& slot : each.slot) {
            while (!slot.is_alone()) {
                slot.next->unlink();
            }
        }
    }
}

inline void timer_wheel::schedule(timer& what, time_point deadline) noexcept {
    what.unlink();
    what.deadline_ = deadline;
    if (deadline != never) {
        place(what, current_ + 1);
    }
}

/// Requires: `earliest` is the current tick (whose slot is fired next) or the one after it.
inline void timer_wheel::place(timer& what, std::uint64_t earliest) noexcept {
    const std::uint64_t when =
        std::clamp(tick_after(what.deadline_), earliest, current_ + reach - 1);
    const std::uint64_t ahead = when - current_;
    const unsigned depth =
        ahead == 0 ? 0 : (static_cast<unsigned>(std::bit_width(ahead)) - 1) / level_bits;
    const std::size_t slot = slot_of(when, depth);
    what.insert_before(levels_[depth].slot[slot]);
    levels_[depth].filled |= std::uint64_t{1} << slot;
}

/// Distributes the slots that begin at tick `when` over the levels below them. A slot's timers all
/// lie within its span, so they never come back to the slot of their level that is current.
inline void timer_wheel::sort_in(std::uint64_t when) noexcept {
    for (unsigned depth = levels - 1; depth > 0; --depth) {
        if (when % (std::uint64_t{1} << (level_bits * depth)) != 0) {
            continue;
        }
        const std::size_t slot = slot_of(when, depth);
        levels_[depth].filled &= ~(std::uint64_t{1} << slot);
        detail::timer_link moving;
        moving.take_all(levels_[depth].slot[slot]);
        while (!moving.is_alone()) {
            auto& next = static_cast<timer&>(*moving.next);
            next.unlink();
            place(next, when);
        }
    }
}

/// The next tick at which a slot of the level is fired or sorted in.
inline std::uint64_t timer_wheel::next_event(unsigned depth) noexcept {
    level& here = levels_[depth];
    const std::uint64_t first = (current_ >> (level_bits * depth)) + 1;
    while (here.filled != 0) {
        const auto ahead = static_cast<std::uint64_t>(
            std::countr_zero(std::rotr(here.filled, static_cast<int>(first % slots))));
        const std::size_t slot = (first + ahead) % slots;
        if (!here.slot[slot].is_alone()) {
            return (first + ahead) << (level_bits * depth);
        }
        here.filled &= ~(std::uint64_t{1} << slot);
    }
    return no_event;
}

inline std::uint64_t timer_wheel::next_event() noexcept {
    std::uint64_t soonest = no_event;
    for (unsigned depth = 0; depth < levels; ++depth) {
        soonest = std::min(soonest, next_event(depth));
    }
    return soonest;
}

template <typename Fire>
std::size_t timer_wheel::advance(time_point now, Fire&& fire) {
    if (now < start_) {
        return 0;
    }
    const auto target = static_cast<std::uint64_t>((now - start_) / tick);
    std::size_t fired = 0;
    for (std::uint64_t event = next_event(); event <= target; event = next_event()) {
        current_ = event;
        sort_in(event);
        detail::timer_link due;
        due.take_all(levels_[0].slot[event % slots]);
        while (!due.is_alone()) {
            auto& next = static_cast<timer&>(*due.next);
            next.unlink();
            ++fired;
            fire(next);
        }
    }
    current_ = std::max(current_, target);
    return fired;
}

} // namespace gv
