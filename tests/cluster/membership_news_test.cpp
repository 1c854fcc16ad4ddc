// SPDX-License-Identifier: Apache-2.0
// What is said of nodes: whom one machine believes, and what follows.
#include "tests/cluster/membership_script.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace gv::cluster {
namespace {

using script = membership_script;
using change = script::change;

TEST(MembershipRefutation, ContradictsWithAHigherIncarnation) {
    script node;
    node.know(3);
    node.hear_from(2, probe{5}, {script::row_of(1, member_state::suspect, 0, 1, 2)});
    EXPECT_EQ(node.machine->self().incarnation, incarnation_number{1});
    ASSERT_EQ(node.sent_of<ack>().size(), 1U);
    const auto answer = std::ranges::find_if(
        node.sent, [](const auto& each) { return std::holds_alternative<ack>(each.message.body); });
    ASSERT_EQ(answer->message.gossip.size(), 1U) << "the answer carries it";
    EXPECT_EQ(answer->message.gossip.front(), node.machine->self());
    EXPECT_EQ(node.machine->awareness_score(), 1);
}

TEST(MembershipRefutation, IsToldAgainToWhomHasNotHeardIt) {
    script node;
    node.know(3);
    node.hear_from(2, notice{}, {script::row_of(1, member_state::suspect, 4, 1, 2)});
    EXPECT_EQ(node.machine->self().incarnation, incarnation_number{5});
    node.run_for(30s, true);
    EXPECT_EQ(node.machine->gossip_waiting(), 0U);
    node.hear_from(3, probe{5}, {script::row_of(1, member_state::suspect, 3, 1, 2)});
    EXPECT_EQ(node.machine->self().incarnation, incarnation_number{5}) << "that is over";
    EXPECT_EQ(node.sent.back().message.gossip.at(0), node.machine->self());
}

TEST(MembershipAddress, WhoSpeaksAtThatOfADeadNodeWithoutAStoreHasReplacedIt) {
    for (const bool is_passing : {true, false}) {
        for (const bool dies_first : {true, false}) {
            script node;
            node.know(3);
            const auto say = [&](std::uint64_t who, member_state state) {
                member_row row = script::row_of(who, state, 0, 1, who);
                row.profile.peer_address = "there:1";
                row.profile.features = is_passing ? feature_passing : feature_relay;
                node.hear_from(2, notice{}, {row});
            };
            say(4, member_state::alive);
            say(dies_first ? 4 : 5, dies_first ? member_state::dead : member_state::alive);
            EXPECT_EQ(node.state_of(4), dies_first ? member_state::dead : member_state::alive);
            say(dies_first ? 5 : 4, dies_first ? member_state::alive : member_state::dead);
            EXPECT_EQ(node.state_of(4), is_passing ? member_state::left : member_state::dead);
            EXPECT_EQ(node.state_of(5), member_state::alive);
        }
    }
}

TEST(MembershipHearsay, IsNotBelievedOfWhoHasJustAnswered) {
    script node;
    node.know(3);
    node.run_for(1s, true);
    node.sent.clear();
    node.hear_from(2, notice{}, {script::row_of(3, member_state::suspect, 0, 1, 2)});
    EXPECT_EQ(node.state_of(3), member_state::alive);
    ASSERT_EQ(node.sent_of<notice>().size(), 1U) << "and not even asked";
    EXPECT_EQ(node.sent.front().to, node_id{3});
    EXPECT_EQ(node.sent.front().message.gossip.at(0).state, member_state::suspect) << "it is told";
}

TEST(MembershipHearsay, IsBelievedOfWhoDoesNotAnswer) {
    membership_options options;
    options.probe_all_max = 0;
    script node(options);
    node.know(9);
    node.hear_from(2, notice{}, {script::row_of(3, member_state::suspect, 0, 1, 2)});
    EXPECT_EQ(node.state_of(3), member_state::alive);
    ASSERT_EQ(node.sent_of<probe>().size(), 1U) << "it is asked";
    EXPECT_EQ(node.sent.front().message.gossip.at(0).accuser, node_id{2}) << "and told";
    node.run_for(500ms);
    EXPECT_EQ(node.state_of(3), member_state::suspect);
    node.hear_from(4, notice{}, {script::row_of(3, member_state::dead, 0, 1, 4)});
    EXPECT_EQ(node.state_of(3), member_state::suspect) << "so soon after the suspicion";
    node.run_for(1'100ms);
    node.hear_from(4, notice{}, {script::row_of(3, member_state::dead, 0, 1, 4)});
    EXPECT_EQ(node.state_of(3), member_state::dead);
}

TEST(MembershipHearsay, ANodesOwnWordIsBelievedAtOnce) {
    script node;
    node.know(3);
    node.run_for(1s, true);
    node.hear_from(2, notice{}, {script::row_of(3, member_state::dead, 0, 1, 3)});
    EXPECT_EQ(node.state_of(3), member_state::dead);
    node.hear_from(2, notice{}, {script::row_of(2, member_state::left, 0, 1, 2)});
    EXPECT_EQ(node.state_of(2), member_state::left);
}

TEST(MembershipSuspicion, EndsSoonerTheMoreAgree) {
    membership_options options;
    options.probe_all_max = 0;
    script node(options);
    node.know(9);
    node.hear_from(2, notice{}, {script::row_of(3, member_state::suspect, 0, 1, 2)});
    node.run_for(500ms);
    const auto deadline = [&] {
        return node.machine->members().find(node_id{3})->doubt->deadline() - node.now;
    };
    EXPECT_EQ(deadline(), 24s);
    node.hear_from(4, notice{}, {script::row_of(3, member_state::suspect, 0, 1, 4)});
    EXPECT_LT(deadline(), 12s);
    node.hear_from(5, notice{}, {script::row_of(3, member_state::suspect, 0, 1, 5)});
    EXPECT_EQ(deadline(), 4s);
}

TEST(MembershipSuspicion, IsNoVerdictOverWhoAnsweredMeanwhile) {
    script node;
    node.know(2);
    node.run_for(2'100ms);
    ASSERT_EQ(node.state_of(2), member_state::suspect);
    node.run_for(20s, true); // it answers, but its refutation never gets through
    EXPECT_EQ(node.state_of(2), member_state::suspect);
    node.run_for(10s);
    EXPECT_EQ(node.state_of(2), member_state::dead);
}

TEST(MembershipBoot, ANewOneEndsTheOldAtOnce) {
    script node;
    node.know(3);
    envelope message = node.from(2, probe{1});
    message.boot = boot_id{2};
    ASSERT_TRUE(node.hear(message));
    EXPECT_EQ(node.changes, (std::vector<change>{{node_id{2}, member_change::died}}));
    EXPECT_TRUE(node.sent_of<ack>().front().second.wants_state);
    node.hear_from(2, notice{}, {});
    message.gossip = {script::row_of(2, member_state::alive, 0, 2)};
    ASSERT_TRUE(node.hear(message));
    EXPECT_EQ(node.changes.back(), (change{node_id{2}, member_change::joined}));
    node.hear_from(2, probe{2});
    EXPECT_EQ(node.metrics.stale.get(), 1U) << "a message of the old boot";
    EXPECT_FALSE(node.sent_of<ack>().back().second.wants_state);
}

TEST(MembershipIdentity, ACopiedDiskIsNoticed) {
    script node;
    node.know(2);
    member_row other = script::row_of(1);
    other.profile.peer_address = "copy:7883";
    node.hear_from(2, notice{}, {other});
    ASSERT_EQ(node.alarms.size(), 1U);
    EXPECT_EQ(node.alarms.front().kind, alarm_kind::identity_in_use);
    EXPECT_EQ(node.alarms.front().theirs, "copy:7883");
}

TEST(MembershipForget, NeedsANodeThatIsAway) {
    script node;
    node.know(2);
    EXPECT_EQ(node.machine->forget(node_id{2}, node.at()).error(), forget_failure::is_live);
    EXPECT_EQ(node.machine->forget(node_id{7}, node.at()).error(), forget_failure::unknown);
    node.run_for(10s);
    ASSERT_TRUE(node.machine->forget(node_id{2}, node.at()));
    EXPECT_EQ(node.changes.back(), (change{node_id{2}, member_change::gone}));
    node.sent.clear();
    node.run_for(300s);
    EXPECT_TRUE(node.sent.empty()) << "it is not redialled";
}

TEST(MembershipForget, HappensByItselfOnlyIfAsked) {
    for (const bool is_asked : {false, true}) {
        membership_options options;
        if (is_asked) {
            options.forget_after = std::chrono::hours(24);
        }
        script node(options);
        node.know(2);
        node.run_for(std::chrono::hours(30));
        EXPECT_EQ(node.state_of(2), is_asked ? member_state::gone : member_state::dead);
    }
}

TEST(MembershipForget, TheForgottenIsQuiet) {
    script node;
    node.know(3);
    node.hear_from(2, notice{}, {script::row_of(1, member_state::gone)});
    EXPECT_EQ(node.forgotten_count, 1U);
    node.sent.clear();
    node.hear_from(2, probe{1});
    node.run_for(60s);
    EXPECT_TRUE(node.sent.empty());
    EXPECT_EQ(node.machine->self().incarnation, incarnation_number{0});
}

TEST(MembershipProfile, AChangeRaisesTheIncarnation) {
    script node;
    member_profile profile = script::profile_of(1);
    node.machine->set_profile(profile, node.at());
    EXPECT_EQ(node.machine->self().incarnation, incarnation_number{0}) << "no change";
    profile.client_address = "10.0.0.1:1883";
    node.machine->set_profile(profile, node.at());
    EXPECT_EQ(node.machine->self().incarnation, incarnation_number{1});
    node.know(2);
    member_row row = script::row_of(2, member_state::alive, 1);
    row.profile.wire = {1, 2};
    node.hear_from(2, notice{}, {row});
    EXPECT_EQ(node.changes, (std::vector<change>{{node_id{2}, member_change::updated}}));
}

TEST(MembershipLevels, AreThoseOfAllWhoMayComeBack) {
    membership_options options;
    options.wire = {1, 3};
    member_profile own = script::profile_of(1);
    own.wire = {1, 3};
    script node(options);
    EXPECT_EQ(node.levels, (std::vector<wire_levels>{{1, 1, 1}}));
    node.machine->set_profile(own, node.at());
    EXPECT_EQ(node.machine->levels(), (wire_levels{3, 1, 3}));
    const auto say = [&](std::uint64_t who, wire_range wire, member_state state,
                         std::uint32_t incarnation = 0) {
        member_row row = script::row_of(who, state, incarnation, 1, who);
        row.profile.wire = wire;
        node.hear_from(2, notice{}, {row});
        return node.machine->levels();
    };
    EXPECT_EQ(say(2, {1, 2}, member_state::alive), (wire_levels{2, 1, 3}));
    EXPECT_EQ(say(2, {1, 2}, member_state::dead), (wire_levels{2, 1, 3})) << "it comes back";
    EXPECT_EQ(say(3, {2, 4}, member_state::alive), (wire_levels{2, 1, 4}));
    EXPECT_EQ(say(4, {5, 6}, member_state::alive), (wire_levels{2, 1, 6})) << "refused by this one";
    EXPECT_EQ(say(4, {5, 6}, member_state::left), (wire_levels{2, 1, 4}));
    EXPECT_EQ(say(2, {1, 2}, member_state::gone), (wire_levels{3, 1, 4}));
    EXPECT_EQ(node.levels.size(), 7U) << "told when it changes, and only then";
    EXPECT_EQ(node.metrics.level.get(), 3);
    EXPECT_EQ(node.metrics.lowest.get(), 1);
    EXPECT_EQ(node.metrics.highest.get(), 4);
}

TEST(MembershipLevels, AreKnownAtTheStartOfWhomItRemembers) {
    member_row old = script::row_of(2);
    old.profile.wire = {0, 0};
    member_row able = script::row_of(3);
    able.profile.wire = {0, 1};
    script node({}, {old, able});
    EXPECT_EQ(node.levels, (std::vector<wire_levels>{{1, 0, 1}}));
}

TEST(MembershipUnknown, WhatANewerNodeTellsOfItselfIsPassedOn) {
    script node;
    node.know(2);
    member_row row = script::row_of(3);
    row.profile.features = 1ULL << 63;
    row.profile.unknown = "profile";
    row.unknown = "row";
    node.hear_from(2, notice{}, {row});
    EXPECT_THAT(node.machine->take_gossip(node_id{2}, 1'024), testing::Contains(row));
    EXPECT_THAT(node.machine->snapshot(), testing::Contains(row));
    node.hear_from(2, push_pull{9, {}});
    EXPECT_THAT(node.sent_of<push_pull_answer>().back().second.rows, testing::Contains(row));
    // Neither a suspicion nor a refutation by others changes what it told.
    row.state = member_state::suspect;
    row.accuser = node_id{2};
    node.hear_from(2, notice{}, {row});
    node.run_for(600ms);
    EXPECT_EQ(node.machine->members().find(node_id{3})->row.profile, row.profile);
    row.incarnation = incarnation_number{1};
    row.state = member_state::alive;
    row.accuser = {};
    row.profile.unknown = "another profile";
    node.hear_from(2, notice{}, {row});
    EXPECT_EQ(node.machine->members().find(node_id{3})->row, row);
    EXPECT_THAT(node.changes, testing::Contains(change{node_id{3}, member_change::updated}));
}

TEST(MembershipUnknown, ItsOwnRowComesBackAsItWas) {
    script node;
    member_profile own = script::profile_of(1);
    own.unknown = "of a later release";
    node.machine->set_profile(own, node.at());
    node.know(2);
    member_row told = node.machine->self();
    node.hear_from(2, notice{}, {told});
    EXPECT_TRUE(node.alarms.empty());
    told.profile.unknown.clear();
    node.hear_from(2, notice{}, {told});
    EXPECT_EQ(node.alarms.at(0).kind, alarm_kind::identity_in_use)
        << "whoever drops a part of it says something else";
}

TEST(MembershipSnapshot, IsWhatTheNextLifeRedials) {
    script first;
    first.know(4);
    first.machine->leave(departure::restart, first.at());
    auto kept = first.machine->snapshot();
    ASSERT_EQ(kept.size(), 3U);
    kept.push_back(script::row_of(1)); // itself, by whatever mistake: is not taken
    kept.push_back(script::row_of(7, member_state::gone));
    script second({}, kept);
    EXPECT_EQ(second.machine->members().size(), 4U);
    EXPECT_EQ(second.state_of(2), member_state::remembered);
    EXPECT_EQ(second.state_of(7), member_state::gone);
    second.run_for(1'100ms);
    std::vector<node_id> redialled;
    for (const auto& [to, body] : second.sent_of<probe>()) {
        redialled.push_back(to);
    }
    std::ranges::sort(redialled);
    redialled.erase(std::ranges::unique(redialled).begin(), redialled.end());
    EXPECT_EQ(redialled, (std::vector{node_id{2}, node_id{3}, node_id{4}}));
    EXPECT_TRUE(second.changes.empty());
}

// Found by the simulation: a restarted node remembered a newer incarnation than others knew, and
// its word made them take a live member for unreachable.
TEST(MembershipSnapshot, WhatANodeRemembersIsNoWordAgainstALiveMember) {
    script node;
    node.know(3);
    node.hear_from(2, notice{}, {script::row_of(3, member_state::remembered, 5)});
    EXPECT_EQ(node.state_of(3), member_state::alive);
    EXPECT_EQ(node.machine->members().find(node_id{3})->row.incarnation, incarnation_number{5});
}

// Found by the simulation: dead, remembered and dead again is one death.
TEST(MembershipSnapshot, ADeathIsToldOnce) {
    script node;
    node.know(3);
    node.hear_from(2, notice{}, {script::row_of(3, member_state::dead, 0, 1, 3)});
    node.hear_from(2, notice{}, {script::row_of(3, member_state::remembered, 5)});
    node.hear_from(2, notice{}, {script::row_of(3, member_state::dead, 5, 1, 3)});
    EXPECT_EQ(node.changes, (std::vector<change>{{node_id{3}, member_change::died}}));
    node.hear_from(2, notice{}, {script::row_of(3, member_state::alive, 6)});
    EXPECT_EQ(node.changes.back(), (change{node_id{3}, member_change::refuted}));
}

} // namespace
} // namespace gv::cluster
