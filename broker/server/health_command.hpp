// SPDX-License-Identifier: Apache-2.0
// `grapevine health`: whether the broker on this machine serves clients, for supervisors that run
// a program to find out, such as container engines.
#pragma once

#include "base/result.hpp"
#include "broker/server/options.hpp"
#include "broker/transport/endpoint.hpp"

#include <span>
#include <string_view>

namespace gv::server {

/// `args` is what follows "health": flags of the broker. Writes the answer to standard output, or
/// what is wrong to standard error. Returns the exit code, as its --help tells them.
[[nodiscard]] int health_main(std::span<const std::string_view> args);

/// Where the admin port of a broker with these options is reached from its own machine. Errors: it
/// has none, or one that nobody can know.
[[nodiscard]] result<transport::endpoint, problem> health_endpoint(const admin_options& all);

} // namespace gv::server
