// SPDX-License-Identifier: Apache-2.0
// A fence: what this shard and its node gave out before is taken by both homes, once this
// is answered, but for what another shard passes on meanwhile; so it is asked for twice.
#include "broker/shard/core.hpp"

#include <algorithm>

namespace gv::shard {

void core::on_fence(shard_id from, const fence& word) {
    if (!moves_ || !clock_.believes(word.after)) {
        return; // it would go on to date messages before; without an answer nothing is handed over
    }
    clock_.absorb(word.after);
    const std::uint64_t number = next_handover_number();
    fence_watch& watch = moves_->fences[number];
    watch = {.from = from, .asked = word, .to_flush = options_.shards - 1, .lanes = {}};
    for (std::uint16_t shard = 0; shard < options_.shards; ++shard) {
        if (!is_mine(shard_id{shard})) {
            post_rare(shard_id{shard}, flush{.fence = number});
        }
    }
    look_at_fence(number);
}

void core::on_flush(shard_id from, const flush& word) {
    if (!word.is_back) {
        post_rare(from, flush{.fence = word.fence, .is_back = true});
    } else if (const auto found = moves_->fences.find(word.fence); found != moves_->fences.end()) {
        --found->second.to_flush;
        look_at_fence(word.fence);
    }
}

void core::look_at_fence(std::uint64_t number) {
    fence_watch& watch = moves_->fences.at(number);
    if (watch.to_flush > 0) {
        return;
    }
    if (!std::exchange(watch.has_flushed, true)) {
        for (const node_id home : watch.asked.homes) {
            watch_lanes_to(home, watch);
        }
    }
    const bool is_taken = std::ranges::all_of(watch.lanes, [this](const auto& each) {
        const peer_lane* lane = lanes_->find(each.lane);
        return lane == nullptr || lane->sender.taken_until() >= each.before;
    });
    if (!is_taken) {
        return;
    }
    const fenced answer{.which = watch.asked.which,
                        .number = watch.asked.number,
                        .shard = options_.me,
                        .shards = static_cast<std::uint16_t>(options_.shards),
                        .at = clock_.next()};
    const shard_id to = watch.from;
    moves_->fences.erase(number);
    if (is_mine(to)) {
        on_fenced(to, answer);
    } else {
        post_rare(to, answer);
    }
}

void core::watch_lanes_to(node_id home, fence_watch& watch) {
    const auto slot = lanes_->slot_of(home);
    for (const lane_key each : slot ? lanes_->lanes_to(*slot) : std::vector<lane_key>{}) {
        if (!is_for_sessions(each.number)) {
            watch.lanes.push_back({.lane = each, .before = lanes_->at(each).sender.next()});
        }
    }
}

void core::look_at_fences() {
    if (!moves_ || moves_->fences.empty()) {
        return;
    }
    std::vector<std::uint64_t> all;
    for (const auto& [number, watch] : moves_->fences) {
        all.push_back(number);
    }
    for (const std::uint64_t each : all) {
        if (moves_->fences.contains(each)) {
            look_at_fence(each);
        }
    }
}

void core::forget_fences(shard_id party) {
    std::erase_if(moves_->fences, [party](const auto& each) { return each.second.from == party; });
}

} // namespace gv::shard
