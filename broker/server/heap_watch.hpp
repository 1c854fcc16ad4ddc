// SPDX-License-Identifier: Apache-2.0
// Gives freed memory back to the kernel when a burst is over. It is kept at first
// (keep_freed_memory()), and what several threads have freed would stay with them for good.
#pragma once

#include <algorithm>
#include <cstdint>

namespace gv::server {

/// Bytes.
struct heap_use {
    std::uint64_t held = 0;   ///< from the kernel, by this process alone
    std::uint64_t in_use = 0; ///< of that, not freed
};

/// Of this process, mallinfo(3). Thread-safe. Looks at every block that is free, and other threads
/// wait for it when they need memory meanwhile.
[[nodiscard]] heap_use present_heap_use();

/// Gives back every page that is free, of all threads; these wait for it when they need memory
/// meanwhile (malloc_trim(3): milliseconds for each 100 MiB that are free).
void trim_heap() noexcept;

/// When that is worth it. Pure.
class heap_watch {
  public:
    /// Held beyond use, and more than after the last time.
    static constexpr std::uint64_t waste_min = 2u << 20;

    /// Call it now and then with what is held. Whether it has grown so far that the use is worth a
    /// look: is_trim_due() is to be asked then.
    [[nodiscard]] bool is_look_due(std::uint64_t held) noexcept {
        held_least_ = std::min(held_least_, held);
        return held >= held_least_ + waste_min;
    }
    [[nodiscard]] bool is_trim_due(const heap_use& now) noexcept {
        held_least_ = now.held;
        const bool is_due = waste_of(now) >= waste_after_ + waste_min;
        waste_after_ = std::min(waste_after_, waste_of(now));
        return is_due;
    }
    /// How it is after a trim: what could not be given back is not tried again.
    void trimmed(const heap_use& now) noexcept {
        held_least_ = now.held;
        waste_after_ = waste_of(now);
    }

  private:
    static std::uint64_t waste_of(const heap_use& of) noexcept {
        return of.held > of.in_use ? of.held - of.in_use : 0;
    }

    std::uint64_t held_least_ = 0; ///< since the last look; at first: of nothing
    std::uint64_t waste_after_ = 0;
};

} // namespace gv::server
