// SPDX-License-Identifier: Apache-2.0
// The scenario `retained`: one client stores messages on topics of their own, another subscribes to
// `#` and gets them all, and at last they are removed. Three figures a message.
#pragma once

#include "bench/load/options.hpp"
#include "bench/load/report.hpp"

namespace gv::load {

/// Errors: throws std::runtime_error.
void run_retained(const load_options& options, report& out);

} // namespace gv::load
