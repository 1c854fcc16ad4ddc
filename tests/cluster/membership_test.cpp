// SPDX-License-Identifier: Apache-2.0
// What one machine says and believes.
#include "tests/cluster/membership_script.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace gv::cluster {
namespace {

using script = membership_script;
using change = script::change;

TEST(MembershipProbe, NobodyIsSuspectWhoAnswers) {
    script node;
    node.know(5);
    node.run_for(30s, true);
    EXPECT_TRUE(node.changes.empty());
    EXPECT_EQ(node.metrics.failures.get(), 0U);
    EXPECT_NEAR(static_cast<double>(node.metrics.probes.get()), 4 * 30, 4) << "all, each second";
}

TEST(MembershipProbe, OneASecondInALargerCluster) {
    script node;
    node.know(20);
    node.run_for(38s, true);
    EXPECT_NEAR(static_cast<double>(node.metrics.probes.get()), 38, 1);
}

TEST(MembershipProbe, SilenceIsFollowedByOthersThenSuspicionThenDeath) {
    script node;
    node.know(2);
    node.run_to<probe>();
    ASSERT_EQ(node.sent_of<probe>().size(), 1U);
    node.run_for(1'100ms);
    EXPECT_EQ(node.changes, (std::vector<change>{{node_id{2}, member_change::suspected}}));
    node.run_for(4'100ms);
    EXPECT_EQ(node.state_of(2), member_state::dead);
    EXPECT_EQ(node.changes.back(), (change{node_id{2}, member_change::died}));
}

TEST(MembershipProbe, AsksThreeOthersAfterTheTimeout) {
    membership_options options;
    options.probe_all_max = 0; // one at a time
    script node(options);
    node.know(9);
    node.run_to<probe>();
    ASSERT_EQ(node.sent_of<probe>().size(), 1U);
    const node_id target = node.sent_of<probe>().front().first;
    EXPECT_TRUE(node.sent_of<probe_request>().empty());
    node.sent.clear();
    node.run_for(501ms);
    const auto requests = node.sent_of<probe_request>();
    ASSERT_EQ(requests.size(), 3U);
    for (const auto& [asked, request] : requests) {
        EXPECT_NE(asked, target);
        EXPECT_EQ(request.target, target);
    }
    node.hear_from(requests.front().first.value, ack{requests.front().second.sequence, target});
    node.run_for(499ms);
    EXPECT_TRUE(node.changes.empty()) << "one way is enough";
    EXPECT_EQ(node.machine->awareness_score(), 0);
}

TEST(MembershipProbe, SilenceOfThoseAskedSpeaksAgainstThisNode) {
    membership_options options;
    options.probe_all_max = 0;
    for (const std::size_t nacks : {0U, 1U, 3U}) {
        script node(options);
        node.know(9);
        node.run_to<probe>();
        node.sent.clear();
        node.run_for(501ms);
        const auto requests = node.sent_of<probe_request>();
        ASSERT_EQ(requests.size(), 3U);
        for (std::size_t i = 0; i < nacks; ++i) {
            node.hear_from(requests[i].first.value, nack{requests[i].second.sequence});
        }
        node.run_for(500ms);
        EXPECT_EQ(node.machine->awareness_score(), static_cast<int>(3 - nacks));
        EXPECT_EQ(node.changes.size(), 1U);
    }
}

TEST(MembershipProbe, ARefusedConnectionHalvesTheTime) {
    script node;
    node.know(2);
    node.run_to<probe>();
    const time_point asked = node.now;
    node.machine->on_refused(node_id{2}, node.at());
    EXPECT_EQ(node.state_of(2), member_state::suspect) << "nobody else to ask";
    EXPECT_EQ(node.machine->members().find(node_id{2})->doubt->deadline(), asked + 2s);
    EXPECT_EQ(node.machine->awareness_score(), 0) << "that was not this node's fault";
    EXPECT_EQ(node.sent_of<probe>().size(), 1U) << "it would be refused again";
}

TEST(MembershipProbe, ARefusedConnectionIsNotTheEndIfOthersGetThrough) {
    script node;
    node.know(3);
    node.run_to<probe>();
    node.sent.clear();
    node.machine->on_refused(node_id{2}, node.at());
    const auto requests = node.sent_of<probe_request>();
    ASSERT_EQ(requests.size(), 1U) << "at once";
    node.hear_from(3, ack{requests.front().second.sequence, node_id{2}});
    EXPECT_EQ(node.state_of(2), member_state::alive);
}

TEST(MembershipRelay, SaysYesOrNoInTime) {
    script node;
    node.know(3);
    node.hear_from(2, probe_request{77, node_id{3}});
    const auto probes = node.sent_of<probe>();
    ASSERT_EQ(probes.size(), 1U);
    node.hear_from(3, ack{probes.front().second.sequence, node_id{3}});
    ASSERT_EQ(node.sent_of<ack>().size(), 1U);
    EXPECT_EQ(node.sent_of<ack>().front().second.sequence, 77U);
    EXPECT_EQ(node.sent_of<ack>().front().second.subject, node_id{3});

    node.hear_from(2, probe_request{78, node_id{3}});
    node.run_for(400ms);
    ASSERT_EQ(node.sent_of<nack>().size(), 1U);
    EXPECT_EQ(node.sent_of<nack>().front().second.sequence, 78U);
    node.hear_from(2, probe_request{79, node_id{99}});
    EXPECT_EQ(node.sent_of<nack>().size(), 2U) << "nobody knows 99";
}

TEST(MembershipRelay, DoesNotTakeMoreThanItMay) {
    membership_options options;
    options.relayed_max = 2;
    script node(options);
    node.know(3);
    for (std::uint64_t i = 0; i < 10; ++i) {
        node.hear_from(2, probe_request{i, node_id{3}});
    }
    EXPECT_EQ(node.sent_of<nack>().size(), 8U);
    EXPECT_LE(node.machine->probes_open(), 4U);
}

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

TEST(MembershipStall, AccusesNobodyOfWhatThisNodeMissed) {
    script node;
    node.know(5);
    node.run_for(10'300ms, true);
    node.run_for(900ms); // probes are on their way
    node.now += 20s;     // nothing runs
    node.machine->on_deadline(node.at());
    EXPECT_TRUE(node.changes.empty());
    EXPECT_EQ(node.metrics.stalls.get(), 1U);
    EXPECT_EQ(node.machine->awareness_score(), 8);
    node.run_for(60s, true);
    EXPECT_TRUE(node.changes.empty());
    EXPECT_EQ(node.machine->awareness_score(), 0);
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

TEST(MembershipRefusal, NamesBothClusters) {
    script node;
    envelope message = node.from(2, push_pull{1, {script::row_of(2)}});
    message.cluster = "office";
    ASSERT_TRUE(node.hear(message));
    ASSERT_EQ(node.sent.size(), 1U);
    EXPECT_EQ(std::get<refusal>(node.sent.front().message.body).cause,
              refusal_cause::other_cluster);
    EXPECT_EQ(node.sent.front().message.cluster, "garden");
    EXPECT_TRUE(node.sent.front().message.gossip.empty());
    ASSERT_EQ(node.alarms.size(), 1U);
    EXPECT_EQ(node.alarms.front().ours, "cluster garden");
    EXPECT_EQ(node.alarms.front().theirs, "cluster office");
    EXPECT_EQ(node.machine->members().size(), 0U);
    ASSERT_TRUE(node.hear(message));
    EXPECT_EQ(node.alarms.size(), 1U) << "once a minute";
}

TEST(MembershipRefusal, NamesBothWireVersions) {
    script node;
    envelope message = node.from(2, probe{1});
    message.wire = {3, 4};
    ASSERT_TRUE(node.hear(message));
    EXPECT_EQ(node.alarms.at(0).ours, "wire 1 to 1");
    EXPECT_EQ(node.alarms.at(0).theirs, "wire 3 to 4");
    EXPECT_EQ(node.sent_of<refusal>().size(), 1U);
}

TEST(MembershipRefusal, IsNotAnsweredWithARefusal) {
    script node;
    envelope message = node.from(2, refusal{refusal_cause::other_cluster, node_id{1}});
    message.cluster = "office";
    ASSERT_TRUE(node.hear(message));
    EXPECT_TRUE(node.sent.empty());
    EXPECT_EQ(node.alarms.at(0).kind, alarm_kind::refused_by_peer);
    EXPECT_EQ(node.alarms.at(0).theirs, "cluster office");
}

TEST(MembershipRefusal, AnAddressThatMovedIsNoAnswer) {
    script node;
    node.know(3);
    envelope meant_for_another = node.from(2, probe{1});
    meant_for_another.to = node_id{9};
    ASSERT_TRUE(node.hear(meant_for_another));
    EXPECT_EQ(node.sent_of<refusal>().at(0).second.cause, refusal_cause::other_node);
    EXPECT_TRUE(node.sent_of<ack>().empty());

    node.run_to<probe>();
    node.sent.clear();
    node.hear_from(3, refusal{refusal_cause::other_node, node_id{2}}); // 3 has the address of 2
    EXPECT_EQ(node.sent_of<probe_request>().size(), 1U) << "as if nobody listened";
}

TEST(MembershipMalformed, IsAnErrorAndNothingElse) {
    script node;
    node.know(2);
    envelope message = node.from(2, notice{}, {script::row_of(3), script::row_of(4)});
    message.gossip.back().profile.name.assign(1'000, 'x');
    EXPECT_EQ(node.hear(message).error(), message_fault::node_name);
    EXPECT_EQ(node.machine->members().size(), 1U) << "not even the part that was well formed";
    EXPECT_EQ(node.metrics.malformed.get(), 1U);
    EXPECT_EQ(node.alarms.at(0).kind, alarm_kind::malformed);
    EXPECT_FALSE(node.machine->on_gossip(node_id{2}, message.gossip, node.at()));
    EXPECT_EQ(node.machine->members().size(), 1U);
}

TEST(MembershipJoin, AnswersWithAllThatItKnows) {
    script node;
    node.know(3);
    node.hear_from(9, push_pull{4, {script::row_of(9), script::row_of(3)}});
    EXPECT_EQ(node.state_of(9), member_state::alive);
    const auto answers = node.sent_of<push_pull_answer>();
    ASSERT_EQ(answers.size(), 1U);
    EXPECT_EQ(answers.front().second.sequence, 4U);
    EXPECT_EQ(answers.front().second.rows.size(), 4U);
    EXPECT_EQ(answers.front().second.rows.front(), node.machine->self());
    EXPECT_GT(node.snapshots, 0U);
}

TEST(MembershipJoin, AStrangerIsAskedForItsState) {
    script node;
    node.hear_from(9, probe{4});
    EXPECT_TRUE(node.sent_of<ack>().at(0).second.wants_state);
    EXPECT_EQ(node.sent.at(0).address, "") << "back the way it came";
    node.know(2);
    node.run_to<probe>();
    const auto probes = node.sent_of<probe>();
    node.sent.clear();
    node.hear_from(2, ack{probes.back().second.sequence, node_id{2}, true});
    EXPECT_EQ(node.sent_of<push_pull>().size(), 1U) << "who is asked, tells";
}

TEST(MembershipJoin, TriesASeedUntilItAnswers) {
    script node;
    node.machine->join(std::vector<std::string>{"a:1"}, node.at());
    node.run_for(300s);
    const auto tries = node.sent_of<push_pull>();
    EXPECT_GE(tries.size(), 10U);
    EXPECT_EQ(node.sent.front().address, "a:1");
    node.hear_from(2, push_pull_answer{tries.back().second.sequence, {script::row_of(2)}});
    node.sent.clear();
    node.run_for(25s, true);
    for (const auto& each : node.sent) {
        EXPECT_NE(each.address, "a:1");
    }
}

TEST(MembershipLimits, MembersDoNotGrowWithoutEnd) {
    membership_options options;
    options.limits.rows_max = 10;
    script node(options);
    for (std::uint64_t i = 2; i < 500; ++i) {
        node.hear_from(2, notice{}, {script::row_of(i)});
    }
    EXPECT_EQ(node.machine->members().size(), 10U);
    EXPECT_LE(node.machine->gossip_waiting(), 10U);
    EXPECT_GT(node.metrics.left_out.get(), 0U);
    EXPECT_EQ(node.alarms.at(0).kind, alarm_kind::members_full);
    EXPECT_LE(node.alarms.size(), options.alarms_max);
}

TEST(MembershipLimits, GossipKeepsToItsBytes) {
    script node;
    for (std::uint64_t i = 2; i < 200; ++i) {
        node.hear_from(2, notice{}, {script::row_of(i)});
    }
    node.run_for(5s);
    ASSERT_FALSE(node.sent.empty());
    for (const auto& each : node.sent) {
        std::size_t bytes = 0;
        for (const member_row& row : each.message.gossip) {
            bytes += wire_bytes(row);
        }
        EXPECT_LE(bytes, 1'024U);
    }
    EXPECT_FALSE(node.machine->take_gossip(node_id{2}, 300).empty()) << "for other frames too";
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
    EXPECT_EQ(node.machine->common_wire(), (wire_range{1, 1}));
}

TEST(MembershipLeave, EndsWithNothingMoreToDo) {
    script node;
    node.know(3);
    node.machine->leave(departure::for_good, node.at());
    ASSERT_EQ(node.sent_of<notice>().size(), 2U);
    EXPECT_EQ(node.sent.front().message.gossip.at(0).state, member_state::left);
    node.run_for(60s);
    EXPECT_EQ(node.machine->next_deadline(), never);
    node.sent.clear();
    node.hear_from(2, probe{1}, {script::row_of(1, member_state::suspect, 0, 1, 2)});
    EXPECT_EQ(node.machine->self().incarnation, incarnation_number{0}) << "it does not refute";
    EXPECT_EQ(node.sent.at(0).message.gossip.at(0).state, member_state::left) << "but says so";
}

TEST(MembershipClock, AStampFromTheFutureIsNotAbsorbed) {
    script node;
    node.know(2);
    const auto hear_with = [&](std::chrono::milliseconds ahead) {
        envelope message = node.from(2, notice{});
        message.sent_at.value += static_cast<std::uint64_t>(ahead.count()) << 16;
        static_cast<void>(node.hear(message));
    };
    node.absorbed = 0;
    hear_with(499ms);
    EXPECT_EQ(node.absorbed, 1U);
    hear_with(600ms);
    hear_with(600ms);
    hear_with(6s);
    EXPECT_EQ(node.absorbed, 1U);
    hear_with(0ms);
    EXPECT_EQ(node.absorbed, 2U);
    ASSERT_EQ(node.alarms.size(), 3U);
    EXPECT_EQ(node.alarms[0].kind, alarm_kind::clock_ahead);
    EXPECT_EQ(node.alarms[0].theirs, "600 ms ahead");
    EXPECT_EQ(node.alarms[1].kind, alarm_kind::clock_far_ahead);
    EXPECT_EQ(node.alarms[2].kind, alarm_kind::clock_fine_again);
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
