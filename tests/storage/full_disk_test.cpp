// SPDX-License-Identifier: Apache-2.0
// A store whose disk is full and has room again: it goes on by itself, and has lost nothing of
// which word was given, whenever power fails after that.
#include "storage/database_lock.hpp"
#include "storage/rocksdb_store.hpp"
#include "tests/storage/held_state.hpp"
#include "tests/storage/power_loss_file_system.hpp"
#include "tests/storage/trial_database.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <future>
#include <ostream>
#include <random>
#include <set>
#include <thread>

namespace gv::storage {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kib = 1024;
constexpr auto too_long = 20s;

template <typename Condition>
[[nodiscard]] bool comes_true(Condition&& holds) {
    const auto end = std::chrono::steady_clock::now() + too_long;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > end) {
            return false;
        }
        std::this_thread::sleep_for(1ms);
    }
    return true;
}

/// What LZ4 cannot make smaller; told by its number.
[[nodiscard]] std::string payload(std::uint64_t number) {
    std::mt19937_64 random(number);
    std::string made = std::to_string(number) + " ";
    while (made.size() < 2 * kib) {
        made += static_cast<char>(random());
    }
    return made;
}

/// What one shard does: it puts a row into a queue with each hand-over, and takes an older one out.
class busy_shard {
  public:
    static constexpr std::uint64_t length = 200; ///< of the queue

    explicit busy_shard(store& on) : store_(&on) {
        on.listen(
            shard_id{0}, [this](progress word) { hear(word); },
            [this](read_answer answer) {
                const std::lock_guard lock(mutex_);
                answers_.push_back(std::move(answer));
            });
    }

    void add(durability wants = durability::fsync) {
        hand_over what{.ticket = ++added_, .wants = wants};
        if (added_ == 1) {
            session.put(what.operations);
        }
        session.put_row(what.operations, added_, payload(added_));
        if (added_ > length) {
            what.operations.erase(table::queue,
                                  queue_key_of(session.key(), added_ - length).view());
        }
        store_->commit(shard_id{0}, std::move(what));
    }
    void add_durably(int count) {
        for (int i = 0; i < count; ++i) {
            add();
        }
        ASSERT_TRUE(comes_true([this] { return durable() == added_; }));
    }
    /// Until the store says that it is stalled.
    void add_until_stalled() {
        for (int i = 0; i < 100'000 && !is_stalled(); ++i) {
            add(static_cast<durability>(i % 3));
            std::this_thread::sleep_for(100us);
        }
        ASSERT_TRUE(is_stalled());
        std::this_thread::sleep_for(20ms); // the last sync may have word to give yet
    }
    void ask(std::uint64_t first, std::uint64_t end) {
        store_->read(shard_id{0}, session.wants(first, end));
    }

    [[nodiscard]] std::uint64_t added() const { return added_; }
    [[nodiscard]] std::uint64_t durable() { return locked(durable_); }
    [[nodiscard]] bool is_stalled() { return locked(is_stalled_); }
    [[nodiscard]] bool is_lost() { return locked(is_lost_); }
    [[nodiscard]] std::size_t resumes() { return locked(resumes_); }
    [[nodiscard]] std::vector<read_answer> answers() { return locked(answers_); }

    sample_session session;

  private:
    template <typename Value>
    [[nodiscard]] Value locked(const Value& of) {
        const std::lock_guard lock(mutex_);
        return of;
    }
    void hear(const progress& word) {
        const std::lock_guard lock(mutex_);
        EXPECT_GE(std::max(durable_, word.durable), durable_);
        durable_ = std::max(durable_, word.durable);
        resumes_ += is_stalled_ && !word.is_stalled ? 1U : 0U;
        is_stalled_ = word.is_stalled;
        is_lost_ = is_lost_ || word.is_lost;
    }

    store* store_;
    std::uint64_t added_ = 0;
    std::mutex mutex_;
    std::uint64_t durable_ = 0;
    std::size_t resumes_ = 0;
    bool is_stalled_ = false;
    bool is_lost_ = false;
    std::vector<read_answer> answers_;
};

class FullDisk : public testing::Test {
  protected:
    FullDisk() : disk(std::make_shared<power_loss_file_system>()) {}

    [[nodiscard]] rocksdb_options options() const {
        rocksdb_options made;
        made.folder = folder / "store";
        made.cache_bytes = 1 << 20;
        made.write_buffer_bytes = 1 << 20;
        made.ballast_bytes = 0;
        made.file_system = disk;
        made.sync_interval = 50ms;
        made.resume_interval = 20ms;
        return made;
    }
    void open() {
        auto opened = open_rocksdb_store(options());
        ASSERT_TRUE(opened) << opened.error().what;
        kept = *std::move(opened);
        shard.emplace(*kept);
    }
    void make_small(std::uint64_t room) { disk->set_capacity(disk->used() + room); }
    void make_room() { disk->set_capacity(std::uint64_t{1} << 40); }
    void await_resumed(std::size_t times = 1) {
        ASSERT_TRUE(comes_true([&] { return shard->resumes() >= times && !shard->is_stalled(); }))
            << "lost: " << shard->is_lost();
    }
    /// Numbers of the rows in the queue of a store.
    [[nodiscard]] static std::set<std::uint64_t> rows_in(const rocksdb_options& where) {
        std::set<std::uint64_t> found;
        const auto opened = open_rocksdb_store(where);
        EXPECT_TRUE(opened) << opened.error().what;
        if (!opened) {
            return found;
        }
        EXPECT_EQ((*opened)->counts().lost_operations, 0U);
        // The mark is not on the disk of the test.
        const bool has_mark = where.file_system != nullptr;
        EXPECT_LE((*opened)->counts().damaged_files, has_mark ? 0U : 1U);
        store_user user(**opened);
        const read_answer all = user.read(sample_session{}.wants(0, 1'000'000, 100'000, 1 << 30));
        EXPECT_FALSE(all.is_broken);
        for (const stored_row& each : all.rows) {
            found.insert(each.sequence);
            EXPECT_EQ(payload_of(each), payload(each.sequence));
        }
        return found;
    }
    /// What follows from all hand-overs up to `last`.
    [[nodiscard]] static std::set<std::uint64_t> rows_after(std::uint64_t last) {
        std::set<std::uint64_t> rows;
        for (std::uint64_t n = last > busy_shard::length ? last - busy_shard::length + 1 : 1;
             n <= last; ++n) {
            rows.insert(n);
        }
        return rows;
    }
    /// The store is as after some hand-over that is not before `durable`.
    static void expect_after(const std::set<std::uint64_t>& found, std::uint64_t durable) {
        ASSERT_FALSE(found.empty());
        EXPECT_GE(*found.rbegin(), durable);
        EXPECT_EQ(found, rows_after(*found.rbegin()));
    }
    /// Power fails now: what is durable is there.
    void expect_to_outlast_power(std::uint64_t durable) {
        for (std::uint64_t seed = 0; seed < 6; ++seed) {
            SCOPED_TRACE("seed " + std::to_string(seed));
            rocksdb_options after = options();
            const scratch_folder scratch;
            after.folder = scratch / "store";
            after.file_system = nullptr;
            disk->crash({.seed = seed}, options().folder, after.folder);
            expect_after(rows_in(after), durable);
        }
    }
    void expect_all_after_reopening() {
        const std::uint64_t all = shard->added();
        kept->close();
        kept.reset();
        EXPECT_EQ(rows_in(options()), rows_after(all));
    }

    scratch_folder folder;
    std::shared_ptr<power_loss_file_system> disk;
    std::unique_ptr<store> kept;
    std::optional<busy_shard> shard; ///< hears of the store until that is closed

    void TearDown() override {
        if (kept) {
            kept->close();
        }
    }
};

// Whatever finds no room.

struct full_case {
    std::string name;
    fault broken;
};
std::ostream& operator<<(std::ostream& out, const full_case& of) { return out << of.name; }

class FullDiskAt : public FullDisk, public testing::WithParamInterface<full_case> {};

TEST_P(FullDiskAt, GoesOnAndLosesNothing) {
    open();
    shard->add_durably(150);
    disk->inject(GetParam().broken);
    for (int i = 0; i < 20'000 && disk->struck() == 0; ++i) {
        shard->add(static_cast<durability>(i % 3));
        std::this_thread::sleep_for(50us);
    }
    ASSERT_GT(disk->struck(), 0U);
    await_resumed();
    expect_to_outlast_power(0);
    shard->add_durably(300);
    EXPECT_FALSE(shard->is_lost());
    EXPECT_EQ(kept->counts().resumes, 1U);
    EXPECT_TRUE(kept->counts().is_writable);
    EXPECT_EQ(kept->counts().rows_lost, 0U);
    EXPECT_FALSE(std::filesystem::exists(options().folder + "/db/suspect")) << "nothing is damaged";
    expect_to_outlast_power(shard->durable());
    expect_all_after_reopening();
}

constexpr auto no_space = io_fault::no_space;

INSTANTIATE_TEST_SUITE_P(
    RocksDb, FullDiskAt,
    testing::Values(full_case{"InLog", {io_operation::append, no_space, ".log", 20, 2}},
                    full_case{"InSyncOfLog", {io_operation::sync, no_space, ".log", 3}},
                    full_case{"InCreationOfLog", {io_operation::create, no_space, ".log", 0}},
                    full_case{"InFlush", {io_operation::append, no_space, ".sst", 0}},
                    full_case{"LateInFlush", {io_operation::append, no_space, ".sst", 5}},
                    full_case{"InSyncOfTable", {io_operation::sync, no_space, ".sst", 0}},
                    full_case{"InCreationOfTable", {io_operation::create, no_space, ".sst", 0}},
                    full_case{"InCompaction", {io_operation::create, no_space, ".sst", 4}},
                    full_case{"InTables40", {io_operation::append, no_space, ".sst", 40}},
                    full_case{"InTables60", {io_operation::append, no_space, ".sst", 60}},
                    full_case{"InTables80", {io_operation::append, no_space, ".sst", 80}},
                    full_case{"InTables100", {io_operation::append, no_space, ".sst", 100}},
                    full_case{"InTables120", {io_operation::append, no_space, ".sst", 120}},
                    full_case{"InManifest", {io_operation::append, no_space, "MANIFEST", 1}},
                    full_case{"InSyncOfManifest", {io_operation::sync, no_space, "MANIFEST", 0}},
                    full_case{"InSyncOfFolder", {io_operation::sync_directory, no_space, "", 0}}),
    [](const auto& test) { return test.param.name; });

/// The opening itself finds no room at its n-th operation, for every n there is.
class FullDiskWhileResuming : public FullDisk, public testing::WithParamInterface<io_operation> {};

TEST_P(FullDiskWhileResuming, TriesAgain) {
    for (std::size_t n = 0; n < 8; ++n) {
        SCOPED_TRACE(n);
        disk = std::make_shared<power_loss_file_system>();
        const scratch_folder fresh;
        rocksdb_options where = options();
        where.folder = fresh / "store";
        const auto opened = open_rocksdb_store(where);
        ASSERT_TRUE(opened);
        busy_shard busy(**opened);
        busy.add_durably(100);
        make_small(20 * kib);
        busy.add_until_stalled();
        disk->inject({.on = GetParam(), .error = no_space, .name = "", .after = n});
        make_room();
        ASSERT_TRUE(comes_true([&] { return busy.durable() == busy.added(); }));
        busy.add_durably(100);
        EXPECT_FALSE(busy.is_lost());
        const std::uint64_t all = busy.added();
        (*opened)->close();
        disk->mend();
        EXPECT_EQ(rows_in(where), rows_after(all));
    }
}

INSTANTIATE_TEST_SUITE_P(RocksDb, FullDiskWhileResuming,
                         testing::Values(io_operation::append, io_operation::sync,
                                         io_operation::create, io_operation::rename,
                                         io_operation::sync_directory),
                         [](const auto& test) {
                             std::string name(to_text(test.param));
                             std::erase(name, ' ');
                             return name;
                         });

// While it is full.

TEST_F(FullDisk, WhoLooksAtTheStoreMeanwhileDoesNotEndIt) {
    open();
    shard->add_durably(100);
    make_small(50 * kib);
    shard->add_until_stalled();
    database_lock looking({});
    const std::string place = options().folder;
    ASSERT_TRUE(comes_true([&] { return bool(looking.take(place)); })) << "it is never closed";
    make_room();
    std::this_thread::sleep_for(300ms);
    EXPECT_TRUE(shard->is_stalled());
    EXPECT_FALSE(shard->is_lost());
    looking.release();
    await_resumed();
    shard->add_durably(100);
    expect_all_after_reopening();
}

TEST_F(FullDisk, WaitsForRoomWithoutWordAndThenGivesIt) {
    open();
    shard->add_durably(100);
    make_small(100 * kib);
    shard->add_until_stalled();
    EXPECT_FALSE(kept->counts().is_writable);
    const std::uint64_t before = shard->durable();
    shard->add();
    std::this_thread::sleep_for(500ms);
    EXPECT_EQ(shard->durable(), before);
    EXPECT_TRUE(shard->is_stalled());
    expect_to_outlast_power(0);
    make_room();
    await_resumed();
    ASSERT_TRUE(comes_true([&] { return shard->durable() == shard->added(); }));
    EXPECT_GT(kept->counts().stalled_nanoseconds, 400'000'000U);
    EXPECT_EQ(kept->node().boot, boot_id{1}) << "the same life";
    expect_to_outlast_power(shard->durable());
    expect_all_after_reopening();
}

TEST_F(FullDisk, AnswersReadsOnceThereIsRoom) {
    open();
    shard->add_durably(300);
    make_small(50 * kib);
    shard->add_until_stalled();
    shard->ask(290, 300);
    std::this_thread::sleep_for(200ms);
    EXPECT_TRUE(shard->answers().empty());
    make_room();
    ASSERT_TRUE(comes_true([&] { return !shard->answers().empty(); }));
    const read_answer answer = shard->answers().front();
    EXPECT_FALSE(answer.is_broken);
    ASSERT_EQ(answer.rows.size(), 10U);
    for (const stored_row& each : answer.rows) {
        EXPECT_EQ(payload_of(each), payload(each.sequence));
    }
    EXPECT_EQ(kept->counts().rows_lost, 0U);
}

TEST_F(FullDisk, MayBeFullAgainAndAgain) {
    open();
    for (std::size_t round = 1; round <= 4; ++round) {
        shard->add_durably(50);
        make_small(30 * kib * round);
        shard->add_until_stalled();
        make_room();
        await_resumed(round);
    }
    shard->add_durably(50);
    EXPECT_GE(kept->counts().resumes, 4U);
    expect_to_outlast_power(shard->durable());
    expect_all_after_reopening();
}

TEST_F(FullDisk, StaysStalledWhileThereIsLessRoomThanAnOpeningTakes) {
    open();
    shard->add_durably(100);
    make_small(50 * kib);
    shard->add_until_stalled();
    const std::size_t operations = disk->operations();
    make_small(1000 * kib);
    std::this_thread::sleep_for(300ms);
    EXPECT_TRUE(shard->is_stalled());
    EXPECT_EQ(disk->operations(), operations) << "nothing was tried";
    make_room();
    await_resumed();
}

// As a compaction leaves that found no room.
TEST_F(FullDisk, ErasesWhatNobodyUsesToHaveRoom) {
    open();
    shard->add_durably(300);
    const std::string stranger = options().folder + "/db/999999.sst";
    std::unique_ptr<rocksdb::FSWritableFile> file;
    ASSERT_TRUE(disk->NewWritableFile(stranger, {}, &file, nullptr).ok());
    ASSERT_TRUE(file->Append(std::string(10'000 * kib, 'x'), {}, nullptr).ok());
    ASSERT_TRUE(file->Close({}, nullptr).ok());
    make_small(50 * kib);
    for (int i = 0; i < 50; ++i) {
        shard->add();
    }
    await_resumed();
    EXPECT_FALSE(std::filesystem::exists(stranger));
    shard->add_durably(50);
    make_room();
    expect_all_after_reopening();
}

TEST_F(FullDisk, TakesItsBallastAgain) {
    rocksdb_options with_ballast = options();
    with_ballast.ballast_bytes = 100 * kib;
    auto opened = open_rocksdb_store(with_ballast);
    ASSERT_TRUE(opened);
    kept = *std::move(opened);
    shard.emplace(*kept);
    shard->add_durably(50);
    const std::string ballast = with_ballast.folder + "/ballast";
    EXPECT_TRUE(std::filesystem::exists(ballast));
    make_small(50 * kib);
    shard->add_until_stalled();
    EXPECT_FALSE(std::filesystem::exists(ballast));
    make_room();
    await_resumed();
    EXPECT_TRUE(std::filesystem::exists(ballast));
    shard->add_durably(50);
    expect_all_after_reopening();
}

TEST_F(FullDisk, EndsAtOnceAndLosesOnlyWhatItGaveNoWordOf) {
    open();
    shard->add_durably(100);
    make_small(50 * kib);
    shard->add_until_stalled();
    shard->ask(1, 10);
    const std::uint64_t durable = shard->durable();
    const auto begun = std::chrono::steady_clock::now();
    kept->close();
    // RocksDB waits for a second after a flush that failed.
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
    EXPECT_EQ(shard->durable(), durable);
    kept.reset();
    make_room();
    expect_after(rows_in(options()), durable);
}

TEST_F(FullDisk, ItsEndCompletesEverythingIfThereIsRoomAgain) {
    open();
    shard->add_durably(100);
    make_small(50 * kib);
    shard->add_until_stalled();
    make_room();
    expect_all_after_reopening();
}

TEST_F(FullDisk, ALaterFailureIsForEver) {
    open();
    shard->add_durably(50);
    make_small(50 * kib);
    shard->add_until_stalled();
    disk->inject({.on = io_operation::sync, .error = io_fault::sync_failed, .name = ""});
    make_room();
    ASSERT_TRUE(comes_true([&] { return shard->is_lost(); }));
    EXPECT_EQ(kept->counts().resumes, 0U);
    EXPECT_FALSE(kept->counts().is_stalled);
    EXPECT_FALSE(kept->counts().is_writable);
    const std::uint64_t durable = shard->durable();
    kept->close();
    kept.reset();
    expect_after(rows_in(options()), durable);
}

TEST_F(FullDisk, AnErrorOfTheDiskIsForEver) {
    for (const fault& each : {fault{io_operation::append, io_fault::other, ".log"},
                              fault{io_operation::sync, io_fault::sync_failed, ".log"}}) {
        disk = std::make_shared<power_loss_file_system>();
        const scratch_folder fresh;
        rocksdb_options where = options();
        where.folder = fresh / "store";
        const auto opened = open_rocksdb_store(where);
        ASSERT_TRUE(opened);
        busy_shard busy(**opened);
        busy.add_durably(10);
        disk->inject(each);
        busy.add();
        ASSERT_TRUE(comes_true([&] { return busy.is_lost(); }));
        std::this_thread::sleep_for(200ms);
        EXPECT_FALSE(busy.is_stalled());
        EXPECT_FALSE((*opened)->counts().is_writable);
        EXPECT_EQ(busy.durable(), 10U);
        (*opened)->close();
    }
}

// Another store in its place is not taken for it: what is in memory does not fit to that.
TEST_F(FullDisk, AnotherStoreInItsPlaceIsNotTaken) {
    open();
    shard->add_durably(50);
    make_small(50 * kib);
    shard->add_until_stalled();
    std::filesystem::rename(options().folder + "/db", folder / "aside");
    make_room();
    ASSERT_TRUE(comes_true([&] { return shard->is_lost(); }));
    EXPECT_FALSE(std::filesystem::exists(options().folder + "/db/CURRENT"));
}

} // namespace
} // namespace gv::storage
