// SPDX-License-Identifier: Apache-2.0
#include "cluster/wire_control.hpp"

#include "cluster/wire_partitions.hpp"
#include "cluster/wire_retained.hpp"
#include "cluster/wire_routes.hpp"

#include <proto/grapevine_cluster.pb.h>

namespace gv::cluster {

namespace wire = grapevine::cluster::v1;

namespace {

/// More than any version will have.
constexpr int figures_max = 64;

void encode(const node_figures& figures, wire::ControlFrame& out) {
    wire::NodeFigures& to = *out.mutable_node_figures();
    to.set_version(figures.version);
    for (const auto field : counter_fields) {
        to.add_counters(figures.counters.*field);
    }
    for (const auto field : level_fields) {
        to.add_levels(figures.levels.*field);
    }
}

template <typename Figures, typename Fields, typename Numbers>
void take(Figures& into, const Fields& fields, const Numbers& numbers) {
    int at = 0;
    for (const auto field : fields) {
        if (at < numbers.size()) {
            into.*field = numbers[at++];
        }
    }
}

[[nodiscard]] result<node_figures, decode_fault> decode_figures(const wire::NodeFigures& in) {
    if (in.counters_size() > figures_max || in.levels_size() > figures_max) {
        return failure(decode_fault(wire_fault::too_many));
    }
    if (!is_plain_name(in.version(), version_bytes_max)) {
        return failure(decode_fault(wire_fault::out_of_range));
    }
    node_figures made{.version = in.version(), .counters = {}, .levels = {}};
    take(made.counters, counter_fields, in.counters());
    take(made.levels, level_fields, in.levels());
    return made;
}

} // namespace

void encode(const control_message& message, wire::ControlFrame& out) {
    std::visit([&out](const auto& each) { encode(each, out); }, message);
}

result<control_message, decode_fault> decode(wire::ControlFrame&& in, node_id from,
                                             const route_limits& limits) {
    if (in.has_hello()) {
        return failure(decode_fault(wire_fault::second_hello));
    }
    if (is_retained(in)) {
        auto retained = decode_retained(in, retained_limits{});
        if (!retained) {
            return failure(retained.error());
        }
        return std::move(*retained);
    }
    if (in.has_node_figures()) {
        auto figures = decode_figures(in.node_figures());
        if (!figures) {
            return failure(figures.error());
        }
        return *std::move(figures);
    }
    if (is_about_partitions(in)) {
        auto partitions = decode_partitions(in);
        if (!partitions) {
            return failure(partitions.error());
        }
        return *std::move(partitions);
    }
    auto routes = decode_routes(std::move(in), from, limits);
    if (!routes) {
        return failure(routes.error());
    }
    return std::move(*routes);
}

} // namespace gv::cluster
