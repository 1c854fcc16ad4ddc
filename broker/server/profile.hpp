// SPDX-License-Identifier: Apache-2.0
// Which defaults hold on this machine. A row of an option has one default for a server and, where
// that is too much for a small machine with a slow disk, another for `pi`.
#pragma once

#include "broker/server/config_source.hpp"
#include "broker/server/machine.hpp"
#include "broker/server/options.hpp"

#include <functional>
#include <string>

namespace gv::server {

/// At most so much memory makes a small machine.
inline constexpr std::uint64_t small_memory_max = std::uint64_t{1} << 30;

struct profile_choice {
    storage_profile kind = storage_profile::server; ///< never automatic
    std::string why;                                ///< for a person
};
using profile_chooser = std::function<profile_choice(const options&)>;

/// `wanted`, or what the machine asks for.
[[nodiscard]] profile_choice choose_profile(storage_profile wanted, const machine_facts& machine);

/// Gives options that nobody set (they are not in `origins`) the default of the profile, and notes
/// it as their origin. That of an automatic storage.profile says which it became.
void take_profile(const profile_choice& chosen, options& all, origin_map& origins);

} // namespace gv::server
