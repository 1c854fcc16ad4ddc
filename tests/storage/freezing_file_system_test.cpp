// SPDX-License-Identifier: Apache-2.0
// The freezing file system without a database: what freezes it, what does not, what it does then.
#include "storage/freezing_file_system.hpp"
#include "tests/storage/power_loss_file_system.hpp"
#include "tests/storage/trial_database.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace gv::storage {

namespace {

using writable = std::unique_ptr<rocksdb::FSWritableFile>;

class FreezingFileSystem : public testing::Test {
  protected:
    [[nodiscard]] std::shared_ptr<freezing_file_system> make(ballast_settings ballast = {}) {
        return std::make_shared<freezing_file_system>(
            disk_,
            file_system_observer{
                .on_frozen = [this](const io_failure& f) { frozen_.push_back(f); },
                .on_ballast_released = [this](const io_failure& f) { released_.push_back(f); },
                .on_read_error = [this](const io_failure& f) { unread_.push_back(f); }},
            std::move(ballast));
    }
    [[nodiscard]] writable create(const std::string& name) {
        writable file;
        EXPECT_TRUE(files_->NewWritableFile(scratch_ / name, {}, &file, nullptr).ok());
        return file;
    }
    [[nodiscard]] std::string content(const std::string& name) {
        std::string bytes;
        EXPECT_TRUE(
            rocksdb::ReadFileToString(rocksdb::FileSystem::Default().get(), scratch_ / name, &bytes)
                .ok());
        return bytes;
    }
    [[nodiscard]] bool exists(const std::string& name) {
        return disk_->FileExists(scratch_ / name, {}, nullptr).ok();
    }
    void freeze_now() {
        disk_->inject({.on = io_operation::append, .error = io_fault::other, .name = "victim"});
        EXPECT_TRUE(create("victim")->Append("x", {}, nullptr).ok());
        EXPECT_TRUE(files_->is_frozen());
    }

    scratch_folder scratch_;
    std::shared_ptr<power_loss_file_system> disk_ = std::make_shared<power_loss_file_system>();
    std::vector<io_failure> frozen_;
    std::vector<io_failure> released_;
    std::vector<io_failure> unread_;
    std::shared_ptr<freezing_file_system> files_ = make();
};

TEST_F(FreezingFileSystem, PassesEverythingOnWhileNothingFails) {
    const auto file = create("a");
    EXPECT_TRUE(file->Append("hello", {}, nullptr).ok());
    EXPECT_TRUE(file->Sync({}, nullptr).ok());
    EXPECT_EQ(file->GetFileSize({}, nullptr), 5U);
    EXPECT_TRUE(file->Close({}, nullptr).ok());
    EXPECT_TRUE(files_->RenameFile(scratch_ / "a", scratch_ / "b", {}, nullptr).ok());
    EXPECT_EQ(content("b"), "hello");
    EXPECT_FALSE(files_->is_frozen());
    EXPECT_FALSE(files_->failure());
}

TEST_F(FreezingFileSystem, TellsTheFirstFailureOnce) {
    disk_->inject({.on = io_operation::append, .error = io_fault::no_space, .times = 2});
    const auto first = create("first.sst");
    EXPECT_TRUE(first->Append("abcd", {}, nullptr).ok());
    EXPECT_TRUE(first->Append("efgh", {}, nullptr).ok());
    ASSERT_EQ(frozen_.size(), 1U);
    EXPECT_EQ(frozen_[0].operation, io_operation::append);
    EXPECT_EQ(frozen_[0].fault, io_fault::no_space);
    EXPECT_EQ(frozen_[0].file, scratch_ / "first.sst");
    EXPECT_NE(frozen_[0].text.find("No space left on device"), std::string::npos);
    EXPECT_EQ(files_->failure()->text, frozen_[0].text);
    EXPECT_EQ(disk_->struck(), 1U);
}

TEST_F(FreezingFileSystem, EveryWritingOperationFreezesItInsteadOfFailing) {
    struct row {
        io_operation operation;
        io_fault fault;
        std::function<rocksdb::IOStatus(rocksdb::FSWritableFile&)> act;
    };
    const auto path = scratch_ / "f";
    const std::vector<row> rows{
        {io_operation::append, io_fault::no_space,
         [](auto& f) { return f.Append("x", {}, nullptr); }},
        {io_operation::append, io_fault::other, [](auto& f) { return f.Append("x", {}, nullptr); }},
        {io_operation::flush, io_fault::other, [](auto& f) { return f.Flush({}, nullptr); }},
        {io_operation::sync, io_fault::sync_failed, [](auto& f) { return f.Sync({}, nullptr); }},
        {io_operation::sync, io_fault::sync_failed, [](auto& f) { return f.Fsync({}, nullptr); }},
        {io_operation::sync, io_fault::sync_failed,
         [](auto& f) { return f.RangeSync(0, 1, {}, nullptr); }},
        {io_operation::sync, io_fault::no_space, [](auto& f) { return f.Sync({}, nullptr); }},
        {io_operation::truncate, io_fault::other,
         [](auto& f) { return f.Truncate(0, {}, nullptr); }},
        {io_operation::allocate, io_fault::no_space,
         [](auto& f) { return f.Allocate(0, 1, {}, nullptr); }},
        {io_operation::close, io_fault::other, [](auto& f) { return f.Close({}, nullptr); }},
        {io_operation::create, io_fault::no_space,
         [&](auto&) {
             writable other;
             return files_->NewWritableFile(path + "2", {}, &other, nullptr);
         }},
        {io_operation::rename, io_fault::other,
         [&](auto&) { return files_->RenameFile(path, path + "3", {}, nullptr); }},
        {io_operation::remove, io_fault::other,
         [&](auto&) { return files_->DeleteFile(path, {}, nullptr); }},
        {io_operation::sync_directory, io_fault::sync_failed,
         [&](auto&) {
             std::unique_ptr<rocksdb::FSDirectory> folder;
             EXPECT_TRUE(files_->NewDirectory(scratch_ / "", {}, &folder, nullptr).ok());
             return folder->Fsync({}, nullptr);
         }},
    };
    for (const auto& each : rows) {
        SCOPED_TRACE(std::string(to_text(each.operation)) + ": "
                     + std::string(to_text(each.fault)));
        files_ = make();
        frozen_.clear();
        const auto file = create("f");
        disk_->inject({.on = each.operation, .error = each.fault});
        EXPECT_TRUE(each.act(*file).ok());
        ASSERT_EQ(frozen_.size(), 1U);
        EXPECT_EQ(frozen_[0].operation, each.operation);
        EXPECT_EQ(frozen_[0].fault, each.fault);
        disk_->mend();
    }
}

TEST_F(FreezingFileSystem, LeavesTheDiskAloneOnceFrozen) {
    const auto open = create("open");
    EXPECT_TRUE(open->Append("kept", {}, nullptr).ok());
    EXPECT_TRUE(create("other")->Append("other", {}, nullptr).ok());
    freeze_now();
    const auto operations = disk_->operations();

    EXPECT_TRUE(open->Append("lost", {}, nullptr).ok());
    EXPECT_EQ(open->GetFileSize({}, nullptr), 8U);
    EXPECT_TRUE(open->Truncate(2, {}, nullptr).ok());
    EXPECT_TRUE(open->Sync({}, nullptr).ok());
    EXPECT_TRUE(open->Close({}, nullptr).ok());
    EXPECT_TRUE(files_->DeleteFile(scratch_ / "other", {}, nullptr).ok());
    EXPECT_TRUE(files_->RenameFile(scratch_ / "other", scratch_ / "open", {}, nullptr).ok());
    EXPECT_TRUE(files_->Truncate(scratch_ / "other", 0, {}, nullptr).ok());
    EXPECT_TRUE(files_->LinkFile(scratch_ / "other", scratch_ / "linked", {}, nullptr).ok());
    EXPECT_TRUE(files_->CreateDirIfMissing(scratch_ / "folder", {}, nullptr).ok());
    const auto sink = create("open");
    EXPECT_TRUE(sink->Append("123", {}, nullptr).ok());
    EXPECT_EQ(sink->GetFileSize({}, nullptr), 3U);
    EXPECT_TRUE(sink->IsSyncThreadSafe());
    EXPECT_TRUE(sink->Sync({}, nullptr).ok());
    EXPECT_TRUE(create("new")->Append("123", {}, nullptr).ok());

    EXPECT_EQ(disk_->operations(), operations);
    EXPECT_EQ(content("open"), "kept");
    EXPECT_EQ(content("other"), "other");
    EXPECT_FALSE(exists("new"));
    EXPECT_FALSE(exists("linked"));
    EXPECT_FALSE(exists("folder"));
}

TEST_F(FreezingFileSystem, AnswersOfAHealthyDiskDoNotFreezeIt) {
    EXPECT_TRUE(files_->DeleteFile(scratch_ / "none", {}, nullptr).IsPathNotFound());
    EXPECT_TRUE(
        files_->RenameFile(scratch_ / "none", scratch_ / "to", {}, nullptr).IsPathNotFound());
    std::unique_ptr<rocksdb::FSDirectory> folder;
    EXPECT_TRUE(files_->NewDirectory(scratch_ / "none", {}, &folder, nullptr).IsPathNotFound());
    EXPECT_TRUE(files_->CreateDir(scratch_ / "folder", {}, nullptr).ok());
    EXPECT_FALSE(files_->CreateDir(scratch_ / "folder", {}, nullptr).ok());
    std::unique_ptr<rocksdb::FSRandomRWFile> in_place;
    EXPECT_TRUE(
        files_->NewRandomRWFile(scratch_ / "none", {}, &in_place, nullptr).IsNotSupported());
    EXPECT_FALSE(files_->is_frozen());
}

TEST_F(FreezingFileSystem, ALockHeldByAnotherIsRefusedAlsoWhenFrozen) {
    rocksdb::FileLock* lock = nullptr;
    ASSERT_TRUE(files_->LockFile(scratch_ / "LOCK", {}, &lock, nullptr).ok());
    rocksdb::FileLock* second = nullptr;
    EXPECT_FALSE(files_->LockFile(scratch_ / "LOCK", {}, &second, nullptr).ok());
    EXPECT_FALSE(files_->is_frozen());
    freeze_now();
    EXPECT_TRUE(files_->UnlockFile(lock, {}, nullptr).ok());
    ASSERT_TRUE(files_->LockFile(scratch_ / "LOCK", {}, &lock, nullptr).ok());
    EXPECT_TRUE(files_->UnlockFile(lock, {}, nullptr).ok());
}

TEST_F(FreezingFileSystem, ReadErrorsAreCountedAndPassedOn) {
    EXPECT_TRUE(create("r")->Append("bytes", {}, nullptr).ok());
    std::unique_ptr<rocksdb::FSSequentialFile> file;
    ASSERT_TRUE(files_->NewSequentialFile(scratch_ / "r", {}, &file, nullptr).ok());
    disk_->inject({.on = io_operation::read, .error = io_fault::other});
    char scratch[8];
    rocksdb::Slice found;
    EXPECT_TRUE(file->Read(5, {}, &found, scratch, nullptr).IsIOError());
    EXPECT_TRUE(file->Read(5, {}, &found, scratch, nullptr).ok());
    EXPECT_EQ(found, "bytes");
    EXPECT_TRUE(files_->NewSequentialFile(scratch_ / "none", {}, &file, nullptr).IsPathNotFound());
    EXPECT_EQ(files_->read_errors(), 1U);
    ASSERT_EQ(unread_.size(), 1U);
    EXPECT_EQ(unread_[0].operation, io_operation::read);
    EXPECT_FALSE(files_->is_frozen());
}

TEST_F(FreezingFileSystem, ManyThreadsFailAndOneIsTold) {
    disk_->inject({.on = io_operation::append, .error = io_fault::other, .times = 1000});
    std::vector<writable> open;
    for (int i = 0; i < 4; ++i) {
        open.push_back(create(std::to_string(i)));
    }
    std::atomic<int> unfrozen = 0;
    std::vector<std::thread> threads;
    for (auto& file : open) {
        threads.emplace_back([&] {
            for (int i = 0; i < 50; ++i) {
                EXPECT_TRUE(file->Append("x", {}, nullptr).ok());
                // Whoever's write failed sees the flag when it returns.
                unfrozen += files_->is_frozen() ? 0 : 1;
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(unfrozen, 0);
    EXPECT_EQ(frozen_.size(), 1U);
    EXPECT_EQ(disk_->used(), 0U);
}

class Ballast : public FreezingFileSystem {
  protected:
    Ballast() {
        files_ = make({.path = scratch_ / "ballast", .size_bytes = 4096});
        EXPECT_TRUE(files_->restore_ballast());
        EXPECT_TRUE(files_->has_ballast());
        EXPECT_EQ(disk_->used(), 4096U);
        disk_->set_capacity(5000);
    }
};

TEST_F(Ballast, GivesTheLogItsRoomAndNoByteTwice) {
    const auto log = create("000001.log");
    EXPECT_TRUE(log->Append(std::string(800, 'a'), {}, nullptr).ok());
    EXPECT_TRUE(log->Append(std::string(100, 'b') + std::string(900, 'c'), {}, nullptr).ok());
    EXPECT_FALSE(files_->is_frozen());
    EXPECT_FALSE(files_->has_ballast());
    EXPECT_FALSE(exists("ballast"));
    ASSERT_EQ(released_.size(), 1U);
    EXPECT_EQ(released_[0].fault, io_fault::no_space);
    EXPECT_TRUE(log->Append("end", {}, nullptr).ok());
    EXPECT_TRUE(log->Close({}, nullptr).ok());
    EXPECT_EQ(content("000001.log"),
              std::string(800, 'a') + std::string(100, 'b') + std::string(900, 'c') + "end");
}

TEST_F(Ballast, IsReleasedOnceAndThenTheDiskFreezes) {
    const auto log = create("000001.log");
    EXPECT_TRUE(log->Append(std::string(2000, 'a'), {}, nullptr).ok());
    EXPECT_FALSE(files_->is_frozen());
    EXPECT_TRUE(log->Append(std::string(4000, 'b'), {}, nullptr).ok());
    EXPECT_TRUE(files_->is_frozen());
    EXPECT_EQ(released_.size(), 1U);
}

TEST_F(Ballast, IsNotForTables) {
    EXPECT_TRUE(create("000001.sst")->Append(std::string(2000, 'a'), {}, nullptr).ok());
    EXPECT_TRUE(files_->is_frozen());
    EXPECT_TRUE(files_->has_ballast());
}

TEST_F(Ballast, IsMadeAgainWhenThereIsRoomAndFoundAtTheNextStart) {
    const auto log = create("000001.log");
    EXPECT_TRUE(log->Append(std::string(2000, 'a'), {}, nullptr).ok());
    const auto refused = files_->restore_ballast();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, io_fault::no_space);
    EXPECT_FALSE(exists("ballast"));
    disk_->set_capacity(10000);
    EXPECT_TRUE(files_->restore_ballast());
    EXPECT_EQ(disk_->used(), 6096U);
    EXPECT_TRUE(make({.path = scratch_ / "ballast", .size_bytes = 4096})->has_ballast());
    EXPECT_FALSE(make({.path = scratch_ / "ballast", .size_bytes = 8192})->has_ballast());
}

} // namespace

} // namespace gv::storage
