// SPDX-License-Identifier: Apache-2.0
// Shared groups with members on several nodes: which node takes a message. Which member there does,
// that node decides (shared_groups.hpp). Pure.
#pragma once

#include "base/ids.hpp"
#include "broker/router/shared_groups.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace gv::router {

/// Members of a group on another node.
struct group_place {
    peer_slot at;
    node_id node;
    std::uint32_t online = 0; ///< members, as was told last
    std::uint32_t total = 0;
    bool has_queue = false; ///< of the group: it takes messages also while the node is away
};

/// A group that has members on other nodes, and perhaps here.
struct spread_group {
    std::string name;
    std::string filter;
    group* here = nullptr; ///< null: no member here. On the shard that owns the group
    std::vector<group_place> elsewhere;
};

/// A node among which is chosen.
struct group_candidate {
    node_id node;
    std::uint32_t online = 0; ///< members
    std::uint32_t total = 0;
};

/// How messages are spread over the nodes of a group.
enum class spread_rule : std::uint8_t {
    in_turn, ///< by the numbers of members; the key is a point of an even sequence
    by_hash, ///< the same key goes to the same node, whichever node chooses; by the numbers too
    one_node ///< as by_hash, whatever the numbers: members that come elsewhere change little
};

/// What of a message decides, and how.
struct spread_key {
    spread_rule rule = spread_rule::in_turn;
    std::uint64_t key = 0;
};

/// For a strategy of groups. `turn` is a counter that goes on when it is used.
[[nodiscard]] spread_key spread_key_of(group_strategy strategy, const spread_group& of,
                                       std::uint64_t publisher, std::string_view topic,
                                       std::uint64_t& turn) noexcept;

/// The candidate that takes the message: among those with members online, or, if there are none at
/// all, among all. Nothing if nobody has any member.
[[nodiscard]] std::optional<std::size_t> choose_node(std::span<const group_candidate> among,
                                                     spread_key by) noexcept;

} // namespace gv::router
