// SPDX-License-Identifier: Apache-2.0
// `grapevine store`: looks into the store of a broker, and moves one.
#pragma once

#include <span>
#include <string_view>

namespace gv::server {

/// Does what the command line says; `args` is what follows "store". What it finds goes to standard
/// output, what went wrong to standard error, with place and remedy. Returns the exit code: 0 for
/// done, 1 for failed or for a store with something broken, 2 for a command line without sense.
[[nodiscard]] int store_main(std::span<const std::string_view> args);

} // namespace gv::server
