// SPDX-License-Identifier: Apache-2.0
#include "broker/router/retained.hpp"
#include "broker/router/topic_order.hpp"
#include "tests/broker/router/random_topics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace gv::router {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const time_point start{1'000s};

publication make(std::string_view topic, std::string_view payload, std::uint64_t stamp,
                 time_point expires = never) {
    publication made;
    made.header.stamp = {stamp};
    made.header.expires = expires;
    made.topic = topic;
    made.payload = payload;
    return made;
}

std::vector<std::string> topics_of(const retained_page& page) {
    std::vector<std::string> topics;
    for (const message_ref& row : page.rows) {
        topics.emplace_back(row->topic());
    }
    return topics;
}

/// All pages of a replay.
std::vector<std::string> replay(retained_table& table, std::string_view filter,
                                const page_limits& limits = {}) {
    std::vector<std::string> topics;
    std::string after;
    for (bool done = false; !done;) {
        const retained_page page = table.read(filter, after, limits, start);
        std::ranges::copy(topics_of(page), std::back_inserter(topics));
        done = page.done;
        after = page.resume_after;
    }
    return topics;
}

TEST(Retained, TheNewestStampWins) {
    retained_table table;
    EXPECT_EQ(table.put(make("t", "one", 10)), put_outcome::stored);
    EXPECT_EQ(table.put(make("t", "two", 12)), put_outcome::replaced);
    EXPECT_EQ(table.put(make("t", "late", 11)), put_outcome::older_ignored);
    EXPECT_EQ(table.put(make("t", "", 11)), put_outcome::older_ignored);
    EXPECT_EQ(table.find("t", start)->payload(), "two");
    EXPECT_EQ(table.put(make("t", "same stamp", 12)), put_outcome::replaced);
    EXPECT_EQ(table.put(make("t", "", 13)), put_outcome::removed);
    EXPECT_FALSE(table.find("t", start));
    EXPECT_EQ(table.count() + table.bytes(), 0u);
}

TEST(Retained, OfEqualStampsTheHigherOriginWins) {
    retained_table table;
    publication from_two = make("t", "two", 5);
    from_two.header.origin = node_id{2};
    publication from_one = make("t", "one", 5);
    from_one.header.origin = node_id{1};
    EXPECT_EQ(table.put(from_two), put_outcome::stored);
    EXPECT_EQ(table.put(from_one), put_outcome::older_ignored);
}

TEST(Retained, ALateMessageDoesNotUndoARemoval) {
    retained_table table({.tombstones_max = 2});
    EXPECT_EQ(table.put(make("t", "", 10)), put_outcome::absent);
    EXPECT_EQ(table.put(make("t", "late", 9)), put_outcome::older_ignored);
    EXPECT_EQ(table.put(make("t", "new", 11)), put_outcome::stored);
    EXPECT_EQ(table.put(make("t", "", 12)), put_outcome::removed);
    EXPECT_EQ(table.put(make("t", "late", 11)), put_outcome::older_ignored);
    table.put(make("u", "", 1));
    table.put(make("v", "", 1));
    EXPECT_EQ(table.put(make("t", "late", 11)), put_outcome::stored) << "forgotten by then";
}

TEST(Retained, KeepsACopyWithRetainSet) {
    retained_table table;
    std::string payload = "value";
    table.put(make("t", payload, 1));
    payload = "other";
    const message_ref row = table.find("t", start);
    EXPECT_EQ(row->payload(), "value");
    EXPECT_TRUE(row->header().retain);
    EXPECT_FALSE(row->is_shared());
}

TEST(Retained, SharesAMessageThatIsGiven) {
    retained_table table;
    const message_ref given = message::copy_of(make("t", "large", 1), message::reach::shared);
    EXPECT_EQ(table.put(given), put_outcome::stored);
    EXPECT_EQ(&*table.find("t", start), &*given);
}

TEST(Retained, LimitsRefuseWhatIsNewAndLeaveTheRest) {
    const std::size_t row = make("a", "1", 1).weight();
    retained_table by_count({.rows_max = 2});
    by_count.put(make("a", "1", 1));
    by_count.put(make("b", "1", 1));
    EXPECT_EQ(by_count.put(make("c", "1", 1)), put_outcome::over_limit);
    EXPECT_EQ(by_count.put(make("a", "2", 2)), put_outcome::replaced);
    EXPECT_EQ(by_count.count(), 2u);

    retained_table by_bytes({.bytes_max = 2 * row});
    by_bytes.put(make("a", "1", 1));
    by_bytes.put(make("b", "1", 1));
    EXPECT_EQ(by_bytes.bytes(), 2 * row);
    EXPECT_EQ(by_bytes.put(make("c", "1", 1)), put_outcome::over_limit);
    EXPECT_EQ(by_bytes.put(make("a", "longer", 2)), put_outcome::over_limit);
    EXPECT_EQ(by_bytes.find("a", start)->payload(), "1");
    EXPECT_EQ(by_bytes.put(make("a", "2", 2)), put_outcome::replaced);
    EXPECT_EQ(by_bytes.put(make("a", "", 3)), put_outcome::removed);
    EXPECT_EQ(by_bytes.put(make("c", "1", 1)), put_outcome::stored);
}

TEST(RetainedReplay, IsInTreeOrderAndObeysTheDollarRule) {
    retained_table table;
    for (const auto* topic : {"b", "a/b", "a", "a/b/c", "a!", "$SYS/x", "/", "a/"}) {
        table.put(make(topic, "v", 1));
    }
    EXPECT_THAT(replay(table, "#"), ElementsAre("/", "a", "a/", "a/b", "a/b/c", "a!", "b"));
    EXPECT_THAT(replay(table, "a/#"), ElementsAre("a", "a/", "a/b", "a/b/c"));
    EXPECT_THAT(replay(table, "+/+"), ElementsAre("/", "a/", "a/b"));
    EXPECT_THAT(replay(table, "$SYS/+"), ElementsAre("$SYS/x"));
    EXPECT_THAT(replay(table, "a/b"), ElementsAre("a/b"));
    EXPECT_THAT(replay(table, "c/+"), IsEmpty());
}

TEST(RetainedReplay, PagesKeepToTheirLimits) {
    retained_table table;
    for (int i = 0; i < 1'000; ++i) {
        table.put(make("t/" + std::to_string(1'000 + i), "value", 1));
    }
    const std::size_t row = make("t/1000", "value", 1).weight();
    const retained_page by_rows = table.read("t/+", "", {.rows_max = 7}, start);
    EXPECT_EQ(by_rows.rows.size(), 7u);
    EXPECT_EQ(by_rows.resume_after, "t/1006");
    EXPECT_FALSE(by_rows.done);
    EXPECT_EQ(table.read("t/+", "t/1006", {.bytes_max = 5 * row + 1}, start).rows.size(), 5u);
    EXPECT_EQ(table.read("t/+", "", {.bytes_max = 1}, start).rows.size(), 1u);
    const retained_page by_steps = table.read("+/none", "", {.steps_max = 10}, start);
    EXPECT_THAT(by_steps.rows, IsEmpty());
    EXPECT_TRUE(by_steps.done) << "one leap passes them all";
    EXPECT_EQ(table.read("#", "", {.rows_max = 5'000, .steps_max = 10}, start).rows.size(), 10u);
    for (const std::size_t steps : {0u, 1u, 2u, 3u, 1'000u}) {
        EXPECT_EQ(replay(table, "#", {.rows_max = 3, .steps_max = steps}).size(), 1'000u);
    }
    EXPECT_TRUE(table.read("#", "t/1999", {}, start).done);
}

TEST(RetainedReplay, LeapsOverWhatCannotMatch) {
    retained_table table;
    for (int room = 0; room < 300; ++room) {
        for (int sensor = 0; sensor < 100; ++sensor) {
            table.put(make("home/" + std::to_string(room) + "/" + std::to_string(sensor), "v", 1));
        }
    }
    const retained_page page = table.read(
        "home/+/50", "", {.rows_max = 1'000, .bytes_max = 1u << 30, .steps_max = 1'000}, start);
    EXPECT_EQ(page.rows.size(), 300u);
    EXPECT_TRUE(page.done);
}

TEST(RetainedExpiry, ExpiredRowsAreNeitherFoundNorGiven) {
    retained_table table;
    table.put(make("short", "v", 1, start + 10s));
    table.put(make("long", "v", 1, start + 100s));
    table.put(make("ever", "v", 1));
    EXPECT_TRUE(table.find("short", start + 10s - 1ns));
    EXPECT_FALSE(table.find("short", start + 10s));
    EXPECT_EQ(topics_of(table.read("#", "", {}, start + 9s)).size(), 3u);
    EXPECT_EQ(table.count(), 3u);
    EXPECT_THAT(topics_of(table.read("#", "", {}, start + 10s)), ElementsAre("ever", "long"));
    EXPECT_EQ(table.count(), 2u);
    EXPECT_EQ(table.bytes(), make("long", "v", 1).weight() + make("ever", "v", 1).weight());
}

TEST(RetainedExpiry, ARoundErasesAFewAtATime) {
    retained_table table;
    for (int i = 0; i < 100; ++i) {
        table.put(make("t/" + std::to_string(i), "v", 1, i % 2 == 0 ? never : start + 1s));
    }
    EXPECT_EQ(table.expire(start, 1'000), 0u);
    std::size_t erased = 0;
    for (int round = 0; round < 10; ++round) {
        const std::size_t now_erased = table.expire(start + 1s, 10);
        EXPECT_LE(now_erased, 10u);
        erased += now_erased;
    }
    EXPECT_EQ(erased, 50u);
    EXPECT_EQ(table.count(), 50u);
    EXPECT_EQ(table.expire(start + 1s, 1'000), 0u);
    table.put(make("t/1", "v", 2, start + 2s));
    EXPECT_EQ(table.expire(start + 2s, 1'000), 1u);
}

struct tree_order {
    bool operator()(const std::string& a, const std::string& b) const {
        return compare_topics(a, b) < 0;
    }
};

/// The table beside an ordered map; a replay goes on while both change. Whatever was there
/// throughout must be given once, whatever never matched not at all, and nothing twice.
class retained_model {
  public:
    explicit retained_model(unsigned seed) : random_(seed) {}

    void run() {
        for (int i = 0; i < 300; ++i) {
            change();
        }
        for (int i = 0; i < 30; ++i) {
            replay_while_changing();
        }
        ASSERT_EQ(table_.count(), model_.size());
    }

  private:
    struct value {
        std::string payload;
        std::uint64_t stamp;
    };

    void change() {
        const std::string topic = random_.name();
        const std::uint64_t stamp = clock_ + random_.below(4);
        ++clock_;
        const bool removes = random_.below(3) == 0;
        const std::string payload = removes ? "" : std::to_string(clock_);
        const auto known = model_.find(topic);
        const put_outcome outcome = table_.put(make(topic, payload, stamp));
        std::uint64_t& removed = removed_[topic];
        if (known == model_.end() ? stamp < removed : stamp < known->second.stamp) {
            EXPECT_EQ(outcome, put_outcome::older_ignored);
        } else if (removes) {
            EXPECT_EQ(outcome, known == model_.end() ? put_outcome::absent : put_outcome::removed);
            removed = std::max(removed, stamp);
            model_.erase(topic);
            touched_.insert(topic);
        } else {
            EXPECT_EQ(outcome, known == model_.end() ? put_outcome::stored : put_outcome::replaced);
            model_[topic] = {payload, stamp};
            if (outcome == put_outcome::stored) {
                touched_.insert(topic);
            }
        }
    }

    void replay_while_changing() {
        const std::string filter = random_.filter();
        touched_.clear();
        std::set<std::string, tree_order> expected;
        for (const auto& [topic, row] : model_) {
            if (topic_matches(filter, topic)) {
                expected.insert(topic);
            }
        }
        std::vector<std::string> given;
        std::string after;
        for (bool done = false; !done;) {
            const retained_page page = table_.read(filter, after,
                                                   {.rows_max = 1 + random_.below(5),
                                                    .bytes_max = 1 + random_.below(500),
                                                    .steps_max = 1 + random_.below(6)},
                                                   start);
            for (const message_ref& row : page.rows) {
                const std::string topic(row->topic());
                ASSERT_TRUE(topic_matches(filter, topic)) << filter << " " << topic;
                ASSERT_TRUE(model_.contains(topic));
                ASSERT_EQ(row->payload(), model_[topic].payload);
                ASSERT_TRUE(given.empty() || compare_topics(given.back(), topic) < 0);
                given.push_back(topic);
            }
            done = page.done;
            after = page.resume_after;
            change();
        }
        for (const std::string& topic : expected) {
            if (!touched_.contains(topic)) {
                ASSERT_TRUE(std::ranges::find(given, topic) != given.end()) << filter << topic;
            }
        }
    }

    random_topics random_;
    retained_table table_;
    std::uint64_t clock_ = 1;
    std::map<std::string, value, tree_order> model_;
    std::map<std::string, std::uint64_t> removed_;
    std::set<std::string> touched_;
};

TEST(RetainedReplay, AgreesWithAnOrderedMapWhileBothChange) {
    for (unsigned seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE(seed);
        retained_model(seed).run();
        ASSERT_FALSE(testing::Test::HasFailure());
    }
}

} // namespace
} // namespace gv::router
