// SPDX-License-Identifier: Apache-2.0
#include "cluster/route_digest.hpp"

#include <gtest/gtest.h>

#include <bit>

namespace gv::cluster {
namespace {

TEST(RouteDigest, DoesNotDependOnOrder) {
    route_digest one;
    route_digest other;
    const std::uint64_t a = hash_of({.filter = "a", .group = ""});
    const std::uint64_t b = hash_of({.filter = "b", .group = ""});
    one.add(a, {.quality = 1});
    one.add(b, {.quality = 2});
    other.add(b, {.quality = 2});
    other.add(a, {.quality = 0});
    EXPECT_EQ(std::popcount(one.differing(other.hashes())), 1);
    other.take_out(a, {.quality = 0});
    other.add(a, {.quality = 1});
    EXPECT_EQ(one.differing(other.hashes()), 0u);
    EXPECT_EQ(one.hash(), other.hash());
    EXPECT_EQ(one.count(), 2u);
}

TEST(RouteDigest, TellsEveryPartOfARowApart) {
    const std::uint64_t key = hash_of({.filter = "a/b", .group = ""});
    EXPECT_NE(key, hash_of({.filter = "a/b", .group = "g"}));
    EXPECT_NE(hash_of({.filter = "a", .group = "b"}), hash_of({.filter = "b", .group = "a"}));
    EXPECT_NE(hash_of(key, {.quality = 1}), hash_of(key, {.quality = 0, .no_local_only = true}));
    EXPECT_NE(hash_of(key, {.online = 1, .total = 2}), hash_of(key, {.online = 2, .total = 2}));
    EXPECT_NE(hash_of(key, {.online = 1, .total = 2}), hash_of(key, {.online = 1, .total = 3}));
}

TEST(RouteDigest, HashesArePartOfTheProtocol) {
    const std::uint64_t plain = hash_of({.filter = "home/+/temperature", .group = ""});
    const std::uint64_t group = hash_of({.filter = "home/+/temperature", .group = "g"});
    EXPECT_EQ(hash_of(plain, {.quality = 1}), 15225317267492847669u);
    EXPECT_EQ(hash_of(group, {.quality = 2, .online = 3, .total = 4}), 11184101513066848122u);
}

TEST(RouteDigest, ForgetsABucket) {
    route_digest digest;
    for (int i = 0; i < 1'000; ++i) {
        digest.add(hash_of({.filter = std::to_string(i), .group = ""}), {});
    }
    for (std::size_t bucket = 0; bucket < bucket_count; ++bucket) {
        digest.clear(bucket);
    }
    EXPECT_EQ(digest.count(), 0u);
    EXPECT_EQ(digest.hash(), 0u);
}

} // namespace
} // namespace gv::cluster
