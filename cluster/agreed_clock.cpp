// SPDX-License-Identifier: Apache-2.0
#include "cluster/agreed_clock.hpp"

#include <algorithm>
#include <vector>

namespace gv::cluster {

namespace {

duration distance(wall_time wall, time_point now) noexcept {
    return std::chrono::duration_cast<duration>(wall.time_since_epoch()) - now.time_since_epoch();
}

/// What most differ by, this node's own 0 included. Where two halves disagree, what is nearer to
/// its own: then each goes by its own.
duration median_of(std::vector<duration>& differences) {
    differences.push_back(duration(0));
    std::ranges::sort(differences);
    const std::size_t middle = differences.size() / 2;
    const duration upper = differences[middle];
    const duration lower = differences.size() % 2 == 0 ? differences[middle - 1] : upper;
    return std::chrono::abs(lower) < std::chrono::abs(upper) ? lower : upper;
}

} // namespace

void agreed_clock::hear(node_id from, wall_time sent, time_point now) {
    const duration reading = distance(sent, now);
    const auto [at, is_first] = readings_.try_emplace(from, reading);
    if (!is_first) {
        at->second = std::max(at->second, reading);
    }
}

void agreed_clock::begin_anew(time_point now) {
    readings_.clear();
    due_ = now + bounds_.period;
}

bool agreed_clock::judge(time_point now, wall_time own, std::span<const node_id> live) {
    std::vector<duration> differences;
    for (const node_id each : live) {
        if (const auto found = readings_.find(each); found != readings_.end()) {
            differences.push_back(found->second - distance(own, now));
        }
    }
    begin_anew(now);
    if (live.size() < 2) {
        return tell(std::nullopt, {});
    }
    if (differences.size() < 2) {
        return false; // it was quiet: what was agreed goes on
    }
    const duration error = median_of(differences);
    const duration bound = correction_ == duration(0) ? bounds_.wrong_above : bounds_.right_below;
    const duration correction = std::chrono::abs(error) > bound ? error : duration(0);
    return tell(
        agreed_time{.at = now,
                    .wall = own + std::chrono::duration_cast<wall_time::duration>(correction)},
        correction);
}

bool agreed_clock::tell(const std::optional<agreed_time>& now, duration correction) {
    const bool was_right = correction_ == duration(0);
    correction_ = correction;
    const bool is_same =
        now.has_value() == told_.has_value()
        && (!now || std::chrono::abs(now->wall - told_->on(now->at)) <= bounds_.steady);
    if (!is_same) {
        told_ = now;
    }
    return !is_same || was_right != (correction == duration(0));
}

} // namespace gv::cluster
