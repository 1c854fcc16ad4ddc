// SPDX-License-Identifier: Apache-2.0
// membership_simulate --seed N [--count M]: runs the seeds N to N + M - 1. One seed alone, or the
// first that fails, is shown step by step. membership_simulate --figures: how long it takes to
// detect and to converge, and what that costs, by number of nodes and loss. Exit status: 0, or 1 if
// something did not hold.
#include "tests/cluster/membership_figures.hpp"
#include "tests/cluster/membership_simulation.hpp"

#include <cstdlib>
#include <iostream>
#include <string_view>

namespace {

using gv::cluster::simulate_membership;
using gv::cluster::tracing;

void show(std::uint64_t seed) {
    const auto again = simulate_membership(seed, tracing::on);
    for (const std::string& line : again.trace) {
        std::cout << line << "\n";
    }
    std::cout << "seed " << seed << ": " << again.complaints.size() << " complaints\n";
}

int run(std::uint64_t seed, std::uint64_t count) {
    std::uint64_t broken = 0;
    std::uint64_t messages = 0;
    std::size_t deaths = 0;
    std::size_t faults = 0;
    gv::duration simulated{};
    for (std::uint64_t each = seed; each < seed + count; ++each) {
        const auto got = simulate_membership(each);
        messages += got.messages;
        deaths += got.died;
        faults += got.faults;
        simulated += got.simulated;
        if (got.complaints.empty()) {
            continue;
        }
        if (broken++ == 0 && count > 1) {
            show(each);
        }
        std::cout << "seed " << each << ": " << got.complaints.front() << std::endl;
    }
    if (count == 1) {
        show(seed);
    }
    std::cout << count << " seeds, "
              << std::chrono::duration_cast<std::chrono::hours>(simulated).count() << " hours, "
              << faults << " faults, " << messages << " messages, " << deaths << " deaths, "
              << broken << " seeds failed\n";
    return broken == 0 ? 0 : 1;
}

int usage() {
    std::cerr << "usage: membership_simulate --seed N [--count M] | --figures\n";
    return 2;
}

} // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::string_view(argv[1]) == "--figures") {
        gv::cluster::print_membership_figures(std::cout);
        return 0;
    }
    std::uint64_t seed = 0;
    std::uint64_t count = 1;
    for (int i = 1; i < argc; i += 2) {
        const std::string_view name(argv[i]);
        if (i + 1 == argc || (name != "--seed" && name != "--count")) {
            return usage();
        }
        (name == "--seed" ? seed : count) = std::strtoull(argv[i + 1], nullptr, 10);
    }
    return run(seed, count);
}
