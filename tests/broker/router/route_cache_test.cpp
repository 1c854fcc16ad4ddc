// SPDX-License-Identifier: Apache-2.0
#include "broker/router/route_cache.hpp"

#include <gtest/gtest.h>

#include <string>

namespace gv::router {
namespace {

constexpr route_cache::limits roomy{.routes_max = 1'000, .bytes_max = 1u << 20};

/// True if the topic was there; puts it there otherwise.
bool touch(route_cache& cache, std::string_view topic) {
    if (cache.find(topic) != nullptr) {
        return true;
    }
    cache.settle(cache.renew(topic));
    return false;
}

TEST(RouteCache, AnExactFilterConcernsItsTopicAlone) {
    route_cache cache(roomy);
    touch(cache, "a/b");
    touch(cache, "a/c");
    cache.filter_changed("a/b");
    cache.filter_changed("not/there");
    EXPECT_TRUE(touch(cache, "a/c"));
    EXPECT_FALSE(touch(cache, "a/b"));
    EXPECT_TRUE(touch(cache, "a/b"));
}

TEST(RouteCache, AWildcardFilterConcernsWhatSharesItsLiteralStart) {
    struct row {
        const char* filter;
        const char* concerns;
        const char* leaves;
    };
    for (const auto& [filter, concerns, leaves] :
         {row{"home/kitchen/+", "home/kitchen/temp", "home/bath/temp"},
          {"home/kitchen/#", "home/kitchen", "home/bath"},
          {"home/+/temp", "home/bath/temp", "office/bath/temp"},
          {"home/#", "home", "office"},
          {"/+", "/a", "a/a"}}) {
        route_cache cache(roomy);
        touch(cache, concerns);
        touch(cache, leaves);
        cache.filter_changed(filter);
        EXPECT_FALSE(touch(cache, concerns)) << filter;
        EXPECT_TRUE(touch(cache, leaves)) << filter;
        EXPECT_TRUE(touch(cache, concerns)) << filter;
    }
}

TEST(RouteCache, AFilterThatStartsWithAWildcardConcernsAll) {
    for (const auto* filter : {"#", "+", "+/a"}) {
        route_cache cache(roomy);
        touch(cache, "a");
        touch(cache, "b/c");
        cache.filter_changed(filter);
        EXPECT_FALSE(touch(cache, "a"));
        EXPECT_FALSE(touch(cache, "b/c"));
    }
}

TEST(RouteCache, TopicsSeenOnceDoNotPushOutThoseInUse) {
    route_cache cache({.routes_max = 100, .bytes_max = 1u << 20});
    for (int i = 0; i < 80; ++i) {
        touch(cache, "used/" + std::to_string(i % 20));
    }
    cache.end_turn();
    for (int turn = 0; turn < 2'000; ++turn) {
        // Between two uses of a topic there are twice as many others as the cache can hold.
        for (int unique = 0; unique < 10; ++unique) {
            EXPECT_FALSE(touch(cache, "once/" + std::to_string(turn * 10 + unique)));
        }
        ASSERT_TRUE(touch(cache, "used/" + std::to_string(turn % 20))) << turn;
        cache.end_turn();
        ASSERT_LE(cache.size(), 100u);
        ASSERT_EQ(cache.retired(), 0u);
    }
}

TEST(RouteCache, TopicsOutOfUseMakeRoom) {
    route_cache cache({.routes_max = 100, .bytes_max = 1u << 20});
    for (int i = 0; i < 10'000; ++i) {
        touch(cache, "old/" + std::to_string(i % 100));
    }
    int hits = 0;
    for (int i = 0; i < 10'000; ++i) {
        hits += touch(cache, "new/" + std::to_string(i % 50)) ? 1 : 0;
        cache.end_turn();
    }
    EXPECT_GT(hits, 9'000);
}

TEST(RouteCache, KeepsToItsBytesButForTheNewest) {
    route_cache cache({.routes_max = 1'000, .bytes_max = 10'000});
    std::size_t largest = 0;
    for (int i = 0; i < 500; ++i) {
        const std::size_t before = cache.bytes();
        cached_route& made = cache.renew("topic/" + std::to_string(i));
        made.targets.resize(static_cast<std::size_t>(i % 50));
        cache.settle(made);
        largest = std::max(largest, made.bytes);
        ASSERT_LT(cache.bytes(), 10'000 + largest);
        ASSERT_GT(cache.bytes(), 0u);
        ASSERT_LT(before, 10'000 + largest);
        cache.end_turn();
    }
    EXPECT_GT(cache.size(), 3u);
}

TEST(RouteCache, WhatWasHandedOutInATurnOutlivesItsEviction) {
    route_cache cache({.routes_max = 1, .bytes_max = 1u << 20});
    cached_route& held = cache.renew("a");
    held.remote = 42;
    cache.settle(held);
    touch(cache, "b");
    touch(cache, "a");
    EXPECT_EQ(held.remote, 42u);
    EXPECT_EQ(held.topic, "a");
    EXPECT_EQ(cache.retired(), 2u);
    cache.end_turn();
    EXPECT_EQ(cache.retired(), 0u);
}

} // namespace
} // namespace gv::router
