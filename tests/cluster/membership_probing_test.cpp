// SPDX-License-Identifier: Apache-2.0
// Is it there: probes, their relays, and a node that did not run.
#include "tests/cluster/membership_script.hpp"

#include <gtest/gtest.h>

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

TEST(MembershipProbe, AnAnswerTellsTheWayThereAndBack) {
    script node;
    node.know(2);
    EXPECT_FALSE(node.machine->members().find(node_id{2})->round_trip);
    node.run_to<probe>();
    node.now += 7ms;
    node.hear_from(2, ack{node.sent_of<probe>().front().second.sequence, node_id{2}});
    EXPECT_EQ(node.machine->members().find(node_id{2})->round_trip, 7ms);
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

TEST(MembershipProbe, WhoIsDeadHasEndedIfNobodyListensThere) {
    script node;
    node.know(2);
    node.run_to<probe>();
    node.machine->on_refused(node_id{2}, node.at());
    const member& other = *node.machine->members().find(node_id{2});
    EXPECT_FALSE(other.has_ended()) << "it is not dead";
    node.run_for(5s);
    EXPECT_EQ(other.row.state, member_state::dead);
    EXPECT_TRUE(other.has_ended());
    EXPECT_EQ(node.changes.back(), (change{node_id{2}, member_change::died}));
}

TEST(MembershipProbe, ThatADeadNodeHasEndedMayBeSeenLater) {
    script node;
    node.know(2);
    node.run_to<probe>();
    node.run_for(6s);
    const member& other = *node.machine->members().find(node_id{2});
    EXPECT_EQ(other.row.state, member_state::dead);
    EXPECT_FALSE(other.has_ended()) << "it may be cut off";
    node.sent.clear();
    node.run_to<probe>();
    for (int n = 0; n < 2; ++n) {
        node.machine->on_refused(node_id{2}, node.at());
    }
    EXPECT_TRUE(other.has_ended());
    EXPECT_EQ(node.changes.back(), (change{node_id{2}, member_change::ended}));
    EXPECT_EQ(std::ranges::count(node.changes, change{node_id{2}, member_change::ended}), 1);
}

TEST(MembershipProbe, WhoAnswersAfterARefusalHasNotEnded) {
    script node;
    node.know(2);
    node.run_to<probe>();
    node.machine->on_refused(node_id{2}, node.at());
    node.run_for(1s, true);
    node.sent.clear();
    node.run_for(10s);
    const member& other = *node.machine->members().find(node_id{2});
    EXPECT_EQ(other.row.state, member_state::dead);
    EXPECT_FALSE(other.has_ended());
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

} // namespace
} // namespace gv::cluster
