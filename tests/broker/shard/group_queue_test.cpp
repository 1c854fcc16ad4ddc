// SPDX-License-Identifier: Apache-2.0
// Shared groups with persistent members: their messages wait with the group, not with a member.
#include "tests/broker/shard/world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::shard {
namespace {

using mqtt::packet_type;
using mqtt::reason_code;
using storage::table;
using support::connect_request;
using support::script_client;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

const std::string shared = "$share/g/t";

/// Three nodes; the group's queue lives on the last, its members on the others.
class GroupQueue : public testing::TestWithParam<std::size_t> {
  protected:
    GroupQueue() {
        s.ledger.keeps_order = false; // of shared subscriptions there is none [MQTT-4.6.0-6]
        s.node.appoint(partition_of(shared), 2);
        from.connect(s.at(0));
        from.behave();
    }
    script_client& member(std::size_t home, qos quality, std::uint16_t window = 100) {
        script_client& made = s.client_of(home);
        made.connect({.clean_start = false,
                      .session_expiry = 3'600,
                      .receive_maximum = window,
                      .shard = home * GetParam()});
        made.subscribe(shared, quality);
        return made;
    }
    /// All hear and answer meanwhile.
    void pass(duration time) {
        for (int i = 0; i < 10; ++i) {
            s.node.advance(time / 10);
            for (script_client& each : s.clients()) {
                each.wire.listen();
            }
            s.node.run();
        }
    }
    void publish(int first, int last, qos quality = qos::at_least_once) {
        for (int i = first; i <= last; ++i) {
            from.publish("t", std::to_string(i), quality);
            pass(10ms);
        }
        EXPECT_EQ(from.wire.unsettled(), 0U);
    }
    void come_back(script_client& who, std::size_t on) {
        who.wire.is_automatic = false;
        EXPECT_TRUE(who.connect(s.kept(on)));
        who.behave();
        pass(100ms);
    }

    world s{GetParam(), 1, true};
    script_client& from = s.client("from");
};

TEST_P(GroupQueue, WhatComesWhileAllAreAwayGoesToWhoeverIsBackFirst) {
    script_client& one = member(0, qos::at_least_once);
    script_client& other = member(1, qos::exactly_once);
    one.cut();
    other.cut();
    publish(1, 10, qos::exactly_once);
    come_back(other, 1);
    EXPECT_EQ(other.got.size(), 10U) << "nothing is with the member that is away";
    come_back(one, 0);
    EXPECT_EQ(one.got.size(), 0U);
    s.settle();
    EXPECT_EQ(s.rows(2, table::queue), 0U);
}

TEST_P(GroupQueue, WhatIsNotAcknowledgedAtQos1GoesToAnotherWhenTheConnectionEnds) {
    script_client& one = member(0, qos::at_least_once);
    publish(1, 3);
    for (const char* each : {"1", "2", "3"}) {
        one.receive("t", each);
    }
    script_client& other = member(1, qos::at_least_once);
    other.behave();
    pass(100ms);
    EXPECT_EQ(other.got.size(), 0U);
    one.cut();
    pass(100ms);
    EXPECT_THAT(other.payloads(), ElementsAre("1", "2", "3"));
    come_back(one, 0);
    EXPECT_EQ(one.got.size(), 3U) << "as before";
    s.settle();
}

TEST_P(GroupQueue, WhatWentOutAtQos2StaysWithItsMember) {
    script_client& one = member(0, qos::exactly_once);
    publish(1, 1, qos::exactly_once);
    const packet_id id = one.receive("t", "1").id;
    script_client& other = member(1, qos::exactly_once);
    other.behave();
    one.cut();
    pass(1s);
    EXPECT_EQ(other.got.size(), 0U) << "MQTT 5, 4.8.2";
    EXPECT_TRUE(one.connect(s.kept(0)));
    EXPECT_EQ(one.take("t", "1").id, id);
    s.settle();
}

TEST_P(GroupQueue, AMemberWithAFullWindowHoldsNobodyUp) {
    script_client& slow = member(0, qos::exactly_once, 2);
    script_client& quick = member(1, qos::exactly_once);
    quick.behave();
    publish(1, 20, qos::exactly_once);
    pass(100ms);
    EXPECT_EQ(quick.got.size(), 18U);
    slow.behave();
    pass(100ms);
    publish(21, 24, qos::exactly_once);
    pass(100ms);
    EXPECT_EQ(quick.got.size(), 20U);
    EXPECT_EQ(slow.got.size(), 4U) << "has room again";
    s.settle();
}

TEST_P(GroupQueue, WhoAcknowledgesNothingStopsNobody) {
    script_client& slow = member(0, qos::at_least_once, 65'535);
    script_client& quick = member(1, qos::at_least_once, 65'535);
    quick.behave();
    publish(1, 2'400);
    EXPECT_EQ(quick.got.size(), 1'400U) << "1,000 are what the broker has in flight to a client";
    slow.behave();
    s.settle();
}

TEST_P(GroupQueue, ASubscriptionMadeAgainWhileMessagesAreOnTheirWayChangesNothing) {
    script_client& one = member(0, qos::at_least_once, 3);
    publish(1, 5);
    EXPECT_THAT(one.subscribe_all({{.filter = shared}, {.filter = shared}}),
                ElementsAre(reason_code::success, reason_code::success));
    one.behave();
    pass(100ms);
    publish(6, 8);
    pass(100ms);
    EXPECT_EQ(one.got.size(), 8U);
    s.settle();
    EXPECT_EQ(s.rows(2, table::queue), 0U);
}

TEST_P(GroupQueue, ASplitThatOnlyOneSideHasNoticedHeals) {
    script_client& one = member(0, qos::at_least_once);
    one.behave();
    for (const auto& [sees, other] : {std::pair{2, 0}, std::pair{0, 2}}) {
        s.node.see(static_cast<std::size_t>(sees), static_cast<std::size_t>(other),
                   peer_presence::absent);
        pass(1s);
        s.node.see(static_cast<std::size_t>(sees), static_cast<std::size_t>(other),
                   peer_presence::live);
        pass(3s);
        one.wire.listen();
        if (one.wire.is_closed()) {
            come_back(one, 0);
        }
        publish(sees * 10 + 1, sees * 10 + 3);
        pass(2s);
    }
    EXPECT_EQ(one.got.size(), 6U);
    s.advance(3min);
    EXPECT_GT(s.rows(2, table::sessions), 0U) << "it has a member";
}

TEST_P(GroupQueue, ItsHomeGoesOverWithAllThatWaits) {
    script_client& one = member(0, qos::exactly_once);
    script_client& other = member(1, qos::at_least_once);
    one.behave();
    other.behave();
    publish(1, 4, qos::exactly_once);
    one.cut();
    other.cut();
    publish(5, 10, qos::exactly_once);
    s.node.hand_over(partition_of(shared), 0);
    pass(5s);
    EXPECT_EQ(s.rows(2, table::queue), 0U);
    EXPECT_EQ(s.rows(0, table::queue), 6U);
    come_back(other, 2);
    pass(2s);
    publish(11, 12, qos::exactly_once);
    pass(1s);
    EXPECT_EQ(one.got.size() + other.got.size(), 12U);
    s.settle();
    EXPECT_EQ(s.rows(0, table::queue), 0U);
}

TEST_P(GroupQueue, ItsHomeGoesOverWhileMembersTakeMessages) {
    script_client& one = member(0, qos::exactly_once, 5);
    script_client& other = member(1, qos::exactly_once, 5);
    one.behave();
    other.behave();
    s.stop_disks();
    s.node.hand_over(partition_of(shared), 1);
    for (int i = 0; i < 60; ++i) {
        s.write(static_cast<std::size_t>(i) % nodes);
        s.node.advance(5ms);
        from.publish("t", std::to_string(i), qos::exactly_once);
        from.wire.listen();
    }
    s.let_disks_work();
    for (int i = 0; i < 5; ++i) {
        pass(2s);
    }
    EXPECT_EQ(s.node.home_node_of(partition_of(shared)), 1U);
    EXPECT_EQ(one.got.size() + other.got.size(), 60U) << "each once";
    s.settle();
}

TEST_P(GroupQueue, WhatADeadNodeWasGivenComesToAnotherMember) {
    member(0, qos::at_least_once);
    publish(1, 3);
    script_client& other = member(1, qos::at_least_once);
    other.behave();
    for (std::size_t node : {std::size_t{1}, std::size_t{2}}) {
        s.node.see(node, 0, peer_presence::absent);
    }
    pass(1s);
    EXPECT_EQ(other.got.size(), 3U);
}

TEST_P(GroupQueue, ItsHomeBeginsAgainWithWhatWasOnDisk) {
    script_client& one = member(0, qos::exactly_once);
    one.behave();
    publish(1, 2, qos::exactly_once);
    one.cut();
    publish(3, 6, qos::exactly_once);
    s.kill(2);
    pass(5s);
    come_back(one, 0);
    pass(2s);
    EXPECT_THAT(one.payloads(), UnorderedElementsAre("1", "2", "3", "4", "5", "6"));
    s.settle();
    EXPECT_EQ(s.rows(2, table::queue), 0U);
}

TEST_P(GroupQueue, WhatComesWhileItsHomeIsAwayWaitsInTheSpool) {
    script_client& one = member(0, qos::at_least_once);
    one.behave();
    s.node.split(0, 2);
    s.node.split(1, 2);
    publish(1, 3);
    EXPECT_EQ(one.got.size(), 0U);
    EXPECT_EQ(s.rows(0, table::spool), 3U);
    s.node.heal(0, 2);
    s.node.heal(1, 2);
    pass(5s);
    EXPECT_THAT(one.payloads(), UnorderedElementsAre("1", "2", "3"));
    EXPECT_EQ(s.rows(0, table::spool), 0U);
}

TEST_P(GroupQueue, ANewSubscriptionIsRefusedWhileTheHomeOfTheGroupIsAway) {
    s.node.see(0, 2, peer_presence::absent);
    script_client& one = s.client_of(0);
    one.connect(s.kept(0));
    EXPECT_THAT(one.subscribe_all({{.filter = "u"}, {.filter = shared}}),
                ElementsAre(reason_code::success, reason_code::implementation_specific_error));
}

TEST_P(GroupQueue, ItEndsWithItsLastMember) {
    script_client& one = member(0, qos::at_least_once);
    script_client& other = member(1, qos::at_least_once);
    pass(2min);
    one.unsubscribe(shared);
    pass(2min);
    EXPECT_GT(s.rows(2, table::sessions), 0U);
    other.disconnect(reason_code::success, 0U);
    pass(1s);
    EXPECT_EQ(s.rows(2, table::sessions), 0U);
    EXPECT_EQ(s.rows(2, table::subscriptions), 0U);
    publish(1, 1);
    EXPECT_EQ(s.rows(2, table::queue), 0U);
}

TEST_P(GroupQueue, ItEndsAMinuteAfterItsMembersHaveGoneUnseen) {
    script_client& one = member(0, qos::at_least_once);
    pass(2min);
    s.node.split(0, 2);
    one.disconnect(reason_code::success, 0U);
    pass(1min);
    s.node.heal(0, 2);
    EXPECT_GT(s.rows(2, table::sessions), 0U);
    pass(3min);
    EXPECT_EQ(s.rows(2, table::sessions), 0U);
}

TEST_P(GroupQueue, OneSubscriptionWrittenInTwoWaysIsOne) {
    script_client& one = member(0, qos::at_least_once);
    EXPECT_THAT(one.subscribe_all({{.filter = "$queue/u"}, {.filter = "$share/$queue/u"}}),
                ElementsAre(reason_code::success, reason_code::success));
    one.behave();
    from.publish("u", "1", qos::at_most_once);
    pass(100ms);
    EXPECT_THAT(one.payloads(), ElementsAre("1"));
}

TEST_P(GroupQueue, SubscriptionsSentTogetherDoNotDisturbEachOther) {
    script_client& one = s.client_of(2);
    one.connect(s.kept(2));
    for (const char* group : {"$share/a/t", "$share/b/t", "$share/c/t", "$share/d/t"}) {
        one.wire.send_subscribe({{.filter = group, .quality = qos::at_least_once}});
    }
    one.behave();
    pass(1s);
    publish(1, 2);
    pass(1s);
    EXPECT_EQ(one.got.size(), 8U) << "each group has each message";
}

TEST_P(GroupQueue, NoClientIsCalledAsAQueueIs) {
    script_client& other = s.client(shared);
    other.wire.send_connect(s.kept(0));
    other.expect_refused(reason_code::client_identifier_not_valid);
}

TEST_P(GroupQueue, ItWaitsForMembersThatHaveNotSpokenYet) {
    script_client& one = member(0, qos::at_least_once);
    script_client& other = member(1, qos::at_least_once);
    one.behave();
    other.cut();
    publish(1, 1);
    s.kill(2);
    pass(1s);
    one.wire.is_automatic = false;
    one.unsubscribe(shared);
    come_back(other, 2);
    pass(2s);
    publish(2, 3);
    pass(1s);
    EXPECT_EQ(one.got.size() + other.got.size(), 3U);
}

TEST_P(GroupQueue, AVolatileMemberTakesWhatComesWhileThePersistentOnesAreAway) {
    script_client& one = member(0, qos::at_least_once);
    script_client& fleeting = s.client("fleeting");
    fleeting.connect(s.at(1));
    fleeting.subscribe(shared, qos::at_least_once);
    fleeting.behave();
    one.behave();
    publish(1, 4);
    pass(100ms);
    EXPECT_EQ(one.got.size(), 2U);
    EXPECT_EQ(fleeting.got.size(), 2U);
    one.cut();
    pass(100ms);
    publish(5, 8);
    pass(100ms);
    EXPECT_EQ(fleeting.got.size(), 6U);
    s.settle();
}

INSTANTIATE_TEST_SUITE_P(Shards, GroupQueue, testing::Values(1U, 2U));

// --- anything in any order

enum class trouble : std::uint8_t { none, splits, deaths };

/// Members come, go and move, the queue moves, and messages come all the time; and if wanted links
/// break, or processes die.
class group_storm : public world {
  public:
    group_storm(std::size_t shards, std::uint64_t seed, trouble kind)
        : world(shards, seed, true), chance_(seed), kind_(kind) {
        ledger.keeps_order = false;
        ledger.groups_may_repeat = kind != trouble::none;
        for (std::size_t n = 0; n < nodes; ++n) {
            members_.push_back(&client_of(n));
            members_.back()->connect(kept(n));
            members_.back()->subscribe(shared, n == 1 ? qos::at_least_once : qos::exactly_once);
            members_.back()->behave();
            publishers_.push_back(&client("from " + std::to_string(n)));
            publishers_.back()->connect(at(n));
            publishers_.back()->behave();
        }
    }
    void run(int steps) {
        stop_disks();
        for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
            step();
        }
        for (const auto& [one, other] : split_) {
            node.heal(one, other);
        }
        let_disks_work();
        node.advance(30s);
        come_all();
        node.advance(30s);
        come_all();
        settle();
        for (std::size_t n = 0; n < nodes; ++n) {
            EXPECT_EQ(rows(n, table::queue), 0U) << "of node " << n;
        }
    }

    std::size_t moved = 0;
    std::size_t harmed = 0;

  private:
    std::size_t draw(std::size_t below) { return chance_() % below; }

    void step() {
        switch (draw(kind_ == trouble::none ? 8 : 9)) {
        case 0:
        case 1:
        case 2:
            publish(*publishers_[draw(nodes)]);
            break;
        case 3:
        case 4:
            write(draw(nodes));
            break;
        case 5:
            roam(*members_[draw(nodes)]);
            break;
        case 6:
            if (departing() == 0) {
                const partition_id which = draw(2) == 0
                                               ? partition_of(shared)
                                               : partition_of(members_[draw(nodes)]->wire.id());
                if (const std::size_t to = draw(nodes); to != node.home_node_of(which)) {
                    ++moved;
                    node.hand_over(which, to);
                }
            }
            break;
        case 7:
            node.advance(std::chrono::milliseconds(draw(300)));
            break;
        default:
            harm();
        }
        listen();
        node.run();
    }

    void publish(script_client& by) {
        if (!by.wire.has_peer() || by.wire.is_closed()) {
            come(by);
        } else if (by.wire.is_connected() && by.wire.unsettled() < by.wire.receive_maximum() / 2) {
            by.publish("t", std::to_string(++payloads_),
                       draw(2) == 0 ? qos::at_least_once : qos::exactly_once);
        }
    }

    void harm() {
        const std::size_t one = draw(nodes);
        if (kind_ == trouble::deaths) {
            if (draw(8) == 0) {
                ++harmed;
                kill(one);
            }
            return;
        }
        const std::size_t other = (one + 1) % nodes;
        const std::pair pair{std::min(one, other), std::max(one, other)};
        if (split_.erase(pair) != 0) {
            node.heal(pair.first, pair.second);
        } else {
            ++harmed;
            split_.insert(pair);
            node.split(pair.first, pair.second);
        }
    }

    void listen() {
        for (script_client& each : clients()) {
            each.wire.listen();
            if (each.wire.has_peer() && each.wire.is_closed() && away_.insert(&each).second) {
                ledger.went_away(each.wire.id());
            }
            if (!each.wire.is_connected()) {
                here_.erase(&each);
            } else if (here_.insert(&each).second) {
                away_.erase(&each);
                each.wire.resend();
            }
        }
    }

    void roam(script_client& who) {
        if (who.wire.is_connected() && !who.wire.is_closed()) {
            away_.insert(&who);
            ledger.went_away(who.wire.id());
            who.wire.cut();
            node.run();
        } else {
            come(who);
        }
    }

    void come(script_client& who) {
        if (who.wire.has_peer() && !who.wire.is_closed()) {
            return;
        }
        who.wire.send_connect(kept(draw(nodes)));
        listen();
    }

    void come_all() {
        for (script_client& each : clients()) {
            for (int i = 0; i < 20 && !each.wire.is_connected(); ++i) {
                listen();
                come(each);
                node.advance(1s);
            }
            EXPECT_TRUE(each.wire.is_connected()) << each.wire.id();
        }
    }

    std::mt19937_64 chance_;
    trouble kind_;
    std::vector<script_client*> members_;
    std::vector<script_client*> publishers_;
    std::set<script_client*> away_;
    std::set<script_client*> here_; ///< since a step before
    std::set<std::pair<std::size_t, std::size_t>> split_;
    int payloads_ = 0;
};

struct storm_case {
    std::size_t shards;
    trouble kind;
};

class GroupStorm : public testing::TestWithParam<storm_case> {};

TEST_P(GroupStorm, NothingIsLostAndQos2ComesOnce) {
    std::size_t moved = 0;
    std::size_t harmed = 0;
    for (std::uint64_t seed = 1; seed <= 60 && !HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        group_storm s(GetParam().shards, seed, GetParam().kind);
        s.run(500);
        moved += s.moved;
        harmed += s.harmed;
    }
    EXPECT_GT(moved, 60U);
    EXPECT_EQ(harmed > 60U, GetParam().kind != trouble::none);
}

INSTANTIATE_TEST_SUITE_P(OfOneShard, GroupStorm,
                         testing::Values(storm_case{1, trouble::none},
                                         storm_case{1, trouble::splits},
                                         storm_case{1, trouble::deaths}));
INSTANTIATE_TEST_SUITE_P(OfTwoShards, GroupStorm,
                         testing::Values(storm_case{2, trouble::none},
                                         storm_case{2, trouble::splits},
                                         storm_case{2, trouble::deaths}));

} // namespace
} // namespace gv::shard
