// SPDX-License-Identifier: Apache-2.0
#include "cluster/route_owner.hpp"

#include <gtest/gtest.h>

#include <map>

namespace gv::cluster {
namespace {

constexpr time_point start{100s};

class RouteOwner : public ::testing::Test {
  protected:
    static route_subscription to(std::string_view filter, std::uint8_t quality = 0) {
        return {.key = {.filter = filter, .group = {}}, .quality = quality};
    }
    static route_subscription member(std::string_view group, bool is_online) {
        return {.key = {.filter = "shared", .group = group}, .is_online = is_online};
    }
    route_seq add(const route_subscription& what, time_point now = start) {
        return owner_.add(what, now).value();
    }
    /// What others are told now.
    std::vector<route_change> told() {
        if (owner_.pending() == 0) {
            return {};
        }
        route_deltas deltas = owner_.flush();
        std::vector<route_change> changes = deltas.changes;
        owner_.keep(std::move(deltas));
        return changes;
    }
    std::vector<route_change> told_at(time_point now) {
        owner_.on_deadline(now);
        return told();
    }

    route_owner_options options_{.limits = {.filter_bytes_max = 20, .rows_max = 5}};
    route_owner owner_{route_destination(node_id{7}), {.author = node_id{7}}, options_};
};

using changes = std::vector<route_change>;

TEST_F(RouteOwner, TellsTheFirstAndTheLastAlone) {
    owner_.start();
    EXPECT_EQ(add(to("a")), 2u);
    EXPECT_EQ(add(to("a")), 2u);
    EXPECT_EQ(told(), (changes{{.filter = "a"}}));
    owner_.remove(to("a"), start);
    EXPECT_EQ(owner_.next_deadline(), never);
    owner_.remove(to("a"), start);
    EXPECT_EQ(told_at(start + 1999ms), changes{});
    EXPECT_EQ(owner_.next_deadline(), start + 2s);
    EXPECT_EQ(told_at(start + 2s), (changes{{.filter = "a", .is_removal = true}}));
    EXPECT_EQ(owner_.size(), 0u);
    EXPECT_EQ(owner_.digest().count, 0u);
}

TEST_F(RouteOwner, WhoComesBackWithinTheLingeringTellsNothing) {
    owner_.start();
    const route_seq first = add(to("a"));
    static_cast<void>(told());
    owner_.remove(to("a"), start);
    EXPECT_EQ(add(to("a"), start + 1s), first);
    EXPECT_EQ(told_at(start + 10s), changes{});
    EXPECT_EQ(owner_.next_deadline(), never);
}

TEST_F(RouteOwner, LingersAnewAfterEachReturn) {
    owner_.start();
    static_cast<void>(add(to("a")));
    static_cast<void>(told());
    owner_.remove(to("a"), start);
    static_cast<void>(add(to("a"), start + 1s));
    owner_.remove(to("a"), start + 1s);
    EXPECT_EQ(told_at(start + 2s), changes{});
    EXPECT_EQ(told_at(start + 3s).size(), 1u);
}

TEST_F(RouteOwner, WidensAtOnceAndNarrowsLater) {
    owner_.start();
    EXPECT_EQ(add(to("a", 0)), 2u);
    EXPECT_EQ(add(to("a", 2)), 3u);
    EXPECT_EQ(told().back().value.quality, 2);
    owner_.remove(to("a", 2), start);
    EXPECT_EQ(told(), changes{});
    EXPECT_EQ(told_at(start + 2s), (changes{{.filter = "a", .value = {.quality = 0}}}));
    EXPECT_EQ(add(to("a", 0)), 3u) << "narrowing is nothing to wait for";
}

TEST_F(RouteOwner, NoLocalHoldsOnlyIfAllHaveIt) {
    owner_.start();
    route_subscription quiet = to("a");
    quiet.no_local = true;
    static_cast<void>(add(quiet));
    EXPECT_TRUE(told().back().value.no_local_only);
    static_cast<void>(add(to("a")));
    EXPECT_FALSE(told().back().value.no_local_only);
    owner_.remove(to("a"), start);
    EXPECT_TRUE(told_at(start + 2s).back().value.no_local_only);
}

TEST_F(RouteOwner, GroupsAreRowsOfTheirOwnWithTheirMembers) {
    owner_.start();
    static_cast<void>(add(to("shared")));
    static_cast<void>(add(member("g", false)));
    static_cast<void>(add(member("h", true)));
    EXPECT_EQ(told().size(), 3u);
    owner_.set_online({.filter = "shared", .group = "g"}, true, start);
    EXPECT_EQ(told(),
              (changes{{.filter = "shared", .group = "g", .value = {.online = 1, .total = 1}}}))
        << "the first member online is told at once";
    static_cast<void>(add(member("g", true)));
    EXPECT_EQ(told(), changes{}) << "further ones are numbers, and can wait";
    EXPECT_EQ(told_at(start + 2s),
              (changes{{.filter = "shared", .group = "g", .value = {.online = 2, .total = 2}}}));
}

TEST_F(RouteOwner, AGroupWithoutAnybodyOnlineIsToldAtOnce) {
    owner_.start();
    static_cast<void>(add(member("g", true)));
    static_cast<void>(add(member("g", true)));
    static_cast<void>(told_at(start + 2s));
    const route_key key{.filter = "shared", .group = "g"};
    owner_.set_online(key, false, start + 2s);
    EXPECT_EQ(told(), changes{}) << "one is left";
    owner_.set_online(key, false, start + 2s);
    EXPECT_EQ(told(), (changes{{.filter = "shared", .group = "g", .value = {.total = 2}}}));
    owner_.remove(member("g", false), start + 2s);
    owner_.remove(member("g", false), start + 2s);
    EXPECT_EQ(told(), (changes{{.filter = "shared", .group = "g", .is_removal = true}}));
    EXPECT_EQ(told_at(start + 9s), changes{}) << "and only once";
}

TEST_F(RouteOwner, WhatIsLoadedIsTheFirstState) {
    EXPECT_EQ(add(to("a")), 0u);
    static_cast<void>(add(to("b", 1)));
    owner_.remove(to("a"), start);
    EXPECT_EQ(owner_.pending(), 0u);
    owner_.start();
    EXPECT_EQ(owner_.digest().seq, 1u);
    EXPECT_EQ(owner_.digest().count, 1u);
    EXPECT_EQ(add(to("b")), 1u);
    EXPECT_EQ(owner_.next_deadline(), never);
}

TEST_F(RouteOwner, RefusesWhatIsOverItsLimits) {
    owner_.start();
    EXPECT_EQ(owner_.add(to("a filter that is too long"), start).error(),
              route_fault::filter_too_long);
    EXPECT_EQ(owner_.add(to("a/#/b"), start).error(), route_fault::filter_invalid);
    EXPECT_EQ(owner_.add(to("a", 3), start).error(), route_fault::value_invalid);
    for (const auto* each : {"1", "2", "3", "4", "5"}) {
        static_cast<void>(add(to(each)));
    }
    EXPECT_EQ(owner_.add(to("6"), start).error(), route_fault::too_many_rows);
    EXPECT_TRUE(owner_.add(to("5"), start).has_value());
    EXPECT_EQ(owner_.size(), 5u);
}

TEST_F(RouteOwner, ResendsWhatIsKept) {
    owner_.start();
    static_cast<void>(add(to("a")));
    static_cast<void>(add(to("b")));
    static_cast<void>(told());
    const auto again = owner_.resend(2, 1'000);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->first_seq, 3u);
    EXPECT_EQ(again->latest_seq, 3u);
    EXPECT_EQ(again->changes, (changes{{.filter = "b"}}));
    EXPECT_TRUE(owner_.resend(3, 1'000)->changes.empty());
    EXPECT_FALSE(owner_.resend(0, 1'000)) << "the first state is nobody's change";
    EXPECT_FALSE(owner_.resend(4, 1'000)) << "that was never told";
}

TEST_F(RouteOwner, PagesHoldEachRowOfTheirBucketsOnce) {
    owner_.start();
    for (const auto* each : {"1", "2", "3", "4", "5"}) {
        static_cast<void>(add(to(each)));
    }
    static_cast<void>(told());
    const std::size_t bucket = bucket_of(hash_of({.filter = "3", .group = ""}));
    std::map<std::string, int> seen;
    for (page_request wanted{.buckets = all_buckets & ~bit_of(bucket)};;) {
        const route_page page = owner_.page(wanted, 1);
        EXPECT_LE(page.rows.size(), 1u);
        EXPECT_EQ(page.seq, 6u);
        for (const route_change& row : page.rows) {
            ++seen[row.filter];
        }
        if (page.is_last) {
            break;
        }
        ASSERT_GT(page.next_cursor, wanted.cursor);
        wanted.cursor = page.next_cursor;
    }
    EXPECT_EQ(seen, (std::map<std::string, int>{{"1", 1}, {"2", 1}, {"4", 1}, {"5", 1}}));
}

} // namespace
} // namespace gv::cluster
