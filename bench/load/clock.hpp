// SPDX-License-Identifier: Apache-2.0
// The clock of the load generator: nanoseconds of CLOCK_MONOTONIC as a plain number, since it goes
// into payloads and is subtracted once a message.
#pragma once

#include <time.h>

#include <cstdint>

namespace gv::load {

using nanoseconds = std::uint64_t;

inline constexpr nanoseconds second_ns = 1'000'000'000;

[[nodiscard]] inline nanoseconds read_clock(clockid_t clock) noexcept {
    timespec at{};
    clock_gettime(clock, &at);
    return static_cast<nanoseconds>(at.tv_sec) * second_ns + static_cast<nanoseconds>(at.tv_nsec);
}

[[nodiscard]] inline nanoseconds clock_now() noexcept { return read_clock(CLOCK_MONOTONIC); }

/// CPU time this process has used.
[[nodiscard]] inline nanoseconds own_cpu() noexcept { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

[[nodiscard]] inline nanoseconds from_seconds(double seconds) noexcept {
    return static_cast<nanoseconds>(seconds * static_cast<double>(second_ns));
}

[[nodiscard]] inline double to_seconds(nanoseconds duration) noexcept {
    return static_cast<double>(duration) / static_cast<double>(second_ns);
}

} // namespace gv::load
