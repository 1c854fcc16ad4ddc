// SPDX-License-Identifier: Apache-2.0
// Many nodes that find, lose and find again each other.
#include "tests/cluster/simulated_members.hpp"

#include <gtest/gtest.h>

#include <numeric>

namespace gv::cluster {
namespace {

using index = simulated_members::index;

constexpr duration limit = 120s;

[[nodiscard]] duration until_whole(simulated_members& world, duration most = limit) {
    return world.run_until([&] { return world.is_whole(); }, most);
}

/// Nodes that know each other, with nothing said of it.
void settle(simulated_members& world) {
    world.start_all({0, 1}, 2s);
    ASSERT_LT(until_whole(world), limit);
    world.run_for(60s);
    world.events.clear();
}

void expect_sound(simulated_members& world) {
    EXPECT_EQ(world.complaints, std::vector<std::string>{});
    EXPECT_EQ(world.difference(), "");
}

class MembershipCluster : public testing::TestWithParam<std::size_t> {};

TEST_P(MembershipCluster, FindsItselfWhateverTheOrderOfStarts) {
    for (std::uint64_t seed = 0; seed < (GetParam() > 20 ? 1 : 10); ++seed) {
        simulated_members world(GetParam(), seed);
        world.start_all({0, 1}, 10s);
        EXPECT_LT(until_whole(world), 45s) << "seed " << seed;
        EXPECT_EQ(world.count(member_change::died), 0U);
        world.run_for(60s);
        expect_sound(world);
    }
}

TEST_P(MembershipCluster, TakesOneMoreIn) {
    simulated_members world(GetParam(), 1);
    for (index i = 1; i < world.size(); ++i) {
        world.start(i, {1});
    }
    ASSERT_LT(until_whole(world), limit);
    world.start(0, {world.size() - 1}); // whoever answers will do
    EXPECT_LT(until_whole(world), 15s);
    expect_sound(world);
}

TEST_P(MembershipCluster, NoticesAProcessThatWasKilled) {
    simulated_members world(GetParam(), 2);
    settle(world);
    world.crash(1, simulated_members::end::process);
    const duration took =
        world.run_until([&] { return world.all_see(1, member_state::dead); }, limit);
    EXPECT_LT(took, world.size() <= 5 ? 3500ms : 25s);
    EXPECT_EQ(world.count(member_change::died), world.size() - 1);
    world.run_for(30s);
    expect_sound(world);
}

TEST_P(MembershipCluster, NoticesAMachineThatIsSilent) {
    simulated_members world(GetParam(), 3);
    settle(world);
    world.crash(1, simulated_members::end::machine);
    const duration took =
        world.run_until([&] { return world.all_see(1, member_state::dead); }, limit);
    EXPECT_LT(took, world.size() <= 5 ? 7s : 30s);
    EXPECT_EQ(world.count(member_change::died), world.size() - 1);
}

TEST_P(MembershipCluster, TakesANewBootForTheEndOfTheOld) {
    simulated_members world(GetParam(), 4);
    settle(world);
    world.crash(1);
    world.run_for(200ms);
    world.restart(1);
    EXPECT_LT(until_whole(world), 15s);
    for (index i = 0; i < world.size(); ++i) {
        if (i != 1) {
            EXPECT_EQ(world.view(i, 1)->row.boot, boot_id{2});
        }
    }
    EXPECT_EQ(world.count(member_change::died, 1), world.size() - 1);
    EXPECT_EQ(world.count(member_change::joined, 1), world.size() - 1);
    expect_sound(world);
}

TEST_P(MembershipCluster, BelievesWhoeverSaysGoodbye) {
    simulated_members world(GetParam(), 5);
    settle(world);
    world.leave(1, departure::restart);
    EXPECT_LT(world.run_until([&] { return world.all_see(1, member_state::dead); }, limit), 1s);
    world.crash(1);
    world.run_for(3s);
    world.restart(1);
    EXPECT_LT(until_whole(world), 15s);
    world.leave(0, departure::for_good);
    EXPECT_LT(world.run_until([&] { return world.all_see(0, member_state::left); }, limit), 1s);
    world.crash(0);
    world.run_for(60s);
    EXPECT_EQ(world.count(member_change::suspected), 0U);
    expect_sound(world);
}

TEST_P(MembershipCluster, IsWholeAgainAfterASplit) {
    simulated_members world(GetParam(), 6);
    settle(world);
    std::vector<index> left(world.size() / 2);
    std::iota(left.begin(), left.end(), 0);
    std::vector<index> right(world.size() - left.size());
    std::iota(right.begin(), right.end(), left.size());
    world.split({left, right});
    world.run_for(60s);
    for (const index i : left) {
        for (const index j : right) {
            EXPECT_TRUE(world.sees(i, j, member_state::dead));
            EXPECT_TRUE(world.sees(j, i, member_state::dead));
        }
    }
    world.mend_all();
    world.events.clear();
    EXPECT_LT(until_whole(world), 35s);
    EXPECT_EQ(world.count(member_change::died), 0U) << "coming together kills nobody";
    world.run_for(30s);
    expect_sound(world);
}

TEST_P(MembershipCluster, TakesBackWhoWasAloneForFiveMinutes) {
    simulated_members world(GetParam(), 7);
    settle(world);
    world.isolate(1);
    world.run_for(300s);
    EXPECT_TRUE(world.all_see(1, member_state::dead));
    world.mend_all();
    world.events.clear();
    EXPECT_LT(until_whole(world), 35s);
    EXPECT_EQ(world.count(member_change::died), 0U);
    world.run_for(30s);
    expect_sound(world);
}

TEST_P(MembershipCluster, KillsNobodyForOneCutLink) {
    for (std::uint64_t seed = 0; seed < (GetParam() > 20 ? 1 : 10); ++seed) {
        simulated_members both(GetParam(), seed);
        settle(both);
        both.cut_both(0, 1);
        both.run_for(180s);
        EXPECT_EQ(both.events.size(), 0U) << "cut both ways, seed " << seed;

        simulated_members one_way(GetParam(), seed);
        settle(one_way);
        one_way.network.cut(0, 1);
        one_way.run_for(180s);
        EXPECT_EQ(one_way.events.size(), 0U) << "cut one way, seed " << seed;
    }
}

TEST_P(MembershipCluster, DoesNotLetOneLossyNodeDisturbTheOthers) {
    std::size_t suspected = 0;
    for (std::uint64_t seed = 0; seed < (GetParam() > 20 ? 1 : 10); ++seed) {
        simulated_members world(GetParam(), seed);
        settle(world);
        world.network.set_loss(0, 0.3);
        world.run_for(150s);
        EXPECT_EQ(world.count(member_change::died), 0U) << "seed " << seed;
        for (index i = 1; i < world.size(); ++i) {
            for (index j = 1; j < world.size(); ++j) {
                if (i != j) {
                    EXPECT_LE(world.changes(i, j), 1U) << i << " of " << j << ", seed " << seed;
                }
            }
        }
        suspected += world.count(member_change::suspected);
    }
    RecordProperty("suspected", static_cast<int>(suspected));
}

TEST_P(MembershipCluster, DoesNotBelieveANodeThatDidNotRun) {
    simulated_members world(GetParam(), 8);
    settle(world);
    world.freeze(1, 30s);
    world.run_for(90s);
    EXPECT_TRUE(world.is_whole());
    for (const auto& each : world.events) {
        EXPECT_EQ(each.subject, 1U) << "node 1 was away, not the others";
    }
    EXPECT_EQ(world.metrics(1).stalls.get(), 1U);
    expect_sound(world);
}

TEST_P(MembershipCluster, IsNotTroubledByLossOnAllLinks) {
    simulated_members world(GetParam(), 9);
    settle(world);
    world.network.set_faults({.loss = 0.1, .duplicated = 0.1, .delay_min = 1ms, .delay_max = 80ms});
    world.run_for(120s);
    EXPECT_EQ(world.count(member_change::died), 0U);
    world.network.set_faults({});
    world.run_for(60s);
    EXPECT_TRUE(world.is_whole());
    expect_sound(world);
}

INSTANTIATE_TEST_SUITE_P(Nodes, MembershipCluster, testing::Values(3, 5, 20, 100));

TEST(MembershipPair, EachServesAloneAndFindsTheOtherAgain) {
    simulated_members world(2, 1);
    settle(world);
    world.crash(1, simulated_members::end::machine);
    EXPECT_LT(world.run_until([&] { return world.sees(0, 1, member_state::dead); }, limit), 7s);
    world.run_for(300s);
    world.restart(1);
    EXPECT_LT(until_whole(world), 10s);
    expect_sound(world);
}

TEST(MembershipPair, RemembersEveryMemberOverAStartOfAll) {
    simulated_members world(5, 1);
    settle(world);
    world.leave(4, departure::for_good);
    world.run_for(5s);
    for (index i = 0; i < 5; ++i) {
        world.crash(i);
    }
    world.run_for(10s);
    world.start(2, {}); // no seeds: what it has kept is enough
    world.start(0, {});
    EXPECT_LT(until_whole(world), 10s);
    world.run_for(60s);
    EXPECT_TRUE(world.sees(0, 1, member_state::remembered));
    EXPECT_TRUE(world.sees(2, 4, member_state::left));
    world.start(1, {});
    EXPECT_LT(until_whole(world), 10s);
    expect_sound(world);
}

TEST(MembershipSeeds, UniteHalvesThatStartedApart) {
    simulated_members world(6, 1);
    world.start(0, {0, 1});
    world.start(1, {0, 1});
    world.start(2, {2, 3});
    world.start(3, {2, 3});
    world.run_for(60s);
    EXPECT_EQ(world.view(0, 2), nullptr);
    world.start(4, {1, 3, 5}); // 5 comes later
    EXPECT_LT(until_whole(world), 10s);
    world.run_for(120s);
    world.start(5, {});
    EXPECT_LT(until_whole(world), 45s);
    expect_sound(world);
}

TEST(MembershipForget, IsSpreadAndEndsOneLifeForGood) {
    simulated_members world(5, 1);
    settle(world);
    world.isolate(4);
    world.run_for(60s);
    ASSERT_TRUE(world.at(0).forget(world.id_of(4), world.time_of(0)));
    world.run_for(5s);
    EXPECT_TRUE(world.all_see(4, member_state::gone));
    world.mend_all();
    world.run_for(60s);
    EXPECT_EQ(world.forgotten, 1U);
    EXPECT_TRUE(world.at(4).is_forgotten());
    EXPECT_EQ(world.at(4).next_deadline(), never);
    EXPECT_TRUE(world.all_see(4, member_state::gone));
    world.restart(4); // a new life
    EXPECT_LT(until_whole(world), 15s);
    expect_sound(world);
}

TEST(MembershipClock, OneWrongClockIsNamedByAll) {
    simulated_members world(3, 1);
    settle(world);
    world.set_clock(1, 10min);
    world.run_for(2s);
    EXPECT_EQ(world.view(0, 1)->clock, clock_standing::far_ahead);
    EXPECT_EQ(world.view(2, 1)->clock, clock_standing::far_ahead);
    EXPECT_EQ(world.view(0, 2)->clock, clock_standing::fine);
    EXPECT_EQ(world.alarms.size(), 2U);
    world.set_clock(1, 0s);
    world.run_for(2s);
    EXPECT_EQ(world.view(0, 1)->clock, clock_standing::fine);
}

} // namespace
} // namespace gv::cluster
