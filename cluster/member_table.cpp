// SPDX-License-Identifier: Apache-2.0
#include "cluster/member_table.hpp"

#include "base/assert.hpp"

#include <algorithm>

namespace gv::cluster {

member* member_table::find(node_id node) noexcept {
    const auto found = members_.find(node);
    return found == members_.end() ? nullptr : &found->second;
}

const member* member_table::find(node_id node) const noexcept {
    const auto found = members_.find(node);
    return found == members_.end() ? nullptr : &found->second;
}

member* member_table::add(const member_row& row, time_point now) {
    if (members_.size() >= max_ && (!is_registered(row.state) || !make_room())) {
        return nullptr;
    }
    const auto [place, is_new] = members_.try_emplace(row.node, member{.row = row, .since = now});
    BROKER_ASSERT(is_new, "a member is added once");
    ++counts_[static_cast<std::size_t>(row.state)];
    return &place->second;
}

// Old news about what is taken out here may bring it back as it was; only memory is at stake.
bool member_table::make_room() {
    auto oldest = members_.end();
    for (auto each = members_.begin(); each != members_.end(); ++each) {
        if (!is_registered(each->second.row.state)
            && (oldest == members_.end() || each->second.since < oldest->second.since)) {
            oldest = each;
        }
    }
    if (oldest == members_.end()) {
        return false;
    }
    --counts_[static_cast<std::size_t>(oldest->second.row.state)];
    members_.erase(oldest);
    return true;
}

void member_table::set_row(member& which, const member_row& row, time_point now) {
    BROKER_ASSERT(which.row.node == row.node, "a row keeps its node");
    if (which.row.state != row.state || which.row.boot != row.boot) {
        which.since = now;
    }
    --counts_[static_cast<std::size_t>(which.row.state)];
    ++counts_[static_cast<std::size_t>(row.state)];
    which.row = row;
}

std::vector<node_id> member_table::live_nodes() const {
    std::vector<node_id> nodes;
    nodes.reserve(live());
    for (const auto& [node, each] : members_) {
        if (each.is_live()) {
            nodes.push_back(node);
        }
    }
    return nodes;
}

std::vector<node_id> member_table::some_alive(std::size_t count, node_id except,
                                              std::mt19937_64& random) const {
    std::vector<node_id> nodes;
    for (const auto& [node, each] : members_) {
        if (each.row.state == member_state::alive && node != except) {
            nodes.push_back(node);
        }
    }
    std::vector<node_id> chosen;
    std::ranges::sample(nodes, std::back_inserter(chosen), static_cast<std::ptrdiff_t>(count),
                        random);
    return chosen;
}

time_point member_table::next_due() const noexcept {
    time_point first = never;
    for (const auto& [node, each] : members_) {
        if (each.doubt) {
            first = std::min(first, each.doubt->deadline());
        }
        first = std::min(first, each.next_try.due());
    }
    return first;
}

} // namespace gv::cluster
