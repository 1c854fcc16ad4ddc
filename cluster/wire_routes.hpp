// SPDX-License-Identifier: Apache-2.0
// Messages about routes as Protocol Buffers, and back.
#pragma once

#include "cluster/route_message.hpp"
#include "cluster/wire_fault.hpp"

namespace grapevine::cluster::v1 {
class ControlFrame;
} // namespace grapevine::cluster::v1

namespace gv::cluster {

/// Requires: `out` is empty.
void encode(const route_message& message, grapevine::cluster::v1::ControlFrame& out);

/// Takes the texts out of `in`, which `from` has sent. Errors: what is wrong with its form, that it
/// is not about routes (unknown_kind), or what check() says of it.
[[nodiscard]] result<route_message, decode_fault>
decode_routes(grapevine::cluster::v1::ControlFrame&& in, node_id from, const route_limits& limits);

} // namespace gv::cluster
