// SPDX-License-Identifier: Apache-2.0
#include "broker/server/metric_table.hpp"

#include "base/described.hpp"

#include <limits>
#include <type_traits>
#include <vector>

namespace gv::server {

namespace {

template <typename Metric>
concept has_labels = requires { typename Metric::labels; };
template <typename Metric>
concept has_buckets = requires { typename Metric::buckets; };
template <typename Metric>
concept has_text = requires(const Metric& metric) { metric.text; };

template <typename Metric>
metric_description describe() {
    metric_description out{.row = Metric::row, .label_values = {}};
    if constexpr (has_labels<Metric>) {
        for (const std::string_view value : Metric::labels::values) {
            if (!value.empty()) {
                out.label_values.emplace_back(value);
            }
        }
    }
    return out;
}

template <typename Numbers>
void add_each(Numbers& total, const Numbers& one) {
    for (std::size_t at = 0; at < total.size(); ++at) {
        total[at].add(one[at].get());
    }
}

template <typename Metric>
void add_up(Metric& total, const Metric& one) {
    if constexpr (has_labels<Metric>) {
        add_each(total.values, one.values);
    } else if constexpr (has_buckets<Metric>) {
        add_each(total.counts, one.counts);
        total.sum.add(one.sum.get());
    } else {
        total.add(one.get());
    }
}

template <typename Metric>
void show_labelled(const Metric& metric, metric_family& family) {
    using labels = typename Metric::labels;
    // Of 256 reason codes few ever occur: the others are left out until they do.
    constexpr bool is_sparse = labels::values.size() > 32;
    for (std::size_t at = 0; at < labels::values.size(); ++at) {
        const std::uint64_t value = metric.values[at].get();
        if (!labels::values[at].empty() && (!is_sparse || value != 0)) {
            family.samples.push_back({std::string(labels::values[at]), static_cast<double>(value)});
        }
    }
}

template <typename Metric>
void show_histogram(const Metric& metric, metric_family& family) {
    using buckets = typename Metric::buckets;
    std::uint64_t at_or_below = 0;
    for (std::size_t at = 0; at < metric.counts.size(); ++at) {
        at_or_below += metric.counts[at].get();
        const double bound = at == buckets::bounds.size()
                                 ? std::numeric_limits<double>::infinity()
                                 : static_cast<double>(buckets::bounds[at]) * buckets::scale;
        family.buckets.push_back({bound, at_or_below});
    }
    family.sum = static_cast<double>(metric.sum.get()) * buckets::scale;
}

template <typename Metric>
metric_family show(const Metric& metric) {
    metric_family family{.row = Metric::row, .samples = {}, .buckets = {}};
    if constexpr (has_labels<Metric>) {
        show_labelled(metric, family);
    } else if constexpr (has_buckets<Metric>) {
        show_histogram(metric, family);
    } else if constexpr (has_text<Metric>) {
        family.samples.push_back({std::string(metric.text), 1});
    } else {
        family.samples.push_back({"", static_cast<double>(metric.get()) * Metric::scale});
    }
    return family;
}

template <typename Block>
void show_all(const Block& block, std::vector<metric_family>& out) {
    for_each_field(block, [&](const auto& metric) { out.push_back(show(metric)); });
}

template <typename Block>
void describe_all(std::vector<metric_description>& out) {
    const Block block{};
    for_each_field(block, [&]<typename Metric>(const Metric& /*metric*/) {
        out.push_back(describe<Metric>());
    });
}

} // namespace

std::vector<metric_description> metric_descriptions() {
    std::vector<metric_description> out;
    describe_all<shard_metrics>(out);
    describe_all<process_metrics>(out);
    describe_all<lane_metrics>(out);
    describe_all<cluster::membership_metrics>(out);
    describe_all<exchange_metrics>(out);
    return out;
}

namespace {

template <typename Block>
[[nodiscard]] Block sum_of_blocks(std::span<const Block* const> blocks) {
    Block total;
    for (const Block* each : blocks) {
        for_each_field_pair(total, *each, [](auto& sum, const auto& one) { add_up(sum, one); });
    }
    return total;
}

} // namespace

shard_metrics sum_of(std::span<const shard_metrics* const> shards) {
    return sum_of_blocks<shard_metrics>(shards);
}

std::vector<metric_family> collect(std::span<const shard_metrics* const> shards,
                                   const process_metrics& process, const cluster_blocks& cluster) {
    std::vector<metric_family> out;
    show_all(sum_of(shards), out);
    show_all(process, out);
    show_all(sum_of_blocks<lane_metrics>(cluster.lanes), out);
    show_all(*cluster.members, out);
    show_all(*cluster.exchange, out);
    return out;
}

} // namespace gv::server
