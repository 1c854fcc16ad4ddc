// SPDX-License-Identifier: Apache-2.0
// Nodes, their wires and their lives. What happens to them is in route_events.cpp, what must hold
// in route_promises.cpp.
#include "tests/cluster/route_world.hpp"

#include "tests/cluster/route_trace.hpp"

#include <algorithm>

namespace gv::cluster::testing {

route_rows rows_of(const std::vector<subscription>& all) {
    route_rows rows;
    for (const subscription& each : all) {
        const bool is_group = !each.group.empty();
        auto [at, is_new] = rows.try_emplace(std::pair(each.filter, each.group));
        route_value& row = at->second;
        row.quality = std::max(row.quality, each.quality);
        row.no_local_only = !is_group && each.no_local && (is_new || row.no_local_only);
        row.online += is_group && each.is_online ? 1 : 0;
        row.total += is_group ? 1 : 0;
    }
    return rows;
}

// --- drawing

std::size_t route_world::below(std::size_t end) { return network_.random()() % end; }

duration route_world::between(duration least, duration most) {
    return least + duration(below(static_cast<std::size_t>((most - least).count()) + 1));
}

std::string route_world::some_topic() {
    static constexpr std::array words = {"a", "b", "longer than twelve"};
    std::string made = words[below(words.size())];
    for (std::size_t levels = below(3); levels > 0; --levels) {
        made.append("/").append(words[below(words.size())]);
    }
    return made;
}

std::string route_world::some_filter() {
    std::string made;
    const std::string base = some_topic();
    for (topic_levels levels(base); !levels.done();) {
        const std::string_view level = levels.next();
        made.append(made.empty() ? "" : "/");
        if (below(8) == 0) {
            return made + "#";
        }
        made.append(below(5) == 0 ? "+" : level);
    }
    return made;
}

subscription route_world::some_subscription() {
    subscription made{.filter = some_filter(), .quality = static_cast<std::uint8_t>(below(3))};
    if (chance(0.2)) {
        made.group = chance(0.5) ? "g" : "another group";
        made.is_online = chance(0.7);
    } else {
        made.no_local = chance(0.3);
    }
    return made;
}

route_options route_world::some_options() {
    route_options drawn;
    drawn.push_delay = between(0ms, 10ms);
    drawn.push_changes_max = 1 + below(chance(0.5) ? 4 : 1'000);
    drawn.digest_interval = between(200ms, 2s);
    drawn.resend_bytes_max = 1 + below(chance(0.5) ? 60 : 10'000);
    drawn.pages_per_peer_max = 1 + below(4);
    drawn.sweep_visits_max = 1 + below(20);
    drawn.owner.linger = between(0ms, 2s);
    drawn.owner.page_visits_max = static_cast<std::uint32_t>(1 + below(chance(0.5) ? 8 : 1'000));
    drawn.owner.ring.changes_max = below(chance(0.5) ? 6 : 1'000);
    drawn.replica.ask_again = between(50ms, 1s);
    drawn.replica.page_bytes = static_cast<std::uint32_t>(1 + below(chance(0.5) ? 60 : 2'000));
    drawn.replica.touched_max = 1 + below(chance(0.3) ? 3 : 1'000);
    return drawn;
}

// --- around the machines

route_world::route_world(std::uint64_t seed, bool is_tracing)
    : network_(seed), options_(some_options()), nodes_(2 + below(4)), is_tracing_(is_tracing) {
    network_.on_arrival = [this](index from, index to, const route_message& message) {
        arrive(from, to, message);
    };
    for (std::size_t which = 0; which < partitions_used; ++which) {
        partitions_[which].home = below(nodes_.size());
        partitions_[which].subscribers.push_back({.filter = "$steady/#"});
    }
    for (index which = 0; which < nodes_.size(); ++which) {
        nodes_[which].out.world = this;
        nodes_[which].out.self = which;
        start(which);
    }
}

void route_world::say(const std::string& line) {
    if (is_tracing_) {
        const auto ms =
            std::chrono::duration_cast<std::chrono::milliseconds>(now().time_since_epoch());
        trace.push_back(std::to_string(ms.count()) + " " + line);
    }
}

void route_world::complain(const std::string& line) {
    say("COMPLAINT: " + line);
    if (complaints.size() < 20) {
        complaints.push_back(line);
    }
}

void route_world::effects::send(std::span<const node_id> to, const route_message& message) {
    for (const node_id each : to) {
        ++world->messages;
        world->network_.send(self, index_of(each), message);
    }
}

void route_world::arrive(index from, index to, const route_message& message) {
    node& at = nodes_[to];
    if (is_tracing_) {
        say("  " + std::to_string(from) + " > " + std::to_string(to) + " "
            + std::visit(route_describer{}, message));
    }
    const auto done = at.routes->on_message(id_of(from), message, now(), at.out);
    if (!done && done.error() != route_fault::unknown_peer) {
        complain("a message was refused: " + std::string(text_of(done.error())));
    }
    after_input(to);
}

void route_world::after_input(index which) {
    check_steady(which);
    node& at = nodes_[which];
    const time_point next = std::max(now(), at.routes->next_deadline());
    if (next < at.wakes_at) {
        at.wakes_at = next;
        network_.at(next, [this, which, life = at.life] {
            if (nodes_[which].life == life) {
                wake(which);
            }
        });
    }
}

void route_world::wake(index which) {
    node& at = nodes_[which];
    if (at.wakes_at > now()) {
        return; // an earlier wake-up has come instead
    }
    at.wakes_at = never;
    if (at.routes->next_deadline() <= now()) {
        at.routes->on_deadline(now(), at.out);
    }
    after_input(which);
}

void route_world::believe(index who, index of, peer_state state) {
    node& at = nodes_[who];
    if (!at.routes || who == of) {
        return;
    }
    say("node " + std::to_string(who) + " holds " + std::to_string(of) + " for "
        + (state == peer_state::alive  ? "alive"
           : state == peer_state::dead ? "dead"
                                       : "gone"));
    at.believes_alive.erase(of);
    if (state == peer_state::alive) {
        at.believes_alive[of] = nodes_[of].boot;
    }
    at.met[of] = nodes_[of].boot;
    if (state == peer_state::gone) {
        at.met.erase(of);
        std::erase_if(at.promises, [of](const promise& each) {
            return each.stream == route_destination::kept_of(id_of(of));
        });
    }
    at.routes->on_peer({.node = id_of(of), .boot = nodes_[of].boot}, state, now(), at.out);
    after_input(who);
}

void route_world::tell_of(index of, peer_state state, duration latest) {
    for (index who = 0; who < nodes_.size(); ++who) {
        network_.after(between(0ms, latest), [this, who, of, state, boot = nodes_[of].boot,
                                              life = nodes_[who].life] {
            const bool is_news = nodes_[of].boot == boot && nodes_[who].life == life
                                 && (state == peer_state::alive) == (nodes_[of].routes != nullptr);
            if (is_news) {
                believe(who, of, state);
            }
        });
    }
}

// --- what happens

void route_world::start(index which) {
    node& at = nodes_[which];
    ++at.life;
    at.boot = boot_id{at.boot.value + 1};
    at.is_ready = false;
    at.wakes_at = never;
    at.believes_alive.clear();
    at.remembered.clear();
    at.seen.clear();
    at.subscribers.clear();
    say("node " + std::to_string(which) + " starts, boot " + std::to_string(at.boot.value));
    network_.restart(which);
    at.routes = std::make_unique<route_exchange>(
        route_exchange::identity{.node = id_of(which), .boot = at.boot}, options_, now());
    remember(which);
    open_kept(which);
    // Its client is as quick as can be to come back.
    at.subscribers.push_back({.filter = "$steady/#"});
    static_cast<void>(at.routes->subscribe(route_destination(id_of(which)),
                                           at.subscribers.back().seen(), now(), at.out));
    for (std::size_t each = 0; each < partitions_used; ++each) {
        if (partitions_[each].home == which) {
            open_partition(each, which);
        }
    }
    network_.after(600ms, [this, which, life = at.life] {
        if (nodes_[which].life == life) {
            nodes_[which].routes->report_when_ready(nodes_[which].out);
        }
    });
    tell_of(which, peer_state::alive, 500ms);
    for (index other = 0; other < nodes_.size(); ++other) {
        if (nodes_[other].routes) {
            network_.after(between(0ms, 500ms), [this, which, other, life = at.life] {
                if (nodes_[which].life == life && nodes_[other].routes) {
                    believe(which, other, peer_state::alive);
                }
            });
        }
    }
    after_input(which);
}

void route_world::crash(index which) {
    node& at = nodes_[which];
    say("node " + std::to_string(which) + " crashes");
    const route_counts ended = at.routes->counted();
    counts.waits_timed_out += ended.waits_timed_out;
    counts.resends += ended.resends;
    counts.ring_misses += ended.ring_misses;
    counts.received.gaps += ended.received.gaps;
    if (ended.received.mismatches > 0) {
        complain("node " + std::to_string(which) + " met the same number with another hash");
    }
    counts.received.passes += ended.received.passes;
    counts.received.pages += ended.received.pages;
    std::erase_if(waiting_, [which](const auto& each) { return each.second.node == which; });
    at.routes.reset();
    ++at.life;
    network_.crash(which);
    at.disk.cut(below(at.disk.unsynced() + 1));
    std::erase_if(at.promises,
                  [&](const promise& each) { return each.position > at.disk.position(); });
    if (chance(0.1)) {
        damage(which);
    }
    if (chance(0.7)) {
        tell_of(which, chance(0.1) ? peer_state::gone : peer_state::dead, 4s);
    }
}

/// What was stored is loaded, and told only then.
void route_world::open_kept(index which) {
    node& at = nodes_[which];
    const auto stream = route_destination::kept_of(id_of(which));
    at.routes->open_kept();
    if (at.kept.empty()) {
        at.kept.push_back({.filter = "$steady/#"});
    }
    for (const subscription& each : at.kept) {
        static_cast<void>(at.routes->subscribe(stream, each.seen(), now(), at.out));
    }
    network_.after(chance(0.5) ? 0ms : between(0ms, 1s), [this, which, life = at.life] {
        if (nodes_[which].life == life) {
            nodes_[which].routes->start_kept(nodes_[which].out);
            after_input(which);
        }
    });
}

/// What a node knew of others in its life before, as far as it is on disk.
void route_world::remember(index which) {
    node& at = nodes_[which];
    for (const auto& [of, boot] : at.met) {
        at.routes->on_peer({.node = id_of(of), .boot = boot}, peer_state::dead, now(), at.out);
    }
    for (const auto& [key, value] : at.disk.there()) {
        const auto& [author, filter, group] = key;
        const auto restored = at.routes->restore_kept(author, {filter, group}, value);
        if (!restored) {
            at.disk.erase(author, {filter, group});
        }
        if (restored.has_value() != at.met.contains(index_of(author))) {
            complain("node " + std::to_string(which) + " restores rows of a node that is not met");
        }
    }
    check_promises(which);
}

/// A row cannot be read any more: it is as if it had never been written.
void route_world::damage(index which) {
    node& at = nodes_[which];
    if (at.disk.there().empty()) {
        return;
    }
    const auto row = std::next(at.disk.there().begin(),
                               static_cast<std::ptrdiff_t>(below(at.disk.there().size())));
    const auto [author, filter, group] = row->first;
    at.disk.erase(author, {filter, group});
    at.disk.sync();
    std::erase_if(at.promises, [&](const promise& each) {
        return each.stream == route_destination::kept_of(author) && each.filter == filter
               && each.group == group;
    });
}

void route_world::open_partition(std::size_t which, index home) {
    partition& moved = partitions_[which];
    node& at = nodes_[home];
    const partition_id id = id_of_partition(which);
    say("node " + std::to_string(home) + " is home of partition " + std::to_string(which)
        + ", epoch " + std::to_string(moved.epoch));
    at.routes->open_partition(id, moved.epoch);
    for (const subscription& each : moved.subscribers) {
        static_cast<void>(at.routes->subscribe(route_destination(id), each.seen(), now(), at.out));
    }
    at.routes->start_partition(id, now(), at.out);
    moved.is_frozen = false;
    after_input(home);
}

} // namespace gv::cluster::testing
