// SPDX-License-Identifier: Apache-2.0
// All that is known, against all that another knows; joining and leaving.
#include "tests/cluster/membership_script.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace gv::cluster {
namespace {

using script = membership_script;

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

TEST(MembershipJoin, ASeedIsTriedAgainWhenItIsNamedWhileAMemberIsAway) {
    script node;
    const std::vector<std::string> seeds{"a:1"};
    const auto asked_there = [&] {
        const auto sent = std::exchange(node.sent, {});
        return std::ranges::count(sent, "a:1", &script::sent_message::address);
    };
    node.machine->join(seeds, node.at());
    node.run_to<push_pull>();
    node.hear_from(
        2, push_pull_answer{node.sent_of<push_pull>().at(0).second.sequence, {script::row_of(2)}});
    node.sent.clear();
    node.machine->join(seeds, node.at());
    node.run_for(2s, true);
    EXPECT_EQ(asked_there(), 0) << "all are there";
    node.hear_from(2, notice{}, {script::row_of(3, member_state::dead, 0, 1, 3)});
    node.machine->join(seeds, node.at());
    node.run_for(2s);
    EXPECT_GE(asked_there(), 1) << "another node may have that address now";
}

TEST(MembershipJoin, AQuestionToOneAddressIsNotTriedAgain) {
    script node;
    const envelope question = node.machine->join_question(node.at());
    EXPECT_EQ(question.to, node_id{}) << "whoever is there";
    EXPECT_EQ(std::get<push_pull>(question.body).rows.front(), node.machine->self());
    node.run_for(60s);
    EXPECT_TRUE(node.sent.empty());
    node.hear_from(
        2, push_pull_answer{std::get<push_pull>(question.body).sequence, {script::row_of(2)}});
    EXPECT_EQ(node.state_of(2), member_state::alive);
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

} // namespace
} // namespace gv::cluster
