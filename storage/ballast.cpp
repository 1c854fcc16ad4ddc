// SPDX-License-Identifier: Apache-2.0
#include "storage/ballast.hpp"

#include <rocksdb/file_system.h>

#include <algorithm>
#include <utility>

namespace gv::storage {

ballast::ballast(std::shared_ptr<rocksdb::FileSystem> target, ballast_settings settings)
    : target_(std::move(target)), settings_(std::move(settings)) {
    std::uint64_t size = 0;
    present_ = !settings_.path.empty()
               && target_->GetFileSize(settings_.path, {}, &size, nullptr).ok()
               && size == settings_.size_bytes;
}

bool ballast::is_present() const {
    const std::lock_guard guard(mutex_);
    return present_;
}

bool ballast::release() {
    const std::lock_guard guard(mutex_);
    if (!present_) {
        return false;
    }
    present_ = false;
    return target_->DeleteFile(settings_.path, {}, nullptr).ok();
}

result<void, io_failure> ballast::restore() {
    const std::lock_guard guard(mutex_);
    if (present_ || settings_.path.empty()) {
        return {};
    }
    const auto status = write_file();
    if (!status.ok()) {
        target_->DeleteFile(settings_.path, {}, nullptr).PermitUncheckedError();
        return failure(
            io_failure{.operation = io_operation::allocate,
                       .fault = status.IsNoSpace() ? io_fault::no_space : io_fault::other,
                       .file = settings_.path,
                       .text = status.ToString()});
    }
    present_ = true;
    return {};
}

rocksdb::IOStatus ballast::write_file() {
    rocksdb::FileOptions options;
    options.use_mmap_writes = false;
    // The size tells at the next start that the file is whole.
    options.fallocate_with_keep_size = false;
    std::unique_ptr<rocksdb::FSWritableFile> file;
    auto status = target_->NewWritableFile(settings_.path, options, &file, nullptr);
    if (!status.ok()) {
        return status;
    }
    status = fill(*file);
    auto closed = file->Close({}, nullptr);
    return status.ok() ? closed : status;
}

/// Allocated where the file system can, written where it cannot.
rocksdb::IOStatus ballast::fill(rocksdb::FSWritableFile& file) {
    auto status = file.Allocate(0, settings_.size_bytes, {}, nullptr);
    std::uint64_t size = 0;
    if (status.IsNoSpace()
        || (status.ok() && target_->GetFileSize(settings_.path, {}, &size, nullptr).ok()
            && size == settings_.size_bytes)) {
        return status;
    }
    const std::string zeros(64 * 1024, '\0');
    for (std::uint64_t left = settings_.size_bytes; left > 0;) {
        const auto part = std::min<std::uint64_t>(left, zeros.size());
        status = file.Append({zeros.data(), part}, {}, nullptr);
        if (!status.ok()) {
            return status;
        }
        left -= part;
    }
    return rocksdb::IOStatus::OK();
}

} // namespace gv::storage
