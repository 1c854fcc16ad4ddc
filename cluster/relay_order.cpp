// SPDX-License-Identifier: Apache-2.0
#include "cluster/relay_order.hpp"

#include "base/hash.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace gv::cluster {

namespace {

[[nodiscard]] std::uint64_t weight(node_id from, node_id to, node_id neighbour) noexcept {
    const std::array<std::uint64_t, 3> words{from.value, to.value, neighbour.value};
    return hash64({reinterpret_cast<const char*>(words.data()), sizeof words});
}

} // namespace

std::vector<node_id> relay_order(node_id from, node_id to, std::vector<node_id> neighbours) {
    std::ranges::sort(neighbours, std::ranges::greater{},
                      [&](node_id each) { return std::pair(weight(from, to, each), each.value); });
    return neighbours;
}

} // namespace gv::cluster
