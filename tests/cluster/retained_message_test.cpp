// SPDX-License-Identifier: Apache-2.0
// What no honest node says is refused, with its reason.
#include "cluster/retained_message.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <set>

namespace gv::cluster {
namespace {

const hybrid_time latest{1'000};
constexpr retained_limits limits{.topic_bytes_max = 20,
                                 .properties_bytes_max = 10,
                                 .payload_bytes_max = 4'000,
                                 .page_rows_max = 4,
                                 .page_bytes_max = 1'000,
                                 .entries_max = 3,
                                 .members_max = 2};

retained_row row(std::string_view topic, std::string_view payload,
                 const std::function<void(publication&)>& change = {}) {
    publication made;
    made.header.stamp = {10};
    made.header.retain = true;
    made.topic = topic;
    made.payload = payload;
    if (change) {
        change(made);
    }
    return {.what = message::copy_of(made, message::reach::shared)};
}

retained_page page_of(std::vector<retained_row> rows) {
    return {.until = last_topic_hash, .rows = std::move(rows)};
}

/// A topic hash of bucket 1.
constexpr std::uint64_t in_one = (std::uint64_t{1} << 52) + 5;

retained_rows_request request(std::vector<retained_entry> known) {
    return {.of = {.bucket = retained_bucket{1}, .after = in_one - 1, .until = in_one + 10},
            .known = std::move(known)};
}

retained_entry entry(std::uint64_t topic_hash, std::uint64_t stamp = 10) {
    return {.topic_hash = topic_hash, .version = {.stamp = {stamp}}};
}

struct honest_case {
    const char* name;
    retained_message message;
};

TEST(RetainedMessage, WhatIsHonestIsTaken) {
    const honest_case all[] = {
        {"root", retained_root{.claim = {.to = latest}, .covered = {{node_id{1}}, {node_id{2}}}}},
        {"request", retained_hashes_request{.groups = 5}},
        {"hashes of groups", retained_hashes{.hashes = std::vector<std::uint64_t>(64)}},
        {"hashes of buckets",
         retained_hashes{.groups = 5, .hashes = std::vector<std::uint64_t>(128)}},
        {"rows?", request({entry(in_one), entry(in_one + 10)})},
        {"empty page", page_of({})},
        {"page", page_of({row("t", "v"), row("u", "")})},
        {"one large row", page_of({row("t", std::string(4'000, 'x'))})},
        {"dead", retained_page{.claim = {.from = {5}, .to = {10}}, .dead = {entry(in_one)}}},
    };
    for (const honest_case& each : all) {
        EXPECT_TRUE(check(each.message, latest, limits)) << each.name;
    }
}

struct dishonest_case {
    retained_fault fault;
    retained_message message;
};

TEST(RetainedMessage, WhatNoHonestNodeSaysIsRefused) {
    const dishonest_case all[] = {
        {retained_fault::too_many_members,
         retained_root{.covered = {{node_id{1}}, {node_id{2}}, {node_id{3}}}}},
        {retained_fault::too_many_members, retained_root{.covered = {{node_id{1}}, {node_id{1}}}}},
        {retained_fault::claim_invalid, retained_root{.claim = {.to = {1'001}}}},
        {retained_fault::groups_invalid, retained_hashes{.hashes = std::vector<std::uint64_t>(63)}},
        {retained_fault::groups_invalid,
         retained_hashes{.groups = 4, .hashes = std::vector<std::uint64_t>(128)}},
        {retained_fault::bucket_unknown, retained_rows_request{.of = {retained_bucket{4'096}}}},
        {retained_fault::bucket_unknown,
         retained_rows_request{.of = {.bucket = retained_bucket{1}, .after = 9, .until = 8}}},
        {retained_fault::entries_invalid, request({entry(in_one + 2), entry(in_one)})},
        {retained_fault::entries_invalid, request({entry(in_one + 11)})},
        {retained_fault::entries_invalid, request({entry(5)})},
        {retained_fault::entries_invalid,
         request({entry(in_one), entry(in_one), entry(in_one), entry(in_one)})},
        {retained_fault::claim_invalid,
         retained_rows_request{.of = {retained_bucket{1}}, .claim = {.to = {1'001}}}},
        {retained_fault::topic_invalid, page_of({row("", "v")})},
        {retained_fault::topic_invalid, page_of({row("a/+", "v")})},
        {retained_fault::topic_invalid, page_of({row(std::string(21, 't'), "v")})},
        {retained_fault::topic_invalid, page_of({row("$SYS/uptime", "v")})},
        {retained_fault::row_invalid, page_of({retained_row{}})},
        {retained_fault::row_invalid,
         page_of({row("t", "v", [](publication& p) { p.header.retain = false; })})},
        {retained_fault::row_invalid,
         page_of({row("t", "v", [](publication& p) { p.header.stamp = {}; })})},
        {retained_fault::row_invalid,
         page_of({row("t", "v", [](publication& p) { p.header.quality = static_cast<qos>(3); })})},
        {retained_fault::row_too_large, page_of({row("t", std::string(4'001, 'x'))})},
        {retained_fault::row_too_large,
         page_of({row("t", "v", [](publication& p) { p.properties = "eleven bytes"; })})},
        {retained_fault::message_too_large, page_of(std::vector<retained_row>(6, row("t", "v")))},
        {retained_fault::message_too_large,
         page_of(std::vector<retained_row>(4, row("t", std::string(600, 'x'))))},
        {retained_fault::not_claimed,
         retained_page{.claim = {.from = {5}, .to = {9}}, .dead = {entry(in_one)}}},
        {retained_fault::entries_invalid,
         retained_page{.claim = {.from = {5}, .to = {20}}, .dead = {entry(9), entry(8)}}},
    };
    int number = 0;
    for (const dishonest_case& each : all) {
        const auto done = check(each.message, latest, limits);
        ASSERT_FALSE(done) << number;
        EXPECT_EQ(done.error(), each.fault) << number << ": " << text_of(done.error());
        ++number;
    }
}

TEST(RetainedMessage, EveryFaultHasATextOfItsOwn) {
    std::set<std::string_view> texts;
    for (int fault = 0; fault <= static_cast<int>(retained_fault::not_claimed); ++fault) {
        texts.insert(text_of(static_cast<retained_fault>(fault)));
    }
    EXPECT_EQ(texts.size(), 12u);
    EXPECT_FALSE(texts.contains("unknown fault"));
}

TEST(RetainedMessage, SizesFollowContents) {
    EXPECT_GT(bytes_of(retained_message(page_of({row("t", std::string(500, 'x'))}))), 500u);
    EXPECT_LT(bytes_of(retained_message(retained_root{})), 200u);
    EXPECT_GE(bytes_of(retained_message(request({entry(in_one)}))),
              bytes_of(retained_message(request({}))) + 24);
}

TEST(RetainedDigest, RootAndGroupsFollowTheBuckets) {
    retained_digest digest;
    EXPECT_EQ(root_hash(digest), 0u);
    digest.toggle(entry(in_one));
    EXPECT_NE(group_hash(digest, 0), 0u);
    EXPECT_EQ(group_hash(digest, 1), 0u);
    EXPECT_EQ(root_hash(digest), group_hash(digest, 0));
    digest.toggle(entry(in_one, 11));
    digest.toggle(entry(in_one));
    EXPECT_EQ(digest.at(retained_bucket{1}), retained_row_hash(entry(in_one, 11)));
    digest.toggle(entry(in_one, 11));
    EXPECT_EQ(root_hash(digest), 0u);
}

TEST(RetainedDigest, HashesStayAsTheyAreOnTheWire) {
    EXPECT_EQ(retained_topic_hash("home/kitchen/lamp"), hash64("home/kitchen/lamp"));
    EXPECT_EQ(retained_bucket_of(0xfff0'0000'0000'0000).value, 4'095);
    EXPECT_EQ(retained_shard(retained_bucket{10}, 4).value, 2);
    const retained_entry one{.topic_hash = 1,
                             .version = {.stamp = {2}, .origin = node_id{3}, .publisher = 4}};
    EXPECT_EQ(retained_row_hash(one), 0x1d4407ef703b1906u);
}

} // namespace
} // namespace gv::cluster
