// SPDX-License-Identifier: Apache-2.0
// A QoS 2 message of a client whose home is on another node: the home writes its identifier down,
// the node of the front gives it out, and one of them, or both, end in between.
#include "tests/broker/shard/world.hpp"

#include <gtest/gtest.h>

namespace gv::shard {
namespace {

using mqtt::packet_type;
using support::script_client;

/// The home on node 0, the front on node 1, who subscribes on node 2; what node 1 gives out is on
/// its way, and the home has the identifier on disk.
class Unrouted : public testing::Test, public world {
  protected:
    Unrouted() {
        to_.connect(at(2));
        to_.subscribe("t", qos::exactly_once);
        from_.connect(kept(1));
        node.hold_frames(1, 2, true);
        id_ = from_.publish("t", "m", qos::exactly_once);
        node.run();
    }
    [[nodiscard]] std::size_t identifiers() const { return rows(0, storage::table::small); }
    void come_back(std::size_t on) {
        node.advance(5s);
        EXPECT_TRUE(from_.connect(kept(on)));
        from_.wire.resend();
        from_.expect_ack(packet_type::pubrec, id_);
    }

    script_client& to_ = client_of(2);
    script_client& from_ = client_of(0);
    packet_id id_;
};

TEST_F(Unrouted, IsGivenOutAgainIfBothNodesEnd) {
    ASSERT_EQ(identifiers(), 1U);
    kill(0);
    kill(1);
    come_back(2);
    to_.take("t", "m");
    to_.expect_nothing();
}

TEST_F(Unrouted, IsNotGivenOutAgainIfTheHomeAloneEnds) {
    kill(0);
    node.hold_frames(1, 2, false);
    come_back(2);
    to_.take("t", "m");
    to_.expect_nothing();
}

TEST_F(Unrouted, IsGivenOutAgainIfTheNodeOfTheFrontEndsWhileTheHomeIsAway) {
    kill(0);
    node.split(0, 2);
    kill(1);
    node.heal(0, 2);
    node.hold_frames(1, 2, false);
    come_back(1);
    to_.take("t", "m");
    to_.expect_nothing();
}

TEST_F(Unrouted, IsOverWithThePubrec) {
    node.hold_frames(1, 2, false);
    from_.expect_ack(packet_type::pubrec, id_);
    to_.take("t", "m");
    kill(0);
    kill(1);
    node.advance(5s);
    EXPECT_TRUE(from_.connect(kept(2)));
    from_.wire.resend();
    from_.expect_ack(packet_type::pubcomp, id_);
    to_.expect_nothing();
}

// Whatever the client has seen of it.
TEST_F(Unrouted, IsOverWithTheConnectionThatHasGivenItOut) {
    from_.cut();
    node.hold_frames(1, 2, false);
    node.advance(20ms);
    to_.take("t", "m");
    EXPECT_TRUE(from_.connect(kept(2)));
    from_.cut();
    node.advance(20ms);
    kill(0);
    kill(1);
    come_back(2);
    to_.expect_nothing();
}

} // namespace
} // namespace gv::shard
