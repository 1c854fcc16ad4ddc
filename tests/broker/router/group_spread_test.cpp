// SPDX-License-Identifier: Apache-2.0
#include "broker/router/group_spread.hpp"
#include "broker/router/router.hpp"
#include "tests/broker/router/fake_subscriber.hpp"

#include <gtest/gtest.h>

#include <array>

namespace gv::router {
namespace {

using candidates = std::vector<group_candidate>;

const spread_group some_group{.name = "g", .filter = "a/+", .here = nullptr, .elsewhere = {}};

std::vector<std::size_t> shares_of(const candidates& among, group_strategy strategy,
                                   std::size_t count) {
    std::vector<std::size_t> shares(among.size());
    std::uint64_t turn = 0;
    for (std::size_t each = 0; each < count; ++each) {
        const spread_key key =
            spread_key_of(strategy, some_group, each * 77, "a/" + std::to_string(each), turn);
        ++shares[choose_node(among, key).value()];
    }
    return shares;
}

void expect_near(std::size_t value, std::size_t wanted, std::size_t by) {
    EXPECT_LE(value, wanted + by);
    EXPECT_GE(value + by, wanted);
}

TEST(GroupSpread, NodesGetAsMuchAsTheyHaveMembersOnline) {
    const candidates among{{node_id{1}, 1, 9}, {node_id{2}, 3, 3}, {node_id{3}, 0, 5}};
    for (const auto strategy : {group_strategy::round_robin, group_strategy::least_in_flight,
                                group_strategy::hash_publisher, group_strategy::hash_topic}) {
        const auto shares = shares_of(among, strategy, 4'000);
        expect_near(shares[0], 1'000, 120);
        expect_near(shares[1], 3'000, 120);
        EXPECT_EQ(shares[2], 0u) << "nobody is online there";
    }
}

TEST(GroupSpread, TurnsAreEvenOverFewMessages) {
    const candidates among{{node_id{1}, 1, 1}, {node_id{2}, 1, 1}, {node_id{3}, 1, 1}};
    for (const std::size_t share : shares_of(among, group_strategy::round_robin, 30)) {
        expect_near(share, 10, 1);
    }
}

TEST(GroupSpread, WithoutAnybodyOnlineAllCount) {
    const candidates among{{node_id{1}, 0, 1}, {node_id{2}, 0, 3}, {node_id{3}, 0, 0}};
    const auto shares = shares_of(among, group_strategy::round_robin, 400);
    expect_near(shares[0], 100, 2);
    expect_near(shares[1], 300, 2);
}

TEST(GroupSpread, NobodyIsChosenWhereThereIsNobody) {
    const candidates among{{node_id{1}, 0, 0}, {node_id{2}, 0, 0}};
    for (const auto rule : {spread_rule::in_turn, spread_rule::by_hash, spread_rule::one_node}) {
        EXPECT_FALSE(choose_node(among, {.rule = rule, .key = 5}));
        EXPECT_FALSE(choose_node({}, {.rule = rule, .key = 5}));
    }
}

// Each node has itself first.
TEST(GroupSpread, AllNodesChooseTheSameOneByHash) {
    const candidates seen_by_one{{node_id{1}, 2, 2}, {node_id{2}, 1, 1}, {node_id{3}, 3, 3}};
    const candidates seen_by_three{{node_id{3}, 3, 3}, {node_id{1}, 2, 2}, {node_id{2}, 1, 1}};
    for (std::uint64_t key = 0; key < 200; ++key) {
        const spread_key by{.rule = spread_rule::by_hash, .key = key};
        EXPECT_EQ(seen_by_one[choose_node(seen_by_one, by).value()].node,
                  seen_by_three[choose_node(seen_by_three, by).value()].node);
    }
}

TEST(GroupSpread, ANodeThatComesMovesOnlyItsOwnShare) {
    candidates among{{node_id{1}, 2, 2}, {node_id{2}, 2, 2}};
    candidates more = among;
    more.push_back({node_id{3}, 2, 2});
    std::size_t moved = 0;
    for (std::uint64_t key = 0; key < 900; ++key) {
        const spread_key by{.rule = spread_rule::by_hash, .key = key};
        const std::size_t before = choose_node(among, by).value();
        const std::size_t after = choose_node(more, by).value();
        EXPECT_TRUE(after == before || after == 2);
        moved += after == 2 ? 1U : 0U;
    }
    expect_near(moved, 300, 60);
}

TEST(GroupSpread, OneNodeStaysWhereMembersCome) {
    std::uint64_t turn = 0;
    const spread_key by = spread_key_of(group_strategy::sticky, some_group, 1, "a/1", turn);
    candidates among{{node_id{1}, 1, 1}, {node_id{2}, 1, 1}};
    const std::size_t chosen = choose_node(among, by).value();
    EXPECT_EQ(by.key, spread_key_of(group_strategy::sticky, some_group, 2, "a/2", turn).key);
    among[1 - chosen].online = among[1 - chosen].total = 50;
    EXPECT_EQ(choose_node(among, by), chosen);
    among[chosen].online = 0;
    EXPECT_EQ(choose_node(among, by), 1 - chosen);
}

/// What other nodes want, as the test says.
struct fake_peers final : peer_routes {
    void who_wants(std::string_view, std::vector<peer_want>&,
                   std::vector<spread_group>& into) const override {
        ++asked;
        into.insert(into.end(), groups.begin(), groups.end());
    }
    void change() { count_change_of_all(); }
    std::vector<spread_group> groups;
    mutable int asked = 0;
};

spread_group of_peer(std::string name, std::string filter) {
    return {.name = std::move(name),
            .filter = std::move(filter),
            .here = nullptr,
            .elsewhere = {{.at = peer_slot{4}, .node = node_id{9}, .online = 1, .total = 2}}};
}

TEST(SpreadRoutes, AGroupHereAndThereIsOne) {
    fake_peers peers;
    peers.groups = {of_peer("g", "a/+")};
    router routes({.peers = &peers});
    EXPECT_EQ(routes.lookup("a/b").spread.size(), 1u);
    EXPECT_EQ(routes.lookup("a/b").spread[0].here, nullptr);
    routes.end_turn();
    const member_id member{.shard = shard_id{0}, .subscriber = 1};
    routes.join("g", "a/+", member, {}, true);
    routes.join("h", "a/+", member, {}, true);
    const route& found = routes.lookup("a/b");
    ASSERT_EQ(found.spread.size(), 1u);
    ASSERT_NE(found.spread[0].here, nullptr);
    EXPECT_EQ(found.spread[0].here->name(), "g");
    EXPECT_EQ(found.spread[0].elsewhere[0].at, peer_slot{4});
    ASSERT_EQ(found.groups.size(), 1u);
    EXPECT_EQ(found.groups[0]->name(), "h") << "has members here alone";
    EXPECT_TRUE(found.has_groups());
    EXPECT_FALSE(found.has_outsiders());
}

TEST(SpreadRoutes, AreMadeAgainWhenOtherNodesChange) {
    fake_peers peers;
    router routes({.peers = &peers});
    const member_id member{.shard = shard_id{0}, .subscriber = 1};
    routes.join("g", "a/+", member, {}, true);
    EXPECT_EQ(routes.lookup("a/b").groups.size(), 1u);
    EXPECT_EQ(routes.lookup("a/b").groups.size(), 1u);
    EXPECT_EQ(peers.asked, 1);
    peers.groups = {of_peer("g", "a/+")};
    peers.change();
    EXPECT_TRUE(routes.lookup("a/b").groups.empty());
    EXPECT_EQ(routes.lookup("a/b").spread.size(), 1u);
    EXPECT_EQ(peers.asked, 2);
}

TEST(SpreadRoutes, OneShardOfTheNodeChooses) {
    fake_peers peers;
    peers.groups = {of_peer("g", "a/+")};
    constexpr std::size_t shards = 3;
    const shard_id owner = group_owner("g", "a/+", shards);
    for (std::uint16_t me = 0; me < shards; ++me) {
        router routes({.me = shard_id{me}, .shards = shards, .peers = &peers});
        const route& found = routes.lookup("a/b");
        EXPECT_EQ(found.spread.size(), me == owner.value ? 1u : 0u);
        EXPECT_EQ(found.spread_shards, me == owner.value ? 0u : 1u << owner.value);
        EXPECT_FALSE(found.is_empty());
    }
}

TEST(SpreadRoutes, SubscribersAreCountedApartFromGroups) {
    router routes;
    fake_subscriber who;
    const member_id member{.shard = shard_id{0}, .subscriber = 1};
    EXPECT_TRUE(routes.join("g", "a", member, {}, true).first);
    const router::added added = routes.subscribe(who, "a", {});
    EXPECT_FALSE(added.first);
    EXPECT_TRUE(added.first_of_kind);
    const router::removed removed = routes.unsubscribe(who, "a");
    EXPECT_FALSE(removed.last);
    EXPECT_TRUE(removed.last_of_kind);
    routes.set_online(member, false);
    const router::removed left = routes.leave("g", "a", member);
    EXPECT_TRUE(left.last);
    EXPECT_FALSE(left.was_online);
    EXPECT_EQ(routes.find_group("g", "a"), nullptr);
}

} // namespace
} // namespace gv::router
