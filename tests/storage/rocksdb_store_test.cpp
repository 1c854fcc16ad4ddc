// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"
#include "storage/rocksdb_store.hpp"
#include "storage/rocksdb_words.hpp"
#include "tests/storage/held_state.hpp"
#include "tests/storage/trial_database.hpp"

#include <fcntl.h>
#include <rocksdb/db.h>
#include <rocksdb/file_system.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

namespace gv::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

class RocksdbStore : public testing::Test {
  protected:
    [[nodiscard]] rocksdb_options options() const {
        rocksdb_options made;
        made.folder = folder / "store";
        made.cache_bytes = 1 << 20;
        made.write_buffer_bytes = 4 << 20;
        made.ballast_bytes = 0;
        return made;
    }
    [[nodiscard]] std::unique_ptr<store> open() const {
        auto opened = open_rocksdb_store(options());
        EXPECT_TRUE(opened) << opened.error().what;
        return opened ? *std::move(opened) : nullptr;
    }
    /// Why it does not open.
    [[nodiscard]] problem refusal() const {
        const auto opened = open_rocksdb_store(options());
        EXPECT_FALSE(opened);
        return opened ? problem{} : opened.error();
    }
    /// Opens, hands over, closes.
    template <typename Fill>
    void write(Fill&& fill) const {
        const auto kept = open();
        ASSERT_TRUE(kept);
        store_user user(*kept);
        user.commit(std::forward<Fill>(fill));
        kept->close();
    }
    [[nodiscard]] held_state load() const {
        held_state found;
        if (const auto kept = open()) {
            const auto loaded = kept->load(found);
            EXPECT_TRUE(loaded) << loaded.error().what;
        }
        return found;
    }

    scratch_folder folder;
};

TEST_F(RocksdbStore, IsEmptyAtFirst) {
    const held_state found = load();
    EXPECT_EQ(found.calls, 1);
    EXPECT_THAT(found.sessions, IsEmpty());
    EXPECT_THAT(found.retained, IsEmpty());
    EXPECT_THAT(found.buckets, IsEmpty());
    EXPECT_THAT(found.strays, IsEmpty());
}

// As a broker left it that knew all tables but the latest.
TEST_F(RocksdbStore, OpensAStoreOfAnOlderVersion) {
    const sample_session one;
    write([&](batch& to) {
        one.put(to);
        to.put(table::retained, "topic", "message");
    });
    {
        std::vector<rocksdb::ColumnFamilyDescriptor> all;
        for (const char* const each : table_names) {
            all.emplace_back(each, rocksdb::ColumnFamilyOptions());
        }
        std::vector<rocksdb::ColumnFamilyHandle*> handles;
        rocksdb::DB* opened = nullptr;
        ASSERT_TRUE(
            rocksdb::DB::Open({}, database_folder(options().folder), all, &handles, &opened).ok());
        ASSERT_TRUE(opened->DropColumnFamily(handles.back()).ok());
        for (rocksdb::ColumnFamilyHandle* each : handles) {
            EXPECT_TRUE(opened->DestroyColumnFamilyHandle(each).ok());
        }
        EXPECT_TRUE(opened->Close().ok());
        delete opened;
    }
    const std::string key = route_key_of({.author = node_id{8}, .filter = "a/#"});
    write([&](batch& to) {
        std::string value;
        encode(route_row{.quality = qos::at_least_once}, value);
        to.put(table::routes, key, value);
    });
    const held_state found = load();
    EXPECT_EQ(found.sessions.size(), 1U);
    EXPECT_EQ(found.retained.size(), 1U);
    ASSERT_EQ(found.routes.size(), 1U);
    EXPECT_EQ(found.routes[0].filter, "a/#");
}

TEST_F(RocksdbStore, GivesBackWhatWasHandedOver) {
    const sample_session one;
    const bucket in{.slot = 5, .boot = boot_id{1}, .shard = shard_id{2}};
    write([&](batch& to) {
        one.put(to);
        one.put_queue(to, 4096, 2);
        one.put_subscription(to, "a/#", qos::exactly_once);
        one.put_row(to, 1, "inline");
        one.put_row(to, 2, {.in = in, .number = 1}, 5);
        put_body(to, {.in = in, .number = 1}, "body");
        one.put_release(to, 3, packet_id{4});
        one.put_inbound(to, packet_id{5});
        to.put(table::retained, "topic", "message");
        sample_session{.created = 2}.put_row(to, 1, "stray");
    });
    const held_state found = load();
    ASSERT_TRUE(found.sessions.contains("dev"));
    const stored_session& session = found.sessions.at("dev");
    EXPECT_EQ(session.record.id, one.id());
    EXPECT_EQ(session.record.expiry_seconds, 60U);
    EXPECT_EQ(session.queue.reserved_until, 4096U);
    EXPECT_EQ(session.queue.sent_until, 2U);
    ASSERT_EQ(session.subscriptions.size(), 1U);
    EXPECT_EQ(session.subscriptions[0].first, "a/#");
    ASSERT_EQ(session.rows.size(), 1U);
    EXPECT_EQ(session.rows[0].rows, 2U);
    EXPECT_EQ(session.rows[0].bucket, in);
    EXPECT_THAT(session.releases, ElementsAre(Pair(3U, packet_id{4})));
    EXPECT_THAT(session.inbound, ElementsAre(packet_id{5}));
    EXPECT_THAT(found.retained, ElementsAre(Pair("topic", "message")));
    EXPECT_THAT(found.buckets, ElementsAre(in));
    EXPECT_EQ(found.strays.size(), 1U);
    const auto kept = open();
    store_user user(*kept);
    EXPECT_THAT(payloads_of(user.read(one.wants(0, 100))), ElementsAre("inline", "body"));
    EXPECT_EQ(kept->counts().rows_read, 2U);
}

TEST_F(RocksdbStore, ARowIsReadOnceItIsDurable) {
    const auto kept = open();
    store_user user(*kept);
    const sample_session one;
    user.commit_durably([&](batch& to) { one.put_row(to, 1, "first"); });
    EXPECT_THAT(payloads_of(user.read(one.wants(0, 100))), ElementsAre("first"));
    user.commit_durably([&](batch& to) { one.put_row(to, 2, std::string(1 << 20, 'x')); });
    EXPECT_EQ(user.read(one.wants(2, 3)).rows.size(), 1U);
    EXPECT_GE(kept->counts().groups, 2U);
    EXPECT_GE(kept->counts().syncs, 2U);
    EXPECT_GT(kept->counts().bytes, std::uint64_t{1} << 20);
    EXPECT_TRUE(kept->counts().is_writable);
}

TEST_F(RocksdbStore, TheNewestValueStands) {
    write([](batch& to) {
        to.put(table::retained, "t", "old");
        to.put(table::retained, "gone", "x");
    });
    write([](batch& to) {
        to.put(table::retained, "t", "between");
        to.put(table::retained, "t", "new");
        to.erase(table::retained, "gone");
        to.erase(table::retained, "never there");
    });
    EXPECT_THAT(load().retained, ElementsAre(Pair("t", "new")));
}

TEST_F(RocksdbStore, ErasesARangeWithoutItsEnd) {
    write([](batch& to) {
        for (const char* each : {"a", "b", "b1", "c", "d"}) {
            to.put(table::retained, each, "x");
        }
    });
    write([](batch& to) { to.erase_range(table::retained, "b", "c"); });
    EXPECT_THAT(load().retained, ElementsAre(Pair("a", "x"), Pair("c", "x"), Pair("d", "x")));
    write([](batch& to) {
        to.erase_range(table::retained, "a", "z");
        to.put(table::retained, "b", "behind it");
    });
    EXPECT_THAT(load().retained, ElementsAre(Pair("b", "behind it")));
}

// In one memtable, in which rows and ranges of a session are apart.
TEST_F(RocksdbStore, ManyRangesOfASessionAreErasedBetweenItsRows) {
    const sample_session one;
    write([&](batch& to) {
        one.put(to);
        for (std::uint64_t sequence = 0; sequence < 2'000; ++sequence) {
            one.put_row(to, sequence, "x");
            if (sequence % 10 == 9) {
                to.erase_range(table::queue, queue_key_of(one.key(), sequence - 9).view(),
                               queue_key_of(one.key(), sequence).view());
            }
        }
    });
    const held_state found = load();
    ASSERT_EQ(found.sessions.size(), 1U);
    std::uint64_t rows = 0;
    for (const stored_rows& each : found.sessions.at(one.client).rows) {
        rows += each.rows;
    }
    EXPECT_EQ(rows, 200U);
}

TEST_F(RocksdbStore, ABrokenRowIsCountedAndTheRestGiven) {
    write([](batch& to) {
        sample_session{}.put(to);
        to.put(table::sessions, client_key_of(partition_id{1}, "bad"), "?");
        sample_session{.created = 2}.put_row(to, 1, "whose session may be the broken one");
    });
    const auto kept = open();
    held_state found;
    EXPECT_TRUE(kept->load(found));
    EXPECT_TRUE(found.sessions.contains("dev"));
    EXPECT_THAT(found.strays, IsEmpty());
    EXPECT_EQ(kept->counts().rows_lost, 1U);
}

TEST_F(RocksdbStore, ABrokenRowIsRefusedWhereNothingShallBeSalvaged) {
    write([](batch& to) {
        sample_session{}.put(to);
        to.put(table::sessions, client_key_of(partition_id{1}, "bad"), "?");
    });
    rocksdb_options strict = options();
    strict.salvage = false;
    const auto kept = *open_rocksdb_store(strict);
    held_state found;
    const auto loaded = kept->load(found);
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().place, options().folder);
    EXPECT_THAT(loaded.error().what, HasSubstr("1 rows are broken"));
    EXPECT_THAT(loaded.error().remedy, Not(IsEmpty()));
    EXPECT_TRUE(found.sessions.contains("dev"));
}

// Who it is.

TEST_F(RocksdbStore, CountsItsLivesAndKeepsItsName) {
    node_id name;
    for (std::uint32_t life = 1; life <= 4; ++life) {
        const auto kept = open();
        EXPECT_EQ(kept->node().boot, boot_id{life});
        EXPECT_EQ(kept->node().schema, schema);
        EXPECT_NE(kept->node().node, node_id{});
        EXPECT_EQ(kept->node().node, life == 1 ? kept->node().node : name);
        name = kept->node().node;
    }
    const scratch_folder elsewhere;
    rocksdb_options other = options();
    other.folder = elsewhere / "store";
    EXPECT_NE((*open_rocksdb_store(other))->node().node, name);
}

TEST_F(RocksdbStore, KnowsHowLateItIsAtLeast) {
    EXPECT_EQ(open()->last_stamp(), hybrid_time{});
    hybrid_clock clock;
    const hybrid_time before = clock.next(std::chrono::system_clock::now());
    write([](batch& to) { to.put(table::retained, "t", "x"); });
    const hybrid_time stamp = open()->last_stamp();
    EXPECT_GE(stamp, before);
    EXPECT_LE(stamp, clock.next(std::chrono::system_clock::now()));
}

// Refusals.

TEST_F(RocksdbStore, IsOpenedOnce) {
    const auto kept = open();
    const problem why = refusal();
    EXPECT_EQ(why.place, options().folder);
    EXPECT_EQ(why.what, "another process uses this store");
    EXPECT_THAT(why.remedy, HasSubstr("storage.folder"));
    EXPECT_EQ(kept->node().boot, boot_id{1}) << "the first goes on";
    store_user(*kept).commit_durably([](batch& to) { to.put(table::retained, "t", "x"); });
}

/// A process that has locked a file, until this object ends.
class locking_process {
  public:
    explicit locking_process(const std::string& file) {
        int ready[2];
        EXPECT_EQ(::pipe(ready), 0);
        child_ = ::fork();
        if (child_ == 0) {
            const int locked = ::open(file.c_str(), O_RDWR);
            struct flock whole{};
            whole.l_type = F_WRLCK;
            const char done = ::fcntl(locked, F_SETLK, &whole) == 0 ? 'y' : 'n';
            static_cast<void>(::write(ready[1], &done, 1));
            for (;;) {
                ::pause();
            }
        }
        char done = 'n';
        EXPECT_EQ(::read(ready[0], &done, 1), 1);
        EXPECT_EQ(done, 'y');
        ::close(ready[0]);
        ::close(ready[1]);
    }
    locking_process(const locking_process&) = delete;
    locking_process& operator=(const locking_process&) = delete;
    ~locking_process() {
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
    }

  private:
    pid_t child_ = -1;
};

TEST_F(RocksdbStore, IsNotSharedWithAnotherProcessAndFreeWhenThatWasKilled) {
    open()->close();
    {
        const locking_process other(options().folder + "/db/LOCK");
        EXPECT_EQ(refusal().what, "another process uses this store");
    }
    EXPECT_EQ(open()->node().boot, boot_id{2}) << "a refused start is none";
}

/// Another process takes the lock when this one has looked at the files and is about to open them.
class lock_taken_meanwhile final : public rocksdb::FileSystemWrapper {
  public:
    lock_taken_meanwhile() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
    const char* Name() const override { return "lock_taken_meanwhile"; }
    rocksdb::IOStatus LockFile(const std::string& name, const rocksdb::IOOptions& how,
                               rocksdb::FileLock** lock, rocksdb::IODebugContext* dbg) override {
        ++locks;
        return locks == 1 ? target_->LockFile(name, how, lock, dbg)
                          : rocksdb::IOStatus::IOError("While lock file: " + name,
                                                       "Resource temporarily unavailable");
    }
    int locks = 0;
};

TEST_F(RocksdbStore, TakenByAnotherProcessMeanwhileIsSaidOnceAndPlainly) {
    std::vector<std::string> lines;
    log::settings caught;
    caught.sink = [&lines](std::string_view line) { lines.emplace_back(line); };
    ASSERT_EQ(log::configure(caught), "");
    const auto meanwhile = std::make_shared<lock_taken_meanwhile>();
    rocksdb_options wanted = options();
    wanted.file_system = meanwhile;
    const auto opened = open_rocksdb_store(wanted);
    ASSERT_EQ(log::configure({}), "");
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().what, "another process uses this store");
    EXPECT_EQ(meanwhile->locks, 2);
    EXPECT_THAT(lines, IsEmpty());
}

TEST_F(RocksdbStore, ALockFileThatCannotBeOpenedIsNoOtherProcess) {
    std::filesystem::create_directories(options().folder + "/db/LOCK");
    const problem why = refusal();
    EXPECT_EQ(why.place, options().folder);
    EXPECT_THAT(why.what, Not(HasSubstr("another process")));
    EXPECT_THAT(why.what, HasSubstr("LOCK"));
}

TEST_F(RocksdbStore, AFileInPlaceOfTheFolderIsRefused) {
    std::ofstream(options().folder) << "a file";
    const problem why = refusal();
    EXPECT_EQ(why.place, options().folder);
    EXPECT_THAT(why.what, HasSubstr("the folder cannot be made"));
    EXPECT_THAT(why.remedy, HasSubstr("storage.folder"));
}

TEST_F(RocksdbStore, AFolderInsideAFileIsRefused) {
    std::ofstream(folder / "file") << "a file";
    rocksdb_options inside = options();
    inside.folder = folder / "file/store";
    const auto opened = open_rocksdb_store(inside);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().place, inside.folder);
    EXPECT_THAT(opened.error().what, HasSubstr("the folder cannot be made"));
}

TEST_F(RocksdbStore, AFolderThatMayNotBeWrittenToIsRefused) {
    if (::geteuid() == 0) {
        GTEST_SKIP() << "root may write everywhere";
    }
    std::filesystem::create_directories(options().folder);
    std::filesystem::permissions(options().folder, std::filesystem::perms::owner_read
                                                       | std::filesystem::perms::owner_exec);
    const problem why = refusal();
    EXPECT_EQ(why.place, options().folder);
    EXPECT_THAT(why.what, HasSubstr("ermission denied"));
    std::filesystem::permissions(options().folder, std::filesystem::perms::owner_all);
}

void put_schema(batch& to, std::uint32_t number) {
    std::string value;
    encode(node_record{.schema = number, .node = node_id{1}, .boot = boot_id{7}}, value);
    to.put(table::meta, "N", value);
}

TEST_F(RocksdbStore, ANewerSchemaIsRefusedByItsNumberAndLeftAlone) {
    write([](batch& to) { put_schema(to, schema + 41); });
    for (int i = 0; i < 2; ++i) {
        const problem why = refusal();
        EXPECT_EQ(why.place, options().folder);
        EXPECT_EQ(why.what,
                  "the store was written by a newer version (schema 42, this one knows 1)");
        EXPECT_THAT(why.remedy, HasSubstr("run that version"));
    }
}

TEST_F(RocksdbStore, ANewerSchemaIsNamedEvenIfItHasMoreTables) {
    write([](batch& to) { put_schema(to, schema + 41); });
    {
        std::vector<std::string> names;
        const std::string place = options().folder + "/db";
        ASSERT_TRUE(rocksdb::DB::ListColumnFamilies(rocksdb::DBOptions(), place, &names).ok());
        std::vector<rocksdb::ColumnFamilyDescriptor> tables;
        for (const std::string& each : names) {
            tables.emplace_back(each, rocksdb::ColumnFamilyOptions());
        }
        std::vector<rocksdb::ColumnFamilyHandle*> handles;
        rocksdb::DB* opened = nullptr;
        ASSERT_TRUE(rocksdb::DB::Open(rocksdb::DBOptions(), place, tables, &handles, &opened).ok());
        const std::unique_ptr<rocksdb::DB> database(opened);
        rocksdb::ColumnFamilyHandle* more = nullptr;
        ASSERT_TRUE(
            database->CreateColumnFamily(rocksdb::ColumnFamilyOptions(), "more", &more).ok());
        handles.push_back(more);
        for (rocksdb::ColumnFamilyHandle* each : handles) {
            database->DestroyColumnFamilyHandle(each);
        }
    }
    EXPECT_THAT(refusal().what, HasSubstr("newer version (schema 42"));
}

TEST_F(RocksdbStore, ANodeRecordThatIsCutShortIsRefused) {
    write([](batch& to) { to.put(table::meta, "N", "short"); });
    EXPECT_THAT(refusal().what, HasSubstr("cut short"));
}

// The end.

TEST_F(RocksdbStore, CloseKeepsWhatNobodyWaitedFor) {
    {
        const auto kept = open();
        hand_over what{.ticket = 1, .wants = durability::memory};
        what.operations.put(table::retained, "t", "x");
        kept->commit(shard_id{0}, std::move(what));
        kept->close();
        kept->close();
    }
    EXPECT_THAT(load().retained, ElementsAre(Pair("t", "x")));
}

} // namespace
} // namespace gv::storage
