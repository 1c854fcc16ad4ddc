// SPDX-License-Identifier: Apache-2.0
// Every kind of file of a store, damaged in every way: the store opens, what was damaged is kept
// beside it, and what is missing is counted.
#include "base/bytes.hpp"
#include "storage/inspection.hpp"
#include "storage/rocksdb_store.hpp"
#include "tests/storage/held_state.hpp"
#include "tests/storage/trial_database.hpp"

#include <algorithm>
#include <fstream>
#include <ostream>
#include <random>
#include <set>

namespace gv::storage {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

enum class damage : std::uint8_t { flip, truncate, zero, remove };

[[nodiscard]] std::string bytes_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void damage_file(const fs::path& path, damage how) {
    ASSERT_TRUE(fs::exists(path)) << path;
    if (how == damage::remove) {
        fs::remove(path);
        return;
    }
    std::string bytes = bytes_of(path);
    const std::size_t half = bytes.size() / 2;
    if (how == damage::flip) {
        ASSERT_FALSE(bytes.empty());
        bytes[half] = static_cast<char>(bytes[half] ^ 4);
    } else if (how == damage::truncate) {
        bytes.resize(half);
    } else {
        bytes.assign(bytes.size(), '\0');
    }
    std::ofstream(path, std::ios::binary) << bytes;
}

/// The largest file of the database whose name begins or ends so.
[[nodiscard]] fs::path file_like(const fs::path& folder, const std::string& pattern) {
    fs::path largest;
    for (const auto& entry : fs::directory_iterator(folder)) {
        const std::string name = entry.path().filename();
        if ((name.starts_with(pattern) || name.ends_with(pattern))
            && (largest.empty() || entry.file_size() > fs::file_size(largest))) {
            largest = entry.path();
        }
    }
    return largest;
}

class DamagedStore : public testing::Test {
  protected:
    static constexpr int sessions = 30;
    static constexpr int rows_each = 20;
    static constexpr int in_tables = 1'500; ///< retained messages
    static constexpr int in_log = 60;       ///< retained messages since
    /// A commit of one message is two operations: the message and the clock.
    static constexpr int operations_each = 2;

    /// A store that was ended in order and then killed, made once.
    static void SetUpTestSuite() {
        original = new scratch_folder;
        build(*original / "store", *original / "killed");
    }
    static void TearDownTestSuite() { delete original; }

    void SetUp() override { fs::copy(*original / "killed", store(), fs::copy_options::recursive); }

    [[nodiscard]] static rocksdb_options options_in(const std::string& folder) {
        rocksdb_options made;
        made.folder = folder;
        made.cache_bytes = 1 << 20;
        made.write_buffer_bytes = 4 << 20;
        made.ballast_bytes = 1 << 16;
        return made;
    }

    [[nodiscard]] static std::string payload(int number) {
        std::minstd_rand random(static_cast<unsigned>(number) + 1);
        std::string made(300, '\0');
        std::ranges::generate(made, [&] { return static_cast<char>(random()); });
        return made;
    }

    [[nodiscard]] static sample_session session(int number) {
        return {.client = "client " + std::to_string(number),
                .created = static_cast<std::uint64_t>(number) + 1};
    }

    static void build(const std::string& folder, const std::string& copy) {
        {
            const auto kept = *open_rocksdb_store(options_in(folder));
            store_user user(*kept);
            user.commit_durably([](batch& to) {
                for (int i = 0; i < sessions; ++i) {
                    session(i).put(to);
                    session(i).put_queue(to, 4096, 0);
                    for (std::uint64_t row = 1; row <= rows_each; ++row) {
                        session(i).put_row(to, row, payload(i));
                    }
                }
                for (int i = 0; i < in_tables; ++i) {
                    to.put(table::retained, "tables/" + std::to_string(i), payload(i));
                }
            });
            kept->close();
        }
        const auto kept = *open_rocksdb_store(options_in(folder));
        store_user user(*kept);
        for (int i = 0; i < in_log; ++i) {
            user.commit_durably([&](batch& to) {
                to.put(table::retained, "log/" + std::to_string(i), payload(i));
            });
        }
        fs::copy(folder, copy, fs::copy_options::recursive);
    }

    [[nodiscard]] std::string store() const { return folder / "store"; }
    [[nodiscard]] fs::path database() const { return store() + "/db"; }

    /// What the folder gives when a broker starts on it.
    struct outcome {
        held_state state;
        store_counts counts;
        node_record node;
        std::size_t kept = 0; ///< quarantine folders
        [[nodiscard]] int retained(const std::string& prefix) const {
            return static_cast<int>(std::ranges::count_if(
                state.retained, [&](const auto& each) { return each.first.starts_with(prefix); }));
        }
        [[nodiscard]] int rows() const {
            int sum = 0;
            for (const auto& [client, each] : state.sessions) {
                for (const stored_rows& run : each.rows) {
                    sum += static_cast<int>(run.rows);
                }
            }
            return sum;
        }
        [[nodiscard]] int missing() const {
            return sessions - static_cast<int>(state.sessions.size()) + sessions * rows_each
                   - rows() + in_tables - retained("tables/");
        }
    };

    [[nodiscard]] outcome start() const {
        outcome found;
        auto opened = open_rocksdb_store(options_in(store()));
        EXPECT_TRUE(opened) << opened.error().what;
        if (!opened) {
            return found;
        }
        const auto loaded = (*opened)->load(found.state);
        EXPECT_TRUE(loaded) << loaded.error().what;
        for (const auto& [topic, message] : found.state.retained) {
            const int number = std::stoi(topic.substr(topic.find('/') + 1));
            EXPECT_EQ(message, payload(number)) << topic;
        }
        // It is a store that works.
        store_user user(**opened);
        user.commit_durably([](batch& to) { to.put(table::small, "x", "y"); });
        user.commit_durably([](batch& to) { to.erase(table::small, "x"); });
        found.counts = (*opened)->counts();
        found.node = (*opened)->node();
        (*opened)->close();
        found.kept = quarantines();
        return found;
    }

    [[nodiscard]] std::size_t quarantines() const {
        std::size_t count = 0;
        for (const auto& entry : fs::directory_iterator(store())) {
            const std::string name = entry.path().filename();
            count += name.starts_with("quarantine-") ? 1U : 0U;
            EXPECT_FALSE(name.starts_with("salvage")) << name;
        }
        return count;
    }

    /// Starts again: all is well, and what was there is there.
    void expect_healed(const outcome& before) const {
        const outcome again = start();
        EXPECT_EQ(again.counts.damaged_files, 0U);
        EXPECT_EQ(again.counts.lost_operations, 0U);
        EXPECT_EQ(again.counts.rows_lost, 0U);
        EXPECT_EQ(again.kept, before.kept);
        EXPECT_EQ(again.state.retained, before.state.retained);
        EXPECT_EQ(again.rows(), before.rows());
        EXPECT_EQ(again.node.node, before.node.node);
        EXPECT_EQ(again.node.boot.value, before.node.boot.value + 1);
    }

    static scratch_folder* original;
    scratch_folder folder;
};
scratch_folder* DamagedStore::original = nullptr;

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
        EXPECT_LT(after.missing(), tried.how == damage::flip ? 40 : in_tables + 1);
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

TEST_F(DamagedStore, EveryFileDamagedAtRandomNeverHindersAStart) {
    std::minstd_rand random(20'26);
    for (int round = 0; round < 12; ++round) {
        fs::remove_all(store());
        fs::copy(*original / "killed", store(), fs::copy_options::recursive);
        for (const auto& entry : fs::directory_iterator(database())) {
            if (entry.path().filename() != "LOCK" && random() % 3 == 0) {
                damage_file(entry.path(), static_cast<damage>(random() % 4));
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
