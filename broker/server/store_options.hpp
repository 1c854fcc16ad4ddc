// SPDX-License-Identifier: Apache-2.0
// The command line of `grapevine store`.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gv::server {

enum class store_task : std::uint8_t { check, stats, export_lines, import_file, help };

struct store_options {
    store_task task = store_task::help;
    std::string folder;      ///< empty: that of the configuration
    std::string config_file; ///< empty: none
    std::string file = "-";  ///< to import or export to; "-": standard input or output
    bool as_json = false;    ///< what check finds
    bool merges = false;     ///< import into a store that is not empty
};

/// `args` is what follows "store". Errors: a sentence for a person.
[[nodiscard]] result<store_options, std::string>
parse_store_options(std::span<const std::string_view> args);

/// What --help prints.
[[nodiscard]] std::string_view store_usage() noexcept;

} // namespace gv::server
