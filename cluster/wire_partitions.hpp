// SPDX-License-Identifier: Apache-2.0
// Messages about partitions as Protocol Buffers, and back.
#pragma once

#include "cluster/partition_message.hpp"
#include "cluster/wire_fault.hpp"

namespace grapevine::cluster::v1 {
class ControlFrame;
} // namespace grapevine::cluster::v1

namespace gv::cluster {

/// Requires: `out` is empty.
void encode(const partition_message& message, grapevine::cluster::v1::ControlFrame& out);

[[nodiscard]] bool is_about_partitions(const grapevine::cluster::v1::ControlFrame& in) noexcept;

/// Requires: it is about partitions. Errors: what is wrong with its form. What it says is checked
/// by fault_of().
[[nodiscard]] result<partition_message, decode_fault>
decode_partitions(const grapevine::cluster::v1::ControlFrame& in);

} // namespace gv::cluster
