// SPDX-License-Identifier: Apache-2.0
#include "cluster/route_index.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <latch>
#include <set>
#include <thread>

namespace gv::cluster {
namespace {

struct changes final : route_listener {
    std::vector<std::string> filters;
    int all = 0;
    void filter_changed(std::string_view filter) override { filters.emplace_back(filter); }
    void all_changed() override { ++all; }
};

class RouteIndex : public ::testing::Test {
  protected:
    void put(route_index::slot into, std::string_view filter, const route_value& value = {},
             std::string_view group = {}) {
        const route_key key{filter, group};
        index_.put(into, key, hash_of(key), value, changes_);
    }
    void erase(route_index::slot from, std::string_view filter, std::string_view group = {}) {
        const route_key key{filter, group};
        index_.erase(from, key, hash_of(key), changes_);
    }
    void sweep(route_index::slot which) {
        for (std::size_t bucket = 0; bucket < bucket_count; ++bucket) {
            index_.sweep(which, bucket, changes_);
        }
    }
    const route_matches& match(std::string_view topic) {
        index_.match(topic, found_);
        return found_;
    }
    std::set<route_destination> targets(std::string_view topic) {
        std::set<route_destination> all;
        for (const route_target& each : match(topic).targets) {
            EXPECT_TRUE(all.insert(each.to).second) << "twice";
        }
        return all;
    }

    const route_destination node_{node_id{70}};
    const route_destination partition_{partition_id{255}};
    route_index index_;
    route_index::slot one_ = index_.open(node_);
    route_index::slot two_ = index_.open(partition_);
    changes changes_;
    route_matches found_;
};

using destinations = std::set<route_destination>;

TEST_F(RouteIndex, MergesWhatOneDestinationWants) {
    put(one_, "a/b", {.quality = 0, .no_local_only = true});
    put(one_, "a/+", {.quality = 2, .no_local_only = true});
    put(two_, "#", {.quality = 1});
    EXPECT_EQ(targets("a/b"), (destinations{node_, partition_}));
    EXPECT_TRUE(match("a/b").partitions.test(255));
    EXPECT_EQ(found_.partitions.count(), 1u);
    for (const route_target& each : found_.targets) {
        EXPECT_EQ(each.quality, each.to == node_ ? 2 : 1);
        EXPECT_EQ(each.no_local_only, each.to == node_);
    }
    EXPECT_EQ(targets("other"), destinations{partition_});
}

TEST_F(RouteIndex, GroupsAreGatheredOverDestinations) {
    put(one_, "a/+", {.online = 1, .total = 2}, "g");
    put(two_, "a/+", {.online = 0, .total = 3}, "g");
    put(one_, "a/+", {.online = 1, .total = 1}, "h");
    put(one_, "a/b", {.online = 1, .total = 1}, "g");
    put(one_, "a/b");
    EXPECT_EQ(match("a/b").targets.size(), 1u);
    ASSERT_EQ(found_.groups.size(), 3u);
    for (const matched_group& each : found_.groups) {
        const bool is_wide = each.name == "g" && each.filter == "a/+";
        EXPECT_EQ(each.places.size(), is_wide ? 2u : 1u);
    }
    erase(one_, "a/+", "g");
    EXPECT_EQ(match("a/b").groups.size(), 3u);
    erase(two_, "a/+", "g");
    EXPECT_EQ(match("a/b").groups.size(), 2u);
}

TEST_F(RouteIndex, TellsOnlyWhatMayChangeAnAnswer) {
    put(one_, "a");
    put(one_, "a");
    erase(one_, "b");
    EXPECT_EQ(changes_.filters, (std::vector<std::string>{"a"}));
    put(one_, "a", {.quality = 1});
    erase(one_, "a");
    EXPECT_EQ(changes_.filters.size(), 3u);
    EXPECT_EQ(index_.filters(), 0u);
}

TEST_F(RouteIndex, StaleRowsMatchUntilTheyAreSwept) {
    put(one_, "kept");
    put(one_, "gone");
    const std::uint64_t before = index_.digest(one_).hash();
    index_.begin_pass(one_, all_buckets);
    EXPECT_EQ(index_.digest(one_).count(), 0u);
    EXPECT_EQ(targets("kept"), destinations{node_});
    put(one_, "kept");
    EXPECT_EQ(targets("gone"), destinations{node_});
    EXPECT_NE(index_.digest(one_).hash(), before);
    sweep(one_);
    EXPECT_EQ(targets("kept"), destinations{node_});
    EXPECT_EQ(targets("gone"), destinations{});
    EXPECT_EQ(changes_.filters, (std::vector<std::string>{"kept", "gone", "gone"}));
}

TEST_F(RouteIndex, NoNumberOfPassesMakesAStaleRowFresh) {
    put(one_, "old");
    for (int pass = 0; pass < 1'000; ++pass) {
        index_.begin_pass(one_, all_buckets);
        put(one_, "new");
        ASSERT_EQ(index_.digest(one_).count(), 1u) << pass;
    }
    sweep(one_);
    EXPECT_EQ(index_.size(one_), 1u);
    EXPECT_EQ(targets("old"), destinations{});
}

TEST_F(RouteIndex, StaleRowsMayBeErased) {
    put(one_, "a");
    index_.begin_pass(one_, all_buckets);
    erase(one_, "a");
    EXPECT_EQ(index_.digest(one_).hash(), 0u);
    EXPECT_EQ(index_.size(), 0u);
}

TEST_F(RouteIndex, HiddenSetsAreKept) {
    put(one_, "a");
    index_.show(one_, route_index::visibility::hidden, changes_);
    index_.show(one_, route_index::visibility::hidden, changes_);
    EXPECT_EQ(changes_.all, 1);
    EXPECT_EQ(targets("a"), destinations{});
    put(one_, "b");
    EXPECT_EQ(changes_.filters.size(), 1u);
    index_.show(one_, route_index::visibility::shown, changes_);
    EXPECT_EQ(targets("b"), destinations{node_});
}

TEST_F(RouteIndex, ClosedSlotsAreUsedAgain) {
    put(one_, "a");
    erase(one_, "a");
    index_.close(one_);
    const route_destination other(node_id{9});
    EXPECT_EQ(index_.open(other), one_);
    put(one_, "a");
    EXPECT_EQ(targets("a"), destinations{other});
}

/// All shards ask at a time, while nothing is changed.
TEST_F(RouteIndex, ReadersDoNotDisturbEachOther) {
    for (const char* filter : {"a/+/c/+/e/+", "a/b/#", "+/b/+/d/+/f", "+/+/+/+/+/#"}) {
        put(one_, filter);
    }
    put(two_, "x/+");
    std::latch both(2);
    const auto ask = [&](std::string_view topic, const route_destination& wanted, int& wrong) {
        route_matches found;
        both.arrive_and_wait();
        for (int round = 0; round < 300'000; ++round) {
            index_.match(topic, found);
            wrong += std::ranges::count(found.targets, wanted, &route_target::to) == 1 ? 0 : 1;
        }
    };
    int wrong_of_first = 0;
    int wrong_of_second = 0;
    std::thread other(ask, "a/b/c/d/e/f", std::cref(node_), std::ref(wrong_of_first));
    ask("x/y", partition_, wrong_of_second);
    other.join();
    EXPECT_EQ(wrong_of_first, 0);
    EXPECT_EQ(wrong_of_second, 0);
}

} // namespace
} // namespace gv::cluster
