// SPDX-License-Identifier: Apache-2.0
// Nodes, their shards, disks, wires and lives. What happens to them is in retained_events.cpp, what
// must hold in retained_promises.cpp.
#include "tests/cluster/retained_world.hpp"

#include <algorithm>

namespace gv::cluster::testing {

namespace {

const wall_time wall_at_start{std::chrono::seconds(1'700'000'000)};
const time_point steady_at_start{1'000s};
constexpr std::size_t collect_visits = 7;
constexpr duration synced_after = 500ms;
constexpr duration learnt_after = 3s;

std::string text_of(const retained_version& version) {
    return std::to_string(version.stamp.value >> 16 & 0xffff'ffff) + "."
           + std::to_string(version.stamp.value & 0xffff) + "@"
           + std::to_string(version.origin.value);
}

struct describer {
    std::string operator()(const retained_root& m) const {
        std::string all = "root " + std::to_string(m.hash % 10'000) + " claim "
                          + std::to_string(m.claim.from.value >> 16 & 0xffff'ffff) + "-"
                          + std::to_string(m.claim.to.value >> 16 & 0xffff'ffff);
        for (const retained_covered& each : m.covered) {
            all += " " + std::to_string(each.node.value) + ":"
                   + std::to_string(each.until.value >> 16 & 0xffff'ffff);
        }
        return all + (m.wants_answer ? " ?" : "");
    }
    std::string operator()(const retained_hashes_request&) const { return "hashes?"; }
    std::string operator()(const retained_hashes&) const { return "hashes"; }
    std::string operator()(const retained_rows_request& m) const {
        return "rows? " + std::to_string(m.number) + " of " + std::to_string(m.of.bucket.value)
               + " knowing " + std::to_string(m.known.size());
    }
    std::string operator()(const retained_page& m) const {
        std::string all = "page " + std::to_string(m.number);
        for (const retained_row& each : m.rows) {
            all += (each.is_tombstone() ? " -" : " +") + std::string(each.what->topic()) + " "
                   + text_of(retained_version_of(each.what->header()));
        }
        return all + " dead " + std::to_string(m.dead.size());
    }
};

} // namespace

// --- drawing

std::size_t retained_world::below(std::size_t end) { return network_.random()() % end; }

duration retained_world::between(duration least, duration most) {
    return least + duration(below(static_cast<std::size_t>((most - least).count()) + 1));
}

std::string retained_world::some_topic() { return "t/" + std::to_string(below(12)); }

retained_exchange_options retained_world::some_options() {
    retained_exchange_options drawn;
    drawn.compare_interval = between(200ms, nodes_.size() == 2 ? 5s : 1s);
    drawn.ask_again = between(100ms, 1s);
    drawn.questions_max = 1 + below(16);
    drawn.answers_max = drawn.questions_max * (1 + below(4));
    drawn.bytes_per_second = chance(0.5) ? 0 : 20'000 + below(1'000'000);
    drawn.joining_bytes_per_second = chance(0.5) ? 0 : 20'000 + below(1'000'000);
    drawn.collecting = {.age_min = between(3s, 12s),
                        .age_max = between(40s, 60s),
                        .contact = 5s,
                        .step = between(500ms, 2s),
                        .settling = 1s};
    drawn.limits.page_bytes_max = 1 + below(chance(0.5) ? 200 : 20'000);
    drawn.limits.page_rows_max = 1 + below(chance(0.5) ? 2 : 100);
    drawn.limits.entries_max = 3 + below(chance(0.5) ? 2 : 1'000);
    return drawn;
}

// --- around the machines

retained_world::retained_world(std::uint64_t seed, bool is_tracing, wrong_clocks wrong)
    : network_(seed), wrong_(wrong), is_tracing_(is_tracing) {
    nodes_ = std::vector<node>(chance(0.3) && wrong == wrong_clocks::none ? 2 : 3 + below(6));
    odd_ = wrong == wrong_clocks::one ? below(nodes_.size()) : 0;
    options_ = some_options();
    network_.on_arrival = [this](index from, index to, const retained_wire& message) {
        arrive(from, to, message);
    };
    for (index which = 0; which < nodes_.size(); ++which) {
        nodes_[which].out.world = this;
        nodes_[which].out.self = which;
        nodes_[which].skew = between(0ms, 400ms) - 200ms;
        start(which);
    }
}

void retained_world::say(const std::string& line) {
    if (is_tracing_) {
        const auto ms =
            std::chrono::duration_cast<std::chrono::milliseconds>(now().time_since_epoch());
        trace.push_back(std::to_string(ms.count()) + " " + line);
    }
}

void retained_world::complain(const std::string& line) {
    say("COMPLAINT: " + line);
    if (complaints.size() < 20) {
        complaints.push_back(line);
    }
}

wall_time retained_world::wall_of_node(const node& at) const {
    return wall_at_start
           + std::chrono::duration_cast<wall_time::duration>(now() - steady_at_start + at.skew);
}

/// Only stamps are wrong: the spans after which removals are forgotten are so short here that a
/// jump of ten minutes would be one of weeks.
void retained_world::set_clock(node& at) const {
    const wall_time right = wall_of_node(at);
    const bool knows = wrong_ == wrong_clocks::one && now() >= at.knows_better_at;
    at.clock.agree(knows ? std::optional(agreed_time{.at = now(), .wall = right}) : std::nullopt);
    at.clock.set_time(now(), right + std::chrono::duration_cast<wall_time::duration>(at.jump));
}

void retained_world::jump() {
    constexpr std::array jumps{duration(10min), duration(-10min), duration(0)};
    node& at = nodes_[odd_];
    at.jump = jumps[below(jumps.size())];
    at.knows_better_at = now() + learnt_after;
    say("the clock of node " + std::to_string(odd_) + " jumps to " + std::to_string(at.jump / 1s)
        + " s");
}

retained_moment retained_world::moment(const node& at) const {
    const wall_time wall = wall_of_node(at);
    return {.now = now(), .wall = wall, .latest = stamp_of(wall + 1s)};
}

router::retained_clocks retained_world::clocks(const node& at) const {
    return {.now = now(), .wall = wall_of_node(at)};
}

void retained_world::soon(index which, duration latest, std::function<void(node&)> what) {
    network_.after(between(0ms, latest),
                   [this, which, what = std::move(what), life = nodes_[which].life] {
                       if (nodes_[which].life == life && nodes_[which].exchange) {
                           set_clock(nodes_[which]);
                           what(nodes_[which]);
                           after_input(which);
                       }
                   });
}

void retained_world::arrive(index from, index to, const retained_wire& message) {
    node& at = nodes_[to];
    set_clock(at);
    if (const auto* forwarded = std::get_if<retained_row>(&message)) {
        take(to, *forwarded, true);
        return;
    }
    retained_message told = std::get<retained_message>(message);
    if (is_tracing_) {
        say("  " + std::to_string(from) + " > " + std::to_string(to) + " "
            + std::visit(describer{}, told));
    }
    const auto done = at.exchange->on_message(id_of(from), std::move(told), moment(at), at.out);
    if (!done && done.error() != retained_fault::unknown_peer) {
        complain("a message was refused: " + std::string(text_of(done.error())));
    }
    after_input(to);
}

void retained_world::after_input(index which) {
    node& at = nodes_[which];
    const time_point next = std::max(now(), at.exchange->next_deadline());
    if (next < at.wakes_at) {
        at.wakes_at = next;
        network_.at(next, [this, which, life = at.life] {
            if (nodes_[which].life == life) {
                wake(which);
            }
        });
    }
}

void retained_world::wake(index which) {
    node& at = nodes_[which];
    if (at.wakes_at > now()) {
        return; // an earlier wake-up has come instead
    }
    at.wakes_at = never;
    if (at.exchange->next_deadline() <= now()) {
        at.exchange->on_deadline(moment(at), at.out);
    }
    after_input(which);
}

void retained_world::sweep(index which) {
    soon(which, 1s, [this, which](node& at) {
        at.table->expire(now(), 20);
        sweep(which);
    });
}

void retained_world::believe(index who, index of, peer_state state) {
    node& at = nodes_[who];
    if (!at.exchange || who == of) {
        return;
    }
    const bool is_alive = state == peer_state::alive;
    say("node " + std::to_string(who) + " holds " + std::to_string(of) + " for "
        + (is_alive ? "alive" : "dead"));
    is_alive ? static_cast<void>(at.believes_alive.insert(of))
             : static_cast<void>(at.believes_alive.erase(of));
    at.exchange->on_peer(id_of(of), nodes_[of].boot, state, moment(at), at.out);
    after_input(who);
}

void retained_world::tell_of(index of, peer_state state, duration latest) {
    for (index who = 0; who < nodes_.size(); ++who) {
        network_.after(between(0ms, latest), [this, who, of, state, boot = nodes_[of].boot,
                                              life = nodes_[who].life] {
            const bool is_news = nodes_[of].boot == boot && nodes_[who].life == life
                                 && (state == peer_state::alive) == (nodes_[of].exchange != nullptr)
                                 && !nodes_[of].is_away && !nodes_[who].is_away;
            if (is_news) {
                believe(who, of, state);
            }
        });
    }
}

// --- shards

void retained_world::effects::send(node_id to, const retained_message& message) {
    ++world->messages;
    world->questions_ += std::holds_alternative<retained_root>(message) ? 0 : 1;
    world->network_.send(self, index_of(to), message);
}

void retained_world::effects::read_entries(retained_ticket ticket, const retained_range& of,
                                           std::size_t entries_max) {
    world->soon(self, 3ms, [w = world, ticket, of, entries_max](node& at) {
        at.exchange->on_entries(ticket, at.table->entries(of, entries_max), w->moment(at), at.out);
    });
}

void retained_world::effects::read_rows(retained_ticket ticket, retained_question&& question) {
    world->soon(self, 3ms, [w = world, ticket, question = std::move(question)](node& at) {
        at.exchange->on_rows(ticket, at.table->answer(question, w->clocks(at)), w->moment(at),
                             at.out);
    });
}

void retained_world::effects::apply(retained_ticket ticket, retained_bucket,
                                    std::vector<retained_row>&& rows,
                                    std::vector<retained_entry>&& dead) {
    world->soon(self, 3ms,
                [w = world, which = self, ticket, rows = std::move(rows),
                 dead = std::move(dead)](node& at) {
                    retained_applied done;
                    for (const retained_row& each : rows) {
                        const auto outcome = w->take(which, each, false);
                        done.stored += is_change(outcome, true) ? 1 : 0;
                        done.refused += outcome == router::put_outcome::over_limit ? 1 : 0;
                    }
                    for (const retained_entry& each : dead) {
                        done.dropped += w->drop(which, each) ? 1 : 0;
                    }
                    at.exchange->on_applied(ticket, done, w->moment(at), at.out);
                });
}

void retained_world::effects::collect(const retained_claim& claim) {
    world->soon(self, 3ms, [w = world, which = self, claim](node& at) {
        at.table->set_claim(claim);
        at.clock.stay_after(std::max(claim.from, claim.to));
        w->say("node " + std::to_string(which) + " claims to "
               + std::to_string(claim.to.value >> 16 & 0xffff'ffff));
        w->write_down(at, {.when = w->now(), .topic = {}, .row = {}, .claim = claim});
        w->collect_on(which);
    });
}

void retained_world::collect_on(index which) {
    soon(which, 3ms, [this, which](node& at) {
        if (at.table->collect_tombstones(collect_visits, clocks(at))) {
            at.exchange->on_collected(moment(at), at.out);
        } else {
            collect_on(which);
        }
    });
}

void retained_world::effects::stay_after(hybrid_time told) {
    world->soon(self, 3ms, [told](node& at) { at.clock.stay_after(told); });
}

void retained_world::effects::on_retained_ready() {
    world->nodes_[self].is_ready = true;
    world->say("node " + std::to_string(self) + " is ready");
}

/// What another node took is this one's, and promised as that.
retained_row retained_world::dated_anew_at(index which, const retained_row& row) {
    publication what = row.what->view();
    what.held = {};
    what.header.stamp = nodes_[which].clock.next();
    what.header.origin = id_of(which);
    ++dated_anew;
    writes_[std::string(what.topic)].push_back({.version = retained_version_of(what.header),
                                                .is_clear = row.is_tombstone(),
                                                .expires = row.expires});
    return {.what = message::copy_of(what, message::reach::shared), .expires = row.expires};
}

router::put_outcome retained_world::take(index which, const retained_row& given,
                                         bool is_forwarded) {
    node& at = nodes_[which];
    const bool is_believed = at.clock.believes(given.what->header().stamp);
    const retained_row row = is_forwarded && !is_believed ? dated_anew_at(which, given) : given;
    at.clock.absorb(row.what->header().stamp);
    const auto outcome = at.table->put_row(row, clocks(at));
    if (is_change(outcome, true)) {
        say("node " + std::to_string(which) + (is_forwarded ? " is forwarded " : " fetches ")
            + (row.is_tombstone() ? "-" : "+") + std::string(row.what->topic()) + " "
            + text_of(retained_version_of(row.what->header())));
        note_newest(which, row);
        write_down(
            at, {.when = now(), .topic = std::string(row.what->topic()), .row = row, .claim = {}});
    }
    return outcome;
}

bool retained_world::drop(index which, const retained_entry& dead) {
    say("node " + std::to_string(which) + " drops " + text_of(dead.version));
    return nodes_[which].table->drop(dead);
}

// --- disks

void retained_world::write_down(node& at, disk_operation operation) {
    at.stored.tail.push_back(std::move(operation));
    const auto synced = std::ranges::find_if(
        at.stored.tail, [this](const auto& each) { return each.when > now() - synced_after; });
    settle_disk(at.stored, static_cast<std::size_t>(synced - at.stored.tail.begin()));
}

void retained_world::settle_disk(disk& of, std::size_t count) {
    for (std::size_t each = 0; each < count; ++each) {
        disk_operation& done = of.tail[each];
        if (done.claim) {
            of.claim = done.claim;
        } else if (done.row) {
            of.rows.insert_or_assign(done.topic, std::move(*done.row));
        } else {
            of.rows.erase(done.topic);
        }
    }
    of.tail.erase(of.tail.begin(), of.tail.begin() + static_cast<std::ptrdiff_t>(count));
}

void retained_world::lose_tail(index which) {
    disk& of = nodes_[which].stored;
    const std::size_t kept = chance(0.5) ? of.tail.size() : below(of.tail.size() + 1);
    settle_disk(of, kept);
    std::set<std::string> lost;
    for (const disk_operation& each : of.tail) {
        lost.insert(each.topic);
    }
    of.tail.clear();
    for (const std::string& topic : lost) {
        doubt_if_only_there(which, topic);
    }
}

// --- lives

void retained_world::start(index which) {
    node& at = nodes_[which];
    ++at.life;
    at.boot = boot_id{at.boot.value + 1};
    at.is_ready = false;
    at.wakes_at = never;
    at.believes_alive.clear();
    at.newest.clear();
    at.knows_better_at = now() + (which == odd_ && at.jump != 0s ? learnt_after : 0s);
    set_clock(at);
    say("node " + std::to_string(which) + " starts, boot " + std::to_string(at.boot.value));
    network_.restart(which);
    at.digest = std::make_unique<retained_digest>();
    at.table = std::make_unique<router::retained_table>(router::retained_options{
        .on_aged =
            [this, &at](std::string_view topic, const message* tombstone) {
                disk_operation aged{
                    .when = now(), .topic = std::string(topic), .row = {}, .claim = {}};
                if (tombstone != nullptr) {
                    const time_point due = tombstone->header().expires;
                    aged.row = {.what = message::copy_of(tombstone->view(), message::reach::shared),
                                .expires =
                                    due == never
                                        ? never_expires
                                        : wall_of_node(at)
                                              + std::chrono::duration_cast<wall_time::duration>(
                                                  due - now())};
                }
                write_down(at, std::move(aged));
            },
        .digest = at.digest.get(),
        .latest = &at.clock.latest()});
    for (const auto& [topic, row] : at.stored.rows) {
        publication what = row.what->view();
        what.header.expires =
            row.expires == never_expires
                ? never
                : now() + std::chrono::duration_cast<duration>(row.expires - wall_of_node(at));
        at.table->restore(what);
        at.newest[topic] = retained_version_of(row.what->header());
    }
    if (!at.stored.claim) {
        at.stored.claim = retained_claim{.from = stamp_of(wall_of_node(at)), .to = {}};
    }
    at.table->set_claim(*at.stored.claim);
    at.clock.stay_after(std::max(at.stored.claim->from, at.stored.claim->to));
    at.exchange = std::make_unique<retained_exchange>(
        retained_exchange::identity{.node = id_of(which), .boot = at.boot, .seed = below(1'000)},
        *at.digest, *at.stored.claim, options_, moment(at));
    for (index other = 0; other < nodes_.size(); ++other) {
        believe(which, other, peer_state::dead); // registered
    }
    soon(which, 600ms,
         [this](node& self) { self.exchange->on_members_known(moment(self), self.out); });
    sweep(which);
    tell_of(which, peer_state::alive, 500ms);
    for (index other = 0; other < nodes_.size(); ++other) {
        soon(which, 500ms, [this, which, other](node&) {
            if (nodes_[other].exchange && !nodes_[other].is_away) {
                believe(which, other, peer_state::alive);
            }
        });
    }
    after_input(which);
}

void retained_world::crash(index which) {
    node& at = nodes_[which];
    say("node " + std::to_string(which) + " crashes");
    const retained_counts& ended = at.exchange->counted();
    counts.passes += ended.passes;
    counts.passes_done += ended.passes_done;
    counts.rows_applied += ended.rows_applied;
    counts.dropped += ended.dropped;
    counts.collections += ended.collections;
    counts.answers_dropped += ended.answers_dropped;
    at.exchange.reset();
    at.table.reset();
    at.digest.reset();
    ++at.life;
    network_.crash(which);
    lose_tail(which);
    tell_of(which, peer_state::dead, 4s);
}

} // namespace gv::cluster::testing
