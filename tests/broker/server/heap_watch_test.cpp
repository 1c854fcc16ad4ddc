// SPDX-License-Identifier: Apache-2.0
#include "broker/server/heap_watch.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace gv::server {
namespace {

constexpr std::uint64_t mib = 1u << 20;

TEST(HeapWatch, IsDueWhenMuchMoreIsHeldThanIsInUse) {
    heap_watch watch;
    EXPECT_FALSE(watch.is_trim_due({.held = 100 * mib, .in_use = 99 * mib}));
    EXPECT_TRUE(watch.is_trim_due({.held = 100 * mib, .in_use = 90 * mib}));
    EXPECT_FALSE(watch.is_trim_due({.held = 1 * mib, .in_use = 2 * mib}));
}

TEST(HeapWatch, WhatCouldNotBeGivenBackIsNotTriedAgain) {
    heap_watch watch;
    watch.trimmed({.held = 30 * mib, .in_use = 20 * mib});
    EXPECT_FALSE(watch.is_trim_due({.held = 31 * mib, .in_use = 20 * mib}));
    EXPECT_FALSE(watch.is_trim_due({.held = 90 * mib, .in_use = 80 * mib})) << "it is needed";
    EXPECT_TRUE(watch.is_trim_due({.held = 90 * mib, .in_use = 20 * mib}));
}

TEST(HeapWatch, LooksOnlyWhenMoreIsHeldThanAtTheLeastSince) {
    heap_watch watch;
    EXPECT_TRUE(watch.is_look_due(10 * mib));
    watch.trimmed({.held = 10 * mib, .in_use = 8 * mib});
    EXPECT_FALSE(watch.is_look_due(11 * mib));
    EXPECT_FALSE(watch.is_look_due(5 * mib));
    EXPECT_TRUE(watch.is_look_due(8 * mib));
    EXPECT_FALSE(watch.is_trim_due({.held = 8 * mib, .in_use = 8 * mib}));
    EXPECT_FALSE(watch.is_look_due(9 * mib));
    EXPECT_TRUE(watch.is_look_due(20 * mib));
    EXPECT_TRUE(watch.is_trim_due({.held = 20 * mib, .in_use = 17 * mib}))
        << "there was less to be given back since the last time";
}

// Each thread has a heap of its own, whose end is never free: a block stays there.
TEST(HeapWatch, GivesBackWhatAThreadHasFreed) {
    constexpr std::size_t count = 64 * mib / 1'000;
    std::unique_ptr<std::vector<char>> last;
    std::uint64_t most_in_use = 0;
    std::thread([&] {
        std::vector<std::unique_ptr<std::vector<char>>> blocks;
        for (std::size_t i = 0; i < count; ++i) {
            blocks.push_back(std::make_unique<std::vector<char>>(1'000));
        }
        most_in_use = present_heap_use().in_use;
        last = std::move(blocks.back());
    }).join();
    const heap_use before = present_heap_use();
    if (most_in_use < 32 * mib) {
        GTEST_SKIP() << "a sanitizer has its own heap";
    }
    ASSERT_GT(before.held, before.in_use + 32 * mib);
    trim_heap();
    const heap_use after = present_heap_use();
    EXPECT_LT(after.held, before.held - 32 * mib);
    EXPECT_EQ(last->size(), 1'000U);
}

} // namespace
} // namespace gv::server
