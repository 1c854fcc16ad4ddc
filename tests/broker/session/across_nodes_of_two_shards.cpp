// SPDX-License-Identifier: Apache-2.0
// What the scripts of this folder say of shards holds between nodes of several shards as
// well.
#include "tests/support/session_script.hpp"

namespace gv::support {
namespace {

[[maybe_unused]] const std::size_t each = shards_of_spread_nodes = 2;

} // namespace
} // namespace gv::support
