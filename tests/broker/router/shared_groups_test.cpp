// SPDX-License-Identifier: Apache-2.0
#include "broker/router/shared_groups.hpp"
#include "tests/broker/router/random_topics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace gv::router {
namespace {

member_id member(std::uint64_t number) { return {.shard = shard_id{1}, .subscriber = number}; }

/// One group of members 1 to n, all online.
struct one_group {
    one_group(group_strategy strategy, std::uint64_t size) : table(strategy) {
        for (std::uint64_t number = 1; number <= size; ++number) {
            where = table.join("g", "a/+", {.id = member(number), .options = {}}, true).where;
        }
    }
    std::uint64_t pick(std::uint64_t publisher = 0, std::string_view topic = "a/b") {
        return where->pick(publisher, topic)->id.subscriber;
    }
    std::map<std::uint64_t, int> pick_often(int times) {
        std::map<std::uint64_t, int> taken;
        for (int i = 0; i < times; ++i) {
            ++taken[pick()];
        }
        return taken;
    }

    group_table table;
    group* where = nullptr;
};

using counts = std::map<std::uint64_t, int>;

TEST(SharedGroups, JoinAndLeaveSayWhatIsNew) {
    group_table table(group_strategy::round_robin);
    const auto first = table.join("g", "a", {.id = member(1), .options = {}}, true);
    EXPECT_TRUE(first.is_new_group && first.is_new_member);
    const auto second = table.join("g", "a", {.id = member(2), .options = {}}, true);
    EXPECT_TRUE(!second.is_new_group && second.is_new_member && second.where == first.where);
    const auto again =
        table.join("g", "a", {.id = member(2), .options = {.quality = qos::exactly_once}}, true);
    EXPECT_TRUE(!again.is_new_group && !again.is_new_member);
    EXPECT_TRUE(table.join("g", "b", {.id = member(1), .options = {}}, true).is_new_group);
    EXPECT_TRUE(table.join("h", "a", {.id = member(1), .options = {}}, true).is_new_group);
    EXPECT_EQ(table.size(), 3u);

    EXPECT_FALSE(table.leave("x", "a", member(1)).existed);
    EXPECT_FALSE(table.leave("g", "a", member(3)).existed);
    const auto left = table.leave("g", "a", member(1));
    EXPECT_TRUE(left.existed && !left.ended);
    EXPECT_FALSE(table.leave("g", "a", member(1)).existed);
    EXPECT_EQ(first.where->pick(0, "a")->options.quality, qos::exactly_once);
    const auto last = table.leave("g", "a", member(2));
    ASSERT_TRUE(last.ended);
    EXPECT_EQ(last.ended->pick(0, "a"), nullptr);
    EXPECT_EQ(table.size(), 2u);
}

TEST(SharedGroups, RoundRobinGivesEachItsTurn) {
    one_group group(group_strategy::round_robin, 3);
    EXPECT_EQ(group.pick_often(300), (counts{{1, 100}, {2, 100}, {3, 100}}));
    group.table.set_online(member(2), false);
    EXPECT_EQ(group.pick_often(300), (counts{{1, 150}, {3, 150}}));
}

TEST(SharedGroups, OfflineMembersTakeOnlyIfNobodyIsOnline) {
    for (const auto strategy :
         {group_strategy::round_robin, group_strategy::least_in_flight, group_strategy::sticky,
          group_strategy::hash_publisher, group_strategy::hash_topic}) {
        one_group group(strategy, 4);
        for (const std::uint64_t number : {1u, 2u, 4u}) {
            group.table.set_online(member(number), false);
        }
        EXPECT_EQ(group.where->online(), 1u);
        EXPECT_EQ(group.pick_often(20), (counts{{3, 20}}));
        group.table.set_online(member(3), false);
        EXPECT_GE(group.pick(), 1u);
        group.table.set_online(member(2), true);
        EXPECT_EQ(group.pick_often(20), (counts{{2, 20}}));
    }
}

TEST(SharedGroups, LeastInFlightFollowsTheCounters) {
    one_group group(group_strategy::least_in_flight, 3);
    EXPECT_EQ(group.pick_often(30), (counts{{1, 10}, {2, 10}, {3, 10}})) << "equals take turns";
    group.table.taken(member(1));
    group.table.taken(member(1));
    group.table.taken(member(2));
    EXPECT_EQ(group.pick_often(10), (counts{{3, 10}}));
    group.table.taken(member(3));
    group.table.taken(member(3));
    EXPECT_EQ(group.pick_often(10), (counts{{2, 10}}));
    group.table.acknowledged(member(1));
    group.table.acknowledged(member(1));
    group.table.acknowledged(member(1));
    EXPECT_EQ(group.pick_often(10), (counts{{1, 10}}));
    group.table.set_online(member(3), false);
    group.table.set_online(member(3), true);
    group.table.taken(member(1));
    EXPECT_EQ(group.pick_often(10), (counts{{3, 10}})) << "going offline gives all back";
}

TEST(SharedGroups, StickyStaysWhileTheMemberIsOnline) {
    one_group group(group_strategy::sticky, 5);
    const std::uint64_t first = group.pick();
    EXPECT_EQ(group.pick_often(50), (counts{{first, 50}}));
    group.table.join("g", "a/+", {.id = member(6), .options = {}}, true);
    EXPECT_EQ(group.pick(), first);
    group.table.set_online(member(first), false);
    const std::uint64_t second = group.pick();
    EXPECT_NE(second, first);
    group.table.set_online(member(first), true);
    EXPECT_EQ(group.pick_often(50), (counts{{second, 50}}));
    group.table.leave("g", "a/+", member(second));
    EXPECT_NE(group.pick(), second);
}

TEST(SharedGroups, HashKeepsAPublisherOrATopicWithOneMember) {
    one_group by_publisher(group_strategy::hash_publisher, 4);
    one_group by_topic(group_strategy::hash_topic, 4);
    counts publishers;
    counts topics;
    for (std::uint64_t i = 0; i < 4'000; ++i) {
        const std::string topic = "a/" + std::to_string(i);
        const std::uint64_t taker = by_publisher.pick(i * 77, topic);
        EXPECT_EQ(by_publisher.pick(i * 77, "a/other"), taker);
        ++publishers[taker];
        const std::uint64_t other = by_topic.pick(i, topic);
        EXPECT_EQ(by_topic.pick(i + 1, topic), other);
        ++topics[other];
    }
    for (std::uint64_t number = 1; number <= 4; ++number) {
        EXPECT_NEAR(publishers[number], 1'000, 150);
        EXPECT_NEAR(topics[number], 1'000, 150);
    }
}

TEST(SharedGroups, AMemberThatLeavesMovesOnlyItsOwnShare) {
    one_group group(group_strategy::hash_publisher, 5);
    std::map<std::uint64_t, std::uint64_t> before;
    for (std::uint64_t publisher = 0; publisher < 1'000; ++publisher) {
        before[publisher] = group.pick(publisher);
    }
    group.table.set_online(member(3), false);
    for (const auto& [publisher, taker] : before) {
        if (taker != 3) {
            EXPECT_EQ(group.pick(publisher), taker);
        } else {
            EXPECT_NE(group.pick(publisher), 3u);
        }
    }
}

/// Many groups with common members, changed at random, against plain maps.
void compare_with_model(unsigned seed) {
    random_topics random(seed);
    group_table table(group_strategy::round_robin);
    std::map<std::string, std::set<std::uint64_t>> members;
    std::map<std::string, group*> groups;
    std::map<std::uint64_t, bool> online;
    const auto in_a_group = [&](std::uint64_t who) {
        return std::ranges::any_of(members,
                                   [&](const auto& each) { return each.second.contains(who); });
    };
    for (int step = 0; step < 2'000; ++step) {
        const std::string name(1, static_cast<char>('a' + random.below(4)));
        const std::uint64_t who = 1 + random.below(8);
        const bool was_member = members[name].contains(who);
        switch (random.below(3)) {
        case 0:
            if (!in_a_group(who)) {
                online[who] = random.below(2) == 0;
            }
            groups[name] =
                table.join(name, "f", {.id = member(who), .options = {}}, online[who]).where;
            members[name].insert(who);
            break;
        case 1:
            EXPECT_EQ(table.leave(name, "f", member(who)).existed, was_member);
            members[name].erase(who);
            break;
        default:
            if (in_a_group(who)) {
                online[who] = !online[who];
                table.set_online(member(who), online[who]);
            }
        }
        for (const auto& [each, who_is_in] : members) {
            if (who_is_in.empty()) {
                continue;
            }
            std::set<std::uint64_t> expected;
            std::ranges::copy_if(who_is_in, std::inserter(expected, expected.end()),
                                 [&](std::uint64_t number) { return online[number]; });
            ASSERT_EQ(groups[each]->online(), expected.size());
            std::set<std::uint64_t> picked;
            for (std::size_t i = 0; i < who_is_in.size(); ++i) {
                picked.insert(groups[each]->pick(0, "f")->id.subscriber);
            }
            ASSERT_EQ(picked, expected.empty() ? who_is_in : expected);
        }
    }
}

TEST(SharedGroups, AgreeWithPlainMaps) {
    for (unsigned seed = 1; seed <= 10; ++seed) {
        SCOPED_TRACE(seed);
        compare_with_model(seed);
    }
}

} // namespace
} // namespace gv::router
