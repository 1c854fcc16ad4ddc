// SPDX-License-Identifier: Apache-2.0
// Every kind of file of a store, damaged in every way: the store opens, what was damaged is kept
// beside it, and what is missing is counted.
#include "storage/inspection.hpp"
#include "tests/storage/damaged_store.hpp"

#include <array>
#include <fstream>
#include <ostream>
#include <random>

namespace gv::storage {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(DamagedStore, NothingIsFoundWhereNothingIs) {
    const auto found = inspect(store(), thoroughness::complete);
    ASSERT_TRUE(found) << found.error().what;
    EXPECT_TRUE(found->is_whole()) << (found->damaged.empty() ? "" : found->damaged[0].name);
    EXPECT_EQ(found->mark->sequence, found->tables_last + found->log_operations);
    const outcome after = start();
    EXPECT_EQ(after.missing(), 0);
    EXPECT_EQ(after.retained("log/"), in_log);
    EXPECT_EQ(after.kept, 0U);
    expect_healed(after);
}

// Files and ways.

struct damage_case {
    std::string file;
    damage how;
    enum class loss : std::uint8_t { nothing, of_tables, of_log } lost;
    bool is_told;
    bool is_kept = is_told;
};
std::ostream& operator<<(std::ostream& out, const damage_case& of) {
    constexpr std::array<const char*, 4> ways{"flip", "truncate", "zero", "remove"};
    std::string name = of.file;
    std::erase_if(name, [](char each) { return each == '.' || each == '-'; });
    return out << name << "_" << ways[static_cast<std::size_t>(of.how)];
}

class EachDamage : public DamagedStore, public testing::WithParamInterface<damage_case> {};

TEST_P(EachDamage, IsSurvivedKeptAndCounted) {
    const damage_case& tried = GetParam();
    const bool is_beside = tried.file == "ballast";
    const fs::path path =
        is_beside ? fs::path(store()) / tried.file : file_like(database(), tried.file);
    damage_file(path, tried.how);
    const std::string left = tried.how == damage::remove ? "" : bytes_of(path);
    const outcome after = start();

    EXPECT_EQ(after.kept, tried.is_kept ? 1U : 0U);
    EXPECT_EQ(after.counts.damaged_files, tried.is_told ? 1U : 0U);
    if (tried.lost == damage_case::loss::of_tables) {
        EXPECT_GT(after.missing(), 0);
        EXPECT_LT(after.missing(), tried.how == damage::flip ? 40 : rows_in_queues + in_tables);
        EXPECT_GT(after.counts.rows_lost, 0U);
    } else {
        EXPECT_EQ(after.missing(), 0);
        EXPECT_EQ(after.counts.rows_lost, 0U);
    }
    const int lost = in_log - after.retained("log/");
    EXPECT_EQ(lost > 0, tried.lost == damage_case::loss::of_log) << lost;
    // The other operation is the life that had begun.
    const auto expected = static_cast<std::uint64_t>(operations_each * lost);
    EXPECT_GE(after.counts.lost_operations, expected);
    EXPECT_LE(after.counts.lost_operations, lost == 0 ? 0 : expected + 1);
    if (tried.is_kept && tried.how != damage::remove) {
        for (const auto& entry : fs::directory_iterator(store())) {
            if (entry.path().filename().string().starts_with("quarantine-")) {
                EXPECT_EQ(bytes_of(entry.path() / path.filename()), left) << "kept as it was";
            }
        }
    }
    expect_healed(after);
}

[[nodiscard]] std::vector<damage_case> all_cases() {
    using enum damage_case::loss;
    std::vector<damage_case> all;
    for (const damage how : {damage::flip, damage::truncate, damage::zero, damage::remove}) {
        all.push_back({"CURRENT", how, nothing, true});
        all.push_back({"MANIFEST-", how, nothing, true});
        all.push_back({".sst", how, of_tables, true});
        all.push_back({".log", how, of_log, true});
        for (const char* each : {"OPTIONS-", "IDENTITY", "ballast"}) {
            all.push_back({each, how, nothing, false});
        }
        // One of its two slots is enough, and there is nothing in it to be kept.
        const bool is_gone = how == damage::zero || how == damage::remove;
        all.push_back({"wal.mark", how, nothing, is_gone, false});
    }
    return all;
}
INSTANTIATE_TEST_SUITE_P(Damage, EachDamage, testing::ValuesIn(all_cases()),
                         testing::PrintToStringParamName());

// The log.

TEST_F(DamagedStore, ATornTailIsNoDamage) {
    const fs::path log = file_like(database(), ".log");
    std::ofstream(log, std::ios::app | std::ios::binary) << payload(7);
    const outcome after = start();
    EXPECT_EQ(after.retained("log/"), in_log);
    EXPECT_EQ(after.counts.lost_operations, 0U);
    EXPECT_EQ(after.kept, 0U);
}

TEST_F(DamagedStore, WhatFollowsADamagedRecordIsSaved) {
    damage_file(file_like(database(), ".log"), damage::flip);
    const outcome after = start();
    EXPECT_EQ(after.retained("log/59"), 1) << "the last";
    EXPECT_GT(after.retained("log/"), 1);
}

TEST_F(DamagedStore, ALogThatLacksItsEndLacksAsMuchAsIsSaid) {
    const fs::path log = file_like(database(), ".log");
    fs::resize_file(log, fs::file_size(log) - 1);
    const outcome after = start();
    EXPECT_EQ(after.retained("log/"), in_log - 1);
    EXPECT_EQ(after.counts.lost_operations, 2U);
}

TEST_F(DamagedStore, WithoutItsMarkADamagedLogLooksTorn) {
    damage_file(file_like(database(), ".log"), damage::truncate);
    fs::remove(database() / "wal.mark");
    const outcome after = start();
    EXPECT_LT(after.retained("log/"), in_log);
    EXPECT_EQ(after.kept, 0U);
}

// More than one.

TEST_F(DamagedStore, WithoutACatalogueOrAnEndNothingIsTakenForGranted) {
    for (const char* each : {"CURRENT", "MANIFEST-", "OPTIONS-", "IDENTITY"}) {
        fs::remove(file_like(database(), each));
    }
    damage_file(file_like(database(), ".log"), damage::zero);
    const outcome after = start();
    EXPECT_EQ(after.missing(), 0);
    EXPECT_EQ(after.retained("log/"), 0);
    EXPECT_GE(after.counts.lost_operations, static_cast<std::uint64_t>(operations_each * in_log));
    expect_healed(after);
}

TEST_F(DamagedStore, EveryTableButTheNodeGone) {
    const auto before = read_mark(database() / "wal.mark");
    for (const auto& entry : fs::directory_iterator(database())) {
        if (entry.path().extension() == ".sst" || entry.path().extension() == ".log") {
            damage_file(entry.path(), damage::zero);
        }
    }
    const outcome after = start();
    EXPECT_THAT(after.state.sessions, IsEmpty());
    EXPECT_EQ(after.node.node, before->node) << "the mark knows who it was";
    EXPECT_EQ(after.node.boot.value, before->boot.value + 1);
    expect_healed(after);
}

// Others with --gtest_random_seed=N.
TEST_F(DamagedStore, EveryFileDamagedAtRandomNeverHindersAStart) {
    const auto seed = static_cast<unsigned>(testing::UnitTest::GetInstance()->random_seed());
    std::minstd_rand random(20'26 + seed);
    for (int round = 0; round < 12; ++round) {
        SCOPED_TRACE("seed " + std::to_string(seed) + ", round " + std::to_string(round));
        renew();
        for (const auto& entry : fs::directory_iterator(database())) {
            if (entry.path().filename() != "LOCK" && random() % 3 == 0) {
                const auto how = static_cast<damage>(random() % 4);
                damage_file(entry.path(), how, static_cast<double>(random() % 1'000) / 1'000);
            }
        }
        const outcome after = start();
        expect_healed(after);
    }
}

// While it runs.

TEST_F(DamagedStore, ABlockThatRotsWhileItRunsIsCountedAndSetAsideAtTheNextStart) {
    ASSERT_EQ(start().missing(), 0); // all is in tables now
    const fs::path tables = file_like(database(), ".sst");
    {
        auto opened = *open_rocksdb_store(options_in(store()));
        const std::size_t size = fs::file_size(tables);
        std::fstream file(tables, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(size / 2));
        file << "rotten";
        file.close();
        held_state state;
        EXPECT_TRUE(opened->load(state));
        EXPECT_GT(state.retained.size(), std::size_t{in_tables} - 60);
        EXPECT_LT(state.retained.size(), std::size_t{in_tables + in_log});
        EXPECT_GT(opened->counts().rows_lost, 0U);
        opened->close();
    }
    const outcome after = start();
    EXPECT_EQ(after.counts.damaged_files, 1U);
    EXPECT_EQ(after.kept, 1U);
    expect_healed(after);
}

// Refusals.

TEST_F(DamagedStore, IsRefusedWhereItShallNotBeSalvaged) {
    damage_file(file_like(database(), "CURRENT"), damage::zero);
    rocksdb_options wanted = options_in(store());
    wanted.salvage = false;
    const auto opened = open_rocksdb_store(wanted);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().place, store());
    EXPECT_THAT(opened.error().what, HasSubstr("CURRENT"));
    EXPECT_THAT(opened.error().remedy, HasSubstr("storage.salvage = true"));
    EXPECT_EQ(quarantines(), 0U);
    EXPECT_EQ(start().missing(), 0) << "nothing was touched";
}

TEST_F(DamagedStore, OfANewerVersionIsLeftAlone) {
    {
        auto opened = *open_rocksdb_store(options_in(store()));
        store_user user(*opened);
        user.commit_durably([](batch& to) {
            std::string value;
            encode(node_record{.schema = 42, .node = node_id{1}, .boot = boot_id{7}}, value);
            to.put(table::meta, "N", value);
        });
        opened->close();
    }
    damage_file(database() / "CURRENT", damage::remove);
    const auto opened = open_rocksdb_store(options_in(store()));
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().what, HasSubstr("newer version (schema 42"));
    EXPECT_EQ(quarantines(), 0U);
}

TEST_F(DamagedStore, InUseIsNotDamaged) {
    const auto first = *open_rocksdb_store(options_in(store()));
    damage_file(database() / "CURRENT", damage::remove);
    const auto second = open_rocksdb_store(options_in(store()));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().what, "another process uses this store");
    EXPECT_EQ(quarantines(), 0U);
}

// A crash while it is salvaged.

TEST_F(DamagedStore, ACrashBeforeTheExchangeBeginsAnew) {
    damage_file(database() / "CURRENT", damage::remove);
    fs::create_directory(store() + "/salvage.tmp");
    fs::create_directory(store() + "/salvage.ready");
    const outcome after = start();
    EXPECT_EQ(after.missing(), 0);
    EXPECT_EQ(after.retained("log/"), in_log);
}

TEST_F(DamagedStore, ACrashWithinTheExchangeIsEnded) {
    fs::rename(database(), store() + "/salvage.ready");
    const outcome after = start();
    EXPECT_EQ(after.missing(), 0);
    EXPECT_EQ(after.retained("log/"), in_log);
    EXPECT_EQ(after.kept, 0U);
}

} // namespace
} // namespace gv::storage
