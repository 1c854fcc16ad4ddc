// SPDX-License-Identifier: Apache-2.0
// The options of the broker as a table without types.
#pragma once

#include "broker/server/option_ref.hpp"
#include "broker/server/options.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gv::server {

/// Every section of `all`, in order. Lifetime: refers to `all`, until its listeners change.
[[nodiscard]] std::vector<section_ref> sections(options& all);

/// Adds an item at its defaults to the list of that name, if `index` is the next.
void add_item(options& all, std::string_view section, std::size_t index);

/// All options at their defaults, with one item in each list, so that each has a row: for
/// documents.
[[nodiscard]] options documented_options();

/// The name of every option: "listeners.port", without number.
[[nodiscard]] const std::vector<std::string_view>& option_names();
[[nodiscard]] const std::vector<std::string_view>& section_names();

/// Whether `section` is an array of tables.
[[nodiscard]] bool is_list_section(std::string_view section);

} // namespace gv::server
