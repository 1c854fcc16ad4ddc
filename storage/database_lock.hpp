// SPDX-License-Identifier: Apache-2.0
// RocksDB's own lock on a database, held while something is done to its files beside it.
#pragma once

#include "base/result.hpp"

#include <rocksdb/file_system.h>

#include <cstdint>
#include <memory>
#include <string>

namespace gv::storage {

/// What a status says that hinders the use of a store in `folder`.
[[nodiscard]] problem unusable_store(const std::string& folder, const rocksdb::Status& status);

/// Whether `why`, of the above, is that another process has the database open.
[[nodiscard]] bool is_lock_held(const problem& why);

[[nodiscard]] problem newer_store(const std::string& folder, std::uint32_t found);

class database_lock {
  public:
    explicit database_lock(std::shared_ptr<rocksdb::FileSystem> files)
        : files_(files ? std::move(files) : rocksdb::FileSystem::Default()) {}
    database_lock(const database_lock&) = delete;
    database_lock& operator=(const database_lock&) = delete;
    ~database_lock() { release(); }

    /// `folder`: of the store; its database folder is there. Errors: a problem for a person.
    [[nodiscard]] result<void, problem> take(const std::string& folder);
    void release();

  private:
    std::shared_ptr<rocksdb::FileSystem> files_;
    rocksdb::FileLock* lock_ = nullptr;
};

} // namespace gv::storage
