// SPDX-License-Identifier: Apache-2.0
// Envelopes of membership as Protocol Buffers, and back.
#pragma once

#include "cluster/membership_message.hpp"
#include "cluster/wire_fault.hpp"

namespace grapevine::cluster::v1 {
class Envelope;
} // namespace grapevine::cluster::v1

namespace gv::cluster {

/// Requires: `out` is empty.
void encode(const envelope& message, grapevine::cluster::v1::Envelope& out);

/// Errors: what is wrong with its form, or what check() says of it.
[[nodiscard]] result<envelope, decode_fault> decode(const grapevine::cluster::v1::Envelope& in,
                                                    const message_limits& limits);

} // namespace gv::cluster
