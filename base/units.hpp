// SPDX-License-Identifier: Apache-2.0
// Sizes in bytes as a type of their own, so that a size and a count never mix. Durations are
// std::chrono (base/time.hpp).
#pragma once

#include <compare>
#include <cstdint>

namespace gv {

struct byte_size {
    std::uint64_t value = 0;
    friend constexpr auto operator<=>(byte_size, byte_size) = default;
};

inline namespace literals {
consteval byte_size operator""_B(unsigned long long count) { return {count}; }
consteval byte_size operator""_KiB(unsigned long long count) { return {count << 10}; }
consteval byte_size operator""_MiB(unsigned long long count) { return {count << 20}; }
consteval byte_size operator""_GiB(unsigned long long count) { return {count << 30}; }
} // namespace literals

} // namespace gv
