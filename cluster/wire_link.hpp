// SPDX-License-Identifier: Apache-2.0
// What begins a stream between two nodes.
#pragma once

#include "cluster/peer_transport.hpp"
#include "cluster/wire_fault.hpp"

#include <string>

namespace grapevine::cluster::v1 {
class LinkHello;
} // namespace grapevine::cluster::v1

namespace gv::cluster {

/// Requires: `out` is empty.
void encode(const link_hello& hello, grapevine::cluster::v1::LinkHello& out);

/// Takes the texts out of `in`. Errors: what no honest node says.
[[nodiscard]] result<link_hello, decode_fault> decode(grapevine::cluster::v1::LinkHello&& in);

/// Who may speak to `self`: a node of the same cluster with a wire version in common that means
/// this node. `self.to` is not looked at. Errors: a text for a person that names both sides.
[[nodiscard]] result<void, std::string> accept(const link_hello& self, const link_hello& caller);

} // namespace gv::cluster
