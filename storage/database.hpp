// SPDX-License-Identifier: Apache-2.0
// What every opening of the store's database has in common: its tables, its options, and reading
// past what is damaged.
#pragma once

#include "storage/format.hpp"
#include "storage/rocksdb_store.hpp"
#include "storage/rocksdb_words.hpp"

#include <rocksdb/db.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gv::storage {

/// Passes on what RocksDB says if it is a warning or worse.
[[nodiscard]] std::shared_ptr<rocksdb::Logger> make_rocksdb_log();
[[nodiscard]] rocksdb::DBOptions database_options(const rocksdb_options& wanted, rocksdb::Env* env);
[[nodiscard]] std::vector<rocksdb::ColumnFamilyDescriptor>
table_descriptors(const rocksdb_options& wanted);

/// The key with which a range of a table is to be erased that begins there: all rows from there on
/// are behind it, and no others.
[[nodiscard]] std::string range_begin(table where, std::string_view begin);

/// A database that is open, with the handles of its tables.
class open_database {
  public:
    open_database() = default;
    open_database(const open_database&) = delete;
    open_database& operator=(const open_database&) = delete;
    ~open_database() { close(); }

    rocksdb::Status open(const rocksdb::DBOptions& options, const std::string& folder,
                         const std::vector<rocksdb::ColumnFamilyDescriptor>& tables);
    /// Whatever tables there are, and nothing is written.
    rocksdb::Status open_to_read(const rocksdb::DBOptions& options, const std::string& folder);
    /// Whether all went well.
    bool close();

    [[nodiscard]] rocksdb::DB* operator->() const noexcept { return database_.get(); }
    [[nodiscard]] rocksdb::DB& operator*() const noexcept { return *database_; }
    [[nodiscard]] explicit operator bool() const noexcept { return database_ != nullptr; }
    /// Null if it has no such table.
    [[nodiscard]] rocksdb::ColumnFamilyHandle* handle(table which) const noexcept {
        return handles_[static_cast<std::size_t>(which)];
    }

  private:
    void adopt(rocksdb::DB* opened, const std::vector<rocksdb::ColumnFamilyHandle*>& handles);

    std::unique_ptr<rocksdb::DB> database_;
    std::array<rocksdb::ColumnFamilyHandle*, table_count> handles_{};
    std::vector<rocksdb::ColumnFamilyHandle*> others_; ///< of a newer version
};

struct row_scan {
    bool is_readable = true; ///< false: the disk does not give the bytes
    std::uint64_t gaps = 0;  ///< places where rows are damaged; at least one is missing at each
};

/// Visits the rows from `from` until `visit` says false, stepping over damaged blocks to the next
/// key that can be read.
row_scan scan_rows(rocksdb::Iterator& at, std::string_view from,
                   const std::function<bool(std::string_view key, std::string_view value)>& visit);

} // namespace gv::storage
