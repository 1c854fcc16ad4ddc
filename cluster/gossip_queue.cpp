// SPDX-License-Identifier: Apache-2.0
#include "cluster/gossip_queue.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gv::cluster {

std::size_t transmissions_for(std::size_t nodes, std::size_t factor) noexcept {
    return factor * static_cast<std::size_t>(std::ceil(std::log10(static_cast<double>(nodes) + 1)));
}

void gossip_queue::put(const member_row& row) {
    if (waiting_.size() >= max_ && !waiting_.contains(row.node)) {
        waiting_.erase(std::ranges::max_element(waiting_, {}, [](const auto& each) {
            return std::pair(each.second.told, ~each.second.order);
        }));
    }
    waiting_[row.node] = {row, 0, ++order_};
}

void gossip_queue::take(const allowance& room, node_id recipient, std::vector<member_row>& rows) {
    std::vector<entry*> candidates;
    candidates.reserve(waiting_.size());
    for (auto& [node, each] : waiting_) {
        if (node != recipient) {
            candidates.push_back(&each);
        }
    }
    std::ranges::sort(candidates, [](const entry* left, const entry* right) {
        return left->told != right->told ? left->told < right->told : left->order > right->order;
    });
    std::size_t left = room.bytes;
    for (entry* each : candidates) {
        const std::size_t size = wire_bytes(each->row);
        if (size <= left) {
            left -= size;
            rows.push_back(each->row);
            ++each->told;
        }
    }
    std::erase_if(waiting_,
                  [&](const auto& each) { return each.second.told >= room.transmissions; });
}

} // namespace gv::cluster
