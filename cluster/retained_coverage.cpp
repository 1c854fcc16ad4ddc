// SPDX-License-Identifier: Apache-2.0
#include "cluster/retained_coverage.hpp"

#include <algorithm>
#include <limits>

namespace gv::cluster {

namespace {

constexpr hybrid_time nothing{};

hybrid_time value_of(const retained_coverage::covered& of, node_id node) {
    const auto found = of.find(node);
    return found == of.end() ? nothing : found->second;
}

void raise(retained_coverage::covered& of, node_id node, hybrid_time to) {
    hybrid_time& known = of[node];
    known = std::max(known, to);
}

wall_time earlier(wall_time than, duration by) {
    return than - std::chrono::duration_cast<wall_time::duration>(by);
}

} // namespace

hybrid_time floor_to(duration step, hybrid_time stamp) noexcept {
    const auto ms = std::max<std::int64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(step).count(), 1);
    const std::uint64_t whole = stamp.value >> 16;
    return {(whole - whole % static_cast<std::uint64_t>(ms)) << 16};
}

hybrid_time stamp_of(wall_time wall) noexcept {
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(wall.time_since_epoch()).count();
    return {static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 0)) << 16};
}

retained_coverage::retained_coverage(node_id self, const retained_claim& claim,
                                     const retained_collecting& options, wall_time now)
    : self_(self), claim_(claim), options_(options), present_since_(stamp_of(now)) {}

void retained_coverage::on_member(node_id node, bool is_alive, bool is_new_life) {
    member& known = members_[node];
    known.is_alive = is_alive;
    if (is_new_life) {
        known.has.clear();
    }
}

void retained_coverage::forget(node_id node) {
    members_.erase(node);
    own_.erase(node);
}

auto retained_coverage::own(wall_time now) -> const covered& {
    raise(own_, self_, stamp_of(earlier(now, options_.settling)));
    return own_;
}

hybrid_time retained_coverage::least_of(const covered& has) const {
    hybrid_time least = value_of(has, self_);
    for (const auto& [node, known] : members_) {
        least = std::min(least, value_of(has, node));
    }
    return least;
}

hybrid_time retained_coverage::low_water() const {
    hybrid_time least = least_of(own_);
    for (const auto& [node, known] : members_) {
        least = std::min(least, least_of(known.has));
    }
    return least;
}

void retained_coverage::hear(node_id node, const covered& told, hybrid_time latest) {
    const auto found = members_.find(node);
    if (found == members_.end()) {
        return;
    }
    for (const auto& [of, until] : told) {
        if (of == self_ || members_.contains(of)) {
            raise(found->second.has, of, until);
        }
        if (of == self_) {
            raise(own_, self_, std::min(until, latest));
        }
    }
}

hybrid_time retained_coverage::own_until() const { return value_of(own_, self_); }

/// What it said of the future is not believed: its clock may have been wrong, and what it writes
/// once that is right has earlier stamps.
void retained_coverage::has_all_of(node_id node, const covered& told, hybrid_time present_since,
                                   wall_time now) {
    const hybrid_time most = stamp_of(earlier(now, options_.settling));
    for (const auto& [of, until] : told) {
        if (members_.contains(of)) {
            raise(own_, of, std::min(until, most));
        }
    }
    if (members_.contains(node)) {
        present_since_ = std::min(present_since_, present_since);
    }
}

/// Where one ends before the other begins, nobody can speak for what is between.
retained_claim retained_coverage::merged(const retained_claim& other) const noexcept {
    const bool is_gap = !other.is_empty() && !claim_.is_empty()
                        && (claim_.from > other.to || other.from > claim_.to);
    if (is_gap) {
        return claim_.to < other.to ? other : claim_;
    }
    return {.from = std::min(claim_.from, other.from), .to = std::max(claim_.to, other.to)};
}

/// Everybody has everything up to there. A node that knows of no other is not so sure of that: it
/// may be that it was not told of them.
hybrid_time retained_coverage::agreed(wall_time now) const {
    if (members_.empty()) {
        return nothing;
    }
    return floor_to(options_.step, std::min(low_water(), stamp_of(earlier(now, options_.age_min))));
}

/// Some are not waited for any more. Only one side of a split may say so: else each would take for
/// removed what was set at the other. And only somebody who was there all the time, and has lately
/// had all that a majority has: what one of these got meanwhile from those who are away is no more
/// than that one of them was late.
hybrid_time retained_coverage::capped(wall_time now) const {
    const hybrid_time until = floor_to(options_.step, stamp_of(earlier(now, options_.age_max)));
    const hybrid_time lately = stamp_of(earlier(now, options_.contact + options_.settling));
    if (present_since_ > until) {
        return nothing;
    }
    std::size_t present = 1;
    node_id lowest = self_;
    bool is_lowest_present = true;
    for (const auto& [node, known] : members_) {
        const bool is_present = value_of(own_, node) >= lately;
        if (known.is_alive && !is_present) {
            return nothing; // it is waited for
        }
        present += is_present ? 1 : 0;
        is_lowest_present = node < lowest ? is_present : is_lowest_present;
        lowest = std::min(lowest, node);
    }
    const std::size_t all = members_.size() + 1;
    const bool is_majority = 2 * present > all || (2 * present == all && is_lowest_present);
    return is_majority ? until : nothing;
}

std::optional<retained_claim> retained_coverage::next_claim(wall_time now) const {
    const hybrid_time until = std::max(agreed(now), capped(now));
    if (until <= claim_.to || until <= claim_.from) {
        return std::nullopt;
    }
    return retained_claim{.from = claim_.from, .to = until};
}

} // namespace gv::cluster
