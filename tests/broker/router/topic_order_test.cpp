// SPDX-License-Identifier: Apache-2.0
#include "broker/router/ordered_rows.hpp"
#include "broker/router/topic_order.hpp"
#include "tests/broker/router/random_topics.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace gv::router {
namespace {

struct tree_order {
    bool operator()(const std::string& a, const std::string& b) const {
        return compare_topics(a, b) < 0;
    }
};

TEST(TopicOrder, ATopicIsFollowedByThoseUnderItThenByItsSiblings) {
    const std::vector<std::string> ordered = {"/",
                                              "/a",
                                              "a",
                                              "a/",
                                              "a/\x01",
                                              "a/b",
                                              "a/b/c",
                                              "a/b\x01",
                                              "a\x01",
                                              "a b",
                                              "a!",
                                              "a0",
                                              "ab",
                                              "longer than eight/a",
                                              "longer than eight!",
                                              "\xc3\xa9"};
    for (std::size_t i = 0; i < ordered.size(); ++i) {
        for (std::size_t j = 0; j < ordered.size(); ++j) {
            EXPECT_EQ(compare_topics(ordered[i], ordered[j]) <=> 0, i <=> j)
                << ordered[i] << " " << ordered[j];
        }
    }
}

/// Walks a set of topics as the guide says, and counts the topics looked at.
std::pair<std::vector<std::string>, std::size_t>
walk(const std::set<std::string, tree_order>& topics, std::string_view filter) {
    std::vector<std::string> found;
    std::size_t looked_at = 0;
    filter_guide guide(filter);
    for (auto at = topics.begin(); at != topics.end();) {
        ++looked_at;
        switch (guide.judge(*at)) {
        case filter_guide::verdict::match:
            found.push_back(*at);
            [[fallthrough]];
        case filter_guide::verdict::next:
            ++at;
            break;
        case filter_guide::verdict::leap:
            EXPECT_TRUE(compare_topics(*at, guide.leap_to()) < 0) << "a leap must lead on";
            at = topics.lower_bound(std::string(guide.leap_to()));
            break;
        case filter_guide::verdict::finished:
            return {found, looked_at};
        }
    }
    return {found, looked_at};
}

TEST(FilterGuide, FindsExactlyWhatMatches) {
    for (unsigned seed = 1; seed <= 300; ++seed) {
        random_topics random(seed);
        std::set<std::string, tree_order> topics;
        for (int i = 0; i < 200; ++i) {
            topics.insert(random.name());
        }
        for (int i = 0; i < 50; ++i) {
            const std::string filter = random.filter();
            std::vector<std::string> expected;
            for (const std::string& each : topics) {
                if (topic_matches(filter, each)) {
                    expected.push_back(each);
                }
            }
            ASSERT_EQ(walk(topics, filter).first, expected) << filter << " seed " << seed;
        }
    }
}

TEST(FilterGuide, LooksOnlyAtWhatItMust) {
    std::set<std::string, tree_order> topics;
    for (int room = 0; room < 100; ++room) {
        for (int sensor = 0; sensor < 100; ++sensor) {
            topics.insert("home/" + std::to_string(room) + "/" + std::to_string(sensor));
        }
    }
    for (const auto& [filter, found, looked_at_most] : {std::tuple("home/+/50", 100u, 300u),
                                                        {"home/50/+", 100u, 103u},
                                                        {"home/7/7", 1u, 4u},
                                                        {"+/+/50", 100u, 303u},
                                                        {"office/#", 0u, 2u},
                                                        {"a/+", 0u, 1u},
                                                        {"home/99/#", 100u, 103u},
                                                        {"#", 10'000u, 10'000u}}) {
        const auto [matched, looked_at] = walk(topics, filter);
        EXPECT_EQ(matched.size(), found) << filter;
        EXPECT_LE(looked_at, looked_at_most) << filter;
    }
}

/// Rows in order beside a std::set.
TEST(OrderedRows, AgreeWithASet) {
    for (unsigned seed = 1; seed <= 5; ++seed) {
        random_topics random(seed);
        std::vector<std::string> texts;
        const auto topic_of = [&texts](std::uint32_t row) { return std::string_view(texts[row]); };
        ordered_rows rows(topic_of);
        std::set<std::string, tree_order> model;
        for (int step = 0; step < 20'000; ++step) {
            const bool shrinks = step % 8'000 > 6'000;
            const std::string topic = "t/" + std::to_string(random.below(3'000)) + "/x";
            if (model.contains(topic) && (shrinks || random.below(3) == 0)) {
                rows.erase(topic);
                model.erase(topic);
            } else if (!model.contains(topic) && !shrinks) {
                texts.push_back(topic);
                rows.insert(texts.back(), static_cast<std::uint32_t>(texts.size() - 1));
                model.insert(topic);
            }
            const std::string wanted = "t/" + std::to_string(random.below(3'000));
            const auto at = rows.seek(wanted);
            const auto expected = model.lower_bound(wanted);
            ASSERT_EQ(rows.is_end(at), expected == model.end());
            if (!rows.is_end(at)) {
                ASSERT_EQ(texts[rows[at]], *expected);
                const auto on = rows.seek_from(at, "t/29");
                ASSERT_TRUE(*expected > "t/29"
                            || rows.is_end(on) == rows.is_end(rows.seek("t/29")));
            }
        }
        auto at = rows.seek("");
        for (const std::string& each : model) {
            ASSERT_EQ(texts[rows[at]], each);
            ASSERT_EQ(rows.is_end(rows.seek_after(each)), each == *model.rbegin());
            at = rows.next(at);
        }
        EXPECT_TRUE(rows.is_end(at));
    }
}

TEST(OrderedRows, AnEmptyingBlockBesideAFullOneKeepsItsRows) {
    std::vector<std::string> texts;
    for (int i = 0; i < 2'000; ++i) {
        texts.push_back("t/" + std::to_string(10'000 + i));
    }
    ordered_rows rows([&texts](std::uint32_t row) { return std::string_view(texts[row]); });
    for (std::uint32_t i = 0; i < texts.size(); ++i) {
        rows.insert(texts[i], i);
    }
    for (std::uint32_t i = 500; i < 600; ++i) {
        rows.erase(texts[i]);
    }
    std::uint32_t expected = 0;
    for (auto at = rows.seek(""); !rows.is_end(at); at = rows.next(at)) {
        ASSERT_EQ(rows[at], expected);
        expected += expected == 499 ? 101 : 1;
    }
    EXPECT_EQ(expected, texts.size());
}

} // namespace
} // namespace gv::router
