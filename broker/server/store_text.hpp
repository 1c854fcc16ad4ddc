// SPDX-License-Identifier: Apache-2.0
// What `grapevine store check` and `stats` print.
#pragma once

#include "storage/row_check.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace gv::server {

/// `files`: what the check of the files' own checksums found; empty: nothing.
[[nodiscard]] std::string check_text(const storage::row_check& found, std::string_view files);

using disk_bytes_of = std::function<std::uint64_t(storage::table)>;
[[nodiscard]] std::string stats_text(const storage::store_stats& found,
                                     const disk_bytes_of& disk_bytes);

} // namespace gv::server
