// SPDX-License-Identifier: Apache-2.0
// routes_simulate --seed N [--count M]: runs the seeds N to N + M - 1. One seed alone, or the first
// that fails, is shown step by step. Exit status: 0, or 1 if a promise was broken.
// routes_simulate --join ROWS: what ROWS filters cost an owner, a joining node, and a match.
#include "tests/cluster/route_join.hpp"
#include "tests/cluster/route_world.hpp"

#include <cstdlib>
#include <iostream>
#include <string_view>

namespace {

using gv::cluster::testing::route_world;

void show(std::uint64_t seed) {
    route_world again(seed, true);
    again.run();
    for (const std::string& line : again.trace) {
        std::cout << line << "\n";
    }
}

int run(std::uint64_t seed, std::uint64_t count) {
    gv::cluster::route_counts sum;
    std::uint64_t broken = 0;
    std::uint64_t known = 0;
    std::uint64_t messages = 0;
    std::uint64_t kept_for_absent = 0;
    for (std::uint64_t each = seed; each < seed + count; ++each) {
        route_world world(each);
        world.run();
        known += world.known;
        messages += world.messages;
        kept_for_absent += world.kept_for_absent;
        sum.waits_timed_out += world.counts.waits_timed_out;
        sum.resends += world.counts.resends;
        sum.ring_misses += world.counts.ring_misses;
        sum.received.gaps += world.counts.received.gaps;
        sum.received.passes += world.counts.received.passes;
        sum.received.pages += world.counts.received.pages;
        if (!world.complaints.empty()) {
            if (broken++ == 0) {
                show(each);
            }
            std::cout << "seed " << each << ": " << world.complaints.front() << std::endl;
        }
    }
    std::cout << count << " seeds, " << messages << " messages, " << known << " SUBACKs known, "
              << sum.waits_timed_out << " timed out, " << sum.received.gaps << " gaps, "
              << sum.resends << " resent, " << sum.ring_misses << " not kept, "
              << sum.received.passes << " passes, " << sum.received.pages << " pages, "
              << kept_for_absent << " kept routes held for nodes not heard yet; " << broken
              << " seeds failed\n";
    return broken == 0 ? 0 : 1;
}

int usage() {
    std::cerr << "usage: routes_simulate --seed N [--count M] | --join ROWS\n";
    return 2;
}

} // namespace

int main(int argc, char** argv) {
    std::uint64_t seed = 0;
    std::uint64_t count = 1;
    std::uint64_t join = 0;
    for (int i = 1; i < argc; i += 2) {
        const std::string_view name(argv[i]);
        if (i + 1 == argc || (name != "--seed" && name != "--count" && name != "--join")) {
            return usage();
        }
        (name == "--seed"    ? seed
         : name == "--count" ? count
                             : join) = std::strtoull(argv[i + 1], nullptr, 10);
    }
    if (join > 0) {
        gv::cluster::testing::show_join(join);
        return 0;
    }
    return run(seed, count);
}
