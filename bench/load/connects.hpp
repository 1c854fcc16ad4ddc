// SPDX-License-Identifier: Apache-2.0
// The scenario `connects`: clients that come and go one after the other, so that what is measured
// is how long one of them waits, not how many the broker takes at once (that is `idle`).
#pragma once

#include "bench/load/options.hpp"
#include "bench/load/report.hpp"

namespace gv::load {

void run_connects(const load_options& options, report& out);

} // namespace gv::load
