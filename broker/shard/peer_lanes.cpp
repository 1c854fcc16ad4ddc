// SPDX-License-Identifier: Apache-2.0
#include "broker/shard/peer_lanes.hpp"

#include "base/assert.hpp"

#include <algorithm>

namespace gv::shard {

namespace {

void add_totals(cluster::lane_receiver_counts& to, const cluster::lane_receiver_counts& from) {
    to.messages += from.messages;
    to.frames += from.frames;
    to.bytes += from.bytes;
    to.duplicates += from.duplicates;
    to.replies += from.replies;
    to.faults += from.faults;
}

} // namespace

void peer_lane::spool_put(cluster::lane_seq, std::string_view, cluster::lane_waiter) {
    BROKER_ASSERT(false, "a lane without a spool");
}
void peer_lane::spool_read(cluster::lane_seq, std::size_t) {
    BROKER_ASSERT(false, "a lane without a spool");
}
void peer_lane::spool_erase(cluster::lane_seq, cluster::lane_seq) {
    BROKER_ASSERT(false, "a lane without a spool");
}

peer_lane& peer_lanes::to(peer_slot slot) {
    if (slot.value >= outgoing_.size()) {
        outgoing_.resize(slot.value + std::size_t{1});
    }
    auto& found = outgoing_[slot.value];
    if (!found) {
        found = std::make_unique<peer_lane>(slot, options_);
    }
    return *found;
}

void peer_lanes::set_live(peer_lane& lane, bool is_live) {
    if (lane.is_live == is_live) {
        return;
    }
    lane.is_live = is_live;
    if (is_live) {
        live_.push_back(lane.slot());
    } else {
        std::erase(live_, lane.slot());
    }
}

std::optional<incoming_lane_id> peer_lanes::arrive(const cluster::lane_identity& lane) {
    for (std::size_t at = 0; at < arriving_.size(); ++at) {
        if (!arriving_[at] || arriving_[at]->receiver.lane().origin != lane.origin) {
            continue;
        }
        const cluster::lane_identity& known = arriving_[at]->receiver.lane();
        if (known.boot > lane.boot) {
            return std::nullopt;
        }
        if (known.boot < lane.boot) {
            add_totals(past_, arriving_[at]->receiver.counted());
            arriving_[at].reset();
        } else if (known.shard == lane.shard) {
            return incoming_lane_id{static_cast<std::uint32_t>(at + 1)};
        }
    }
    arriving_.push_back(std::make_unique<arriving_lane>(lane, options_));
    return incoming_lane_id{static_cast<std::uint32_t>(arriving_.size())};
}

cluster::lane_receiver_counts peer_lanes::received() const noexcept {
    cluster::lane_receiver_counts all = past_;
    for (const auto& each : arriving_) {
        if (each) {
            add_totals(all, each->receiver.counted());
        }
    }
    return all;
}

time_point peer_lanes::next_deadline() const noexcept {
    time_point first = never;
    for (const auto& each : outgoing_) {
        first = each ? std::min(first, each->sender.next_deadline()) : first;
    }
    return first;
}

} // namespace gv::shard
