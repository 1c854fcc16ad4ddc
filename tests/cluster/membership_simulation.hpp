// SPDX-License-Identifier: Apache-2.0
// Two to thirty nodes in virtual time, to which everything happens that a seed draws: kills,
// restarts, cuts both ways and one way, splits, loss, delay, freezes, clocks that jump, nodes that
// leave or are forgotten. What must hold all the time is looked at once a second; in the end all is
// mended, and all views must be the same.
#pragma once

#include "base/time.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace gv::cluster {

struct simulation_outcome {
    std::vector<std::string> complaints; ///< empty: all held
    std::vector<std::string> trace;      ///< what happened, if it was asked for

    // What the seed brought about.
    std::size_t nodes = 0;
    duration simulated{};
    std::uint64_t messages = 0;
    std::size_t faults = 0;
    std::size_t suspected = 0;
    std::size_t refuted = 0;
    std::size_t died = 0;
    std::size_t joined = 0;
    std::size_t left = 0;
    std::size_t gone = 0;
    std::size_t forgotten = 0;
    std::size_t stalls = 0;
    std::size_t contested = 0;
    std::size_t clock_alarms = 0;
};

enum class tracing : std::uint8_t { off, on };

/// The same seed does the same.
[[nodiscard]] simulation_outcome simulate_membership(std::uint64_t seed,
                                                     tracing how = tracing::off);

} // namespace gv::cluster
