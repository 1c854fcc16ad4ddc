// SPDX-License-Identifier: Apache-2.0
// What a run counts over all its connections.
#pragma once

#include "bench/load/latency.hpp"
#include "bench/load/sequence_check.hpp"

namespace gv::load {

struct tally {
    sequence_counts sequences;
    std::uint64_t delivered =
        0;                     ///< messages of this run that reached a subscriber, copies included
    std::uint64_t foreign = 0; ///< messages of another run, or without a stamp
    std::uint64_t misrouted = 0;    ///< reached a subscriber that did not ask for it
    std::uint64_t ack_disorder = 0; ///< acknowledgements in another order than the messages
    std::uint64_t writes = 0;       ///< of messages, by publishers
    std::uint64_t reads = 0;        ///< by subscribers
    latency_histogram latency;
    latency_histogram ack_latency; ///< to PUBACK or PUBCOMP; paced alone
    bool is_timed = false;         ///< latencies are recorded
};

} // namespace gv::load
