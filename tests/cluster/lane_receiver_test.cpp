// SPDX-License-Identifier: Apache-2.0
#include "tests/cluster/lane_script.hpp"

namespace gv::cluster::testing {
namespace {

using namespace std::string_literals;

constexpr time_point now{1000s};

std::string piece_of(std::string_view message) {
    std::string made(piece_header_bytes, '\0');
    store_piece_header(made.data(), piece_kind::whole, message.size());
    return made.append(message);
}

std::string message_of(qos quality, std::string_view payload = "p") {
    const publication what = make_message(quality, payload);
    const message_shape shape(what, {.lane_origin = lane_of_seven.origin, .counted_from = now},
                              to_subscribers);
    std::string bytes(shape.size(), '\0');
    shape.store(bytes.data(), what, to_subscribers);
    return bytes;
}

std::string counted(std::string_view payload = "p") {
    return piece_of(message_of(qos::at_least_once, payload));
}

std::string skip_of(std::uint32_t count) {
    std::string made(piece_header_bytes, '\0');
    store_piece_header(made.data(), piece_kind::skip, count);
    return made;
}

std::string part_of(piece_kind kind, std::string_view part, std::uint32_t total = 0) {
    const std::size_t head = kind == piece_kind::begin ? total_bytes : 0;
    std::string made(piece_header_bytes + head, '\0');
    store_piece_header(made.data(), kind, head + part.size());
    head == 0 ? nullptr : store_u32(made.data() + piece_header_bytes, total);
    return made.append(part);
}

/// A receiver with a link, and what it gave out.
struct linked {
    explicit linked(const lane_receiver_options& options = {}, lane_seq watermark = 0,
                    lane_seq oldest = 1)
        : receiver(lane_of_seven, boot_id{3}, options, watermark) {
        welcome = *receiver.on_hello({.lane = lane_of_seven, .oldest = oldest});
    }
    result<std::size_t, lane_fault> give(lane_frame frame) {
        return receiver.on_frame(frame, now,
                                 [this](const publication& seen, forward_flags, lane_seq seq) {
                                     seqs.push_back(seq);
                                     payloads.emplace_back(seen.payload);
                                 });
    }
    lane_fault fault_of(lane_frame frame) {
        const auto held = give(std::move(frame));
        EXPECT_FALSE(held.has_value());
        return held ? lane_fault::unexpected : held.error();
    }
    std::vector<taken_run> runs() {
        std::vector<taken_run> found;
        if (const auto reply = receiver.take_reply()) {
            taken_reader reader(reply->taken);
            while (const auto each = reader.next()) {
                found.push_back(*each);
            }
        }
        return found;
    }
    lane_receiver receiver;
    lane_welcome welcome;
    std::vector<lane_seq> seqs;
    std::vector<std::string> payloads;
};

TEST(LaneReceiver, NumbersOnlyWhatIsCounted) {
    linked to;
    const std::string bytes = counted() + piece_of(message_of(qos::at_most_once)) + counted();
    EXPECT_EQ(*to.give({.first = 1, .bytes = bytes}), bytes.size());
    EXPECT_EQ(to.seqs, (std::vector<lane_seq>{1, 0, 2}));
    EXPECT_EQ(to.receiver.counted().unanswered, 2u);
}

TEST(LaneReceiver, GivesOutNothingTwiceInOneLife) {
    linked to;
    static_cast<void>(to.give({.first = 1, .bytes = counted("1") + counted("2")}));
    const auto held = to.give({.first = 1, .bytes = counted("1") + counted("2")});
    EXPECT_EQ(*held, 0u) << "nothing to release for what nobody got";
    static_cast<void>(to.give({.first = 2, .bytes = counted("2") + counted("3")}));
    EXPECT_EQ(to.payloads, (std::vector<std::string>{"1", "2", "3"}));
    EXPECT_EQ(to.receiver.counted().duplicates, 3u);
}

TEST(LaneReceiver, TellsWhatItExpectsOnANewLink) {
    linked to;
    EXPECT_EQ(to.welcome, (lane_welcome{boot_id{3}, 1, 4u << 20}));
    static_cast<void>(to.give({.first = 1, .bytes = counted() + counted()}));
    EXPECT_EQ(to.receiver.on_hello({lane_of_seven, 1})->expected, 3u);
}

TEST(LaneReceiver, AnswersAgainOnANewLinkWhatIsNotConfirmed) {
    linked to;
    static_cast<void>(to.give({.first = 1, .bytes = counted() + counted() + counted()}));
    to.receiver.answer(1, 0);
    to.receiver.answer(3, 16);
    EXPECT_EQ(to.runs(), (std::vector<taken_run>{{1, 1, 0}, {3, 1, 16}}));
    EXPECT_FALSE(to.receiver.has_reply());
    to.receiver.on_disconnected();
    to.receiver.answer(2, 0);
    ASSERT_TRUE(to.receiver.on_hello({lane_of_seven, 2}));
    EXPECT_EQ(to.runs(), (std::vector<taken_run>{{2, 1, 0}, {3, 1, 16}}));
}

TEST(LaneReceiver, AnswersInAnyOrderMakeRunsInOrder) {
    linked to;
    static_cast<void>(to.give({.first = 1, .bytes = counted() + counted() + counted()}));
    for (const lane_seq each : {3u, 1u, 2u}) {
        to.receiver.answer(each, 0);
    }
    EXPECT_EQ(to.runs(), (std::vector<taken_run>{{1, 3, 0}}));
}

TEST(LaneReceiver, WatermarkIsBelowTheFirstUnanswered) {
    linked to;
    static_cast<void>(to.give({.first = 1, .bytes = counted() + counted() + counted()}));
    to.receiver.answer(2, 0);
    EXPECT_EQ(to.receiver.watermark(), 1u);
    to.receiver.answer(1, 0);
    EXPECT_EQ(to.receiver.watermark(), 3u);
}

TEST(LaneReceiver, StartedFromAWatermarkAnswersWhatIsBelowWithSuccess) {
    linked to({}, 4, 2);
    EXPECT_EQ(to.welcome.expected, 4u);
    EXPECT_EQ(to.runs(), (std::vector<taken_run>{{2, 2, 0}}));
    EXPECT_EQ(to.receiver.watermark(), 4u);
    static_cast<void>(to.give({.first = 4, .oldest = 4, .bytes = counted()}));
    EXPECT_EQ(to.seqs, (std::vector<lane_seq>{4}));
}

TEST(LaneReceiver, StartsWhereTheSenderStandsIfThatIsBeyondItsWatermark) {
    linked to({}, 4, 9);
    EXPECT_EQ(to.welcome.expected, 9u);
    EXPECT_TRUE(to.runs().empty());
}

TEST(LaneReceiver, SkippedNumbersNeedNoAnswer) {
    linked to;
    static_cast<void>(to.give({.first = 1, .bytes = counted() + skip_of(5) + counted()}));
    EXPECT_EQ(to.seqs, (std::vector<lane_seq>{1, 7}));
    to.receiver.answer(1, 0);
    EXPECT_EQ(to.receiver.watermark(), 7u);
}

TEST(LaneReceiver, WhatIsConfirmedMayJumpAhead) {
    linked to;
    static_cast<void>(to.give({.first = 100, .oldest = 100, .bytes = counted()}));
    EXPECT_EQ(to.seqs, (std::vector<lane_seq>{100}));
}

TEST(LaneReceiver, CreditComesBackWhenTheOwnerIsThrough) {
    linked to({.credit_bytes = 1'000, .credit_portion_bytes = 100});
    const std::string bytes = counted(std::string(60, 'x'));
    const std::size_t first = *to.give({.first = 1, .bytes = bytes});
    const std::size_t second = *to.give({.first = 2, .bytes = bytes});
    EXPECT_FALSE(to.receiver.has_reply());
    to.receiver.release(10);
    EXPECT_FALSE(to.receiver.has_reply()) << "too little";
    to.receiver.release(first + second - 10);
    EXPECT_EQ(to.receiver.take_reply()->credit_bytes, first + second);
    EXPECT_FALSE(to.receiver.has_reply());
}

TEST(LaneReceiver, ANewLinkHasNoCreditForWhatIsStillHeld) {
    linked to({.credit_bytes = 1'000});
    const std::size_t held = *to.give({.first = 1, .bytes = counted()});
    EXPECT_EQ(to.receiver.on_hello({lane_of_seven, 1})->credit_bytes, 1'000 - held);
    to.receiver.release(held);
    EXPECT_EQ(to.receiver.take_reply()->credit_bytes, held);
}

TEST(LaneReceiver, ALittleCreditAloneIsNotWorthAReply) {
    linked to({.credit_bytes = 4u << 20, .credit_portion_bytes = 1'000});
    const std::string bytes = counted(std::string(300, 'x'));
    std::size_t released = 0;
    lane_seq seq = 1;
    for (; released < 1'000; ++seq) {
        EXPECT_FALSE(to.receiver.has_reply()) << released;
        const std::size_t held = *to.give({.first = seq, .bytes = bytes});
        to.receiver.release(held);
        released += held;
    }
    EXPECT_EQ(to.receiver.take_reply()->credit_bytes, released);
}

TEST(LaneReceiver, CreditThatALargeFrameMayNeedIsGivenBackAtOnce) {
    linked to({.credit_bytes = lane_frame_bytes_max, .credit_portion_bytes = 10'000});
    const std::size_t held = *to.give({.first = 1, .bytes = counted()});
    to.receiver.release(held);
    EXPECT_EQ(to.receiver.take_reply()->credit_bytes, held);
}

TEST(LaneReceiver, AssemblesALargeMessageWithinItsLimit) {
    linked to({.credit_bytes = 2'000});
    const std::string whole = message_of(qos::at_least_once, std::string(1'000, 'y'));
    const auto total = static_cast<std::uint32_t>(whole.size());
    const std::string_view all = whole;
    EXPECT_EQ(
        *to.give({.first = 1, .bytes = part_of(piece_kind::begin, all.substr(0, 400), total)}), 0u);
    EXPECT_TRUE(to.receiver.has_reply()) << "a part is released at once";
    const std::string last = part_of(piece_kind::more, all.substr(400)) + counted("next");
    EXPECT_EQ(*to.give({.first = 1, .bytes = last}), last.size());
    EXPECT_EQ(to.payloads, (std::vector<std::string>{std::string(1'000, 'y'), "next"}));
}

TEST(LaneReceiver, PartsOfABrokenLinkAreForgotten) {
    linked to;
    static_cast<void>(to.give({.first = 1, .bytes = part_of(piece_kind::begin, "abc", 500)}));
    ASSERT_TRUE(to.receiver.on_hello({lane_of_seven, 1}));
    static_cast<void>(to.give({.first = 1, .bytes = counted("whole")}));
    EXPECT_EQ(to.payloads, (std::vector<std::string>{"whole"}));
}

// --- what a peer must not do

struct wrong_frame {
    const char* what;
    lane_frame frame;
    lane_fault fault;
};

TEST(LaneReceiverFaults, AFrameAtFaultClosesTheLink) {
    const lane_seq huge = (lane_seq{1} << 62) + 1;
    const std::string bad_topic =
        piece_of(std::string("\x21\0", 2) + std::string(16, 'x') + "\0\0"s);
    const std::string one = counted();
    const wrong_frame table[] = {
        {"empty", {.first = 1}, lane_fault::frame_too_large},
        {"too large",
         {.first = 1, .bytes = std::string(lane_frame_bytes_max + 1, 'x')},
         lane_fault::frame_too_large},
        {"number 0", {.first = 0, .bytes = one}, lane_fault::numbers_invalid},
        {"number that would wrap", {.first = huge, .bytes = one}, lane_fault::numbers_invalid},
        {"confirms beyond itself",
         {.first = 1, .oldest = 2, .bytes = one},
         lane_fault::numbers_invalid},
        {"a gap", {.first = 2, .bytes = one}, lane_fault::gap},
        {"a piece cut short",
         {.first = 1, .bytes = one.substr(0, one.size() - 1)},
         lane_fault::frame_malformed},
        {"an unknown piece", {.first = 1, .bytes = "\4\0\0\1x"s}, lane_fault::frame_malformed},
        {"a message cut short",
         {.first = 1, .bytes = piece_of("\x21\0abc"s)},
         lane_fault::message_malformed},
        {"a bad topic", {.first = 1, .bytes = bad_topic}, lane_fault::topic_invalid},
        {"a part of nothing",
         {.first = 1, .bytes = part_of(piece_kind::more, "abc")},
         lane_fault::chunk_misplaced},
        {"another within one",
         {.first = 1, .bytes = part_of(piece_kind::begin, "abc", 500) + one},
         lane_fault::chunk_misplaced},
        {"a part beyond the end",
         {.first = 1, .bytes = part_of(piece_kind::begin, "abcdef", 5)},
         lane_fault::frame_malformed},
        {"a large message of nothing",
         {.first = 1, .bytes = part_of(piece_kind::begin, "", 9)},
         lane_fault::frame_malformed},
        {"a message over the limit",
         {.first = 1, .bytes = part_of(piece_kind::begin, "abc", 0xffff'ffff)},
         lane_fault::message_too_large},
        {"more skipped than may be unanswered",
         {.first = 1, .bytes = skip_of(lane_unanswered_max + 1)},
         lane_fault::too_many_unanswered},
    };
    for (const wrong_frame& each : table) {
        linked to;
        EXPECT_EQ(to.fault_of(each.frame), each.fault) << each.what;
        EXPECT_TRUE(to.seqs.empty()) << each.what;
        EXPECT_EQ(to.receiver.counted().faults, 1u) << each.what;
        EXPECT_EQ(to.fault_of({.first = 1, .bytes = one}), lane_fault::unexpected) << each.what;
    }
}

TEST(LaneReceiverFaults, WhatWasBeforeTheFaultIsGivenOutAndStays) {
    linked to;
    EXPECT_EQ(to.fault_of({.first = 1, .bytes = counted("good") + "\4\0\0\1x"s}),
              lane_fault::frame_malformed);
    EXPECT_EQ(to.payloads, (std::vector<std::string>{"good"}));
    to.receiver.answer(1, 0);
    const auto again = to.receiver.on_hello({lane_of_seven, 1});
    EXPECT_EQ(again->expected, 2u);
    EXPECT_EQ(again->credit_bytes, to.welcome.credit_bytes) << "no credit leaks";
}

TEST(LaneReceiverFaults, NoMoreThanTheCreditIsAccepted) {
    linked to({.credit_bytes = 100});
    const std::string bytes = counted(std::string(40, 'x'));
    ASSERT_TRUE(to.give({.first = 1, .bytes = bytes}));
    EXPECT_EQ(to.fault_of({.first = 2, .bytes = bytes}), lane_fault::credit_exceeded);
}

TEST(LaneReceiverFaults, ASenderThatNeverConfirmsEndsAtALimit) {
    linked to({.credit_bytes = 1u << 30});
    std::string bytes;
    while (bytes.size() + 30 < lane_frame_bytes_max) {
        bytes += counted("");
    }
    lane_seq first = 1;
    std::optional<lane_fault> fault;
    while (!fault && first < 2 * lane_unanswered_max) {
        to.seqs.clear();
        const auto held = to.give({.first = first, .bytes = bytes});
        held ? to.receiver.release(*held) : void(fault = held.error());
        first += to.seqs.size();
    }
    EXPECT_EQ(fault, lane_fault::too_many_unanswered);
    EXPECT_EQ(first, lane_unanswered_max + 1);
}

TEST(LaneReceiverFaults, AHelloMustBeOfThisLaneAndNotContradict) {
    lane_identity other = lane_of_seven;
    other.boot = boot_id{2};
    linked to;
    EXPECT_EQ(to.receiver.on_hello({other, 1}).error(), lane_fault::wrong_lane);
    EXPECT_EQ(to.receiver.on_hello({lane_of_seven, 0}).error(), lane_fault::numbers_invalid);
    EXPECT_EQ(to.receiver.on_hello({lane_of_seven, ~0ull}).error(), lane_fault::numbers_invalid);
    ASSERT_TRUE(to.receiver.on_hello({lane_of_seven, 1}));
    static_cast<void>(to.give({.first = 1, .bytes = counted() + counted()}));
    EXPECT_EQ(to.receiver.on_hello({lane_of_seven, 2}).error(), lane_fault::numbers_invalid)
        << "1 was not answered";
    to.receiver.answer(1, 0);
    ASSERT_TRUE(to.receiver.on_hello({lane_of_seven, 2}));
    EXPECT_EQ(to.receiver.on_hello({lane_of_seven, 1}).error(), lane_fault::numbers_invalid)
        << "it knew more before";
}

TEST(LaneReceiverFaults, AWatermarkFarBeyondTheSenderIsNotExpandedInMemory) {
    lane_receiver receiver(lane_of_seven, boot_id{3}, {}, lane_seq{1} << 40);
    EXPECT_EQ(receiver.on_hello({lane_of_seven, 1}).error(), lane_fault::numbers_invalid);
    EXPECT_EQ(receiver.on_hello({lane_of_seven, lane_seq{1} << 40})->expected, lane_seq{1} << 40);
}

} // namespace
} // namespace gv::cluster::testing
