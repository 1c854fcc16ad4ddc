// SPDX-License-Identifier: Apache-2.0
#include "storage/loading.hpp"
#include "tests/storage/held_state.hpp"

namespace gv::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

/// Tables filled by hand.
class hand_filled final : public table_source {
  public:
    void apply(const batch& operations) {
        operations.for_each([this](const batch::operation& what) {
            at(what.where).insert_or_assign(std::string(what.key), std::string(what.value));
        });
    }
    [[nodiscard]] std::map<std::string, std::string, std::less<>>& at(table which) {
        return tables_[static_cast<std::size_t>(which)];
    }
    std::optional<table> damaged; ///< reading it to the end fails

    [[nodiscard]] bool scan(table which, const visitor& visit) const override {
        for (const auto& [key, value] : of(which)) {
            visit(key, value);
        }
        return which != damaged;
    }
    [[nodiscard]] bool scan(table which, std::string_view begin, std::string_view end,
                            const judge& visit) const override {
        const auto& rows = of(which);
        for (auto at = rows.lower_bound(begin); at != rows.end() && at->first < end; ++at) {
            if (!visit(at->first, at->second)) {
                break;
            }
        }
        return which != damaged;
    }
    [[nodiscard]] bool seek(table which, std::string_view from, std::string& key) const override {
        const auto found = of(which).lower_bound(from);
        if (found != of(which).end()) {
            key = found->first;
        }
        return found != of(which).end();
    }
    [[nodiscard]] bool get(table which, std::string_view key, std::string& value) const override {
        const auto found = of(which).find(key);
        if (found != of(which).end()) {
            value = found->second;
        }
        return found != of(which).end();
    }

  private:
    [[nodiscard]] const std::map<std::string, std::string, std::less<>>& of(table which) const {
        return tables_[static_cast<std::size_t>(which)];
    }
    std::array<std::map<std::string, std::string, std::less<>>, table_count> tables_;
};

class Loading : public testing::Test {
  protected:
    template <typename Fill>
    void fill(Fill&& with) {
        batch operations;
        with(operations);
        source.apply(operations);
    }
    load_report load() { return load_from(source, found); }

    hand_filled source;
    held_state found;
};

TEST_F(Loading, NothingIsNothing) {
    const load_report report = load();
    EXPECT_TRUE(report.is_readable);
    EXPECT_EQ(report.rows_broken, 0U);
    EXPECT_EQ(report.rows_stray, 0U);
    EXPECT_EQ(found.calls, 1);
    EXPECT_THAT(found.sessions, IsEmpty());
}

TEST_F(Loading, RowsGoToTheSessionThatTheyName) {
    const sample_session one{.client = "one", .created = 1};
    const sample_session two{.client = "two", .created = 2};
    fill([&](batch& to) {
        one.put(to);
        two.put(to);
        one.put_queue(to, 4096, 3);
        one.put_subscription(to, "a/#", qos::exactly_once);
        one.put_subscription(to, "$share/g/b", qos::at_least_once);
        two.put_subscription(to, "c", qos::at_most_once);
        two.put_row(to, 300, "late");
        two.put_row(to, 4, "early");
        one.put_release(to, 9, packet_id{3});
        one.put_release(to, 2, packet_id{4});
        one.put_inbound(to, packet_id{500});
        one.put_unrouted(to, packet_id{501}, {.node = node_id{9}, .boot = boot_id{4}});
    });
    const load_report report = load();
    EXPECT_EQ(report.rows_broken + report.rows_stray, 0U);
    ASSERT_EQ(found.sessions.size(), 2U);
    const stored_session& first = found.sessions.at("one");
    EXPECT_EQ(first.partition, partition_id{3});
    EXPECT_EQ(first.record.id, one.id());
    EXPECT_EQ(first.queue.reserved_until, 4096U);
    EXPECT_EQ(first.queue.sent_until, 3U);
    ASSERT_EQ(first.subscriptions.size(), 2U);
    EXPECT_EQ(first.subscriptions[0].first, "$share/g/b");
    EXPECT_EQ(first.subscriptions[1].second.quality, qos::exactly_once);
    EXPECT_THAT(first.releases, ElementsAre(Pair(2U, packet_id{4}), Pair(9U, packet_id{3})));
    EXPECT_THAT(first.inbound, ElementsAre(packet_id{500}, packet_id{501}));
    ASSERT_EQ(first.unrouted.size(), 1U);
    EXPECT_EQ(first.unrouted[0].first, packet_id{501});
    EXPECT_EQ(first.unrouted[0].second.node, node_id{9});
    EXPECT_EQ(first.unrouted[0].second.boot, boot_id{4});
    EXPECT_THAT(first.rows, IsEmpty());
    const stored_session& second = found.sessions.at("two");
    EXPECT_EQ(second.queue.reserved_until, 0U);
    ASSERT_EQ(second.rows.size(), 1U);
    EXPECT_EQ(second.rows[0].first, 4U);
    EXPECT_EQ(second.rows[0].end, 301U);
    EXPECT_EQ(second.rows[0].rows, 2U);
    EXPECT_EQ(second.rows[0].bodies, 0U);
    EXPECT_EQ(second.rows[0].size, 2 * 1 + 4U + 5U) << "topics and payloads";
}

TEST_F(Loading, ClientIdentifiersMayHoldAnyBytes) {
    const std::string odd("\0\xff\xfe", 3);
    fill([&](batch& to) {
        sample_session{.client = odd}.put(to);
        sample_session{.client = "", .created = 2, .partition = partition_id{255}}.put(to);
    });
    EXPECT_EQ(load().rows_broken, 0U);
    EXPECT_TRUE(found.sessions.contains(odd));
    EXPECT_EQ(found.sessions.at("").partition, partition_id{255});
}

TEST_F(Loading, RowsOfNoSessionAreStrays) {
    const sample_session here{.client = "here", .created = 1};
    const sample_session ended{.client = "here", .created = 99};
    fill([&](batch& to) {
        here.put(to);
        ended.put_queue(to, 1, 1);
        ended.put_subscription(to, "x", qos::at_least_once);
        ended.put_row(to, 1, "old");
        ended.put_release(to, 1, packet_id{1});
        ended.put_inbound(to, packet_id{1});
    });
    const load_report report = load();
    EXPECT_EQ(report.rows_stray, 5U);
    EXPECT_EQ(report.rows_broken, 0U);
    EXPECT_THAT(
        found.strays,
        ElementsAre(
            Pair(table::queue_meta, std::string(ended.key().view())),
            Pair(table::subscriptions, subscription_key_of(ended.key(), "x")),
            Pair(table::queue, std::string(queue_key_of(ended.key(), 1).view())),
            Pair(table::small, std::string(inbound_key_of(ended.key(), packet_id{1}).view())),
            Pair(table::small, std::string(release_key_of(ended.key(), 1).view()))));
    EXPECT_THAT(found.sessions.at("here").rows, IsEmpty());
}

TEST_F(Loading, KeysTooShortForASessionAreStrays) {
    for (const table each : {table::queue_meta, table::subscriptions, table::queue, table::small}) {
        source.at(each).emplace("short", "");
    }
    EXPECT_EQ(load().rows_stray, 4U);
}

TEST_F(Loading, BrokenRowsAreCountedAndTheRestIsRead) {
    const sample_session good{.client = "good"};
    fill([&](batch& to) {
        good.put(to);
        good.put_row(to, 2, "kept");
        to.put(table::sessions, "x", "");                                    // no partition
        to.put(table::sessions, client_key_of(partition_id{3}, "bad"), "?"); // no record
        to.put(table::queue_meta, good.key().view(), "?");
        to.put(table::subscriptions, subscription_key_of(good.key(), "f"), "?");
        to.put(table::queue, queue_key_of(good.key(), 1).view(), "");
        to.put(table::queue, std::string(good.key().view()) + "123", "?"); // no sequence
        to.put(table::small, release_key_of(good.key(), 1).view(), "");
        to.put(table::small, "X" + std::string(good.key().view()), "");
    });
    const load_report report = load();
    EXPECT_TRUE(report.is_readable);
    EXPECT_EQ(report.rows_broken, 8U);
    EXPECT_EQ(report.rows_stray, 0U);
    ASSERT_EQ(found.sessions.size(), 1U);
    ASSERT_EQ(found.sessions.at("good").rows.size(), 1U);
    EXPECT_EQ(found.sessions.at("good").rows[0].first, 2U);
}

TEST_F(Loading, ATableThatEndsTooSoonIsSaid) {
    fill([&](batch& to) { sample_session{}.put(to); });
    for (const table each : {table::sessions, table::queue_meta, table::subscriptions, table::queue,
                             table::small, table::retained, table::spool, table::routes}) {
        SCOPED_TRACE(static_cast<int>(each));
        source.damaged = each;
        held_state once_more;
        EXPECT_FALSE(load_from(source, once_more).is_readable);
        EXPECT_EQ(once_more.sessions.size(), 1U) << "what could be read is given all the same";
    }
}

TEST_F(Loading, RetainedMessagesComeByTopic) {
    source.at(table::retained) = {{"b", "two"}, {"a", "one"}};
    EXPECT_EQ(load().rows_broken, 0U);
    EXPECT_THAT(found.retained, ElementsAre(Pair("a", "one"), Pair("b", "two")));
}

TEST_F(Loading, RoutesComeByAuthorAndBrokenOnesAreSaidToBeInTheWay) {
    std::string value;
    encode(route_row{.quality = qos::at_least_once, .online = 1, .total = 2}, value);
    const std::string good = route_key_of({.author = node_id{8}, .filter = "b/#", .group = "g"});
    const std::string broken = route_key_of({.author = node_id{7}, .filter = "a"});
    fill([&](batch& to) {
        to.put(table::routes, good, value);
        to.put(table::routes, broken, value); // members, and no group
        to.put(table::routes, "?", value);
    });
    EXPECT_EQ(load().rows_broken, 2U);
    ASSERT_EQ(found.routes.size(), 1U);
    EXPECT_EQ(found.routes[0].author, node_id{8});
    EXPECT_EQ(found.routes[0].filter, "b/#");
    EXPECT_EQ(found.routes[0].group, "g");
    EXPECT_EQ(found.routes[0].row.total, 2U);
    EXPECT_THAT(found.strays, ElementsAre(Pair(table::routes, broken), Pair(table::routes, "?")));
}

TEST_F(Loading, ClaimsComeByShard) {
    std::string value;
    encode(claim_record{.from = {7}, .to = {9}, .shards = 2}, value);
    fill([&](batch& to) {
        to.put(table::small, claim_key_of(shard_id{1}).view(), value);
        to.put(table::small, claim_key_of(shard_id{2}).view(), value.substr(1));
    });
    EXPECT_EQ(load().rows_broken, 1U);
    ASSERT_EQ(found.claims.size(), 1U);
    EXPECT_EQ(found.claims.front().first, shard_id{1});
    EXPECT_EQ(found.claims.front().second.from.value, 7U);
    EXPECT_EQ(found.claims.front().second.to.value, 9U);
    EXPECT_EQ(found.claims.front().second.shards, 2U);
}

TEST_F(Loading, PartitionsComeBehindTheFoundingOfTheirTable) {
    const founding_record founding{.at = {7}, .by = node_id{8}};
    std::string of;
    encode(founding, of);
    const auto row = [](const founding_record& of_which, std::uint64_t home) {
        std::string value;
        encode(partition_record{.of = of_which, .home = node_id{home}, .epoch = 3}, value);
        return value;
    };
    fill([&](batch& to) {
        to.put(table::small, founding_key, of);
        to.put(table::small, partition_key_of(partition_id{0}).view(), row(founding, 8));
        to.put(table::small, partition_key_of(partition_id{1}).view(),
               row({.at = {6}, .by = node_id{9}}, 9));
        to.put(table::small, partition_key_of(partition_id{2}).view(), row(founding, 8).substr(1));
        to.put(table::small, partition_key_of(partition_id{255}).view(), row(founding, 10));
        to.put(table::small, partition_key_of(partition_id{256}).view(), row(founding, 10));
    });
    EXPECT_EQ(load().rows_broken, 2U);
    EXPECT_EQ(found.founding, founding);
    ASSERT_EQ(found.partitions.size(), 2U);
    EXPECT_EQ(found.partitions[partition_id{0}].home, node_id{8});
    EXPECT_EQ(found.partitions[partition_id{255}].home, node_id{10});
    EXPECT_EQ(found.partitions[partition_id{255}].epoch, 3U);
}

TEST_F(Loading, WithoutAFoundingThereIsNoTable) {
    std::string value;
    encode(partition_record{.of = {.at = {7}, .by = node_id{8}}, .home = node_id{8}, .epoch = 3},
           value);
    fill([&](batch& to) {
        to.put(table::small, founding_key, "?");
        to.put(table::small, partition_key_of(partition_id{0}).view(), value);
    });
    EXPECT_EQ(load().rows_broken, 1U);
    EXPECT_FALSE(found.founding);
    EXPECT_TRUE(found.partitions.empty());
}

[[nodiscard]] bucket bucket_of(std::uint32_t slot, std::uint16_t shard) {
    return {.slot = slot, .boot = boot_id{1}, .shard = shard_id{shard}};
}

TEST_F(Loading, EachBucketIsNamedOnceHoweverManyBodiesItHas) {
    const std::vector<bucket> all{bucket_of(1, 0), bucket_of(1, 1), bucket_of(0xffff'ffff, 0),
                                  bucket_of(0xffff'ffff, 0xffff)};
    fill([&](batch& to) {
        for (const bucket& each : all) {
            for (const std::uint64_t number :
                 {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
                put_body(to, {.in = each, .number = number}, "body");
            }
        }
    });
    EXPECT_EQ(load().rows_broken, 0U);
    EXPECT_EQ(found.buckets, all);
}

TEST_F(Loading, ABodyWithoutABucketIsBroken) {
    source.at(table::bodies).emplace("short", "");
    EXPECT_EQ(load().rows_broken, 1U);
    EXPECT_THAT(found.buckets, IsEmpty());
}

TEST_F(Loading, ARunOfRowsHasBodiesOfOneBucket) {
    const sample_session one;
    fill([&](batch& to) {
        one.put(to);
        one.put_row(to, 1, {.in = bucket_of(7, 0), .number = 1}, 100);
        one.put_row(to, 2, "inline");
        one.put_row(to, 3, {.in = bucket_of(7, 0), .number = 2}, 100);
        one.put_row(to, 4, {.in = bucket_of(8, 0), .number = 3}, 100);
    });
    EXPECT_EQ(load().rows_broken, 0U);
    const auto& runs = found.sessions.at("dev").rows;
    ASSERT_EQ(runs.size(), 2U);
    EXPECT_EQ(runs[0].rows, 3U);
    EXPECT_EQ(runs[0].bodies, 2U);
    EXPECT_EQ(runs[0].bucket, bucket_of(7, 0));
    EXPECT_EQ(runs[0].size, 100U + 1 + 6 + 100);
    EXPECT_EQ(runs[0].end, 4U);
    EXPECT_EQ(runs[1].first, 4U);
    EXPECT_EQ(runs[1].bucket, bucket_of(8, 0));
}

TEST_F(Loading, ARunHasSoManyRowsAtMost) {
    const sample_session one;
    constexpr std::uint64_t count = 2 * stored_rows::rows_max + 1;
    fill([&](batch& to) {
        one.put(to);
        for (std::uint64_t i = 0; i < count; ++i) {
            one.put_row(to, i, "x");
        }
    });
    EXPECT_EQ(load().rows_broken, 0U);
    const auto& runs = found.sessions.at("dev").rows;
    ASSERT_EQ(runs.size(), 3U);
    EXPECT_EQ(runs[0].rows, stored_rows::rows_max);
    EXPECT_EQ(runs[1].first, runs[0].end);
    EXPECT_EQ(runs[2].rows, 1U);
    EXPECT_EQ(runs[2].end, count);
}

// Rows read again.

class ReadRows : public Loading {
  protected:
    void SetUp() override {
        fill([this](batch& to) {
            one.put(to);
            for (std::uint64_t i = 10; i < 20; ++i) {
                one.put_row(to, i, "p" + std::to_string(i));
            }
            put_body(to, body, "large");
            one.put_row(to, 20, body, 6);
            sample_session{.created = 2}.put_row(to, 12, "of another");
        });
    }
    const sample_session one;
    const body_id body{.in = bucket_of(7, 0), .number = 1};
};

TEST_F(ReadRows, GivesTheRangeInOrderWithItsBodies) {
    const read_answer answer = read_rows(source, one.wants(18, 100));
    EXPECT_EQ(answer.reader, 77U);
    EXPECT_EQ(answer.session, one.id());
    EXPECT_THAT(payloads_of(answer), ElementsAre("p18", "p19", "large"));
    EXPECT_EQ(answer.read_until, 100U);
    EXPECT_FALSE(answer.is_broken);
    EXPECT_EQ(answer.rows[0].sequence, 18U);
}

TEST_F(ReadRows, EndsBeforeTheEnd) {
    EXPECT_THAT(payloads_of(read_rows(source, one.wants(0, 12))), ElementsAre("p10", "p11"));
    EXPECT_THAT(payloads_of(read_rows(source, one.wants(0, 10))), IsEmpty());
}

TEST_F(ReadRows, StopsAtItsLimitsAndSaysWhere) {
    const read_answer few = read_rows(source, one.wants(0, 100, 3));
    EXPECT_THAT(payloads_of(few), ElementsAre("p10", "p11", "p12"));
    EXPECT_EQ(few.read_until, 13U);
    const read_answer small = read_rows(source, one.wants(13, 100, 1000, 1));
    EXPECT_THAT(payloads_of(small), ElementsAre("p13")) << "one at least";
    EXPECT_EQ(small.read_until, 14U);
}

TEST_F(ReadRows, PassesOverWhatIsBroken) {
    source.at(table::queue)[std::string(queue_key_of(one.key(), 11).view())] = "";
    source.at(table::bodies).clear();
    const read_answer answer = read_rows(source, one.wants(10, 21));
    EXPECT_TRUE(answer.is_broken);
    EXPECT_EQ(answer.rows.size(), 9U);
    EXPECT_EQ(answer.rows.front().sequence, 10U);
    EXPECT_EQ(answer.rows.back().sequence, 19U);
    EXPECT_EQ(answer.read_until, 21U);
}

TEST_F(ReadRows, SaysIfTheDiskDoes) {
    source.damaged = table::queue;
    EXPECT_TRUE(read_rows(source, one.wants(0, 12)).is_broken);
}

} // namespace
} // namespace gv::storage
