// SPDX-License-Identifier: Apache-2.0
// A disk that becomes full by what is written to it: one that counts, and a real file system in
// memory, which only root can mount.
#include "tests/storage/power_loss_file_system.hpp"
#include "tests/storage/trial_database.hpp"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

namespace gv::storage {

namespace {

constexpr std::uint64_t kib = 1024;

/// Writes and syncs until nothing may be acknowledged any more.
void fill(trial_database& db) {
    for (int i = 0; i < 100000 && db.sync(); ++i) {
        for (int k = 0; k < 5; ++k) {
            db.write();
        }
    }
}

void expect_full(trial_database& db) {
    ASSERT_TRUE(db.files().is_frozen());
    EXPECT_EQ(db.files().failure()->fault, io_fault::no_space) << db.files().failure()->text;
}

TEST(SmallDisk, IsFilledAndLosesNothingAcknowledged) {
    for (std::uint64_t size = 200; size < 1400; size += 53) {
        SCOPED_TRACE(size);
        const scratch_folder scratch;
        const auto disk = std::make_shared<power_loss_file_system>();
        disk->set_capacity(size * kib);
        int acknowledged = 0;
        {
            trial_database db({.folder = scratch / "db", .below = disk});
            ASSERT_TRUE(db.is_open()) << db.problem().ToString();
            fill(db);
            expect_full(db);
            acknowledged = db.acknowledged();
        }
        EXPECT_GT(acknowledged, 0);
        disk->set_capacity(100 * size * kib);
        std::string problem;
        EXPECT_GE(recovered_rows({.folder = scratch / "db", .below = disk}, problem), acknowledged)
            << problem;
    }
}

TEST(SmallDisk, OpenedWhileStillFullSaysSoAndHarmsNothing) {
    const scratch_folder scratch;
    const auto disk = std::make_shared<power_loss_file_system>();
    disk->set_capacity(500 * kib);
    const trial_database::place place{.folder = scratch / "db", .below = disk};
    int acknowledged = 0;
    {
        trial_database db(place);
        fill(db);
        acknowledged = db.acknowledged();
    }
    for (int i = 0; i < 3; ++i) {
        trial_database db(place);
        EXPECT_TRUE(!db.is_open() || db.files().is_frozen());
    }
    disk->set_capacity(50000 * kib);
    std::string problem;
    EXPECT_GE(recovered_rows(place, problem), acknowledged) << problem;
}

/// A file system in memory of so many KiB.
class SmallTmpfs : public testing::TestWithParam<int> {
  protected:
    void SetUp() override {
        std::filesystem::create_directory(mount_point_);
        const auto size = "size=" + std::to_string(GetParam()) + "k";
        if (::mount("tmpfs", mount_point_.c_str(), "tmpfs", 0, size.c_str()) != 0) {
            GTEST_SKIP() << "cannot mount a tmpfs: " << std::strerror(errno)
                         << "; run the tests as root where mounting is allowed";
        }
        is_mounted_ = true;
    }
    void TearDown() override {
        if (is_mounted_) {
            EXPECT_EQ(::umount(mount_point_.c_str()), 0) << std::strerror(errno);
        }
    }
    [[nodiscard]] trial_database::place place(ballast_settings ballast = {}) const {
        return {.folder = mount_point_ + "/db",
                .below = rocksdb::FileSystem::Default(),
                .ballast = std::move(ballast)};
    }
    void make_room(int room_kib) {
        const auto size = "size=" + std::to_string(room_kib) + "k";
        ASSERT_EQ(::mount("tmpfs", mount_point_.c_str(), "tmpfs", MS_REMOUNT, size.c_str()), 0);
    }

    scratch_folder scratch_;
    std::string mount_point_ = scratch_ / "disk";
    bool is_mounted_ = false;
};

TEST_P(SmallTmpfs, IsFilledAndLosesNothingAcknowledged) {
    int acknowledged = 0;
    {
        trial_database db(place());
        ASSERT_TRUE(db.is_open()) << db.problem().ToString();
        fill(db);
        expect_full(db);
        acknowledged = db.acknowledged();
    }
    EXPECT_GT(acknowledged, 0);
    make_room(4 * GetParam());
    std::string problem;
    EXPECT_GE(recovered_rows(place(), problem), acknowledged) << problem;
}

TEST_P(SmallTmpfs, WithBallastLosesNothingAcknowledgedEither) {
    const ballast_settings ballast{.path = mount_point_ + "/ballast", .size_bytes = 100 * kib};
    int acknowledged = 0;
    {
        trial_database db(place(ballast));
        ASSERT_TRUE(db.is_open()) << db.problem().ToString();
        ASSERT_TRUE(db.files().restore_ballast());
        EXPECT_EQ(std::filesystem::file_size(ballast.path), 100 * kib);
        fill(db);
        expect_full(db);
        acknowledged = db.acknowledged();
    }
    EXPECT_GT(acknowledged, 0);
    make_room(4 * GetParam());
    std::string problem;
    EXPECT_GE(recovered_rows(place(), problem), acknowledged) << problem;
}

/// The log's own file must not cut off what was appended after the ballast was released.
TEST_P(SmallTmpfs, ALogContinuedOnTheBallastKeepsItsEndWhenItIsClosed) {
    const ballast_settings ballast{.path = mount_point_ + "/ballast", .size_bytes = 64 * kib};
    freezing_file_system files(rocksdb::FileSystem::Default(), {}, ballast);
    ASSERT_TRUE(files.restore_ballast());
    std::unique_ptr<rocksdb::FSWritableFile> log;
    const auto name = mount_point_ + "/000001.log";
    ASSERT_TRUE(files.NewWritableFile(name, {}, &log, nullptr).ok());
    log->SetPreallocationBlockSize(16 * kib);
    std::string expected;
    for (int i = 0; files.has_ballast(); ++i) {
        const std::string part(5000, static_cast<char>('a' + i % 26));
        log->PrepareWrite(expected.size(), part.size(), {}, nullptr);
        ASSERT_TRUE(log->Append(part, {}, nullptr).ok());
        expected += part;
    }
    ASSERT_TRUE(log->Append("end", {}, nullptr).ok());
    ASSERT_TRUE(log->Sync({}, nullptr).ok());
    ASSERT_TRUE(log->Close({}, nullptr).ok());
    EXPECT_FALSE(files.is_frozen());
    std::string found;
    ASSERT_TRUE(rocksdb::ReadFileToString(rocksdb::FileSystem::Default().get(), name, &found).ok());
    EXPECT_TRUE(found == expected + "end") << found.size() << " of " << expected.size() + 3;
}

INSTANTIATE_TEST_SUITE_P(Sizes, SmallTmpfs, testing::Values(600, 900, 1300));

} // namespace

} // namespace gv::storage
