// SPDX-License-Identifier: Apache-2.0
// Messages for the kept sessions of a node that is away.
#include "cluster/lane_format.hpp"
#include "tests/support/stored_script.hpp"

#include <gmock/gmock.h>

namespace gv::support {
namespace {

using mqtt::packet_type;
using mqtt::reason_code;
using shard::lane_key;
using shard::peer_presence;
using storage::table;
using testing::ElementsAre;

constexpr auto qos_0 = qos::at_most_once;
constexpr auto qos_1 = qos::at_least_once;
constexpr auto qos_2 = qos::exactly_once;
constexpr peer_slot away{1};
constexpr node_id away_node{77};
constexpr boot_id life{3};

/// One other node, which wants everything.
class wanting_peer final : public router::peer_routes {
  public:
    void who_wants(std::string_view, std::vector<router::peer_want>& into,
                   std::vector<router::spread_group>& groups) const override {
        if (for_volatile || for_kept) {
            into.push_back({.slot = away, .for_volatile = for_volatile, .for_kept = for_kept});
        }
        if (for_group) {
            router::spread_group& made = groups.emplace_back();
            made.name = "g";
            made.filter = "#";
            const std::uint32_t members = has_told_of_members ? 1 : 0;
            made.elsewhere.push_back({.at = away,
                                      .node = away_node,
                                      .online = members,
                                      .total = members,
                                      .has_queue = has_queue});
        }
    }
    bool for_volatile = true;
    bool for_kept = true;
    bool for_group = false;
    bool has_queue = false;
    bool has_told_of_members = true;
};

class Spool : public testing::Test {
  protected:
    [[nodiscard]] stored_options options(std::size_t shards, std::size_t after = 0) {
        stored_options made{.node = {.shards = shards}, .shards_after = after};
        made.node.core.is_clustered = true;
        made.node.core.routing.peers = &peer;
        return made;
    }
    static void become(stored_script& s, peer_presence presence, boot_id boot = life) {
        for (std::size_t shard = 0; shard < s.node.shards(); ++shard) {
            s.node.core(shard).on_peer(
                {.slot = away, .node = away_node, .boot = boot, .presence = presence});
        }
        s.node.run();
    }
    /// What comes there over all lanes, as "payload" or "payload!" for kept sessions alone; all of
    /// it is taken.
    static std::vector<std::string> drain(stored_script& s, boot_id boot = life) {
        std::vector<std::string> all;
        for (std::size_t shard = 0; shard < s.node.shards(); ++shard) {
            shard::core& core = s.node.core(shard);
            for (const lane_key lane : core.lanes_to(away)) {
                EXPECT_TRUE(core.on_welcome(lane, {.boot = boot,
                                                   .expected = core.hello_of(lane).oldest,
                                                   .credit_bytes = 1 << 20}));
                s.node.run();
                while (const auto frame = core.take_frame(lane)) {
                    take(core, lane, *frame, all);
                    s.node.run();
                }
            }
        }
        return all;
    }
    static void take(shard::core& core, lane_key lane, const cluster::lane_frame& frame,
                     std::vector<std::string>& all) {
        cluster::lane_seq seq = frame.first;
        cluster::piece_reader pieces(frame.bytes);
        while (const auto each = pieces.next()) {
            if (each->kind == cluster::piece_kind::skip) {
                seq += each->length;
                continue;
            }
            publication what;
            cluster::forward_flags flags;
            EXPECT_FALSE(
                decode_message(each->content, {.lane_origin = {}, .now = {}}, what, flags));
            all.push_back(std::string(what.payload) + (flags.for_subscribers ? "" : "!"));
            std::string taken;
            cluster::encode_taken({{.first = seq++, .count = 1, .reason = 0}}, 100, taken);
            EXPECT_TRUE(core.on_reply(lane, {.taken = taken, .credit_bytes = 0}));
        }
    }

    /// It has a member of a group, and nobody else.
    void want_for_group_only() {
        peer.for_volatile = peer.for_kept = false;
        peer.for_group = true;
    }

    wanting_peer peer;
};

TEST_F(Spool, PubackAndPubrecComeWhenTheRowIsDurable) {
    stored_script s(options(1));
    become(s, peer_presence::absent);
    s.client("pub").connect();
    s.stop_disk();
    const packet_id first = s.client("pub").publish("t", "m", qos_1);
    const packet_id second = s.client("pub").publish("t", "n", qos_2);
    s.client("pub").expect_nothing();
    s.start_disk();
    s.client("pub").expect_ack(packet_type::puback, first);
    s.client("pub").expect_ack(packet_type::pubrec, second);
    EXPECT_EQ(s.rows(table::spool), 2U);
}

TEST_F(Spool, PubackDoesNotWaitWhereMemoryIsEnough) {
    stored_options given = options(1);
    given.node.core.topics = {{.filter = "#", .level = durability::memory}};
    stored_script s(given);
    become(s, peer_presence::absent);
    s.client("pub").connect();
    s.stop_disk();
    const packet_id id = s.client("pub").publish("t", "m", qos_1);
    s.client("pub").expect_ack(packet_type::puback, id);
}

TEST_F(Spool, NothingIsKeptForVolatileSubscribersOfADeadNodeNorAtQos0) {
    stored_script s(options(1));
    become(s, peer_presence::absent);
    s.client("pub").connect();
    static_cast<void>(s.client("pub").publish("t", "m", qos_0));
    peer.for_kept = false;
    const packet_id id = s.client("pub").publish("other", "m", qos_1);
    s.client("pub").expect_ack(packet_type::puback, id);
    EXPECT_EQ(s.rows(table::spool), 0U);
}

// Nobody would ask for it any more.
TEST_F(Spool, OnANodeThatLeavesNothingIsAcknowledgedBecauseItWaitsThere) {
    stored_script s(options(1));
    become(s, peer_presence::live);
    shard::core& core = s.node.core(0);
    const lane_key lane = core.lanes_to(away).front();
    ASSERT_TRUE(core.on_welcome(lane, {.boot = life, .expected = 1, .credit_bytes = 1 << 20}));
    s.client("pub").connect();
    const packet_id in_memory = s.client("pub").publish("t", "m", qos_1);
    s.client("pub").expect_nothing();
    core.set_leaving(true);
    become(s, peer_presence::absent);
    EXPECT_EQ(s.client("pub").expect_ack(packet_type::puback, in_memory),
              reason_code::quota_exceeded);
    const packet_id next = s.client("pub").publish("t", "n", qos_1);
    EXPECT_EQ(s.client("pub").expect_ack(packet_type::puback, next), reason_code::quota_exceeded);
    core.set_leaving(false);
    const packet_id last = s.client("pub").publish("t", "o", qos_1);
    EXPECT_EQ(s.client("pub").expect_ack(packet_type::puback, last), reason_code::success);
}

TEST_F(Spool, WhatIsTakenIsErasedAndWhatIsForgottenToo) {
    stored_script s(options(1));
    become(s, peer_presence::absent);
    s.client("pub").connect();
    for (const char* each : {"1", "2", "3"}) {
        static_cast<void>(s.client("pub").publish("t", each, qos_1));
    }
    become(s, peer_presence::live);
    EXPECT_THAT(drain(s), ElementsAre("1!", "2!", "3!")) << "put while it was dead";
    EXPECT_EQ(s.rows(table::spool), 0U);
    s.node.core(0).on_link_lost({.slot = away, .number = shard_id{0}});
    static_cast<void>(s.client("pub").publish("t", "4", qos_1));
    EXPECT_EQ(s.rows(table::spool), 1U);
    become(s, peer_presence::gone);
    EXPECT_EQ(s.rows(table::spool), 0U);
}

TEST_F(Spool, AfterALinkWasLostTheSameLifeGetsItForAllSubscribersAnotherOneNot) {
    for (const boot_id next : {life, boot_id{4}}) {
        stored_script s(options(1));
        peer.for_kept = true;
        become(s, peer_presence::live);
        s.client("pub").connect();
        static_cast<void>(s.client("pub").publish("t", "both", qos_1));
        peer.for_kept = false;
        static_cast<void>(s.client("pub").publish("other", "volatile", qos_1));
        become(s, peer_presence::live, next);
        if (next == life) {
            EXPECT_THAT(drain(s, next), ElementsAre("both", "volatile"));
        } else {
            EXPECT_THAT(drain(s, next), ElementsAre("both!"));
        }
        EXPECT_EQ(s.rows(table::spool), 0U);
    }
}

TEST_F(Spool, SurvivesTheProcessAndItsNumberOfShards) {
    for (const std::size_t after : {2U, 1U, 3U}) {
        stored_script s(options(2, after));
        become(s, peer_presence::absent);
        for (const std::size_t shard : {0U, 1U}) {
            const std::string pub = "pub" + std::to_string(shard);
            s.client(pub).connect({.shard = shard});
            for (const char* each : {"a", "b"}) {
                static_cast<void>(s.client(pub).publish("t", pub + each, qos_1));
            }
        }
        s.crash();
        EXPECT_EQ(s.rows(table::spool), 4U);
        become(s, peer_presence::live);
        EXPECT_THAT(drain(s), ElementsAre("pub0a!", "pub0b!", "pub1a!", "pub1b!")) << after;
        EXPECT_EQ(s.rows(table::spool), 0U) << after;
    }
}

TEST_F(Spool, WithoutRoomOnTheDiskAPublisherIsRefused) {
    stored_script s(options(1));
    become(s, peer_presence::absent);
    s.node.core(0).set_store_room(shard::store_room::scarce);
    s.client("pub").connect();
    const packet_id id = s.client("pub").publish("t", "m", qos_1);
    EXPECT_EQ(s.client("pub").expect_ack(packet_type::puback, id),
              mqtt::reason_code::quota_exceeded);
    EXPECT_EQ(s.rows(table::spool), 0U);
}

TEST_F(Spool, OverItsLimitHoldsPublishersUntilItIsDrained) {
    stored_options given = options(1);
    given.node.core.lane_sender.spool_bytes_max = 1'000;
    stored_script s(given);
    become(s, peer_presence::absent);
    s.client("pub").connect();
    static_cast<void>(s.client("pub").publish("t", std::string(2'000, 'x'), qos_1));
    EXPECT_EQ(s.held(), 1U);
    become(s, peer_presence::live);
    EXPECT_EQ(drain(s).size(), 1U);
    EXPECT_EQ(s.held(), 0U);
}

TEST_F(Spool, AGroupWithAllItsMembersOnANodeThatIsSlowWaitsThere) {
    for (const boot_id next : {life, boot_id{4}}) {
        want_for_group_only();
        stored_script s(options(1));
        become(s, peer_presence::live);
        s.client("pub").connect();
        s.stop_disk();
        const packet_id id = s.client("pub").publish("t", "m", qos_1);
        s.client("pub").expect_nothing();
        s.start_disk();
        EXPECT_EQ(s.client("pub").expect_ack(packet_type::puback, id), mqtt::reason_code::success);
        EXPECT_EQ(s.rows(table::spool), 1U);
        EXPECT_THAT(drain(s, next), ElementsAre("m!"));
        EXPECT_EQ(s.rows(table::spool), 0U);
        EXPECT_TRUE(s.node.core(0).debts().none());
    }
}

TEST_F(Spool, TheReasonOfWhatWaitsForAGroupInMemoryIsSuccess) {
    want_for_group_only();
    stored_options given = options(1);
    given.node.core.topics = {{.filter = "#", .level = durability::memory}};
    stored_script s(given);
    become(s, peer_presence::live);
    s.client("pub").connect();
    s.stop_disk();
    const packet_id id = s.client("pub").publish("t", "m", qos_1);
    EXPECT_EQ(s.client("pub").expect_ack(packet_type::puback, id), mqtt::reason_code::success);
}

TEST_F(Spool, WithoutRoomOnTheDiskNothingWaitsForAGroup) {
    want_for_group_only();
    stored_script s(options(1));
    become(s, peer_presence::live);
    s.node.core(0).set_store_room(shard::store_room::scarce);
    s.client("pub").connect();
    const packet_id id = s.client("pub").publish("t", "m", qos_1);
    EXPECT_EQ(s.client("pub").expect_ack(packet_type::puback, id),
              mqtt::reason_code::quota_exceeded);
    EXPECT_EQ(s.rows(table::spool), 0U);
}

TEST_F(Spool, AQueueIsWaitedForWhileItsNodeIsAwayAndUntilThatHasToldOfItsMembers) {
    want_for_group_only();
    peer.has_queue = true;
    peer.has_told_of_members = false;
    for (const peer_presence each : {peer_presence::absent, peer_presence::live}) {
        stored_script s(options(1));
        become(s, each);
        s.client("pub").connect();
        const packet_id id = s.client("pub").publish("t", "m", qos_1);
        EXPECT_EQ(s.client("pub").expect_ack(packet_type::puback, id), mqtt::reason_code::success);
        EXPECT_EQ(s.rows(table::spool), 1U);
    }
}

TEST_F(Spool, NothingIsKeptForAGroupOfADeadNode) {
    want_for_group_only();
    stored_script s(options(1));
    become(s, peer_presence::absent);
    s.client("pub").connect();
    const packet_id id = s.client("pub").publish("t", "m", qos_1);
    EXPECT_EQ(s.client("pub").expect_ack(packet_type::puback, id),
              mqtt::reason_code::no_matching_subscribers);
    EXPECT_EQ(s.rows(table::spool), 0U);
    EXPECT_EQ(s.node.core(0).counts().group_drops, 1U);
}

TEST_F(Spool, WhatDidNotGetToANodeGoesToAMemberHere) {
    want_for_group_only();
    stored_script s(options(1));
    become(s, peer_presence::live);
    EXPECT_TRUE(drain(s).empty());
    s.client("member").connect();
    s.client("member").subscribe("$share/g/#", qos_1);
    s.client("member").behave();
    s.client("pub").connect();
    std::vector<packet_id> ids;
    for (int each = 0; each < 10; ++each) {
        ids.push_back(s.client("pub").publish("t", std::to_string(each), qos_1));
    }
    EXPECT_EQ(s.node.core(0).counts().group_resends, 0U);
    EXPECT_GT(s.node.core(0).debts().group_waits, 2U);
    s.node.core(0).on_link_lost({.slot = away, .number = shard_id{0}});
    s.node.run();
    for (const packet_id each : ids) {
        EXPECT_EQ(s.client("pub").expect_ack(packet_type::puback, each),
                  mqtt::reason_code::success);
    }
    EXPECT_GT(s.node.core(0).counts().group_resends, 2U);
    EXPECT_EQ(s.rows(table::spool), 0U);
    EXPECT_TRUE(s.node.core(0).debts().none());
}

TEST_F(Spool, WhatDidNotGetToTheOnlyNodeWithMembersWaitsForIt) {
    want_for_group_only();
    stored_script s(options(1));
    become(s, peer_presence::live);
    EXPECT_TRUE(drain(s).empty());
    s.client("pub").connect();
    const packet_id id = s.client("pub").publish("t", "m", qos_1);
    s.client("pub").expect_nothing();
    s.node.core(0).on_link_lost({.slot = away, .number = shard_id{0}});
    s.node.run();
    EXPECT_EQ(s.client("pub").expect_ack(packet_type::puback, id), mqtt::reason_code::success);
    EXPECT_EQ(s.rows(table::spool), 1U);
    EXPECT_THAT(drain(s), ElementsAre("m!"));
    EXPECT_EQ(s.rows(table::spool), 0U);
    EXPECT_TRUE(s.node.core(0).debts().none());
}

} // namespace
} // namespace gv::support
