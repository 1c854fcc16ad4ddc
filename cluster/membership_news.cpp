// SPDX-License-Identifier: Apache-2.0
// Membership: what is said of nodes, whom to believe, and what follows.
#include "cluster/membership.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gv::cluster {

void membership::take_rows(std::span<const member_row> rows, node_id from, moment at) {
    for (const member_row& row : rows) {
        take_row(row, from, at);
    }
}

void membership::take_row(const member_row& row, node_id from, moment at) {
    if (row.node == self_.node) {
        take_row_of_self(row, from, at);
        return;
    }
    member* const known = table_.find(row.node);
    if (known == nullptr) {
        take_new(row, at);
        return;
    }
    if (row.state == member_state::suspect && precedence(row) == precedence(known->row)) {
        confirm(*known, row.accuser, at.now);
        return;
    }
    if (!supersedes(row, known->row)) {
        return;
    }
    const bool is_live_here = known->is_live() && known->row.boot == row.boot;
    if (is_live_here && is_accusation(row)) {
        weigh(*known, row, at);
    } else if (is_live_here && row.state == member_state::remembered) {
        // Only the node itself raises its incarnation, so it has refuted what was known before.
        member_row refuted = row;
        refuted.state = member_state::alive;
        adopt(*known, refuted, at);
    } else {
        adopt(*known, row, at);
    }
}

// Somebody's word against a node that is live here. A death comes after a suspicion that everybody
// has heard of; whoever has not, like the one half when a split cluster comes together, has no
// reason to believe it before the node could refute.
void membership::weigh(member& which, const member_row& row, moment at) {
    if (is_contested(which, at.now)) {
        metrics_.contested.add();
        send_to(row.node, notice{}, at, &row);
        return;
    }
    if (which.row.state == member_state::alive) {
        member_row doubted = row;
        doubted.state = member_state::suspect;
        check_hearsay(which, doubted, at);
        return;
    }
    const time_point believed_at = which.since + bounds_of_suspicion().least / 4;
    if (row.state == member_state::suspect || at.now >= believed_at) {
        adopt(which, row, at);
    } else {
        confirm(which, row.accuser, at.now);
    }
}

void membership::take_new(const member_row& row, moment at) {
    member* const added = table_.add(row, at.now);
    if (added == nullptr) {
        metrics_.left_out.add();
        raise({.kind = alarm_kind::members_full,
               .node = row.node,
               .ours = std::to_string(table_.size()),
               .name = row.profile.name,
               .address = row.profile.peer_address},
              at.now);
        return;
    }
    settle(*added, true, at.now);
    spread(row, at.now);
    tell_changes(*added, {.node = row.node, .state = member_state::remembered});
    look_who_is_replaced(*added, at);
}

// An answer to a question of one's own counts more than hearsay: whoever hears badly accuses many.
bool membership::is_contested(const member& which, time_point now) const noexcept {
    return which.answered && now < *which.answered + options_.own_evidence;
}

void membership::confirm(member& which, node_id accuser, time_point now) {
    if (which.doubt && which.doubt->confirm(accuser)) {
        member_row row = which.row;
        row.accuser = accuser;
        spread(row, now);
    }
}

void membership::adopt(member& which, const member_row& row, moment at) {
    const member_row before = which.row;
    const bool is_another_life = row.boot != before.boot || row.incarnation != before.incarnation;
    if (row.boot != before.boot) {
        which.answered.reset();
        tell_death(which);
    }
    table_.set_row(which, row, at.now);
    settle(which, is_another_life, at.now);
    spread(row, at.now);
    tell_changes(which, before);
    look_who_is_replaced(which, at);
}

// A node that keeps nothing and was killed could not say that it goes for good. Who speaks at its
// address has taken its place. Should it live after all, it refutes.
void membership::look_who_is_replaced(member& changed, moment at) {
    const auto is_over = [](const member_row& row) {
        return (row.state == member_state::dead || row.state == member_state::remembered)
               && (row.profile.features & feature_passing) != 0;
    };
    if (!changed.is_live() && !is_over(changed.row)) {
        return;
    }
    for (auto& [node, each] : table_) {
        if (node == changed.row.node
            || each.row.profile.peer_address != changed.row.profile.peer_address) {
            continue;
        }
        if (changed.is_live() && is_over(each.row)) {
            declare(each, member_state::left, at);
        } else if (each.is_live() && is_over(changed.row)) {
            return declare(changed, member_state::left, at);
        }
    }
}

// Timers of its state.
void membership::settle(member& which, bool is_another_life, time_point now) {
    const member_state state = which.row.state;
    which.hearsay.reset();
    if (state != member_state::suspect || is_another_life) {
        which.doubt.reset();
    }
    if (state == member_state::suspect && !which.doubt) {
        which.doubt.emplace(now, bounds_of_suspicion(), which.row.accuser);
        if (which.was_refused) {
            which.doubt->halve();
        }
    }
    if (state != member_state::dead && state != member_state::remembered) {
        which.next_try.stop();
    } else if (which.next_try.due() == never) {
        which.next_try.begin(now, options_.redial, options_.redial.shortest, random_);
    }
}

void membership::tell_changes(member& which, const member_row& before) {
    const member_row& after = which.row;
    if (is_live(after.state)) {
        tell_life(which, before);
    } else if (!is_registered(after.state) && before.state != after.state) {
        which.is_told_live = false;
        effects_.member_changed(which, after.state == member_state::left ? member_change::left
                                                                         : member_change::gone);
    } else {
        tell_death(which);
    }
    if (before.boot != after.boot || before.profile != after.profile
        || is_registered(before.state) != is_registered(after.state)) {
        effects_.snapshot_changed();
        look_at_levels();
    }
}

void membership::tell_life(member& which, const member_row& before) {
    const member_state state = which.row.state;
    const bool was_told = std::exchange(which.is_told_live, true);
    if (which.told != which.row.boot) {
        which.told = which.row.boot;
        effects_.member_changed(which, member_change::joined);
    } else if (!was_told
               || (state == member_state::alive && before.state == member_state::suspect)) {
        metrics_.refuted.add();
        which.refused = {};
        effects_.member_changed(which, member_change::refuted);
    }
    if (was_told && before.profile != which.row.profile) {
        effects_.member_changed(which, member_change::updated);
    }
    if (state == member_state::suspect && (!was_told || before.state != member_state::suspect)) {
        effects_.member_changed(which, member_change::suspected);
    }
}

// Whoever never was there in this life of this node has not died in it.
void membership::tell_death(member& which) {
    if (std::exchange(which.is_told_live, false)) {
        metrics_.deaths.add();
        effects_.member_changed(which, member_change::died);
    }
}

// This node had no answer itself.
void membership::accuse(member& which, moment at) {
    if (which.row.state == member_state::suspect) {
        if (which.was_refused) {
            which.doubt->halve();
        }
        confirm(which, self_.node, at.now);
        return;
    }
    metrics_.suspicions.add();
    declare(which, member_state::suspect, at);
}

void membership::declare(member& which, member_state state, moment at) {
    member_row row = which.row;
    row.state = state;
    row.accuser = self_.node;
    adopt(which, row, at);
}

void membership::end_suspicions(moment at) {
    for (auto& [node, each] : table_) {
        if (each.doubt && at.now >= each.doubt->deadline()) {
            declare(each, member_state::dead, at);
        }
    }
}

void membership::forget_the_long_dead(moment at) {
    if (!options_.forget_after) {
        return;
    }
    for (auto& [node, each] : table_) {
        if (each.row.state == member_state::dead && at.now >= each.since + *options_.forget_after) {
            declare(each, member_state::gone, at);
        }
    }
}

result<void, forget_failure> membership::forget(node_id node, moment at) {
    member* const known = table_.find(node);
    if (known == nullptr) {
        return failure(forget_failure::unknown);
    }
    if (known->is_live()) {
        return failure(forget_failure::is_live);
    }
    if (known->row.state != member_state::gone) {
        declare(*known, member_state::gone, at);
    }
    show_gauges();
    return {};
}

void membership::take_row_of_self(const member_row& row, node_id from, moment at) {
    const bool is_mine = row.profile == self_.profile;
    if (row.boot > self_.boot
        || (row.boot == self_.boot && row.incarnation == self_.incarnation && !is_mine)) {
        raise({.kind = alarm_kind::identity_in_use,
               .node = self_.node,
               .ours = self_.profile.peer_address,
               .theirs = row.profile.peer_address},
              at.now);
    }
    if (row.boot != self_.boot || is_forgotten_) {
        return;
    }
    if (row.state == member_state::gone) {
        is_forgotten_ = true;
        gossip_.clear();
        probes_.clear();
        effects_.forgotten();
        return;
    }
    const bool is_untrue = row.state > member_state::alive || !is_mine;
    if (is_untrue && row.incarnation < self_.incarnation) {
        spread(self_, at.now); // refuted long ago; whoever says it has not heard
        return;
    }
    if (!is_leaving_
        && (row.incarnation > self_.incarnation
            || (row.incarnation == self_.incarnation && is_untrue))) {
        refute(row.incarnation, from, at);
    }
}

// The teller hears it with the answer, if it asked something, and is told here if it did not; the
// rest by gossip. Having to refute is a sign that this node may be the slow one.
void membership::refute(incarnation_number above, node_id from, moment at) {
    self_.incarnation = incarnation_number{std::min(above.value, incarnation_max.value - 1) + 1};
    metrics_.refutations.add();
    awareness_.add(1);
    spread(self_, at.now);
    send_to(from, notice{}, at, &self_);
}

void membership::set_profile(const member_profile& profile, moment at) {
    if (profile == self_.profile) {
        return;
    }
    self_.profile = profile;
    look_at_levels();
    self_.incarnation =
        incarnation_number{std::min(self_.incarnation.value, incarnation_max.value - 1) + 1};
    spread(self_, at.now);
}

void membership::spread(const member_row& row, time_point now) {
    gossip_.put(row);
    if (next_gossip_ == never) {
        next_gossip_ = now + options_.gossip_period;
    }
}

suspicion_bounds membership::bounds_of_suspicion() const noexcept {
    const double nodes = static_cast<double>(live_nodes());
    const double periods = options_.suspicion_factor * std::max(1.0, std::log10(nodes));
    const auto least = duration(
        static_cast<duration::rep>(periods * static_cast<double>(options_.probe_period.count())));
    // Neither the accused nor this node confirms what this node says.
    const bool can_be_confirmed = live_nodes() >= options_.confirmations + 2;
    return {.least = least,
            .most = least * options_.suspicion_max_factor,
            .needed = can_be_confirmed ? options_.confirmations : 0};
}

} // namespace gv::cluster
