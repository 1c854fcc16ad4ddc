// SPDX-License-Identifier: Apache-2.0
// Reading tables again in the background.
#include "storage/database_files.hpp"
#include "storage/scrub.hpp"
#include "tests/storage/damaged_store.hpp"

#include <rocksdb/file_system.h>

#include <algorithm>
#include <thread>

namespace gv::storage {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Polls.
template <typename Condition>
[[nodiscard]] bool comes_true(Condition&& condition) {
    const auto end = std::chrono::steady_clock::now() + 30s;
    while (!condition() && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(1ms);
    }
    return condition();
}

/// What a scrub tells.
struct told {
    std::mutex mutex;
    std::vector<std::string> damaged, unreadable;

    [[nodiscard]] scrub_observer observer(std::function<std::set<std::string>()> live) {
        return {.live_tables = std::move(live),
                .on_damage =
                    [this](const std::string& name, const std::string& problem) {
                        const std::lock_guard lock(mutex);
                        damaged.push_back(name + ": " + problem);
                    },
                .on_unreadable =
                    [this](const std::string& name, const std::string& problem) {
                        const std::lock_guard lock(mutex);
                        unreadable.push_back(name + ": " + problem);
                    }};
    }
    [[nodiscard]] std::size_t count() {
        const std::lock_guard lock(mutex);
        return damaged.size() + unreadable.size();
    }
};

class Scrub : public DamagedStore {
  protected:
    [[nodiscard]] std::set<std::string> tables() const {
        const auto found = list_database(database()).tables;
        return {found.begin(), found.end()};
    }
    [[nodiscard]] scrub_options options(std::chrono::milliseconds interval = 1ms) const {
        return {.folder = database(),
                .interval = interval,
                .bytes_per_second = std::uint64_t{1} << 30,
                .file_system = nullptr};
    }
    /// Of a store that is too large to be read at the start.
    [[nodiscard]] rocksdb_options large_store() const {
        rocksdb_options made = options_in(store());
        made.read_at_start_max = 0;
        made.scrub_interval = 20ms;
        return made;
    }
};

TEST_F(Scrub, ReadsAllTablesOverAndOver) {
    told heard;
    scrub reading(options(), heard.observer([this] { return tables(); }));
    EXPECT_TRUE(comes_true([&] { return reading.verified() >= 3 * tables().size(); }));
    reading.stop();
    EXPECT_EQ(reading.damaged(), 0U);
    EXPECT_EQ(heard.count(), 0U);
}

TEST_F(Scrub, TellsOfADamagedTableOnce) {
    const fs::path table = file_like(database(), ".sst");
    damage_file(table, damage::flip);
    told heard;
    scrub reading(options(), heard.observer([this] { return tables(); }));
    EXPECT_TRUE(comes_true([&] { return reading.verified() >= 3 * tables().size(); }));
    reading.stop();
    EXPECT_EQ(reading.damaged(), 1U);
    EXPECT_THAT(heard.damaged, ElementsAre(HasSubstr(table.filename().string() + ": Corruption")));
    EXPECT_THAT(heard.unreadable, IsEmpty());
}

TEST_F(Scrub, TellsOfATableThatIsMissingUnlessItWasRemoved) {
    told heard;
    std::atomic<int> asked = 0;
    const auto live = [&asked]() -> std::set<std::string> {
        ++asked;
        return asked < 6 ? std::set<std::string>{asked == 3 ? "2.sst" : "1.sst"}
                         : std::set<std::string>{};
    };
    scrub reading(options(), heard.observer(live));
    EXPECT_TRUE(comes_true([&] { return asked > 8; }));
    reading.stop();
    EXPECT_THAT(heard.damaged, ElementsAre(HasSubstr("1.sst: ")));
}

TEST_F(Scrub, EndsInTheMiddleOfATable) {
    told heard;
    auto slow = options();
    slow.bytes_per_second = 1;
    scrub reading(slow, heard.observer([this] { return tables(); }));
    std::this_thread::sleep_for(20ms);
    const auto begun = std::chrono::steady_clock::now();
    reading.stop();
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
    EXPECT_EQ(reading.verified(), 0U);
    EXPECT_EQ(heard.count(), 0U);
}

TEST_F(Scrub, EndsWhileItWaits) {
    told heard;
    scrub reading(options(24h), heard.observer([this] { return tables(); }));
    const auto begun = std::chrono::steady_clock::now();
    reading.stop();
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
}

/// Does not give what is in files.
class mute_file_system final : public rocksdb::FileSystemWrapper {
  public:
    mute_file_system() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
    const char* Name() const override { return "mute_file_system"; }
    rocksdb::IOStatus NewRandomAccessFile(const std::string&, const rocksdb::FileOptions&,
                                          std::unique_ptr<rocksdb::FSRandomAccessFile>*,
                                          rocksdb::IODebugContext*) override {
        return rocksdb::IOStatus::IOError("Input/output error");
    }
};

TEST_F(Scrub, ADiskThatDoesNotAnswerIsNoDamage) {
    told heard;
    auto mute = options();
    mute.file_system = std::make_shared<mute_file_system>();
    scrub reading(mute, heard.observer([this] { return tables(); }));
    EXPECT_TRUE(comes_true([&] { return heard.count() >= 3; }));
    reading.stop();
    EXPECT_EQ(reading.damaged(), 0U);
    EXPECT_EQ(reading.verified(), 0U);
    EXPECT_THAT(heard.damaged, IsEmpty());
}

/// Gives files only through the cache of the system, as some file systems do.
class cached_file_system final : public rocksdb::FileSystemWrapper {
  public:
    cached_file_system() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
    const char* Name() const override { return "cached_file_system"; }
    rocksdb::IOStatus NewRandomAccessFile(const std::string& name,
                                          const rocksdb::FileOptions& options,
                                          std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                          rocksdb::IODebugContext* dbg) override {
        if (options.use_direct_reads) {
            ++refused;
            return rocksdb::IOStatus::IOError("Invalid argument");
        }
        return target_->NewRandomAccessFile(name, options, file, dbg);
    }
    std::atomic<int> refused = 0;
};

TEST_F(Scrub, GoesPastTheCacheWhereItCan) {
    told heard;
    const auto cached = std::make_shared<cached_file_system>();
    auto through = options();
    through.file_system = cached;
    scrub reading(through, heard.observer([this] { return tables(); }));
    EXPECT_TRUE(comes_true([&] { return reading.verified() >= tables().size(); }));
    reading.stop();
    EXPECT_EQ(cached->refused, 1) << "then it knows";
    EXPECT_EQ(heard.count(), 0U);
}

// In a store.

TEST_F(Scrub, WhatALargeStoreDoesNotSeeAtItsStartIsFoundAndSetAsideAtTheNext) {
    ASSERT_EQ(start().missing(), 0); // all is in tables now
    damage_file(file_like(database(), ".sst"), damage::flip);
    {
        const auto opened = *open_rocksdb_store(large_store());
        EXPECT_EQ(opened->counts().damaged_files, 0U);
        EXPECT_TRUE(comes_true([&] { return opened->counts().files_rotten == 1; }));
        EXPECT_TRUE(comes_true([&] { return opened->counts().files_verified > 20; }));
        EXPECT_TRUE(opened->counts().is_writable);
        EXPECT_EQ(opened->counts().rows_lost, 0U) << "nobody missed them yet";
        opened->close();
        EXPECT_EQ(opened->counts().files_rotten, 1U);
    }
    EXPECT_EQ(quarantines(), 0U);
    rocksdb_options quiet = large_store();
    quiet.scrub_interval = 0ms;
    {
        const auto opened = *open_rocksdb_store(quiet);
        EXPECT_EQ(opened->counts().damaged_files, 1U) << "every block was read, large or not";
        EXPECT_GT(opened->counts().rows_lost, 0U);
        opened->close();
    }
    EXPECT_EQ(quarantines(), 1U);
    expect_healed(start());
}

TEST_F(Scrub, OfAStoreInUseFindsNothingWhereNothingIs) {
    const auto opened = *open_rocksdb_store(large_store());
    store_user user(*opened);
    for (int i = 0; i < 50; ++i) {
        user.commit_durably([&](batch& to) { to.put(table::retained, "more", payload(i)); });
    }
    EXPECT_TRUE(comes_true([&] { return opened->counts().files_verified > 20; }));
    opened->close();
    EXPECT_EQ(opened->counts().files_rotten, 0U);
    EXPECT_FALSE(fs::exists(database() / suspicion_name));
}

TEST_F(Scrub, IsOffUnlessAskedFor) {
    const auto opened = *open_rocksdb_store(options_in(store()));
    std::this_thread::sleep_for(10ms);
    EXPECT_EQ(opened->counts().files_verified, 0U);
    opened->close();
}

} // namespace
} // namespace gv::storage
