// SPDX-License-Identifier: Apache-2.0
// Two or more exchanges with their tables, wired to each other by hand: whatever they send arrives
// at once, in order, until nobody says anything more.
#pragma once

#include "broker/router/retained.hpp"
#include "cluster/retained_exchange.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace gv::cluster::testing {

class retained_script {
  public:
    struct node final : retained_effects {
        node(retained_script& all, std::uint64_t number, const retained_exchange_options& options,
             const retained_claim& claim)
            : script(&all), id(number), table({.digest = &digest}),
              exchange({.node = id, .boot = boot_id{1}}, digest, claim, options, all.moment()) {
            table.set_claim(claim);
        }
        void send(node_id to, const retained_message& message) override {
            script->sent.push_back(message);
            if (!script->is_cut) {
                script->todo.push_back([this, to, told = retained_message(message)]() mutable {
                    node& other = script->at(to);
                    const auto done =
                        other.exchange.on_message(id, std::move(told), script->moment(), other);
                    script->faults += done ? 0 : 1;
                });
            }
        }
        void read_entries(retained_ticket ticket, const retained_range& of,
                          std::size_t entries_max) override {
            script->todo.push_back([this, ticket, of, entries_max] {
                exchange.on_entries(ticket, table.entries(of, entries_max), script->moment(),
                                    *this);
            });
        }
        void read_rows(retained_ticket ticket, retained_question&& question) override {
            script->todo.push_back([this, ticket, question = std::move(question)] {
                exchange.on_rows(ticket, table.answer(question, script->clocks()), script->moment(),
                                 *this);
            });
        }
        void apply(retained_ticket ticket, retained_bucket, std::vector<retained_row>&& rows,
                   std::vector<retained_entry>&& dead) override {
            script->todo.push_back([this, ticket, rows = std::move(rows), dead = std::move(dead)] {
                retained_applied done;
                for (const retained_row& each : rows) {
                    const auto outcome = table.put_row(each, script->clocks());
                    done.stored += is_change(outcome, true) ? 1 : 0;
                    done.refused += outcome == router::put_outcome::over_limit ? 1 : 0;
                }
                for (const retained_entry& each : dead) {
                    done.dropped += table.drop(each) ? 1 : 0;
                }
                exchange.on_applied(ticket, done, script->moment(), *this);
            });
        }
        void collect(const retained_claim& claim) override {
            script->todo.push_back([this, claim] {
                table.set_claim(claim);
                while (!table.collect_tombstones(1'000, script->clocks())) {
                }
                exchange.on_collected(script->moment(), *this);
            });
        }
        void stay_after(hybrid_time told) override { stays_after.push_back(told); }
        void on_retained_ready() override { ++ready; }

        void put(std::string_view topic, std::string_view payload, wall_time when) {
            publication what;
            what.header.stamp = stamp_of(when);
            what.header.origin = id;
            what.header.retain = true;
            what.topic = topic;
            what.payload = payload;
            table.put(what);
        }
        [[nodiscard]] std::string find(std::string_view topic) const {
            const message_ref found = table.find(topic, script->now);
            return found ? std::string(found->payload()) : std::string();
        }

        retained_script* script;
        node_id id;
        retained_digest digest;
        router::retained_table table;
        retained_exchange exchange;
        int ready = 0;
        std::vector<hybrid_time> stays_after;
    };

    node& add(std::uint64_t number, const retained_exchange_options& options = {},
              const retained_claim& claim = {}) {
        nodes.push_back(std::make_unique<node>(*this, number, options, claim));
        return *nodes.back();
    }
    node& at(node_id which) {
        for (const auto& each : nodes) {
            if (each->id == which) {
                return *each;
            }
        }
        return *nodes.front();
    }
    /// Everybody hears of everybody.
    void tell_all(peer_state state) {
        for (const auto& who : nodes) {
            for (const auto& of : nodes) {
                who->exchange.on_peer(of->id, boot_id{1}, state, moment(), *who);
            }
            who->exchange.on_members_known(moment(), *who);
        }
    }
    void settle() {
        while (!todo.empty()) {
            const auto next = std::move(todo.front());
            todo.pop_front();
            next();
        }
    }
    /// Time passes, and what is due happens.
    void pass(duration span, duration step = 100ms) {
        for (const time_point end = now + span; now < end;) {
            now += step;
            for (const auto& each : nodes) {
                if (each->exchange.next_deadline() <= now) {
                    each->exchange.on_deadline(moment(), *each);
                }
            }
            settle();
        }
    }
    [[nodiscard]] wall_time wall() const {
        return wall_time(1'700'000'000s)
               + std::chrono::duration_cast<wall_time::duration>(now - time_point(1'000s));
    }
    [[nodiscard]] retained_moment moment() const {
        return {.now = now, .wall = wall(), .latest = stamp_of(wall() + 1s)};
    }
    [[nodiscard]] router::retained_clocks clocks() const { return {.now = now, .wall = wall()}; }
    [[nodiscard]] std::size_t sent_but_roots() const {
        std::size_t count = 0;
        for (const retained_message& each : sent) {
            count += std::holds_alternative<retained_root>(each) ? 0 : 1;
        }
        return count;
    }

    time_point now{1'000s};
    bool is_cut = false;
    std::vector<retained_message> sent;
    std::deque<std::function<void()>> todo;
    std::vector<std::unique_ptr<node>> nodes;
    int faults = 0;
};

} // namespace gv::cluster::testing
