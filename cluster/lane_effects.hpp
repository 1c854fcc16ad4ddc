// SPDX-License-Identifier: Apache-2.0
// What a lane's sender asks of its owner. Calls are made in the middle of an input, so none of them
// may call back.
#pragma once

#include "cluster/lane.hpp"

#include <string_view>

namespace gv::cluster {

/// Why nobody waits any longer for a message for a group.
enum class lane_return : std::uint8_t {
    unsent,    ///< the peer has not got it, and will not
    unanswered ///< the peer may have taken it, and will not say
};

class lane_effects {
  public:
    virtual ~lane_effects() = default;

    /// The peer has taken the message; `waiter` is not 0. Exactly once for each, unless
    /// spool_put() was called for it.
    virtual void taken(lane_waiter waiter, lane_reason reason) = 0;
    /// Instead of that, for a message for a group: another node is to be chosen.
    virtual void given_back(lane_waiter waiter, lane_return why) = 0;
    /// After is_full() was true: publishers need not be held any longer.
    virtual void has_room() = 0;

    // The spool: rows in the order of their numbers. What is asked here happens in this order: a
    // read sees every row put before, and none erased before.

    /// Write this row. The owner makes it durable and answers `waiter` (0: nobody) itself. Numbers
    /// come in no particular order, each once. Lifetime: the bytes are valid during the call.
    virtual void spool_put(lane_seq seq, std::string_view bytes, lane_waiter waiter) = 0;
    /// Answer with lane_sender::on_spool_rows(), later and exactly once: the rows from number
    /// `from` on, in order, of `bytes_max` in all, but one at least if there is any.
    virtual void spool_read(lane_seq from, std::size_t bytes_max) = 0;
    /// The rows with these numbers, both included, are not needed any longer. Some of them may
    /// never have been put.
    virtual void spool_erase(lane_seq first, lane_seq last) = 0;
};

} // namespace gv::cluster
