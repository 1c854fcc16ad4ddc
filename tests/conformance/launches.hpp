// SPDX-License-Identifier: Apache-2.0
// The command lines of the brokers that socket_world knows.
#pragma once

#include "tests/conformance/broker_process.hpp"

#include <optional>

namespace gv::conformance {

/// A port that was free a moment ago: good enough for a broker that cannot choose one itself, or
/// whose port others must know before it starts.
[[nodiscard]] std::uint16_t free_port();

/// Grapevine: one listener on a port of the system's choice, told through its ports file; options
/// as flags; its files in that folder.
[[nodiscard]] launch grapevine_launch(const std::string& program, const option_values& options,
                                      const std::filesystem::path& folder);

/// Mosquitto 2: a configuration file with the options it has words for; nothing if it has none for
/// one of them.
[[nodiscard]] std::optional<launch> mosquitto_launch(const std::string& program,
                                                     const option_values& options,
                                                     const scratch_folder& folder);

} // namespace gv::conformance
