// SPDX-License-Identifier: Apache-2.0
// File, environment and command line all give the same thing: a list of assignments, each with the
// place it stands in. They are applied in the order of their precedence; what cannot be applied is
// a problem, and changes nothing.
#pragma once

#include "base/result.hpp"
#include "broker/server/option_ref.hpp"
#include "broker/server/options.hpp"

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace gv::server {

struct assignment {
    std::string path; ///< "mqtt.packet_size_max", "listeners.0.port"
    raw_value value;
    std::string place; ///< "grapevine.toml:12", "GRAPEVINE_MQTT__QOS_MAX", "--mqtt.qos_max"
};

/// Path of an option to the place its value was set in; what is not in it has its default.
using origin_map = std::map<std::string, std::string, std::less<>>;

using path_set = std::set<std::string, std::less<>>;

/// Sets what `given` says, in order. Items of lists are made as needed; they are numbered from 0
/// without gaps. Appends to `problems` what cannot be set, and why. Returns the paths of options
/// whose value is not the one that was wanted, since that one is wrong.
path_set apply(const std::vector<assignment>& given, options& all, origin_map& origins,
               std::vector<problem>& problems);

/// What to say about a name that does not exist.
[[nodiscard]] problem unknown_option(std::string_view path, std::string_view place);

/// One line for a person: "grapevine.toml:12: what is wrong; what to do".
[[nodiscard]] std::string to_line(const problem& wrong);

} // namespace gv::server
