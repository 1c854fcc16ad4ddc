// SPDX-License-Identifier: Apache-2.0
// The table of a node in a cluster: tombstones, digest, and what other nodes ask for.
#include "broker/router/retained.hpp"
#include "tests/broker/router/random_topics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace gv::router {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const retained_clocks start{.now = time_point(1'000s), .wall = wall_time(1'700'000'000s)};

retained_clocks later(duration by) {
    return {.now = start.now + by,
            .wall = start.wall + std::chrono::duration_cast<wall_time::duration>(by)};
}

hybrid_time stamp_at(wall_time wall) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(wall.time_since_epoch());
    return {static_cast<std::uint64_t>(ms.count()) << 16};
}

publication make(std::string_view topic, std::string_view payload, std::uint64_t stamp,
                 time_point expires = never) {
    publication made;
    made.header.stamp = {stamp};
    made.header.origin = node_id{7};
    made.header.publisher = 3;
    made.header.retain = true;
    made.header.expires = expires;
    made.topic = topic;
    made.payload = payload;
    return made;
}

retained_row row_of(const publication& what, wall_time expires = never_expires) {
    return {.what = message::copy_of(what, message::reach::shared), .expires = expires};
}

std::uint64_t sum_of(const retained_digest& digest) {
    std::uint64_t sum = 0;
    for (std::uint16_t bucket = 0; bucket < retained_bucket_count; ++bucket) {
        sum ^= digest.at(retained_bucket{bucket});
    }
    return sum;
}

retained_range range_of(std::string_view topic) {
    return {.bucket = retained_bucket_of(retained_topic_hash(topic))};
}

struct RetainedCluster : testing::Test {
    retained_digest digest;
    std::vector<std::string> aged;
    retained_table table{{.on_aged =
                              [this](std::string_view topic, const message* tombstone) {
                                  aged.push_back((tombstone != nullptr ? "tombstone " : "erased ")
                                                 + std::string(topic));
                              },
                          .digest = &digest}};

    [[nodiscard]] std::vector<std::string> visible(time_point now = start.now) {
        std::vector<std::string> topics;
        for (const message_ref& row : table.read("#", "", {}, now).rows) {
            topics.emplace_back(row->topic());
        }
        return topics;
    }
    [[nodiscard]] retained_answer ask(std::string_view topic, std::vector<retained_entry> known,
                                      retained_claim theirs = {}, retained_claim ours = {}) const {
        return table.answer({.of = range_of(topic),
                             .known = std::move(known),
                             .theirs = theirs,
                             .ours = ours,
                             .bytes_max = 1u << 20,
                             .rows_max = 100},
                            start);
    }
    [[nodiscard]] std::vector<retained_entry> entries_of(std::string_view topic) const {
        return table.entries(range_of(topic), 100).entries;
    }
};

TEST_F(RetainedCluster, ARemovalStaysAsATombstoneThatNobodySees) {
    EXPECT_EQ(table.put(make("t", "v", 10)), put_outcome::stored);
    EXPECT_EQ(table.put(make("t", "", 11)), put_outcome::removed);
    EXPECT_EQ(table.count() + table.bytes(), 0u);
    EXPECT_EQ(table.tombstones(), 1u);
    EXPECT_FALSE(table.find("t", start.now));
    EXPECT_THAT(visible(), IsEmpty());
    EXPECT_EQ(table.put(make("t", "late", 10)), put_outcome::older_ignored);
    EXPECT_EQ(table.put(make("t", "new", 12)), put_outcome::stored);
    EXPECT_EQ(table.tombstones(), 0u);
    EXPECT_THAT(visible(), ElementsAre("t"));
}

TEST_F(RetainedCluster, ARemovalOfWhatWasNeverThereIsKeptToo) {
    EXPECT_EQ(table.put(make("t", "", 11)), put_outcome::absent);
    EXPECT_TRUE(is_change(put_outcome::absent, table.is_clustered()));
    EXPECT_FALSE(is_change(put_outcome::absent, false));
    EXPECT_EQ(table.tombstones(), 1u);
    EXPECT_EQ(table.put(make("t", "late", 10)), put_outcome::older_ignored);
}

TEST_F(RetainedCluster, WhatCameBeforeByAnotherWayIsKnown) {
    EXPECT_EQ(table.put_row(row_of(make("t", "v", 10)), start), put_outcome::stored);
    EXPECT_EQ(table.put(make("t", "v", 10)), put_outcome::known);
    EXPECT_EQ(table.put(make("t", "", 11)), put_outcome::removed);
    EXPECT_EQ(table.put(make("t", "", 11)), put_outcome::known);
    EXPECT_EQ(table.put(make("t", "v", 10)), put_outcome::older_ignored);
}

TEST_F(RetainedCluster, OfTwoMessagesWithOneStampThePublisherDecidesInAnyOrder) {
    publication low = make("t", "low", 10);
    publication high = make("t", "high", 10);
    high.header.publisher = 4;
    EXPECT_EQ(table.put(high), put_outcome::stored);
    EXPECT_EQ(table.put(low), put_outcome::older_ignored);
    EXPECT_EQ(table.find("t", start.now)->payload(), "high");
    retained_digest other_digest;
    retained_table other({.digest = &other_digest});
    other.put(low);
    other.put(high);
    EXPECT_EQ(sum_of(digest), sum_of(other_digest));
}

TEST_F(RetainedCluster, TheDigestDoesNotTellWhetherSomethingHasBeenFoundExpired) {
    table.put(make("t", "v", 10, start.now + 5s));
    table.put(make("u", "v", 10));
    const std::uint64_t before = sum_of(digest);
    EXPECT_NE(before, 0u);
    EXPECT_EQ(table.expire(later(5s).now, 100), 1u);
    EXPECT_EQ(sum_of(digest), before);
    EXPECT_EQ(table.tombstones(), 1u);
    EXPECT_THAT(aged, ElementsAre("tombstone t"));
    EXPECT_EQ(table.expire(later(9s).now, 100), 0u) << "a tombstone does not expire";
    EXPECT_EQ(table.put(make("t", "older", 9)), put_outcome::older_ignored);
}

TEST_F(RetainedCluster, ANodesOwnTopicsAreNotCompared) {
    table.put(make("$SYS/broker/uptime", "1", 10));
    EXPECT_EQ(sum_of(digest), 0u);
    EXPECT_THAT(entries_of("$SYS/broker/uptime"), IsEmpty());
    EXPECT_EQ(table.put(make("$SYS/broker/uptime", "", 11)), put_outcome::removed);
    EXPECT_EQ(table.tombstones(), 0u);
}

TEST_F(RetainedCluster, AClaimDeniesUnknownTopicsAndOldTombstones) {
    table.put(make("kept", "v", 15));
    table.put(make("gone", "", 20));
    table.set_claim({.from = {10}, .to = {20}});
    EXPECT_TRUE(table.collect_tombstones(100, start));
    EXPECT_EQ(table.tombstones(), 0u);
    EXPECT_THAT(aged, ElementsAre("erased gone"));
    EXPECT_EQ(table.put(make("gone", "old", 19)), put_outcome::older_ignored);
    EXPECT_EQ(table.put(make("gone", "old", 11)), put_outcome::older_ignored);
    EXPECT_EQ(table.put(make("before all claims", "v", 10)), put_outcome::stored);
    EXPECT_EQ(table.put(make("new", "v", 21)), put_outcome::stored);
    EXPECT_EQ(table.put(make("kept", "newer", 16)), put_outcome::replaced) << "a known topic";
    EXPECT_EQ(table.put(make("kept", "", 17)), put_outcome::removed);
    EXPECT_EQ(table.tombstones(), 0u) << "of a removal in the claim nothing is kept";
}

TEST_F(RetainedCluster, TombstonesAreErasedAFewAtATime) {
    for (int i = 0; i < 100; ++i) {
        table.put(make("t/" + std::to_string(i), "", static_cast<std::uint64_t>(1 + i)));
    }
    table.put(make("t/7", "again", 1'000));
    table.set_claim({.from = {}, .to = {50}});
    int rounds = 1;
    while (!table.collect_tombstones(10, start)) {
        ++rounds;
    }
    EXPECT_GE(rounds, 10);
    EXPECT_EQ(table.tombstones(), 50u);
    table.set_claim({.from = {}, .to = {100}});
    while (!table.collect_tombstones(10, start)) {
    }
    EXPECT_EQ(table.tombstones(), 0u);
    EXPECT_EQ(table.count(), 1u);
    EXPECT_NE(sum_of(digest), 0u);
    table.put(make("t/7", "", 1'001));
    table.set_claim({.from = {}, .to = {2'000}});
    EXPECT_TRUE(table.collect_tombstones(10, start))
        << "what is set and cleared again is seen again";
    EXPECT_EQ(table.tombstones(), 0u);
    EXPECT_EQ(sum_of(digest), 0u);
}

TEST_F(RetainedCluster, WhatExpiredGoesWithAClaimThatReachesItsExpiry) {
    table.put(make("t", "v", 10, start.now + 5s));
    table.expire(later(6s).now, 100);
    table.set_claim({.from = {}, .to = stamp_at(start.wall + 4s)});
    EXPECT_TRUE(table.collect_tombstones(100, later(6s)));
    EXPECT_EQ(table.tombstones(), 1u);
    table.set_claim({.from = {}, .to = stamp_at(start.wall + 5s)});
    EXPECT_TRUE(table.collect_tombstones(100, later(6s)));
    EXPECT_EQ(table.tombstones(), 0u);
}

TEST_F(RetainedCluster, ARowOfAPeerKeepsItsExpiryByThisClock) {
    table.put_row(row_of(make("t", "v", 10), start.wall + 5s), start);
    EXPECT_TRUE(table.find("t", later(4s).now));
    EXPECT_FALSE(table.find("t", later(5s).now));
    table.put_row(row_of(make("over", "v", 10), start.wall - 1s), start);
    EXPECT_EQ(table.count(), 1u);
    EXPECT_EQ(table.tombstones(), 1u);
    for (const wall_time odd : {wall_time::min(), never_expires - 1ns}) {
        EXPECT_EQ(table.put_row(
                      row_of(make("odd " + std::to_string(odd == wall_time::min()), "v", 10), odd),
                      start),
                  odd == wall_time::min() ? put_outcome::absent : put_outcome::stored);
    }
}

TEST_F(RetainedCluster, LimitsHoldWhereAMessageIsPublished) {
    retained_digest small_digest;
    retained_table small({.rows_max = 2, .digest = &small_digest, .peers_factor = 2});
    small.put(make("a", "1", 1));
    small.put(make("b", "1", 1));
    EXPECT_EQ(small.put(make("c", "1", 1)), put_outcome::over_limit);
    EXPECT_EQ(small.put_row(row_of(make("c", "1", 1)), start), put_outcome::stored);
    EXPECT_EQ(small.put_row(row_of(make("d", "1", 1)), start), put_outcome::stored);
    EXPECT_EQ(small.put_row(row_of(make("e", "1", 1)), start), put_outcome::over_limit);
    EXPECT_EQ(small.put_row(row_of(make("f", "", 1)), start), put_outcome::absent);
    small.put(make("a", "", 2));
    small.put(make("b", "", 2));
    small.put(make("c", "", 2));
    EXPECT_EQ(small.put(make("g", "1", 1)), put_outcome::stored) << "tombstones take no place";
}

TEST_F(RetainedCluster, AnAnswerIsWhatTheyLack) {
    table.put(make("t", "v", 10));
    const std::vector<retained_entry> mine = entries_of("t");
    ASSERT_EQ(mine.size(), 1u);
    EXPECT_EQ(ask("t", {}).rows.size(), 1u);
    EXPECT_THAT(ask("t", mine).rows, IsEmpty());
    std::vector<retained_entry> older = mine;
    older.front().version.stamp = {9};
    EXPECT_EQ(ask("t", older).rows.front().what->payload(), "v");
    std::vector<retained_entry> newer = mine;
    newer.front().version.stamp = {11};
    EXPECT_THAT(ask("t", newer).rows, IsEmpty());
    EXPECT_THAT(ask("t", {}, {.from = {}, .to = {10}}).rows, IsEmpty()) << "they would not take it";
    EXPECT_EQ(ask("t", older, {.from = {}, .to = {10}}).rows.size(), 1u)
        << "a topic that they have";
    table.put(make("t", "", 12));
    ASSERT_EQ(ask("t", mine).rows.size(), 1u);
    EXPECT_TRUE(ask("t", mine).rows.front().is_tombstone());
}

TEST_F(RetainedCluster, WhatAClaimSpeaksOfAndIsNotHereIsDead) {
    const retained_entry theirs{.topic_hash = retained_topic_hash("t"),
                                .version = {.stamp = {10}, .origin = node_id{1}}};
    EXPECT_THAT(ask("t", {theirs}).dead, IsEmpty());
    EXPECT_THAT(ask("t", {theirs}, {}, {.from = {5}, .to = {10}}).dead, ElementsAre(theirs));
    EXPECT_THAT(ask("t", {theirs}, {}, {.from = {10}, .to = {20}}).dead, IsEmpty());
    table.put(make("t", "older", 1));
    EXPECT_THAT(ask("t", {theirs}, {}, {.from = {5}, .to = {10}}).dead, IsEmpty());
}

TEST_F(RetainedCluster, WhatIsCalledDeadBecomesATombstoneUntilTheClaimIsHere) {
    table.put(make("t", "v", 10));
    const retained_entry mine = entries_of("t").front();
    retained_entry other = mine;
    other.version.stamp = {9};
    EXPECT_FALSE(table.drop(other));
    EXPECT_TRUE(table.drop(mine));
    EXPECT_FALSE(table.drop(mine));
    EXPECT_EQ(table.count(), 0u);
    EXPECT_EQ(table.put(make("t", "v", 10)), put_outcome::known)
        << "it does not come back meanwhile";
    table.set_claim({.from = {}, .to = {10}});
    table.collect_tombstones(100, start);
    EXPECT_EQ(table.tombstones(), 0u);
    EXPECT_THAT(aged, ElementsAre("tombstone t", "erased t"));
}

TEST_F(RetainedCluster, AnswersAndEntriesComeInPages) {
    std::vector<std::string> topics;
    const retained_bucket bucket = range_of("0").bucket;
    for (int i = 0; topics.size() < 12; ++i) {
        if (range_of(std::to_string(i)).bucket == bucket) {
            topics.push_back(std::to_string(i));
            table.put(make(topics.back(), std::string(100, 'x'), 10));
        }
    }
    std::vector<retained_entry> all;
    for (retained_range of{.bucket = bucket}; of.after != last_topic_hash;) {
        const retained_entries page = table.entries(of, 5);
        EXPECT_LE(page.entries.size(), 5u);
        all.insert(all.end(), page.entries.begin(), page.entries.end());
        of.after = page.until;
    }
    EXPECT_EQ(all.size(), 12u);
    EXPECT_TRUE(std::ranges::is_sorted(all));
    for (const auto& [bytes, rows] :
         {std::pair(1u, 100u), std::pair(1u << 20, 3u), std::pair(600u, 100u)}) {
        std::size_t given = 0;
        for (retained_range of{.bucket = bucket}; of.after != last_topic_hash;) {
            const retained_answer page = table.answer({.of = of,
                                                       .known = {},
                                                       .theirs = {},
                                                       .ours = {},
                                                       .bytes_max = bytes,
                                                       .rows_max = rows},
                                                      start);
            EXPECT_LE(page.rows.size(), rows);
            EXPECT_TRUE(bytes > 1 || page.rows.size() <= 1);
            given += page.rows.size();
            of.after = page.until;
        }
        EXPECT_EQ(given, 12u);
    }
}

TEST_F(RetainedCluster, TombstonesSurviveARestartWithWhatTheyAreOf) {
    table.restore(make("cleared", "", 10));
    table.restore(make("expired", "", 11, start.now - 5s));
    table.restore(make("kept", "v", 12));
    EXPECT_EQ(table.tombstones(), 2u);
    EXPECT_EQ(table.put(make("cleared", "late", 9)), put_outcome::older_ignored);
    table.set_claim({.from = {}, .to = {100}});
    table.collect_tombstones(100, start);
    EXPECT_EQ(table.tombstones(), 1u) << "the claim does not reach the expiry of the other";
    EXPECT_THAT(visible(), ElementsAre("kept"));
}

TEST(RetainedClusterModel, TheSameChangesInAnyOrderGiveTheSameTableAndDigest) {
    for (unsigned seed = 1; seed <= 30; ++seed) {
        std::mt19937 random(seed);
        std::vector<publication> changes;
        std::vector<std::string> topics(200);
        for (std::size_t i = 0; i < topics.size(); ++i) {
            topics[i] = "t/" + std::to_string(random() % 40);
            changes.push_back(make(topics[i], random() % 3 == 0 ? "" : "v", 1 + random() % 60,
                                   random() % 4 == 0 ? start.now + 1s : never));
            changes.back().header.publisher = i; // a version is given once
        }
        std::uint64_t first = 0;
        std::size_t count = 0;
        for (int order = 0; order < 3; ++order) {
            retained_digest digest;
            retained_table table({.digest = &digest});
            std::ranges::shuffle(changes, random);
            for (const publication& each : changes) {
                table.put(each);
                if (random() % 10 == 0) {
                    table.expire(later(2s).now, 20);
                }
            }
            table.expire(later(2s).now, 1'000);
            first = order == 0 ? sum_of(digest) : first;
            count = order == 0 ? table.count() : count;
            ASSERT_EQ(sum_of(digest), first);
            ASSERT_EQ(table.count(), count);
            std::size_t listed = 0;
            for (std::uint16_t bucket = 0; bucket < retained_bucket_count; ++bucket) {
                listed += table.entries({.bucket = retained_bucket{bucket}}, 1'000).entries.size();
            }
            ASSERT_EQ(listed, table.count() + table.tombstones());
        }
    }
}

/// Of a node that knows by which clock the cluster goes: what has a stamp above 100 is of the
/// future.
struct RetainedOfWrongClocks : testing::Test {
    retained_digest digest;
    hybrid_time latest{std::numeric_limits<std::uint64_t>::max()};
    retained_table table{{.digest = &digest, .latest = &latest}};

    [[nodiscard]] retained_answer ask(std::vector<retained_entry> known, retained_claim theirs = {},
                                      retained_claim ours = {}) const {
        return table.answer({.of = range_of("t"),
                             .known = std::move(known),
                             .theirs = theirs,
                             .ours = ours,
                             .bytes_max = 1u << 20,
                             .rows_max = 100},
                            start);
    }
};

TEST_F(RetainedOfWrongClocks, AStampOfTheFutureLosesAgainstAnyOther) {
    EXPECT_EQ(table.put(make("t", "wrong", 1'000)), put_outcome::stored);
    EXPECT_EQ(table.put(make("t", "before it is known", 50)), put_outcome::older_ignored);
    latest = {100};
    EXPECT_EQ(table.put(make("t", "right", 50)), put_outcome::replaced);
    EXPECT_EQ(table.put(make("t", "wrong", 1'000)), put_outcome::older_ignored);
    EXPECT_EQ(table.put_row(row_of(make("t", "wrong", 1'000)), start), put_outcome::older_ignored);
    EXPECT_EQ(table.find("t", start.now)->payload(), "right");
    const std::uint64_t sum = sum_of(digest);
    retained_digest other_digest;
    retained_table other({.digest = &other_digest});
    other.put(make("t", "right", 50));
    EXPECT_EQ(sum, sum_of(other_digest));
}

TEST_F(RetainedOfWrongClocks, ARemovalOfTheFutureLosesToo) {
    table.put(make("t", "", 1'000));
    latest = {100};
    EXPECT_EQ(table.put(make("t", "right", 50)), put_outcome::stored);
    EXPECT_EQ(table.tombstones(), 0u);
    EXPECT_EQ(table.put(make("t", "", 60)), put_outcome::removed)
        << "a removal of the present wins";
}

TEST_F(RetainedOfWrongClocks, OfTwoOfTheFutureTheNewestHolds) {
    latest = {100};
    EXPECT_EQ(table.put(make("t", "one", 1'000)), put_outcome::stored);
    EXPECT_EQ(table.put(make("t", "two", 1'001)), put_outcome::replaced);
    EXPECT_EQ(table.put(make("t", "two", 1'001)), put_outcome::known);
    EXPECT_EQ(table.put(make("t", "one", 1'000)), put_outcome::older_ignored);
}

TEST_F(RetainedOfWrongClocks, PeersAreToldThatItIsTheOldest) {
    table.put(make("t", "wrong", 1'000));
    latest = {100};
    const retained_entries told = table.entries(range_of("t"), 100);
    EXPECT_THAT(told.entries,
                ElementsAre(retained_entry{.topic_hash = retained_topic_hash("t"), .version = {}}));
    EXPECT_THAT(ask({}).rows, IsEmpty()) << "nor is it given to anybody";
    latest = {1'000};
    EXPECT_EQ(ask({}).rows.size(), 1u) << "when its time has come it is as any other";
}

TEST_F(RetainedOfWrongClocks, AskersGetTheirsReplacedAndNobodysIsCalledDead) {
    retained_digest right_digest;
    retained_table right({.digest = &right_digest});
    right.put(make("t", "right", 50));
    table.put(make("t", "wrong", 1'000));
    latest = {100};
    // Whatever the claim of the one that asks: the topic is known there.
    const retained_answer got = right.answer({.of = range_of("t"),
                                              .known = table.entries(range_of("t"), 9).entries,
                                              .theirs = {.from = {1}, .to = {90}},
                                              .bytes_max = 1u << 20,
                                              .rows_max = 100},
                                             start);
    ASSERT_EQ(got.rows.size(), 1u);
    const retained_answer given =
        ask(right.entries(range_of("t"), 9).entries, {}, {.from = {1}, .to = {90}});
    EXPECT_THAT(given.rows, IsEmpty());
    EXPECT_THAT(given.dead, IsEmpty());
    EXPECT_EQ(table.put_row(got.rows.front(), start), put_outcome::replaced);
    EXPECT_EQ(sum_of(digest), sum_of(right_digest));
}

} // namespace
} // namespace gv::router
