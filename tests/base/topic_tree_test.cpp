// SPDX-License-Identifier: Apache-2.0
#include "base/topic_tree.hpp"
#include "tests/broker/router/random_topics.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

namespace gv {
namespace {

using router::random_topics;
using text_set = std::multiset<std::string>;

text_set matches(const topic_tree<std::string>& tree, std::string_view name) {
    text_set found;
    tree.match(name, [&](const std::string& filter) { found.insert(filter); });
    return found;
}

void put(topic_tree<std::string>& tree, std::string_view filter) { tree.insert(filter) = filter; }

TEST(TopicTree, FindsWhatWasInserted) {
    topic_tree<std::string> tree;
    put(tree, "a/b");
    put(tree, "a/+");
    put(tree, "a/#");
    EXPECT_EQ(*tree.find("a/b"), "a/b");
    EXPECT_EQ(*tree.find("a/+"), "a/+");
    EXPECT_EQ(*tree.find("a/#"), "a/#");
    EXPECT_EQ(tree.find("a"), nullptr);
    EXPECT_EQ(tree.find("+"), nullptr);
    EXPECT_EQ(tree.find("+/b"), nullptr);
    EXPECT_EQ(tree.size(), 3u);
}

TEST(TopicTree, MatchesAsTheSpecificationSays) {
    topic_tree<std::string> tree;
    for (const auto* filter :
         {"sport/tennis/player1/#", "sport/#", "#", "+/+", "/+", "+", "sport/+", "$SYS/#",
          "$SYS/monitor/+", "+/monitor/Clients", "/finance"}) {
        put(tree, filter);
    }
    EXPECT_EQ(matches(tree, "sport/tennis/player1"),
              (text_set{"sport/tennis/player1/#", "sport/#", "#"}));
    EXPECT_EQ(matches(tree, "sport"), (text_set{"sport/#", "#", "+"}));
    EXPECT_EQ(matches(tree, "sport/"), (text_set{"sport/#", "#", "+/+", "sport/+"}));
    EXPECT_EQ(matches(tree, "/finance"), (text_set{"#", "+/+", "/+", "/finance"}));
    EXPECT_EQ(matches(tree, "$SYS/monitor/Clients"), (text_set{"$SYS/#", "$SYS/monitor/+"}));
    EXPECT_EQ(matches(tree, "$SYS"), (text_set{"$SYS/#"}));
}

TEST(TopicTree, PrunesEmptyBranches) {
    topic_tree<std::string> tree;
    put(tree, "a/b/+/d");
    put(tree, "a/b/#");
    put(tree, "x/y");
    EXPECT_FALSE(tree.erase("a/b"));
    EXPECT_FALSE(tree.erase("a/b/+"));
    EXPECT_TRUE(tree.erase("a/b/+/d"));
    EXPECT_EQ(tree.nodes(), 4u); // a, b, #; x/y
    EXPECT_FALSE(tree.erase("a/b/+/d"));
    EXPECT_TRUE(tree.erase("a/b/#"));
    EXPECT_TRUE(tree.erase("x/y"));
    EXPECT_EQ(tree.nodes(), 0u);
    EXPECT_EQ(tree.size(), 0u);
}

TEST(TopicTree, ManyLevelsCostNoStack) {
    topic_tree<std::string> tree;
    std::string filter = "+";
    std::string name = "x";
    while (filter.size() + 2 <= 65'535) {
        filter += "/+";
        name += "/x";
    }
    put(tree, filter);
    EXPECT_EQ(matches(tree, name), text_set{filter});
    EXPECT_TRUE(tree.erase(filter));
    EXPECT_EQ(tree.nodes(), 0u);
}

TEST(TopicTree, ManySiblingsAreToldApart) {
    topic_tree<std::string> tree;
    for (int i = 0; i < 100'000; ++i) {
        put(tree, "s/" + std::to_string(i) + "/+");
    }
    for (int i = 0; i < 100'000; i += 7) {
        const std::string prefix = "s/" + std::to_string(i);
        ASSERT_EQ(matches(tree, prefix + "/t"), text_set{prefix + "/+"});
    }
    EXPECT_EQ(matches(tree, "s/100000/t"), text_set{});
}

TEST(TopicTree, GivesPlacesToPointBackTo) {
    topic_tree<std::uint32_t> tree;
    const auto plain = tree.put("a/b");
    const auto wild = tree.put("+/b/a long level of text/#");
    tree[plain] = 7;
    tree[wild] = 8;
    EXPECT_EQ(tree.put("a/b"), plain);
    EXPECT_EQ(tree.place_of("+/b/a long level of text/#"), wild);
    EXPECT_EQ(tree.place_of("+/b"), tree.nowhere);
    EXPECT_EQ(tree.filter_of(plain), "a/b");
    EXPECT_EQ(tree.filter_of(wild), "+/b/a long level of text/#");
    std::uint32_t sum = 0;
    tree.match("a/b", [&](std::uint32_t value) { sum += value; });
    tree.match("x/b/a long level of text/c", [&](std::uint32_t value) { sum += value; });
    EXPECT_EQ(sum, 15u);
    tree.erase_at(plain);
    tree.erase_at(wild);
    EXPECT_EQ(tree.nodes(), 0u);
    EXPECT_EQ(tree[tree.put("a/b")], 0u);
}

/// The tree beside a list that is searched with topic_matches().
void compare_with_list(unsigned seed) {
    random_topics random(seed);
    topic_tree<std::string> tree;
    std::set<std::string> list;
    for (int step = 0; step < 600; ++step) {
        const std::string filter = random.filter();
        if (random.below(3) == 0) {
            ASSERT_EQ(tree.erase(filter), list.erase(filter) == 1) << filter;
        } else {
            put(tree, filter);
            list.insert(filter);
        }
        const std::string name = random.name();
        text_set expected;
        for (const std::string& each : list) {
            if (topic_matches(each, name)) {
                expected.insert(each);
            }
        }
        ASSERT_EQ(matches(tree, name), expected) << name;
        ASSERT_EQ(tree.find(filter) != nullptr, list.contains(filter));
    }
    std::set<std::string> all;
    tree.for_each([&](std::string_view filter, const std::string& value) {
        EXPECT_EQ(filter, value);
        all.insert(value);
    });
    EXPECT_EQ(all, list);
    EXPECT_EQ(tree.size(), list.size());
    for (const std::string& each : list) {
        tree.erase(each);
    }
    EXPECT_EQ(tree.nodes(), 0u);
}

TEST(TopicTree, AgreesWithAListOfFilters) {
    for (unsigned seed = 1; seed <= 100; ++seed) {
        SCOPED_TRACE(seed);
        compare_with_list(seed);
    }
}

} // namespace
} // namespace gv
