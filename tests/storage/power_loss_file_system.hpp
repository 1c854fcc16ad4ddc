// SPDX-License-Identifier: Apache-2.0
// A disk for tests, below a freezing_file_system: it keeps the journal from which the disk after a
// loss of power at any moment is made, fails what it is told to fail, and can be small. The files
// themselves are on the target, so RocksDB reads real files. Thread-safe: one operation at a time.
#pragma once

#include "storage/io_failure.hpp"
#include "tests/storage/disk_journal.hpp"

#include <rocksdb/file_system.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace gv::storage {

/// Fails operations of one kind on files whose name contains `name`. An append that fails for want
/// of space has taken half of its bytes.
struct fault {
    io_operation on{};
    io_fault error = io_fault::no_space;
    std::string name;      ///< Empty: any file.
    std::size_t after = 0; ///< So many succeed first.
    std::size_t times = 1; ///< So many fail, then all succeed again.
};

struct disk;

class power_loss_file_system final : public rocksdb::FileSystemWrapper {
  public:
    power_loss_file_system();

    /// The fault in force; replaces the one before.
    void inject(fault what);
    void mend();
    /// Faults that have struck.
    [[nodiscard]] std::size_t struck() const;
    /// All files together may hold so many bytes.
    void set_capacity(std::uint64_t bytes);
    [[nodiscard]] std::uint64_t used() const;

    /// Events so far: the moment to give as crash_options::at.
    [[nodiscard]] std::size_t operations() const;
    /// Counts the files that are in `folder` already as being on this disk, and synced.
    void take_over(const std::string& folder);
    /// Writes into the empty folder `to` what a loss of power leaves of `from`.
    void crash(const crash_options& options, const std::string& from, const std::string& to) const;

    const char* Name() const override { return "power_loss_file_system"; }
    /// What set_capacity() leaves, whatever the target has.
    rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options,
                                   std::uint64_t* free, rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus NewSequentialFile(const std::string& name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                        rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* file,
                                      rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus ReopenWritableFile(const std::string& name,
                                         const rocksdb::FileOptions& options,
                                         std::unique_ptr<rocksdb::FSWritableFile>* file,
                                         rocksdb::IODebugContext* dbg) override;
    /// Refused: RocksDB does not call it with the options in use.
    rocksdb::IOStatus ReuseWritableFile(const std::string& name, const std::string& old_name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSWritableFile>* file,
                                        rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus NewDirectory(const std::string& name, const rocksdb::IOOptions& options,
                                   std::unique_ptr<rocksdb::FSDirectory>* directory,
                                   rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                                 rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                                 const rocksdb::IOOptions& options,
                                 rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* dbg) override;

  private:
    std::shared_ptr<disk> disk_;
};

} // namespace gv::storage
