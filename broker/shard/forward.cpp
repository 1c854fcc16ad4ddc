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
constexpr auto absorbed_ahead_max = 500ms;

/// The same message, as one that this node took.
publication dated_anew(const publication& what, hybrid_time stamp, node_id here) {
    publication again = what;
    again.held = {}; // its header is of before
    again.header.stamp = stamp;
    again.header.origin = here;
    return again;
}

} // namespace

// A retained message goes to all nodes, since each has a copy of its own; any other to those that
// want it. What the broker says of itself, each node says itself.
void core::distribute_to_peers(const publication& what, reach& where) {
    if (!lanes_ || what.topic.starts_with("$SYS/")) {
        return;
    }
    const std::span<const router::peer_want> wanting =
        where.peers != nullptr ? std::span<const router::peer_want>(*where.peers)
                               : std::span<const router::peer_want>{};
    const bool is_for_retained = what.header.retain && is_small_enough_to_retain(what);
    for (const router::peer_want& each : wanting) {
        forward(
            each, what,
            {.for_subscribers = true, .for_retained = is_for_retained, .for_kept = each.for_kept},
            where);
    }
    if (!is_for_retained) {
        return;
    }
    for (const peer_slot each : lanes_->live()) {
        if (std::ranges::find(wanting, each, &router::peer_want::slot) == wanting.end()) {
            forward({.slot = each}, what, {.for_retained = true}, where);
        }
    }
}

// What would go to the spool of a node that is away, or slow, needs room on the disk as any message
// that is kept.
void core::forward(const router::peer_want& to, const publication& what,
                   cluster::forward_flags flags, reach& where) {
    peer_lane* lane = lanes_->find(to.slot);
    if (lane == nullptr || lane->presence == peer_presence::gone) {
        return;
    }
    const bool is_counted = what.header.quality != qos::at_most_once;
    if (lane->presence == peer_presence::absent) {
        if (!is_counted || !to.for_kept) {
            return;
        }
        flags = {.for_kept = true};
    }
    if (is_counted && lane->is_spooling() && refuses_to_spool()) {
        given_out_->is_refused = true;
        return;
    }
    lane->append(what, flags, is_counted ? await_one().value : 0, turn_.now);
    give_answers(*lane); // of this message, if it is in the spool and need not be on disk
    if (lane->sender.is_full()) {
        where.full_lane = lane;
    }
    touch(*lane);
}

void core::touch(peer_lane& changed) {
    if (!changed.is_dirty) {
        changed.is_dirty = true;
        dirty_lanes_.push_back(changed.key());
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

void core::on_peer(const peer_standing& now) {
    lanes_->meet(now);
    lanes_->set_live(now.slot, now.presence == peer_presence::live);
    const peer_lane* sessions = lanes_->find_sessions(now.slot);
    const bool was_live = sessions != nullptr && sessions->presence == peer_presence::live;
    const bool is_reborn =
        sessions != nullptr && sessions->life.value != 0 && sessions->life < now.boot;
    for (const lane_key each : lanes_->lanes_to(now.slot)) {
        peer_lane& lane = lanes_->at(each);
        lane.on_standing(now, turn_.now);
        if (now.is_suspected) {
            take_back_from_suspect(lane);
        }
        settle_lane(lane);
    }
    if (sessions != nullptr) {
        note_parties(now, was_live, is_reborn);
        hear_early_words();
    }
}

std::vector<lane_key> core::lanes_to(peer_slot slot) const { return lanes_->lanes_to(slot); }

cluster::lane_hello core::hello_of(lane_key lane) { return lanes_->at(lane).sender.hello(); }

bool core::on_welcome(lane_key which, const cluster::lane_welcome& welcome) {
    peer_lane& lane = lanes_->at(which);
    if (is_for_sessions(which.number) && lane.life != welcome.boot) {
        return false; // of a life that membership has not told of yet, or that is over
    }
    const auto done = lane.on_welcome(welcome, turn_.now);
    settle_lane(lane);
    look_at_fences();
    return note_fault(done, "welcome");
}

bool core::on_reply(lane_key which, const cluster::lane_reply& reply) {
    peer_lane& lane = lanes_->at(which);
    const auto done = lane.on_reply(reply, turn_.now);
    settle_lane(lane);
    look_at_fences();
    return note_fault(done, "reply");
}

void core::on_link_lost(lane_key which) {
    peer_lane& lane = lanes_->at(which);
    lane.on_lost(turn_.now);
    settle_lane(lane);
}

std::optional<cluster::lane_frame> core::take_frame(lane_key which) {
    peer_lane& lane = lanes_->at(which);
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

std::vector<lane_key> core::take_dirty_lanes() {
    for (const lane_key each : dirty_lanes_) {
        lanes_->at(each).is_dirty = false;
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

// Words about sessions must not come before membership has told of a node, nor before it has told
// of its new life.
bool core::knows(const cluster::lane_identity& lane) {
    if (!is_for_sessions(lane.shard)) {
        return true;
    }
    const auto slot = lanes_->slot_of(lane.origin);
    const peer_lane* sessions = slot ? lanes_->find_sessions(*slot) : nullptr;
    return sessions != nullptr && sessions->life == lane.boot;
}

std::optional<core::arrival> core::on_hello(const cluster::lane_hello& hello) {
    const auto which = knows(hello.lane) ? lanes_->arrive(hello.lane) : std::nullopt;
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
    const bool carries_errands = is_for_sessions(lane->receiver.lane().shard);
    bool is_misplaced = false;
    const auto bytes = lane->receiver.on_frame(
        frame, turn_.now,
        [&](const publication& what, const cluster::forward_flags& flags, cluster::lane_seq seq) {
            is_misplaced = is_misplaced || flags.errand.empty() == carries_errands;
            if (is_misplaced) {
                return;
            }
            if (carries_errands) {
                on_errand(from, what, flags.errand);
                if (seq != 0) {
                    answer({.lane = from, .lane_seq = seq}, reason_code::success);
                }
            } else {
                on_forwarded(from, what, flags, seq);
            }
        });
    if (is_misplaced) {
        return note_fault(failure(cluster::lane_fault::message_malformed), "frame");
    }
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

// Whose clock is wrong may not say what is newest.
void core::on_forwarded(incoming_lane_id from, const publication& what,
                        const cluster::forward_flags& flags, cluster::lane_seq seq) {
    if (!clock_.believes(what.header.stamp)) {
        ++counts_.dated_anew;
        give_out_forwarded(from, dated_anew(what, clock_.next(), options_.node), flags, seq);
        return;
    }
    if (wall_of(what.header.stamp) <= clock_.wall() + absorbed_ahead_max) {
        clock_.absorb(what.header.stamp);
    }
    give_out_forwarded(from, what, flags, seq);
}

// As from another shard of this node, but that the other shards here are told from here. Groups get
// what was given to them alone: the node that the message came to chooses one member in the
// cluster.
void core::give_out_forwarded(incoming_lane_id from, const publication& what,
                              const cluster::forward_flags& flags, cluster::lane_seq seq) {
    takers_ = {};
    onward_ = 0;
    publisher_ = 0;
    if (flags.is_for_group()) {
        on_forwarded_to_group(from, what, flags, seq);
        return;
    }
    giving_out given{.who = {.lane = from, .lane_seq = seq, .wants_answer = seq != 0},
                     .level = what.header.level,
                     .is_for_kept_only = !flags.for_subscribers};
    begin_giving_out(given, {});
    reach where;
    if (flags.for_subscribers || flags.for_kept) {
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
