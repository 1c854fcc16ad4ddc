// SPDX-License-Identifier: Apache-2.0
#include "tests/cluster/lane_script.hpp"

#include <algorithm>

namespace gv::cluster::testing {
namespace {

using answers = std::vector<std::pair<lane_waiter, lane_reason>>;
using waiters = std::vector<lane_waiter>;
using returns = std::vector<std::pair<lane_waiter, lane_return>>;

constexpr qos zero = qos::at_most_once;
constexpr qos one = qos::at_least_once;
constexpr lane_sender_options with_spool{};
constexpr forward_flags to_group{.group = "g", .filter = "#"};

/// Whoever made the deadline is told of it.
void wait(lane_pair& lane, duration span) {
    lane.now += span;
    if (lane.sender.next_deadline() <= lane.now) {
        lane.sender.on_deadline(lane.now, lane.out);
    }
}

TEST(LaneSpool, WithoutALinkItTakesWhatIsCounted) {
    lane_pair lane(with_spool);
    EXPECT_EQ(lane.sender.state(), lane_state::spooling);
    lane.append(one, "1", 11);
    lane.append(zero, "dropped");
    EXPECT_EQ(lane.out.put_for, (waiters{11}));
    EXPECT_EQ(lane.sender.counted().queue_bytes, 0u);
    EXPECT_EQ(lane.sender.counted().spool_rows, 1u);
    EXPECT_EQ(lane.sender.counted().spool_bytes, lane.out.rows.at(1).size());
}

TEST(LaneSpool, IsDrainedInOrderAndErasedWhenTaken) {
    lane_pair lane(with_spool);
    lane.append(one, "1", 11);
    lane.append(one, "2", 12);
    lane.connect();
    EXPECT_EQ(lane.sender.state(), lane_state::draining);
    EXPECT_EQ(lane.out.reads, (std::vector<lane_seq>{1}));
    lane.append(one, "3", 13);
    lane.answer_read();
    lane.pass_frames();
    EXPECT_EQ(lane.sender.state(), lane_state::live);
    lane.append(one, "4", 14);
    lane.pass_frames();
    EXPECT_EQ(lane.text(), "1 2 3 4");
    EXPECT_EQ(lane.out.rows.size(), 3u) << "not the last: it was live";
    for (lane_seq each = 1; each <= 4; ++each) {
        lane.receiver.answer(each, 0);
    }
    lane.pass_reply();
    EXPECT_TRUE(lane.out.rows.empty());
    EXPECT_EQ(lane.out.answers, (answers{{14, 0}})) << "the owner answers the others";
    EXPECT_EQ(lane.sender.counted().spool_bytes, 0u);
    EXPECT_TRUE(lane.sender.is_idle());
}

TEST(LaneSpool, AnEmptyOneIsNotRead) {
    lane_pair lane(with_spool);
    lane.connect();
    EXPECT_EQ(lane.sender.state(), lane_state::live);
    EXPECT_TRUE(lane.out.reads.empty());
}

TEST(LaneSpool, TakesOverWhatWasInMemoryWhenTheLinkBreaks) {
    lane_pair lane(with_spool);
    lane.connect();
    for (lane_waiter each = 1; each <= 3; ++each) {
        lane.append(one, std::to_string(each), each);
    }
    lane.pass_frames();
    lane.receiver.answer(2, 0);
    lane.pass_reply();
    lane.append(one, "4", 4);
    lane.disconnect();
    EXPECT_EQ(lane.out.put_for, (waiters{1, 3, 4}));
    EXPECT_EQ(lane.sender.counted().queue_bytes, 0u);
    lane.connect();
    EXPECT_EQ(lane.out.reads, (std::vector<lane_seq>{4})) << "the peer has the others";
    lane.answer_read();
    lane.pass_frames();
    EXPECT_EQ(lane.text(), "1 2 3 4");
    for (const lane_seq each : {1u, 3u, 4u}) {
        lane.receiver.answer(each, 0);
    }
    lane.pass_reply();
    EXPECT_TRUE(lane.out.rows.empty());
    EXPECT_EQ(lane.out.answers, (answers{{2, 0}}));
}

TEST(LaneSpool, AnotherLifeOfThePeerGetsAllThatIsNotTaken) {
    lane_pair lane(with_spool);
    lane.connect();
    for (const char* each : {"1", "2", "3"}) {
        lane.append(one, each);
    }
    lane.pass_frames();
    lane.receiver.answer(2, 0);
    lane.pass_reply();
    lane.disconnect();
    lane.append(one, "4");
    lane.receiver = lane_receiver(lane_of_seven, boot_id{2}, {});
    lane.all.clear();
    lane.connect();
    lane.answer_read();
    lane.pass_frames();
    EXPECT_EQ(lane.text(), "1! 3! 4");
}

TEST(LaneSpool, OfWhatWasMeantForAnEarlierLifeOnlyKeptSessionsGetIt) {
    lane_pair lane(with_spool);
    lane.append(one, "volatile", 1);
    lane.append(one, "both", 2, {.for_subscribers = true, .for_kept = true});
    lane.append(one, "retained", 3, {.for_subscribers = true, .for_retained = true});
    lane.connect();
    lane.answer_read(true);
    lane.pass_frames();
    EXPECT_EQ(lane.text(), "both retained");
    EXPECT_EQ(lane.all[0].flags, forward_flags{.for_kept = true});
    EXPECT_EQ(lane.all[1].flags, forward_flags{.for_retained = true});
    EXPECT_FALSE(lane.out.rows.contains(1)) << "nobody is left who wants it";
    lane.receiver.answer(2, 0);
    lane.receiver.answer(3, 0);
    lane.pass_reply();
    EXPECT_TRUE(lane.out.rows.empty());
    EXPECT_EQ(lane.sender.counted().spool_bytes, 0u);
    EXPECT_TRUE(lane.sender.is_idle());
}

TEST(LaneSpool, InMemoryADeadPeerOwesNothingToVolatileSubscribers) {
    lane_pair lane;
    lane.connect();
    lane.append(one, "volatile", 1);
    lane.pass_frames();
    lane.append(one, "both", 2, {.for_subscribers = true, .for_kept = true});
    lane.sender.give_up_volatile(lane.out);
    EXPECT_EQ(lane.out.answers, (answers{{1, 0}}));
    lane.disconnect();
    lane.append(one, "kept", 3, {.for_kept = true});
    lane.receiver = lane_receiver(lane_of_seven, boot_id{2}, {});
    lane.all.clear();
    lane.connect();
    lane.pass_frames();
    EXPECT_EQ(lane.text(), "volatile! both kept");
    for (const given& each : lane.all) {
        EXPECT_EQ(each.flags, forward_flags{.for_kept = true}) << each.payload;
        lane.receiver.answer(each.seq, 0);
    }
    lane.pass_reply();
    EXPECT_EQ(lane.out.answers, (answers{{1, 0}, {2, 0}, {3, 0}}));
}

// --- messages for groups

TEST(LaneSpool, WhatIsForAGroupAndWasNotSentIsGivenBackWhatWasSentIsAwaited) {
    lane_pair lane(with_spool);
    lane.connect();
    lane.append(one, "sent", 1, to_group);
    lane.pass_frames();
    lane.append(one, "unsent", 2, to_group);
    lane.append(one, "plain", 3);
    lane.append(one, "unsent, too", 4, to_group);
    wait(lane, 100ms);
    EXPECT_EQ(lane.sender.state(), lane_state::spooling);
    EXPECT_EQ(lane.out.put_for, (waiters{3}));
    EXPECT_EQ(lane.out.returned, (returns{{2, lane_return::unsent}, {4, lane_return::unsent}}));
    lane.receiver.answer(1, 0);
    lane.pass_reply();
    EXPECT_EQ(lane.out.answers, (answers{{1, 0}}));
    lane.answer_read();
    lane.pass_frames();
    EXPECT_EQ(lane.text(), "sent plain");
    lane.answer_read();
    EXPECT_EQ(lane.sender.state(), lane_state::live);
    lane.append(one, "next", 5, to_group);
    lane.pass_frames();
    EXPECT_EQ(lane.text(), "sent plain next");
    lane.receiver.answer(3, 0);
    lane.receiver.answer(5, lane_no_member);
    lane.pass_reply();
    EXPECT_EQ(lane.out.answers, (answers{{1, 0}, {5, lane_no_member}}));
    EXPECT_TRUE(lane.out.rows.empty());
    EXPECT_TRUE(lane.sender.is_idle());
}

TEST(LaneSpool, TheWelcomeTellsWhichOfThoseForGroupsDidNotArrive) {
    lane_pair lane(with_spool);
    lane.connect();
    lane.append(one, "1", 1, to_group);
    lane.pass_frames();
    lane.append(one, "2", 2, to_group);
    EXPECT_TRUE(lane.sender.take_frame(lane.now, lane.out)) << "which is lost";
    lane.append(one, "3", 3, to_group);
    lane.disconnect();
    EXPECT_EQ(lane.out.returned, (returns{{3, lane_return::unsent}}));
    lane.connect();
    EXPECT_EQ(lane.out.returned, (returns{{3, lane_return::unsent}, {2, lane_return::unsent}}));
    EXPECT_TRUE(lane.out.put_for.empty());
    lane.answer_read();
    EXPECT_EQ(lane.sender.state(), lane_state::live);
    lane.pass_frames();
    lane.receiver.answer(1, 0);
    lane.pass_reply();
    EXPECT_EQ(lane.text(), "1");
    EXPECT_EQ(lane.out.answers, (answers{{1, 0}}));
    EXPECT_TRUE(lane.sender.is_idle());
}

TEST(LaneSpool, AHalfSentMessageForAGroupIsSentToItsEndOrGivenBack) {
    for (const bool breaks : {false, true}) {
        lane_pair lane({.frame_bytes_max = 256});
        lane.connect();
        const std::string large(500, 'x');
        lane.append(one, large, 1, to_group);
        const auto begin = lane.sender.take_frame(lane.now, lane.out);
        ASSERT_TRUE(begin);
        lane.arrive(*begin);
        lane.sender.set_suspected(true, lane.now, lane.out);
        EXPECT_TRUE(lane.out.returned.empty());
        if (breaks) {
            lane.disconnect();
            EXPECT_EQ(lane.out.returned, (returns{{1, lane_return::unsent}}));
        } else {
            lane.pass_frames();
            EXPECT_EQ(lane.text(), large);
            lane.receiver.answer(1, 0);
            lane.pass_reply();
            EXPECT_EQ(lane.out.answers, (answers{{1, 0}}));
        }
        EXPECT_TRUE(lane.sender.is_idle());
        EXPECT_TRUE(lane.out.rows.empty());
    }
}

TEST(LaneSpool, OfADeadPeerAllThatIsForGroupsIsGivenBackAndNotSentLater) {
    for (const lane_sender_options& options : {with_spool, in_memory}) {
        lane_pair lane(options);
        lane.connect();
        lane.append(one, "sent", 1, to_group);
        lane.pass_frames();
        lane.append(one, "unsent", 2, to_group);
        lane.sender.set_suspected(true, lane.now, lane.out);
        lane.sender.give_up_volatile(lane.out);
        const returns in_both{{2, options.spools ? lane_return::unsent : lane_return::unanswered},
                              {1, lane_return::unanswered}};
        EXPECT_TRUE(std::ranges::is_permutation(lane.out.returned, in_both));
        lane.disconnect();
        lane.all.clear();
        lane.sender.set_suspected(false, lane.now, lane.out);
        lane.connect(); // the same life: it was cut off, no more
        if (options.spools) {
            lane.answer_read();
        }
        EXPECT_EQ(lane.sender.state(), lane_state::live);
        lane.append(one, "next", 3, to_group);
        lane.pass_frames();
        EXPECT_EQ(lane.text(), "next");
        lane.receiver.answer(1, 0);
        lane.receiver.answer(3, 0);
        lane.pass_reply();
        EXPECT_EQ(lane.out.answers, (answers{{3, 0}})) << "nobody waits for the first any more";
        EXPECT_TRUE(lane.sender.is_idle());
    }
}

TEST(LaneSpool, AnotherLifeDoesNotSayWhatItTookForGroups) {
    lane_pair lane(with_spool);
    lane.connect();
    lane.append(one, "1", 1, to_group);
    lane.pass_frames();
    lane.disconnect();
    EXPECT_TRUE(lane.out.returned.empty());
    lane.receiver = lane_receiver(lane_of_seven, boot_id{2}, {});
    lane.connect();
    EXPECT_EQ(lane.out.returned, (returns{{1, lane_return::unanswered}}));
    EXPECT_TRUE(lane.sender.is_idle());
}

TEST(LaneSpool, WhatIsPutThereForAGroupIsForAnyLife) {
    lane_pair lane(with_spool);
    lane.append(one, "1", 1, to_group);
    EXPECT_EQ(lane.out.put_for, (waiters{1}));
    lane.connect();
    lane.answer_read(true);
    lane.pass_frames();
    ASSERT_EQ(lane.text(), "1");
    EXPECT_TRUE(lane.all[0].flags.is_for_group());
    lane.receiver.answer(1, 0);
    lane.pass_reply();
    EXPECT_TRUE(lane.out.rows.empty());
    EXPECT_TRUE(lane.out.returned.empty());
}

TEST(LaneSpool, WhatAForgottenPeerHadForGroupsIsGivenBack) {
    lane_pair lane(with_spool);
    lane.connect();
    lane.append(one, "group", 1, to_group);
    lane.append(one, "plain", 2);
    lane.sender.abandon(7, lane.out);
    EXPECT_EQ(lane.out.returned, (returns{{1, lane_return::unanswered}}));
    EXPECT_EQ(lane.out.answers, (answers{{2, 7}}));
}

TEST(LaneSpool, IsEnteredWhenAMessageIsNotTakenInTime) {
    lane_pair lane(with_spool);
    lane.connect();
    lane.append(one, "1", 11);
    lane.pass_frames();
    EXPECT_EQ(lane.sender.next_deadline(), lane.now + 100ms);
    wait(lane, 99ms);
    EXPECT_EQ(lane.sender.state(), lane_state::live);
    wait(lane, 1ms);
    EXPECT_EQ(lane.sender.state(), lane_state::spooling);
    EXPECT_EQ(lane.out.put_for, (waiters{11}));
    EXPECT_EQ(lane.pass_frames(), 0u) << "it is on its way already";
    lane.append(one, "2", 12);
    lane.receiver.answer(1, 0);
    lane.pass_reply();
    EXPECT_EQ(lane.out.rows.size(), 1u);
    EXPECT_EQ(lane.sender.state(), lane_state::draining) << "all that was late is answered";
    lane.answer_read();
    lane.pass_frames();
    EXPECT_EQ(lane.text(), "1 2");
    EXPECT_TRUE(lane.out.answers.empty());
}

TEST(LaneSpool, IsDrainedAfterAWhileEvenIfOneIsNeverAnswered) {
    lane_pair lane(with_spool);
    lane.connect();
    lane.append(one, "1");
    lane.pass_frames();
    wait(lane, 100ms);
    lane.append(one, "2");
    EXPECT_EQ(lane.sender.next_deadline(), lane.now + 1s);
    wait(lane, 1s);
    EXPECT_EQ(lane.sender.state(), lane_state::draining);
    lane.answer_read();
    lane.pass_frames();
    EXPECT_EQ(lane.text(), "1 2");
    EXPECT_EQ(lane.sender.state(), lane_state::draining) << "until the peer is in time again";
    lane.receiver.answer(1, 0);
    lane.receiver.answer(2, 0);
    lane.pass_reply();
    EXPECT_EQ(lane.sender.state(), lane_state::live);
}

TEST(LaneSpool, IsEnteredWhenCreditLacksForLong) {
    lane_pair lane({.frame_bytes_max = 300, .taken_within = 1h}, {.credit_bytes = 300});
    lane.connect();
    for (int i = 0; i < 15; ++i) {
        lane.append(one, std::to_string(i));
    }
    const auto frame = lane.sender.take_frame(lane.now, lane.out);
    EXPECT_FALSE(lane.sender.take_frame(lane.now, lane.out));
    EXPECT_EQ(lane.sender.next_deadline(), lane.now + 1s);
    wait(lane, 1s);
    EXPECT_EQ(lane.sender.state(), lane_state::spooling);
    EXPECT_EQ(lane.out.rows.size(), 15u) << "what is on its way, too";
    lane.arrive(*frame);
    const std::size_t first = lane.all.size();
    for (lane_seq each = 1; each <= first; ++each) {
        lane.receiver.answer(each, 0);
    }
    lane.pass_reply();
    while (lane.sender.state() != lane_state::live) {
        lane.answer_read();
        lane.pass_all();
    }
    EXPECT_EQ(lane.all.size(), 15u);
}

TEST(LaneSpool, IsEnteredWhileThePeerIsSuspected) {
    lane_pair lane(with_spool);
    lane.connect();
    lane.append(one, "1", 11);
    lane.sender.set_suspected(true, lane.now, lane.out);
    EXPECT_EQ(lane.out.put_for, (waiters{11}));
    lane.append(zero, "still sent");
    lane.pass_frames();
    EXPECT_EQ(lane.text(), "still sent");
    lane.sender.set_suspected(false, lane.now, lane.out);
    lane.answer_read();
    lane.pass_frames();
    EXPECT_EQ(lane.text(), "still sent 1");
}

TEST(LaneSpool, AMessageHalfSentIsSentToItsEnd) {
    lane_pair lane(with_spool);
    lane.connect();
    const std::string large(1u << 20, 'L');
    lane.append(one, large, 11);
    lane.append(one, "2", 12);
    lane.arrive(*lane.sender.take_frame(lane.now, lane.out));
    lane.sender.set_suspected(true, lane.now, lane.out);
    EXPECT_EQ(lane.out.put_for, (waiters{11, 12}));
    lane.pass_frames();
    EXPECT_EQ(lane.text(), large);
    lane.sender.set_suspected(false, lane.now + 2s, lane.out);
    EXPECT_EQ(lane.out.reads, (std::vector<lane_seq>{2}));
    lane.answer_read();
    lane.pass_frames();
    EXPECT_EQ(lane.text(), large + " 2");
}

TEST(LaneSpool, RowsReadForALinkThatBrokeAreReadAgain) {
    lane_pair lane(with_spool);
    lane.append(one, "1");
    lane.connect();
    lane.disconnect();
    lane.connect();
    EXPECT_EQ(lane.out.reads.size(), 1u) << "one at a time";
    lane.answer_read();
    EXPECT_EQ(lane.out.reads.size(), 1u);
    lane.answer_read();
    lane.pass_frames();
    EXPECT_EQ(lane.text(), "1");
}

TEST(LaneSpool, OverItsCapTheLaneIsFull) {
    lane_pair lane({.spool_bytes_max = 100});
    lane.append(one, std::string(60, 'x'));
    EXPECT_FALSE(lane.sender.is_full());
    lane.append(one, std::string(60, 'x'));
    EXPECT_TRUE(lane.sender.is_full());
    EXPECT_EQ(lane.out.rows.size(), 2u) << "accepted nevertheless";
    lane.connect();
    lane.answer_read();
    lane.pass_frames();
    lane.receiver.answer(1, 0);
    lane.pass_reply();
    EXPECT_EQ(lane.out.rooms, 0) << "83 bytes are more than half";
    lane.receiver.answer(2, 0);
    lane.pass_reply();
    EXPECT_EQ(lane.out.rooms, 1);
}

TEST(LaneSpool, LifeIsCountedOnDiskToo) {
    lane_pair lane(with_spool);
    publication what = make_message(one, "p");
    what.header.expires = lane.now + 60s;
    lane.sender.append(what, to_subscribers, 0, lane.now, lane.out);
    lane.now += 20s;
    lane.connect();
    const std::vector<lane_spool_row> rows{{.seq = 1, .bytes = lane.out.rows.at(1), .age = 20s}};
    lane.sender.on_spool_rows(rows, lane.now, lane.out);
    lane.now += 5s;
    lane.pass_frames();
    EXPECT_EQ(lane.last_expires, what.header.expires);
}

TEST(LaneSpool, LifeIsCountedFromThePutOnForWhatWasInMemory) {
    lane_pair lane(with_spool);
    lane.connect();
    publication what = make_message(one, "p");
    what.header.expires = lane.now + 60s;
    lane.sender.append(what, to_subscribers, 0, lane.now, lane.out);
    lane.now += 10s;
    lane.sender.set_suspected(true, lane.now, lane.out);
    publication seen;
    forward_flags flags;
    ASSERT_FALSE(
        decode_message(lane.out.rows.at(1), {lane_of_seven.origin, lane.now}, seen, flags));
    EXPECT_EQ(seen.header.expires, what.header.expires);
}

// --- what a former life left

TEST(LaneSpoolLeft, IsSentFlaggedUnderItsNumbers) {
    lane_pair before(with_spool);
    for (const char* each : {"1", "2", "3"}) {
        before.append(one, each);
    }
    before.out.rows.erase(2); // taken
    lane_pair lane(with_spool);
    lane.out.rows = before.out.rows;
    lane.sender =
        lane_sender(lane_of_seven, with_spool, {.first = 1, .last = 3, .rows = 2, .bytes = 100});
    lane.append(one, "4");
    lane.connect();
    lane.answer_read();
    lane.pass_frames();
    EXPECT_EQ(lane.text(), "1! 3! 4");
    EXPECT_EQ(lane.all[1].seq, 3u);
    for (const given& each : lane.all) {
        lane.receiver.answer(each.seq, 0);
    }
    lane.pass_reply();
    EXPECT_TRUE(lane.out.rows.empty());
    EXPECT_TRUE(lane.sender.is_idle());
}

TEST(LaneSpoolLeft, NumbersFarApartNeedNoMemoryBetween) {
    lane_pair lane(with_spool);
    lane.append(one, "near");
    const std::string row = lane.out.rows.at(1);
    const lane_seq far = lane_seq{1} << 40;
    lane.out.rows = {{1, row}, {2, row}, {far, row}, {far + 70'000, row}};
    lane.sender =
        lane_sender(lane_of_seven, with_spool,
                    {.first = 1, .last = far + 70'000, .rows = 4, .bytes = 4 * row.size()});
    lane.connect();
    std::size_t answered = 0;
    for (int round = 0; round < 10 && !lane.sender.is_idle(); ++round) {
        while (!lane.out.reads.empty()) {
            lane.answer_read();
            lane.pass_frames();
        }
        for (; answered < lane.all.size(); ++answered) {
            lane.receiver.answer(lane.all[answered].seq, 0);
        }
        lane.pass_all();
    }
    EXPECT_TRUE(lane.sender.is_idle());
    EXPECT_EQ(lane.all.size(), 4u);
    EXPECT_EQ(lane.all.back().seq, far + 70'000);
    EXPECT_EQ(lane.sender.state(), lane_state::live);
}

TEST(LaneSpoolLeft, ARowThatCannotBeReadIsErasedAndCounted) {
    lane_pair lane(with_spool);
    lane.append(one, "1");
    lane.append(one, "2");
    lane.out.rows.at(1) = "not a message";
    lane.sender =
        lane_sender(lane_of_seven, with_spool,
                    {.first = 1, .last = 2, .rows = 2, .bytes = 13 + lane.out.rows.at(2).size()});
    lane.connect();
    lane.answer_read();
    lane.pass_frames();
    EXPECT_EQ(lane.text(), "2!");
    EXPECT_EQ(lane.sender.counted().rows_unreadable, 1u);
    EXPECT_FALSE(lane.out.rows.contains(1));
    lane.receiver.answer(2, 0);
    lane.pass_reply();
    EXPECT_TRUE(lane.sender.is_idle());
    EXPECT_EQ(lane.sender.counted().spool_bytes, 0u);
}

TEST(LaneSpool, AbandonedItIsErased) {
    lane_pair lane(with_spool);
    lane.append(one, "1", 11);
    lane.connect();
    lane.sender.abandon(0x88, lane.out);
    EXPECT_TRUE(lane.out.rows.empty());
    EXPECT_TRUE(lane.out.answers.empty()) << "the owner answers, since the row was put";
    lane.answer_read(); // of before
    EXPECT_TRUE(lane.sender.is_idle());
    lane.append(one, "2", 12);
    EXPECT_EQ(lane.out.rows.size(), 1u);
}

} // namespace
} // namespace gv::cluster::testing
