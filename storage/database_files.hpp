// SPDX-License-Identifier: Apache-2.0
// The names of files in the folder of a database, and the database seen without its logs.
#pragma once

#include "storage/wal_mark.hpp"

#include <rocksdb/file_system.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gv::storage {

inline constexpr const char* mark_name = "wal.mark";
inline constexpr const char* suspicion_name = "suspect";

struct database_files {
    bool has_current = false;
    std::vector<std::string> manifests; ///< oldest first, as the others
    std::vector<std::string> tables;
    std::vector<std::string> logs;   ///< those with something in them
    std::vector<std::string> others; ///< without LOCK and what is above
};
/// `folder`: of the database.
[[nodiscard]] database_files list_database(const std::string& folder);

/// The manifest that CURRENT names; empty if it is not one that is there.
[[nodiscard]] std::string current_manifest(const std::string& folder);

/// What the manifest in use has in it by now, synced. Number 0 if it cannot be read.
[[nodiscard]] manifest_mark mark_manifest(const std::string& folder);
/// Why the manifest in use is not the one that was marked, or has lost something of it; empty if it
/// goes on from there.
[[nodiscard]] std::string manifest_fault(const std::string& folder, const manifest_mark& known);

/// Hides the logs, so that opening a database to read shows what is in its tables alone.
[[nodiscard]] std::shared_ptr<rocksdb::FileSystem>
without_logs(std::shared_ptr<rocksdb::FileSystem> files);

} // namespace gv::storage
