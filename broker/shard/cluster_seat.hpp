// SPDX-License-Identifier: Apache-2.0
// What a shard asks of the cluster beside its lanes.
#pragma once

#include "base/ids.hpp"
#include "broker/shard/core.hpp"
#include "cluster/peer_transport.hpp"

namespace gv::shard {

/// Thread-safe.
class cluster_seat {
  public:
    /// See core_driver::tell_cluster. The answer is event_loop::on_applied().
    virtual void tell(shard_id from, const route_word& what, std::uint64_t operation) = 0;
    /// See core_driver::partition_arrived().
    virtual void partition_arrived(partition_id which, node_id at) = 0;
    /// Where lanes are opened. Lifetime: until the shards have ended.
    [[nodiscard]] virtual cluster::peer_transport& transport() = 0;

  protected:
    ~cluster_seat() = default;
};

} // namespace gv::shard
