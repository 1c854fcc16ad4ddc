// SPDX-License-Identifier: Apache-2.0
#include "broker/session/ack_ring.hpp"

#include <gtest/gtest.h>

namespace gv::session {
namespace {

using mqtt::packet_type;
using mqtt::reason_code;

TEST(AckRing, ReleasesInTheOrderOfArrival) {
    ack_ring ring;
    const route_token first = ring.add(packet_id{7}, packet_type::puback);
    const route_token second = ring.add(packet_id{8}, packet_type::pubrec);
    ring.take(second, reason_code::success);
    EXPECT_FALSE(ring.is_ready());
    ring.take(first, reason_code::quota_exceeded);
    ASSERT_TRUE(ring.is_ready());
    const ack_ring::entry oldest = ring.next();
    EXPECT_EQ(oldest.id, packet_id{7});
    EXPECT_EQ(oldest.reason, reason_code::quota_exceeded);
    ASSERT_TRUE(ring.is_ready());
    EXPECT_EQ(ring.next().type, packet_type::pubrec);
    EXPECT_EQ(ring.size(), 0U);
}

TEST(AckRing, TokensStayRightAfterManyRounds) {
    ack_ring ring;
    for (std::uint16_t i = 1; i < 1000; ++i) {
        const route_token a = ring.add(packet_id{i}, packet_type::puback);
        const route_token b =
            ring.add(packet_id{static_cast<std::uint16_t>(i + 1000)}, packet_type::puback);
        ring.take(b, reason_code::success);
        ring.take(a, reason_code::success);
        EXPECT_EQ(ring.next().id.value, i);
        EXPECT_EQ(ring.next().id.value, i + 1000);
    }
}

TEST(AckRing, KnowsWhatWaits) {
    ack_ring ring;
    ring.add(packet_id{3}, packet_type::puback);
    EXPECT_TRUE(ring.holds(packet_id{3}));
    EXPECT_FALSE(ring.holds(packet_id{4}));
}

TEST(AckRing, ATokenThatIsOverDoesNoHarm) {
    ack_ring ring;
    const route_token first = ring.add(packet_id{1}, packet_type::puback);
    ring.take(first, reason_code::success);
    static_cast<void>(ring.next());
    ring.add(packet_id{2}, packet_type::puback);
    ring.take(first, reason_code::success);
    EXPECT_FALSE(ring.is_ready());
}

} // namespace
} // namespace gv::session
