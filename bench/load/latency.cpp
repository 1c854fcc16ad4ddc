// SPDX-License-Identifier: Apache-2.0
#include "bench/load/latency.hpp"

#include <cmath>

namespace gv::load {

nanoseconds latency_histogram::upper_bound_of(std::size_t bucket) noexcept {
    if (bucket < steps) {
        return bucket;
    }
    const auto shift = bucket / steps - 1;
    const nanoseconds low = (nanoseconds{steps} + bucket % steps) << shift;
    return low + (nanoseconds{1} << shift) - 1;
}

nanoseconds latency_histogram::at(double quantile) const noexcept {
    const auto rank = static_cast<std::uint64_t>(std::ceil(quantile * static_cast<double>(count_)));
    std::uint64_t seen = 0;
    for (std::size_t bucket = 0; bucket < bucket_count; ++bucket) {
        seen += buckets_[bucket];
        if (seen >= rank && seen > 0) {
            return std::min(upper_bound_of(bucket), max_);
        }
    }
    return max_;
}

} // namespace gv::load
