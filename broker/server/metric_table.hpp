// SPDX-License-Identifier: Apache-2.0
// The metrics of the broker as a table without types: what the endpoint exposes and the documents
// list. Summing reads each number of each block once, whole; it stops nobody.
#pragma once

#include "base/metric_family.hpp"
#include "broker/server/cluster_metrics.hpp"
#include "broker/server/metrics.hpp"
#include "cluster/membership_metrics.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gv::server {

struct metric_description {
    metric_row row;
    std::vector<std::string> label_values; ///< the closed set; empty without a label
};

/// Every metric, in order of declaration.
[[nodiscard]] std::vector<metric_description> metric_descriptions();

/// What a node of a cluster counts; all 0 where there is none.
struct cluster_blocks {
    std::vector<const lane_metrics*> lanes;               ///< of each shard
    const cluster::membership_metrics* members = nullptr; ///< not null
    const exchange_metrics* exchange = nullptr;           ///< not null
};

/// The sums over the blocks of all shards. Thread: any; the blocks must outlive the call.
[[nodiscard]] shard_metrics sum_of(std::span<const shard_metrics* const> shards);

/// The same sums, then the metrics of the process and the cluster. Of the reason codes only those
/// that have occurred.
[[nodiscard]] std::vector<metric_family> collect(std::span<const shard_metrics* const> shards,
                                                 const process_metrics& process,
                                                 const cluster_blocks& cluster);

/// Reads /proc/self into `into`; what cannot be read keeps its value. `shards` is how many there
/// are. Thread: the scraper's, which owns `into`.
void read_process_metrics(process_metrics& into, std::size_t shards);

/// Memory that the process holds in RAM for itself: heap and stacks, not files mapped.
[[nodiscard]] std::uint64_t heap_bytes();

} // namespace gv::server
