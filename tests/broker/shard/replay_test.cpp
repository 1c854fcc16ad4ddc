// SPDX-License-Identifier: Apache-2.0
// Retained messages for new subscriptions, while other things happen.
#include "tests/broker/shard/stage.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace gv::shard {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr std::uint32_t long_expiry = 1'000;

// The page that was on its way to the connection before must not count as a page of the next shard.
TEST(Replay, IsWholeAfterATakeoverInItsMiddle) {
    stage all(3);
    player& publisher = all.enter(2);
    publisher.publish({.topic = all.topic_on(0), .payload = "on 0", .retain = true});
    publisher.publish({.topic = all.topic_on(1), .payload = "on 1", .retain = true});
    publisher.publish({.topic = all.topic_on(2), .payload = "on 2", .retain = true});
    player& subscriber = all.enter(2, {.session_expiry = long_expiry});
    all.block(1, 2);
    subscriber.subscribe("r/#", qos::at_least_once);
    all.block(0, 2);
    all.unblock(1, 2); // now the page of shard 0 is on its way
    all.block(1, 2);
    const auto before = subscriber.wire.let_go();
    subscriber.connect({.clean_start = false, .session_expiry = long_expiry, .shard = 2});
    all.unblock(0, 2);
    all.unblock(1, 2);
    EXPECT_THAT(subscriber.got, UnorderedElementsAre("on 0", "on 1", "on 2"));
}

void retain(player& publisher, const std::string& topic, const std::string& payload) {
    publisher.publish(
        {.topic = topic, .payload = payload, .quality = qos::at_least_once, .retain = true});
}

/// Rows "0", "1", ... of "r/...", on all shards.
void fill(stage& all, player& publisher, int rows) {
    for (int i = 0; i < rows; ++i) {
        retain(publisher, "r/" + std::to_string(i), std::to_string(i));
    }
    all.listen();
}

void acknowledge_all(stage& all, player& who) {
    who.wire.is_automatic = true;
    for (int i = 0; i < 100; ++i) {
        all.listen();
    }
}

[[nodiscard]] std::set<std::string> different(const player& who) {
    return {who.got.begin(), who.got.end()};
}

TEST(Replay, EndsWithItsSubscription) {
    for (const std::uint32_t expiry : {0u, long_expiry}) {
        stage all(3);
        fill(all, all.enter(0), 20);
        player& subscriber = all.enter(1, {.session_expiry = expiry, .receive_maximum = 1});
        subscriber.wire.is_automatic = false;
        subscriber.subscribe("r/#", qos::at_least_once);
        subscriber.unsubscribe("r/#");
        EXPECT_EQ(subscriber.subacks, 2u);
        acknowledge_all(all, subscriber);
        EXPECT_EQ(subscriber.got.size(), 1u) << "expiry " << expiry;
    }
}

TEST(Replay, OfAnotherSubscriptionGoesOn) {
    stage all(3);
    player& publisher = all.enter(0);
    fill(all, publisher, 20);
    retain(publisher, "other", "other");
    player& subscriber = all.enter(1, {.receive_maximum = 1});
    subscriber.wire.is_automatic = false;
    subscriber.subscribe("r/#", qos::at_least_once);
    subscriber.subscribe("other", qos::at_least_once);
    subscriber.unsubscribe("r/#");
    acknowledge_all(all, subscriber);
    EXPECT_EQ(subscriber.got.size(), 2u);
    EXPECT_EQ(subscriber.got.back(), "other");
}

TEST(Replay, DoesNotBeginOnceItsSubscriptionHasEnded) {
    stage all(3);
    fill(all, all.enter(0), 20);
    player& subscriber = all.enter(2, {.session_expiry = long_expiry});
    all.block(1, 2); // the SUBACK waits for shard 1
    subscriber.subscribe("r/#");
    const auto before = subscriber.wire.let_go();
    subscriber.connect({.clean_start = false, .session_expiry = long_expiry, .shard = 2});
    subscriber.unsubscribe("r/#");
    all.unblock(1, 2);
    EXPECT_THAT(subscriber.got, IsEmpty());
}

TEST(Replay, BeginsAnewWhenItsFilterIsSubscribedAgain) {
    stage all(3);
    fill(all, all.enter(0), 20);
    player& subscriber = all.enter(1, {.receive_maximum = 1});
    subscriber.wire.is_automatic = false;
    for (int i = 0; i < 10; ++i) {
        subscriber.subscribe("r/#", qos::at_least_once);
        EXPECT_EQ(subscriber.wire.peer().replay_session()->replays.size(), 1u);
    }
    acknowledge_all(all, subscriber);
    EXPECT_EQ(different(subscriber).size(), 20u);
    EXPECT_EQ(subscriber.got.size(), 1u + 20u);
    EXPECT_EQ(subscriber.wire.peer().replay_session()->replays.size(), 0u);
}

// [MQTT-3.8.4-4]: nothing is lost by replacing a subscription.
TEST(Replay, GoesOnWhenItsFilterIsSubscribedAgainWithoutRetainedMessages) {
    stage all(3);
    fill(all, all.enter(0), 20);
    player& subscriber = all.enter(1, {.receive_maximum = 1});
    subscriber.wire.is_automatic = false;
    subscriber.subscribe("r/#", qos::at_least_once);
    subscriber.wire.send_subscribe({{.filter = "r/#",
                                     .quality = qos::at_least_once,
                                     .handling = mqtt::retain_handling::never}});
    acknowledge_all(all, subscriber);
    EXPECT_EQ(different(subscriber).size(), 20u);
    EXPECT_EQ(subscriber.got.size(), 20u);
}

// The replay waits for shard 2 to know the subscription; meanwhile shard 1 does, and what it says
// comes before the row that the retained message is to replace.
TEST(Replay, BringsNothingOlderThanALiveMessageFromBeforeItBegan) {
    stage all(3);
    const std::string topic = all.topic_on(2);
    player& publisher = all.enter(1);
    publisher.publish({.topic = topic, .payload = "old", .retain = true});
    player& subscriber = all.enter(0);
    all.block(2, 0);
    subscriber.subscribe(topic);
    all.block(1, 2);
    publisher.publish({.topic = topic, .payload = "new", .retain = true});
    all.listen();
    all.unblock(2, 0);
    EXPECT_THAT(subscriber.got, ElementsAre("new"));
    all.unblock(1, 2);
    EXPECT_THAT(subscriber.got, ElementsAre("new"));
}

// However many live messages come while a client takes no rows: their stamps are forgotten, and the
// next page waits until the messages are where it is read.
TEST(Replay, RemembersABoundedNumberOfLiveMessagesAndStillBringsNothingOlder) {
    stage all(3);
    const std::string first = all.topic_on(2);
    const std::string topic = all.topic_on(2);
    player& publisher = all.enter(1);
    retain(publisher, first, "first");
    retain(publisher, topic, "old");
    player& subscriber = all.enter(0, {.receive_maximum = 1});
    subscriber.wire.is_automatic = false;
    subscriber.subscribe("r/#", qos::at_least_once);
    EXPECT_THAT(subscriber.got, ElementsAre("first"));
    all.block(1, 2);
    publisher.publish({.topic = topic, .payload = "new", .retain = true});
    for (std::size_t i = 0; i < 2 * session::replay_list::stamps_max; ++i) {
        publisher.wire.send_publish(
            {.topic = "r/live/" + std::to_string(i), .payload = "live", .retain = true});
        all.node.run();
    }
    all.listen();
    const session::replay_list& replays = subscriber.wire.peer().replay_session()->replays;
    EXPECT_LE(replays.stamps(), session::replay_list::stamps_max);
    EXPECT_TRUE(replays.is_forgetful());
    acknowledge_all(all, subscriber);
    EXPECT_EQ(std::ranges::count(subscriber.got, "old"), 0);
    all.unblock(1, 2);
    acknowledge_all(all, subscriber);
    EXPECT_EQ(std::ranges::count(subscriber.got, "old"), 0);
    EXPECT_EQ(std::ranges::count(subscriber.got, "new"), 2);
    EXPECT_TRUE(replays.empty());
}

// Whoever has the SUBACK may tell a friend on another shard to publish.
TEST(Subscribe, ASecondSubscribersSubackWaitsForTheRouteOfTheFirst) {
    stage all(2);
    player& friend_elsewhere = all.enter(1);
    player& first = all.enter(0);
    player& second = all.enter(0);
    all.block(0, 1);
    first.subscribe("t");
    second.subscribe("t");
    EXPECT_EQ(first.subacks, 0u);
    EXPECT_EQ(second.subacks, 0u);
    all.unblock(0, 1);
    EXPECT_EQ(first.subacks, 1u);
    EXPECT_EQ(second.subacks, 1u);
    friend_elsewhere.publish({.topic = "t", .payload = "x"});
    all.listen();
    EXPECT_THAT(second.got, ElementsAre("x"));
}

} // namespace
} // namespace gv::shard
