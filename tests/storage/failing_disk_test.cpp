// SPDX-License-Identifier: Apache-2.0
// A database on a disk that fails: the process lives, the failure is told, and nothing that was
// acknowledged before it is lost when the database is opened again.
#include "tests/storage/power_loss_file_system.hpp"
#include "tests/storage/trial_database.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>

namespace gv::storage {

namespace {

void write_and_sync(trial_database& db, int rows) {
    for (int i = 0; i < rows; ++i) {
        db.write();
        if (i % 7 == 0) {
            db.sync();
        }
    }
}

/// Everything RocksDB does, and it goes on after a failure as threads that know nothing of it do.
void do_everything(trial_database& db) {
    write_and_sync(db, 120);
    db.flush();
    write_and_sync(db, 120);
    db.flush();
    db.compact();
    write_and_sync(db, 60);
}

trial_database::place on(const scratch_folder& scratch,
                         const std::shared_ptr<power_loss_file_system>& disk) {
    return {.folder = scratch / "db", .below = disk};
}

struct failing_case {
    std::string name;
    fault broken;
    bool is_armed_after_flush = false;
};

std::ostream& operator<<(std::ostream& out, const failing_case& of) { return out << of.name; }

class FailingDisk : public testing::TestWithParam<failing_case> {};

TEST_P(FailingDisk, LosesNothingAcknowledged) {
    const scratch_folder scratch;
    const auto disk = std::make_shared<power_loss_file_system>();
    int acknowledged = 0;
    {
        trial_database db(on(scratch, disk));
        ASSERT_TRUE(db.is_open()) << db.problem().ToString();
        write_and_sync(db, 150);
        db.flush();
        write_and_sync(db, 50);
        if (GetParam().is_armed_after_flush) {
            db.flush(); // what is written to tables from here on, a compaction writes
        }
        ASSERT_EQ(disk->struck(), 0U);
        disk->inject(GetParam().broken);
        if (GetParam().is_armed_after_flush) {
            db.compact();
        }
        do_everything(db);
        do_everything(db);
        EXPECT_GT(disk->struck(), 0U);
        ASSERT_TRUE(db.files().is_frozen());
        EXPECT_EQ(db.files().failure()->operation, GetParam().broken.on);
        EXPECT_EQ(db.files().failure()->fault, GetParam().broken.error);
        EXPECT_FALSE(db.sync());
        acknowledged = db.acknowledged();
    }
    disk->mend();
    EXPECT_GE(acknowledged, 148);
    std::string problem;
    EXPECT_GE(recovered_rows(on(scratch, disk), problem), acknowledged) << problem;
}

constexpr auto no_space = io_fault::no_space;
constexpr auto sync_failed = io_fault::sync_failed;
constexpr auto other = io_fault::other;

INSTANTIATE_TEST_SUITE_P(
    RocksDb, FailingDisk,
    testing::Values(
        failing_case{"FullInLog", {io_operation::append, no_space, ".log", 20}},
        failing_case{"ErrorInLog", {io_operation::append, other, ".log", 20}},
        failing_case{"FullInFlush", {io_operation::append, no_space, ".sst", 0}},
        failing_case{"FullLateInFlush", {io_operation::append, no_space, ".sst", 5}},
        failing_case{"FullInCompaction", {io_operation::append, no_space, ".sst", 0}, true},
        failing_case{"ErrorInCompaction", {io_operation::append, other, ".sst", 1}, true},
        failing_case{"FullInManifest", {io_operation::append, no_space, "MANIFEST", 1}},
        failing_case{"FullInSyncOfLog", {io_operation::sync, no_space, ".log", 3}},
        failing_case{"ErrorInSyncOfLog", {io_operation::sync, sync_failed, ".log", 3}},
        failing_case{"ErrorInSyncOfTable", {io_operation::sync, sync_failed, ".sst", 0}},
        failing_case{"ErrorInSyncOfManifest", {io_operation::sync, sync_failed, "MANIFEST", 0}},
        failing_case{"ErrorInSyncOfFolder", {io_operation::sync_directory, sync_failed, "", 0}},
        failing_case{"FullInCreationOfLog", {io_operation::create, no_space, ".log", 0}},
        failing_case{"FullInCreationOfTable", {io_operation::create, no_space, ".sst", 0}},
        failing_case{"ErrorInRename", {io_operation::rename, other, "", 0}},
        failing_case{"ErrorInRemoval", {io_operation::remove, other, "", 0}},
        failing_case{"ErrorInClose", {io_operation::close, other, ".sst", 0}}),
    [](const auto& test) { return test.param.name; });

/// The n-th operation of a kind, for every n there is, from the opening on.
class FailingAtEveryOperation : public testing::TestWithParam<io_operation> {};

TEST_P(FailingAtEveryOperation, LosesNothingAcknowledged) {
    std::size_t n = 0;
    for (bool has_struck = true; has_struck && n < 2000; ++n) {
        const scratch_folder scratch;
        const auto disk = std::make_shared<power_loss_file_system>();
        disk->inject({.on = GetParam(),
                      .error = n % 2 == 0 ? io_fault::no_space : io_fault::other,
                      .after = n});
        int acknowledged = 0;
        {
            trial_database db(on(scratch, disk));
            if (db.is_open()) {
                do_everything(db);
            }
            has_struck = disk->struck() > 0;
            ASSERT_EQ(db.files().is_frozen(), has_struck) << "at operation " << n;
            acknowledged = db.acknowledged();
        }
        disk->mend();
        std::string problem;
        ASSERT_GE(recovered_rows(on(scratch, disk), problem), acknowledged)
            << "at operation " << n << ": " << problem;
    }
    EXPECT_GT(n, 5U);
}

INSTANTIATE_TEST_SUITE_P(RocksDb, FailingAtEveryOperation,
                         testing::Values(io_operation::append, io_operation::sync,
                                         io_operation::create, io_operation::remove,
                                         io_operation::rename, io_operation::close,
                                         io_operation::sync_directory),
                         [](const auto& test) {
                             std::string name(to_text(test.param));
                             std::erase(name, ' ');
                             return name;
                         });

TEST(FailingSync, IsNotTriedAgain) {
    const scratch_folder scratch;
    const auto disk = std::make_shared<power_loss_file_system>();
    trial_database db(on(scratch, disk));
    ASSERT_TRUE(db.is_open()) << db.problem().ToString();
    db.write();
    // Once: a kernel that has told an error of writing back says yes to the next sync.
    disk->inject({.on = io_operation::sync, .error = io_fault::sync_failed, .name = ".log"});
    EXPECT_FALSE(db.sync());
    const auto operations = disk->operations();
    db.write();
    EXPECT_FALSE(db.sync());
    EXPECT_EQ(disk->operations(), operations) << "something reached the disk after the freeze";
    EXPECT_EQ(db.acknowledged(), 0);
    EXPECT_EQ(db.files().failure()->fault, io_fault::sync_failed);
}

TEST(FailingDisk, IsReadOnAfterTheFreeze) {
    const scratch_folder scratch;
    const auto disk = std::make_shared<power_loss_file_system>();
    trial_database db(on(scratch, disk));
    ASSERT_TRUE(db.is_open()) << db.problem().ToString();
    write_and_sync(db, 300);
    db.flush();
    const auto rows = db.written();
    disk->inject({.on = io_operation::sync, .error = io_fault::sync_failed, .name = ".log"});
    EXPECT_FALSE(db.sync());
    std::string problem;
    EXPECT_EQ(db.intact_rows(problem), rows) << problem;
}

} // namespace

} // namespace gv::storage
