// SPDX-License-Identifier: Apache-2.0
#include "base/topic.hpp"

#include <gtest/gtest.h>

namespace gv {
namespace {

TEST(TopicFilter, WildcardsStandAlone) {
    for (const auto* valid :
         {"#", "+", "/", "a", "a/#", "+/+", "/+", "a//b", "sport/+/player1", "+/#"}) {
        EXPECT_TRUE(is_valid_topic_filter(valid)) << valid;
    }
    for (const auto* invalid : {"", "a#", "a/#/b", "#/a", "a+", "a/b+", "+a/b", "##", "++"}) {
        EXPECT_FALSE(is_valid_topic_filter(invalid)) << invalid;
    }
}

TEST(TopicName, HasNoWildcardAndIsNotEmpty) {
    EXPECT_TRUE(is_valid_topic_name("a/b"));
    EXPECT_TRUE(is_valid_topic_name("/"));
    EXPECT_FALSE(is_valid_topic_name(""));
    EXPECT_FALSE(is_valid_topic_name("a/+"));
    EXPECT_FALSE(is_valid_topic_name("#"));
    EXPECT_FALSE(is_valid_topic_name(std::string_view("a\0b", 3)));
}

struct match_case {
    const char* filter;
    const char* name;
    bool matches;
};

TEST(TopicMatches, FollowsTheExamplesOfTheSpecification) {
    for (const auto& [filter, name, matches] : {
             match_case{"sport/tennis/player1/#", "sport/tennis/player1", true},
             {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
             {"sport/#", "sport", true},
             {"#", "a/b/c", true},
             {"sport/tennis/+", "sport/tennis/player1", true},
             {"sport/tennis/+", "sport/tennis/player1/ranking", false},
             {"sport/+", "sport", false},
             {"sport/+", "sport/", true},
             {"+/+", "/finance", true},
             {"/+", "/finance", true},
             {"+", "/finance", false},
             {"#", "$SYS/a", false},
             {"+/monitor/Clients", "$SYS/monitor/Clients", false},
             {"$SYS/#", "$SYS/a", true},
             {"$SYS/monitor/+", "$SYS/monitor/Clients", true},
             {"a/b", "a/b/c", false},
             {"a/b/c", "a/b", false},
             {"a/+/#", "a/b", true},
             {"A/b", "a/b", false},
         }) {
        EXPECT_EQ(topic_matches(filter, name), matches) << filter << " ~ " << name;
    }
}

TEST(SharedFilter, SplitsGroupAndFilter) {
    const auto share = split_shared_filter("$share/group/a/+");
    ASSERT_TRUE(share);
    EXPECT_EQ(share->group, "group");
    EXPECT_EQ(share->filter, "a/+");
    const auto queue = split_shared_filter("$queue/a");
    ASSERT_TRUE(queue);
    EXPECT_EQ(queue->group, "$queue");
    for (const auto* broken :
         {"$share//a", "$share/g", "$share/g/", "$share/+/a", "$share/g#/a", "$queue/", "$share"}) {
        EXPECT_TRUE(is_shared_filter(broken)) << broken;
        EXPECT_FALSE(split_shared_filter(broken)) << broken;
    }
    EXPECT_FALSE(is_shared_filter("$shared/a"));
}

} // namespace
} // namespace gv
