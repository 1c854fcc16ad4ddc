// SPDX-License-Identifier: Apache-2.0
#include "storage/freezing_file_system.hpp"

#include "storage/counting_reads.hpp"
#include "storage/freezing_writable_file.hpp"

#include <utility>

namespace gv::storage {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

namespace {

/// A mapped file on a full disk ends the process with SIGBUS, and RocksDB maps the small files it
/// writes with default options.
FileOptions without_mapping(const FileOptions& options) {
    auto plain = options;
    plain.use_mmap_writes = false;
    return plain;
}

} // namespace

freezing_file_system::freezing_file_system(std::shared_ptr<rocksdb::FileSystem> target,
                                           file_system_observer observer, ballast_settings ballast)
    : FileSystemWrapper(target), core_(std::make_shared<freezing_core>(
                                     std::move(target), std::move(observer), std::move(ballast))) {}

bool freezing_file_system::is_frozen() const noexcept { return core_->state->is_frozen(); }

std::optional<io_failure> freezing_file_system::failure() const { return core_->state->failure(); }

std::uint64_t freezing_file_system::read_errors() const noexcept {
    return core_->state->read_errors();
}

bool freezing_file_system::has_ballast() const { return core_->reserve.is_present(); }

result<void, io_failure> freezing_file_system::restore_ballast() {
    return core_->reserve.restore();
}

IOStatus freezing_file_system::NewSequentialFile(const std::string& name,
                                                 const FileOptions& options,
                                                 std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                                 IODebugContext* dbg) {
    auto status =
        core_->state->note_read(name, target_->NewSequentialFile(name, options, file, dbg));
    if (status.ok()) {
        *file = std::make_unique<counting_sequential_file>(std::move(*file), name, core_->state);
    }
    return status;
}

IOStatus
freezing_file_system::NewRandomAccessFile(const std::string& name, const FileOptions& options,
                                          std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                          IODebugContext* dbg) {
    auto status =
        core_->state->note_read(name, target_->NewRandomAccessFile(name, options, file, dbg));
    if (status.ok()) {
        *file = std::make_unique<counting_random_access_file>(std::move(*file), name, core_->state);
    }
    return status;
}

IOStatus freezing_file_system::adopt(const std::string& name, std::uint64_t size, IOStatus status,
                                     std::unique_ptr<rocksdb::FSWritableFile>* file) {
    status = core_->state->settle(io_operation::create, name, std::move(status));
    if (!status.ok()) {
        return status;
    }
    if (!*file) {
        *file = make_sink();
    }
    *file = std::make_unique<freezing_writable_file>(std::move(*file), name, size, core_);
    return status;
}

IOStatus freezing_file_system::NewWritableFile(const std::string& name, const FileOptions& options,
                                               std::unique_ptr<rocksdb::FSWritableFile>* file,
                                               IODebugContext* dbg) {
    file->reset();
    auto status = is_frozen() ? IOStatus::OK()
                              : target_->NewWritableFile(name, without_mapping(options), file, dbg);
    return adopt(name, 0, std::move(status), file);
}

IOStatus freezing_file_system::ReopenWritableFile(const std::string& name,
                                                  const FileOptions& options,
                                                  std::unique_ptr<rocksdb::FSWritableFile>* file,
                                                  IODebugContext* dbg) {
    file->reset();
    std::uint64_t size = 0;
    // No file yet: it is made, with nothing in it.
    target_->GetFileSize(name, options.io_options, &size, dbg).PermitUncheckedError();
    auto status = is_frozen()
                      ? IOStatus::OK()
                      : target_->ReopenWritableFile(name, without_mapping(options), file, dbg);
    return adopt(name, size, std::move(status), file);
}

IOStatus freezing_file_system::ReuseWritableFile(const std::string& name,
                                                 const std::string& old_name,
                                                 const FileOptions& options,
                                                 std::unique_ptr<rocksdb::FSWritableFile>* file,
                                                 IODebugContext* dbg) {
    file->reset();
    auto status = is_frozen() ? IOStatus::OK()
                              : target_->ReuseWritableFile(name, old_name, without_mapping(options),
                                                           file, dbg);
    return adopt(name, 0, std::move(status), file);
}

IOStatus freezing_file_system::NewRandomRWFile(const std::string& name, const FileOptions&,
                                               std::unique_ptr<rocksdb::FSRandomRWFile>*,
                                               IODebugContext*) {
    return IOStatus::NotSupported(name, "is not written in place on a freezing file system");
}

IOStatus
freezing_file_system::NewMemoryMappedFileBuffer(const std::string& name,
                                                std::unique_ptr<rocksdb::MemoryMappedFileBuffer>*) {
    return IOStatus::NotSupported(name, "is not mapped on a freezing file system");
}

IOStatus freezing_file_system::NewDirectory(const std::string& name, const IOOptions& options,
                                            std::unique_ptr<rocksdb::FSDirectory>* directory,
                                            IODebugContext* dbg) {
    directory->reset();
    auto status = is_frozen()
                      ? IOStatus::OK()
                      : core_->state->settle(io_operation::open_directory, name,
                                             target_->NewDirectory(name, options, directory, dbg));
    if (status.ok()) {
        *directory =
            std::make_unique<freezing_directory>(std::move(*directory), name, core_->state);
    }
    return status;
}

IOStatus freezing_file_system::DeleteFile(const std::string& name, const IOOptions& options,
                                          IODebugContext* dbg) {
    return is_frozen() ? IOStatus::OK()
                       : core_->state->settle(io_operation::remove, name,
                                              target_->DeleteFile(name, options, dbg));
}

IOStatus freezing_file_system::Truncate(const std::string& name, size_t size,
                                        const IOOptions& options, IODebugContext* dbg) {
    return is_frozen() ? IOStatus::OK()
                       : core_->state->settle(io_operation::truncate, name,
                                              target_->Truncate(name, size, options, dbg));
}

IOStatus freezing_file_system::RenameFile(const std::string& from, const std::string& to,
                                          const IOOptions& options, IODebugContext* dbg) {
    return is_frozen() ? IOStatus::OK()
                       : core_->state->settle(io_operation::rename, from,
                                              target_->RenameFile(from, to, options, dbg));
}

// Folders and hard links are made only while a database is opened and for a checkpoint. Their
// errors ("there is one already", "another device") are answers for whoever asked.

IOStatus freezing_file_system::CreateDir(const std::string& name, const IOOptions& options,
                                         IODebugContext* dbg) {
    return is_frozen() ? IOStatus::OK() : target_->CreateDir(name, options, dbg);
}

IOStatus freezing_file_system::CreateDirIfMissing(const std::string& name, const IOOptions& options,
                                                  IODebugContext* dbg) {
    return is_frozen() ? IOStatus::OK() : target_->CreateDirIfMissing(name, options, dbg);
}

IOStatus freezing_file_system::DeleteDir(const std::string& name, const IOOptions& options,
                                         IODebugContext* dbg) {
    return is_frozen() ? IOStatus::OK() : target_->DeleteDir(name, options, dbg);
}

IOStatus freezing_file_system::LinkFile(const std::string& from, const std::string& to,
                                        const IOOptions& options, IODebugContext* dbg) {
    return is_frozen() ? IOStatus::OK() : target_->LinkFile(from, to, options, dbg);
}

IOStatus freezing_file_system::NewLogger(const std::string& name, const IOOptions&,
                                         std::shared_ptr<rocksdb::Logger>*, IODebugContext*) {
    return IOStatus::NotSupported(name, "is not written on a freezing file system");
}

} // namespace gv::storage
