// SPDX-License-Identifier: Apache-2.0
// What the exchange of retained messages asks of those around it. Calls are made in the middle of
// an input, so none of them may call back. Each reading or writing is answered, in any order, by
// the input named with it; a ticket is used once.
#pragma once

#include "cluster/retained_message.hpp"

namespace gv::cluster {

using retained_ticket = strong_id<struct retained_ticket_tag, std::uint64_t>;

/// What became of the rows of a page.
struct retained_applied {
    std::uint32_t stored = 0;  ///< newer than what was here, removals included
    std::uint32_t known = 0;   ///< here already, or older
    std::uint32_t refused = 0; ///< no room: they are still missing
    std::uint32_t dropped = 0; ///< dead ones that were here
};

class retained_effects {
  public:
    /// Messages that are lost are made up for.
    virtual void send(node_id to, const retained_message& message) = 0;
    /// Of the shard that has the bucket, at most `entries_max` of them: on_entries() follows.
    virtual void read_entries(retained_ticket ticket, const retained_range& of,
                              std::size_t entries_max) = 0;
    /// The same: on_rows() follows.
    virtual void read_rows(retained_ticket ticket, retained_question&& question) = 0;
    /// To be put by that shard, `dead` dropped if they are still what is there: on_applied()
    /// follows, once everybody on this node would find them, whether they are on disk or not.
    virtual void apply(retained_ticket ticket, retained_bucket bucket,
                       std::vector<retained_row>&& rows, std::vector<retained_entry>&& dead) = 0;
    /// On every shard: the claim is the table's from now on, is written down after all that was
    /// applied before, and tombstones up to its end are erased after that. on_collected() follows
    /// once all shards are through.
    virtual void collect(const retained_claim& claim) = 0;
    /// On every shard: no message is dated so or earlier from now on, whatever becomes of the
    /// clock. Others have been told that this node had all of these then, and may count one that
    /// they lack as removed.
    virtual void stay_after(hybrid_time told) = 0;
    /// This node has what every node named alive had. Called once.
    virtual void on_retained_ready() = 0;

  protected:
    ~retained_effects() = default;
};

} // namespace gv::cluster
