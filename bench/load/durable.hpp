// SPDX-License-Identifier: Apache-2.0
// The scenario `durable`: what is acknowledged for a session that is away, and how fast it comes
// out when the session returns.
#pragma once

#include "bench/load/options.hpp"
#include "bench/load/report.hpp"

namespace gv::load {

void run_durable(const load_options& options, report& out);

} // namespace gv::load
