// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cluster/grpc_calls.hpp"

#include <functional>

namespace gv::cluster {

/// Calls `due` once, on a thread of gRPC; not if core.calls is closed before. Lifetime: what it
/// refers to must be there until core.calls is closed.
void call_later(grpc_core& core, duration after, std::function<void()> due);

} // namespace gv::cluster
