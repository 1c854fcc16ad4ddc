// SPDX-License-Identifier: Apache-2.0
// What `grapevine store check` and `stats` print.
#pragma once

#include "broker/server/store_check.hpp"
#include "storage/row_check.hpp"

#include <functional>
#include <string>

namespace gv::server {

[[nodiscard]] std::string check_text(const store_check& found);

using disk_bytes_of = std::function<std::uint64_t(storage::table)>;
[[nodiscard]] std::string stats_text(const storage::store_stats& found,
                                     const disk_bytes_of& disk_bytes);

} // namespace gv::server
