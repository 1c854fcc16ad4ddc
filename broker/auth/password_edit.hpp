// SPDX-License-Identifier: Apache-2.0
// Changes to the text of a password file. What a change does not concern stays as it is, byte for
// byte: comments, blank lines, line endings, even lines that are wrong.
#pragma once

#include "base/result.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace gv::auth {

/// The text with the entries of `username` replaced by `credentials` (as format_credential() writes
/// them), where the first one stood; at the end if there was none.
[[nodiscard]] std::string with_user(std::string_view text, std::string_view username,
                                    const std::vector<std::string>& credentials);

[[nodiscard]] bool has_user(std::string_view text, std::string_view username);

/// Whether the user has a SCRAM entry, right or wrong.
[[nodiscard]] bool has_scram_entry(std::string_view text, std::string_view username);

/// Gives the credentials for a plain password.
using password_hasher = std::function<std::vector<std::string>(std::string_view password)>;

/// The text with each line "username:plain password" replaced by the entries that `hasher` makes.
/// Entries that are hashed already stay. Errors: all lines that are neither, and nothing is done;
/// `place` names the file in them.
[[nodiscard]] result<std::string, std::vector<problem>>
with_hashed_passwords(std::string_view text, std::string_view place, const password_hasher& hasher);

} // namespace gv::auth
