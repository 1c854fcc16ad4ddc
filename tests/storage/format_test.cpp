// SPDX-License-Identifier: Apache-2.0
// Keys and values are read by brokers of other versions: each is pinned here byte by byte. Whoever
// has to change a pin changes the format, and raises the schema.
#include "storage/batch.hpp"
#include "storage/format.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace gv::storage {
namespace {

using testing::ElementsAre;

[[nodiscard]] std::string hex(std::string_view bytes) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (const char each : bytes) {
        const auto byte = static_cast<unsigned char>(each);
        text.push_back(digits[byte >> 4]);
        text.push_back(digits[byte & 0x0f]);
    }
    return text;
}

template <typename... Parts>
[[nodiscard]] std::string encoded(const Parts&... parts) {
    std::string out;
    encode(parts..., out);
    return out;
}

constexpr moment noon{.now = time_point(1'000'000s),
                      .wall = wall_time(std::chrono::milliseconds(1'700'000'000'000))};
constexpr session_id a_session{.created = {0x0102030405060708},
                               .node = node_id{0x1112131415161718}};
constexpr partition_id a_partition{0x00fe};
constexpr body_id a_body{
    .in = {.slot = 0x21222324, .boot = boot_id{0x31323334}, .shard = shard_id{0x4142}},
    .number = 0x5152535455565758};

[[nodiscard]] publication a_message() {
    return {.header = {.publisher = 0xa1a2a3a4a5a6a7a8,
                       .stamp = {0x8182838485868788},
                       .expires = noon.now + 1s,
                       .origin = node_id{0x9192939495969798},
                       .quality = qos::exactly_once,
                       .retain = true,
                       .maybe_dup = true},
            .topic = "t/1",
            .properties = "pp",
            .payload = "body"};
}
constexpr std::string_view a_message_hex = "8182838485868788"
                                           "9192939495969798"
                                           "a1a2a3a4a5a6a7a8"
                                           "0e"
                                           "0000018bcfe56be8" // a second past noon
                                           "0003742f31"
                                           "000000027070"
                                           "626f6479";

[[nodiscard]] session_record a_session_record() {
    return {.id = a_session,
            .epoch = attach_epoch{0x6162636465666768},
            .is_attached = true,
            .is_v5 = true,
            .expiry_seconds = 0x71727374,
            .left_at = 0x0000018bcfe56800,
            .receive_maximum = 0x0102,
            .username = "me",
            .will = will_record{.delay_seconds = 5, .expiry_seconds = 6, .message = "will"}};
}

TEST(StorageFormat, SchemaIsOne) { EXPECT_EQ(schema, 1U); }

TEST(StorageFormat, TablesKeepTheirNumbers) {
    EXPECT_EQ(table_count, 10U);
    EXPECT_THAT((std::vector<table>{table::meta, table::sessions, table::queue_meta,
                                    table::subscriptions, table::queue, table::small, table::bodies,
                                    table::retained, table::spool, table::routes}),
                ElementsAre(table{0}, table{1}, table{2}, table{3}, table{4}, table{5}, table{6},
                            table{7}, table{8}, table{9}));
}

// Keys.

constexpr std::string_view session_hex = "00fe01020304050607081112131415161718";

TEST(StorageFormat, KeysArePinned) {
    const session_key session = key_of(a_partition, a_session);
    const std::string of_session(session_hex);
    EXPECT_EQ(hex(session.view()), of_session);
    EXPECT_EQ(hex(queue_key_of(session, 0x0a0b).view()), of_session + "0000000000000a0b");
    EXPECT_EQ(hex(release_key_of(session, 0x0a0b).view()), "52" + of_session + "0000000000000a0b");
    EXPECT_EQ(hex(inbound_key_of(session, packet_id{0x0a0b}).view()), "49" + of_session + "0a0b");
    EXPECT_EQ(hex(bucket_key_of(a_body.in).view()), "21222324313233344142");
    EXPECT_EQ(hex(body_key_of(a_body).view()), "212223243132333441425152535455565758");
    EXPECT_EQ(hex(client_key_of(a_partition, "dev")), "00fe646576");
    EXPECT_EQ(hex(subscription_key_of(session, "a/#")), of_session + "612f23");
}

TEST(StorageFormat, ARouteIsPinned) {
    const node_id author{0x0102030405060708};
    EXPECT_EQ(hex(author_key_of(author).view()), "0102030405060708");
    const std::string plain = route_key_of({.author = author, .filter = "a/#"});
    EXPECT_EQ(hex(plain), "0102030405060708612f23");
    const std::string grouped = route_key_of({.author = author, .filter = "a/#", .group = "g"});
    EXPECT_EQ(hex(grouped), "0102030405060708612f230067");
    route_place read;
    ASSERT_TRUE(decode(grouped, read));
    EXPECT_EQ(read.author, author);
    EXPECT_EQ(read.filter, "a/#");
    EXPECT_EQ(read.group, "g");
    ASSERT_TRUE(decode(plain, read));
    EXPECT_EQ(read.group, "");

    EXPECT_EQ(hex(encoded(route_row{.quality = qos::exactly_once, .no_local_only = true})), "06");
    const std::string members =
        encoded(route_row{.quality = qos::at_least_once, .online = 2, .total = 0x0a0b});
    EXPECT_EQ(hex(members), "090000000200000a0b");
    route_row row;
    ASSERT_TRUE(decode(members, row));
    EXPECT_EQ(row.online, 2U);
    EXPECT_EQ(row.total, 0x0a0bU);
    EXPECT_TRUE(row.is_of_group());
}

TEST(StorageFormat, ARouteThatCannotBeIsRefused) {
    route_place place;
    const std::string author(8, 'n');
    EXPECT_FALSE(decode("short", place));
    EXPECT_FALSE(decode(author, place)) << "no filter";
    EXPECT_FALSE(decode(author + "a/#/b", place)) << "no topic filter";
    EXPECT_FALSE(decode(author + std::string("a\0", 2), place)) << "a group without a name";
    route_row row;
    EXPECT_FALSE(decode(std::string_view(""), row));
    EXPECT_FALSE(decode(std::string_view("\x03"), row)) << "no QoS";
    EXPECT_FALSE(decode(std::string_view("\x01z"), row)) << "too long";
    EXPECT_FALSE(decode(std::string_view("\x09\0\0\0\0\0\0\0\0", 9), row)) << "nobody in it";
    EXPECT_FALSE(decode(std::string_view("\x09\0\0\0\2\0\0\0\1", 9), row)) << "more than all";
}

TEST(StorageFormat, ARowOfASpoolIsPinned) {
    const spool_place where{.of = {.peer = node_id{0x0102030405060708}, .lane = shard_id{9}},
                            .sequence = 0x0a0b};
    const spool_key key = spool_key_of(where);
    EXPECT_EQ(hex(key.view()), "010203040506070800090000000000000a0b");
    spool_place read;
    ASSERT_TRUE(decode(key.view(), read));
    EXPECT_EQ(read.of, where.of);
    EXPECT_EQ(read.sequence, where.sequence);
    EXPECT_FALSE(decode(key.view().substr(1), read));
    EXPECT_FALSE(decode(std::string(key.view()) + "x", read));
    EXPECT_FALSE(decode(spool_key_of({.of = where.of}).view(), read)) << "no message has number 0";

    std::string value;
    encode({.put_at = 0x1112, .life = boot_id{3}, .message = "m"}, value);
    EXPECT_EQ(hex(value), "0000000000001112000000036d");
    spooled_row row;
    ASSERT_TRUE(decode(value, row));
    EXPECT_EQ(row.put_at, 0x1112U);
    EXPECT_EQ(row.life, boot_id{3});
    EXPECT_EQ(row.message, "m");
    EXPECT_FALSE(decode(std::string_view(value).substr(0, 12), row));
}

TEST(StorageFormat, BucketIsReadFromItsKeyAndFromThatOfABody) {
    bucket found;
    ASSERT_TRUE(decode(bucket_key_of(a_body.in).view(), found));
    EXPECT_EQ(found, a_body.in);
    found = {};
    ASSERT_TRUE(decode(body_key_of(a_body).view(), found));
    EXPECT_EQ(found, a_body.in);
    const bucket_key whole = bucket_key_of(a_body.in);
    for (std::size_t size = 0; size < sizeof whole; ++size) {
        EXPECT_FALSE(decode(whole.view().substr(0, size), found)) << size;
    }
}

// As bytes, since that is how a store compares.
template <typename Key>
void expect_sorted(const std::vector<Key>& keys) {
    for (std::size_t i = 1; i < keys.size(); ++i) {
        EXPECT_LT(std::string(keys[i - 1].view()), std::string(keys[i].view())) << i;
    }
}

TEST(StorageFormat, SessionsSortByPartitionThenAgeThenNode) {
    const auto key = [](std::uint16_t partition, std::uint64_t created, std::uint64_t node) {
        return key_of(partition_id{partition}, {.created = {created}, .node = node_id{node}});
    };
    constexpr std::uint64_t most = ~std::uint64_t{0};
    expect_sorted<session_key>({key(0, 0, 0), key(0, 0, most), key(0, 1, 0), key(0, 255, 0),
                                key(0, 256, 0), key(0, most, most), key(1, 0, 0), key(255, 9, 9),
                                key(256, 0, 0)});
}

TEST(StorageFormat, RowsOfASessionSortBySequenceAndLieTogether) {
    constexpr std::uint64_t most = ~std::uint64_t{0};
    const session_key one = key_of(partition_id{1}, {.created = {1}, .node = node_id{1}});
    const session_key two = key_of(partition_id{1}, {.created = {1}, .node = node_id{2}});
    std::vector<queue_key> rows;
    std::vector<release_key> releases;
    for (const session_key& session : {one, two}) {
        for (const std::uint64_t sequence :
             {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0xff}, std::uint64_t{0x100},
              std::uint64_t{0xffff'ffff}, std::uint64_t{0x1'0000'0000}, most}) {
            rows.push_back(queue_key_of(session, sequence));
            releases.push_back(release_key_of(session, sequence));
        }
    }
    expect_sorted(rows);
    expect_sorted(releases);
}

TEST(StorageFormat, BodiesSortBySlotAndThoseOfABucketLieTogether) {
    const auto key = [](std::uint32_t slot, std::uint32_t boot, std::uint16_t shard,
                        std::uint64_t number) {
        return body_key_of({.in = {.slot = slot, .boot = boot_id{boot}, .shard = shard_id{shard}},
                            .number = number});
    };
    expect_sorted<body_key>({key(0, 9, 9, 9), key(1, 0, 0, 0), key(1, 0, 0, 256), key(1, 0, 1, 0),
                             key(1, 1, 0, 0), key(256, 0, 0, 0)});
}

TEST(StorageFormat, RowsOfSmallAreToldApartByTheirFirstByte) {
    const session_key session = key_of(a_partition, a_session);
    EXPECT_EQ(release_key_of(session, 1).bytes[0], 'R');
    EXPECT_EQ(inbound_key_of(session, packet_id{1}).bytes[0], 'I');
}

// Values.

/// Decodes every part of `whole` that begins with it. Those of `refused` bytes and fewer must fail.
template <typename Decode>
void expect_refused_below(std::string_view whole, std::size_t refused, const Decode& accepts) {
    ASSERT_TRUE(accepts(whole));
    for (std::size_t size = 0; size < refused; ++size) {
        // On the heap and of that size alone, so that a sanitizer sees a read behind the end.
        const std::vector<char> cut(whole.begin(),
                                    whole.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_FALSE(accepts(std::string_view(cut.data(), cut.size()))) << size << " bytes";
    }
}

/// For values that say how long they are.
template <typename Record>
void expect_exact(std::string_view whole) {
    const auto accepts = [](std::string_view bytes) {
        Record record;
        return decode(bytes, record);
    };
    expect_refused_below(whole, whole.size(), accepts);
    EXPECT_FALSE(accepts(std::string(whole) + '\0')) << "a byte too many";
}

TEST(StorageFormat, NodeRecord) {
    const node_record before{
        .schema = 0x01020304, .node = node_id{0x1112131415161718}, .boot = boot_id{0x21222324}};
    const std::string bytes = encoded(before);
    EXPECT_EQ(hex(bytes), "01020304111213141516171821222324");
    node_record after;
    ASSERT_TRUE(decode(bytes, after));
    EXPECT_EQ(after.schema, before.schema);
    EXPECT_EQ(after.node, before.node);
    EXPECT_EQ(after.boot, before.boot);
    expect_refused_below(bytes, bytes.size(),
                         [&](std::string_view cut) { return decode(cut, after); });
}

TEST(StorageFormat, NodeRecordOfANewerVersionMayBeLonger) {
    node_record after;
    ASSERT_TRUE(decode(encoded(node_record{.schema = 99}) + "more", after));
    EXPECT_EQ(after.schema, 99U);
}

TEST(StorageFormat, Message) {
    const std::string bytes = encoded(a_message(), noon);
    EXPECT_EQ(hex(bytes), a_message_hex);
    publication after;
    ASSERT_TRUE(decode(bytes, noon, after));
    const publication before = a_message();
    EXPECT_EQ(after.header.publisher, before.header.publisher);
    EXPECT_EQ(after.header.stamp, before.header.stamp);
    EXPECT_EQ(after.header.expires, before.header.expires);
    EXPECT_EQ(after.header.origin, before.header.origin);
    EXPECT_EQ(after.header.quality, before.header.quality);
    EXPECT_TRUE(after.header.retain);
    EXPECT_TRUE(after.header.maybe_dup);
    EXPECT_EQ(after.topic, before.topic);
    EXPECT_EQ(after.properties, before.properties);
    EXPECT_EQ(after.payload, before.payload);
}

// The payload is what is left: how much there was of it is the store's to know.
TEST(StorageFormat, MessageIsRefusedIfAnythingBeforeItsPayloadIsMissing) {
    const std::string bytes = encoded(a_message(), noon);
    expect_refused_below(bytes, bytes.size() - 4, [](std::string_view cut) {
        publication after;
        return decode(cut, noon, after);
    });
}

TEST(StorageFormat, EmptyMessage) {
    const std::string bytes = encoded(publication{}, noon);
    EXPECT_EQ(hex(bytes), std::string(2 * 39, '0'));
    publication after = a_message();
    ASSERT_TRUE(decode(bytes, noon, after));
    EXPECT_EQ(after.header.expires, never);
    EXPECT_EQ(after.header.quality, qos::at_most_once);
    EXPECT_FALSE(after.header.retain);
    EXPECT_FALSE(after.header.maybe_dup);
    EXPECT_EQ(after.topic, "");
    EXPECT_EQ(after.properties, "");
    EXPECT_EQ(after.payload, "");
}

TEST(StorageFormat, MessageWithLargestPartsComesBack) {
    publication before = a_message();
    const std::string topic(65'535, 't');
    const std::string properties(70'000, 'p');
    const std::string payload(1 << 20, 'b');
    before.topic = topic;
    before.properties = properties;
    before.payload = payload;
    const std::string bytes = encoded(before, noon);
    publication after;
    ASSERT_TRUE(decode(bytes, noon, after));
    EXPECT_EQ(after.topic, topic);
    EXPECT_EQ(after.properties, properties);
    EXPECT_EQ(after.payload, payload);
}

TEST(StorageFormat, MessageOfNoQosIsRefused) {
    std::string bytes = encoded(a_message(), noon);
    bytes[24] = static_cast<char>(bytes[24] | 0x03);
    publication after;
    EXPECT_FALSE(decode(bytes, noon, after));
}

constexpr std::uint32_t some_ids[] = {7, 200, 268'435'455};

TEST(StorageFormat, QueueRowWithItsMessage) {
    const queue_row before{.quality = qos::exactly_once,
                           .retain = true,
                           .id = packet_id{0x0203},
                           .subscription_ids = some_ids};
    const std::string bytes = encoded(before, a_message(), noon);
    EXPECT_EQ(hex(bytes), "360203"
                          "0307c801ffffff7f"
                              + std::string(a_message_hex));
    queue_row_view after;
    ASSERT_TRUE(decode(bytes, after));
    EXPECT_EQ(after.row.quality, qos::exactly_once);
    EXPECT_TRUE(after.row.retain);
    EXPECT_EQ(after.row.id, packet_id{0x0203});
    EXPECT_THAT(after.row.subscription_ids, ElementsAre(7U, 200U, 268'435'455U));
    EXPECT_FALSE(after.body);
    EXPECT_EQ(hex(after.message), a_message_hex);
    EXPECT_EQ(after.size(), 3U + 2U + 4U) << "topic, properties, payload";
    publication what;
    ASSERT_TRUE(decode(after.message, noon, what));
    EXPECT_EQ(what.payload, "body");
}

// What is missing of the message is the message's to refuse.
TEST(StorageFormat, QueueRowWithItsMessageIsRefusedWhereverItIsCutBeforeThePayload) {
    const std::string bytes =
        encoded(queue_row{.id = packet_id{9}, .subscription_ids = some_ids}, a_message(), noon);
    expect_refused_below(bytes, bytes.size() - 4, [](std::string_view cut) {
        queue_row_view row;
        publication what;
        return decode(cut, row) && decode(row.message, noon, what);
    });
}

TEST(StorageFormat, QueueRowThatNamesABody) {
    const std::string bytes = encoded(queue_row{}, a_body, 0x61626364U);
    EXPECT_EQ(hex(bytes), "09"
                          "21222324313233344142515253545556575861626364");
    queue_row_view after;
    ASSERT_TRUE(decode(bytes, after));
    EXPECT_EQ(after.row.quality, qos::at_least_once);
    EXPECT_FALSE(after.row.retain);
    EXPECT_EQ(after.row.id, packet_id{});
    EXPECT_TRUE(after.row.subscription_ids.empty());
    ASSERT_TRUE(after.body);
    EXPECT_EQ(*after.body, a_body);
    EXPECT_EQ(after.body_size, 0x61626364U);
    EXPECT_EQ(after.size(), 0x61626364U);
    EXPECT_EQ(after.message, "");
    expect_exact<queue_row_view>(bytes);
}

TEST(StorageFormat, QueueRowThatNamesABodyWithAllItCanSay) {
    const std::string bytes = encoded(queue_row{.quality = qos::exactly_once,
                                                .id = packet_id{65'535},
                                                .subscription_ids = some_ids},
                                      a_body, 0x61626364U);
    EXPECT_EQ(hex(bytes), "3affff"
                          "0307c801ffffff7f"
                          "21222324313233344142515253545556575861626364");
    expect_exact<queue_row_view>(bytes);
}

TEST(StorageFormat, QueueRowViewForgetsTheRowBefore) {
    queue_row_view row;
    ASSERT_TRUE(decode(encoded(queue_row{.subscription_ids = some_ids}, a_body, 0x61626364U), row));
    const std::string plain = encoded(queue_row{}, a_message(), noon);
    ASSERT_TRUE(decode(plain, row));
    EXPECT_TRUE(row.row.subscription_ids.empty());
    EXPECT_FALSE(row.body);
}

TEST(StorageFormat, QueueRowOfNoQosIsRefused) {
    std::string bytes = encoded(queue_row{}, a_body, 0x61626364U);
    bytes[0] = static_cast<char>(bytes[0] | 0x03);
    queue_row_view row;
    EXPECT_FALSE(decode(bytes, row));
}

TEST(StorageFormat, QueueRecord) {
    const std::string bytes = encoded(
        queue_record{.reserved_until = 0x0102030405060708, .sent_until = 0x1112131415161718});
    EXPECT_EQ(hex(bytes), "01020304050607081112131415161718");
    queue_record after;
    ASSERT_TRUE(decode(bytes, after));
    EXPECT_EQ(after.reserved_until, 0x0102030405060708U);
    EXPECT_EQ(after.sent_until, 0x1112131415161718U);
    expect_exact<queue_record>(bytes);
}

constexpr std::string_view session_record_head = "0102030405060708"
                                                 "1112131415161718"
                                                 "6162636465666768";
constexpr std::string_view session_record_tail = "71727374"
                                                 "0000018bcfe56800"
                                                 "0102";

TEST(StorageFormat, SessionRecord) {
    const std::string bytes = encoded(a_session_record());
    EXPECT_EQ(hex(bytes), std::string(session_record_head) + "0f" + std::string(session_record_tail)
                              + "00026d65"
                                "0000000500000006"
                                "77696c6c");
    session_record after;
    ASSERT_TRUE(decode(bytes, after));
    EXPECT_EQ(after.id, a_session);
    EXPECT_EQ(after.epoch, attach_epoch{0x6162636465666768});
    EXPECT_TRUE(after.is_attached);
    EXPECT_TRUE(after.is_v5);
    EXPECT_EQ(after.expiry_seconds, 0x71727374U);
    EXPECT_EQ(after.left_at, 0x0000018bcfe56800U);
    EXPECT_EQ(after.receive_maximum, 0x0102);
    EXPECT_EQ(after.username, "me");
    ASSERT_TRUE(after.will);
    EXPECT_EQ(after.will->delay_seconds, 5U);
    EXPECT_EQ(after.will->expiry_seconds, 6U);
    EXPECT_EQ(after.will->message, "will");
    expect_refused_below(bytes, bytes.size() - 4,
                         [&](std::string_view cut) { return decode(cut, after); });
}

TEST(StorageFormat, SessionRecordOfAnAnonymousClientThatLeft) {
    session_record before = a_session_record();
    before.is_attached = before.is_v5 = false;
    before.username.reset();
    before.will.reset();
    const std::string bytes = encoded(before);
    EXPECT_EQ(hex(bytes),
              std::string(session_record_head) + "00" + std::string(session_record_tail));
    session_record after = a_session_record();
    ASSERT_TRUE(decode(bytes, after));
    EXPECT_FALSE(after.is_attached);
    EXPECT_FALSE(after.is_v5);
    EXPECT_FALSE(after.username);
    EXPECT_FALSE(after.will);
    expect_exact<session_record>(bytes);
}

TEST(StorageFormat, SessionRecordTellsAnEmptyUsernameFromNone) {
    session_record before;
    before.username = "";
    session_record after;
    ASSERT_TRUE(decode(encoded(before), after));
    EXPECT_EQ(after.username, "");
}

TEST(StorageFormat, SubscriptionRecord) {
    const subscription_record before{.quality = qos::exactly_once,
                                     .no_local = true,
                                     .retain_as_published = true,
                                     .retain_handling = 2,
                                     .subscription_id = 0x01020304};
    const std::string bytes = encoded(before);
    EXPECT_EQ(hex(bytes), "2e01020304");
    subscription_record after;
    ASSERT_TRUE(decode(bytes, after));
    EXPECT_EQ(after.quality, before.quality);
    EXPECT_TRUE(after.no_local);
    EXPECT_TRUE(after.retain_as_published);
    EXPECT_EQ(after.retain_handling, 2);
    EXPECT_EQ(after.subscription_id, 0x01020304U);
    expect_exact<subscription_record>(bytes);
    EXPECT_EQ(hex(encoded(subscription_record{})), "0000000000");
    EXPECT_EQ(hex(encoded(subscription_record{.newest_only = true})), "4000000000");
}

TEST(StorageFormat, SubscriptionRecordOfNoMeaningIsRefused) {
    subscription_record after;
    EXPECT_FALSE(decode(std::string_view("\x03\0\0\0\0", 5), after)) << "QoS 3";
    EXPECT_FALSE(decode(std::string_view("\x30\0\0\0\0", 5), after)) << "retain handling 3";
}

TEST(StorageFormat, PacketIdentifier) {
    const std::string bytes = encoded(packet_id{0x0102});
    EXPECT_EQ(hex(bytes), "0102");
    packet_id after;
    ASSERT_TRUE(decode(bytes, after));
    EXPECT_EQ(after, packet_id{0x0102});
    expect_exact<packet_id>(bytes);
    EXPECT_FALSE(decode(std::string_view("\0\0", 2), after)) << "0 names no message";
}

// Time.

TEST(StorageFormat, DeadlinesAreKeptByTheWallClock) {
    EXPECT_EQ(noon.to_stored(noon.now), 1'700'000'000'000U);
    EXPECT_EQ(noon.to_stored(noon.now + 1500ms), 1'700'000'001'500U);
    EXPECT_EQ(noon.to_stored(noon.now - 1500ms), 1'699'999'998'500U);
    // Another start: its steady clock says something else, and a minute has passed.
    const moment later{.now = time_point(5s), .wall = noon.wall + 60s};
    EXPECT_EQ(later.from_stored(noon.to_stored(noon.now + 90s)), later.now + 30s);
    EXPECT_EQ(later.from_stored(noon.to_stored(noon.now + 10s)), later.now - 50s);
}

TEST(StorageFormat, NeverStaysNever) {
    EXPECT_EQ(noon.to_stored(never), 0U);
    EXPECT_EQ(noon.from_stored(0), never);
}

TEST(StorageFormat, WhatWasDueBefore1970IsDueNotNever) {
    const moment at_dawn{.now = noon.now, .wall = wall_time(1s)};
    const std::uint64_t stored = at_dawn.to_stored(at_dawn.now - 5s);
    EXPECT_EQ(stored, 1U);
    EXPECT_LT(noon.from_stored(stored), noon.now);
}

TEST(StorageFormat, TheLongestExpiryThatAClientCanAskForComesBack) {
    const time_point due = noon.now + std::chrono::seconds(0xffff'ffff);
    EXPECT_EQ(noon.from_stored(noon.to_stored(due)), due);
    // Also on a machine that lost its clock and starts in 1970.
    const moment at_dawn{.now = time_point(1s), .wall = wall_time(1s)};
    EXPECT_GT(at_dawn.from_stored(noon.to_stored(due)), at_dawn.now);
}

TEST(StorageFormat, WhatIsFartherThanTheClockReachesIsFarNotPast) {
    const time_point due = never - 1ns;
    EXPECT_GT(noon.from_stored(noon.to_stored(due)), noon.now);
    const moment at_dawn{.now = time_point(1s), .wall = wall_time(1s)};
    EXPECT_GT(at_dawn.from_stored(noon.to_stored(due)), at_dawn.now);
    for (const std::uint64_t far : {std::uint64_t{1} << 62, ~std::uint64_t{0} >> 1,
                                    std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
        EXPECT_GT(noon.from_stored(far), noon.now) << far;
    }
}

TEST(StorageFormat, AClockBefore1970StoresDeadlines) {
    const moment before{.now = noon.now, .wall = wall_time(-10s)};
    EXPECT_EQ(before.to_stored(before.now + 15s), 5'000U);
    EXPECT_EQ(before.from_stored(5'000), before.now + 15s);
}

} // namespace
} // namespace gv::storage
