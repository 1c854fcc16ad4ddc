// SPDX-License-Identifier: Apache-2.0
// The configuration file, in TOML. The only home of toml++.
#pragma once

#include "broker/server/config_source.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gv::server {

/// What the file at `path` sets. Appends to `problems` if it cannot be read, is not TOML, or has
/// tables that mean nothing.
[[nodiscard]] std::vector<assignment> read_config_file(const std::string& path,
                                                       std::vector<problem>& problems);

/// The same for the text of a file; `name` stands for it in places.
[[nodiscard]] std::vector<assignment> read_config_text(std::string_view text, std::string_view name,
                                                       std::vector<problem>& problems);

} // namespace gv::server
