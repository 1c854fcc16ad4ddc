// SPDX-License-Identifier: Apache-2.0
// From the numbers that a shard counts on its way, plainly and for itself, to its block of metrics,
// which others may read.
#pragma once

#include "broker/server/cluster_metrics.hpp"
#include "broker/server/metrics.hpp"
#include "broker/shard/event_loop.hpp"

namespace gv::server {

/// Brings `into` up to date. Thread: that of `shard`, the only writer of its block.
void publish_metrics(shard::event_loop& shard, shard_metrics& into);
/// Of its lanes to and from other nodes. Thread: that of `shard`.
void publish_metrics(const shard::core& shard, lane_metrics& into);

void publish_metrics(const storage::store_counts& from, process_metrics& into);

} // namespace gv::server
