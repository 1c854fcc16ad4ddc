// SPDX-License-Identifier: Apache-2.0
// What every payload starts with: when the message was due, who sent it, and its numbers. In the
// byte order of the machine, since generator and reader are one process.
#pragma once

#include "bench/load/clock.hpp"

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace gv::load {

struct stamp {
    nanoseconds due = 0;
    std::uint32_t run = 0;       ///< chosen at start: tells messages of other runs apart
    std::uint32_t publisher = 0; ///< index
    std::uint32_t number = 0;    ///< counts the messages of the publisher
    std::uint32_t sequence = 0;  ///< counts what one subscriber gets from this publisher
};

static_assert(std::is_trivially_copyable_v<stamp> && sizeof(stamp) == 24);

[[nodiscard]] inline stamp load_stamp(const char* at) noexcept {
    stamp value;
    std::memcpy(&value, at, sizeof(value));
    return value;
}

inline void store_stamp(char* at, const stamp& value) noexcept {
    std::memcpy(at, &value, sizeof(value));
}

} // namespace gv::load
