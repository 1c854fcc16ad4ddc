// SPDX-License-Identifier: Apache-2.0
#include "cluster/partition_exchange.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace gv::cluster {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr node_id me{5}, lower{3}, higher{8};
constexpr time_point start{1'000s};
constexpr hybrid_time now{1'000 << 16};
constexpr partition_founding older{.at = {500 << 16}, .by = lower};
constexpr partition_founding newer{.at = {2'000 << 16}, .by = higher};

struct noting final : partition_effects {
    void send(node_id to, const partition_message& message) override {
        sent.emplace_back(to, message);
    }
    void table_founded(const partition_founding& founding) override {
        foundings.push_back(founding);
    }
    void partition_changed(partition_id which, const partition_row& row) override {
        changed[which] = row;
    }
    void tables_differ(node_id with, const partition_founding&) override { differ.push_back(with); }

    /// Takes out what was sent to that node as rows.
    std::vector<partition_rows> rows_to(node_id node) {
        std::vector<partition_rows> found;
        for (const auto& [to, message] : sent) {
            if (const auto* rows = std::get_if<partition_rows>(&message); rows && to == node) {
                found.push_back(*rows);
            }
        }
        sent.clear();
        return found;
    }

    std::vector<std::pair<node_id, partition_message>> sent;
    std::vector<partition_founding> foundings;
    std::map<partition_id, partition_row> changed;
    std::vector<node_id> differ;
};

[[nodiscard]] partition_rows all_of(const partition_table& table, bool has_sessions = false) {
    partition_rows made{.heading = {.founding = table.founding(), .has_sessions = has_sessions},
                        .wants_answer = false,
                        .rows = {}};
    for (std::uint16_t number = 0; number < partition_count; ++number) {
        made.rows.push_back({.which = partition_id{number}, .row = table.at(partition_id{number})});
    }
    return made;
}
[[nodiscard]] partition_rows nothing() { return {}; }

struct PartitionExchange : testing::Test {
    partition_exchange here{me, {}, {}, 1, start};
    noting out;

    void hear(node_id from, const partition_message& message) {
        const auto done = here.on_message(from, message, now, out);
        ASSERT_TRUE(done) << text_of(done.error());
    }
    void meet(node_id node) { here.on_peer(node, peer_state::alive, out); }
    [[nodiscard]] bool is_mine() const { return here.table().count(me) == partition_count; }
};

TEST_F(PartitionExchange, WhoIsAloneFoundsTheTableOnceThatIsCertain) {
    EXPECT_FALSE(here.table().founding().is_there());
    here.on_settled(now, out);
    EXPECT_TRUE(is_mine());
    EXPECT_EQ(here.table().founding(), (partition_founding{.at = now, .by = me}));
    EXPECT_THAT(out.foundings, SizeIs(1));
    EXPECT_THAT(out.changed, SizeIs(partition_count));
}

TEST_F(PartitionExchange, WhoLivesMayHaveATableAndIsWaitedFor) {
    meet(higher);
    here.on_settled(now, out);
    EXPECT_FALSE(here.table().founding().is_there());
    hear(higher, nothing());
    EXPECT_TRUE(is_mine()) << "nobody has one, and the lowest id is here";
    EXPECT_THAT(out.rows_to(higher), SizeIs(1));
}

TEST_F(PartitionExchange, TheLowestIdFounds) {
    meet(lower);
    here.on_settled(now, out);
    hear(lower, nothing());
    EXPECT_FALSE(here.table().founding().is_there());
    here.on_peer(lower, peer_state::dead, out);
    here.on_deadline(start + 2s, now, out);
    EXPECT_TRUE(is_mine()) << "it does not come to it";
}

TEST_F(PartitionExchange, AfterEveryEpochThereIsANext) {
    meet(higher);
    here.on_settled(now, out);
    partition_rows told = all_of(partition_table(newer, higher));
    told.rows.front().row.epoch = ~std::uint64_t{0};
    const auto done = here.on_message(higher, told, now, out);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error(), partition_fault::row_invalid);
}

TEST_F(PartitionExchange, WhoShouldHaveAPartitionIsThereAndHasTheSameTable) {
    here.on_settled(now, out);
    EXPECT_THAT(here.to_hand_over(), IsEmpty());
    meet(higher);
    partition_rows told = all_of(here.table());
    told.heading.takes_more = true;
    hear(higher, told);
    EXPECT_GT(here.to_hand_over().size(), 64U);
    EXPECT_LT(here.to_hand_over().size(), 192U) << "about half of them";
    here.on_peer(higher, peer_state::dead, out);
    EXPECT_THAT(here.to_hand_over(), IsEmpty());
}

TEST_F(PartitionExchange, ANodeWithoutATableTakesThatOfTheOthers) {
    meet(higher);
    here.on_settled(now, out);
    hear(higher, all_of(partition_table(newer, higher)));
    EXPECT_EQ(here.table().founding(), newer);
    EXPECT_EQ(here.table().count(higher), partition_count);
    EXPECT_THAT(out.changed, SizeIs(partition_count));
}

TEST_F(PartitionExchange, WhoGoesOverToATableTellsAll) {
    meet(higher);
    meet(lower);
    here.on_settled(now, out);
    out.sent.clear();
    hear(higher, all_of(partition_table(newer, higher)));
    std::set<node_id> told;
    for (const auto& [to, message] : out.sent) {
        const auto* digest = std::get_if<partition_digest>(&message);
        if (digest != nullptr && digest->heading.founding == newer) {
            told.insert(to);
        }
    }
    EXPECT_EQ(told, (std::set{lower, higher})) << "they may hand partitions over to this node";
}

TEST_F(PartitionExchange, OfTwoTablesTheOlderHolds) {
    here.on_settled(now, out);
    meet(higher);
    hear(higher, all_of(partition_table(newer, higher)));
    EXPECT_TRUE(is_mine());
    meet(lower);
    hear(lower, all_of(partition_table(older, lower)));
    EXPECT_EQ(here.table().founding(), older);
    EXPECT_EQ(here.table().count(lower), partition_count);
}

// A machine without a clock chip has founded its table long ago, by its own account.
TEST_F(PartitionExchange, SessionsSayMoreThanAge) {
    here.on_settled(now, out);
    here.set_has_sessions(true);
    meet(lower);
    hear(lower, all_of(partition_table(older, lower)));
    EXPECT_TRUE(is_mine());
    EXPECT_THAT(out.differ, IsEmpty()) << "they will take this one";
}

TEST_F(PartitionExchange, WithoutSessionsHereTheTableByWhichThereAreSomeIsTaken) {
    here.on_settled(now, out);
    meet(higher);
    hear(higher, all_of(partition_table(newer, higher), true));
    EXPECT_EQ(here.table().founding(), newer);
}

TEST_F(PartitionExchange, SessionsOfTwoTablesAreForAPersonToUnite) {
    here.on_settled(now, out);
    here.set_has_sessions(true);
    meet(lower);
    hear(lower, all_of(partition_table(older, lower), true));
    EXPECT_TRUE(is_mine()) << "the sessions here stay where they are";
    EXPECT_THAT(out.differ, testing::ElementsAre(lower));
}

TEST_F(PartitionExchange, SessionsOfALifeOutsideTheClusterGoByATableOfTheirOwn) {
    here.set_has_sessions(true);
    meet(lower);
    here.on_settled(now, out);
    EXPECT_TRUE(is_mine());
    hear(lower, all_of(partition_table(older, lower), true));
    EXPECT_TRUE(is_mine());
    EXPECT_THAT(out.differ, testing::ElementsAre(lower));
}

/// A node with sessions of its own, and another one whose table is older or newer.
struct TwoTables : PartitionExchange {
    TwoTables() {
        here.set_has_sessions(true);
        here.on_settled(now, out);
        meet(lower);
        meet(higher);
    }
    /// Returns whether there is one.
    bool give_up_for_that_of(std::span<const node_id> nodes = {}) {
        const auto found = here.table_of_others(nodes);
        if (found) {
            here.give_up_table(*found, out);
        }
        return found.has_value();
    }
};

TEST_F(TwoTables, AnOperatorGivesUpTheOneThatIsHereThoughItIsOlder) {
    hear(higher, all_of(partition_table(newer, higher), true));
    EXPECT_TRUE(here.goes_by_another(higher));
    EXPECT_FALSE(here.goes_by_another(lower)) << "it has told nothing";
    out.sent.clear();
    EXPECT_TRUE(give_up_for_that_of());
    EXPECT_TRUE(is_mine()) << "until the other one is told";
    const auto asked = out.rows_to(higher);
    ASSERT_THAT(asked, SizeIs(1));
    EXPECT_TRUE(asked.front().wants_answer);
    hear(higher, all_of(partition_table(newer, higher), true));
    EXPECT_EQ(here.table().founding(), newer);
    EXPECT_EQ(here.table().count(higher), partition_count);
    EXPECT_FALSE(here.goes_by_another(higher));
}

TEST_F(TwoTables, WhoHasGivenItsTableUpDoesNotGoBackToIt) {
    const partition_table mine = here.table();
    hear(higher, all_of(partition_table(newer, higher), true));
    EXPECT_TRUE(give_up_for_that_of());
    hear(higher, all_of(partition_table(newer, higher), true));
    here.set_has_sessions(false); // they have gone to their homes
    hear(lower, all_of(mine, true));
    EXPECT_EQ(here.table().founding(), newer) << "though the other one is older";
    EXPECT_TRUE(give_up_for_that_of()) << "but for an operator";
    hear(lower, all_of(mine, true));
    EXPECT_EQ(here.table().founding(), mine.founding());
}

TEST_F(TwoTables, OnlyATableByWhichThereAreSessionsIsWorthIt) {
    EXPECT_EQ(here.table_of_others({}), std::nullopt);
    hear(lower, all_of(partition_table(older, lower)));
    EXPECT_EQ(here.table_of_others({}), std::nullopt) << "they will take the one that is here";
    hear(lower, all_of(partition_table(older, lower), true));
    here.on_peer(lower, peer_state::dead, out);
    EXPECT_EQ(here.table_of_others({}), std::nullopt) << "nobody could take the sessions";
    EXPECT_TRUE(is_mine());
}

TEST_F(TwoTables, OfSeveralTheOperatorChooses) {
    hear(lower, all_of(partition_table(older, lower), true));
    hear(higher, all_of(partition_table(newer, higher), true));
    EXPECT_EQ(here.table_of_others({}), older);
    EXPECT_TRUE(give_up_for_that_of(std::span(&higher, 1)));
    hear(lower, all_of(partition_table(older, lower), true));
    EXPECT_TRUE(is_mine()) << "not that one";
    hear(higher, all_of(partition_table(newer, higher), true));
    EXPECT_EQ(here.table().founding(), newer);
}

TEST_F(TwoTables, WhatIsTakenBackInTimeIsNotGivenUp) {
    hear(lower, all_of(partition_table(older, lower), true));
    EXPECT_TRUE(give_up_for_that_of());
    here.keep_table();
    hear(lower, all_of(partition_table(older, lower), true));
    EXPECT_TRUE(is_mine());
}

TEST_F(PartitionExchange, PartitionsOfANodeThatIsGoneGoToThoseThatAreThere) {
    here.on_settled(now, out);
    meet(higher);
    meet(lower);
    partition_rows told = all_of(partition_table(older, lower));
    hear(lower, told);
    hear(higher, partition_rows{.heading = told.heading, .wants_answer = false, .rows = {}});
    here.on_peer(lower, peer_state::dead, out);
    here.on_deadline(start + 2s, now, out);
    EXPECT_EQ(here.table().count(lower), partition_count) << "it may come back";
    here.on_peer(lower, peer_state::gone, out);
    const std::size_t adopted = here.table().count(me);
    EXPECT_GT(adopted, 64U);
    EXPECT_LT(adopted, 192U) << "about half of them, the other node takes the others";
    here.on_peer(higher, peer_state::dead, out);
    here.on_deadline(start + 4s, now, out);
    EXPECT_TRUE(is_mine()) << "which it has not done";
}

TEST_F(PartitionExchange, ANewHomeIsToldToAll) {
    here.on_settled(now, out);
    meet(lower);
    meet(higher);
    out.sent.clear();
    here.assign(partition_id{7}, higher, out);
    EXPECT_EQ(here.table().at(partition_id{7}), (partition_row{.home = higher, .epoch = 2}));
    EXPECT_EQ(out.changed[partition_id{7}].home, higher);
    EXPECT_THAT(out.sent, SizeIs(2));
}

TEST_F(PartitionExchange, OfARowTheHigherEpochHolds) {
    here.on_settled(now, out);
    here.assign(partition_id{7}, higher, out);
    meet(higher);
    partition_rows told{.heading = {.founding = here.table().founding()},
                        .wants_answer = false,
                        .rows = {{.which = partition_id{7}, .row = {.home = lower, .epoch = 1}}}};
    hear(higher, told);
    EXPECT_EQ(here.table().at(partition_id{7}).home, higher);
    told.rows.front().row.epoch = 3;
    hear(higher, told);
    EXPECT_EQ(here.table().at(partition_id{7}).home, lower);
}

TEST_F(PartitionExchange, ADigestOfAnotherTableIsAnsweredWithAll) {
    here.on_settled(now, out);
    meet(higher);
    const partition_heading same{.founding = here.table().founding()};
    out.sent.clear();
    hear(higher, partition_digest{.heading = same, .hash = here.table().hash()});
    EXPECT_THAT(out.sent, IsEmpty());
    hear(higher, partition_digest{.heading = same, .hash = 1});
    const auto rows = out.rows_to(higher);
    ASSERT_THAT(rows, SizeIs(1));
    EXPECT_TRUE(rows.front().wants_answer);
    EXPECT_THAT(rows.front().rows, SizeIs(partition_count));
}

TEST_F(PartitionExchange, APartOfATableIsAskedForTheRest) {
    meet(higher);
    here.on_settled(now, out);
    out.sent.clear();
    partition_rows part = all_of(partition_table(newer, higher));
    part.rows.resize(1);
    hear(higher, part);
    const auto rows = out.rows_to(higher);
    ASSERT_THAT(rows, SizeIs(1));
    EXPECT_TRUE(rows.front().wants_answer);
    hear(higher, all_of(partition_table(newer, higher)));
    EXPECT_EQ(here.table().count(higher), partition_count);
}

TEST_F(PartitionExchange, WhatNoNodeSaysIsRefusedWhole) {
    meet(higher);
    here.on_settled(now, out);
    const partition_table theirs(newer, higher);
    const auto refused = [&](const partition_message& message) {
        const auto done = here.on_message(higher, message, now, out);
        return done ? std::nullopt : std::optional(done.error());
    };
    auto twice = all_of(theirs);
    twice.rows.front().which = partition_id{1};
    EXPECT_EQ(refused(twice), partition_fault::row_invalid);
    auto outside = all_of(theirs);
    outside.rows.front().which = partition_id{256};
    EXPECT_EQ(refused(outside), partition_fault::row_invalid);
    auto nobodys = all_of(theirs);
    nobodys.rows.back().row.home = {};
    EXPECT_EQ(refused(nobodys), partition_fault::row_invalid);
    auto unborn = all_of(theirs);
    unborn.rows.back().row.epoch = 0;
    EXPECT_EQ(refused(unborn), partition_fault::row_invalid);
    auto unfounded = all_of(theirs);
    unfounded.heading.founding = {};
    EXPECT_EQ(refused(unfounded), partition_fault::founding_invalid);
    EXPECT_EQ(refused(partition_digest{.heading = {.founding = {.at = now, .by = {}}}}),
              partition_fault::founding_invalid);
    EXPECT_EQ(here.counted().refused, 6U);
    EXPECT_FALSE(here.table().founding().is_there());
    EXPECT_EQ(here.on_message(node_id{9}, nothing(), now, out).error(),
              partition_fault::unknown_peer);
}

TEST_F(PartitionExchange, ProposalsAreTheSameEverywhereAndMoveLittle) {
    partition_exchange there{higher, {}, {}, 1, start};
    meet(higher);
    there.on_peer(me, peer_state::alive, out);
    std::set<std::uint16_t> of_mine;
    for (std::uint16_t number = 0; number < partition_count; ++number) {
        EXPECT_EQ(here.proposal(partition_id{number}), there.proposal(partition_id{number}));
        if (here.proposal(partition_id{number}) == me) {
            of_mine.insert(number);
        }
    }
    EXPECT_GT(of_mine.size(), 90U);
    EXPECT_LT(of_mine.size(), 166U);
    meet(lower);
    for (std::uint16_t number = 0; number < partition_count; ++number) {
        const auto proposed = here.proposal(partition_id{number});
        EXPECT_TRUE(proposed == lower || (proposed == me) == of_mine.contains(number)) << number;
    }
}

TEST_F(PartitionExchange, WhoTakesNoMoreIsNotProposed) {
    meet(higher);
    hear(higher, partition_digest{.heading = {.takes_more = false}});
    for (std::uint16_t number = 0; number < partition_count; ++number) {
        EXPECT_EQ(here.proposal(partition_id{number}), me);
    }
    here.set_takes_more(false, out);
    EXPECT_EQ(here.proposal(partition_id{0}), std::nullopt);
}

TEST_F(PartitionExchange, TheTableOfALifeBeforeHoldsAtOnce) {
    partition_exchange again{me, partition_table(older, lower), {}, 1, start};
    EXPECT_EQ(again.table().count(lower), partition_count);
    again.on_settled(now, out);
    EXPECT_EQ(again.table().founding(), older);
    EXPECT_THAT(out.foundings, IsEmpty());
}

} // namespace
} // namespace gv::cluster
