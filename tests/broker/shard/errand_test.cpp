// SPDX-License-Identifier: Apache-2.0
#include "broker/shard/errand.hpp"

#include <gtest/gtest.h>

#include <random>

namespace gv::shard {
namespace {

message_ref some_message() {
    publication what;
    what.header.publisher = 7;
    what.header.stamp = {9};
    what.header.quality = qos::exactly_once;
    what.header.retain = true;
    what.topic = "a/b";
    what.payload = "payload";
    return message::copy_of(what, message::reach::shared);
}

shard_message boxed(rare word) { return std::make_unique<rare>(std::move(word)); }

constexpr std::uint64_t on_shard_3 = (std::uint64_t{3} << shard_bits) | 5;

std::vector<shard_message> all_words() {
    std::vector<shard_message> all;
    session::will_message will{.content = some_message(), .delay = std::chrono::seconds(4)};
    all.push_back(boxed(attach{.connection = on_shard_3,
                               .username = "user",
                               .request = {.client_id = "client",
                                           .will = will,
                                           .connected_at = {11},
                                           .session_expiry = 12,
                                           .receive_maximum = 13,
                                           .clean_start = true,
                                           .is_v5 = true,
                                           .is_late = true}}));
    all.push_back(boxed(attach{.connection = on_shard_3,
                               .username = {},
                               .request = {.client_id = "client", .clean_start = false}}));
    all.push_back(
        boxed(detach{.home = on_shard_3,
                     .epoch = attach_epoch{2},
                     .notice = {.cause = session::close_cause::taken_over, .session_expiry = 3},
                     .is_early = true}));
    all.push_back(home_ack{.home = on_shard_3,
                           .connection = 4,
                           .ack = {.id = packet_id{5}, .type = mqtt::packet_type::pubcomp}});
    all.push_back(boxed(inbound_change{.home = on_shard_3,
                                       .connection = 4,
                                       .id = packet_id{6},
                                       .level = durability::memory,
                                       .is_held = true}));
    all.push_back(
        boxed(confirm{.home = on_shard_3, .connection = 4, .what = {.id = packet_id{6}}}));
    all.push_back(boxed(room{.home = on_shard_3, .connection = 4}));
    all.push_back(boxed(front_load{.home = on_shard_3, .connection = 4, .is_full = true}));
    all.push_back(boxed(subscribe{.home = on_shard_3,
                                  .connection = 4,
                                  .id = packet_id{8},
                                  .filters = {{.filter = "a/#",
                                               .subscription_id = 9,
                                               .quality = qos::exactly_once,
                                               .no_local = true,
                                               .handling = mqtt::retain_handling::never},
                                              {.filter = "$share/g/b", .newest_only = true}}}));
    all.push_back(boxed(unsubscribe{
        .home = on_shard_3, .connection = 4, .id = packet_id{8}, .filters = {"a", "b"}}));
    all.push_back(push{.connection = on_shard_3,
                       .what = some_message(),
                       .subscription_ids = std::make_unique<std::vector<std::uint32_t>>(2, 77),
                       .id = packet_id{10},
                       .quality = qos::at_least_once,
                       .dup = true,
                       .wants_room = true});
    all.push_back(push{.connection = on_shard_3, .what = some_message(), .subscription_ids = {}});
    all.push_back(push_pubrel{.connection = on_shard_3, .id = packet_id{11}});
    all.push_back(boxed(kick{.connection = on_shard_3,
                             .home = 4,
                             .epoch = attach_epoch{5},
                             .cause = session::close_cause::taken_over,
                             .reason = mqtt::reason_code::session_taken_over,
                             .why = "why"}));
    all.push_back(boxed(attach_answer{.connection = on_shard_3,
                                      .home = 12,
                                      .answer = {.epoch = attach_epoch{13},
                                                 .session_present = true,
                                                 .is_held_by_home = true,
                                                 .inbound = {packet_id{1}, packet_id{2}}}}));
    all.push_back(boxed(settled{.connection = on_shard_3,
                                .ack = {.id = packet_id{14}, .is_error = true},
                                .outcome = session::outbound::ack::out_of_state}));
    all.push_back(boxed(confirmed{.connection = on_shard_3, .what = {.id = packet_id{15}}}));
    all.push_back(boxed(subscribed{.connection = on_shard_3,
                                   .id = packet_id{16},
                                   .is_removal = true,
                                   .reasons = {mqtt::reason_code::success}}));
    all.push_back(boxed(detached_all{.home_shard = shard_id{3}}));
    all.push_back(boxed(handover{
        .which = partition_id{7}, .number = 8, .what = handover::step::arrived, .cut = {9}}));
    all.push_back(boxed(
        handover_rows{.which = partition_id{7}, .number = 8, .are_late = true, .rows = "rows"}));
    all.push_back(boxed(fence{
        .which = partition_id{7}, .number = 8, .after = {9}, .homes = {node_id{10}, node_id{11}}}));
    all.push_back(boxed(fenced{
        .which = partition_id{7}, .number = 8, .shard = shard_id{3}, .shards = 4, .at = {9}}));
    all.push_back(boxed(member_change{
        .what = member_change::kind::join, .member = 17, .window = 18, .name = "$share/g/a/+"}));
    all.push_back(boxed(member_change{
        .what = member_change::kind::room, .member = 17, .queue = on_shard_3, .name = {}}));
    all.push_back(boxed(member_known{.what = member_known::kind::refused,
                                     .member = on_shard_3,
                                     .queue = 19,
                                     .join = 20,
                                     .name = "$share/g/a/+"}));
    all.push_back(group_push{.member = on_shard_3,
                             .queue = 19,
                             .what = some_message(),
                             .id = packet_id{20},
                             .retain = true});
    all.push_back(group_outcome{.queue = on_shard_3,
                                .member = 17,
                                .id = packet_id{20},
                                .what = group_outcome::kind::returned});
    return all;
}

// A word is compared by its bytes: encode() reads every field.
TEST(Errand, EveryWordComesAsItWasSaid) {
    for (const shard_message& word : all_words()) {
        const auto there = encode(word);
        ASSERT_TRUE(there);
        const auto seen = decode_errand(there->bytes, there->what);
        ASSERT_TRUE(seen) << there->bytes.front();
        const auto again = encode(*seen);
        ASSERT_TRUE(again);
        EXPECT_EQ(again->bytes, there->bytes);
        EXPECT_EQ(again->what.topic, there->what.topic);
        EXPECT_EQ(again->what.payload, there->what.payload);
        EXPECT_EQ(again->what.header.quality, there->what.header.quality);
        EXPECT_EQ(again->what.header.stamp, there->what.header.stamp);
    }
}

TEST(Errand, OnlyAPushOfQos0IsNotCounted) {
    for (const shard_message& word : all_words()) {
        const auto* pushed = std::get_if<push>(&word);
        const qos expected = pushed != nullptr ? pushed->quality : qos::at_least_once;
        EXPECT_EQ(encode(word)->what.header.quality, expected);
    }
}

TEST(Errand, IsForTheShardOfItsNumberOrOfItsPartition) {
    for (const shard_message& word : all_words()) {
        const auto* box = std::get_if<std::unique_ptr<rare>>(&word);
        const bool is_named = box != nullptr
                              && (std::holds_alternative<attach>(**box)
                                  || (std::holds_alternative<member_change>(**box)
                                      && !std::get<member_change>(**box).name.empty()));
        const bool is_for_all = box != nullptr
                                && (std::holds_alternative<detached_all>(**box)
                                    || std::holds_alternative<fence>(**box));
        const auto shard = receiver_of(word, 4);
        EXPECT_EQ(shard.has_value(), !is_for_all);
        if (shard) {
            EXPECT_TRUE(is_named ? shard->value < 4 : *shard == shard_id{3});
        }
    }
}

TEST(Errand, WhatOnlyShardsOfOneNodeSayIsNone) {
    EXPECT_FALSE(encode(taken{}));
    EXPECT_FALSE(encode(credit{}));
    EXPECT_FALSE(encode(boxed(applied{})));
    EXPECT_FALSE(encode(boxed(page_request{})));
}

TEST(Errand, WhatIsCutShortOrTooLongIsRefusedWhole) {
    for (const shard_message& word : all_words()) {
        const auto there = encode(word);
        const bool is_list = decode_errand(there->bytes, there->what).has_value();
        ASSERT_TRUE(is_list);
        for (std::size_t length = 0; length < 9 && length < there->bytes.size(); ++length) {
            EXPECT_FALSE(
                decode_errand(std::string_view(there->bytes).substr(0, length), there->what));
        }
    }
    const auto room_word = encode(boxed(room{.home = 1}));
    EXPECT_FALSE(decode_errand(room_word->bytes + "x", room_word->what));
}

TEST(Errand, AnythingMayCome) {
    std::minstd_rand chance(1); // NOLINT: the same each time
    const std::vector<shard_message> words = all_words();
    std::size_t sound = 0;
    for (int round = 0; round < 20'000; ++round) {
        const auto there = encode(words[chance() % words.size()]);
        std::string bytes = there->bytes;
        for (std::size_t change = 0; change <= chance() % 3; ++change) {
            bytes[chance() % bytes.size()] = static_cast<char>(chance());
        }
        if (const auto seen = decode_errand(bytes, there->what)) {
            ++sound;
            EXPECT_EQ(encode(*seen)->bytes, bytes);
        }
    }
    EXPECT_GT(sound, 1'000U);
}

} // namespace
} // namespace gv::shard
