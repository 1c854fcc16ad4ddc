// SPDX-License-Identifier: Apache-2.0
// simulate --seed N [--count M]: runs the seeds N to N + M - 1. One seed alone, or the first that
// fails, is shown step by step. Exit status: 0, or 1 if a promise was broken.
#include "base/log.hpp"
#include "tests/simulation/simulation.hpp"
#include "tests/support/seed_range.hpp"

#include <iostream>
#include <string>

namespace {

using gv::simulation::outcome;
using gv::simulation::simulate;
using gv::simulation::tracing;

// What the broker logs is on stderr.
void show(std::uint64_t seed) {
    gv::log::detail::threshold = gv::log::level::debug;
    const outcome again = simulate(seed, tracing::on);
    gv::log::detail::threshold = gv::log::level::error;
    for (const std::string& line : again.trace) {
        std::cout << line << "\n";
    }
    std::cout << "seed " << seed << ": " << again.complaints.size() << " complaints\n";
    for (const std::string& line : again.complaints) {
        std::cout << "  " << line << "\n";
    }
}

} // namespace

int main(int argc, char** argv) {
    const auto seeds = gv::support::read_seeds(argc, argv, "simulate");
    if (!seeds) {
        return 2;
    }
    const auto [seed, count] = *seeds;
    gv::log::detail::threshold = gv::log::level::error;
    std::uint64_t broken = 0;
    std::size_t messages = 0;
    std::size_t deliveries = 0;
    for (std::uint64_t each = seed; each < seed + count; ++each) {
        const outcome got = simulate(each);
        messages += got.messages;
        deliveries += got.deliveries;
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
    std::cout << count << " seeds, " << messages << " messages, " << deliveries << " deliveries, "
              << broken << " seeds failed\n";
    return broken == 0 ? 0 : 1;
}
