// SPDX-License-Identifier: Apache-2.0
// What lanes count for metrics. Totals only grow; the others are as of now.
#pragma once

#include <cstdint>

namespace gv::cluster {

struct lane_sender_counts {
    std::uint64_t messages = 0; ///< appended
    std::uint64_t frames = 0;
    std::uint64_t bytes = 0;  ///< of frames
    std::uint64_t resent = 0; ///< messages sent once more
    std::uint64_t taken = 0;
    std::uint64_t dropped_full = 0;         ///< QoS 0, oldest first: the queue was full
    std::uint64_t dropped_disconnected = 0; ///< QoS 0: there was no link
    std::uint64_t spools_begun = 0;         ///< times that the lane left the state live
    std::uint64_t rows_unreadable = 0;      ///< of the spool, erased
    std::uint64_t faults = 0;

    std::uint64_t unanswered = 0;   ///< messages in memory or sent, not known to be taken
    std::uint64_t queue_bytes = 0;  ///< in memory, to be sent and kept
    std::uint64_t spool_rows = 0;   ///< handed to the spool and not erased
    std::uint64_t spool_bytes = 0;  ///< of these
    std::uint64_t credit_bytes = 0; ///< left; 0 without a link
};

struct lane_receiver_counts {
    std::uint64_t messages = 0; ///< given out
    std::uint64_t frames = 0;
    std::uint64_t bytes = 0;      ///< of frames
    std::uint64_t duplicates = 0; ///< had before, not given out
    std::uint64_t replies = 0;
    std::uint64_t faults = 0;

    std::uint64_t unanswered = 0; ///< given out, the owner has not answered
    std::uint64_t held_bytes = 0; ///< received, the owner has not released
};

} // namespace gv::cluster
