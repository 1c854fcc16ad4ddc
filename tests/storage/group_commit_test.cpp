// SPDX-License-Identifier: Apache-2.0
// Groups on real threads, with a target that stands still where a test wants it to.
#include "storage/group_commit.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>

namespace gv::storage {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSubsetOf;
using testing::Not;

/// Only a test that hangs waits so long.
constexpr auto too_long = std::chrono::seconds(20);

using keys = std::vector<std::string>;

/// Writes nothing, remembers everything, and goes on only while its gates are open.
class gated_target final : public commit_target {
  public:
    commit_outcome write(std::span<const batch* const> group) override {
        std::unique_lock lock(mutex_);
        ++writes_begun;
        changed_.notify_all();
        changed_.wait(lock, [this] { return lets_write; });
        keys all;
        for (const batch* each : group) {
            each->for_each([&](const batch::operation& what) { all.emplace_back(what.key); });
        }
        groups.push_back(std::move(all));
        changed_.notify_all();
        return fails_write   ? commit_outcome::failed
               : fills_write ? commit_outcome::no_room
                             : commit_outcome::done;
    }
    commit_outcome sync() override {
        std::unique_lock lock(mutex_);
        const std::size_t covered = groups.size();
        ++syncs_begun;
        changed_.notify_all();
        changed_.wait(lock, [this] { return lets_sync; });
        if (fails_sync) {
            return commit_outcome::failed;
        }
        if (fills_sync) {
            return commit_outcome::no_room;
        }
        synced = covered;
        return commit_outcome::done;
    }
    commit_outcome resume() override {
        const std::lock_guard lock(mutex_);
        ++resumes;
        changed_.notify_all();
        if (resumed == commit_outcome::done) {
            fills_write = fills_sync = false;
        }
        return resumed;
    }
    void on_resumed(std::chrono::nanoseconds, std::size_t operations) override {
        const std::lock_guard lock(mutex_);
        operations_again = operations;
        changed_.notify_all();
    }
    void on_lost() override {
        const std::lock_guard lock(mutex_);
        is_lost = true;
        changed_.notify_all();
    }

    /// Under the lock: changes what the target does.
    template <typename Change>
    void set(Change&& change) {
        const std::lock_guard lock(mutex_);
        change(*this);
        changed_.notify_all();
    }
    /// Waits until `holds` of the target.
    template <typename Condition>
    void await(Condition&& holds) {
        std::unique_lock lock(mutex_);
        ASSERT_TRUE(changed_.wait_for(lock, too_long, [&] { return holds(*this); }));
    }
    /// What was written, one group after the other.
    [[nodiscard]] keys all_keys() {
        const std::lock_guard lock(mutex_);
        keys all;
        for (const keys& each : groups) {
            all.insert(all.end(), each.begin(), each.end());
        }
        return all;
    }
    [[nodiscard]] std::vector<keys> all_groups() {
        const std::lock_guard lock(mutex_);
        return groups;
    }
    [[nodiscard]] std::size_t groups_synced() {
        const std::lock_guard lock(mutex_);
        return synced;
    }

    // Under the lock.
    bool lets_write = true;
    bool lets_sync = true;
    bool fails_write = false;
    bool fails_sync = false;
    bool fills_write = false; ///< says that there is no room, until it is resumed
    bool fills_sync = false;
    commit_outcome resumed = commit_outcome::no_room;
    std::size_t resumes = 0;
    std::optional<std::size_t> operations_again; ///< of the last resume
    bool is_lost = false;
    std::size_t writes_begun = 0;
    std::size_t syncs_begun = 0;
    std::size_t synced = 0; ///< groups that a sync covered
    std::vector<keys> groups;

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
};

/// What one shard hears.
class listener {
  public:
    void hear(progress word) {
        const std::lock_guard lock(mutex_);
        words_.push_back(std::move(word));
        changed_.notify_all();
    }
    template <typename Condition>
    void await(Condition&& holds) {
        std::unique_lock lock(mutex_);
        ASSERT_TRUE(changed_.wait_for(lock, too_long, [&] {
            return std::ranges::any_of(words_, [&](const progress& each) { return holds(each); });
        }));
    }
    void await_durable(std::uint64_t ticket) {
        await([=](const progress& word) { return word.durable >= ticket; });
    }
    void await_lost() {
        await([](const progress& word) { return word.is_lost; });
    }
    [[nodiscard]] std::vector<progress> words() {
        const std::lock_guard lock(mutex_);
        return words_;
    }
    [[nodiscard]] std::vector<std::uint64_t> transactions() {
        std::vector<std::uint64_t> all;
        for (const progress& word : words()) {
            for (const transaction_id each : word.transactions) {
                all.push_back(each.value);
            }
        }
        return all;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<progress> words_;
};

[[nodiscard]] std::string key(std::size_t shard, std::uint64_t ticket) {
    return std::to_string(shard) + ":" + std::to_string(ticket);
}

class GroupCommit : public testing::Test {
  protected:
    static constexpr std::size_t shards = 4;

    void begin(std::size_t group_bytes_max = std::size_t{2} << 20,
               std::chrono::milliseconds sync_interval = std::chrono::hours(1)) {
        begin({.group_bytes_max = group_bytes_max, .sync_interval = sync_interval});
    }
    void begin(const group_commit_options& options) {
        commits.emplace(target, options);
        for (std::size_t i = 0; i < shards; ++i) {
            commits->listen(shard_id{static_cast<std::uint16_t>(i)},
                            [this, i](progress word) { ears[i].hear(std::move(word)); });
        }
    }
    /// Hands over one row of that shard.
    void add(std::size_t shard, durability wants = durability::fsync) {
        hand_over what{.ticket = ++tickets[shard], .wants = wants};
        what.operations.put(table::small, key(shard, what.ticket), {});
        commits->add(shard_id{static_cast<std::uint16_t>(shard)}, std::move(what));
    }
    /// Every hand-over is a group, and resume() is called all the time.
    void begin_on_a_small_disk() {
        begin({.group_bytes_max = 1,
               .sync_interval = std::chrono::hours(1),
               .resume_interval = std::chrono::milliseconds(1)});
    }
    void await_stalled() {
        for (listener& each : ears) {
            each.await([](const progress& word) { return word.is_stalled; });
        }
    }
    void make_room() {
        target.set([](auto& now) { now.resumed = commit_outcome::done; });
        target.await([](const auto& now) { return now.operations_again.has_value(); });
    }
    /// Hands over one row, and a part of a transaction.
    void add_part(std::size_t shard, std::uint64_t transaction, std::uint64_t names) {
        hand_over what{.ticket = ++tickets[shard]};
        what.operations.put(table::small, key(shard, what.ticket), {});
        part& added = what.parts.emplace_back();
        added.id = transaction_id{transaction};
        added.names = names;
        added.operations.put(table::small, part_key(shard, transaction), {});
        commits->add(shard_id{static_cast<std::uint16_t>(shard)}, std::move(what));
    }
    [[nodiscard]] static std::string part_key(std::size_t shard, std::uint64_t transaction) {
        return "part of " + key(shard, transaction);
    }

    gated_target target;
    std::array<listener, shards> ears;
    std::array<std::uint64_t, shards> tickets{};
    std::optional<group_commit> commits; ///< ends before what it uses
};

TEST_F(GroupCommit, WordComesAfterTheSyncThatCoversIt) {
    target.lets_sync = false;
    begin();
    add(0);
    target.await([](const auto& now) { return now.syncs_begun == 1; });
    EXPECT_THAT(ears[0].words(), IsEmpty());
    target.set([](auto& now) { now.lets_sync = true; });
    ears[0].await_durable(1);
    EXPECT_EQ(target.groups_synced(), 1U);
}

TEST_F(GroupCommit, OnlyThoseHearWhoHandedOver) {
    begin();
    add(0);
    ears[0].await_durable(1);
    add(2);
    ears[2].await_durable(1);
    EXPECT_THAT(ears[1].words(), IsEmpty());
    EXPECT_EQ(ears[0].words().size(), 1U);
}

TEST_F(GroupCommit, HandOversOfAShardTakeEffectInTheirOrder) {
    begin(64); // a few in each group
    constexpr std::uint64_t count = 500;
    std::vector<std::thread> threads;
    for (std::size_t shard = 0; shard < shards; ++shard) {
        threads.emplace_back([this, shard] {
            for (std::uint64_t i = 0; i < count; ++i) {
                add(shard);
            }
        });
    }
    for (std::thread& each : threads) {
        each.join();
    }
    for (listener& each : ears) {
        each.await_durable(count);
    }
    const keys written = target.all_keys();
    ASSERT_EQ(written.size(), shards * count);
    std::array<std::uint64_t, shards> last{};
    for (const std::string& each : written) {
        const auto shard = static_cast<std::size_t>(each[0] - '0');
        const std::uint64_t ticket = std::stoull(each.substr(2));
        EXPECT_EQ(ticket, last[shard] + 1) << each;
        last[shard] = ticket;
    }
    for (listener& each : ears) {
        std::uint64_t durable = 0;
        for (const progress& word : each.words()) {
            EXPECT_GT(word.durable, durable);
            durable = word.durable;
        }
    }
}

TEST_F(GroupCommit, WhatComesDuringAWriteIsOneGroup) {
    target.lets_write = false;
    begin();
    add(0);
    target.await([](const auto& now) { return now.writes_begun == 1; });
    for (int i = 0; i < 5; ++i) {
        add(0);
        add(1);
    }
    target.set([](auto& now) { now.lets_write = true; });
    ears[0].await_durable(6);
    ears[1].await_durable(5);
    const std::vector<keys> groups = target.all_groups();
    ASSERT_EQ(groups.size(), 2U);
    EXPECT_THAT(groups[0], ElementsAre("0:1"));
    EXPECT_EQ(groups[1].size(), 10U);
    EXPECT_EQ(commits->counts().groups, 2U);
    EXPECT_EQ(commits->counts().operations, 11U);
}

TEST_F(GroupCommit, AGroupEndsWhereItIsLargeEnough) {
    target.lets_write = false;
    begin(7); // each hand-over has 3 bytes
    add(0);
    target.await([](const auto& now) { return now.writes_begun == 1; });
    for (int i = 0; i < 7; ++i) {
        add(0);
    }
    target.set([](auto& now) { now.lets_write = true; });
    ears[0].await_durable(8);
    EXPECT_THAT(target.all_groups(), ElementsAre(keys{"0:1"}, keys{"0:2", "0:3", "0:4"},
                                                 keys{"0:5", "0:6", "0:7"}, keys{"0:8"}));
}

TEST_F(GroupCommit, AHandOverLargerThanAGroupIsAGroup) {
    begin(7);
    hand_over what{.ticket = 1};
    what.operations.put(table::small, "large", std::string(1000, 'x'));
    commits->add(shard_id{0}, std::move(what));
    ears[0].await_durable(1);
    EXPECT_THAT(target.all_groups(), ElementsAre(keys{"large"}));
}

TEST_F(GroupCommit, GroupsAreWrittenWhileASyncBlocksAndTheNextSyncCoversThemAll) {
    target.lets_sync = false;
    begin(1); // every hand-over is a group
    add(0);
    target.await([](const auto& now) { return now.syncs_begun == 1; });
    for (int i = 0; i < 5; ++i) {
        add(1);
    }
    target.await([](const auto& now) { return now.groups.size() == 6; });
    EXPECT_THAT(ears[1].words(), IsEmpty());
    target.set([](auto& now) { now.lets_sync = true; });
    ears[1].await_durable(5);
    commits->close();
    // The last of them may be written and not yet in line when the sync returns.
    EXPECT_LE(ears[1].words().size(), 2U) << "one word for all that one sync covered";
    EXPECT_LE(commits->counts().syncs, 3U);
    EXPECT_EQ(commits->counts().groups, 6U);
}

TEST_F(GroupCommit, NothingIsSyncedForWhichNobodyWaits) {
    begin();
    add(0, durability::memory);
    ears[0].await_durable(1);
    EXPECT_EQ(commits->counts().syncs, 0U);
    add(0, durability::fsync);
    ears[0].await_durable(2);
    EXPECT_EQ(commits->counts().syncs, 1U);
}

TEST_F(GroupCommit, WhatNeedNotBeSyncedNowIsSyncedAtTheEndAtLast) {
    begin();
    add(0, durability::interval);
    add(1, durability::memory);
    ears[0].await_durable(1);
    EXPECT_EQ(commits->counts().syncs, 0U) << "its time is an hour";
    commits->close();
    EXPECT_EQ(commits->counts().syncs, 1U);
}

TEST_F(GroupCommit, WhatNeedNotBeSyncedNowIsSyncedWhenItsTimeHasCome) {
    begin(std::size_t{2} << 20, std::chrono::milliseconds(1));
    add(0, durability::interval);
    while (commits->counts().syncs == 0) {
        std::this_thread::yield();
    }
    commits->close();
    EXPECT_EQ(commits->counts().syncs, 1U) << "once is enough";
}

TEST_F(GroupCommit, ATransactionIsSyncedIfOneOfItsPartsWantsIt) {
    begin();
    for (const durability wants : {durability::fsync, durability::memory}) {
        hand_over what{.ticket = ++tickets[0], .wants = durability::memory};
        part& added = what.parts.emplace_back();
        added.id = transaction_id{7};
        added.names = 3;
        added.wants = wants;
        added.operations.put(table::small, part_key(0, what.ticket), {});
        commits->add(shard_id{0}, std::move(what));
    }
    ears[0].await_durable(2);
    EXPECT_THAT(ears[0].transactions(), testing::ElementsAre(7));
    EXPECT_EQ(commits->counts().syncs, 1U);
}

TEST_F(GroupCommit, AHandOverThatWasWithdrawnIsNotWritten) {
    begin();
    hand_over what{.ticket = 1};
    what.operations.withdraw(what.operations.put(table::small, "gone", {}));
    commits->add(shard_id{0}, std::move(what));
    ears[0].await_durable(1);
    EXPECT_THAT(target.all_groups(), IsEmpty());
}

TEST_F(GroupCommit, KeysValuesAndKindsReachTheTargetAsTheyWereGiven) {
    batch given;
    given.put(table::queue, "k", "v");
    given.withdraw(given.put(table::queue, "not", "this"));
    given.erase(table::small, "e");
    given.erase_range(table::bodies, "b", "c");
    std::vector<std::string> seen;
    given.for_each([&](const batch::operation& what) {
        seen.push_back(std::to_string(static_cast<int>(what.where)) + " "
                       + std::to_string(static_cast<int>(what.what)) + " " + std::string(what.key)
                       + " " + std::string(what.value));
    });
    EXPECT_THAT(seen, ElementsAre("4 0 k v", "5 1 e ", "6 2 b c"));
    EXPECT_EQ(given.size(), 3U);
    given.clear();
    EXPECT_TRUE(given.empty());
}

// Loss.

TEST_F(GroupCommit, AWriteThatFailsIsTheEndForAll) {
    target.fails_write = true;
    begin();
    add(0);
    for (listener& each : ears) {
        each.await_lost();
    }
    add(1);
    add(0);
    commits->close();
    for (listener& each : ears) {
        ASSERT_EQ(each.words().size(), 1U);
        EXPECT_EQ(each.words()[0].durable, 0U);
    }
    EXPECT_THAT(target.all_groups(), ElementsAre(keys{"0:1"})) << "it is never asked again";
    EXPECT_EQ(commits->counts().syncs, 0U);
    EXPECT_FALSE(commits->counts().is_writable);
}

TEST_F(GroupCommit, ASyncThatFailsIsTheEndForAll) {
    target.fails_sync = true;
    begin();
    add(0);
    for (listener& each : ears) {
        each.await_lost();
    }
    target.set([](auto& now) { now.fails_sync = false; });
    add(0);
    add(1);
    commits->close();
    for (listener& each : ears) {
        ASSERT_EQ(each.words().size(), 1U);
        EXPECT_EQ(each.words()[0].durable, 0U);
    }
    target.set([](auto& now) { EXPECT_EQ(now.syncs_begun, 1U); });
}

TEST_F(GroupCommit, WhatWasWrittenBehindASyncThatFailsIsLostToo) {
    target.lets_sync = false;
    begin(1);
    add(0);
    target.await([](const auto& now) { return now.syncs_begun == 1; });
    add(1);
    add(2);
    target.await([](const auto& now) { return now.groups.size() == 3; });
    target.set([](auto& now) {
        now.fails_sync = true;
        now.lets_sync = true;
    });
    for (listener& each : ears) {
        each.await_lost();
    }
    commits->close();
    for (listener& each : ears) {
        ASSERT_EQ(each.words().size(), 1U);
        EXPECT_EQ(each.words()[0].durable, 0U);
    }
}

// The sync may still succeed. Whoever was told that all is lost has acted on it by then.
TEST_F(GroupCommit, NothingIsDurableAfterALossEvenIfASyncUnderWayEndsWell) {
    target.lets_sync = false;
    begin(1);
    add(0);
    target.await([](const auto& now) { return now.syncs_begun == 1; });
    target.set([](auto& now) { now.fails_write = true; });
    add(1);
    for (listener& each : ears) {
        each.await_lost();
    }
    target.set([](auto& now) { now.lets_sync = true; });
    commits->close();
    for (listener& each : ears) {
        const std::vector<progress> words = each.words();
        ASSERT_EQ(words.size(), 1U);
        EXPECT_TRUE(words[0].is_lost);
    }
}

TEST_F(GroupCommit, WordBeforeALossStands) {
    begin();
    add(0);
    ears[0].await_durable(1);
    target.set([](auto& now) { now.fails_write = true; });
    add(0);
    ears[0].await_lost();
    const std::vector<progress> words = ears[0].words();
    ASSERT_EQ(words.size(), 2U);
    EXPECT_EQ(words[0].durable, 1U);
    EXPECT_FALSE(words[0].is_lost);
    EXPECT_TRUE(words[1].is_lost);
}

// A full disk.

TEST_F(GroupCommit, AWriteWithoutRoomWaitsAndIsWrittenAgain) {
    target.fills_write = true;
    begin_on_a_small_disk();
    add(0);
    await_stalled();
    EXPECT_FALSE(commits->counts().is_writable);
    EXPECT_TRUE(commits->counts().is_stalled);
    add(0);
    add(1);
    target.await([](const auto& now) { return now.resumes > 3; });
    EXPECT_THAT(target.all_groups(), ElementsAre(keys{"0:1"}));
    make_room();
    ears[0].await_durable(2);
    ears[1].await_durable(1);
    EXPECT_THAT(target.all_groups(),
                ElementsAre(keys{"0:1"}, keys{"0:1"}, keys{"0:2"}, keys{"1:1"}));
    EXPECT_TRUE(commits->counts().is_writable);
    EXPECT_EQ(commits->counts().resumes, 1U);
    EXPECT_GT(commits->counts().stalled_nanoseconds, 0U);
    EXPECT_EQ(target.operations_again, 1U);
    commits->close();
    EXPECT_EQ(target.groups_synced(), 4U);
    EXPECT_FALSE(ears[0].words().back().is_stalled);
    EXPECT_FALSE(ears[3].words().back().is_stalled);
    EXPECT_FALSE(target.is_lost);
}

TEST_F(GroupCommit, ASyncWithoutRoomIsFollowedByOneOfTheSameWrittenAgainAtOnce) {
    target.lets_sync = false;
    target.fills_sync = true;
    begin_on_a_small_disk();
    add(0);
    target.await([](const auto& now) { return now.syncs_begun == 1; });
    add(1);
    add(2, durability::memory);
    target.await([](const auto& now) { return now.groups.size() == 3; });
    target.set([](auto& now) { now.lets_sync = true; });
    await_stalled();
    add(0);
    make_room();
    ears[0].await_durable(2);
    ears[1].await_durable(1);
    ears[2].await_durable(1);
    EXPECT_THAT(target.all_groups(), ElementsAre(keys{"0:1"}, keys{"1:1"}, keys{"2:1"},
                                                 keys{"0:1", "1:1", "2:1"}, keys{"0:2"}));
}

// Of it word was given: it was written, and nobody had asked for more.
TEST_F(GroupCommit, WhatNobodyWantedSyncedIsWrittenAgainToo) {
    begin_on_a_small_disk();
    add(0, durability::memory);
    add(0, durability::interval);
    ears[0].await_durable(2);
    commits->on_full();
    await_stalled();
    make_room();
    EXPECT_THAT(target.all_groups(), ElementsAre(keys{"0:1"}, keys{"0:2"}, keys{"0:1", "0:2"}));
    EXPECT_EQ(target.groups_synced(), 3U);
}

TEST_F(GroupCommit, WhatASyncCoveredIsNotWrittenAgain) {
    begin_on_a_small_disk();
    add(0);
    ears[0].await_durable(1);
    commits->on_full();
    await_stalled();
    make_room();
    EXPECT_THAT(target.all_groups(), ElementsAre(keys{"0:1"}));
    EXPECT_EQ(target.operations_again, 0U);
}

TEST_F(GroupCommit, MuchThatNobodyWantsSyncedIsSyncedAllTheSame) {
    begin({.sync_interval = std::chrono::hours(1), .unsynced_bytes_max = 7});
    add(0, durability::memory);
    add(0, durability::memory);
    ears[0].await_durable(2);
    EXPECT_EQ(commits->counts().syncs, 0U) << "3 bytes each";
    add(0, durability::memory);
    ears[0].await_durable(3);
    EXPECT_EQ(commits->counts().syncs, 1U);
}

TEST_F(GroupCommit, ADiskMayBeFullAgainAtOnce) {
    target.fills_write = true;
    begin_on_a_small_disk();
    add(0);
    await_stalled();
    add(0);
    target.set([](auto& now) { now.lets_sync = false; });
    target.set([](auto& now) { now.resumed = commit_outcome::done; });
    target.await([](const auto& now) { return now.syncs_begun == 1; });
    target.set([](auto& now) {
        now.fills_sync = true;
        now.resumed = commit_outcome::no_room;
        now.lets_sync = true;
    });
    const std::size_t so_far = [&] {
        std::size_t found = 0;
        target.set([&](auto& now) { found = now.resumes; });
        return found;
    }();
    target.await([=](const auto& now) { return now.resumes > so_far + 2; });
    EXPECT_TRUE(commits->counts().is_stalled);
    EXPECT_THAT(ears[0].words(), testing::SizeIs(1));
    make_room();
    ears[0].await_durable(2);
    EXPECT_THAT(target.all_groups(),
                ElementsAre(keys{"0:1"}, keys{"0:1"}, keys{"0:1"}, keys{"0:2"}));
}

TEST_F(GroupCommit, AFailureWhileResumingIsTheEndForAll) {
    target.fills_write = true;
    begin_on_a_small_disk();
    add(0);
    await_stalled();
    target.set([](auto& now) { now.resumed = commit_outcome::failed; });
    for (listener& each : ears) {
        each.await_lost();
    }
    EXPECT_TRUE(target.is_lost);
    EXPECT_FALSE(commits->counts().is_stalled);
    EXPECT_FALSE(commits->counts().is_writable);
    for (const progress& each : ears[0].words()) {
        EXPECT_EQ(each.durable, 0U);
    }
}

TEST_F(GroupCommit, MoreThanMayWaitIsTheEndForAll) {
    target.fills_write = true;
    begin({.stalled_bytes_max = 100,
           .stalled_bytes_of_shard = 0,
           .resume_interval = std::chrono::milliseconds(1)});
    add(0);
    await_stalled();
    for (int i = 0; i < 40; ++i) {
        add(1);
    }
    ears[1].await_lost();
    EXPECT_TRUE(target.is_lost);
}

TEST_F(GroupCommit, CloseOnAFullDiskEndsAtOnceWithoutWord) {
    target.fills_write = true;
    begin({.resume_interval = std::chrono::hours(1)});
    add(0);
    await_stalled();
    add(0);
    commits->close();
    EXPECT_THAT(target.all_groups(), ElementsAre(keys{"0:1"}));
    for (const progress& each : ears[0].words()) {
        EXPECT_EQ(each.durable, 0U);
    }
    EXPECT_TRUE(target.is_lost);
}

TEST_F(GroupCommit, CloseOnADiskThatHasRoomAgainCompletesEverything) {
    target.fills_write = true;
    begin({.resume_interval = std::chrono::hours(1)});
    add(0);
    await_stalled();
    target.await([](const auto& now) { return now.resumes == 1; });
    add(0);
    target.set([](auto& now) { now.resumed = commit_outcome::done; });
    commits->close();
    ears[0].await_durable(2);
    EXPECT_EQ(target.groups_synced(), target.all_groups().size());
    EXPECT_FALSE(target.is_lost);
}

TEST_F(GroupCommit, TheLastSyncMayFindNoRoom) {
    target.lets_sync = false;
    begin();
    add(0);
    target.await([](const auto& now) { return now.syncs_begun == 1; });
    std::thread closing([this] { commits->close(); });
    target.set([](auto& now) {
        now.fills_sync = true;
        now.lets_sync = true;
    });
    closing.join();
    EXPECT_TRUE(target.is_lost);
    EXPECT_EQ(ears[0].words().back().durable, 0U);
}

TEST_F(GroupCommit, WhoListensLateHearsThatTheDiskIsFull) {
    begin_on_a_small_disk();
    commits->on_full();
    await_stalled();
    listener late;
    commits->listen(shard_id{9}, [&](progress word) { late.hear(std::move(word)); });
    ASSERT_EQ(late.words().size(), 1U);
    EXPECT_TRUE(late.words()[0].is_stalled);
    commits->close();
}

TEST_F(GroupCommit, HalfATransactionOutlastsAFullDisk) {
    begin_on_a_small_disk();
    add_part(0, 7, 0xa);
    ears[0].await_durable(1);
    commits->on_full();
    await_stalled();
    add_part(1, 7, 0xa);
    make_room();
    ears[0].await([](const progress& word) { return !word.transactions.empty(); });
    EXPECT_THAT(target.all_groups().back(),
                testing::UnorderedElementsAre("1:1", part_key(0, 7), part_key(1, 7)));
}

// Transactions. Each part comes with a row of its shard, which does not wait for the others.

TEST_F(GroupCommit, ATransactionOfOneShardIsCompleteAtOnce) {
    begin();
    add_part(0, 7, 0);
    ears[0].await([](const progress& word) { return !word.transactions.empty(); });
    EXPECT_THAT(ears[0].transactions(), ElementsAre(7U));
    EXPECT_THAT(target.all_groups(), ElementsAre(keys{"0:1", part_key(0, 7)}));
}

class GroupCommitTransaction : public GroupCommit,
                               public testing::WithParamInterface<std::size_t> {};

TEST_P(GroupCommitTransaction, IsWrittenWithItsLastPartInOneGroup) {
    begin();
    keys parts;
    // One branch to each of the others, a bit each.
    const std::uint64_t opened = (std::uint64_t{1} << GetParam()) - 2;
    for (std::size_t shard = 0; shard < GetParam(); ++shard) {
        EXPECT_THAT(target.all_keys(), Not(testing::Contains(testing::HasSubstr("part"))));
        EXPECT_THAT(ears[0].transactions(), IsEmpty());
        add_part(shard, 7, shard == 0 ? opened : std::uint64_t{1} << shard);
        parts.push_back(part_key(shard, 7));
        ears[shard].await_durable(1);
    }
    for (std::size_t shard = 0; shard < shards; ++shard) {
        if (shard < GetParam()) {
            ears[shard].await([](const progress& word) { return !word.transactions.empty(); });
            EXPECT_THAT(ears[shard].transactions(), ElementsAre(7U));
        } else {
            EXPECT_THAT(ears[shard].words(), IsEmpty()) << "not theirs";
        }
    }
    EXPECT_THAT(parts, IsSubsetOf(target.all_groups().back()));
}

INSTANTIATE_TEST_SUITE_P(OfSomeShards, GroupCommitTransaction, testing::Values(2, 3, 4));

TEST_F(GroupCommit, AShardThatGivesTwoPartsHearsOnce) {
    begin();
    add_part(0, 7, 0xa);
    add_part(1, 7, 0xa ^ 0xb0);
    add_part(0, 7, 0xb0);
    ears[0].await([](const progress& word) { return !word.transactions.empty(); });
    commits->close();
    EXPECT_THAT(ears[0].transactions(), ElementsAre(7U));
    EXPECT_THAT(ears[1].transactions(), ElementsAre(7U));
}

TEST_F(GroupCommit, WordOfATransactionWaitsForASyncEvenIfNobodyElseDoes) {
    target.lets_sync = false;
    begin();
    hand_over what{.ticket = 1, .wants = durability::memory};
    what.parts.push_back({.id = transaction_id{7}, .names = 0, .operations = {}});
    what.parts[0].operations.put(table::small, "row", {});
    commits->add(shard_id{0}, std::move(what));
    target.await([](const auto& now) { return now.syncs_begun == 1; });
    EXPECT_THAT(ears[0].words(), IsEmpty());
    target.set([](auto& now) { now.lets_sync = true; });
    ears[0].await_durable(1);
    EXPECT_THAT(ears[0].transactions(), ElementsAre(7U));
}

// The end.

TEST_F(GroupCommit, CloseCompletesWhatWasAdded) {
    target.lets_write = false;
    begin();
    for (int i = 0; i < 10; ++i) {
        add(0);
        add(1);
    }
    target.set([](auto& now) { now.lets_write = true; });
    commits->close();
    EXPECT_EQ(target.all_keys().size(), 20U);
    EXPECT_EQ(target.groups_synced(), target.all_groups().size());
    EXPECT_EQ(ears[0].words().back().durable, 10U);
    EXPECT_EQ(ears[1].words().back().durable, 10U);
}

TEST_F(GroupCommit, CloseWritesNoTransactionOfWhichAPartIsMissing) {
    begin();
    add_part(0, 7, 0xa ^ 0xb0);
    add_part(1, 7, 0xa);
    add_part(0, 8, 0xc);
    add_part(2, 8, 0xc);
    commits->close();
    EXPECT_THAT(target.all_keys(), testing::UnorderedElementsAre("0:1", "0:2", "1:1", "2:1",
                                                                 part_key(0, 8), part_key(2, 8)));
    EXPECT_THAT(ears[0].transactions(), ElementsAre(8U));
    EXPECT_THAT(ears[1].transactions(), IsEmpty());
    std::uint64_t durable = 0; // a word of transactions alone may say 0
    for (const progress& each : ears[0].words()) {
        durable = std::max(durable, each.durable);
    }
    EXPECT_EQ(durable, 2U);
}

TEST_F(GroupCommit, CloseMayBeCalledTwiceAndWithoutWork) {
    begin();
    commits->close();
    commits->close();
    for (listener& each : ears) {
        EXPECT_THAT(each.words(), IsEmpty());
    }
    EXPECT_THAT(target.all_groups(), IsEmpty());
}

} // namespace
} // namespace gv::storage
