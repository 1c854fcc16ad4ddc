// SPDX-License-Identifier: Apache-2.0
// Everything a person reads about options and metrics, derived from their declarations.
#pragma once

#include "broker/server/config_source.hpp"
#include "broker/server/option_ref.hpp"
#include "broker/server/options.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gv::server {

/// Of the build: "0.1.0".
[[nodiscard]] std::string_view version() noexcept;

/// --help: the flags, and every option with the first sentence about it.
[[nodiscard]] std::string help_text();

/// --print-config: the configuration in effect as TOML that can be used as it is, with the origin
/// of each value behind it. Secrets are left out, as comments.
[[nodiscard]] std::string print_config(const options& all, const origin_map& origins);
[[nodiscard]] std::string print_config(const std::vector<section_ref>& table,
                                       const origin_map& origins);

/// docs/configuration.md
[[nodiscard]] std::string configuration_page();
/// deploy/grapevine.example.toml: every option with what it does, at its default, commented out.
[[nodiscard]] std::string example_config();
/// docs/metrics.md
[[nodiscard]] std::string metrics_page();

} // namespace gv::server
