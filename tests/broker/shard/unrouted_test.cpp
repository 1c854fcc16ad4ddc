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

/// On node 2 somebody is connected who wants "o", and somebody is not for whom "k" is kept: while
/// there is no room on its disk, that is refused.
class Refused : public testing::Test, public world {
  protected:
    Refused() {
        kept_.connect(kept(2));
        kept_.subscribe("k", qos::exactly_once);
        kept_.cut();
        other_.connect(at(2));
        other_.subscribe("o", qos::exactly_once);
    }
    void come_back(script_client& who, std::size_t on) {
        EXPECT_TRUE(who.connect(kept(on)));
        who.wire.resend();
    }

    script_client& kept_ = client_of(2);
    script_client& other_ = client_of(1);
};

// The client sends again what it has heard nothing of. What was refused is given out then, and
// nothing else is.
TEST_F(Refused, AfterItsConnectionHasEndedIsGivenOutAgainAlone) {
    for (const std::size_t home : {0U, 1U}) {
        SCOPED_TRACE(home);
        script_client& from = client_of(home);
        from.connect(kept(0));
        node.hold_frames(0, 2, true);
        const packet_id taken = from.publish("o", "taken", qos::exactly_once);
        const packet_id refused = from.publish("k", "refused", qos::exactly_once);
        node.run();
        from.cut();
        core(2).set_store_room(store_room::scarce);
        node.hold_frames(0, 2, false);
        node.advance(20ms);
        other_.take("o", "taken");
        core(2).set_store_room(store_room::plenty);
        come_back(from, 0);
        from.expect_ack(packet_type::pubrec, taken);
        from.expect_ack(packet_type::pubrec, refused);
        other_.expect_nothing();
        EXPECT_TRUE(kept_.connect(kept(0)));
        kept_.take("k", "refused");
        kept_.cut();
    }
}

// The answer waits for the message before it, and is lost with the connection.
TEST_F(Refused, BehindOneThatIsStillGivenOutIsGivenOutAgain) {
    script_client& from = client_of(0);
    from.connect(kept(0));
    script_client& slow = client_of(1);
    slow.connect(at(1));
    slow.subscribe("s", qos::exactly_once);
    node.hold_frames(0, 1, true);
    const packet_id waits = from.publish("s", "waits", qos::exactly_once);
    core(2).set_store_room(store_room::scarce);
    const packet_id refused = from.publish("k", "refused", qos::exactly_once);
    node.advance(20ms);
    from.expect_nothing();
    from.cut();
    node.hold_frames(0, 1, false);
    node.advance(20ms);
    slow.take("s", "waits");
    core(2).set_store_room(store_room::plenty);
    come_back(from, 0);
    from.expect_ack(packet_type::pubrec, waits);
    from.expect_ack(packet_type::pubrec, refused);
    slow.expect_nothing();
    kept_.connect(kept(0));
    kept_.take("k", "refused");
}

} // namespace
} // namespace gv::shard
