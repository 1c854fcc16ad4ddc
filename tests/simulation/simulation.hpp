// SPDX-License-Identifier: Apache-2.0
// One to four shards and a crowd of clients in one thread, on a virtual clock, with everything that
// happens drawn from a seed: who does what, how far the batches between shards lag behind, when
// networks break. What the broker promised is kept in books (delivery_ledger.hpp, promises.hpp) and
// compared in the end, when everybody has read everything; then all leave, and nothing may be left.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gv::simulation {

struct outcome {
    std::vector<std::string> complaints; ///< empty: all promises were kept
    std::vector<std::string> trace;      ///< what happened, if it was asked for

    // What the seed brought about.
    std::size_t messages = 0;
    std::size_t deliveries = 0;
    std::size_t takeovers = 0;
    std::size_t resent = 0; ///< with DUP
    std::size_t holds = 0;
    std::size_t credit_holds = 0;
    std::size_t slow_readers = 0;
    std::size_t dropped = 0;
    std::size_t wills = 0;
    std::size_t expired_sessions = 0;
    std::size_t retained_sent = 0;
    std::size_t batches = 0; ///< between shards
};

enum class tracing : std::uint8_t { off, on };

/// The same seed does the same, to the last byte.
[[nodiscard]] outcome simulate(std::uint64_t seed, tracing how = tracing::off);

} // namespace gv::simulation
