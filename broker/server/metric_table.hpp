// SPDX-License-Identifier: Apache-2.0
// The metrics of the broker as a table without types: what the endpoint exposes and the documents
// list. Summing reads each number of each block once, whole; it stops nobody.
#pragma once

#include "base/metric.hpp"
#include "broker/server/metrics.hpp"

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

/// One value of a family. Without a label `label_value` is empty.
struct metric_sample {
    std::string label_value;
    double value = 0;
};

/// Values at or below `bound`, as Prometheus counts: with those of all smaller buckets.
struct metric_bucket {
    double bound = 0; ///< the last is infinite
    std::uint64_t count = 0;
};

struct metric_family {
    metric_row row;
    std::vector<metric_sample> samples; ///< of counters and gauges
    std::vector<metric_bucket> buckets; ///< of histograms
    double sum = 0;                     ///< of histograms
};

/// Every metric, in order of declaration.
[[nodiscard]] std::vector<metric_description> metric_descriptions();

/// The sums over the blocks of all shards, then the metrics of the process. Of the reason codes
/// only those that have occurred. Thread: any; the blocks must outlive the call.
[[nodiscard]] std::vector<metric_family> collect(std::span<const shard_metrics* const> shards,
                                                 const process_metrics& process);

/// Reads /proc/self into `into`; what cannot be read keeps its value. `shards` is how many there
/// are. Thread: the scraper's, which owns `into`.
void read_process_metrics(process_metrics& into, std::size_t shards);

} // namespace gv::server
