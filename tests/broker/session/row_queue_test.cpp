// SPDX-License-Identifier: Apache-2.0
#include "broker/session/row_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>

namespace gv::session {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Durable is what its mark says it is; rows are read from what was ever added.
struct disk final : outbound_log {
    written_row row_added(std::uint64_t, const publication&, const delivery&) override {
        return {};
    }
    written_row row_changed(std::uint64_t, const written_row&, const publication&,
                            const delivery&) override {
        return {};
    }
    commit_mark row_done(std::uint64_t, const written_row&) override { return {}; }
    [[nodiscard]] bool may_replace(const written_row&) const override { return true; }
    void run_done(const stored_run&) override {}
    void rows_done(std::uint64_t, std::uint64_t) override {}
    void forget_run(const stored_run&) override {}
    void read_rows(const row_range&) override {}
    commit_mark released(std::uint64_t, const written_row&, std::uint64_t, packet_id) override {
        return {};
    }
    void release_done(std::uint64_t) override {}
    void reserve(std::uint64_t, std::uint64_t) override {}
    commit_mark sending_begins(std::uint64_t) override { return {}; }
    [[nodiscard]] bool is_durable(commit_mark mark) const override {
        return mark.value <= durable_until;
    }
    void wake_when(commit_mark) override {}

    std::uint64_t durable_until = 0;
};

[[nodiscard]] queued_row row_of(std::uint64_t sequence, std::uint64_t mark = 0) {
    publication what;
    what.topic = "t";
    const std::string payload = std::to_string(sequence);
    what.payload = payload;
    return {.content = message::copy_of(what, message::reach::local),
            .sequence = sequence,
            .where = {.mark = commit_mark{mark}}};
}

struct RowQueueTest : testing::Test {
    void push(std::uint64_t first, std::uint64_t end) {
        for (std::uint64_t each = first; each < end; ++each) {
            queue.push(row_of(each, each));
        }
    }
    /// What a read of `range` gives.
    [[nodiscard]] std::vector<queued_row> read(const row_range& range, std::uint64_t& until) const {
        std::vector<queued_row> rows;
        for (std::uint64_t each = range.first; each < range.end && rows.size() < 3; ++each) {
            const auto erased = erased_at.find(each);
            const bool is_erased = erased != erased_at.end() && erased->second <= log.durable_until;
            if (!missing.contains(each) && !is_erased) {
                rows.push_back(row_of(each));
            }
        }
        until = rows.empty() ? range.end : rows.back().sequence + 1;
        return rows;
    }
    void read_page() {
        const auto range = queue.begin_read(log);
        ASSERT_TRUE(range);
        std::uint64_t until = 0;
        auto rows = read(*range, until);
        queue.add_page(std::move(rows), until);
    }
    [[nodiscard]] std::vector<std::uint64_t> pop_all() {
        std::vector<std::uint64_t> popped;
        while (queue.front() != nullptr) {
            popped.push_back(queue.pop().sequence);
        }
        return popped;
    }

    queue_account total;
    row_queue queue{total};
    disk log;
    std::set<std::uint64_t> missing;
    std::map<std::uint64_t, std::uint64_t> erased_at; ///< gone once that mark is durable
    std::vector<group_origin> settled;
};

TEST_F(RowQueueTest, IsAPlainQueueWithoutALog) {
    push(1, 4);
    EXPECT_EQ(total.messages, 3U);
    EXPECT_THAT(pop_all(), ElementsAre(1, 2, 3));
    EXPECT_EQ(total.bytes, 0U);
}

TEST_F(RowQueueTest, LetsGoOfWhatIsOnDiskAndReadsItAgainInOrder) {
    push(1, 8);
    log.durable_until = 5;
    queue.spill(log, false, settled);
    EXPECT_EQ(queue.rows(), 7U);
    EXPECT_EQ(queue.resident_bytes(), 2 * row_of(6).content->weight());
    EXPECT_EQ(queue.front(), nullptr);
    read_page();
    EXPECT_THAT(pop_all(), ElementsAre(1, 2, 3));
    read_page();
    EXPECT_THAT(pop_all(), ElementsAre(4, 5, 6, 7));
    EXPECT_EQ(total.messages, 0U);
    EXPECT_EQ(total.bytes, 0U);
}

TEST_F(RowQueueTest, KeepsThePageThatIsSentNext) {
    push(1, 3);
    log.durable_until = 2;
    queue.spill(log, true, settled);
    EXPECT_THAT(pop_all(), ElementsAre(1, 2));
}

TEST_F(RowQueueTest, AClientThatLeavesWhileAPageIsReadLosesNothing) {
    push(1, 9);
    log.durable_until = 8;
    queue.spill(log, false, settled);
    read_page();
    EXPECT_EQ(queue.pop().sequence, 1U);
    const auto range = queue.begin_read(log);
    ASSERT_TRUE(range);
    queue.spill(log, false, settled); // 2 and 3 are stored again, before what is being read
    std::uint64_t until = 0;
    auto late = read(*range, until);
    queue.add_page(std::move(late), until);
    EXPECT_EQ(queue.front(), nullptr);
    std::vector<std::uint64_t> all;
    while (!queue.empty()) {
        read_page();
        for (const std::uint64_t each : pop_all()) {
            all.push_back(each);
        }
    }
    EXPECT_THAT(all, ElementsAre(2, 3, 4, 5, 6, 7, 8));
}

TEST_F(RowQueueTest, RowsThatAreNotThereAreNotWaitedFor) {
    push(1, 6);
    log.durable_until = 5;
    queue.spill(log, false, settled);
    missing = {2, 3, 4, 5};
    read_page();
    EXPECT_THAT(pop_all(), ElementsAre(1));
    if (!queue.empty()) {
        read_page();
    }
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(total.bytes, 0U);
}

TEST_F(RowQueueTest, ADroppedRunIsPassedOverByAPageThatCoversIt) {
    for (const std::uint64_t first : {1U, 10U}) {
        queue.restore({.first = first,
                       .end = first + 2,
                       .bytes = 2 * row_of(1).content->weight(),
                       .rows = 2});
    }
    const auto range = queue.begin_read(log);
    ASSERT_TRUE(range);
    std::optional<queued_row> single;
    for (const std::uint64_t each : {1U, 2U}) {
        const auto run = queue.drop_oldest(single);
        ASSERT_TRUE(run);
        EXPECT_EQ(run->first, each);
    }
    std::vector<queued_row> rows;
    for (const std::uint64_t each : {1U, 2U, 10U, 11U}) {
        rows.push_back(row_of(each));
    }
    queue.add_page(std::move(rows), 12);
    EXPECT_THAT(pop_all(), ElementsAre(10, 11));
    EXPECT_TRUE(queue.empty());
}

TEST_F(RowQueueTest, OneRowOfARunIsDroppedAtATimeWhereAllAreThere) {
    queue.restore({.first = 1, .end = 4, .bytes = 3 * row_of(1).content->weight(), .rows = 3});
    queue.restore({.first = 10, .end = 20, .bytes = 2 * row_of(1).content->weight(), .rows = 2});
    std::optional<queued_row> single;
    EXPECT_EQ(queue.drop_oldest(single)->rows, 1U);
    EXPECT_EQ(queue.rows(), 4U);
    EXPECT_EQ(queue.first_sequence(), 2U);
    EXPECT_EQ(queue.drop_oldest(single)->first, 2U);
    EXPECT_EQ(queue.drop_oldest(single)->first, 3U);
    const auto gappy = queue.drop_oldest(single);
    EXPECT_EQ(gappy->rows, 2U) << "which of its numbers are there is not known";
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(total.bytes, 0U);
    EXPECT_EQ(total.messages, 0U);
}

// The weight of each row of a run is not known before it is read.
TEST_F(RowQueueTest, CountsBytesRightThoughLighterRowsWereDropped) {
    const std::size_t heavy = row_of(2).content->weight();
    queue.restore({.first = 1, .end = 3, .bytes = heavy + 1, .rows = 2});
    std::optional<queued_row> single;
    ASSERT_TRUE(queue.drop_oldest(single));
    read_page();
    EXPECT_EQ(queue.bytes(), heavy);
    EXPECT_THAT(pop_all(), ElementsAre(2));
    EXPECT_EQ(queue.bytes(), 0U);
    EXPECT_EQ(total.bytes, 0U);
}

TEST_F(RowQueueTest, ARowIsRemovedWhereverItIs) {
    push(1, 13);
    log.durable_until = 8;
    queue.spill(log, false, settled);
    read_page(); // 1 to 3 are in the page, 4 to 8 on disk, 9 to 12 in memory
    const std::size_t weight = row_of(1).content->weight();
    for (const std::uint64_t each : {2U, 1U, 5U, 8U, 9U, 11U}) {
        EXPECT_TRUE(queue.remove(each, weight, 0)) << each;
        missing.insert(each);
    }
    EXPECT_FALSE(queue.remove(99, weight, 0));
    EXPECT_EQ(queue.rows(), 6U);
    EXPECT_THAT(pop_all(), ElementsAre(3));
    while (!queue.empty()) {
        const bool is_read = queue.front() == nullptr;
        if (is_read) {
            read_page();
        }
        for (const std::uint64_t each : pop_all()) {
            EXPECT_TRUE(missing.insert(each).second) << each;
        }
    }
    EXPECT_EQ(missing.size(), 11U) << "and 3";
    EXPECT_EQ(total.bytes, 0U);
    EXPECT_EQ(total.messages, 0U);
}

TEST_F(RowQueueTest, ARowRemovedWhileItIsReadDoesNotComeBack) {
    push(1, 4);
    log.durable_until = 3;
    queue.spill(log, false, settled);
    const auto range = queue.begin_read(log);
    std::uint64_t until = 0;
    auto rows = read(*range, until);
    EXPECT_TRUE(queue.remove(2, row_of(2).content->weight(), 0));
    queue.note_erased(2, commit_mark{9}, log);
    queue.add_page(std::move(rows), until);
    EXPECT_THAT(pop_all(), ElementsAre(1, 3));
    EXPECT_EQ(total.bytes, 0U);
}

TEST_F(RowQueueTest, RunsOutOfWhichRowsWereRemovedAreStillDroppedOneByOne) {
    for (std::uint64_t each = 1; each < 10; ++each) {
        queued_row row = row_of(each, each);
        row.topic = each;
        queue.push(std::move(row));
    }
    log.durable_until = 9;
    queue.spill(log, false, settled);
    for (const std::uint64_t each : {1U, 5U, 9U}) {
        ASSERT_TRUE(queue.remove(each, row_of(each).content->weight(), 0));
    }
    std::vector<std::uint64_t> dropped;
    std::uint64_t erased = 0;
    while (!queue.empty()) {
        std::optional<queued_row> single;
        const auto run = queue.drop_oldest(single);
        ASSERT_TRUE(run);
        dropped.push_back(run->first);
        erased += run->end - run->first;
    }
    EXPECT_THAT(dropped, ElementsAre(2, 3, 4, 6, 7, 8));
    EXPECT_EQ(erased, 6U) << "one each";
    EXPECT_EQ(total.bytes, 0U);
}

TEST_F(RowQueueTest, ARowThatNobodyCountsIsPassedOver) {
    push(1, 4);
    log.durable_until = 3;
    queue.spill(log, false, settled);
    ASSERT_TRUE(queue.remove(2, row_of(2).content->weight(), 0)); // and its end was forgotten
    read_page();
    EXPECT_THAT(pop_all(), ElementsAre(1, 3));
    push(4, 5);
    EXPECT_THAT(pop_all(), ElementsAre(4));
    EXPECT_EQ(total.messages, 0U);
}

TEST_F(RowQueueTest, ARowWhoseEndIsNotWrittenYetDoesNotComeBack) {
    push(1, 4);
    log.durable_until = 3;
    queue.spill(log, false, settled);
    EXPECT_TRUE(queue.remove(2, row_of(2).content->weight(), 0));
    queue.note_erased(2, commit_mark{9}, log);
    read_page(); // finds it still
    EXPECT_THAT(pop_all(), ElementsAre(1, 3));
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(total.bytes, 0U);
}

// Against a plain map: rows come, become durable, are read, sent and removed in any order.
TEST_F(RowQueueTest, RemovalKeepsOrderAndCountsAtRandom) {
    std::mt19937 random(7);
    for (int round = 0; round < 200; ++round) {
        row_queue mixed(total);
        std::set<std::uint64_t> model;
        std::uint64_t next = 1;
        missing.clear();
        erased_at.clear();
        log.durable_until = 0;
        std::optional<std::vector<queued_row>> under_way;
        std::uint64_t until = 0;
        const auto pop = [&] {
            if (queued_row* front = mixed.front()) {
                EXPECT_EQ(front->sequence, *model.begin());
                missing.insert(front->sequence);
                model.erase(mixed.pop().sequence);
            }
        };
        const auto read_some = [&] {
            if (under_way) {
                mixed.add_page(*std::exchange(under_way, std::nullopt), until);
            } else if (const auto range = mixed.begin_read(log)) {
                under_way = read(*range, until);
            }
        };
        for (int step = 0; step < 300; ++step) {
            switch (random() % 6) {
            case 0:
            case 1:
                mixed.push(row_of(next, next));
                model.insert(next++);
                break;
            case 2:
                log.durable_until = std::max(log.durable_until, next - 1 - random() % 3 % next);
                mixed.spill(log, random() % 2 == 0, settled);
                break;
            case 3:
                read_some();
                break;
            case 4:
                pop();
                break;
            default:
                if (!model.empty()) {
                    const auto each = std::next(
                        model.begin(), static_cast<std::ptrdiff_t>(random() % model.size()));
                    const auto gone = mixed.remove(*each, row_of(*each).content->weight(), 0);
                    ASSERT_TRUE(gone);
                    erased_at[*each] = next + 5;
                    mixed.note_erased(*each, commit_mark{next + 5}, log);
                    model.erase(each);
                }
            }
            ASSERT_EQ(mixed.rows(), model.size());
        }
        for (int left = 10'000; !mixed.empty() && left > 0; --left) {
            mixed.front() == nullptr ? read_some() : pop();
        }
        EXPECT_TRUE(model.empty());
        EXPECT_EQ(total.messages, 0U);
        EXPECT_EQ(total.bytes, 0U);
    }
}

} // namespace
} // namespace gv::session
