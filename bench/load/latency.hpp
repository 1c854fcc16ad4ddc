// SPDX-License-Identifier: Apache-2.0
// Latencies in a log-linear histogram: 64 steps for each power of two, so that a quantile is right
// within 1.6 %; the maximum is exact.
#pragma once

#include "bench/load/clock.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>

namespace gv::load {

class latency_histogram {
  public:
    void record(nanoseconds latency) noexcept {
        ++buckets_[bucket_of(latency)];
        ++count_;
        max_ = std::max(max_, latency);
    }
    void reset() noexcept { *this = {}; }

    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    [[nodiscard]] nanoseconds max() const noexcept { return max_; }
    /// The latency that the share `quantile` of all did not exceed; 0 if there were none.
    [[nodiscard]] nanoseconds at(double quantile) const noexcept;

  private:
    static constexpr unsigned step_bits = 6;
    static constexpr std::size_t steps = std::size_t{1} << step_bits;
    static constexpr std::size_t bucket_count = (64 - step_bits + 1) * steps;

    [[nodiscard]] static std::size_t bucket_of(nanoseconds latency) noexcept {
        if (latency < steps) {
            return latency;
        }
        const auto shift = static_cast<unsigned>(std::bit_width(latency)) - step_bits - 1;
        return (shift + 1) * steps + ((latency >> shift) & (steps - 1));
    }
    [[nodiscard]] static nanoseconds upper_bound_of(std::size_t bucket) noexcept;

    std::array<std::uint64_t, bucket_count> buckets_{};
    std::uint64_t count_ = 0;
    nanoseconds max_ = 0;
};

} // namespace gv::load
