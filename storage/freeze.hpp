// SPDX-License-Identifier: Apache-2.0
// The latch of the freezing file system: set once, by the first failure of a writing operation,
// and never reset. Thread-safe: RocksDB's threads set it, anybody reads it.
//
// Why a flag without a lock is enough: an operation that began before the flag was set can depend
// only on operations that had returned before it began, and those were real; the failed operation
// itself sets the flag before it returns. So nothing real ever follows something that vanished.
#pragma once

#include "storage/io_failure.hpp"

#include <rocksdb/io_status.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

namespace gv::storage {

/// Foreign: called on a thread of RocksDB, which may hold RocksDB's locks. Post and return; never
/// call the database from here. Each may be empty.
struct file_system_observer {
    /// Once, by the operation that froze the file system.
    std::function<void(const io_failure&)> on_frozen;
    /// The append that had no room until the ballast was released.
    std::function<void(const io_failure&)> on_ballast_released;
    /// Every failed read. The error itself goes on to RocksDB.
    std::function<void(const io_failure&)> on_read_error;
};

class freeze {
  public:
    explicit freeze(file_system_observer observer) : observer_(std::move(observer)) {}

    [[nodiscard]] bool is_frozen() const noexcept {
        return frozen_.load(std::memory_order_acquire);
    }
    /// What froze it; nothing while it is not frozen.
    [[nodiscard]] std::optional<io_failure> failure() const;
    [[nodiscard]] std::uint64_t read_errors() const noexcept {
        return read_errors_.load(std::memory_order_relaxed);
    }

    /// The end of a writing operation: a failure of the disk freezes and becomes success. What is
    /// no failure of the disk (not found, not supported) is returned as it came.
    rocksdb::IOStatus settle(io_operation operation, const std::string& file,
                             rocksdb::IOStatus status);
    /// The end of a reading operation: counts an error and returns it.
    rocksdb::IOStatus note_read(const std::string& file, rocksdb::IOStatus status);
    void tell_ballast_released(const std::string& file, const rocksdb::IOStatus& cause);

  private:
    void freeze_by(io_failure failure);

    std::atomic<bool> frozen_{false};
    std::atomic<std::uint64_t> read_errors_{0};
    file_system_observer observer_;
    mutable std::mutex mutex_;
    std::optional<io_failure> failure_; // guarded by mutex_
};

} // namespace gv::storage
