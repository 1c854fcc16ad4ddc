// SPDX-License-Identifier: Apache-2.0
// What every message passes: who it is from, whether it is understood, how much it may hold.
#include "tests/cluster/membership_script.hpp"

#include <gmock/gmock.h>

namespace gv::cluster {
namespace {

using script = membership_script;

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
    EXPECT_THAT(node.alarms.front().remedy, testing::HasSubstr("the same cluster.name"));
    EXPECT_EQ(node.machine->members().size(), 0U);
    ASSERT_TRUE(node.hear(message));
    EXPECT_EQ(node.alarms.size(), 1U) << "once a minute";
}

TEST(MembershipRefusal, TellsWhoItIsIfThatWasSaid) {
    script node;
    envelope message = node.from(2, push_pull{1, {script::row_of(2), script::row_of(3)}});
    message.cluster = "office";
    ASSERT_TRUE(node.hear(message));
    EXPECT_EQ(node.alarms.at(0).name, "node-2");
    EXPECT_EQ(node.alarms.at(0).address, "node-2:7883");
    EXPECT_EQ(node.machine->members().size(), 0U) << "nothing else of it is used";
    message.from = node_id{4}; // whose row is not the first
    ASSERT_TRUE(node.hear(message));
    EXPECT_EQ(node.alarms.at(1).name, "");
    node.know(5);
    message = node.from(5, probe{1});
    message.wire = {0, 0};
    ASSERT_TRUE(node.hear(message));
    EXPECT_EQ(node.alarms.at(2).address, "node-5:7883") << "a member is known";
}

TEST(MembershipRefusal, OfTwoNodesByEachOtherIsToldOnceAMinute) {
    script node;
    envelope asks = node.from(2, probe{1});
    envelope refuses = node.from(2, refusal{refusal_cause::wire_versions, node_id{1}});
    asks.wire = refuses.wire = {2, 3};
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(node.hear(refuses));
        ASSERT_TRUE(node.hear(asks));
        node.now += 10s;
    }
    ASSERT_EQ(node.alarms.size(), 1U);
    EXPECT_EQ(node.alarms.front().kind, alarm_kind::refused_by_peer);
    EXPECT_THAT(node.alarms.front().remedy, testing::HasSubstr("update this node first"));
    node.now += 40s;
    ASSERT_TRUE(node.hear(asks));
    EXPECT_EQ(node.alarms.size(), 2U);
    EXPECT_EQ(node.metrics.refused.get(), 7U) << "each is counted";
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

} // namespace
} // namespace gv::cluster
