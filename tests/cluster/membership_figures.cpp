// SPDX-License-Identifier: Apache-2.0
#include "tests/cluster/membership_figures.hpp"

#include "tests/cluster/simulated_members.hpp"

#include <algorithm>
#include <iomanip>
#include <numeric>
#include <ostream>

namespace gv::cluster {

namespace {

using index = simulated_members::index;

constexpr std::size_t seeds = 10;
constexpr duration limit = 300s;

/// A row: one column for each thing that is measured, a value for each seed.
struct figures {
    std::vector<double> start, join, killed_first, killed, silent_first, silent, split, healed;
    std::vector<double> messages, bytes;
    std::size_t false_deaths = 0;
};

[[nodiscard]] double seconds(duration span) { return std::chrono::duration<double>(span).count(); }

/// Nodes that know each other, at that loss.
struct settled {
    settled(std::size_t nodes, double loss, std::uint64_t seed, index without)
        : world(nodes, seed) {
        world.network.set_faults({.loss = loss, .delay_min = 1ms, .delay_max = 5ms});
        for (index i = 0; i < nodes; ++i) {
            if (i != without) {
                world.start(i, {1, 2 % nodes});
            }
        }
        start = world.run_until([&] { return world.is_connected(); }, limit);
        world.run_for(60s);
        world.events.clear();
    }
    simulated_members world;
    duration start{};
};

void measure_cost(simulated_members& world, figures& row) {
    const auto messages = world.messages_sent;
    const auto bytes = world.bytes_sent;
    world.run_for(120s);
    const double share = 120.0 * static_cast<double>(world.size());
    row.messages.push_back(static_cast<double>(world.messages_sent - messages) / share);
    row.bytes.push_back(static_cast<double>(world.bytes_sent - bytes) / share);
    row.false_deaths += world.count(member_change::died);
    world.events.clear();
}

void measure_crash(std::size_t nodes, double loss, std::uint64_t seed, simulated_members::end how,
                   std::vector<double>& first, std::vector<double>& all) {
    settled made(nodes, loss, seed, nodes);
    simulated_members& world = made.world;
    world.run_for(duration(static_cast<duration::rep>(world.network.random()() % 1'000'000'000)));
    world.crash(1, how);
    const time_point begin = world.network.now();
    all.push_back(
        seconds(world.run_until([&] { return world.all_see(1, member_state::dead); }, limit)));
    const auto found = std::ranges::find_if(world.events, [](const auto& e) {
        return e.subject == 1 && e.change == member_change::died;
    });
    // None: it was dead by mistake.
    first.push_back(found == world.events.end() ? 0 : seconds(found->when - begin));
}

void measure_split(simulated_members& world, figures& row) {
    std::vector<index> left(world.size() / 2);
    std::iota(left.begin(), left.end(), 0);
    std::vector<index> right(world.size() - left.size());
    std::iota(right.begin(), right.end(), left.size());
    world.split({left, right});
    const auto sees_none = [&](const std::vector<index>& who, const std::vector<index>& whom) {
        return std::ranges::all_of(who, [&](index i) {
            return std::ranges::none_of(whom, [&](index j) { return world.view(i, j)->is_live(); });
        });
    };
    row.split.push_back(seconds(
        world.run_until([&] { return sees_none(left, right) && sees_none(right, left); }, limit)));
    world.run_for(30s);
    world.mend_all();
    row.healed.push_back(seconds(world.run_until([&] { return world.is_connected(); }, limit)));
}

[[nodiscard]] figures measure(std::size_t nodes, double loss) {
    figures row;
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
        settled made(nodes, loss, seed, 0);
        row.start.push_back(seconds(made.start));
        made.world.start(0, {1, nodes - 1});
        row.join.push_back(
            seconds(made.world.run_until([&] { return made.world.is_connected(); }, limit)));
        made.world.run_for(60s);
        made.world.events.clear();
        measure_cost(made.world, row);
        measure_split(made.world, row);
        measure_crash(nodes, loss, seed, simulated_members::end::process, row.killed_first,
                      row.killed);
        measure_crash(nodes, loss, seed, simulated_members::end::machine, row.silent_first,
                      row.silent);
    }
    return row;
}

void print(std::ostream& out, std::vector<double> values) {
    std::ranges::sort(values);
    out << " " << values[values.size() / 2] << " (" << values.back() << ") |";
}

} // namespace

void print_membership_figures(std::ostream& out) {
    out << "| nodes | loss | start | join | killed: first | all | silent: first | all | split seen "
           "| "
           "healed | messages/s | bytes/s | false deaths |\n"
        << "|---|---|---|---|---|---|---|---|---|---|---|---|---|\n"
        << std::fixed;
    for (const std::size_t nodes : {2U, 3U, 5U, 10U, 20U, 50U, 100U}) {
        for (const double loss : {0.0, 0.05, 0.2}) {
            const figures row = measure(nodes, loss);
            out << std::setprecision(0) << "| " << nodes << " | " << loss * 100 << " % |"
                << std::setprecision(1);
            for (const auto& each : {row.start, row.join, row.killed_first, row.killed,
                                     row.silent_first, row.silent, row.split, row.healed}) {
                print(out, each);
            }
            print(out, row.messages);
            out << std::setprecision(0);
            print(out, row.bytes);
            out << " " << row.false_deaths << " |" << std::endl;
        }
    }
}

} // namespace gv::cluster
