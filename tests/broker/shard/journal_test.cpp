// SPDX-License-Identifier: Apache-2.0
#include "broker/shard/journal.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <deque>

namespace gv::shard {
namespace {

using session::commit_mark;
using storage::table;
using storage::transaction_id;
using testing::ElementsAre;
using testing::IsEmpty;

/// Keeps what is handed over, and gives word when the test says so.
class idle_store final : public storage::store {
  public:
    [[nodiscard]] const storage::node_record& node() const noexcept override { return node_; }
    [[nodiscard]] hybrid_time last_stamp() const noexcept override { return {}; }
    [[nodiscard]] result<void, problem> load(storage::store_reader&) override { return {}; }
    void listen(shard_id, std::function<void(storage::progress)>,
                std::function<void(storage::read_answer)>) override {}
    void commit(shard_id from, storage::hand_over what) override {
        EXPECT_EQ(from, shard_id{2});
        handed.push_back(std::move(what));
    }
    void read(shard_id, storage::read_request) override {}
    [[nodiscard]] storage::store_counts counts() const override { return {}; }
    void close() override {}

    std::deque<storage::hand_over> handed;

  private:
    storage::node_record node_;
};

/// What a batch does, in a line each.
[[nodiscard]] std::vector<std::string> text_of(const storage::batch& operations) {
    static constexpr std::array kinds{"+", "-", "--"};
    std::vector<std::string> all;
    operations.for_each([&](const storage::batch::operation& what) {
        all.push_back(kinds[static_cast<std::size_t>(what.what)] + std::string(what.key));
    });
    return all;
}

class Journal : public testing::Test {
  protected:
    session::written_row put(std::string_view key) { return kept.put(table::queue, key, "v"); }
    void wait(commit_mark mark, std::uint64_t number) {
        kept.wait(mark, {.what = waiter::kind::take, .number = number});
    }
    /// Word that all is durable up to this ticket; who may go on then.
    std::vector<std::uint64_t> durable(std::uint64_t ticket,
                                       std::vector<transaction_id> whole = {}) {
        return numbers(kept.on_progress({.durable = ticket, .transactions = std::move(whole)}));
    }
    static std::vector<std::uint64_t> numbers(const std::vector<waiter>& ready) {
        std::vector<std::uint64_t> all;
        for (const waiter& each : ready) {
            all.push_back(each.number);
        }
        return all;
    }

    idle_store store;
    journal kept{shard_id{2}, &store};
};

TEST_F(Journal, IsOffWithoutAStore) {
    EXPECT_TRUE(kept.is_on());
    EXPECT_FALSE((journal{shard_id{0}, nullptr}.is_on()));
}

TEST_F(Journal, HandsOverWhatATurnGathered) {
    kept.end_turn();
    EXPECT_THAT(store.handed, IsEmpty()) << "nothing is nothing";
    put("a");
    kept.erase(table::small, "b");
    kept.erase_range(table::bodies, "c", "d");
    kept.end_turn();
    ASSERT_EQ(store.handed.size(), 1U);
    EXPECT_EQ(store.handed[0].ticket, 1U);
    EXPECT_EQ(store.handed[0].wants, durability::fsync);
    EXPECT_THAT(text_of(store.handed[0].operations), ElementsAre("+a", "-b", "--c"));
    kept.end_turn();
    EXPECT_EQ(store.handed.size(), 1U);
    put("e");
    kept.end_turn();
    EXPECT_EQ(store.handed[1].ticket, 2U);
}

TEST_F(Journal, AMarkIsDurableWithItsTicket) {
    const commit_mark first = put("a").mark;
    EXPECT_EQ(kept.last_mark(), first);
    EXPECT_EQ(kept.open_mark(), first);
    EXPECT_EQ(put("b").mark, first) << "one hand-over";
    kept.end_turn();
    const commit_mark second = put("c").mark;
    EXPECT_NE(second, first);
    EXPECT_FALSE(kept.is_durable(first));
    durable(1);
    EXPECT_TRUE(kept.is_durable(first));
    EXPECT_FALSE(kept.is_durable(second));
    EXPECT_TRUE(kept.is_durable({})) << "nothing to wait for";
}

TEST_F(Journal, NobodyAsksForASyncOfWhatIsNotAwaited) {
    static_cast<void>(kept.put(table::retained, "a", "v", durability::memory));
    kept.erase(table::queue, "b");
    kept.end_turn();
    EXPECT_EQ(store.handed[0].wants, durability::memory);
    kept.erase(table::queue, "c");
    wait(kept.open_mark(), 1);
    kept.end_turn();
    EXPECT_EQ(store.handed[1].wants, durability::fsync);
}

TEST_F(Journal, TheStrictestOperationSaysHowDurableAHandOverIs) {
    static_cast<void>(kept.put(table::queue, "a", "v", durability::memory));
    static_cast<void>(kept.put(table::queue, "b", "v", durability::interval));
    kept.wait(kept.open_mark(), {.what = waiter::kind::take, .number = 1}, durability::memory);
    kept.end_turn();
    EXPECT_EQ(store.handed[0].wants, durability::interval);
    kept.begin_part(kept.new_transaction());
    static_cast<void>(kept.put_in_part(table::queue, "c", "v", durability::interval));
    kept.end_part();
    kept.end_turn();
    EXPECT_EQ(store.handed[1].parts[0].wants, durability::interval);
    EXPECT_EQ(store.handed[1].wants, durability::memory);
}

TEST_F(Journal, WhoeverWaitsForNothingIsStillCalled) {
    kept.wait(kept.open_mark(), {.what = waiter::kind::take, .number = 1}, durability::memory);
    kept.end_turn();
    ASSERT_EQ(store.handed.size(), 1U);
}

TEST_F(Journal, WhoeverWaitsIsCalledInOrderAndOnce) {
    wait(put("a").mark, 1);
    wait(put("b").mark, 2);
    kept.end_turn();
    wait(put("c").mark, 3);
    kept.end_turn();
    EXPECT_EQ(kept.waiting(), 3U);
    EXPECT_THAT(durable(0), IsEmpty());
    EXPECT_THAT(durable(1), ElementsAre(1U, 2U));
    EXPECT_THAT(durable(1), IsEmpty());
    EXPECT_THAT(durable(2), ElementsAre(3U));
    EXPECT_EQ(kept.waiting(), 0U);
}

TEST_F(Journal, OneWordMayCoverManyHandOvers) {
    wait(put("a").mark, 1);
    kept.end_turn();
    wait(put("b").mark, 2);
    kept.end_turn();
    EXPECT_THAT(durable(2), ElementsAre(1U, 2U));
}

TEST_F(Journal, HandsOverNoMoreThanTheStoreCanDoAtATime) {
    for (const char* each : {"a", "b", "c"}) {
        put(each);
        kept.end_turn();
    }
    put("d");
    kept.end_turn();
    ASSERT_EQ(store.handed.size(), journal::handed_over_max);
    durable(1);
    kept.end_turn();
    ASSERT_EQ(store.handed.size(), journal::handed_over_max + 1);
    EXPECT_THAT(text_of(store.handed[2].operations), ElementsAre("+c", "+d"));
    put("e");
    kept.end_turn();
    EXPECT_EQ(store.handed.size(), journal::handed_over_max + 1);
    kept.end_turn(true);
    EXPECT_EQ(store.handed.size(), journal::handed_over_max + 2) << "the last of all";
}

// Undoing.

TEST_F(Journal, WhatIsUndoneBeforeItIsHandedOverIsNeverWritten) {
    const auto row = put("a");
    put("b");
    kept.undo(row, table::queue, "a");
    kept.end_turn();
    EXPECT_THAT(text_of(store.handed[0].operations), ElementsAre("+b"));
}

TEST_F(Journal, WhatIsUndoneLaterIsErased) {
    const auto row = put("a");
    kept.end_turn();
    kept.undo(row, table::queue, "a");
    kept.end_turn();
    EXPECT_THAT(text_of(store.handed[1].operations), ElementsAre("-a"));
}

TEST_F(Journal, ATurnOfWhichAllIsUndoneStillBringsWord) {
    const auto row = put("a");
    wait(row.mark, 1);
    kept.undo(row, table::queue, "a");
    kept.end_turn();
    ASSERT_EQ(store.handed.size(), 1U);
    EXPECT_TRUE(store.handed[0].operations.empty());
    EXPECT_THAT(durable(1), ElementsAre(1U));
}

// Transactions.

TEST_F(Journal, TransactionsOfDifferentShardsDiffer) {
    journal other{shard_id{1}, &store};
    EXPECT_NE(kept.new_transaction().transaction, other.new_transaction().transaction);
    EXPECT_NE(kept.new_transaction().transaction, kept.new_transaction().transaction);
}

TEST_F(Journal, OnlyWhatMustNotBeThereAloneIsInAPart) {
    const storage::branch begun = kept.new_transaction();
    const transaction_id id = begun.transaction;
    kept.begin_part(begun);
    EXPECT_TRUE(kept.is_in_part());
    kept.put_in_part(table::queue, "in", "v");
    put("beside");
    kept.erase(table::queue, "gone");
    const storage::branch one = kept.fork();
    const storage::branch other = kept.fork();
    EXPECT_EQ(one.transaction, id);
    EXPECT_NE(one.name, other.name);
    kept.end_part();
    EXPECT_EQ(kept.fork().name, 0U) << "nothing is under way";
    EXPECT_FALSE(kept.is_in_part());
    kept.put_in_part(table::queue, "after", "v");
    kept.end_turn();
    const storage::hand_over& whole = store.handed[0];
    EXPECT_THAT(text_of(whole.operations), ElementsAre("+beside", "-gone", "+after"));
    ASSERT_EQ(whole.parts.size(), 1U);
    EXPECT_EQ(whole.parts[0].id, id);
    EXPECT_EQ(whole.parts[0].names, one.name ^ other.name);
    EXPECT_THAT(text_of(whole.parts[0].operations), ElementsAre("+in"));
}

TEST_F(Journal, APartIsDurableWithItsTransactionNotWithItsTicket) {
    const storage::branch begun = kept.new_transaction();
    const transaction_id id = begun.transaction;
    kept.begin_part(begun);
    const commit_mark mark = kept.put_in_part(table::queue, "a", "v").mark;
    EXPECT_EQ(mark, kept.part_mark());
    EXPECT_NE(mark, kept.open_mark());
    kept.end_part();
    wait(mark, 1);
    kept.end_turn();
    EXPECT_EQ(kept.waiting(), 1U);
    EXPECT_THAT(durable(1), IsEmpty());
    EXPECT_FALSE(kept.is_durable(mark));
    EXPECT_THAT(durable(1, {transaction_id{id.value + 1}}), IsEmpty()) << "another";
    EXPECT_THAT(durable(1, {id}), ElementsAre(1U));
    EXPECT_TRUE(kept.is_durable(mark));
    EXPECT_EQ(kept.waiting(), 0U);
}

TEST_F(Journal, APartIsHandedOverHoweverBusyTheStoreIs) {
    for (const char* each : {"a", "b", "c"}) {
        put(each);
        kept.end_turn();
    }
    ASSERT_EQ(store.handed.size(), 2U);
    kept.begin_part(kept.new_transaction());
    kept.end_part();
    kept.end_turn();
    ASSERT_EQ(store.handed.size(), 3U);
    EXPECT_THAT(text_of(store.handed[2].operations), ElementsAre("+c")) << "and what came before";
}

// It may be written after all that is handed over now.
TEST_F(Journal, ARowOfAPartIsErasedOnceItHasBeenWritten) {
    const storage::branch begun = kept.new_transaction();
    const transaction_id id = begun.transaction;
    kept.begin_part(begun);
    const auto row = kept.put_in_part(table::queue, "a", "v");
    kept.end_part();
    kept.undo(row, table::queue, "a");
    put("b");
    kept.end_turn();
    EXPECT_THAT(text_of(store.handed[0].operations), ElementsAre("+b"));
    durable(1, {id});
    kept.end_turn();
    EXPECT_THAT(text_of(store.handed[1].operations), ElementsAre("-a"));
}

TEST_F(Journal, WaitsForEverything) {
    EXPECT_EQ(kept.wait_for_all({.number = 9}), 0U) << "all is durable";
    const storage::branch begun = kept.new_transaction();
    const transaction_id id = begun.transaction;
    kept.begin_part(begun);
    kept.end_part();
    put("a");
    EXPECT_EQ(kept.wait_for_all({.number = 1}), 2U);
    kept.end_turn();
    EXPECT_EQ(kept.wait_for_all({.number = 2}), 2U);
    EXPECT_THAT(durable(1), ElementsAre(1U, 2U));
    EXPECT_EQ(kept.wait_for_all({.number = 3}), 1U);
    EXPECT_THAT(durable(1, {id}), ElementsAre(1U, 2U, 3U));
    EXPECT_EQ(kept.wait_for_all({.number = 4}), 0U);
}

// A full disk.

TEST_F(Journal, OnAFullDiskTheStoreGetsWhatIsGatheredInPieces) {
    const std::string large(journal::piece_stalled / 2 + 1, 'x');
    kept.put(table::queue, "a", "v");
    kept.end_turn();
    kept.put(table::queue, "b", "v");
    kept.end_turn();
    ASSERT_EQ(store.handed.size(), journal::handed_over_max);
    kept.put(table::queue, "c", large);
    kept.put(table::queue, "d", large);
    kept.end_turn();
    EXPECT_EQ(store.handed.size(), 2U) << "it is busy";
    EXPECT_THAT(kept.on_progress({.is_stalled = true}), IsEmpty());
    EXPECT_TRUE(kept.is_stalled());
    kept.end_turn();
    EXPECT_EQ(store.handed.size(), 3U);
    kept.put(table::queue, "e", large);
    kept.end_turn();
    EXPECT_EQ(store.handed.size(), 3U) << "not a piece yet";
    EXPECT_THAT(kept.on_progress({.durable = 2}), IsEmpty());
    EXPECT_FALSE(kept.is_stalled());
}

TEST_F(Journal, OnAFullDiskLessMayWait) {
    put("a");
    kept.put(table::queue, "b", std::string(journal::backlog_stalled_max, 'x'));
    kept.end_turn();
    EXPECT_FALSE(kept.is_behind());
    EXPECT_THAT(kept.on_progress({.is_stalled = true}), IsEmpty());
    EXPECT_TRUE(kept.is_behind());
    EXPECT_THAT(kept.on_progress({}), IsEmpty());
    EXPECT_FALSE(kept.is_behind());
}

// Loss.

TEST_F(Journal, AfterALossAllGoOnAndNothingIsHandedOver) {
    wait(put("a").mark, 1);
    const storage::branch begun = kept.new_transaction();
    const transaction_id id = begun.transaction;
    kept.begin_part(begun);
    kept.end_part();
    wait(commit_mark{id.value | (std::uint64_t{1} << 63)}, 2);
    kept.end_turn();
    EXPECT_FALSE(kept.is_lost());
    EXPECT_THAT(numbers(kept.on_progress({.is_lost = true})), ElementsAre(1U, 2U));
    EXPECT_TRUE(kept.is_lost());
    EXPECT_EQ(kept.waiting(), 0U);
    put("b");
    kept.end_turn();
    kept.end_turn(true);
    EXPECT_EQ(store.handed.size(), 1U);
}

} // namespace
} // namespace gv::shard
