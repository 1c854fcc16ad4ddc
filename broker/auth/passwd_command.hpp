// SPDX-License-Identifier: Apache-2.0
// `grapevine passwd`: edits a password file, with the options of mosquitto_passwd.
#pragma once

#include <span>
#include <string_view>

namespace gv::auth {

/// Does what the command line says; `args` is what follows "passwd". Says what went wrong on
/// standard error, with place and remedy; the file is then unchanged. Returns the exit code: 0 for
/// done, 1 for failed, 2 for a command line that makes no sense.
[[nodiscard]] int passwd_main(std::span<const std::string_view> args);

} // namespace gv::auth
