// SPDX-License-Identifier: Apache-2.0
// What `grapevine store check` finds: of the files, of the rows, and of damaged stores that are
// kept beside. Nothing is changed.
#pragma once

#include "base/result.hpp"
#include "storage/inspection.hpp"
#include "storage/row_check.hpp"
#include "storage/salvage.hpp"

#include <optional>
#include <string>
#include <vector>

namespace gv::server {

struct store_check {
    std::string folder;
    bool is_in_use = false;    ///< by another process
    bool is_read_only = false; ///< its lock cannot be taken
    std::optional<storage::inspection>
        files;             ///< nothing if it is one of these, or they cannot be read
    std::string checksums; ///< without `files`: what of tables does not agree
    std::optional<storage::row_check> rows; ///< nothing if the database cannot be opened
    std::vector<problem> problems;          ///< why something was not looked at
    std::vector<storage::quarantine> kept;

    [[nodiscard]] bool is_sound() const noexcept;
};

/// Reads every file and every row. Errors: there is no store in the folder.
[[nodiscard]] result<store_check, problem> check_store(const std::string& folder);

/// As JSON lines: a line for each file that is damaged, each table and each store that is kept, and
/// one of type "check" at the end.
[[nodiscard]] std::string check_lines(const store_check& found);

} // namespace gv::server
