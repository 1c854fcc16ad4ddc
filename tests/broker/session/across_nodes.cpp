// SPDX-License-Identifier: Apache-2.0
// What the scripts of this folder say of shards holds between nodes as well.
#include "tests/support/session_script.hpp"

namespace gv::support {
namespace {

[[maybe_unused]] const bool is_spread = are_scripts_spread = true;

} // namespace
} // namespace gv::support
