// SPDX-License-Identifier: Apache-2.0
// Messages about retained messages as frames of a control stream, and back.
#pragma once

#include "cluster/retained_message.hpp"
#include "cluster/wire_fault.hpp"

namespace grapevine::cluster::v1 {
class ControlFrame;
} // namespace grapevine::cluster::v1

namespace gv::cluster {

/// Requires: `out` is empty.
void encode(const retained_message& message, grapevine::cluster::v1::ControlFrame& out);

/// Whether the frame is about retained messages.
[[nodiscard]] bool is_retained(const grapevine::cluster::v1::ControlFrame& in) noexcept;

/// Requires: is_retained(). Errors: what is wrong with its form. What it says is to be checked by
/// check(), which needs the time.
[[nodiscard]] result<retained_message, decode_fault>
decode_retained(const grapevine::cluster::v1::ControlFrame& in, const retained_limits& limits);

} // namespace gv::cluster
