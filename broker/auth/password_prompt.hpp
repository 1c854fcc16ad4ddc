// SPDX-License-Identifier: Apache-2.0
// Asks a person for a password.
#pragma once

#include "base/result.hpp"

#include <string>

namespace gv::auth {

/// Asks twice on standard error and reads two lines from standard input, without echo if that is a
/// terminal. Errors: a sentence; the two differ, or are empty, or the person gave up.
[[nodiscard]] result<std::string, std::string> ask_new_password();

} // namespace gv::auth
