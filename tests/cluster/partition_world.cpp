// SPDX-License-Identifier: Apache-2.0
#include "tests/cluster/partition_world.hpp"

#include <algorithm>

namespace gv::cluster::testing {

void partition_world::effects::send(node_id to, const partition_message& message) {
    ++world->messages;
    world->network_.send(self, world->index_of(to), message);
}

void partition_world::effects::table_founded(const partition_founding& founding) {
    node& at = world->nodes_[self];
    at.kept = partition_table(founding);
    world->foundings += founding.by == id_of(self) ? 1U : 0U;
    const bool is_wanted = std::exchange(at.gives_up, false);
    if (at.has_sessions && founding.by != id_of(self) && !is_wanted) {
        world->complain("a node with sessions went over to another table");
    }
}

void partition_world::effects::partition_changed(partition_id which, const partition_row& now) {
    if (!world->nodes_[self].kept.put(which, now)) {
        world->complain("a row went back");
    }
}

void partition_world::effects::tables_differ(node_id, const partition_founding&) {
    world->nodes_[self].has_conflict = true;
    if (!world->nodes_[self].has_sessions) {
        world->complain("a conflict without sessions");
    }
}

partition_world::partition_world(std::uint64_t seed) : network_(seed) {
    network_.on_arrival = [this](index from, index to, const partition_message& message) {
        node& at = nodes_[to];
        if (at.exchange) {
            const auto done = at.exchange->on_message(id_of(from), message, stamp_of(to), at.out);
            if (!done && done.error() != partition_fault::unknown_peer) {
                complain(std::string(text_of(done.error())));
            }
            after_input(to);
        }
    };
    nodes_.resize(2 + below(5));
    for (index each = 0; each < nodes_.size(); ++each) {
        nodes_[each].out.world = this;
        nodes_[each].out.self = each;
    }
}

std::size_t partition_world::below(std::size_t end) {
    return std::uniform_int_distribution<std::size_t>(0, end - 1)(network_.random());
}

partition_world::index partition_world::index_of(node_id id) const {
    index found = 0;
    while (id_of(found) != id) {
        ++found;
    }
    return found;
}

// One of them has never heard what time it is.
hybrid_time partition_world::stamp_of(index which) const {
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(
        network_.now().time_since_epoch() - (which == 1 ? 900s : 0s));
    return {static_cast<std::uint64_t>(since.count()) << 16};
}

void partition_world::start(index which) {
    node& at = nodes_[which];
    network_.restart(which);
    ++at.life;
    at.alive.clear();
    at.has_conflict = false;
    at.exchange = std::make_unique<partition_exchange>(id_of(which), at.kept, partition_options{},
                                                       which + 1, network_.now());
    at.exchange->set_has_sessions(at.has_sessions);
    for (const index each : at.met) {
        at.exchange->on_peer(id_of(each), peer_state::dead, at.out);
    }
    // Whoever can be reached is known when membership is settled; what cannot is not waited for.
    for (index other = 0; other < nodes_.size(); ++other) {
        const bool is_there = other != which && nodes_[other].exchange
                              && !network_.is_cut(which, other) && !network_.is_cut(other, which);
        if (is_there) {
            believe(which, other, peer_state::alive, 5ms);
            believe(other, which, peer_state::alive, 50ms);
        }
    }
    network_.after(10ms, [this, which, life = at.life] {
        if (nodes_[which].exchange && nodes_[which].life == life) {
            nodes_[which].exchange->on_settled(stamp_of(which), nodes_[which].out);
            after_input(which);
        }
    });
    arm(which);
}

void partition_world::believe(index who, index of, peer_state state, duration latest) {
    const duration wait = duration(below(static_cast<std::size_t>(latest.count()) + 1));
    network_.after(wait, [this, who, of, state, life = nodes_[who].life] {
        node& at = nodes_[who];
        if (!at.exchange || at.life != life) {
            return;
        }
        at.met.insert(of);
        at.exchange->on_peer(id_of(of), state, at.out);
        if (state == peer_state::alive) {
            at.alive.insert(of);
            at.exchange->on_link(id_of(of), at.out);
        } else {
            at.alive.erase(of);
        }
        after_input(who);
    });
}

void partition_world::crash(index which) {
    nodes_[which].exchange.reset();
    network_.crash(which);
    for (index other = 0; other < nodes_.size(); ++other) {
        if (other != which && nodes_[other].exchange) {
            believe(other, which, peer_state::dead, 3s);
        }
    }
}

void partition_world::hand_over() {
    const index which = below(nodes_.size());
    node& at = nodes_[which];
    if (!at.exchange || at.alive.empty()) {
        return;
    }
    const partition_id moved{static_cast<std::uint16_t>(below(partition_count))};
    const auto to = at.exchange->proposal(moved);
    if (at.exchange->table().at(moved).home == id_of(which) && to && *to != id_of(which)
        && at.alive.contains(index_of(*to))) {
        ++hand_overs;
        at.exchange->assign(moved, *to, at.out);
        after_input(which);
    }
}

void partition_world::change_links() {
    const index one = below(nodes_.size());
    const index other = below(nodes_.size());
    if (one == other) {
        return;
    }
    if (network_.is_cut(one, other)) {
        network_.mend(one, other);
        network_.mend(other, one);
        if (nodes_[one].exchange && nodes_[other].exchange) {
            believe(one, other, peer_state::alive, 1s);
            believe(other, one, peer_state::alive, 1s);
        }
    } else {
        network_.cut(one, other);
        network_.cut(other, one);
        believe(one, other, peer_state::dead, 5s);
        believe(other, one, peer_state::dead, 5s);
    }
}

void partition_world::act() {
    const std::size_t what = below(20);
    const index which = below(nodes_.size());
    if (what < 14) {
        hand_over();
    } else if (what < 16) {
        change_links();
    } else if (what == 16) {
        nodes_[which].has_sessions |= nodes_[which].exchange && !nodes_[which].has_conflict
                                      && nodes_[which].exchange->table().founding().is_there();
        if (nodes_[which].exchange) {
            nodes_[which].exchange->set_has_sessions(nodes_[which].has_sessions);
        }
    } else if (nodes_[which].exchange) {
        crash(which);
    } else {
        start(which);
    }
}

void partition_world::arm(index which) {
    node& at = nodes_[which];
    at.wakes_at = at.exchange->next_deadline();
    network_.at(at.wakes_at, [this, which, life = at.life] {
        if (nodes_[which].exchange && nodes_[which].life == life) {
            nodes_[which].exchange->on_deadline(network_.now(), stamp_of(which), nodes_[which].out);
            after_input(which);
            arm(which);
        }
    });
}

void partition_world::after_input(index which) {
    if (nodes_[which].kept.hash() != nodes_[which].exchange->table().hash()) {
        complain("what is kept is not what holds");
    }
}

void partition_world::run() {
    network_.set_faults({.loss = below(3) == 0 ? 0.05 : 0.0,
                         .duplicated = 0.05,
                         .delay_min = 1ms,
                         .delay_max = 40ms});
    const bool is_at_once = below(2) == 0;
    if (below(3) == 0) { // each begins a cluster of its own
        for (index one = 0; one < nodes_.size(); ++one) {
            for (index other = 0; other < nodes_.size(); ++other) {
                network_.cut(one, other);
            }
        }
    }
    for (index each = 0; each < nodes_.size(); ++each) {
        start(each);
        network_.run_for(is_at_once ? duration(below(20'000'000)) : 2s);
    }
    for (int step = 0; step < 200; ++step) {
        act();
        network_.run_for(duration(below(500'000'000)));
    }
    network_.set_faults({});
    network_.mend_all();
    for (index each = 0; each < nodes_.size(); ++each) {
        if (!nodes_[each].exchange) {
            start(each);
        }
    }
    network_.run_for(6s);
    for (index one = 0; one < nodes_.size(); ++one) {
        for (index other = 0; other < nodes_.size(); ++other) {
            if (one != other) {
                believe(one, other, peer_state::alive, 10ms);
            }
        }
    }
    network_.run_for(60s);
    check();
    unite();
}

// A person has all nodes with another table than the first one give it up, one after the other.
void partition_world::unite() {
    const node_id first = id_of(0);
    if (!nodes_[0].has_sessions) {
        return;
    }
    for (index each = 1; each < nodes_.size(); ++each) {
        node& at = nodes_[each];
        if (const auto table = at.exchange->table_of_others(std::span(&first, 1))) {
            at.gives_up = true;
            ++unions;
            at.exchange->give_up_table(*table, at.out);
            network_.run_for(5s);
        }
    }
    for (const node& each : nodes_) {
        if (each.exchange->table().founding() != nodes_[0].exchange->table().founding()) {
            complain("two tables that were united");
        }
    }
}

// Without sessions on two sides that were never one there is one table. With them, whoever is not
// part of a conflict goes by the same as somebody who has sessions.
void partition_world::check() {
    std::set<partition_founding> with_sessions;
    for (const node& each : nodes_) {
        if (!each.exchange->table().founding().is_there()) {
            complain("a node has no table");
        }
        if (each.has_sessions) {
            with_sessions.insert(each.exchange->table().founding());
        }
    }
    for (const node& one : nodes_) {
        for (const node& other : nodes_) {
            const bool is_one =
                one.exchange->table().founding() == other.exchange->table().founding();
            if (with_sessions.size() < 2 && !is_one) {
                complain("two tables");
            }
            if (is_one && one.exchange->table().hash() != other.exchange->table().hash()) {
                complain("two states of one table");
            }
        }
        for (std::uint16_t number = 0; number < partition_count; ++number) {
            if (one.exchange->table().at(partition_id{number}).epoch == 0) {
                complain("a partition without a home");
                break;
            }
        }
    }
}

} // namespace gv::cluster::testing
