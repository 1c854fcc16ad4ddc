// SPDX-License-Identifier: Apache-2.0
// What RocksDB asks of a file system with the options in use. The freezing file system relies on
// some calls never being made; a new version of RocksDB that makes them is noticed here.
#include "tests/storage/trial_database.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

namespace gv::storage {

namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

/// Names of calls, as often as they come.
class call_set {
  public:
    void add(const std::string& name) {
        const std::lock_guard guard(mutex_);
        names_.insert(name);
    }
    [[nodiscard]] std::set<std::string> names() const {
        const std::lock_guard guard(mutex_);
        return names_;
    }

  private:
    mutable std::mutex mutex_;
    std::set<std::string> names_;
};

class watched_file final : public rocksdb::FSWritableFileOwnerWrapper {
  public:
    watched_file(std::unique_ptr<rocksdb::FSWritableFile> target, call_set& calls)
        : FSWritableFileOwnerWrapper(std::move(target)), calls_(calls) {}

    using FSWritableFileOwnerWrapper::Append;
    using FSWritableFileOwnerWrapper::PositionedAppend;
    IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* dbg) override {
        calls_.add("Append");
        return target()->Append(data, options, dbg);
    }
    IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options,
                              IODebugContext* dbg) override {
        calls_.add("PositionedAppend");
        return target()->PositionedAppend(data, offset, options, dbg);
    }
    IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* dbg) override {
        calls_.add("Truncate");
        return target()->Truncate(size, options, dbg);
    }
    IOStatus Sync(const IOOptions& options, IODebugContext* dbg) override {
        calls_.add("Sync");
        return target()->Sync(options, dbg);
    }
    IOStatus RangeSync(uint64_t offset, uint64_t nbytes, const IOOptions& options,
                       IODebugContext* dbg) override {
        calls_.add("RangeSync");
        return target()->RangeSync(offset, nbytes, options, dbg);
    }
    IOStatus Allocate(uint64_t offset, uint64_t len, const IOOptions& options,
                      IODebugContext* dbg) override {
        calls_.add("Allocate");
        return target()->Allocate(offset, len, options, dbg);
    }
    void PrepareWrite(size_t offset, size_t len, const IOOptions& options,
                      IODebugContext* dbg) override {
        calls_.add("PrepareWrite");
        target()->PrepareWrite(offset, len, options, dbg);
    }

  private:
    call_set& calls_;
};

class watched_file_system final : public rocksdb::FileSystemWrapper {
  public:
    explicit watched_file_system(call_set& calls)
        : FileSystemWrapper(rocksdb::FileSystem::Default()), calls_(calls) {}
    const char* Name() const override { return "watched_file_system"; }

    IOStatus NewWritableFile(const std::string& name, const FileOptions& options,
                             std::unique_ptr<rocksdb::FSWritableFile>* file,
                             IODebugContext* dbg) override {
        calls_.add(options.use_mmap_writes || options.use_direct_writes ? "UnbufferedFile"
                                                                        : "NewWritableFile");
        auto status = target_->NewWritableFile(name, options, file, dbg);
        if (status.ok()) {
            *file = std::make_unique<watched_file>(std::move(*file), calls_);
        }
        return status;
    }
    IOStatus ReopenWritableFile(const std::string& name, const FileOptions& options,
                                std::unique_ptr<rocksdb::FSWritableFile>* file,
                                IODebugContext* dbg) override {
        calls_.add("ReopenWritableFile");
        auto status = target_->ReopenWritableFile(name, options, file, dbg);
        if (status.ok()) {
            *file = std::make_unique<watched_file>(std::move(*file), calls_);
        }
        return status;
    }
    IOStatus ReuseWritableFile(const std::string& name, const std::string& old_name,
                               const FileOptions& options,
                               std::unique_ptr<rocksdb::FSWritableFile>* file,
                               IODebugContext* dbg) override {
        calls_.add("ReuseWritableFile");
        return target_->ReuseWritableFile(name, old_name, options, file, dbg);
    }
    IOStatus Truncate(const std::string& name, size_t size, const IOOptions& options,
                      IODebugContext* dbg) override {
        calls_.add("TruncateByName");
        return target_->Truncate(name, size, options, dbg);
    }
    IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* dbg) override {
        calls_.add("LinkFile");
        return target_->LinkFile(from, to, options, dbg);
    }
    IOStatus AreFilesSame(const std::string& one, const std::string& other,
                          const IOOptions& options, bool* same, IODebugContext* dbg) override {
        calls_.add("AreFilesSame");
        return target_->AreFilesSame(one, other, options, same, dbg);
    }
    IOStatus GetFreeSpace(const std::string& path, const IOOptions& options, uint64_t* free,
                          IODebugContext* dbg) override {
        calls_.add("GetFreeSpace");
        return target_->GetFreeSpace(path, options, free, dbg);
    }
    IOStatus GetTestDirectory(const IOOptions& options, std::string* path,
                              IODebugContext* dbg) override {
        calls_.add("GetTestDirectory");
        return target_->GetTestDirectory(options, path, dbg);
    }

  private:
    call_set& calls_;
};

TEST(RocksDbCalls, AreTheseAndNoOthers) {
    const scratch_folder scratch;
    call_set calls;
    const trial_database::place place{.folder = scratch / "db",
                                      .below = std::make_shared<watched_file_system>(calls)};
    for (int opening = 0; opening < 2; ++opening) {
        trial_database db(place);
        ASSERT_TRUE(db.is_open()) << db.problem().ToString();
        for (int i = 0; i < 4000; ++i) {
            db.write();
        }
        EXPECT_TRUE(db.sync());
        db.flush();
        db.compact();
    }
    // Opening cuts the space allocated ahead from the last log. Allocate comes from PrepareWrite
    // below, so not through here. RangeSync stays a mebibyte behind the end of a file; logs here
    // are shorter.
    EXPECT_THAT(calls.names(), testing::ElementsAre("Append", "NewWritableFile", "PrepareWrite",
                                                    "ReopenWritableFile", "Sync", "Truncate"));
}

} // namespace

} // namespace gv::storage
