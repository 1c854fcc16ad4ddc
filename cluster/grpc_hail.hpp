// SPDX-License-Identifier: Apache-2.0
// One question to whoever has an address, and word of what became of it: where a person waits.
#pragma once

#include "cluster/grpc_calls.hpp"

#include <functional>

namespace gv::cluster {

/// Calls `done` once, on a thread of gRPC; it must only post. Not if `core.calls` is closed before.
void hail(grpc_core& core, const std::string& address, const envelope& question,
          std::function<void(hail_outcome)> done);

} // namespace gv::cluster
