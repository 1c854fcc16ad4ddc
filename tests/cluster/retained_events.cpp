// SPDX-License-Identifier: Apache-2.0
// What happens in a run.
#include "tests/cluster/retained_world.hpp"

#include <algorithm>

namespace gv::cluster::testing {

void retained_world::publish(index at) {
    if (!nodes_[at].exchange || !nodes_[at].is_ready) {
        return;
    }
    if (chance(0.05)) {
        for (int count = 0; count < 60; ++count) {
            publish_at(at, "burst/" + std::to_string(below(200)), chance(0.3));
        }
        return;
    }
    publish_at(at, some_topic(), chance(0.4));
}

void retained_world::publish_at(index which, const std::string& topic, bool is_clear) {
    node& at = nodes_[which];
    set_clock(at);
    publication what;
    what.header.stamp = at.clock.next();
    const bool is_misdated =
        gv::wall_of(what.header.stamp) > wall_of_node(at) + shard::stamp_ahead_max;
    what.header.origin = id_of(which);
    what.header.publisher = 1 + below(3);
    what.header.retain = true;
    what.topic = topic;
    const std::string payload =
        is_clear ? "" : std::to_string(++writes) + std::string(below(chance(0.1) ? 300 : 10), 'x');
    what.payload = payload;
    const bool expires = !is_clear && chance(0.15);
    const retained_row row{.what = message::copy_of(what, message::reach::shared),
                           .expires = expires
                                          ? wall_of_node(at) + std::chrono::seconds(1 + below(20))
                                          : never_expires};
    writes_[topic].push_back({.version = retained_version_of(what.header),
                              .is_clear = is_clear,
                              .is_doubtful = is_misdated,
                              .expires = row.expires});
    if (is_misdated) {
        ++dated_wrong;
        misdated_.insert(topic);
    }
    take(which, row, true);
    for (const index other : at.believes_alive) {
        if (chance(0.05)) { // from a spool
            network_.after(between(0s, nodes_.size() == 2 ? 2s : 20s),
                           [this, which, other, row] { network_.send(which, other, row); });
        } else {
            network_.send(which, other, row);
        }
    }
}

void retained_world::change_links() {
    if (chance(0.5)) {
        for (index from = 0; from < nodes_.size(); ++from) {
            for (index to = 0; to < nodes_.size(); ++to) {
                if (!nodes_[from].is_away && !nodes_[to].is_away) {
                    network_.mend(from, to);
                }
            }
            if (nodes_[from].exchange) {
                tell_of(from, peer_state::alive, 1s);
            }
        }
        return;
    }
    const index from = below(nodes_.size());
    const index to = below(nodes_.size());
    say("cut " + std::to_string(from) + " to " + std::to_string(to));
    network_.cut(from, to);
    if (chance(0.6)) {
        network_.cut(to, from);
    }
    for (const auto& [who, of] : {std::pair(from, to), std::pair(to, from)}) {
        if (chance(0.4)) {
            network_.after(between(0ms, 3s),
                           [this, who, of] { believe(who, of, peer_state::dead); });
        }
    }
}

void retained_world::change_faults() {
    support::link_faults faults;
    if (chance(0.6)) {
        faults.loss = chance(0.5) ? 0 : 0.3;
        faults.duplicated = chance(0.5) ? 0 : 0.3;
        faults.delay_max = chance(0.2) ? duration(4s) : between(1ms, 200ms);
    } else {
        faults.delay_min = faults.delay_max = between(0ms, 20ms); // in order
    }
    network_.set_faults(faults);
}

/// For longer than a removal is kept: down, or alone on its side.
void retained_world::go_away() {
    const index which = below(nodes_.size());
    node& at = nodes_[which];
    if (!at.exchange || std::ranges::any_of(nodes_, &node::is_away)) {
        return;
    }
    ++long_absences;
    say("node " + std::to_string(which) + " goes away");
    if (chance(0.5)) {
        crash(which);
    } else {
        for (index other = 0; other < nodes_.size(); ++other) {
            network_.cut(which, other);
            network_.cut(other, which);
            believe(which, other, peer_state::dead);
            believe(other, which, peer_state::dead);
        }
    }
    at.is_away = true;
    const duration span = options_.collecting.age_max + between(-5s, 40s);
    for (const time_point back = now() + span; now() < back;) {
        publish(below(nodes_.size()));
        doubt_what_is_away();
        network_.run_for(between(0ms, 6s));
    }
    come_back(which);
}

void retained_world::come_back(index which) {
    say("node " + std::to_string(which) + " comes back");
    nodes_[which].is_away = false;
    for (index other = 0; other < nodes_.size(); ++other) {
        network_.mend(which, other);
        network_.mend(other, which);
    }
    if (!nodes_[which].exchange) {
        start(which);
        return;
    }
    tell_of(which, peer_state::alive, 500ms);
    for (index other = 0; other < nodes_.size(); ++other) {
        if (nodes_[other].exchange) {
            soon(which, 500ms, [this, which, other](node&) {
                if (nodes_[other].exchange) {
                    believe(which, other, peer_state::alive);
                }
            });
        }
    }
}

void retained_world::act() {
    const index which = below(nodes_.size());
    node& at = nodes_[which];
    switch (below(16)) {
    case 0:
        if (at.exchange && !at.is_away && chance(0.5)) {
            crash(which);
        }
        break;
    case 1:
    case 2:
        if (!at.exchange && !at.is_away) {
            start(which);
        }
        break;
    case 3:
        change_links();
        break;
    case 4:
        change_faults();
        break;
    case 5:
        if (chance(0.05)) {
            go_away();
        }
        break;
    default:
        publish(which);
        break;
    }
}

/// Whoever is right sets once more what was set with a stamp of the future: that holds then, also
/// where the other is.
void retained_world::set_right() {
    const index other = (odd_ + 1) % nodes_.size();
    for (const std::string& topic : misdated_) {
        publish_at(other, topic, chance(0.3));
    }
}

void retained_world::come_to_rest() {
    say("rest");
    nodes_[odd_].jump = 0s;
    nodes_[odd_].knows_better_at = now();
    network_.mend_all();
    network_.set_faults({.delay_min = 1ms, .delay_max = 3ms});
    for (index which = 0; which < nodes_.size(); ++which) {
        if (!nodes_[which].exchange) {
            start(which);
        }
    }
    network_.run_for(4s); // what was on its way arrives, what was decided is heard
    for (index who = 0; who < nodes_.size(); ++who) {
        for (index of = 0; of < nodes_.size(); ++of) {
            believe(who, of, peer_state::alive);
        }
    }
    set_right();
    if (nodes_.size() == 2) {
        network_.run_for(10s);
        check_equal("10 s after all is well");
    }
    network_.run_for(40s); // all that was in spools has come, and what expires has
    check_equal("at rest");
}

void retained_world::run() {
    const std::size_t actions = 30 + below(150);
    for (std::size_t done = 0; done < actions; ++done) {
        act();
        if (wrong_ == wrong_clocks::one && chance(0.15)) {
            jump();
        }
        doubt_what_is_away();
        network_.run_for(chance(0.3) ? 0ms : between(0ms, 1s));
    }
    come_to_rest();
    for (const auto& [topic, all] : writes_) {
        check_topic(topic);
    }
    check_tombstones();
    check_quiet();
    for (index which = 0; which < nodes_.size(); ++which) {
        crash(which);
    }
}

} // namespace gv::cluster::testing
