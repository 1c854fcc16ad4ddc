// SPDX-License-Identifier: Apache-2.0
#include "broker/shard/peer_lanes.hpp"

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

// Who was connected to a node that died has no session any more, so nothing is owed there but to
// kept sessions: for those messages wait. A node that is forgotten has none.
void peer_lane::on_standing(const peer_standing& standing, time_point now) {
    presence = standing.presence;
    note_life(standing.boot);
    sender.set_suspected(presence == peer_presence::absent || standing.is_suspected, now, *this);
    if (presence == peer_presence::absent && !is_for_sessions(key_.number)) {
        sender.give_up_volatile(*this);
    } else if (presence == peer_presence::gone) {
        sender.abandon(0, *this);
    }
}

std::unique_ptr<peer_lane> peer_lanes::make(lane_key key, node_id node) const {
    if (is_for_sessions(key.number)) {
        peer_lanes_options unspooled = options_;
        unspooled.sender.spools = false;
        return std::make_unique<peer_lane>(key, node, unspooled, spool_);
    }
    const auto left =
        std::ranges::find(left_, storage::spool_lane{node, key.number}, &storage::spool_left::of);
    if (left == left_.end() || !options_.sender.spools) {
        return std::make_unique<peer_lane>(key, node, options_, spool_);
    }
    return std::make_unique<peer_lane>(
        key, node, options_, spool_,
        cluster::lane_spool_left{
            .first = left->first, .last = left->last, .rows = left->rows, .bytes = left->bytes});
}

void peer_lanes::meet(const peer_standing& who) {
    if (who.slot.value >= outgoing_.size()) {
        outgoing_.resize(who.slot.value + std::size_t{1});
        sessions_.resize(outgoing_.size());
    }
    auto& own = outgoing_[who.slot.value];
    if (own) {
        return;
    }
    own = make({.slot = who.slot, .number = options_.self.shard}, who.node);
    if (options_.has_sessions) {
        sessions_[who.slot.value] =
            make({.slot = who.slot, .number = session_lane_of(options_.self.shard)}, who.node);
    }
    for (const storage::spool_left& each : left_) {
        if (each.of.peer == who.node && each.of.lane != options_.self.shard) {
            further_.push_back(make({.slot = who.slot, .number = each.of.lane}, who.node));
        }
    }
    std::erase_if(left_, [&](const auto& each) { return each.of.peer == who.node; });
}

peer_lane* peer_lanes::find(lane_key key) noexcept {
    if (key.number == options_.self.shard) {
        return find(key.slot);
    }
    if (is_for_sessions(key.number)) {
        return find_sessions(key.slot);
    }
    const auto found =
        std::ranges::find(further_, key, [](const auto& each) { return each->key(); });
    return found == further_.end() ? nullptr : found->get();
}

std::optional<peer_slot> peer_lanes::slot_of(node_id node) const noexcept {
    const auto found = std::ranges::find_if(
        outgoing_, [node](const auto& each) { return each && each->place().peer == node; });
    return found == outgoing_.end() ? std::nullopt : std::optional((*found)->key().slot);
}

std::vector<lane_key> peer_lanes::lanes_to(peer_slot slot) const {
    std::vector<lane_key> all;
    for_each_outgoing([&](const peer_lane& each) {
        if (each.key().slot == slot) {
            all.push_back(each.key());
        }
    });
    return all;
}

void peer_lanes::set_live(peer_slot slot, bool is_live) {
    std::erase(live_, slot);
    if (is_live) {
        live_.push_back(slot);
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
    for_each_outgoing(
        [&](const peer_lane& each) { first = std::min(first, each.sender.next_deadline()); });
    return first;
}

} // namespace gv::shard
