// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/simulation.hpp"

#include "tests/simulation/actor.hpp"

#include <algorithm>
#include <array>
#include <list>
#include <stdexcept>

namespace gv::simulation {

namespace {

using session::drop_reason;

[[nodiscard]] setting setting_of(std::uint64_t seed) {
    std::mt19937_64 chance(seed);
    const auto below = [&](std::uint64_t end) { return chance() % end; };
    setting made{.actors = 3 + below(5), .steps = 150 + below(400)};
    constexpr std::array<duration, 4> delays{0ms, 1ms, 5ms, 40ms};
    made.node.shards = 1 + below(4);
    made.node.seed = seed;
    made.node.mail_delay_max = delays[below(delays.size())];
    shard::core_options& core = made.node.core;
    if (below(2) == 0) { // everything is soon full
        core.limits.output_bytes_max = 512 + below(4'096);
        core.limits.drops_qos0_when_full = below(2) == 0;
        core.pressure = {.progress_window = 20ms, .hold_max = 200ms, .full_share = 0.3};
    }
    if (below(3) == 0) {
        core.pressure.credit_bytes_max = 300 + below(2'000);
    }
    made.has_tight_limits = below(4) == 0;
    if (made.has_tight_limits) {
        core.limits.outbound.queue_bytes_max = 1'000 + below(4'000);
        core.limits.outbound.policy = static_cast<session::queue_policy>(below(3));
        core.limits.outbound_in_memory = core.limits.outbound;
        made.may_disconnect = core.limits.outbound.policy == session::queue_policy::disconnect;
    }
    if (below(3) == 0) {
        core.limits.receive_maximum = static_cast<std::uint16_t>(1 + below(4));
        core.limits.in_flight_max_v3 = static_cast<std::uint16_t>(1 + below(4));
    }
    core.limits.connect_timeout = std::chrono::hours(1);
    core.has_group_queues = below(2) == 0;
    return made;
}

class simulation {
  public:
    simulation(std::uint64_t seed, bool is_traced) : stage_(setting_of(seed), seed, is_traced) {
        stage_.ledger.groups_may_repeat = stage_.how().node.core.has_group_queues;
        observer_ = &actors_.emplace_back(stage_, "observer", character{.is_observer = true});
        for (std::size_t i = 0; i < stage_.how().actors; ++i) {
            actors_.emplace_back(stage_, "a" + std::to_string(i), any_character(stage_));
        }
    }

    outcome run() {
        observer_->behave();
        observer_->connect();
        settle();
        observer_->subscribe({.filter = "will/#", .quality = qos::exactly_once});
        settle();
        for (std::size_t i = 0; i < stage_.how().steps; ++i) {
            step();
        }
        calm_down();
        audit();
        everybody_leaves();
        return result();
    }

    [[nodiscard]] outcome result();
    void complain(std::string what) { stage_.complain(std::move(what)); }

  private:
    void step();
    void block_a_lane();
    void unblock_lanes();
    void end_a_stray();
    void settle();
    [[nodiscard]] bool is_quiet();
    void calm_down();
    void audit();
    void everybody_leaves();
    void expect_nothing_left();

    stage stage_;
    std::list<actor> actors_;
    actor* observer_ = nullptr;
    std::vector<std::pair<std::size_t, std::size_t>> blocked_;
    time_point blocked_until_{};
};

void simulation::step() {
    if (stage_.node.now() >= blocked_until_) {
        unblock_lanes();
    }
    const std::uint64_t what = stage_.below(200);
    if (what < 24) {
        stage_.node.advance(std::chrono::milliseconds(1 + stage_.below(20)));
    } else if (what < 26) {
        unblock_lanes();
        stage_.node.advance(std::chrono::milliseconds(500 + stage_.below(9'000)));
    } else if (what < 29) {
        block_a_lane();
    } else if (what < 32) {
        end_a_stray();
    } else if (what < 36) {
        observer_->listen();
    } else {
        std::next(actors_.begin(),
                  static_cast<std::ptrdiff_t>(1 + stage_.below(actors_.size() - 1)))
            ->act();
    }
}

// One shard is busy with something else.
void simulation::block_a_lane() {
    if (!blocked_.empty()) {
        return; // stage::lag_max() counts on it
    }
    const std::size_t from = stage_.below(stage_.node.shards());
    const std::size_t to = stage_.below(stage_.node.shards());
    stage_.note("-", "batches from shard " + std::to_string(from) + " to " + std::to_string(to)
                         + " are kept back");
    stage_.node.block_mail(from, to, true);
    blocked_.emplace_back(from, to);
    blocked_until_ = stage_.node.now() + 100ms;
}

void simulation::unblock_lanes() {
    for (const auto& [from, to] : blocked_) {
        stage_.node.block_mail(from, to, false);
    }
    blocked_.clear();
}

void simulation::end_a_stray() {
    if (!stage_.strays.empty()) {
        stage_.strays.front()->cut();
        stage_.strays.erase(stage_.strays.begin());
    }
}

void simulation::settle() {
    for (int i = 0; i < 5; ++i) {
        observer_->listen();
        stage_.node.advance(50ms);
    }
}

bool simulation::is_quiet() {
    return !stage_.node.has_mail() && stage_.node.queues().messages == 0
           && stage_.node.queues().in_flight == 0
           && std::ranges::all_of(actors_, [](const actor& each) { return each.is_quiet(); });
}

// Everybody comes, reads all and acknowledges all: then nothing may be left to do.
void simulation::calm_down() {
    unblock_lanes();
    while (!stage_.strays.empty()) {
        end_a_stray();
    }
    for (actor& each : actors_) {
        each.behave();
    }
    int quiet_rounds = 0;
    const int rounds = stage_.how().node.core.has_group_queues ? 1'600 : 400; // see below
    for (int round = 0; round < rounds && quiet_rounds < 10; ++round) {
        for (actor& each : actors_) {
            each.come_back();
        }
        stage_.node.advance(std::chrono::milliseconds(1 + stage_.below(150)));
        quiet_rounds = is_quiet() ? quiet_rounds + 1 : 0;
    }
    if (quiet_rounds == 0) {
        stage_.complain("it never becomes quiet: " + std::to_string(stage_.node.queues().messages)
                        + " messages wait, " + std::to_string(stage_.node.queues().in_flight)
                        + " are in flight");
    }
    for (actor& each : actors_) {
        each.expect_pong();
    }
}

void simulation::audit() {
    struct listener final : support::client_watcher {
        promises* told = nullptr;
        void on_delivery(std::string_view, const support::delivered& what) override {
            told->audited(what);
        }
        void on_publish_settled(std::string_view, std::string_view, bool) override {}
        void on_suback(std::string_view, packet_id, bool) override {}
        void on_connack(std::string_view, bool) override {}
    } watcher;
    watcher.told = &stage_.told;
    support::wire_client auditor(stage_.node, "auditor");
    auditor.watcher = &watcher;
    auditor.send_connect({});
    for (int i = 0; i < 20; ++i) {
        stage_.node.advance(50ms);
        auditor.listen();
        if (i == 5) {
            auditor.send_subscribe({{.filter = "r/#"}});
        }
    }
    auditor.cut();
    stage_.told.finish();
    const std::size_t dropped = stage_.node.dropped(drop_reason::queue_full)
                                + stage_.node.dropped(drop_reason::packet_too_large);
    if (dropped > 0 && !stage_.how().has_tight_limits) {
        stage_.complain("messages were dropped without need");
    }
    stage_.ledger.finish(dropped);
}

void simulation::everybody_leaves() {
    for (actor& each : actors_) {
        each.leave();
        stage_.node.advance(50ms);
    }
    // The queue of a group outlives its members by a minute, with what waits in it.
    stage_.node.advance(stage_.how().node.core.has_group_queues ? 65s : 3s);
    expect_nothing_left();
}

void simulation::expect_nothing_left() {
    const auto expect_zero = [&](const char* what, std::size_t count) {
        if (count != 0) {
            stage_.complain(std::string("left behind: ") + std::to_string(count) + " " + what);
        }
    };
    expect_zero("bytes of output buffers", stage_.node.bytes_in_use());
    expect_zero("queued messages", stage_.node.queues().messages);
    expect_zero("queued bytes", stage_.node.queues().bytes);
    expect_zero("messages in flight", stage_.node.queues().in_flight);
    for (std::size_t i = 0; i < stage_.node.shards(); ++i) {
        const shard::core& core = stage_.node.core(i);
        const shard::core_debts debts = core.debts();
        expect_zero("clients", core.clients());
        expect_zero("sessions", core.sessions());
        expect_zero("stored sessions", core.stored_sessions());
        expect_zero("connected", core.counts().connected);
        expect_zero("slow clients", core.slow_clients());
        expect_zero("shared subscriptions", core.shared_subscriptions());
        expect_zero("subscriptions", core.routing().subscriptions());
        expect_zero("filters", core.routing().filters());
        expect_zero("groups", core.routing().groups());
        expect_zero("take tokens", debts.takes);
        expect_zero("operations", debts.operations);
        expect_zero("bytes of credit used", debts.credit_used);
        expect_zero("bytes of credit owed", debts.credit_owed);
        expect_zero("full clients", debts.full_clients);
        expect_zero("held publishers", debts.held_publishers);
        expect_zero("homes to bury", debts.homes_to_bury);
    }
}

outcome simulation::result() {
    outcome made{.complaints = std::move(stage_.complaints),
                 .trace = std::move(stage_.trace),
                 .messages = stage_.ledger.messages(),
                 .deliveries = stage_.ledger.deliveries(),
                 .wills = stage_.told.wills_seen()};
    for (const auto* more : {&stage_.ledger.complaints(), &stage_.told.complaints()}) {
        made.complaints.insert(made.complaints.end(), more->begin(), more->end());
    }
    for (std::size_t i = 0; i < stage_.node.shards(); ++i) {
        const shard::core& core = stage_.node.core(i);
        made.takeovers += core.counts().takeovers;
        made.resent += core.traffic().retransmitted;
        made.holds += core.counts().holds;
        made.credit_holds += core.counts().credit_holds;
        made.slow_readers += core.counts().slow_readers;
        made.expired_sessions += core.counts().sessions_expired;
        made.retained_sent += core.counts().retained_sent;
        made.batches += core.counts().batches_to_shards;
        for (const std::uint64_t each : core.traffic().dropped) {
            made.dropped += each;
        }
    }
    return made;
}

} // namespace

outcome simulate(std::uint64_t seed, tracing how) {
    simulation made(seed, how == tracing::on);
    try {
        return made.run();
    } catch (const std::runtime_error& broken) {
        made.complain(broken.what());
        return made.result();
    }
}

} // namespace gv::simulation
