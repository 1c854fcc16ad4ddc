// SPDX-License-Identifier: Apache-2.0
// A store as JSON lines, one object a line: the node, bodies that several messages share, each
// session with what is its own, retained messages.
#pragma once

#include "storage/loading.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace gv::server {

struct export_report {
    bool is_readable = true;                     ///< every table, to its end
    std::map<std::string, std::size_t> left_out; ///< how many rows, by what and why
};

/// Each line ends with a line feed. Rows of no session are left out without a word: a start would
/// remove them.
using line_sink = std::function<void(std::string_view line)>;
[[nodiscard]] export_report export_lines(const storage::table_source& from, const line_sink& to);

} // namespace gv::server
