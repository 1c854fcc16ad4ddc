// SPDX-License-Identifier: Apache-2.0
// What happens in a run.
#include "tests/cluster/route_world.hpp"

#include <algorithm>

namespace gv::cluster::testing {

/// Hand-over, with the rows on their way for a while.
void route_world::move_partition() {
    const std::size_t which = below(partitions_used);
    partition& moved = partitions_[which];
    const index from = moved.home;
    const index to = below(nodes_.size());
    const route_destination stream(id_of_partition(which));
    if (moved.is_frozen || from == to || !nodes_[from].routes || !nodes_[to].routes
        || nodes_[from].routes->owner(stream) == nullptr
        || nodes_[to].routes->owner(stream) != nullptr) {
        return;
    }
    say("node " + std::to_string(from) + " releases partition " + std::to_string(which));
    nodes_[from].routes->release_partition(id_of_partition(which), now(), nodes_[from].out);
    std::erase_if(waiting_, [&](const auto& each) { return each.second.stream == stream; });
    after_input(from);
    ++moved.epoch;
    moved.home = to;
    moved.is_frozen = true;
    network_.after(between(0ms, 300ms), [this, which, to, life = nodes_[to].life] {
        if (nodes_[to].life == life && partitions_[which].home == to) {
            open_partition(which, to);
        }
    });
}

/// Somebody decides that another node is the home, and the old one, if it is up, hears of it late.
void route_world::take_partition() {
    const std::size_t which = below(partitions_used);
    partition& taken = partitions_[which];
    const index from = taken.home;
    const index to = below(nodes_.size());
    const route_destination stream(id_of_partition(which));
    if (taken.is_frozen || from == to || !nodes_[to].routes
        || nodes_[to].routes->owner(stream) != nullptr) {
        return;
    }
    if (taken.subscribers.size() > 1 && chance(0.5)) {
        taken.subscribers.pop_back(); // not all had come to the copy
    }
    std::erase_if(waiting_, [&](const auto& each) { return each.second.stream == stream; });
    ++taken.epoch;
    taken.home = to;
    open_partition(which, to);
    if (nodes_[from].routes) {
        network_.after(between(0ms, 5s), [this, which, stream, from, life = nodes_[from].life] {
            node& old = nodes_[from];
            if (old.life == life && partitions_[which].home != from
                && old.routes->owner(stream) != nullptr) {
                say("node " + std::to_string(from) + " hears that it lost partition "
                    + std::to_string(which));
                old.routes->release_partition(id_of_partition(which), now(), old.out);
                after_input(from);
            }
        });
        taken.is_frozen = true; // until then it is not moved again
        network_.after(6s, [this, which] { partitions_[which].is_frozen = false; });
    }
}

auto route_world::streams_open() const -> std::vector<std::pair<index, route_destination>> {
    std::vector<std::pair<index, route_destination>> found;
    for (index which = 0; which < nodes_.size(); ++which) {
        if (nodes_[which].routes) {
            found.emplace_back(which, route_destination(id_of(which)));
            const auto kept = route_destination::kept_of(id_of(which));
            if (nodes_[which].routes->owner(kept)->is_serving()) {
                found.emplace_back(which, kept);
            }
        }
    }
    for (std::size_t which = 0; which < partitions_used; ++which) {
        const route_destination stream(id_of_partition(which));
        const node& home = nodes_[partitions_[which].home];
        if (home.routes && home.routes->owner(stream) != nullptr) {
            found.emplace_back(partitions_[which].home, stream);
        }
    }
    return found;
}

auto route_world::subscribers_of(route_destination stream, index at) -> std::vector<subscription>* {
    switch (stream.kind) {
    case destination_kind::node:
        return &nodes_[at].subscribers;
    case destination_kind::kept:
        return &nodes_[at].kept;
    case destination_kind::partition:
        break;
    }
    return &partitions_[stream.number / 51].subscribers;
}

void route_world::subscribe() {
    const auto streams = streams_open();
    if (streams.empty()) {
        return;
    }
    const auto [at, stream] = streams[below(streams.size())];
    node& owner = nodes_[at];
    for (std::size_t count = chance(0.1) ? 40 : 1; count > 0; --count) {
        const subscription made = some_subscription();
        subscribers_of(stream, at)->push_back(made);
        const auto change = owner.routes->subscribe(stream, made.seen(), now(), owner.out);
        if (!change) {
            complain("a subscription was refused");
            return;
        }
        waiting_[++tokens_] = {at, stream, made.filter, made.group};
        owner.routes->await_known(stream, *change, wait_token{tokens_}, now(), owner.out);
    }
    after_input(at);
}

/// The first of each is steady.
void route_world::unsubscribe() {
    const auto streams = streams_open();
    if (streams.empty()) {
        return;
    }
    const auto [at, stream] = streams[below(streams.size())];
    std::vector<subscription>& all = *subscribers_of(stream, at);
    for (std::size_t count = chance(0.1) ? 40 : 1; count > 0 && all.size() > 1; --count) {
        const std::size_t which = 1 + below(all.size() - 1);
        const subscription gone = all[which];
        all.erase(all.begin() + static_cast<std::ptrdiff_t>(which));
        std::erase_if(waiting_, [&](const auto& each) {
            return each.second.stream == stream && each.second.filter == gone.filter
                   && each.second.group == gone.group;
        });
        for (node& each : nodes_) {
            std::erase_if(each.promises, [&](const promise& made) {
                return made.stream == stream && made.filter == gone.filter
                       && made.group == gone.group;
            });
        }
        nodes_[at].routes->unsubscribe(stream, gone.seen(), now(), nodes_[at].out);
    }
    after_input(at);
}

void route_world::toggle_member() {
    const auto streams = streams_open();
    if (streams.empty()) {
        return;
    }
    const auto [at, stream] = streams[below(streams.size())];
    for (subscription& each : *subscribers_of(stream, at)) {
        if (!each.group.empty()) {
            each.is_online = !each.is_online;
            nodes_[at].routes->set_online(stream, {each.filter, each.group}, each.is_online, now(),
                                          nodes_[at].out);
            break;
        }
    }
    after_input(at);
}

void route_world::change_links() {
    if (chance(0.4)) {
        network_.mend_all();
        for (index each = 0; each < nodes_.size(); ++each) {
            if (nodes_[each].routes) {
                tell_of(each, peer_state::alive, 1s);
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

void route_world::change_faults() {
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

void route_world::act() {
    const index which = below(nodes_.size());
    switch (below(15)) {
    case 14:
        nodes_[which].disk.sync();
        break;
    case 0:
        nodes_[which].routes&& chance(0.5) ? crash(which) : static_cast<void>(0);
        break;
    case 1:
        nodes_[which].routes ? static_cast<void>(0) : start(which);
        break;
    case 2:
        change_links();
        break;
    case 3:
        change_faults();
        break;
    case 4:
        chance(0.5) ? move_partition() : take_partition();
        break;
    case 5:
        toggle_member();
        break;
    case 6:
    case 7:
    case 8:
    case 9:
        unsubscribe();
        break;
    default:
        subscribe();
        break;
    }
}

void route_world::come_to_rest() {
    say("rest");
    network_.mend_all();
    network_.set_faults({.delay_min = 1ms, .delay_max = 3ms});
    for (index which = 0; which < nodes_.size(); ++which) {
        if (!nodes_[which].routes) {
            start(which);
        }
    }
    network_.run_for(8s); // what was on its way arrives, what was decided is heard
    for (index who = 0; who < nodes_.size(); ++who) {
        for (index of = 0; of < nodes_.size(); ++of) {
            believe(who, of, peer_state::alive);
        }
    }
    network_.run_for(15s);
}

void route_world::run() {
    const std::size_t actions = 30 + below(150);
    for (std::size_t done = 0; done < actions; ++done) {
        act();
        if (const index which = below(nodes_.size()); nodes_[which].routes) {
            check_remembered(which);
            check_promises(which);
        }
        network_.run_for(chance(0.3) ? 0ms : between(0ms, 400ms));
    }
    come_to_rest();
    for (index which = 0; which < nodes_.size(); ++which) {
        check_rows(which);
        check_disk(which);
        check_promises(which);
        check_matches(which);
        check_remembered(which);
    }
    for (index which = 0; which < nodes_.size(); ++which) {
        crash(which);
    }
}

} // namespace gv::cluster::testing
