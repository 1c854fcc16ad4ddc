// SPDX-License-Identifier: Apache-2.0
// `grapevine cluster`: what an operator asks a running node.
#pragma once

#include <span>
#include <string_view>

namespace gv::server {

/// Does what the command line says; `args` is what follows "cluster". What it finds goes to
/// standard output, what went wrong to standard error, with place and remedy. Returns the exit
/// code, as operate_usage() tells them.
[[nodiscard]] int operate_main(std::span<const std::string_view> args);

} // namespace gv::server
