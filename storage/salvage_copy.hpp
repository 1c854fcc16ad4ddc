// SPDX-License-Identifier: Apache-2.0
// Takes rows and operations out of damaged files into a database that is being made of them.
// Nothing is logged there: all is flushed at the end, and a disk that fails is told by the file
// system beneath.
#pragma once

#include "storage/database.hpp"

#include <cstdint>
#include <string>

namespace gv::storage {

/// Collects rows and writes them some at a time.
class row_writer {
  public:
    explicit row_writer(open_database& to) : to_(&to) {}
    ~row_writer() { flush(); }
    row_writer(const row_writer&) = delete;
    row_writer& operator=(const row_writer&) = delete;

    void put(table where, std::string_view key, std::string_view value);
    void flush();
    std::uint64_t rows = 0;

  private:
    open_database* to_;
    rocksdb::WriteBatch batch_;
};

/// Copies all rows that can be read.
row_scan copy_rows(table where, rocksdb::Iterator& from, row_writer& to);
/// The same of one file that no database needs to know. Nothing if it cannot be opened.
row_scan copy_table_file(const std::string& path, rocksdb::Env* env, row_writer& to);

struct log_replay {
    bool is_readable = true; ///< false: the disk does not give the bytes
    std::uint64_t operations = 0;
};
/// Does again what every whole record of a log does, by the names of tables.
log_replay replay_log(const std::string& path, open_database& to);

} // namespace gv::storage
