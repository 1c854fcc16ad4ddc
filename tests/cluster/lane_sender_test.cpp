// SPDX-License-Identifier: Apache-2.0
#include "tests/cluster/lane_script.hpp"

namespace gv::cluster::testing {
namespace {

using answers = std::vector<std::pair<lane_waiter, lane_reason>>;

constexpr qos zero = qos::at_most_once;
constexpr qos one = qos::at_least_once;
constexpr qos two = qos::exactly_once;

// --- frames

TEST(LaneSender, GathersWhatComesWhileAFrameIsWritten) {
    lane_pair lane;
    lane.connect();
    lane.append(zero, "1");
    const auto first = lane.sender.take_frame(lane.now, lane.out);
    lane.append(one, "2");
    lane.append(two, "3");
    const auto second = lane.sender.take_frame(lane.now, lane.out);
    EXPECT_FALSE(lane.sender.take_frame(lane.now, lane.out));
    EXPECT_EQ(first->first, 1u);
    EXPECT_EQ(second->first, 1u) << "only QoS 1 and 2 are counted";
    lane.arrive(*first);
    lane.arrive(*second);
    EXPECT_EQ(lane.text(), "1 2 3");
}

TEST(LaneSender, FramesEndAtTheirLimit) {
    lane_pair lane({.frame_bytes_max = 300, .spools = false});
    lane.connect();
    for (int i = 0; i < 20; ++i) {
        lane.append(i % 2 == 0 ? zero : one, std::to_string(i));
    }
    std::size_t frames = 0;
    while (const auto frame = lane.sender.take_frame(lane.now, lane.out)) {
        EXPECT_LE(frame->bytes.size(), 300u);
        lane.arrive(*frame);
        ++frames;
    }
    EXPECT_GT(frames, 1u);
    EXPECT_LT(frames, 5u);
    EXPECT_EQ(lane.text(), "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19");
}

TEST(LaneSender, LargeMessagesGoInPartsThatFit) {
    lane_pair lane;
    lane.connect();
    const std::string large(3u << 20, 'L');
    for (const qos quality : {zero, one}) {
        lane.append(quality, "before");
        lane.append(quality, large);
        lane.append(quality, "after");
    }
    std::size_t parts = 0;
    while (const auto frame = lane.sender.take_frame(lane.now, lane.out)) {
        EXPECT_LE(frame->bytes.size(), lane_frame_bytes_max);
        lane.arrive(*frame);
        lane.pass_reply();
        ++parts;
    }
    EXPECT_EQ(parts, 29u) << "13 each, and what is before, between and after";
    EXPECT_EQ(lane.text(), "before " + large + " after before " + large + " after");
    EXPECT_EQ(lane.all[3].seq, 1u);
    EXPECT_EQ(lane.all[4].seq, 2u);
}

TEST(LaneSender, AMessageAsLargeAsMqttAllowsPasses) {
    lane_pair lane;
    lane.connect();
    const std::string large((256u << 20) - 100, 'L');
    lane.append(one, large, 1);
    EXPECT_TRUE(lane.sender.is_full());
    lane.pass_all();
    ASSERT_EQ(lane.all.size(), 1u);
    EXPECT_TRUE(lane.all[0].payload == large);
    lane.receiver.answer(1, 0);
    lane.pass_reply();
    EXPECT_EQ(lane.out.answers, (answers{{1, 0}}));
    EXPECT_EQ(lane.out.rooms, 1);
    EXPECT_EQ(lane.sender.counted().queue_bytes, 0u);
}

TEST(LaneSender, LifeIsCountedInTheQueueToo) {
    lane_pair lane;
    lane.connect();
    lane.append(zero, "opens the frame");
    lane.now += 2s;
    publication what = make_message(zero, "p");
    what.header.expires = lane.now + 10s;
    lane.sender.append(what, to_subscribers, 0, lane.now, lane.out);
    lane.now += 3s;
    lane.pass_frames();
    EXPECT_EQ(lane.last_expires, what.header.expires);
}

TEST(LaneSender, MemoryOfFramesIsUsedAgain) {
    lane_pair lane;
    lane.connect();
    lane.append(zero, std::string(10'000, 'x'));
    auto frame = lane.sender.take_frame(lane.now, lane.out);
    const char* memory = frame->bytes.data();
    lane.sender.give_back(std::move(frame->bytes));
    lane.append(zero, "again");
    EXPECT_EQ(lane.sender.take_frame(lane.now, lane.out)->bytes.data(), memory);
}

// --- answers

TEST(LaneSender, EachWaiterIsAnsweredOnceWithTheReason) {
    lane_pair lane;
    lane.connect();
    lane.append(one, "1", 11);
    lane.append(two, "2", 12);
    lane.append(one, "3"); // nobody waits
    lane.pass_frames();
    lane.receiver.answer(2, 16);
    lane.pass_reply();
    EXPECT_EQ(lane.out.answers, (answers{{12, 16}}));
    EXPECT_EQ(lane.sender.hello().oldest, 1u);
    lane.receiver.answer(1, 0);
    lane.receiver.answer(3, 0);
    lane.pass_reply();
    EXPECT_EQ(lane.out.answers, (answers{{12, 16}, {11, 0}}));
    EXPECT_EQ(lane.sender.hello().oldest, 4u);
    EXPECT_TRUE(lane.sender.is_idle());
    EXPECT_EQ(lane.sender.counted().queue_bytes, 0u);
}

TEST(LaneSender, AnAnswerThatComesAgainIsNotGivenAgain) {
    lane_pair lane;
    lane.connect();
    lane.append(one, "1", 11);
    lane.append(one, "2", 12);
    lane.pass_frames();
    lane.receiver.answer(2, 0);
    const auto reply = lane.receiver.take_reply();
    ASSERT_TRUE(lane.sender.on_reply(*reply, lane.now, lane.out));
    ASSERT_TRUE(lane.sender.on_reply({.taken = reply->taken}, lane.now, lane.out));
    EXPECT_EQ(lane.out.answers.size(), 1u);
    EXPECT_EQ(lane.sender.counted().taken, 1u);
}

struct wrong_reply {
    const char* what;
    lane_reply reply;
    lane_fault fault;
};

std::string taken(std::vector<taken_run> runs) {
    std::string made;
    encode_taken(runs, 1'000, made);
    return made;
}

TEST(LaneSenderFaults, NothingOfAReplyAtFaultIsApplied) {
    const wrong_reply table[] = {
        {"too large",
         {.taken = std::string(lane_reply_bytes_max + 1, 'x')},
         lane_fault::reply_malformed},
        {"cut short", {.taken = taken({{1, 1, 0}}) + "x"}, lane_fault::reply_malformed},
        {"a number that was not sent",
         {.taken = taken({{1, 1, 0}, {2, 2, 0}})},
         lane_fault::never_sent},
        {"a run beyond what was sent",
         {.taken = taken({{1, 1u << 27, 0}})},
         lane_fault::never_sent},
        {"credit over the limit",
         {.taken = taken({{1, 1, 0}}), .credit_bytes = lane_credit_bytes_max},
         lane_fault::credit_invalid},
        {"credit that would wrap",
         {.taken = taken({{1, 1, 0}}), .credit_bytes = ~0ull},
         lane_fault::credit_invalid},
    };
    for (const wrong_reply& each : table) {
        lane_pair lane;
        lane.connect();
        lane.append(one, "1", 11);
        lane.append(one, "2", 12);
        lane.pass_frames();
        lane.append(one, "not sent", 13);
        const auto before = lane.sender.counted().credit_bytes;
        const auto fault = lane.sender.on_reply(each.reply, lane.now, lane.out);
        ASSERT_FALSE(fault.has_value()) << each.what;
        EXPECT_EQ(fault.error(), each.fault) << each.what;
        EXPECT_TRUE(lane.out.answers.empty()) << each.what;
        EXPECT_EQ(lane.sender.counted().credit_bytes, before) << each.what;
        EXPECT_EQ(lane.sender.counted().faults, 1u) << each.what;
    }
}

TEST(LaneSenderFaults, AReplyNeedsALink) {
    lane_pair lane;
    EXPECT_EQ(lane.sender.on_reply({}, lane.now, lane.out).error(), lane_fault::unexpected);
}

TEST(LaneSenderFaults, AWelcomeMustNotContradict) {
    lane_pair lane;
    lane.connect();
    lane.append(one, "1");
    lane.append(one, "2");
    lane.pass_frames();
    lane.receiver.answer(1, 0);
    lane.pass_reply();
    lane.disconnect();
    for (const lane_seq expected : {0u, 1u, 4u}) {
        const auto fault =
            lane.sender.on_connected({boot_id{1}, expected, 100}, lane.now, lane.out);
        EXPECT_EQ(fault.error(), lane_fault::numbers_invalid) << expected;
    }
    const auto fault = lane.sender.on_connected({boot_id{1}, 3, ~0ull}, lane.now, lane.out);
    EXPECT_EQ(fault.error(), lane_fault::credit_invalid);
    EXPECT_FALSE(lane.sender.has_frame());
    EXPECT_TRUE(lane.sender.on_connected({boot_id{1}, 3, 100}, lane.now, lane.out));
}

// --- breaks

TEST(LaneSenderBreak, SendsAgainWhatTheReceiverHasNotHadBeforeAnythingNewer) {
    lane_pair lane;
    lane.connect();
    lane.append(one, "1");
    lane.pass_frames();
    lane.append(one, "2");
    lane.append(zero, "lost");
    lane.append(one, "3");
    static_cast<void>(lane.sender.take_frame(lane.now, lane.out)); // lost with the link
    lane.append(one, "4");
    lane.disconnect();
    lane.append(one, "5");
    lane.connect();
    lane.append(one, "6");
    lane.pass_frames();
    EXPECT_EQ(lane.text(), "1 2 3 4 5 6");
    EXPECT_EQ(lane.sender.counted().resent, 2u);
}

TEST(LaneSenderBreak, TowardsAnotherLifeOfThePeerAllIsSentAgainAndFlagged) {
    lane_pair lane;
    lane.connect();
    for (const char* each : {"1", "2", "3", "4"}) {
        lane.append(one, each);
    }
    lane.pass_frames();
    lane.receiver.answer(2, 0);
    lane.receiver.answer(4, 0);
    lane.pass_reply();
    lane.disconnect();
    lane.append(one, "5");
    lane.receiver = lane_receiver(lane_of_seven, boot_id{2}, {});
    lane.all.clear();
    lane.connect();
    lane.pass_frames();
    EXPECT_EQ(lane.text(), "1! 3! 5") << "what was taken is not sent again";
    EXPECT_EQ(lane.all.back().seq, 5u);
}

TEST(LaneSenderBreak, ALargeMessageBeginsAnew) {
    lane_pair lane;
    lane.connect();
    const std::string large(1u << 20, 'L');
    lane.append(one, "1");
    lane.append(one, large);
    lane.append(one, "3");
    for (int i = 0; i < 3; ++i) {
        lane.arrive(*lane.sender.take_frame(lane.now, lane.out));
    }
    lane.disconnect();
    lane.connect();
    lane.pass_frames();
    EXPECT_EQ(lane.text(), "1 " + large + " 3");
}

TEST(LaneSenderBreak, QosZeroIsDroppedWithoutALink) {
    lane_pair lane;
    lane.append(zero, "never");
    lane.connect();
    lane.append(zero, "queued");
    lane.append(one, "1");
    lane.append(zero, std::string(1u << 20, 'x'));
    lane.disconnect();
    lane.append(zero, "never");
    EXPECT_EQ(lane.sender.counted().dropped_disconnected, 4u);
    lane.connect();
    lane.pass_frames();
    EXPECT_EQ(lane.text(), "1");
}

// --- back-pressure

TEST(LaneSenderFull, WithoutCreditNothingIsSent) {
    lane_pair lane({.frame_bytes_max = 300, .spools = false}, {.credit_bytes = 300});
    lane.connect();
    for (int i = 0; i < 20; ++i) {
        lane.append(one, std::to_string(i));
    }
    const auto first = lane.sender.take_frame(lane.now, lane.out);
    ASSERT_TRUE(first);
    EXPECT_FALSE(lane.sender.take_frame(lane.now, lane.out));
    lane.arrive(*first);
    lane.pass_reply();
    EXPECT_TRUE(lane.sender.take_frame(lane.now, lane.out));
}

TEST(LaneSenderFull, TheOldestOfQosZeroAreDroppedAndCounted) {
    lane_pair lane({.frame_bytes_max = 300, .queue_bytes_max = 1'000, .spools = false},
                   {.credit_bytes = 300});
    lane.connect();
    for (int i = 0; i < 100; ++i) {
        lane.append(i % 10 == 0 ? one : zero, std::to_string(i));
    }
    const lane_sender_counts counts = lane.sender.counted();
    EXPECT_GT(counts.dropped_full, 50u);
    EXPECT_LE(counts.queue_bytes, 1'000u);
    lane.pass_all();
    EXPECT_EQ(lane.all.size(), 100 - counts.dropped_full);
    EXPECT_EQ(lane.all.front().payload, "0");
    EXPECT_EQ(lane.all[1].payload, "10") << "what was between is gone";
    EXPECT_EQ(lane.all.back().payload, "99");
}

TEST(LaneSenderFull, QosOneIsAcceptedAndTheOwnerTold) {
    lane_pair lane({.queue_bytes_max = 1'000, .spools = false});
    lane.connect();
    for (int i = 0; i < 30; ++i) {
        lane.append(one, "a message");
        EXPECT_EQ(lane.sender.is_full(), lane.sender.counted().queue_bytes > 1'000);
        static_cast<void>(lane.pass_frames());
    }
    EXPECT_TRUE(lane.sender.is_full());
    EXPECT_EQ(lane.all.size(), 30u);
    for (lane_seq each = 1; each <= 10; ++each) {
        lane.receiver.answer(each, 0);
    }
    lane.pass_reply();
    EXPECT_TRUE(lane.sender.is_full()) << "not yet at half";
    for (lane_seq each = 11; each <= 20; ++each) {
        lane.receiver.answer(each, 0);
    }
    lane.pass_reply();
    EXPECT_FALSE(lane.sender.is_full());
    EXPECT_EQ(lane.out.rooms, 1);
}

TEST(LaneSenderFull, NoMoreNumbersAreSentThanMayBeUnanswered) {
    lane_pair lane({.queue_bytes_max = 1u << 30, .spools = false},
                   {.credit_bytes = lane_credit_bytes_max});
    lane.connect();
    for (std::size_t i = 0; i < lane_unanswered_max + 100'000; ++i) {
        lane.append(one, "");
    }
    lane.pass_all();
    EXPECT_LE(lane.all.size(), lane_unanswered_max);
    EXPECT_GT(lane.all.size(), lane_unanswered_max - 20'000);
    for (const given& each : lane.all) {
        lane.receiver.answer(each.seq, 0);
    }
    const std::size_t before = lane.all.size();
    lane.pass_all();
    EXPECT_EQ(lane.all.size(), lane_unanswered_max + 100'000);
    EXPECT_GT(lane.all.size(), before);
}

// --- the end

TEST(LaneSender, AbandonedItAnswersAllAndGoesOnWithItsNumbers) {
    lane_pair lane;
    lane.connect();
    lane.append(one, "1", 11);
    lane.pass_frames();
    lane.append(one, "2", 12);
    lane.append(zero, "3");
    lane.sender.abandon(0x88, lane.out);
    EXPECT_EQ(lane.out.answers, (answers{{11, 0x88}, {12, 0x88}}));
    EXPECT_TRUE(lane.sender.is_idle());
    EXPECT_EQ(lane.sender.hello().oldest, 3u);
    lane.all.clear();
    lane.receiver = lane_receiver(lane_of_seven, boot_id{2}, {});
    lane.connect();
    lane.append(one, "new");
    lane.pass_frames();
    EXPECT_EQ(lane.text(), "new");
}

} // namespace
} // namespace gv::cluster::testing
