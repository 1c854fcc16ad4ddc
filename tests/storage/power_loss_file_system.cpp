// SPDX-License-Identifier: Apache-2.0
#include "tests/storage/power_loss_file_system.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

namespace gv::storage {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

namespace {

std::string plain(const std::string& path) {
    return std::filesystem::path(path).lexically_normal().string();
}

} // namespace

/// What the file system and its open files share; its mutex also puts the operations in order.
struct disk {
    std::mutex mutex;
    disk_journal journal;
    std::map<std::string, inode_number> names;
    std::map<inode_number, std::uint64_t> sizes;
    std::optional<fault> broken;
    std::size_t struck = 0;
    std::uint64_t capacity = std::numeric_limits<std::uint64_t>::max();

    std::uint64_t used() const {
        std::uint64_t sum = 0;
        for (const auto& [name, inode] : names) {
            sum += sizes.at(inode);
        }
        return sum;
    }

    std::uint64_t room() const {
        const auto now = used();
        return capacity > now ? capacity - now : 0;
    }

    IOStatus check(io_operation operation, const std::string& name) {
        if (!broken || broken->on != operation || name.find(broken->name) == std::string::npos) {
            return IOStatus::OK();
        }
        if (broken->after > 0) {
            --broken->after;
            return IOStatus::OK();
        }
        if (broken->times == 0) {
            return IOStatus::OK();
        }
        --broken->times;
        ++struck;
        return broken->error == io_fault::no_space
                   ? IOStatus::NoSpace("No space left on device: injected", name)
                   : IOStatus::IOError("Input/output error: injected", name);
    }
};

namespace {

class recorded_file final : public rocksdb::FSWritableFileOwnerWrapper {
  public:
    recorded_file(std::unique_ptr<rocksdb::FSWritableFile> target, std::string name,
                  inode_number inode, const FileOptions& options, std::shared_ptr<disk> on)
        : FSWritableFileOwnerWrapper(std::move(target)), name_(std::move(name)), inode_(inode),
          grows_by_allocation_(!options.fallocate_with_keep_size), disk_(std::move(on)) {}

    using FSWritableFileOwnerWrapper::Append;
    IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* dbg) override {
        const std::lock_guard guard(disk_->mutex);
        auto status = disk_->check(io_operation::append, name_);
        std::size_t taken = data.size();
        if (!status.ok()) {
            taken = status.IsNoSpace() ? data.size() / 2 : 0;
        } else if (disk_->room() < data.size()) {
            taken = static_cast<std::size_t>(disk_->room());
            status = IOStatus::NoSpace("No space left on device: small disk", name_);
        }
        auto appended = append({data.data(), taken}, options, dbg);
        return status.ok() ? appended : status;
    }

    IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* dbg) override {
        const std::lock_guard guard(disk_->mutex);
        auto status = disk_->check(io_operation::truncate, name_);
        if (status.ok()) {
            disk_->journal.truncate(inode_, size);
            disk_->sizes[inode_] = size;
            status = target()->Truncate(size, options, dbg);
        }
        return status;
    }

    IOStatus Sync(const IOOptions&, IODebugContext*) override { return sync(); }
    IOStatus Fsync(const IOOptions&, IODebugContext*) override { return sync(); }

    /// Begins to write back, waits for nothing: no byte is safe by it.
    IOStatus RangeSync(uint64_t, uint64_t, const IOOptions&, IODebugContext*) override {
        const std::lock_guard guard(disk_->mutex);
        return disk_->check(io_operation::sync, name_);
    }

    IOStatus Flush(const IOOptions& options, IODebugContext* dbg) override {
        const std::lock_guard guard(disk_->mutex);
        auto status = disk_->check(io_operation::flush, name_);
        return status.ok() ? target()->Flush(options, dbg) : status;
    }

    IOStatus Close(const IOOptions& options, IODebugContext* dbg) override {
        const std::lock_guard guard(disk_->mutex);
        auto injected = disk_->check(io_operation::close, name_);
        auto status = target()->Close(options, dbg);
        return injected.ok() ? status : injected;
    }

    IOStatus Allocate(uint64_t offset, uint64_t len, const IOOptions& options,
                      IODebugContext* dbg) override {
        const std::lock_guard guard(disk_->mutex);
        auto status = disk_->check(io_operation::allocate, name_);
        if (!status.ok() || !grows_by_allocation_) {
            return status;
        }
        const auto size = disk_->sizes[inode_];
        if (offset + len > size && disk_->room() < offset + len - size) {
            return IOStatus::NoSpace("No space left on device: small disk", name_);
        }
        disk_->sizes[inode_] = std::max(size, offset + len);
        disk_->journal.truncate(inode_, disk_->sizes[inode_]);
        return target()->Allocate(offset, len, options, dbg);
    }

    // Allocation ahead takes no room of a small disk.
    void PrepareWrite(size_t, size_t, const IOOptions&, IODebugContext*) override {}

  private:
    IOStatus append(const Slice& data, const IOOptions& options, IODebugContext* dbg) {
        auto status = target()->Append(data, options, dbg);
        if (status.ok() && !data.empty()) {
            auto& size = disk_->sizes[inode_];
            disk_->journal.write(inode_, size, {data.data(), data.size()});
            size += data.size();
        }
        return status;
    }

    /// The target is not synced: losses of power happen in the journal alone.
    IOStatus sync() {
        const std::lock_guard guard(disk_->mutex);
        auto status = disk_->check(io_operation::sync, name_);
        if (status.ok()) {
            disk_->journal.sync(inode_);
        } else {
            disk_->journal.fail_sync(inode_);
        }
        return status;
    }

    std::string name_;
    inode_number inode_;
    bool grows_by_allocation_;
    std::shared_ptr<disk> disk_;
};

class recorded_directory final : public rocksdb::FSDirectory {
  public:
    recorded_directory(std::string name, std::shared_ptr<disk> on)
        : name_(std::move(name)), disk_(std::move(on)) {}

    IOStatus Fsync(const IOOptions&, IODebugContext*) override {
        const std::lock_guard guard(disk_->mutex);
        auto status = disk_->check(io_operation::sync_directory, name_);
        if (status.ok()) {
            disk_->journal.sync_directory();
        }
        return status;
    }
    IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

  private:
    std::string name_;
    std::shared_ptr<disk> disk_;
};

class failing_sequential_file final : public rocksdb::FSSequentialFileOwnerWrapper {
  public:
    failing_sequential_file(std::unique_ptr<rocksdb::FSSequentialFile> target, std::string name,
                            std::shared_ptr<disk> on)
        : FSSequentialFileOwnerWrapper(std::move(target)), name_(std::move(name)),
          disk_(std::move(on)) {}

    IOStatus Read(size_t n, const IOOptions& options, Slice* result, char* scratch,
                  IODebugContext* dbg) override {
        const std::lock_guard guard(disk_->mutex);
        auto status = disk_->check(io_operation::read, name_);
        return status.ok() ? target()->Read(n, options, result, scratch, dbg) : status;
    }

  private:
    std::string name_;
    std::shared_ptr<disk> disk_;
};

} // namespace

power_loss_file_system::power_loss_file_system()
    : FileSystemWrapper(rocksdb::FileSystem::Default()), disk_(std::make_shared<disk>()) {}

void power_loss_file_system::inject(fault what) {
    const std::lock_guard guard(disk_->mutex);
    disk_->broken = std::move(what);
}

void power_loss_file_system::mend() {
    const std::lock_guard guard(disk_->mutex);
    disk_->broken.reset();
}

std::size_t power_loss_file_system::struck() const {
    const std::lock_guard guard(disk_->mutex);
    return disk_->struck;
}

void power_loss_file_system::set_capacity(std::uint64_t bytes) {
    const std::lock_guard guard(disk_->mutex);
    disk_->capacity = bytes;
}

std::uint64_t power_loss_file_system::used() const {
    const std::lock_guard guard(disk_->mutex);
    return disk_->used();
}

std::size_t power_loss_file_system::operations() const {
    const std::lock_guard guard(disk_->mutex);
    return disk_->journal.size();
}

void power_loss_file_system::take_over(const std::string& folder) {
    const std::lock_guard guard(disk_->mutex);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (!entry.is_regular_file()) {
            continue;
        }
        const auto name = plain(entry.path().string());
        std::string bytes;
        rocksdb::ReadFileToString(target_.get(), name, &bytes).PermitUncheckedError();
        const auto inode = disk_->journal.create(name);
        disk_->journal.write(inode, 0, bytes);
        disk_->journal.sync(inode);
        disk_->names[name] = inode;
        disk_->sizes[inode] = bytes.size();
    }
    disk_->journal.sync_directory();
}

void power_loss_file_system::crash(const crash_options& options, const std::string& from,
                                   const std::string& to) const {
    const std::lock_guard guard(disk_->mutex);
    const auto root = plain(from);
    std::filesystem::create_directories(to);
    for (const auto& [name, bytes] : disk_->journal.image_after(options)) {
        const auto below = std::filesystem::path(name).lexically_relative(root);
        if (!below.empty() && *below.begin() != "..") {
            std::filesystem::create_directories((to / below).parent_path());
            std::ofstream(to / below, std::ios::binary) << bytes;
        }
    }
}

IOStatus power_loss_file_system::GetFreeSpace(const std::string&, const IOOptions&,
                                              std::uint64_t* free, IODebugContext*) {
    const std::lock_guard guard(disk_->mutex);
    *free = disk_->room();
    return IOStatus::OK();
}

IOStatus power_loss_file_system::NewSequentialFile(const std::string& name,
                                                   const FileOptions& options,
                                                   std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                                   IODebugContext* dbg) {
    auto status = target_->NewSequentialFile(name, options, file, dbg);
    if (status.ok()) {
        *file = std::make_unique<failing_sequential_file>(std::move(*file), name, disk_);
    }
    return status;
}

IOStatus power_loss_file_system::NewWritableFile(const std::string& name,
                                                 const FileOptions& options,
                                                 std::unique_ptr<rocksdb::FSWritableFile>* file,
                                                 IODebugContext* dbg) {
    const std::lock_guard guard(disk_->mutex);
    auto status = disk_->check(io_operation::create, name);
    if (!status.ok()) {
        return status;
    }
    status = target_->NewWritableFile(name, options, file, dbg);
    if (status.ok()) {
        const auto inode = disk_->journal.create(plain(name));
        disk_->names[plain(name)] = inode;
        disk_->sizes[inode] = 0;
        *file = std::make_unique<recorded_file>(std::move(*file), name, inode, options, disk_);
    }
    return status;
}

IOStatus power_loss_file_system::ReopenWritableFile(const std::string& name,
                                                    const FileOptions& options,
                                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                                    IODebugContext* dbg) {
    const std::lock_guard guard(disk_->mutex);
    const auto found = disk_->names.find(plain(name));
    if (found == disk_->names.end()) {
        return IOStatus::NotSupported(name, "reopening makes no file here");
    }
    auto status = disk_->check(io_operation::create, name);
    if (!status.ok()) {
        return status;
    }
    status = target_->ReopenWritableFile(name, options, file, dbg);
    if (status.ok()) {
        *file =
            std::make_unique<recorded_file>(std::move(*file), name, found->second, options, disk_);
    }
    return status;
}

IOStatus power_loss_file_system::ReuseWritableFile(const std::string& name, const std::string&,
                                                   const FileOptions&,
                                                   std::unique_ptr<rocksdb::FSWritableFile>*,
                                                   IODebugContext*) {
    return IOStatus::NotSupported(name, "reuse is not recorded");
}

IOStatus power_loss_file_system::NewDirectory(const std::string& name, const IOOptions& options,
                                              std::unique_ptr<rocksdb::FSDirectory>* directory,
                                              IODebugContext* dbg) {
    auto status = target_->NewDirectory(name, options, directory, dbg);
    if (status.ok()) {
        *directory = std::make_unique<recorded_directory>(name, disk_);
    }
    return status;
}

IOStatus power_loss_file_system::DeleteFile(const std::string& name, const IOOptions& options,
                                            IODebugContext* dbg) {
    const std::lock_guard guard(disk_->mutex);
    auto status = disk_->check(io_operation::remove, name);
    if (!status.ok()) {
        return status;
    }
    status = target_->DeleteFile(name, options, dbg);
    const auto found = disk_->names.find(plain(name));
    if (status.ok() && found != disk_->names.end()) {
        disk_->journal.remove(found->second, found->first);
        disk_->names.erase(found);
    }
    return status;
}

IOStatus power_loss_file_system::RenameFile(const std::string& from, const std::string& to,
                                            const IOOptions& options, IODebugContext* dbg) {
    const std::lock_guard guard(disk_->mutex);
    auto status = disk_->check(io_operation::rename, from);
    if (!status.ok()) {
        return status;
    }
    status = target_->RenameFile(from, to, options, dbg);
    const auto found = disk_->names.find(plain(from));
    if (status.ok() && found != disk_->names.end()) {
        disk_->journal.rename(found->second, found->first, plain(to));
        disk_->names[plain(to)] = found->second;
        disk_->names.erase(plain(from));
    }
    return status;
}

IOStatus power_loss_file_system::LinkFile(const std::string& from, const std::string& to,
                                          const IOOptions& options, IODebugContext* dbg) {
    const std::lock_guard guard(disk_->mutex);
    auto status = target_->LinkFile(from, to, options, dbg);
    const auto found = disk_->names.find(plain(from));
    if (status.ok() && found != disk_->names.end()) {
        disk_->journal.link(found->second, plain(to));
        disk_->names[plain(to)] = found->second;
    }
    return status;
}

} // namespace gv::storage
