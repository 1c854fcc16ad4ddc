// SPDX-License-Identifier: Apache-2.0
// Options in the environment: GRAPEVINE_MQTT__PACKET_SIZE_MAX, GRAPEVINE_LISTENERS__0__PORT. Two
// underscores stand for a dot. Variables without them are none of ours, since Kubernetes sets
// GRAPEVINE_SERVICE_HOST and GRAPEVINE_PORT for a service of that name; but one that is the name of
// an option but for an underscore was meant for us, and must not be passed over. GRAPEVINE_CONFIG
// is the configuration file where no -c names one, for the broker and for every command.
#pragma once

#include "broker/server/config_source.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gv::server {

/// `entries` are "NAME=value", as in environ; what is not ours is left out. Appends to `problems`
/// what lacks an underscore.
[[nodiscard]] std::vector<assignment> read_environment(const std::vector<std::string_view>& entries,
                                                       std::vector<problem>& problems);

/// The environment of the process, as read_environment() takes it.
[[nodiscard]] std::vector<std::string_view> process_environment();

/// The configuration file that `entries` name; empty: none.
[[nodiscard]] std::string config_file_in(const std::vector<std::string_view>& entries);

/// The variable that sets the option at `path`.
[[nodiscard]] std::string variable_name(std::string_view path);

} // namespace gv::server
