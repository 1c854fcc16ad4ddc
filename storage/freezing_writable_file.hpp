// SPDX-License-Identifier: Apache-2.0
// What RocksDB writes to on the freezing file system: files and directories whose first failure
// freezes, and which take everything and do nothing from then on. One thread appends; another may
// sync at the same time.
#pragma once

#include "storage/ballast.hpp"
#include "storage/freeze.hpp"

#include <rocksdb/file_system.h>

#include <cstdint>
#include <memory>
#include <string>

namespace gv::storage {

/// What the files of one file system share; it outlives the file system as long as a file is open.
struct freezing_core {
    freezing_core(std::shared_ptr<rocksdb::FileSystem> file_system, file_system_observer observer,
                  ballast_settings ballast_of)
        : target(std::move(file_system)), state(std::make_shared<freeze>(std::move(observer))),
          reserve(target, std::move(ballast_of)) {}

    std::shared_ptr<rocksdb::FileSystem> target;
    std::shared_ptr<freeze> state;
    ballast reserve;
};

class freezing_writable_file final : public rocksdb::FSWritableFileOwnerWrapper {
  public:
    /// `size` is what the file holds already.
    freezing_writable_file(std::unique_ptr<rocksdb::FSWritableFile> target, std::string path,
                           std::uint64_t size, std::shared_ptr<freezing_core> core);

    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo& verification,
                             rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus PositionedAppend(const rocksdb::Slice& data, uint64_t offset,
                                       const rocksdb::IOOptions& options,
                                       rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus PositionedAppend(const rocksdb::Slice& data, uint64_t offset,
                                       const rocksdb::IOOptions& options,
                                       const rocksdb::DataVerificationInfo& verification,
                                       rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus Truncate(uint64_t size, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus Close(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus Flush(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus RangeSync(uint64_t offset, uint64_t nbytes, const rocksdb::IOOptions& options,
                                rocksdb::IODebugContext* dbg) override;
    void PrepareWrite(size_t offset, size_t len, const rocksdb::IOOptions& options,
                      rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus Allocate(uint64_t offset, uint64_t len, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* dbg) override;
    /// Also of what went nowhere.
    uint64_t GetFileSize(const rocksdb::IOOptions& options, rocksdb::IODebugContext* dbg) override;

  private:
    template <typename Write>
    rocksdb::IOStatus unless_frozen(io_operation operation, Write&& write);
    rocksdb::IOStatus append_again(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                                   rocksdb::IOStatus full, rocksdb::IODebugContext* dbg);
    rocksdb::IOStatus append_rest(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                                  rocksdb::IOStatus full, rocksdb::IODebugContext* dbg);

    std::string path_;
    std::uint64_t size_;
    std::shared_ptr<freezing_core> core_;
};

/// A directory opened to be synced.
class freezing_directory final : public rocksdb::FSDirectory {
  public:
    /// `target` is null for a directory whose making went nowhere.
    freezing_directory(std::unique_ptr<rocksdb::FSDirectory> target, std::string path,
                       std::shared_ptr<freeze> state);

    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* dbg) override;
    rocksdb::IOStatus FsyncWithDirOptions(const rocksdb::IOOptions& options,
                                          rocksdb::IODebugContext* dbg,
                                          const rocksdb::DirFsyncOptions& directory) override;
    rocksdb::IOStatus Close(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* dbg) override;
    size_t GetUniqueId(char* id, size_t max_size) const override;

  private:
    std::unique_ptr<rocksdb::FSDirectory> target_;
    std::string path_;
    std::shared_ptr<freeze> state_;
};

/// A new file on a frozen file system: takes everything, keeps nothing.
[[nodiscard]] std::unique_ptr<rocksdb::FSWritableFile> make_sink();

} // namespace gv::storage
