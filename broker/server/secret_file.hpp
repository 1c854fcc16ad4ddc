// SPDX-License-Identifier: Apache-2.0
// Files that only their owner reads: keys and tokens.
#pragma once

#include "base/result.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace gv::server {

/// Errors: what the system says.
[[nodiscard]] result<std::string, std::string> read_whole(const std::string& path);

/// Mode 0600 from its first moment; takes the place of an old one as a whole. Written by root, it
/// belongs to `user`, if that is not empty. Returns what is wrong; nothing: it is on disk.
[[nodiscard]] std::optional<problem> write_secret(const std::string& path, std::string_view text,
                                                  const std::string& user);

/// What root makes is given to whom it is for; to nobody if `user` is empty. False: it cannot be.
[[nodiscard]] bool give_to_user(const std::string& path, const std::string& user);

/// A folder that only its owner enters, and those above it. As write_secret().
[[nodiscard]] std::optional<problem> make_secret_folder(const std::string& path,
                                                        const std::string& user);

} // namespace gv::server
