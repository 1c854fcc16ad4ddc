// SPDX-License-Identifier: Apache-2.0
#include "cluster/partition_table.hpp"

#include "cluster/route_digest.hpp"

#include <algorithm>

namespace gv::cluster {

std::uint64_t partition_table::hash() const noexcept {
    std::uint64_t sum = mixed(mixed(founding_.at.value) + founding_.by.value);
    for (const partition_row& each : rows_) {
        sum = mixed(mixed(sum + each.home.value) + each.epoch);
    }
    return sum;
}

std::size_t partition_table::count(node_id home) const noexcept {
    return static_cast<std::size_t>(std::ranges::count(rows_, home, &partition_row::home));
}

std::uint64_t partition_weight(partition_id which, node_id node) noexcept {
    return mixed(mixed(node.value) + which.value);
}

} // namespace gv::cluster
