// SPDX-License-Identifier: Apache-2.0
// What many filters cost: CPU time and memory of telling them to a node that joins.
#pragma once

#include <cstdint>

namespace gv::cluster::testing {

/// Prints a table.
void show_join(std::uint64_t rows);

} // namespace gv::cluster::testing
