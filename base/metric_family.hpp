// SPDX-License-Identifier: Apache-2.0
// Metrics without their types, at one moment: what a scrape is made of. Immutable once made.
#pragma once

#include "base/metric.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace gv {

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

} // namespace gv
