// SPDX-License-Identifier: Apache-2.0
#include "storage/memory_store.hpp"
#include "tests/storage/held_state.hpp"

namespace gv::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

class MemoryStore : public testing::Test {
  protected:
    MemoryStore() {
        for (std::uint16_t i = 0; i < 2; ++i) {
            kept.listen(
                shard_id{i}, [this, i](const progress& word) { words[i].push_back(word); },
                [this](read_answer answer) { answers.push_back(std::move(answer)); });
        }
    }
    void put(std::uint16_t shard, const std::string& key) {
        hand_over what{.ticket = ++tickets[shard]};
        what.operations.put(table::small, key, {});
        kept.commit(shard_id{shard}, std::move(what));
    }
    void put_part(std::uint16_t shard, const std::string& key, std::uint64_t names) {
        hand_over what{.ticket = ++tickets[shard]};
        what.parts.push_back({.id = transaction_id{5}, .names = names, .operations = {}});
        what.parts[0].operations.put(table::small, key, {});
        kept.commit(shard_id{shard}, std::move(what));
    }
    [[nodiscard]] std::vector<std::string> keys() const {
        std::vector<std::string> all;
        for (const auto& [key, value] : kept.durable()[static_cast<std::size_t>(table::small)]) {
            all.push_back(key);
        }
        return all;
    }

    memory_store kept;
    std::array<std::vector<progress>, 2> words;
    std::array<std::uint64_t, 2> tickets{};
    std::vector<read_answer> answers;
};

TEST_F(MemoryStore, NothingIsDurableUntilItRuns) {
    put(0, "a");
    EXPECT_EQ(kept.waiting(), 1U);
    EXPECT_THAT(keys(), IsEmpty());
    EXPECT_THAT(words[0], IsEmpty());
    EXPECT_EQ(kept.run(), 1U);
    EXPECT_THAT(keys(), ElementsAre("a"));
    ASSERT_EQ(words[0].size(), 1U);
    EXPECT_EQ(words[0][0].durable, 1U);
    EXPECT_THAT(words[1], IsEmpty());
    EXPECT_EQ(kept.run(), 0U);
}

TEST_F(MemoryStore, RunsTheOldestFirst) {
    put(0, "a");
    put(1, "b");
    put(0, "c");
    EXPECT_EQ(kept.run(2), 2U);
    EXPECT_THAT(keys(), ElementsAre("a", "b"));
    EXPECT_EQ(words[0].back().durable, 1U);
    EXPECT_EQ(kept.run(), 1U);
    EXPECT_EQ(words[0].back().durable, 2U);
}

TEST_F(MemoryStore, ATransactionIsThereWithItsLastPart) {
    put_part(0, "x", 7);
    EXPECT_EQ(kept.run(), 1U);
    EXPECT_THAT(keys(), IsEmpty());
    EXPECT_EQ(words[0].back().durable, 1U);
    EXPECT_THAT(words[0].back().transactions, IsEmpty());
    put_part(1, "y", 7);
    EXPECT_EQ(kept.run(), 1U);
    EXPECT_THAT(keys(), ElementsAre("x", "y"));
    EXPECT_THAT(words[0].back().transactions, ElementsAre(transaction_id{5}));
    EXPECT_THAT(words[1].back().transactions, ElementsAre(transaction_id{5}));
}

TEST_F(MemoryStore, ErasesKeysAndRanges) {
    for (const char* each : {"a", "b", "c", "d"}) {
        put(0, each);
    }
    hand_over what{.ticket = ++tickets[0]};
    what.operations.erase(table::small, "a");
    what.operations.erase(table::small, "not there");
    what.operations.erase_range(table::small, "c", "d");
    kept.commit(shard_id{0}, std::move(what));
    kept.run();
    EXPECT_THAT(keys(), ElementsAre("b", "d"));
}

TEST_F(MemoryStore, ReadsAreAnsweredWhenItRunsFromWhatIsDurable) {
    const sample_session one;
    hand_over what{.ticket = ++tickets[0]};
    one.put(what.operations);
    one.put_row(what.operations, 1, "there");
    kept.commit(shard_id{0}, std::move(what));
    kept.read(shard_id{0}, one.wants(0, 10));
    EXPECT_THAT(answers, IsEmpty());
    kept.run();
    ASSERT_EQ(answers.size(), 1U);
    EXPECT_THAT(payloads_of(answers[0]), ElementsAre("there"));
}

TEST_F(MemoryStore, AnotherLifeBeginsWithWhatWasDurable) {
    EXPECT_EQ(kept.node().boot, boot_id{1});
    put(0, "kept");
    kept.run();
    put(0, "lost");
    memory_store next(kept.durable());
    EXPECT_EQ(next.node().node, kept.node().node);
    EXPECT_EQ(next.node().boot, boot_id{2});
    EXPECT_TRUE(next.durable()[static_cast<std::size_t>(table::small)].contains("kept"));
    EXPECT_FALSE(next.durable()[static_cast<std::size_t>(table::small)].contains("lost"));
    EXPECT_EQ(memory_store(next.durable()).node().boot, boot_id{3});
}

TEST_F(MemoryStore, LoadsSessionsAndRefusesBrokenRows) {
    hand_over what{.ticket = ++tickets[0]};
    sample_session{}.put(what.operations);
    what.operations.put(table::retained, "t", "message");
    kept.commit(shard_id{0}, std::move(what));
    kept.run();
    held_state found;
    ASSERT_TRUE(kept.load(found));
    EXPECT_TRUE(found.sessions.contains("dev"));
    EXPECT_THAT(found.retained, ElementsAre(Pair("t", "message")));
    hand_over broken{.ticket = ++tickets[0]};
    broken.operations.put(table::sessions, "?", "?");
    kept.commit(shard_id{0}, std::move(broken));
    kept.run();
    const auto again = kept.load(found);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().what, "1 rows are broken");
}

TEST_F(MemoryStore, CloseRunsWhatWaits) {
    put(0, "a");
    kept.close();
    EXPECT_THAT(keys(), ElementsAre("a"));
}

} // namespace
} // namespace gv::storage
