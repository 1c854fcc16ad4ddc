// SPDX-License-Identifier: Apache-2.0
#include "bench/load/sequence_check.hpp"

#include <iterator>

namespace gv::load {

void sequence_check::on_disorder(std::uint32_t flow, std::uint32_t sequence,
                                 sequence_counts& counts) {
    gaps_.resize(expected_.size());
    std::uint32_t& expected = expected_[flow];
    if (sequence > expected) {
        gaps_[flow].emplace(expected, sequence);
        expected = sequence + 1;
        ++counts.unique;
    } else if (fill_gap(gaps_[flow], sequence)) {
        ++counts.out_of_order;
        ++counts.unique;
    } else {
        ++counts.duplicates;
    }
}

bool sequence_check::fill_gap(gaps& missing, std::uint32_t sequence) {
    const auto after = missing.upper_bound(sequence);
    if (after == missing.begin()) {
        return false;
    }
    const auto [first, end] = *std::prev(after);
    if (sequence >= end) {
        return false;
    }
    missing.erase(std::prev(after));
    if (first < sequence) {
        missing.emplace(first, sequence);
    }
    if (sequence + 1 < end) {
        missing.emplace(sequence + 1, end);
    }
    return true;
}

} // namespace gv::load
