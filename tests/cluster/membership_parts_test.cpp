// SPDX-License-Identifier: Apache-2.0
// The parts of which membership is made, each alone.
#include "cluster/alarm_gate.hpp"
#include "cluster/awareness.hpp"
#include "cluster/clock_check.hpp"
#include "cluster/gossip_queue.hpp"
#include "cluster/member_table.hpp"
#include "cluster/probe_table.hpp"
#include "cluster/redial.hpp"
#include "cluster/seed_list.hpp"
#include "cluster/suspicion.hpp"

#include <gtest/gtest.h>

#include <set>

namespace gv::cluster {
namespace {

constexpr time_point start{1'000s};

[[nodiscard]] member_row row_of(std::uint64_t node, member_state state = member_state::alive) {
    return {.node = node_id{node},
            .boot = boot_id{1},
            .state = state,
            .profile = {.name = "n", .peer_address = "n:1"}};
}

TEST(Awareness, ScalesAndStaysWithinItsBounds) {
    awareness health(8);
    EXPECT_EQ(health.scaled(500ms), 500ms);
    health.add(3);
    EXPECT_EQ(health.scaled(500ms), 2s);
    health.add(100);
    EXPECT_EQ(health.score(), 8);
    EXPECT_EQ(health.scaled(1s), 9s);
    health.add(-100);
    EXPECT_EQ(health.score(), 0);
}

TEST(Suspicion, ShrinksWithEachWhoConfirms) {
    suspicion doubt(start, {.least = 4s, .most = 24s, .needed = 2}, node_id{1});
    EXPECT_EQ(doubt.deadline(), start + 24s);
    EXPECT_FALSE(doubt.confirm(node_id{1})) << "nobody confirms himself";
    EXPECT_TRUE(doubt.confirm(node_id{2}));
    EXPECT_NEAR(std::chrono::duration<double>(doubt.deadline() - start).count(), 11.38, 0.01);
    EXPECT_TRUE(doubt.confirm(node_id{3}));
    EXPECT_EQ(doubt.deadline(), start + 4s);
    EXPECT_FALSE(doubt.confirm(node_id{4})) << "it is as short as can be, and memory is bounded";
}

TEST(Suspicion, IsShortAtOnceIfNobodyCouldConfirm) {
    suspicion doubt(start, {.least = 4s, .most = 24s, .needed = 0}, node_id{1});
    EXPECT_EQ(doubt.deadline(), start + 4s);
    doubt.halve();
    doubt.halve();
    EXPECT_EQ(doubt.deadline(), start + 2s) << "once";
    doubt.postpone(3s);
    EXPECT_EQ(doubt.deadline(), start + 5s);
    doubt.restart(start + 10s);
    EXPECT_EQ(doubt.deadline(), start + 12s);
}

TEST(Redial, StaysWithinItsBoundsAndIsNotInStep) {
    std::mt19937_64 random(1);
    std::set<duration> pauses;
    redial next;
    EXPECT_EQ(next.due(), never);
    next.begin(start, {}, 1s, random);
    EXPECT_LE(next.due(), start + 1s);
    for (int i = 0; i < 1'000; ++i) {
        next.again(start, {}, 100, random);
        EXPECT_GE(next.due(), start + 1s);
        EXPECT_LE(next.due(), start + 30s);
        pauses.insert(next.due() - start);
    }
    EXPECT_GT(pauses.size(), 500U);
    next.stop();
    EXPECT_EQ(next.due(), never);
}

TEST(Redial, FewAreTriedSoonAndManyCostNoMoreThanFew) {
    const redial_bounds bounds;
    EXPECT_EQ(bounds.longest_for(0), 2s);
    EXPECT_EQ(bounds.longest_for(4), 2s);
    EXPECT_EQ(bounds.longest_for(20), 10s);
    EXPECT_EQ(bounds.longest_for(1'000), 30s);
    std::mt19937_64 random(1);
    for (const std::size_t away : {1U, 5U, 20U, 60U}) {
        redial next;
        next.begin(start, bounds, bounds.shortest, random);
        time_point now = next.due();
        std::size_t tries = 0;
        for (; now < start + 1h; ++tries) {
            next.again(now, bounds, away, random);
            EXPECT_LE(next.due(), now + bounds.longest_for(away));
            now = next.due();
        }
        EXPECT_LE(away * tries, 4U * 3'600) << away << " nodes, of all of them together";
    }
}

TEST(ClockCheck, JudgesByHowFarAhead) {
    const wall_time mine(std::chrono::sys_days(std::chrono::year(2030) / 1 / 1));
    const auto judged = [&](std::chrono::milliseconds ahead) {
        const auto theirs = (mine + ahead).time_since_epoch();
        const auto stamp = std::chrono::duration_cast<std::chrono::milliseconds>(theirs).count();
        const auto offset = clock_offset({static_cast<std::uint64_t>(stamp) << 16}, mine);
        EXPECT_EQ(offset, ahead);
        return judge_clock(offset, {});
    };
    EXPECT_EQ(judged(-10min), clock_standing::fine) << "late, or behind: never dangerous";
    EXPECT_EQ(judged(500ms), clock_standing::fine);
    EXPECT_EQ(judged(501ms), clock_standing::ahead);
    EXPECT_EQ(judged(5'001ms), clock_standing::far_ahead);
    EXPECT_EQ(judge_clock(clock_offset({~std::uint64_t{0}}, mine), {}), clock_standing::far_ahead);
}

TEST(GossipQueue, TellsWhatWasToldLeastAndNotTooOften) {
    gossip_queue queue(100);
    const std::size_t size = wire_bytes(row_of(1));
    queue.put(row_of(1));
    queue.put(row_of(2));
    std::map<node_id, int> told;
    for (int i = 0; i < 6; ++i) {
        std::vector<member_row> rows;
        queue.take({size, 3}, node_id{9}, rows);
        ASSERT_EQ(rows.size(), 1U);
        ++told[rows.front().node];
    }
    EXPECT_EQ(told[node_id{1}], 3);
    EXPECT_EQ(told[node_id{2}], 3);
    EXPECT_TRUE(queue.empty());
}

TEST(GossipQueue, KeepsOneRowANodeAndTellsNobodyOfItself) {
    gossip_queue queue(100);
    queue.put(row_of(1));
    queue.put(row_of(1, member_state::suspect));
    EXPECT_EQ(queue.size(), 1U);
    std::vector<member_row> rows;
    queue.take({1'024, 8}, node_id{1}, rows);
    EXPECT_TRUE(rows.empty());
    queue.take({1'024, 8}, node_id{2}, rows);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows.front().state, member_state::suspect);
}

TEST(GossipQueue, KeepsToTheBytes) {
    gossip_queue queue(100);
    for (std::uint64_t node = 1; node <= 100; ++node) {
        member_row row = row_of(node);
        row.profile.name.assign(node % 64 + 1, 'x');
        queue.put(row);
    }
    std::vector<member_row> rows;
    queue.take({1'024, 8}, node_id{999}, rows);
    std::size_t bytes = 0;
    for (const member_row& each : rows) {
        bytes += wire_bytes(each);
    }
    EXPECT_LE(bytes, 1'024U);
    EXPECT_GT(bytes, 800U);
}

TEST(GossipQueue, LetsGoWhatWasToldMostIfThereIsNoRoom) {
    gossip_queue queue(2);
    queue.put(row_of(1));
    std::vector<member_row> rows;
    queue.take({1'024, 8}, node_id{9}, rows);
    queue.put(row_of(2));
    queue.put(row_of(3));
    EXPECT_EQ(queue.size(), 2U);
    rows.clear();
    queue.take({1'024, 8}, node_id{9}, rows);
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_NE(rows[0].node, node_id{1});
    EXPECT_NE(rows[1].node, node_id{1});
}

TEST(GossipQueue, TellsMoreOftenInALargerCluster) {
    EXPECT_EQ(transmissions_for(1, 4), 4U);
    EXPECT_EQ(transmissions_for(9, 4), 4U);
    EXPECT_EQ(transmissions_for(10, 4), 8U);
    EXPECT_EQ(transmissions_for(100, 4), 12U);
}

TEST(MemberTable, CountsByState) {
    member_table table(10);
    member* const one = table.add(row_of(1), start);
    ASSERT_NE(table.add(row_of(2, member_state::dead), start), nullptr);
    EXPECT_EQ(table.live(), 1U);
    table.set_row(*one, row_of(1, member_state::suspect), start + 1s);
    EXPECT_EQ(table.live(), 1U);
    EXPECT_EQ(one->since, start + 1s);
    table.set_row(*one, row_of(1, member_state::left), start);
    EXPECT_EQ(table.live(), 0U);
    EXPECT_EQ(table.count(member_state::left), 1U);
}

TEST(MemberTable, MakesRoomByWhoIsNoMemberAnyMore) {
    member_table table(3);
    ASSERT_NE(table.add(row_of(1), start), nullptr);
    ASSERT_NE(table.add(row_of(2, member_state::gone), start + 2s), nullptr);
    ASSERT_NE(table.add(row_of(3, member_state::left), start + 1s), nullptr);
    EXPECT_EQ(table.add(row_of(4, member_state::gone), start), nullptr);
    ASSERT_NE(table.add(row_of(5), start), nullptr);
    EXPECT_EQ(table.find(node_id{3}), nullptr) << "the oldest went";
    ASSERT_NE(table.add(row_of(6), start), nullptr);
    EXPECT_EQ(table.add(row_of(7), start), nullptr) << "members are never pushed out";
    EXPECT_EQ(table.size(), 3U);
}

TEST(ProbeOrder, TakesEverybodyOnceARound) {
    std::mt19937_64 random(1);
    probe_order order;
    const std::vector<node_id> live{node_id{1}, node_id{2}, node_id{3}};
    for (int round = 0; round < 10; ++round) {
        std::set<node_id> seen;
        for (int i = 0; i < 3; ++i) {
            seen.insert(order.next(live, random).value());
        }
        EXPECT_EQ(seen.size(), 3U);
    }
    EXPECT_EQ(order.next({}, random), std::nullopt);
    EXPECT_EQ(order.next({node_id{9}}, random), node_id{9}) << "the others are gone";
}

TEST(SeedList, TriesEachUntilItHasAnswered) {
    std::mt19937_64 random(1);
    seed_list seeds(2);
    const std::vector<std::string> addresses{"a:1", "b:1", "a:1", "c:1"};
    EXPECT_EQ(seeds.add(addresses, start, {}, random), 1U) << "no room";
    EXPECT_EQ(seeds.size(), 2U);
    std::uint64_t sequence = 0;
    for (seed& each : seeds) {
        each.sequence = ++sequence;
    }
    seeds.on_answer(1);
    EXPECT_NE(seeds.next_due(), never);
    seeds.on_answer(7);
    seeds.on_answer(2);
    EXPECT_EQ(seeds.next_due(), never);
}

TEST(AlarmGate, LetsTheSamePassOnceInAWhile) {
    alarm_gate gate(60s, 2);
    EXPECT_TRUE(gate.passes(node_id{1}, 0, start));
    EXPECT_FALSE(gate.passes(node_id{1}, 0, start + 59s));
    EXPECT_TRUE(gate.passes(node_id{1}, 1, start));
    EXPECT_FALSE(gate.passes(node_id{2}, 0, start)) << "no room";
    EXPECT_TRUE(gate.passes(node_id{1}, 0, start + 60s));
    EXPECT_TRUE(gate.passes(node_id{2}, 0, start + 60s)) << "what is old makes room";
}

} // namespace
} // namespace gv::cluster
