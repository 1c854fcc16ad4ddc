// SPDX-License-Identifier: Apache-2.0
// Messages to and from other nodes. A node is to the cluster what a shard is to its node: one copy
// goes to each that wants a topic, which matches again, and says when the message is taken there.
// What a shard and another node have between them is a lane each way (cluster/lane.hpp); whoever
// moves its frames is the driver.
#include "base/log.hpp"
#include "broker/shard/core.hpp"

#include <algorithm>

namespace gv::shard {

using mqtt::reason_code;

namespace {

/// Stamps of a peer further ahead than this are not taken over: membership tells of its clock.
constexpr auto stamp_ahead_max = 500ms;

} // namespace

// A retained message goes to all nodes, since each has a copy of its own; any other to those that
// want it. What the broker says of itself, each node says itself.
void core::distribute_to_peers(const publication& what, reach& where) {
    if (!lanes_ || what.topic.starts_with("$SYS/")) {
        return;
    }
    const std::span<const peer_slot> wanting = where.peers != nullptr
                                                   ? std::span<const peer_slot>(*where.peers)
                                                   : std::span<const peer_slot>{};
    if (!what.header.retain || !is_small_enough_to_retain(what)) {
        for (const peer_slot each : wanting) {
            forward(each, what, {.for_subscribers = true}, where);
        }
        return;
    }
    for (const peer_slot each : lanes_->live()) {
        const bool is_wanted = std::ranges::find(wanting, each) != wanting.end();
        forward(each, what, {.for_subscribers = is_wanted, .for_retained = true}, where);
    }
}

void core::forward(peer_slot to, const publication& what, cluster::forward_flags flags,
                   reach& where) {
    peer_lane* lane = lanes_->find(to);
    if (lane == nullptr || !lane->is_live) {
        return;
    }
    const bool is_counted = what.header.quality != qos::at_most_once;
    lane->append(what, flags, is_counted ? await_one().value : 0, turn_.now);
    if (lane->sender.is_full()) {
        where.full_lane = lane;
    }
    touch(*lane);
}

void core::touch(peer_lane& changed) {
    if (!changed.is_dirty) {
        changed.is_dirty = true;
        dirty_lanes_.push_back(changed.slot());
    }
}

void core::touch(incoming_lane_id changed) {
    arriving_lane* lane = lanes_->from(changed);
    if (lane != nullptr && !lane->is_dirty) {
        lane->is_dirty = true;
        dirty_replies_.push_back(changed);
    }
}

// What a lane asked for while it was called.
void core::settle_lane(peer_lane& lane) {
    give_answers(lane);
    touch(lane);
}

void core::give_answers(peer_lane& lane) {
    for (const peer_lane::answer& each : std::exchange(lane.answers, {})) {
        if (is_of_group(each.waiter)) {
            on_group_answer(each);
        } else {
            on_taken(
                {.take = take_token{each.waiter}, .reason = static_cast<reason_code>(each.reason)});
        }
    }
    if (std::exchange(lane.has_room_again, false)) {
        set_free(lane.waiters);
    }
}

// --- peers

// Who was connected to a node that died has no session any more, so nothing is owed there.
void core::on_peer(peer_slot slot, peer_presence presence) {
    peer_lane& lane = lanes_->to(slot);
    lanes_->set_live(lane, presence == peer_presence::live);
    if (presence != peer_presence::live) {
        lane.abandon();
    }
    settle_lane(lane);
}

cluster::lane_hello core::hello_to(peer_slot slot) { return lanes_->to(slot).sender.hello(); }

bool core::on_welcome(peer_slot slot, const cluster::lane_welcome& welcome) {
    peer_lane& lane = lanes_->to(slot);
    const auto done = lane.on_welcome(welcome, turn_.now);
    settle_lane(lane);
    return note_fault(done, "welcome");
}

bool core::on_reply(peer_slot slot, const cluster::lane_reply& reply) {
    peer_lane& lane = lanes_->to(slot);
    const auto done = lane.on_reply(reply, turn_.now);
    settle_lane(lane);
    return note_fault(done, "reply");
}

void core::on_link_lost(peer_slot slot) {
    peer_lane& lane = lanes_->to(slot);
    lane.on_lost(turn_.now);
    settle_lane(lane);
}

std::optional<cluster::lane_frame> core::take_frame(peer_slot slot) {
    peer_lane& lane = lanes_->to(slot);
    auto frame = lane.take_frame(turn_.now);
    give_answers(lane);
    return frame;
}

bool core::note_fault(const result<void, cluster::lane_fault>& done, std::string_view where) {
    if (!done) {
        log::warn("lane_fault", {{"in", where},
                                 {"fault", cluster::text_of(done.error())},
                                 {"remedy", "the link begins anew; if it goes on, one of the nodes "
                                            "is not what it says"}});
    }
    return done.has_value();
}

std::vector<peer_slot> core::take_dirty_lanes() {
    for (const peer_slot each : dirty_lanes_) {
        lanes_->to(each).is_dirty = false;
    }
    return std::exchange(dirty_lanes_, {});
}

std::vector<incoming_lane_id> core::take_dirty_replies() {
    for (const incoming_lane_id each : dirty_replies_) {
        if (arriving_lane* lane = lanes_->from(each)) {
            lane->is_dirty = false;
        }
    }
    return std::exchange(dirty_replies_, {});
}

// --- lanes of other nodes

std::optional<core::arrival> core::on_hello(const cluster::lane_hello& hello) {
    const auto which = lanes_->arrive(hello.lane);
    if (!which) {
        return std::nullopt;
    }
    const auto welcome = lanes_->from(*which)->receiver.on_hello(hello);
    if (!welcome) {
        static_cast<void>(note_fault(failure(welcome.error()), "hello"));
        return std::nullopt;
    }
    return arrival{.lane = *which, .welcome = *welcome};
}

bool core::on_frame(incoming_lane_id from, const cluster::lane_frame& frame) {
    arriving_lane* lane = lanes_->from(from);
    if (lane == nullptr) {
        return false;
    }
    const auto bytes = lane->receiver.on_frame(
        frame, turn_.now,
        [&](const publication& what, const cluster::forward_flags& flags, cluster::lane_seq seq) {
            on_forwarded(from, what, flags, seq);
        });
    if (!bytes) {
        return note_fault(failure(bytes.error()), "frame");
    }
    lane->receiver.release(*bytes);
    touch(from);
    return true;
}

void core::on_arriving_lost(incoming_lane_id from) {
    if (arriving_lane* lane = lanes_->from(from)) {
        lane->receiver.on_disconnected();
    }
}

std::optional<cluster::lane_reply> core::take_reply(incoming_lane_id from) {
    arriving_lane* lane = lanes_->from(from);
    return lane == nullptr ? std::nullopt : lane->receiver.take_reply();
}

// As from another shard of this node, but that the other shards here are told from here. Groups get
// what was given to them alone: the node that the message came to chooses one member in the
// cluster.
void core::on_forwarded(incoming_lane_id from, const publication& what,
                        const cluster::forward_flags& flags, cluster::lane_seq seq) {
    if (wall_of(what.header.stamp) <= turn_.wall + stamp_ahead_max) {
        clock_.absorb(what.header.stamp);
    }
    takers_ = {};
    onward_ = 0;
    publisher_ = 0;
    if (flags.is_for_group()) {
        on_forwarded_to_group(from, what, flags, seq);
        return;
    }
    giving_out given{.who = {.lane = from, .lane_seq = seq, .wants_answer = seq != 0},
                     .level = what.header.level};
    begin_giving_out(given, {});
    reach where;
    if (flags.for_subscribers) {
        where = distribute_here(what, audience::outsiders, flags.for_retained);
    } else if (flags.for_retained) {
        where = retain_at_owner(what);
    }
    if (where.shards != 0) {
        distribute_there(what, audience::outsiders, where);
    }
    end_giving_out(where);
}

} // namespace gv::shard
