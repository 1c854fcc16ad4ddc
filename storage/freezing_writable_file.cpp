// SPDX-License-Identifier: Apache-2.0
#include "storage/freezing_writable_file.hpp"

#include <utility>

namespace gv::storage {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

namespace {

class sink final : public rocksdb::FSWritableFile {
  public:
    using FSWritableFile::Append;
    IOStatus Append(const Slice&, const IOOptions&, IODebugContext*) override {
        return IOStatus::OK();
    }
    IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
    IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
    IOStatus Sync(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
    // RocksDB's SyncWAL refuses a log that says no.
    bool IsSyncThreadSafe() const override { return true; }
};

bool is_write_ahead_log(const std::string& path) { return path.ends_with(".log"); }

} // namespace

std::unique_ptr<rocksdb::FSWritableFile> make_sink() { return std::make_unique<sink>(); }

freezing_writable_file::freezing_writable_file(std::unique_ptr<rocksdb::FSWritableFile> target,
                                               std::string path, std::uint64_t size,
                                               std::shared_ptr<freezing_core> core)
    : FSWritableFileOwnerWrapper(std::move(target)), path_(std::move(path)), size_(size),
      core_(std::move(core)) {}

template <typename Write>
IOStatus freezing_writable_file::unless_frozen(io_operation operation, Write&& write) {
    if (core_->state->is_frozen()) {
        return IOStatus::OK();
    }
    return core_->state->settle(operation, path_, write());
}

IOStatus freezing_writable_file::Append(const Slice& data, const IOOptions& options,
                                        IODebugContext* dbg) {
    auto status = unless_frozen(io_operation::append, [&] {
        auto first = target()->Append(data, options, dbg);
        return first.IsNoSpace() && is_write_ahead_log(path_)
                   ? append_again(data, options, std::move(first), dbg)
                   : first;
    });
    size_ += data.size();
    return status;
}

IOStatus freezing_writable_file::append_again(const Slice& data, const IOOptions& options,
                                              IOStatus full, IODebugContext* dbg) {
    if (!core_->reserve.release()) {
        return full;
    }
    core_->state->tell_ballast_released(path_, full);
    return append_rest(data, options, std::move(full), dbg);
}

/// A full disk may have taken the beginning of `data`: only the rest is written again, or the log
/// would hold the beginning twice.
IOStatus freezing_writable_file::append_rest(const Slice& data, const IOOptions& options,
                                             IOStatus full, IODebugContext* dbg) {
    std::uint64_t on_disk = 0;
    const auto sized = core_->target->GetFileSize(path_, options, &on_disk, dbg);
    if (!sized.ok() || on_disk < size_ || on_disk - size_ > data.size()) {
        return full;
    }
    const auto written = static_cast<std::size_t>(on_disk - size_);
    auto status = target()->Append({data.data() + written, data.size() - written}, options, dbg);
    // RocksDB's own file does not count what a failed append wrote, and cuts the file to its count
    // when it is closed: this sets the count right.
    return status.ok() && written > 0 ? target()->Truncate(size_ + data.size(), options, dbg)
                                      : status;
}

IOStatus freezing_writable_file::Append(const Slice& data, const IOOptions& options,
                                        const rocksdb::DataVerificationInfo&, IODebugContext* dbg) {
    return Append(data, options, dbg);
}

IOStatus freezing_writable_file::PositionedAppend(const Slice& data, uint64_t offset,
                                                  const IOOptions& options, IODebugContext* dbg) {
    auto status = unless_frozen(io_operation::append, [&] {
        return target()->PositionedAppend(data, offset, options, dbg);
    });
    size_ = offset + data.size();
    return status;
}

IOStatus freezing_writable_file::PositionedAppend(const Slice& data, uint64_t offset,
                                                  const IOOptions& options,
                                                  const rocksdb::DataVerificationInfo&,
                                                  IODebugContext* dbg) {
    return PositionedAppend(data, offset, options, dbg);
}

IOStatus freezing_writable_file::Truncate(uint64_t size, const IOOptions& options,
                                          IODebugContext* dbg) {
    auto status = unless_frozen(io_operation::truncate,
                                [&] { return target()->Truncate(size, options, dbg); });
    size_ = size;
    return status;
}

IOStatus freezing_writable_file::Close(const IOOptions& options, IODebugContext* dbg) {
    // The descriptor is given back in any case; closing changes no byte of a write that succeeded.
    auto status = target()->Close(options, dbg);
    if (core_->state->is_frozen()) {
        return IOStatus::OK();
    }
    return core_->state->settle(io_operation::close, path_, std::move(status));
}

IOStatus freezing_writable_file::Flush(const IOOptions& options, IODebugContext* dbg) {
    return unless_frozen(io_operation::flush, [&] { return target()->Flush(options, dbg); });
}

IOStatus freezing_writable_file::Sync(const IOOptions& options, IODebugContext* dbg) {
    return unless_frozen(io_operation::sync, [&] { return target()->Sync(options, dbg); });
}

IOStatus freezing_writable_file::Fsync(const IOOptions& options, IODebugContext* dbg) {
    return unless_frozen(io_operation::sync, [&] { return target()->Fsync(options, dbg); });
}

/// A sync like the others: the kernel tells an error of writing back once, and if it tells it here,
/// the sync that follows succeeds.
IOStatus freezing_writable_file::RangeSync(uint64_t offset, uint64_t nbytes,
                                           const IOOptions& options, IODebugContext* dbg) {
    return unless_frozen(io_operation::sync,
                         [&] { return target()->RangeSync(offset, nbytes, options, dbg); });
}

/// Allocates ahead inside the target, where a failure is of no consequence: the append that finds
/// no room tells.
void freezing_writable_file::PrepareWrite(size_t offset, size_t len, const IOOptions& options,
                                          IODebugContext* dbg) {
    if (!core_->state->is_frozen()) {
        target()->PrepareWrite(offset, len, options, dbg);
    }
}

IOStatus freezing_writable_file::Allocate(uint64_t offset, uint64_t len, const IOOptions& options,
                                          IODebugContext* dbg) {
    return unless_frozen(io_operation::allocate,
                         [&] { return target()->Allocate(offset, len, options, dbg); });
}

uint64_t freezing_writable_file::GetFileSize(const IOOptions&, IODebugContext*) { return size_; }

freezing_directory::freezing_directory(std::unique_ptr<rocksdb::FSDirectory> target,
                                       std::string path, std::shared_ptr<freeze> state)
    : target_(std::move(target)), path_(std::move(path)), state_(std::move(state)) {}

IOStatus freezing_directory::Fsync(const IOOptions& options, IODebugContext* dbg) {
    return FsyncWithDirOptions(options, dbg, rocksdb::DirFsyncOptions());
}

IOStatus freezing_directory::FsyncWithDirOptions(const IOOptions& options, IODebugContext* dbg,
                                                 const rocksdb::DirFsyncOptions& directory) {
    if (!target_ || state_->is_frozen()) {
        return IOStatus::OK();
    }
    return state_->settle(io_operation::sync_directory, path_,
                          target_->FsyncWithDirOptions(options, dbg, directory));
}

IOStatus freezing_directory::Close(const IOOptions& options, IODebugContext* dbg) {
    if (!target_) {
        return IOStatus::OK();
    }
    auto status = target_->Close(options, dbg);
    return state_->is_frozen() ? IOStatus::OK()
                               : state_->settle(io_operation::close, path_, std::move(status));
}

size_t freezing_directory::GetUniqueId(char* id, size_t max_size) const {
    return target_ ? target_->GetUniqueId(id, max_size) : 0;
}

} // namespace gv::storage
