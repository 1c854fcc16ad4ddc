// SPDX-License-Identifier: Apache-2.0
// From file, environment and command line to the options in effect. Flags win over the environment,
// that over the file, and that over the defaults.
#pragma once

#include "broker/server/command_line.hpp"
#include "broker/server/config_source.hpp"
#include "broker/server/options.hpp"
#include "broker/server/profile.hpp"

#include <string_view>
#include <vector>

namespace gv::server {

struct loaded_options {
    options values;
    origin_map origins;
    /// Everything that is wrong, validate() included. If there is any, `values` must not be used.
    std::vector<problem> problems;
    /// No listener was asked for, so it listens on loopback only: to be logged as
    /// `local_only_note`.
    bool is_local_only = false;
    profile_choice profile;
};

inline constexpr std::string_view local_only_note =
    "No listener is configured: listening on loopback only. Clients on other machines cannot "
    "connect until a [[listeners]] table with their network's address is added, with "
    "authentication or allow_anonymous = true.";

/// Reads everything anew: at the start, and on SIGHUP with the same command line.
/// `environment` is as process_environment() gives it. `choose` names the profile for what was
/// read; null: storage.profile says it, without a look at the machine.
[[nodiscard]] loaded_options load_options(const command_line& flags,
                                          const std::vector<std::string_view>& environment,
                                          const profile_chooser& choose = nullptr);

} // namespace gv::server
