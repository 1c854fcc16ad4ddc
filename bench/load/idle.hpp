// SPDX-License-Identifier: Apache-2.0
// The scenario `idle`: opens connections that do nothing and asks what they cost, then tries many
// handshakes at once.
#pragma once

#include "bench/load/options.hpp"
#include "bench/load/report.hpp"

namespace gv::load {

/// Errors: throws std::runtime_error, also when a connection is refused or broken.
void run_idle(const load_options& options, report& out);

} // namespace gv::load
