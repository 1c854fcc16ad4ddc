// SPDX-License-Identifier: Apache-2.0
#include "base/topic.hpp"
#include "bench/load/topic_walk.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace gv::load {
namespace {

constexpr wildcard_layout small{.clients = 20, .filters = 200};

std::set<std::uint32_t> clients_that_match(const std::string& topic) {
    std::set<std::uint32_t> matching;
    for (std::uint32_t client = 0; client < small.clients; ++client) {
        for (const std::string& filter : small.filters_of(client)) {
            if (topic_matches(filter, topic)) {
                EXPECT_TRUE(matching.insert(client).second) << filter << " is a second match";
            }
        }
    }
    return matching;
}

TEST(WildcardLayout, AllFiltersAreDifferentValidAndHaveWildcards) {
    std::set<std::string> filters;
    for (std::uint32_t client = 0; client < small.clients; ++client) {
        const auto mine = small.filters_of(client);
        EXPECT_EQ(mine.size(), small.filters / small.clients);
        for (const std::string& filter : mine) {
            EXPECT_TRUE(is_valid_topic_filter(filter) && has_wildcard(filter)) << filter;
            EXPECT_TRUE(filters.insert(filter).second) << filter;
        }
    }
    EXPECT_EQ(filters.size(), small.filters);
}

TEST(WildcardLayout, EachTopicReachesOneBlockOfTenClients) {
    for (std::uint32_t group = 0; group < small.groups(); ++group) {
        const auto clients = clients_that_match(wildcard_topic(group));
        ASSERT_EQ(clients.size(), filters_per_topic);
        EXPECT_EQ(*clients.begin(), group % small.blocks() * filters_per_topic);
        EXPECT_EQ(*clients.rbegin() - *clients.begin(), filters_per_topic - 1);
    }
}

TEST(TopicWalk, VisitsAllGroupsAndNumbersEachBlockWithoutGaps) {
    topic_walk walk(small, 3);
    std::set<std::string> visited;
    std::map<unsigned long, std::uint32_t> expected;
    for (std::uint32_t i = 0; i < small.groups(); ++i) {
        const topic_walk::step step = walk.next();
        const std::string digits(step.digits.begin(), step.digits.end());
        visited.insert(digits);
        EXPECT_EQ(step.sequence, expected[std::stoul(digits) % small.blocks()]++);
    }
    EXPECT_EQ(visited.size(), small.groups());
}

} // namespace
} // namespace gv::load
