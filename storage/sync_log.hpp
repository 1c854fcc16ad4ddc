// SPDX-License-Identifier: Apache-2.0
// The one question an acknowledgement asks of the disk.
#pragma once

#include "base/result.hpp"
#include "storage/io_failure.hpp"

namespace rocksdb {
class DB;
} // namespace rocksdb

namespace gv::storage {

class freezing_file_system;

/// Syncs the write-ahead log of `db`, which runs on `files`. Success means that everything whose
/// Write() had returned before this call survives a loss of power and may be acknowledged. Errors:
/// what froze the file system, or what RocksDB answered: nothing since the last success may be
/// acknowledged then, and the database is to be closed.
/// Thread: one caller at a time; Write() may go on beside it.
[[nodiscard]] result<void, io_failure> sync_log(rocksdb::DB& db, const freezing_file_system& files);

} // namespace gv::storage
