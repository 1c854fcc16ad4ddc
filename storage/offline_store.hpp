// SPDX-License-Identifier: Apache-2.0
// A store to look into, by whoever is not the broker: read only, with or without a broker that uses
// it. What the broker writes after it was opened is not seen.
#pragma once

#include "base/result.hpp"
#include "storage/loading.hpp"

#include <memory>
#include <optional>
#include <string>

namespace gv::storage {

class offline_store : public table_source {
  public:
    virtual ~offline_store() = default;

    /// What of the files on disk does not agree with its checksum; empty: all does. Reads them all.
    [[nodiscard]] virtual std::string check_files() const = 0;
    /// Bytes of the files of a table.
    [[nodiscard]] virtual std::uint64_t disk_bytes(table which) const = 0;
};

/// Opens the store in a folder; nothing in the folder is changed. Errors: a problem for a person.
[[nodiscard]] result<std::unique_ptr<offline_store>, problem>
open_offline_store(const std::string& folder);

/// Whether the folder holds a store, readable or not.
[[nodiscard]] bool has_store(const std::string& folder);

} // namespace gv::storage
