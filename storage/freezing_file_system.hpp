// SPDX-License-Identifier: Apache-2.0
// The file system that RocksDB runs on. The packaged RocksDB 7.8.3 has live asserts on the paths
// that follow a failed write or sync, so it never sees one: at the first failure this file system
// freezes. From then on every writing operation reports success and goes nowhere, what is on the
// disk stays as it was, and reads go on. The database is then closed and, when the fault is gone,
// opened again on a new freezing_file_system, which recovers everything that was synced.
//
//   state     operation               answer                            next
//   running   succeeds                as it is                          running
//   running   a read fails            the error; on_read_error          running
//   running   LOCK, hard link, folder the error: only opening and       running
//             fails                   checkpoints use them
//   running   WAL append: no space,   ballast released, the rest of     running, or frozen if the
//             ballast present         the append tried once more        second try fails
//   running   other write fails       success; on_frozen                frozen
//   frozen    any write               success, nothing done             frozen
//   frozen    read                    as it is                          frozen
//
// Calls that RocksDB 7.8.3 makes with the options of required_options.hpp, as a test pins down:
// appends (never positioned, there is no direct I/O), PrepareWrite for allocation ahead (its
// failure is of no consequence), RangeSync, Sync, Close; create, rename, remove, directory sync;
// opening reopens the last log and truncates it to its size. Mapped and in-place writes would go
// past the freeze and are refused.
#pragma once

#include "base/result.hpp"
#include "storage/ballast.hpp"
#include "storage/freeze.hpp"
#include "storage/io_failure.hpp"

#include <rocksdb/file_system.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gv::storage {

struct freezing_core;

/// Thread-safe. One for each opening of a database; it must outlive that database.
class freezing_file_system final : public rocksdb::FileSystemWrapper {
  public:
    explicit freezing_file_system(std::shared_ptr<rocksdb::FileSystem> target,
                                  file_system_observer observer = {},
                                  ballast_settings ballast = {});

    /// Whether writes go nowhere. A batch may be acknowledged only if this is false *after* the
    /// sync that covers it has returned; sync_log() does it right.
    [[nodiscard]] bool is_frozen() const noexcept;
    [[nodiscard]] std::optional<io_failure> failure() const;
    [[nodiscard]] std::uint64_t read_errors() const noexcept;

    [[nodiscard]] bool has_ballast() const;
    /// Makes the ballast file if it is not there. Errors: no room for it; nothing is left behind.
    [[nodiscard]] result<void, io_failure> restore_ballast();

    const char* Name() const override { return "freezing_file_system"; }

    rocksdb::IOStatus NewSequentialFile(const std::string& name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                        rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus NewRandomAccessFile(const std::string& name,
                                          const rocksdb::FileOptions& options,
                                          std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                          rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* file,
                                      rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus ReopenWritableFile(const std::string& name,
                                         const rocksdb::FileOptions& options,
                                         std::unique_ptr<rocksdb::FSWritableFile>* file,
                                         rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus ReuseWritableFile(const std::string& name, const std::string& old_name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSWritableFile>* file,
                                        rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus NewRandomRWFile(const std::string& name, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSRandomRWFile>* file,
                                      rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus
    NewMemoryMappedFileBuffer(const std::string& name,
                              std::unique_ptr<rocksdb::MemoryMappedFileBuffer>* buffer) override;
    rocksdb::IOStatus NewDirectory(const std::string& name, const rocksdb::IOOptions& options,
                                   std::unique_ptr<rocksdb::FSDirectory>* directory,
                                   rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                                 rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus Truncate(const std::string& name, size_t size,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus CreateDir(const std::string& name, const rocksdb::IOOptions& options,
                                rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus CreateDirIfMissing(const std::string& name, const rocksdb::IOOptions& options,
                                         rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus DeleteDir(const std::string& name, const rocksdb::IOOptions& options,
                                rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                                 const rocksdb::IOOptions& options,
                                 rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* dbg) override;
    /// Refused: RocksDB's own log file would be written past the freeze. Give it an info_log.
    rocksdb::IOStatus NewLogger(const std::string& name, const rocksdb::IOOptions& options,
                                std::shared_ptr<rocksdb::Logger>* logger,
                                rocksdb::IODebugContext* dbg) override;

  private:
    /// Ends the making of a writable file: `file` is wrapped, or a sink if making it froze.
    rocksdb::IOStatus adopt(const std::string& name, std::uint64_t size, rocksdb::IOStatus status,
                            std::unique_ptr<rocksdb::FSWritableFile>* file);

    std::shared_ptr<freezing_core> core_;
};

} // namespace gv::storage
