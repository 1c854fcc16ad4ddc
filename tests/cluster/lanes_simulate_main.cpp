// SPDX-License-Identifier: Apache-2.0
// lanes_simulate --seed N [--count M]: runs the seeds N to N + M - 1. The first that fails is shown
// step by step. Exit status: 0, or 1 if a promise was broken.
#include "tests/cluster/lane_world.hpp"
#include "tests/support/seed_range.hpp"

#include <iostream>
#include <string>

namespace {

using gv::cluster::testing::lane_world;

void show(std::uint64_t seed) {
    lane_world again(seed, true);
    again.run();
    for (const std::string& line : again.trace) {
        std::cout << line << "\n";
    }
}

int run(std::uint64_t seed, std::uint64_t count) {
    gv::cluster::lane_sender_counts sum;
    std::uint64_t broken = 0;
    std::uint64_t breaks = 0;
    std::uint64_t crashes = 0;
    std::uint64_t drained = 0;
    std::uint64_t given = 0;
    for (std::uint64_t each = seed; each < seed + count; ++each) {
        lane_world world(each);
        world.run();
        sum.messages += world.sent.messages;
        sum.frames += world.sent.frames;
        sum.resent += world.sent.resent;
        sum.dropped_full += world.sent.dropped_full;
        sum.dropped_disconnected += world.sent.dropped_disconnected;
        sum.spools_begun += world.sent.spools_begun;
        given += world.received.messages;
        breaks += world.breaks;
        crashes += world.crashes;
        drained += world.drained;
        if (!world.complaints.empty()) {
            if (broken++ == 0) {
                show(each);
            }
            std::cout << "seed " << each << ": " << world.complaints.front() << std::endl;
        }
    }
    std::cout << count << " seeds, " << sum.messages << " messages in " << sum.frames << " frames, "
              << given << " given out, " << breaks << " breaks, " << crashes << " crashes, "
              << sum.resent << " resent, " << sum.dropped_full << " dropped full, "
              << sum.dropped_disconnected << " without link, " << sum.spools_begun
              << " times to the spool, " << drained << " rows drained; " << broken
              << " seeds failed\n";
    return broken == 0 ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    const auto seeds = gv::support::read_seeds(argc, argv, "lanes_simulate");
    if (!seeds) {
        return 2;
    }
    return run(seeds->first, seeds->count);
}
