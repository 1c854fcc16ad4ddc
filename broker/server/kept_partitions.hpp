// SPDX-License-Identifier: Apache-2.0
// Where sessions live, on disk: the table of partitions that this node goes by, as it was when the
// node ended. Nobody waits for it; the other nodes have it too.
#pragma once

#include "broker/server/row_keeper.hpp"
#include "cluster/partition_table.hpp"
#include "storage/format.hpp"

#include <string>

namespace gv::server {

/// Used by the main thread until the cluster starts, and by its thread from then on.
class kept_partitions {
  public:
    // What was found in the store.

    void add(const storage::founding_record& founding);
    /// Requires: of that founding.
    void add(partition_id which, const storage::partition_record& row);
    [[nodiscard]] const cluster::partition_table& found() const noexcept { return found_; }

    /// `loop` is to write from now on; without a call nothing is. Lifetime: `loop` outlives the
    /// thread of the cluster.
    void begin(shard::event_loop& loop) noexcept { rows_.begin(loop); }

    void put(const cluster::partition_founding& founding);
    void put(const cluster::partition_founding& of, partition_id which,
             const cluster::partition_row& row);
    /// To be called after each input of the node, with its table.
    void hand_over(const cluster::partition_table& now);

  private:
    cluster::partition_table found_;
    row_keeper rows_{"partitions"};
    std::string scratch_;
};

} // namespace gv::server
