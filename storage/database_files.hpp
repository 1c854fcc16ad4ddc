// SPDX-License-Identifier: Apache-2.0
// The names of files in the folder of a database, and the database seen without its logs.
#pragma once

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

/// Hides the logs, so that opening a database to read shows what is in its tables alone.
[[nodiscard]] std::shared_ptr<rocksdb::FileSystem>
without_logs(std::shared_ptr<rocksdb::FileSystem> files);

} // namespace gv::storage
