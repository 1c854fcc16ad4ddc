// SPDX-License-Identifier: Apache-2.0
#include "broker/admin/metrics_endpoint.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace gv::admin {

namespace {

prometheus::MetricType type_of(metric_kind kind) {
    switch (kind) {
    case metric_kind::counter:
        return prometheus::MetricType::Counter;
    case metric_kind::gauge:
        return prometheus::MetricType::Gauge;
    case metric_kind::histogram:
        return prometheus::MetricType::Histogram;
    }
    return prometheus::MetricType::Untyped;
}

prometheus::ClientMetric value_of(const metric_family& family, const metric_sample& sample) {
    prometheus::ClientMetric made;
    if (!family.row.label.empty()) {
        made.label.push_back({std::string(family.row.label), sample.label_value});
    }
    made.counter.value = sample.value;
    made.gauge.value = sample.value;
    return made;
}

prometheus::ClientMetric histogram_of(const metric_family& family) {
    prometheus::ClientMetric made;
    for (const metric_bucket& bucket : family.buckets) {
        made.histogram.bucket.push_back(
            {.cumulative_count = bucket.count, .upper_bound = bucket.bound});
    }
    made.histogram.sample_count = family.buckets.empty() ? 0 : family.buckets.back().count;
    made.histogram.sample_sum = family.sum;
    return made;
}

prometheus::MetricFamily translated(const metric_family& family) {
    prometheus::MetricFamily made{.name = std::string(family.row.name),
                                  .help = std::string(family.row.help),
                                  .type = type_of(family.row.kind),
                                  .metric = {}};
    if (family.row.kind == metric_kind::histogram) {
        made.metric.push_back(histogram_of(family));
    }
    for (const metric_sample& sample : family.samples) {
        made.metric.push_back(value_of(family, sample));
    }
    return made;
}

} // namespace

std::string metrics_text(std::span<const metric_family> families) {
    std::vector<prometheus::MetricFamily> all;
    for (const metric_family& each : families) {
        all.push_back(translated(each));
    }
    return prometheus::TextSerializer().Serialize(all);
}

} // namespace gv::admin
