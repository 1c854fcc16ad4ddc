// SPDX-License-Identifier: Apache-2.0
// Retained messages for new subscriptions, while other things happen.
#include "tests/broker/shard/stage.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

} // namespace
} // namespace gv::shard
