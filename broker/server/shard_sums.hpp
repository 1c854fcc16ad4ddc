// SPDX-License-Identifier: Apache-2.0
// What all shards together have that an operator asks about.
#pragma once

#include "broker/shard/event_loop.hpp"
#include "cluster/operator_answers.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace gv::server {

struct shard_sums {
    std::map<node_id, cluster::lane_summary> lanes;
    std::uint64_t kept_sessions = 0;
    std::uint64_t misplaced_sessions = 0; ///< of these, while their home is another node
    bool has_open_ends = false;           ///< ends of sessions are not on disk yet
    bool is_store_lost = false;
    shard::handover_state handovers;
    std::uint64_t queued_messages = 0;
    std::uint64_t retained_messages = 0; ///< without what a node says of itself
    std::uint64_t retained_removals = 0; ///< that are remembered

    [[nodiscard]] std::uint64_t spooled() const;
};

/// Calls `done`, on the thread of one of them, once each has added its part. `is_leaving` is said
/// to each shard first, in the same turn, unless it is empty: see core::set_leaving(). Lifetime:
/// the loops outlive the call of `done`.
void sum_up(const std::vector<std::unique_ptr<shard::event_loop>>& loops,
            std::optional<bool> is_leaving, std::function<void(const shard_sums&)> done);

} // namespace gv::server
