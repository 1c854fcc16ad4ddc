// SPDX-License-Identifier: Apache-2.0
#include "broker/session/outbound.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace gv::session {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const time_point start{1000s};

struct recording_sink : outbound_sink {
    void transmit(const publication& what, const delivery& how) override {
        sent.push_back(std::string(what.payload) + (how.dup ? " again" : ""));
        ids.push_back(how.id.value);
    }
    void transmit_pubrel(packet_id id) override {
        sent.push_back("PUBREL");
        ids.push_back(id.value);
    }
    [[nodiscard]] bool has_room() const override { return room > sent.size(); }
    void dropped(drop_reason reason) override { drops.push_back(reason); }
    void group_settled(group_origin) override { ++settled; }

    std::vector<std::string> sent;
    std::vector<std::uint16_t> ids;
    std::vector<drop_reason> drops;
    std::size_t settled = 0;
    std::size_t room = 1'000'000;
};

struct OutboundTest : testing::Test {
    /// As one of whose topic only the newest is to wait.
    void give_newest(std::string_view payload, std::uint64_t topic = 7) {
        publication what;
        what.topic = "t";
        what.payload = payload;
        what.header.quality = qos::at_least_once;
        out.deliver(what, {.quality = qos::at_least_once, .topic = topic},
                    outbound::queueing::limited, start, sink);
    }
    bool give(std::string_view payload, qos quality = qos::at_least_once,
              time_point expires = never) {
        publication what;
        what.topic = "t";
        what.payload = payload;
        what.header.quality = quality;
        what.header.expires = expires;
        return out.deliver(what, {.quality = quality}, outbound::queueing::limited, start, sink);
    }
    void reconnect(std::uint16_t receive_maximum) {
        sink.sent.clear();
        sink.ids.clear();
        out.detach(sink);
        out.attach(receive_maximum);
        out.pump(start, sink);
    }

    outbound_limits limits;
    queue_account total;
    recording_sink sink;
    outbound out{limits, total, outbound::keeps::messages};
};

TEST_F(OutboundTest, SendsAsManyAsTheWindowAllows) {
    out.attach(2);
    give("a");
    give("b");
    give("c");
    EXPECT_THAT(sink.sent, ElementsAre("a", "b"));
    EXPECT_EQ(out.on_puback(packet_id{sink.ids[0]}, sink, start), outbound::ack::done);
    EXPECT_THAT(sink.sent, ElementsAre("a", "b", "c"));
    EXPECT_EQ(out.in_flight(), 2U);
}

TEST_F(OutboundTest, ANewerMessageTakesTheOlderOnesPlaceThoughItIsLonger) {
    limits.queue_bytes_max = 200;
    give_newest("9");
    const std::size_t before = out.queued_bytes();
    limits.queue_bytes_max = before;
    give_newest("10");
    give("other");
    EXPECT_EQ(out.queued(), 1U);
    EXPECT_THAT(sink.drops, ElementsAre(drop_reason::superseded, drop_reason::queue_full));
    out.attach(1);
    out.pump(start, sink);
    EXPECT_THAT(sink.sent, ElementsAre("10"));
}

TEST_F(OutboundTest, QosTwoGivesItsPlaceBackOnlyWithPubcomp) {
    out.attach(1);
    give("a", qos::exactly_once);
    give("b", qos::exactly_once);
    const packet_id id{sink.ids[0]};
    EXPECT_EQ(out.on_pubrec(id, false, sink, start), outbound::ack::done);
    EXPECT_THAT(sink.sent, ElementsAre("a", "PUBREL"));
    EXPECT_EQ(out.on_pubcomp(id, sink, start), outbound::ack::done);
    EXPECT_THAT(sink.sent, ElementsAre("a", "PUBREL", "b"));
}

TEST_F(OutboundTest, AnErrorInPubrecEndsTheExchange) {
    out.attach(1);
    give("a", qos::exactly_once);
    give("b", qos::exactly_once);
    EXPECT_EQ(out.on_pubrec(packet_id{sink.ids[0]}, true, sink, start), outbound::ack::done);
    EXPECT_THAT(sink.sent, ElementsAre("a", "b"));
    EXPECT_EQ(out.in_flight(), 1U);
}

TEST_F(OutboundTest, AcknowledgementsOfTheWrongKindAreTold) {
    out.attach(10);
    give("one", qos::at_least_once);
    give("two", qos::exactly_once);
    const packet_id one{sink.ids[0]};
    const packet_id two{sink.ids[1]};
    EXPECT_EQ(out.on_pubrec(one, false, sink, start), outbound::ack::out_of_state);
    EXPECT_EQ(out.on_pubcomp(one, sink, start), outbound::ack::out_of_state);
    EXPECT_EQ(out.on_puback(two, sink, start), outbound::ack::out_of_state);
    EXPECT_EQ(out.on_pubcomp(two, sink, start), outbound::ack::out_of_state);
    EXPECT_EQ(out.on_puback(packet_id{77}, sink, start), outbound::ack::unknown);
    EXPECT_EQ(out.on_pubrec(packet_id{77}, false, sink, start), outbound::ack::unknown);
    EXPECT_EQ(out.on_pubcomp(packet_id{77}, sink, start), outbound::ack::unknown);
    EXPECT_EQ(out.in_flight(), 2U);
}

TEST_F(OutboundTest, ResumesWithPubrelsFirstThenDupInOrderUnderTheFirstIdentifiers) {
    out.attach(10);
    for (const char* each : {"a", "b", "c"}) {
        give(each, qos::exactly_once);
    }
    const auto first = sink.ids;
    out.on_pubrec(packet_id{first[1]}, false, sink, start);
    reconnect(10);
    EXPECT_THAT(sink.sent, ElementsAre("PUBREL", "a again", "c again"));
    EXPECT_THAT(sink.ids, ElementsAre(first[1], first[0], first[2]));
}

TEST_F(OutboundTest, PubrelsGoInTheOrderOfThePubrecs) {
    out.attach(10);
    give("a", qos::exactly_once);
    give("b", qos::exactly_once);
    const auto first = sink.ids;
    out.on_pubrec(packet_id{first[1]}, false, sink, start);
    out.on_pubrec(packet_id{first[0]}, false, sink, start);
    reconnect(10);
    EXPECT_THAT(sink.ids, ElementsAre(first[1], first[0]));
}

TEST_F(OutboundTest, ResumesWithinASmallerWindow) {
    out.attach(10);
    for (const char* each : {"a", "b", "c"}) {
        give(each);
    }
    const auto first = sink.ids;
    reconnect(1);
    give("d");
    EXPECT_THAT(sink.sent, ElementsAre("a again"));
    for (const std::uint16_t id : first) {
        EXPECT_EQ(out.on_puback(packet_id{id}, sink, start), outbound::ack::done);
    }
    EXPECT_THAT(sink.sent, ElementsAre("a again", "b again", "c again", "d"));
}

TEST_F(OutboundTest, ARepeatedPubrecBringsPubrelAgain) {
    out.attach(10);
    give("a", qos::exactly_once);
    const packet_id id{sink.ids[0]};
    out.on_pubrec(id, false, sink, start);
    EXPECT_EQ(out.on_pubrec(id, false, sink, start), outbound::ack::done);
    EXPECT_THAT(sink.sent, ElementsAre("a", "PUBREL", "PUBREL"));
    EXPECT_EQ(out.in_flight(), 1U);
}

TEST_F(OutboundTest, NeverUsesAnIdentifierInFlight) {
    out.attach(3);
    give("stuck");
    const std::uint16_t stuck = sink.ids[0];
    std::uint16_t last = 0;
    for (int i = 0; i < 140'000; ++i) {
        give("x");
        last = sink.ids.back();
        ASSERT_NE(last, stuck);
        ASSERT_NE(last, 0);
        ASSERT_EQ(out.on_puback(packet_id{last}, sink, start), outbound::ack::done);
        sink.sent.clear();
        sink.ids.clear();
    }
    EXPECT_EQ(out.in_flight(), 1U);
    EXPECT_EQ(out.on_puback(packet_id{stuck}, sink, start), outbound::ack::done);
}

TEST_F(OutboundTest, HoldsAFullWindowOfTheLargestSize) {
    limits.in_flight_max = 65'535;
    out.attach(65'535);
    for (int i = 0; i < 65'535; ++i) {
        give("x");
    }
    EXPECT_EQ(out.in_flight(), 65'535U);
    std::ranges::sort(sink.ids);
    EXPECT_EQ(std::ranges::unique(sink.ids).begin(), sink.ids.end());
}

TEST_F(OutboundTest, QueuesWhileNobodyIsAttached) {
    give("a");
    give("b");
    EXPECT_THAT(sink.sent, IsEmpty());
    EXPECT_EQ(out.queued(), 2U);
    EXPECT_GT(total.bytes, 0U);
    reconnect(10);
    EXPECT_THAT(sink.sent, ElementsAre("a", "b"));
    EXPECT_EQ(total.bytes, 0U);
    EXPECT_EQ(out.queued_bytes(), 0U);
}

TEST_F(OutboundTest, ExpiredOnesInTheQueueAreDropped) {
    give("a", qos::at_least_once, start - 1s);
    give("b");
    reconnect(10);
    EXPECT_THAT(sink.sent, ElementsAre("b"));
    EXPECT_THAT(sink.drops, ElementsAre(drop_reason::expired));
}

TEST_F(OutboundTest, WhatExpiredInFlightIsStillCompleted) {
    out.attach(10);
    give("a", qos::at_least_once, start + 1s);
    sink.sent.clear();
    out.detach(sink);
    out.attach(10);
    out.pump(start + 10s, sink);
    EXPECT_THAT(sink.sent, ElementsAre("a again"));
}

TEST_F(OutboundTest, DropsTheNewestWhereTheQueueIsFull) {
    publication sample;
    sample.topic = "t";
    sample.payload = "1";
    limits.queue_bytes_max = 2 * sample.weight();
    give("1");
    give("2");
    EXPECT_TRUE(give("3"));
    reconnect(10);
    EXPECT_THAT(sink.sent, ElementsAre("1", "2"));
    EXPECT_THAT(sink.drops, ElementsAre(drop_reason::queue_full));
}

TEST_F(OutboundTest, DropsTheOldestWhereAskedTo) {
    publication sample;
    sample.topic = "t";
    sample.payload = "1";
    limits.queue_bytes_max = 2 * sample.weight();
    limits.policy = queue_policy::drop_oldest;
    for (const char* each : {"1", "2", "3", "4"}) {
        EXPECT_TRUE(give(each));
    }
    reconnect(10);
    EXPECT_THAT(sink.sent, ElementsAre("3", "4"));
    EXPECT_EQ(sink.drops.size(), 2U);
}

TEST_F(OutboundTest, TheNumberOfMessagesMayBeLimitedToo) {
    limits.queue_messages_max = 2;
    for (const char* each : {"1", "2", "3"}) {
        give(each);
    }
    limits.policy = queue_policy::drop_oldest;
    give("4");
    reconnect(10);
    EXPECT_THAT(sink.sent, ElementsAre("2", "4"));
    EXPECT_EQ(sink.drops.size(), 2U);
}

TEST_F(OutboundTest, CountsEveryMessageThatMakesRoomForALargeOne) {
    publication sample;
    sample.topic = "t";
    sample.payload = "1";
    limits.queue_bytes_max = 4 * sample.weight();
    limits.policy = queue_policy::drop_oldest;
    for (const char* each : {"1", "2", "3", "4"}) {
        give(each);
    }
    give(std::string(1 + 2 * sample.weight(), 'x'));
    EXPECT_EQ(out.queued() + sink.drops.size(), 5U);
}

TEST_F(OutboundTest, AMessageThatNeverFitsDrivesNobodyOut) {
    publication sample;
    sample.topic = "t";
    sample.payload = "1";
    limits.queue_bytes_max = 2 * sample.weight();
    limits.policy = queue_policy::drop_oldest;
    give("1");
    give("2");
    give(std::string(10 * sample.weight(), 'x'));
    EXPECT_EQ(out.queued(), 2U);
    EXPECT_THAT(sink.drops, ElementsAre(drop_reason::queue_full));
}

TEST_F(OutboundTest, AsksForADisconnectWhereThatIsThePolicy) {
    limits.queue_bytes_max = 1;
    limits.policy = queue_policy::disconnect;
    EXPECT_FALSE(give("1"));
}

TEST_F(OutboundTest, AReplayIsNotCutByTheLimit) {
    limits.queue_bytes_max = 1;
    publication what;
    what.topic = "t";
    what.payload = "retained";
    EXPECT_TRUE(out.deliver(what, {.quality = qos::at_least_once, .retain = true},
                            outbound::queueing::unlimited, start, sink));
    EXPECT_EQ(out.queued(), 1U);
}

TEST_F(OutboundTest, TheBytesOfAllSessionsAreLimitedToo) {
    limits.total_bytes_max = 1;
    give("1");
    EXPECT_THAT(sink.drops, ElementsAre(drop_reason::queue_full));
}

TEST_F(OutboundTest, SendsNothingWithoutRoomAndGoesOnWithIt) {
    out.attach(10);
    sink.room = 1;
    give("a");
    give("b");
    EXPECT_THAT(sink.sent, ElementsAre("a"));
    sink.room = 10;
    out.pump(start, sink);
    EXPECT_THAT(sink.sent, ElementsAre("a", "b"));
}

TEST_F(OutboundTest, AForgottenMessageFreesItsPlace) {
    out.attach(1);
    give("a");
    out.forget(packet_id{sink.ids[0]}, sink);
    EXPECT_EQ(out.in_flight(), 0U);
    give("b");
    EXPECT_THAT(sink.sent, ElementsAre("a", "b"));
}

TEST_F(OutboundTest, ItsBytesLeaveTheAccountWithIt) {
    {
        outbound gone(limits, total, outbound::keeps::messages);
        publication what;
        what.topic = "t";
        gone.deliver(what, {.quality = qos::at_least_once}, outbound::queueing::limited, start,
                     sink);
        EXPECT_GT(total.bytes, 0U);
    }
    EXPECT_EQ(total.bytes, 0U);
}

TEST_F(OutboundTest, OneThatIsNeverAcknowledgedMovesNoOthersIdentifier) {
    out.attach(4);
    give("stuck");
    std::vector<std::uint16_t> expected{1};
    for (std::uint16_t id = 2; id < 3'000; ++id) {
        give("x");
        expected.push_back(id);
        ASSERT_EQ(out.on_puback(packet_id{sink.ids.back()}, sink, start), outbound::ack::done);
    }
    EXPECT_EQ(sink.ids, expected);
    EXPECT_EQ(out.in_flight(), 1U);
}

TEST_F(OutboundTest, AnIdentifierInFlightIsPassedOver) {
    out.attach(4);
    give("stuck");
    for (std::uint32_t i = 0; i < 65'534; ++i) {
        give("x");
        ASSERT_EQ(out.on_puback(packet_id{sink.ids.back()}, sink, start), outbound::ack::done);
    }
    give("after all identifiers");
    EXPECT_EQ(sink.ids.back(), 2);
}

} // namespace
} // namespace gv::session
