// SPDX-License-Identifier: Apache-2.0
// Frames of control streams: routes, and what else keeps the tables of two nodes equal.
#pragma once

#include "cluster/peer_transport.hpp"
#include "cluster/wire_fault.hpp"

namespace grapevine::cluster::v1 {
class ControlFrame;
} // namespace grapevine::cluster::v1

namespace gv::cluster {

/// Requires: `out` is empty.
void encode(const control_message& message, grapevine::cluster::v1::ControlFrame& out);

/// Takes the texts out of `in`, which `from` has sent. Errors: what is wrong with its form, a
/// hello, or what check() says of it.
[[nodiscard]] result<control_message, decode_fault>
decode(grapevine::cluster::v1::ControlFrame&& in, node_id from, const route_limits& limits);

} // namespace gv::cluster
