// SPDX-License-Identifier: Apache-2.0
#include "cluster/lane_format.hpp"

#include <gtest/gtest.h>

#include <array>

namespace gv::cluster {
namespace {

constexpr node_id origin{7};
constexpr time_point now{1000s};

std::string encode(const publication& what, const forward_flags& flags) {
    const message_shape shape(what, {.lane_origin = origin, .counted_from = now}, flags);
    std::string bytes(shape.size(), '\0');
    EXPECT_EQ(shape.store(bytes.data(), what, flags), bytes.data() + bytes.size());
    return bytes;
}

template <std::size_t Size>
std::string bytes_of(const std::array<unsigned char, Size>& bytes) {
    return {bytes.begin(), bytes.end()};
}

publication small() {
    publication what;
    what.header.publisher = 0x0102030405060708;
    what.header.stamp = {0x1112131415161718};
    what.header.origin = origin;
    what.topic = "ab";
    what.payload = "p";
    return what;
}

publication large_header() {
    publication what = small();
    what.header.quality = qos::exactly_once;
    what.header.retain = what.header.maybe_dup = what.header.newest_only = true;
    what.header.level = durability::memory;
    what.header.origin = node_id{9};
    what.header.expires = now + 5s;
    what.header.mount_point = 3;
    what.properties = "\x01\x01";
    return what;
}

/// Two bytes, and the fixed fields; the rest is given.
std::string raw(std::uint8_t what, std::uint8_t how, std::string_view rest) {
    std::string made{static_cast<char>(what), static_cast<char>(how)};
    made.append(16, 'x').append(rest);
    return made;
}

std::optional<lane_fault> fault_of(std::string_view bytes) {
    publication seen;
    forward_flags flags;
    return decode_message(bytes, {.lane_origin = origin, .now = now}, seen, flags);
}

TEST(LaneMessage, BytesOfThePlainestOne) {
    constexpr std::array<unsigned char, 23> expected{
        0x20,                                           // QoS 0, for subscribers
        0x00,                                           // fsync, nothing else
        0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, // publisher
        0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, // stamp
        0x00, 0x02, 'a',  'b',                          // topic
        'p'};                                           // payload
    EXPECT_EQ(encode(small(), {.for_subscribers = true}), bytes_of(expected));
}

TEST(LaneMessage, BytesOfOneWithAllFields) {
    constexpr std::array<unsigned char, 44> expected{
        0x7e,                                           // QoS 2, all flags, both purposes
        0x3e,                                           // memory, and all fields
        0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, // publisher
        0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, // stamp
        0,    0,    0,    0,    0,    0,    0,    9,    // origin
        0,    0,    0,    0,    0,    0,    0x13, 0x88, // 5,000 ms of life
        0,    3,                                        // mount point
        0x00, 0x02, 'a',  'b',                          // topic
        2,    1,    1,                                  // properties
        'p'};                                           // payload
    EXPECT_EQ(encode(large_header(), {.for_subscribers = true, .for_retained = true}),
              bytes_of(expected));
}

TEST(LaneMessage, TellsOfKeptSessions) {
    const std::string bytes = encode(small(), {.for_kept = true});
    EXPECT_EQ(bytes.substr(0, 2), std::string("\x00\x80", 2));
    publication seen;
    forward_flags flags;
    ASSERT_FALSE(decode_message(bytes, {.lane_origin = origin, .now = now}, seen, flags));
    EXPECT_EQ(flags, forward_flags{.for_kept = true});
    EXPECT_TRUE(is_for_kept(bytes));
    EXPECT_FALSE(is_for_volatile_only(bytes));
}

TEST(LaneMessage, OfAnEarlierLifeIsForKeptSessionsAlone) {
    const auto after = [](forward_flags before) {
        std::string bytes = encode(small(), before);
        mark_for_kept_only(bytes.data());
        publication seen;
        forward_flags flags;
        EXPECT_FALSE(decode_message(bytes, {.lane_origin = origin, .now = now}, seen, flags));
        return flags;
    };
    EXPECT_TRUE(is_for_volatile_only(encode(small(), {.for_subscribers = true})));
    EXPECT_EQ(after({.for_subscribers = true, .for_kept = true}), forward_flags{.for_kept = true});
    EXPECT_EQ(after({.for_subscribers = true, .for_retained = true}),
              forward_flags{.for_retained = true});
    EXPECT_EQ(after({.for_subscribers = true}), forward_flags{.for_kept = true});
}

TEST(LaneMessage, OfAnEarlierLifeIsForTheSameGroup) {
    const forward_flags to_group{.group = "g", .filter = "+"};
    std::string bytes = encode(small(), to_group);
    EXPECT_FALSE(is_for_volatile_only(bytes));
    mark_for_kept_only(bytes.data());
    EXPECT_EQ(bytes, encode(small(), to_group));
}

TEST(LaneMessage, BytesOfOneForAGroup) {
    constexpr std::array<unsigned char, 29> expected{
        0x80,                                           // QoS 0, for a member of a group
        0x00,                                           // fsync, nothing else
        0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, // publisher
        0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, // stamp
        0x00, 0x01, 'g',                                // group
        0x00, 0x01, '+',                                // its filter
        0x00, 0x02, 'a',  'b',                          // topic
        'p'};                                           // payload
    const forward_flags to_group{.group = "g", .filter = "+"};
    EXPECT_EQ(encode(small(), to_group), bytes_of(expected));
    const std::string bytes = encode(large_header(), to_group);
    publication seen;
    forward_flags flags;
    ASSERT_FALSE(decode_message(bytes, {.lane_origin = origin, .now = now}, seen, flags));
    EXPECT_EQ(flags, to_group);
    EXPECT_EQ(seen.topic, "ab");
    EXPECT_EQ(seen.properties, large_header().properties);
    ASSERT_FALSE(decode_message(encode(small(), {.for_subscribers = true}),
                                {.lane_origin = origin, .now = now}, seen, flags));
    EXPECT_EQ(flags, forward_flags{.for_subscribers = true}) << "nothing is left of the one before";
}

TEST(LaneMessage, IsTheSameWhenDecoded) {
    const publication sent = large_header();
    const std::string bytes = encode(sent, {.for_retained = true});
    publication seen;
    seen.held = small().hold();
    forward_flags flags;
    ASSERT_FALSE(decode_message(bytes, {.lane_origin = origin, .now = now + 1s}, seen, flags));
    EXPECT_EQ(flags, forward_flags{.for_retained = true});
    EXPECT_EQ(seen.topic, "ab");
    EXPECT_EQ(seen.payload, "p");
    EXPECT_EQ(seen.properties, sent.properties);
    EXPECT_EQ(seen.header.publisher, sent.header.publisher);
    EXPECT_EQ(seen.header.stamp, sent.header.stamp);
    EXPECT_EQ(seen.header.origin, node_id{9});
    EXPECT_EQ(seen.header.mount_point, 3);
    EXPECT_EQ(seen.header.quality, qos::exactly_once);
    EXPECT_EQ(seen.header.level, durability::memory);
    EXPECT_TRUE(seen.header.retain && seen.header.maybe_dup && seen.header.newest_only);
    EXPECT_EQ(seen.header.expires, now + 6s) << "what was left is left";
    EXPECT_FALSE(seen.held) << "of another message";
}

TEST(LaneMessage, LifeIsShorterByTheAgeOfTheFrame) {
    const std::string bytes = encode(large_header(), {.for_subscribers = true});
    publication seen;
    forward_flags flags;
    ASSERT_FALSE(decode_message(bytes, {origin, now, 2'000}, seen, flags));
    EXPECT_EQ(seen.header.expires, now + 3s);
    ASSERT_FALSE(decode_message(bytes, {origin, now, ~0ull}, seen, flags));
    EXPECT_EQ(seen.header.expires, now) << "over, but not before it came";
}

TEST(LaneMessage, LifeOutsideOfWhatCanBeToldIsNoneOrEndless) {
    publication what = large_header();
    what.header.expires = now - 1h;
    publication seen;
    forward_flags flags;
    ASSERT_FALSE(decode_message(encode(what, {true, true}), {origin, now}, seen, flags));
    EXPECT_EQ(seen.header.expires, now);
    what.header.expires = never - 1ns;
    ASSERT_FALSE(decode_message(encode(what, {true, true}), {origin, now}, seen, flags));
    EXPECT_EQ(seen.header.expires, never);
}

TEST(LaneMessage, LifeIsShiftedInPlaceWithinItsBounds) {
    std::string bytes = encode(large_header(), {.for_subscribers = true});
    const auto left = [&] {
        publication seen;
        forward_flags flags;
        EXPECT_FALSE(decode_message(bytes, {origin, now}, seen, flags));
        return seen.header.expires - now;
    };
    shift_life(bytes.data(), -2s);
    EXPECT_EQ(left(), 3s);
    shift_life(bytes.data(), -9s);
    EXPECT_EQ(left(), 0s);
    std::string endless = encode(small(), {.for_subscribers = true});
    const std::string before = endless;
    shift_life(endless.data(), -9s);
    EXPECT_EQ(endless, before);
}

TEST(LaneMessage, MarksAPossibleDuplicateInPlace) {
    std::string bytes = encode(small(), {.for_subscribers = true});
    mark_maybe_dup(bytes.data());
    EXPECT_EQ(bytes[0], 0x28);
    EXPECT_EQ(quality_of(bytes), qos::at_most_once);
}

struct malformed {
    const char* what;
    std::string bytes;
    lane_fault fault;
};

TEST(LaneMessage, NothingMalformedIsBelieved) {
    using namespace std::string_literals;
    constexpr auto bad = lane_fault::message_malformed;
    constexpr auto bad_topic = lane_fault::topic_invalid;
    const malformed table[] = {
        {"empty", "", bad},
        {"a byte short of the fixed fields", raw(0x20, 0, "\0"s), bad},
        {"for a group, too", raw(0xa0, 0, "\0\1g\0\1t\0\1t"s), bad},
        {"for a group and the retained", raw(0xc0, 0, "\0\1g\0\1t\0\1t"s), bad},
        {"for a group and kept sessions", raw(0x80, 0x80, "\0\1g\0\1t\0\1t"s), bad},
        {"group without filter and topic", raw(0x80, 0, "\0\1g"s), bad},
        {"group without topic", raw(0x80, 0, "\0\1g\0\1t"s), bad},
        {"group cut short", raw(0x80, 0, "\0\11g\0\1t\0\1t"s), bad},
        {"group without name", raw(0x80, 0, "\0\0\0\1t\0\1t"s), bad},
        {"group with /", raw(0x80, 0, "\0\1/\0\1t\0\1t"s), bad},
        {"group with +", raw(0x80, 0, "\0\1+\0\1t\0\1t"s), bad},
        {"group with #", raw(0x80, 0, "\0\1#\0\1t\0\1t"s), bad},
        {"group with a zero", raw(0x80, 0, "\0\1\0\0\1t\0\1t"s), bad},
        {"filter empty", raw(0x80, 0, "\0\1g\0\0\0\1t"s), bad},
        {"filter invalid", raw(0x80, 0, "\0\1g\0\3#/t\0\1t"s), bad},
        {"filter of other topics", raw(0x80, 0, "\0\1g\0\1u\0\1t"s), bad},
        {"for a group, topic with #", raw(0x80, 0, "\0\1g\0\1#\0\1#"s), bad_topic},
        {"QoS 3", raw(0x23, 0, "\0\1t"s), bad},
        {"no purpose", raw(0x00, 0, "\0\1t"s), bad},
        {"unknown field", raw(0x20, 0x40, "\0\1t"s), bad},
        {"durability 3", raw(0x20, 3, "\0\1t"s), bad},
        {"origin cut short", raw(0x20, 4, "1234567"s), bad},
        {"life cut short", raw(0x20, 8, "1234567"s), bad},
        {"life too long", raw(0x20, 8, "\x7f\xff\xff\xff\xff\xff\xff\xff\0\1t"s), bad},
        {"mount point without topic", raw(0x20, 0x10, "\0\1"s), bad},
        {"topic cut short", raw(0x20, 0, "\0\5abcd"s), bad},
        {"properties cut short", raw(0x20, 0x20, "\0\1t\5abc"s), bad},
        {"length of properties without end", raw(0x20, 0x20, "\0\1t\xff\xff\xff\xff\xff"s), bad},
        {"topic empty", raw(0x20, 0, "\0\0"s), bad_topic},
        {"topic with +", raw(0x20, 0, "\0\1+"s), bad_topic},
        {"topic with # at its ninth byte", raw(0x20, 0, "\0\11abcdefgh#"s), bad_topic},
        {"topic with a zero", raw(0x20, 0, "\0\3a\0b"s), bad_topic},
    };
    for (const malformed& each : table) {
        EXPECT_EQ(fault_of(each.bytes), each.fault) << each.what;
    }
    EXPECT_FALSE(fault_of(raw(0x20, 0, "\0\1t"s))) << "the table would be right for nothing";
    EXPECT_FALSE(fault_of(raw(0x80, 0, "\0\1g\0\1t\0\1t"s)));
}

TEST(LaneMessage, LevelsAreCountedAtAnyPlace) {
    for (std::size_t size = 1; size < 40; ++size) {
        for (std::size_t at = 0; at < size; ++at) {
            std::string topic(size, '.'); // one less than the slash
            topic[at] = '/';
            publication what = small();
            what.topic = topic;
            publication seen;
            forward_flags flags;
            const std::string bytes = encode(what, {.for_subscribers = true});
            message_reading reading{.lane_origin = origin, .now = now, .levels_max = 2};
            EXPECT_FALSE(decode_message(bytes, reading, seen, flags)) << topic;
            reading.levels_max = 1;
            EXPECT_TRUE(decode_message(bytes, reading, seen, flags)) << topic;
        }
    }
}

TEST(LaneMessage, EveryByteIsAllowedInATopicButThree) {
    for (int byte = 0; byte < 256; ++byte) {
        std::string topic = "abcdefghij";
        topic[3] = topic[9] = static_cast<char>(byte);
        publication what = small();
        what.topic = topic;
        const bool is_fine = byte != 0 && byte != '+' && byte != '#';
        EXPECT_EQ(!fault_of(encode(what, {.for_subscribers = true})), is_fine) << byte;
    }
}

TEST(LanePieces, EndWhereTheFrameEndsOrFail) {
    using namespace std::string_literals;
    const std::string bytes = "\0\0\0\2ab\3\0\0\5"s;
    piece_reader two(bytes);
    EXPECT_EQ(two.next()->content, "ab");
    const auto skip = two.next();
    EXPECT_EQ(skip->kind, piece_kind::skip);
    EXPECT_EQ(skip->length, 5u);
    EXPECT_TRUE(two.at_end());
    for (const std::string& bad :
         {"\0\0\0\3ab"s, "\0\0\0"s, "\4\0\0\1a"s, "\0\0\0\0"s, "\3\0\0\0"s}) {
        EXPECT_FALSE(piece_reader(bad).next());
    }
}

std::vector<taken_run> decode(const std::string& bytes, bool is_fine = true) {
    std::vector<taken_run> found;
    taken_reader reader(bytes);
    while (const auto each = reader.next()) {
        found.push_back(*each);
    }
    EXPECT_EQ(reader.failed(), !is_fine);
    return found;
}

TEST(LaneAnswers, AreRunsOfNumbers) {
    const std::vector<taken_run> runs{{5, 1, 0}, {6, 300, 16}, {500, 2, 0}};
    std::string bytes;
    EXPECT_EQ(encode_taken(runs, 100, bytes), 3u);
    constexpr std::array<unsigned char, 19> expected{0,    0,    0, 0,  0, 0, 0, 5, // first
                                                     0,    1,    0,                 // 5
                                                     0,    0xac, 2, 16,             // 6 to 305
                                                     0xc2, 1,    2, 0};             // 500, 501
    EXPECT_EQ(bytes, bytes_of(expected));
    EXPECT_EQ(decode(bytes), runs);
}

TEST(LaneAnswers, AsManyAsFitAreTold) {
    const std::vector<taken_run> runs{{5, 1, 0}, {7, 1, 16}, {500, 2, 0}};
    std::string bytes;
    EXPECT_EQ(encode_taken(runs, 20, bytes), 2u);
    EXPECT_LE(bytes.size(), 20u);
    EXPECT_EQ(decode(bytes).size(), 2u);
    EXPECT_TRUE(decode("").empty());
}

TEST(LaneAnswers, NothingMalformedIsBelieved) {
    using namespace std::string_literals;
    const std::string one = "\0\0\0\0\0\0\0\1"s;
    const std::string last = "\xff\xff\xff\xff\xff\xff\xff\xff"s;
    for (const std::string& bad : {
             "\0\0\0"s,                       // first cut short
             one,                             // no run
             one + "\0\1"s,                   // no reason
             one + "\0\0\0"s,                 // no message
             one + "\xff\xff\xff\xff\1\1\0"s, // gap without end
             "\0\0\0\0\0\0\0\0\0\1\0"s,       // number 0
             last + "\0\1\0"s,                // wraps at its end
             last + "\5\1\0"s,                // wraps at its start
         }) {
        decode(bad, false);
    }
}

TEST(LaneFaults, EachHasATextOfItsOwn) {
    std::vector<std::string_view> texts;
    for (std::size_t each = 0; each < lane_fault_count; ++each) {
        const std::string_view text = text_of(static_cast<lane_fault>(each));
        EXPECT_NE(text, "unknown fault") << each;
        EXPECT_EQ(std::count(texts.begin(), texts.end(), text), 0) << text;
        texts.push_back(text);
    }
    EXPECT_EQ(text_of(static_cast<lane_fault>(lane_fault_count)), "unknown fault");
}

} // namespace
} // namespace gv::cluster
