// SPDX-License-Identifier: Apache-2.0
// retained_simulate --seed N [--count M]: runs the seeds N to N + M - 1. One seed alone, or the
// first that fails, is shown step by step. In every fourth seed a node has a wrong clock. Exit
// status: 0, or 1 if a promise was broken.
#include "tests/cluster/retained_world.hpp"
#include "tests/support/seed_range.hpp"

#include <iostream>
#include <string>

namespace {

using gv::cluster::testing::retained_world;
using gv::cluster::testing::wrong_clocks;

wrong_clocks clocks_of(std::uint64_t seed) {
    return seed % 4 == 0 ? wrong_clocks::one : wrong_clocks::none;
}

void show(std::uint64_t seed) {
    retained_world again(seed, true, clocks_of(seed));
    again.run();
    for (const std::string& line : again.trace) {
        std::cout << line << "\n";
    }
}

int run(std::uint64_t seed, std::uint64_t count) {
    gv::cluster::retained_counts sum;
    std::uint64_t broken = 0;
    std::uint64_t writes = 0;
    std::uint64_t doubtful = 0;
    std::uint64_t absences = 0;
    std::uint64_t messages = 0;
    for (std::uint64_t each = seed; each < seed + count; ++each) {
        retained_world world(each, false, clocks_of(each));
        world.run();
        writes += world.writes;
        doubtful += world.doubtful;
        absences += world.long_absences;
        messages += world.messages;
        sum.passes += world.counts.passes;
        sum.passes_done += world.counts.passes_done;
        sum.rows_applied += world.counts.rows_applied;
        sum.dropped += world.counts.dropped;
        sum.collections += world.counts.collections;
        if (!world.complaints.empty()) {
            if (broken++ == 0) {
                show(each);
            }
            std::cout << "seed " << each << ": " << world.complaints.front() << std::endl;
        }
    }
    std::cout << count << " seeds, " << messages << " messages, " << writes << " set, " << doubtful
              << " doubtful, " << absences << " long absences, " << sum.passes << " passes, "
              << sum.passes_done << " done, " << sum.rows_applied << " rows, " << sum.dropped
              << " dropped, " << sum.collections << " collections; " << broken << " seeds failed\n";
    return broken == 0 ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    const auto seeds = gv::support::read_seeds(argc, argv, "retained_simulate");
    if (!seeds) {
        return 2;
    }
    if (seeds->count == 1) {
        show(seeds->first);
    }
    return run(seeds->first, seeds->count);
}
