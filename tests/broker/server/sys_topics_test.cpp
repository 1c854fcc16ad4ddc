// SPDX-License-Identifier: Apache-2.0
#include "broker/server/documents.hpp"
#include "broker/server/own_figures.hpp"
#include "broker/server/sys_topics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace gv::server {
namespace {

using testing::Contains;
using testing::Key;
using testing::Not;
using testing::Pair;
using texts = std::map<std::string, std::string>;

class SysTopics : public testing::Test {
  protected:
    /// What is published `after` the last time, without the common start of the topics.
    texts publish(duration after) {
        now += after;
        texts out;
        const cluster::node_figures figures = own.make(total, heap, now);
        for (const sys_value& each : topics.update(figures, figures.counters, now)) {
            EXPECT_TRUE(each.topic.starts_with("$SYS/broker/")) << each.topic;
            out.emplace(each.topic.substr(12), each.text);
        }
        return out;
    }

    time_point now{1000s};
    std::uint64_t heap = 5000;
    shard_metrics total;
    own_figures own{now};
    sys_topics topics;
};

TEST_F(SysTopics, AllAreGivenFirst) {
    const texts first = publish(0s);
    EXPECT_EQ(first.size(), 53U);
    EXPECT_THAT(first, Contains(Pair("version", "grapevine version " + std::string(version()))));
    EXPECT_THAT(first, Contains(Pair("uptime", "0 seconds")));
    EXPECT_THAT(first, Contains(Pair("clients/maximum", "0")));
    EXPECT_THAT(first, Contains(Pair("load/messages/received/5min", "0.00")));
    EXPECT_THAT(first, Contains(Pair("load/messages/sent/5min", "0.00")));
    EXPECT_THAT(first, Contains(Pair("heap/current", "5000")));
}

TEST_F(SysTopics, OnlyChangesAreGivenAfterwards) {
    publish(0s);
    EXPECT_EQ(publish(10s), (texts{{"uptime", "10 seconds"}}));
    total.wills_published.add(); // in no topic
    EXPECT_EQ(publish(10s), (texts{{"uptime", "20 seconds"}}));
    total.retained_messages.set(3);
    EXPECT_EQ(publish(0s), (texts{{"retained messages/count", "3"},
                                  {"messages/stored", "3"},
                                  {"store/messages/count", "3"}}));
}

TEST_F(SysTopics, ClientsAreCountedAsMosquittoDoes) {
    total.sessions.set(5);
    total.clients_connected.set(2);
    total.sessions_expired.set(4);
    const texts first = publish(0s);
    EXPECT_THAT(first, Contains(Pair("clients/total", "5")));
    EXPECT_THAT(first, Contains(Pair("clients/maximum", "5")));
    EXPECT_THAT(first, Contains(Pair("clients/connected", "2")));
    EXPECT_THAT(first, Contains(Pair("clients/active", "2")));
    EXPECT_THAT(first, Contains(Pair("clients/disconnected", "3")));
    EXPECT_THAT(first, Contains(Pair("clients/inactive", "3")));
    EXPECT_THAT(first, Contains(Pair("clients/expired", "4")));
    total.sessions.set(1);
    const texts second = publish(0s);
    EXPECT_THAT(second, Contains(Pair("clients/total", "1")));
    EXPECT_THAT(second, Contains(Pair("clients/disconnected", "0")));
    EXPECT_THAT(second, Not(Contains(Key("clients/maximum"))));
}

TEST_F(SysTopics, MessagesArePacketsAndPublishesAreMessages) {
    total.packets_received.values[3].set(7);
    total.packets_received.values[12].set(2);
    total.messages_received.values[0].set(4);
    total.messages_received.values[2].set(3);
    total.messages_sent.values[1].set(9);
    total.payload_bytes_sent.set(90);
    total.messages_dropped.set(drop_reason::queue_full, 5);
    total.messages_dropped.set(drop_reason::client_offline, 100);
    const texts first = publish(0s);
    EXPECT_THAT(first, Contains(Pair("messages/received", "9")));
    EXPECT_THAT(first, Contains(Pair("publish/messages/received", "7")));
    EXPECT_THAT(first, Contains(Pair("publish/messages/sent", "9")));
    EXPECT_THAT(first, Contains(Pair("publish/messages/dropped", "5")));
    EXPECT_THAT(first, Contains(Pair("publish/bytes/sent", "90")));
}

TEST_F(SysTopics, SharedSubscriptionsStandByThemselves) {
    total.subscriptions.set(10);
    total.subscriptions_shared.set(4);
    const texts first = publish(0s);
    EXPECT_THAT(first, Contains(Pair("subscriptions/count", "6")));
    EXPECT_THAT(first, Contains(Pair("shared_subscriptions/count", "4")));
}

// new = rate + e^(-seconds/window) * (old - rate), the rate counted per minute.
TEST_F(SysTopics, LoadsAreExponentialAverages) {
    publish(0s);
    total.packets_received.values[3].set(100);
    const texts second = publish(10s); // 600 a minute
    EXPECT_THAT(second, Contains(Pair("load/messages/received/1min", "92.11")));
    EXPECT_THAT(second, Contains(Pair("load/messages/received/5min", "19.67")));
    EXPECT_THAT(second, Contains(Pair("load/messages/received/15min", "6.63")));
    const texts third = publish(10s); // nothing came
    EXPECT_THAT(third, Contains(Pair("load/messages/received/1min", "77.97")));
    EXPECT_THAT(third, Contains(Pair("load/messages/received/5min", "19.03")));
    EXPECT_THAT(third, Contains(Pair("load/messages/received/15min", "6.56")));
}

TEST_F(SysTopics, ALoadThatHardlyMovedIsNotGivenAgain) {
    publish(0s);
    total.connections_accepted.set(1);
    EXPECT_THAT(publish(10s), Contains(Key("load/sockets/15min")));
    // 0.066 falls by less than a hundredth in ten seconds.
    EXPECT_THAT(publish(10s), Not(Contains(Key("load/sockets/15min"))));
}

TEST_F(SysTopics, WhatWasCountedBeforeTheFirstTimeIsNoLoad) {
    total.bytes_sent.set(1'000'000);
    EXPECT_THAT(publish(5s), Contains(Pair("load/bytes/sent/1min", "0.00")));
    EXPECT_THAT(publish(10s), Not(Contains(Key("load/bytes/sent/1min"))));
}

TEST_F(SysTopics, TheHeapRemembersItsMaximum) {
    publish(0s);
    heap = 9000;
    EXPECT_THAT(publish(1s), Contains(Pair("heap/maximum", "9000")));
    heap = 100;
    const texts third = publish(1s);
    EXPECT_THAT(third, Contains(Pair("heap/current", "100")));
    EXPECT_THAT(third, Not(Contains(Key("heap/maximum"))));
}

TEST_F(SysTopics, AfterClearingAllAreGivenAgain) {
    publish(0s);
    publish(10s);
    EXPECT_EQ(topics.clear().size(), 53U);
    EXPECT_EQ(topics.clear().size(), 0U);
    EXPECT_EQ(publish(10s).size(), 53U);
}

} // namespace
} // namespace gv::server
