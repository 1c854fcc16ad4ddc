// SPDX-License-Identifier: Apache-2.0
#include "broker/server/shard_sums.hpp"

#include <mutex>

namespace gv::server {

namespace {

using cluster::lane_state;

[[nodiscard]] lane_state worse(lane_state one, lane_state other) {
    const auto is_any = [&](lane_state what) { return one == what || other == what; };
    return is_any(lane_state::spooling)   ? lane_state::spooling
           : is_any(lane_state::draining) ? lane_state::draining
                                          : lane_state::live;
}

void add(const shard::peer_lane& lane, cluster::lane_summary& to) {
    const cluster::lane_sender_counts counted = lane.sender.counted();
    ++to.lanes;
    to.linked += lane.sender.is_linked() ? 1U : 0U;
    to.state = worse(to.state, lane.sender.state());
    to.queue_bytes += counted.queue_bytes;
    to.spool_rows += counted.spool_rows;
    to.spool_bytes += counted.spool_bytes;
}

void add(const shard::handover_state& now, shard::handover_state& to) {
    for (const auto& [node, each] : now.by_node) {
        shard::handover_traffic& sum = to.by_node[node];
        sum.waiting += each.waiting;
        sum.under_way += each.under_way;
        sum.sessions += each.sessions;
        sum.arriving += each.arriving;
        sum.done.handed_over += each.done.handed_over;
        sum.done.sessions += each.done.sessions;
        sum.done.bytes += each.done.bytes;
    }
    if (!now.stopped.empty()) {
        to.stopped = now.stopped;
    }
}

void add(shard::core& shard, shard_sums& to) {
    to.kept_sessions += shard.stored_sessions();
    to.misplaced_sessions += shard.misplaced_sessions();
    to.has_open_ends = to.has_open_ends || shard.has_open_ends();
    to.is_store_lost = to.is_store_lost || shard.is_store_lost();
    add(shard.handovers_now(), to.handovers);
    to.queued_messages += shard.queues().messages;
    to.retained_messages += shard.retained().shared();
    to.retained_removals += shard.retained().tombstones();
    if (shard.lanes() != nullptr) {
        shard.lanes()->for_each_outgoing(
            [&to](const shard::peer_lane& lane) { add(lane, to.lanes[lane.place().peer]); });
    }
}

struct adding_up {
    std::mutex lock;
    shard_sums sum;
    std::size_t left = 0;
    std::function<void(const shard_sums&)> done;
};

} // namespace

std::uint64_t shard_sums::spooled() const {
    std::uint64_t rows = 0;
    for (const auto& [node, each] : lanes) {
        rows += each.spool_rows;
    }
    return rows;
}

// Each adds its part when its turn comes; the last one tells.
void sum_up(const std::vector<std::unique_ptr<shard::event_loop>>& loops,
            std::optional<bool> is_leaving, std::function<void(const shard_sums&)> done) {
    auto all = std::make_shared<adding_up>();
    all->left = loops.size();
    all->done = std::move(done);
    for (const auto& each : loops) {
        each->post([&loop = *each, is_leaving, all] {
            if (is_leaving) {
                loop.logic().set_leaving(*is_leaving);
            }
            const std::scoped_lock adding(all->lock);
            add(loop.logic(), all->sum);
            if (--all->left == 0) {
                all->done(all->sum);
            }
        });
    }
}

} // namespace gv::server
