// SPDX-License-Identifier: Apache-2.0
#include "cluster/probe_table.hpp"

#include <algorithm>

namespace gv::cluster {

bool probe_table::is_probing(node_id target) const noexcept {
    return std::ranges::any_of(own, [&](const auto& each) { return each.second.target == target; });
}

time_point probe_table::next_due() const noexcept {
    time_point first = never;
    for (const auto& [sequence, each] : own) {
        first = std::min({first, each.others_at, each.ends});
    }
    for (const auto& [sequence, each] : relayed) {
        first = std::min(first, each.nack_at);
    }
    return first;
}

std::optional<node_id> probe_order::next(const std::vector<node_id>& live,
                                         std::mt19937_64& random) {
    if (live.empty()) {
        return std::nullopt;
    }
    while (!rest_.empty()) {
        const node_id candidate = rest_.back();
        rest_.pop_back();
        if (std::ranges::binary_search(live, candidate)) {
            return candidate;
        }
    }
    rest_ = live;
    std::ranges::shuffle(rest_, random);
    const node_id first = rest_.back();
    rest_.pop_back();
    return first;
}

} // namespace gv::cluster
