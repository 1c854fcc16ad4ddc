// SPDX-License-Identifier: Apache-2.0
// The command line of `grapevine passwd`, taken apart. It takes what mosquitto_passwd takes, and
// --scram and --iterations besides.
#pragma once

#include "base/result.hpp"
#include "broker/auth/password_hash.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gv::auth {

enum class passwd_task : std::uint8_t { set, remove, upgrade, help };

struct passwd_options {
    passwd_task task = passwd_task::set;
    bool creates_file = false; ///< -c
    bool is_batch = false;     ///< -b: the password stands on the command line
    bool wants_scram = false;
    hash_scheme scheme = hash_scheme::pbkdf2_sha512;
    std::uint32_t iterations = iterations_default;
    std::string file;
    std::string username;
    std::string password;
};

/// `args`: what follows "passwd". Options come before FILE, so that a password may begin with "-".
/// The error is a sentence with its remedy.
[[nodiscard]] result<passwd_options, std::string>
parse_passwd_options(std::span<const std::string_view> args);

/// The help text.
[[nodiscard]] std::string_view passwd_usage() noexcept;

} // namespace gv::auth
