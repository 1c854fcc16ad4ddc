// SPDX-License-Identifier: Apache-2.0
// The store on RocksDB: a column family a table, one write-ahead log for all of them, so that a
// group is written whole or not at all. Only this unit knows RocksDB.
#pragma once

#include "storage/store.hpp"

#include <chrono>
#include <memory>
#include <string>

namespace rocksdb {
class FileSystem;
}

namespace gv::storage {

struct rocksdb_options {
    std::string folder;
    std::size_t cache_bytes = std::size_t{64} << 20;        ///< blocks of files, and their indexes
    std::size_t write_buffer_bytes = std::size_t{64} << 20; ///< of all tables together
    std::size_t log_bytes_max = std::size_t{512} << 20;     ///< beyond, what it covers is flushed
    int open_files_max = 1024;
    int background_threads = 2;
    std::size_t file_bytes = std::size_t{64} << 20; ///< of a table; the first level has four times
    std::size_t background_bytes_per_second = 0;    ///< of flushes and compactions; 0: no limit
    bool preallocates = true;                       ///< room for files before they are written
    /// What is written without a sync is synced so much later at the latest.
    std::chrono::milliseconds sync_interval = std::chrono::seconds(1);
    /// All tables are read again in the background in about this time; 0: never.
    std::chrono::milliseconds scrub_interval{0};
    /// A store whose tables take more is not read as a whole when it is opened.
    std::uint64_t read_at_start_max = std::uint64_t{64} << 20;
    std::uint64_t ballast_bytes = 16u << 20; ///< given up when the disk is full, to end orderly
    /// How often a disk that is full is asked for room.
    std::chrono::milliseconds resume_interval = std::chrono::seconds(1);
    /// Whether a damaged store is made usable, what is damaged being kept beside it. Without, it is
    /// refused.
    bool salvage = true;
    node_id node{}; ///< of a store that is made here; 0: a random one
    /// What files are made on; null: the machine's. The store wraps it.
    std::shared_ptr<rocksdb::FileSystem> file_system;
};

/// Opens the store in a folder, which is made if it is not there. Damage is told to the log and in
/// store_counts. Errors: a problem for a person (in use by another process, written by a newer
/// version, not readable; damaged, without `salvage`).
[[nodiscard]] result<std::unique_ptr<store>, problem>
open_rocksdb_store(const rocksdb_options& options);

} // namespace gv::storage
