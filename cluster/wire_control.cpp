// SPDX-License-Identifier: Apache-2.0
#include "cluster/wire_control.hpp"

#include "cluster/wire_retained.hpp"
#include "cluster/wire_routes.hpp"

#include <proto/grapevine_cluster.pb.h>

namespace gv::cluster {

namespace wire = grapevine::cluster::v1;

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
    auto routes = decode_routes(std::move(in), from, limits);
    if (!routes) {
        return failure(routes.error());
    }
    return std::move(*routes);
}

} // namespace gv::cluster
