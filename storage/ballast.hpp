// SPDX-License-Identifier: Apache-2.0
// A file that only takes up room, so that the write-ahead log can have it when the disk is full:
// what has been begun can then be ended in order. Thread-safe.
#pragma once

#include "base/result.hpp"
#include "storage/io_failure.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

namespace rocksdb {
class FileSystem;
class FSWritableFile;
class IOStatus;
} // namespace rocksdb

namespace gv::storage {

struct ballast_settings {
    /// On the same disk as the database, best beside its folder. Empty: no ballast.
    std::string path;
    /// Larger: a longer orderly end on a full disk. Smaller: more room for data. 64 MiB on a
    /// server, 8 MiB on a small board.
    std::uint64_t size_bytes = 0;
};

class ballast {
  public:
    /// Takes over a file of the right size that is already there; makes none.
    ballast(std::shared_ptr<rocksdb::FileSystem> target, ballast_settings settings);

    [[nodiscard]] bool is_present() const;
    /// Deletes the file. False if there is none, or it cannot be deleted.
    bool release();
    /// Makes the file, with blocks of its own, if it is not there. Errors: what the file system
    /// says; no part of the file is left behind.
    [[nodiscard]] result<void, io_failure> restore();

  private:
    rocksdb::IOStatus write_file();
    rocksdb::IOStatus fill(rocksdb::FSWritableFile& file);

    std::shared_ptr<rocksdb::FileSystem> target_;
    ballast_settings settings_;
    mutable std::mutex mutex_;
    bool present_ = false; // guarded by mutex_
};

} // namespace gv::storage
