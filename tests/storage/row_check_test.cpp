// SPDX-License-Identifier: Apache-2.0
// Every kind of damage to a row is seen, in its table, and nothing else is.
#include "base/hash.hpp"
#include "storage/row_check.hpp"
#include "tests/support/prompt_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::storage {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr moment clock_now{};

template <typename... Arguments>
std::string encoded(const Arguments&... from) {
    std::string out;
    encode(from..., out);
    return out;
}

class RowCheck : public testing::Test {
  protected:
    RowCheck() {
        of(table::meta)["N"] = encoded(node_record{.node = node_id{7}, .boot = boot_id{2}});
        of(table::meta)["H"] = std::string(8, '\1');
        add_session("a", 1);
        add_session("b", 2);
        of(table::subscriptions)[subscription_key_of(key("a", 1), "x/#")] =
            encoded(subscription_record{});
        of(table::queue)[row_key(1)] = encoded(queue_row{}, message(), clock_now);
        of(table::queue)[row_key(2)] = encoded(queue_row{}, body, std::uint32_t{4});
        of(table::bodies)[std::string(body_key_of(body).view())] = encoded(message(), clock_now);
        of(table::small)[std::string(release_key_of(key("a", 1), 3).view())] =
            encoded(packet_id{4});
        of(table::small)[std::string(inbound_key_of(key("a", 1), packet_id{5}).view())] = "";
        of(table::small)[std::string(inbound_key_of(key("a", 1), packet_id{6}).view())] =
            encoded(unrouted_record{.node = node_id{8}, .boot = boot_id{2}});
        of(table::retained)["t"] = encoded(message(), clock_now);
        of(table::spool)[std::string(
            spool_key_of({.of = {.peer = node_id{8}}, .sequence = 3}).view())] =
            encoded(spooled_row{.put_at = 1, .life = boot_id{2}, .message = "m"});
        of(table::routes)[route_key_of({.author = node_id{8}, .filter = "a/#"})] =
            encoded(route_row{.quality = qos::at_least_once});
    }

    static publication message() {
        publication what;
        what.topic = "t";
        what.payload = "abc";
        return what;
    }
    static session_key key(std::string_view client, std::uint64_t created) {
        return key_of(partition_of(client), {.created = {created}, .node = node_id{7}});
    }
    static std::string row_key(std::uint64_t sequence) {
        return std::string(queue_key_of(key("a", 1), sequence).view());
    }
    void add_session(std::string_view client, std::uint64_t created) {
        const session_record record{.id = {.created = {created}, .node = node_id{7}}};
        of(table::sessions)[client_key_of(partition_of(client), client)] = encoded(record);
        of(table::queue_meta)[std::string(key(client, created).view())] = encoded(queue_record{});
    }
    std::map<std::string, std::string, std::less<>>& of(table which) {
        return all[static_cast<std::size_t>(which)];
    }
    [[nodiscard]] row_check look() const { return check_rows(row_source(all)); }

    rows all;
    const body_id body{.in = {.slot = 1, .boot = boot_id{1}, .shard = shard_id{0}}, .number = 9};
};

TEST_F(RowCheck, FindsNothingWhereNothingIs) {
    const row_check found = look();
    EXPECT_TRUE(found.is_sound());
    EXPECT_EQ(found.node->boot, boot_id{2});
    EXPECT_EQ(found.of(table::queue).rows, 2U);
    EXPECT_EQ(found.buckets, 1U);
    EXPECT_EQ(found.buckets_unused, 0U);
    for (const table_report& each : found.tables) {
        EXPECT_EQ(each.broken + each.stray + each.without_body, 0U);
        EXPECT_THAT(each.examples, ElementsAre());
    }
}

TEST_F(RowCheck, FindsACutRowInEveryTable) {
    const rows whole = all;
    for (std::size_t number = 0; number < table_count; ++number) {
        const auto which = static_cast<table>(number);
        for (const auto& [row, value] : whole[number]) {
            if (value.empty()) {
                continue; // an inbound identifier is its key
            }
            all = whole;
            of(which)[row].resize(std::min<std::size_t>(value.size() - 1, 5));
            const row_check found = look();
            EXPECT_FALSE(found.is_sound()) << name_of(which);
            EXPECT_EQ(found.of(which).broken, 1U) << name_of(which);
            EXPECT_THAT(found.of(which).examples, ElementsAre(HasSubstr("broken: ")));
        }
    }
}

TEST_F(RowCheck, FindsRowsOfNoSession) {
    of(table::sessions).erase(client_key_of(partition_of("a"), "a"));
    const row_check found = look();
    EXPECT_TRUE(found.is_sound());
    EXPECT_EQ(found.of(table::queue).stray, 2U);
    EXPECT_EQ(found.of(table::small).stray, 3U);
    EXPECT_EQ(found.of(table::subscriptions).stray, 1U);
    EXPECT_EQ(found.of(table::queue_meta).stray, 1U);
    EXPECT_EQ(found.buckets_unused, 1U);
}

TEST_F(RowCheck, FindsMissingBodies) {
    of(table::bodies).clear();
    const row_check found = look();
    EXPECT_FALSE(found.is_sound());
    EXPECT_EQ(found.of(table::queue).without_body, 1U);
    EXPECT_THAT(found.of(table::queue).examples, ElementsAre(HasSubstr("of client a")));
}

TEST_F(RowCheck, FindsWhatIsNotWhereItBelongs) {
    of(table::sessions)[client_key_of(partition_id{999}, "c")] =
        of(table::sessions)[client_key_of(partition_of("b"), "b")];
    of(table::retained)["other"] = of(table::retained)["t"];
    of(table::small)["X" + row_key(1)] = "";
    of(table::meta)["?"] = "";
    of(table::spool)["?"] = std::string(20, 'x');
    of(table::routes)[route_key_of({.author = node_id{8}, .filter = "b"})] = "?";
    of(table::routes)[route_key_of({.author = node_id{8}, .filter = "b", .group = "g"})] =
        encoded(route_row{.quality = qos::at_least_once});
    const row_check found = look();
    EXPECT_EQ(found.of(table::sessions).broken, 1U);
    EXPECT_EQ(found.of(table::retained).broken, 1U);
    EXPECT_EQ(found.of(table::small).broken, 1U);
    EXPECT_EQ(found.of(table::meta).broken, 1U);
    EXPECT_EQ(found.of(table::spool).broken, 1U);
    EXPECT_EQ(found.of(table::routes).broken, 2U);
}

TEST_F(RowCheck, MissesTheNodesRecord) {
    of(table::meta).clear();
    EXPECT_FALSE(look().is_sound());
}

TEST_F(RowCheck, CountsWhatIsThere) {
    of(table::queue)[std::string(queue_key_of(key("b", 2), 5).view())] =
        encoded(queue_row{}, body, std::uint32_t{1000});
    const store_stats found = stats_of(row_source(all), 1);
    EXPECT_EQ(found.sessions, 2U);
    EXPECT_EQ(found.sum.subscriptions, 1U);
    EXPECT_EQ(found.sum.queued, 3U);
    EXPECT_EQ(found.sum.queued_bytes, 4U + 4U + 1000U);
    EXPECT_EQ(found.sum.releases, 1U);
    EXPECT_EQ(found.sum.inbound, 2U);
    EXPECT_EQ(found.retained, 1U);
    EXPECT_EQ(found.buckets, 1U);
    ASSERT_EQ(found.longest.size(), 1U);
    EXPECT_EQ(found.longest[0].client_id, "b");
    EXPECT_EQ(found.longest[0].queued, 1U);
}

} // namespace

} // namespace gv::storage
