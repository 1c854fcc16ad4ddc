// SPDX-License-Identifier: Apache-2.0
// Streams by way of a common neighbour, over real sockets: 1 has something for 2, the link between
// them is cut, and 3 has links to both.
#include "cluster/relay_order.hpp"
#include "tests/cluster/grpc_peer.hpp"
#include "tests/cluster/stalling_proxy.hpp"

#include <gmock/gmock.h>

#include <map>
#include <set>

namespace gv::cluster {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

void go_round_soon(grpc_transport_options& options) {
    options.few_bytes = options.many_bytes = {.after = 100ms, .within = 1s};
    options.connect_within = 200ms;
    options.redial_longest = 100ms;
    options.relay_after = 50ms;
}

class GrpcRelay : public testing::Test {
  protected:
    GrpcRelay() { cable_.stall(true); }

    /// The links that there are without the cut one.
    void link_neighbour(grpc_peer& neighbour) {
        one_.open_control(neighbour);
        neighbour.open_control(two_);
        ASSERT_TRUE(one_.on.wait([&] { return !one_.opened.empty(); }));
        ASSERT_TRUE(neighbour.on.wait([&] { return !neighbour.opened.empty(); }));
    }
    void link_by_cut_cable() {
        one_.transport->open_control(two_.self, cable_.address(), feature_relay);
    }
    /// The last way by which the control stream of 1 to 2 was opened; nothing: it was not.
    [[nodiscard]] std::optional<node_id> way() {
        return one_.on.read([&]() -> std::optional<node_id> {
            for (std::size_t at = one_.opened.size(); at-- > 0;) {
                if (one_.opened[at] == two_.self.node) {
                    return one_.ways[at];
                }
            }
            return std::nullopt;
        });
    }
    [[nodiscard]] bool goes_by(node_id via) {
        return comes_true([&] { return way() == via; });
    }
    void speak_lane(spoken_lane& lane) {
        lane.link =
            one_.transport->open_lane(two_.self.node, cable_.address(), one_.hello_of(3), lane);
    }

    grpc_peer one_{1, go_round_soon};
    grpc_peer two_{2, go_round_soon};
    grpc_peer three_{3, go_round_soon};
    stalling_proxy cable_{two_.options.port};
};

TEST_F(GrpcRelay, AControlStreamGoesRoundACutLink) {
    link_neighbour(three_);
    link_by_cut_cable();
    ASSERT_TRUE(goes_by(three_.self.node));
    for (std::uint64_t i = 0; i < 1'000; ++i) {
        one_.transport->send(two_.self.node, numbered(i));
    }
    ASSERT_TRUE(two_.on.wait([&] { return two_.control.size() == 1'000; }));
    for (std::uint64_t i = 0; i < 1'000; ++i) {
        ASSERT_EQ(number_of(two_.control[i].message), i);
        ASSERT_EQ(two_.control[i].from, one_.self) << "it comes from whom it came";
    }
    EXPECT_EQ(three_.transport->counts().relay_streams, 1U);
    EXPECT_GE(three_.transport->counts().relay_frames, 1'000U);
    EXPECT_GE(three_.transport->counts().relay_bytes, 1'000U);
    one_.transport->close_control(two_.self.node);
    EXPECT_TRUE(comes_true([&] { return three_.transport->counts().relay_streams == 0; }));
}

TEST_F(GrpcRelay, AStreamThatGoesRoundIsThereHoweverOftenTheDirectWayFails) {
    link_neighbour(three_);
    EXPECT_FALSE(one_.transport->has_control(two_.self.node));
    link_by_cut_cable();
    ASSERT_TRUE(goes_by(three_.self.node));
    const auto before = one_.transport->counts().control_lost;
    ASSERT_TRUE(comes_true([&] { return one_.transport->counts().control_lost > before; }));
    EXPECT_TRUE(one_.transport->has_control(two_.self.node));
    one_.transport->close_control(two_.self.node);
    EXPECT_FALSE(one_.transport->has_control(two_.self.node));
}

TEST_F(GrpcRelay, ALaneGoesRoundAndItsRepliesComeBack) {
    link_neighbour(three_);
    link_by_cut_cable();
    ASSERT_TRUE(goes_by(three_.self.node));
    spoken_lane lane;
    speak_lane(lane);
    ASSERT_TRUE(lane.is_welcome());
    heard_lane* const heard = two_.lane(0);
    ASSERT_NE(heard, nullptr);
    EXPECT_EQ(heard->from, one_.self);
    EXPECT_EQ(heard->hello, one_.hello_of(3));
    EXPECT_EQ(one_.transport->counts().lanes_relayed, 1U);
    for (std::uint64_t i = 1; i <= 200; ++i) {
        ASSERT_TRUE(
            lane.write({.first = i, .oldest = i, .bytes = std::string(1 + i * 1'000, 'x')}));
        heard->lane->reply({.taken = std::string(i, 'r'), .credit_bytes = i});
    }
    ASSERT_TRUE(heard->on.wait([&] { return heard->frames.size() == 200; }));
    ASSERT_TRUE(lane.on.wait([&] { return lane.replies.size() == 200; }));
    for (std::uint64_t i = 1; i <= 200; ++i) {
        ASSERT_EQ(heard->frames[i - 1].first, i);
        ASSERT_EQ(heard->frames[i - 1].bytes.size(), 1 + i * 1'000);
        ASSERT_EQ(lane.replies[i - 1].credit_bytes, i);
    }
    // Whoever ends it, both ends see it.
    lane.link.reset();
    EXPECT_TRUE(heard->on.wait([&] { return heard->lost == 1; }));
    spoken_lane refused;
    speak_lane(refused);
    ASSERT_TRUE(refused.is_welcome());
    two_.lane(1)->lane->refuse("a gap");
    ASSERT_TRUE(refused.is_lost());
    EXPECT_EQ(refused.lost[0], "a gap") << "the words of who refuses";
    EXPECT_TRUE(comes_true([&] {
        return three_.transport->counts().relay_streams == 1
               && one_.transport->counts().lanes_relayed == 0;
    }));
}

TEST_F(GrpcRelay, AllGoesBackWhenTheLinkIsThereAgain) {
    link_neighbour(three_);
    link_by_cut_cable();
    ASSERT_TRUE(goes_by(three_.self.node));
    spoken_lane lane;
    speak_lane(lane);
    ASSERT_TRUE(lane.is_welcome());
    cable_.stall(false);
    ASSERT_TRUE(goes_by(node_id{}));
    ASSERT_TRUE(lane.is_lost());
    EXPECT_EQ(lane.lost[0], "there is another way to it now");
    spoken_lane again;
    speak_lane(again);
    ASSERT_TRUE(again.is_welcome());
    EXPECT_TRUE(comes_true([&] { return three_.transport->counts().relay_streams == 0; }));
    EXPECT_EQ(one_.transport->counts().lanes_relayed, 0U);

    // And round once more.
    cable_.stall(true);
    ASSERT_TRUE(goes_by(three_.self.node));
    ASSERT_TRUE(again.is_lost());
    spoken_lane third;
    speak_lane(third);
    EXPECT_TRUE(third.is_welcome());
    EXPECT_EQ(one_.transport->counts().lanes_relayed, 1U);
}

TEST_F(GrpcRelay, UnreadFramesStopTheWriter) {
    link_neighbour(three_);
    link_by_cut_cable();
    ASSERT_TRUE(goes_by(three_.self.node));
    two_.accepts_lanes = false;
    spoken_lane lane;
    speak_lane(lane);
    heard_lane* const heard = two_.lane(0);
    ASSERT_NE(heard, nullptr);
    heard->reads_all = false;
    heard->accept();
    ASSERT_TRUE(lane.is_welcome());
    std::uint64_t sent = 0;
    const std::string frame(lane_frame_bytes_max, 'x');
    while (sent < 100 && lane.write({.first = ++sent, .bytes = frame}, 500ms)) {
    }
    // A window and a few frames at the neighbour, and the same at the receiver.
    EXPECT_LT(sent * frame.size(), 2 * one_.options.window_bytes + 12 * frame.size());
    EXPECT_TRUE(heard->frames.empty());
    heard->on.note([&] { heard->reads_all = true; });
    heard->lane->read_next();
    ASSERT_TRUE(heard->on.wait([&] { return heard->frames.size() == sent; }));
    for (std::uint64_t i = 0; i < sent; ++i) {
        EXPECT_EQ(heard->frames[i].first, i + 1);
    }
}

TEST_F(GrpcRelay, ANeighbourThatHasNoLinkItselfIsNotTheLast) {
    grpc_peer four(4, go_round_soon);
    // Both are asked in some order; only one of them can.
    link_neighbour(three_);
    one_.open_control(four);
    ASSERT_TRUE(one_.on.wait([&] { return one_.opened.size() == 2; }));
    three_.transport->close_control(two_.self.node);
    four.open_control(two_);
    ASSERT_TRUE(four.on.wait([&] { return !four.opened.empty(); }));
    link_by_cut_cable();
    ASSERT_TRUE(goes_by(four.self.node));
    // That one has lost its link, too; the other has one again.
    three_.open_control(two_);
    ASSERT_TRUE(three_.on.wait([&] { return three_.opened.size() == 2; }));
    four.stop();
    EXPECT_TRUE(goes_by(three_.self.node));
}

TEST_F(GrpcRelay, WhoDoesNotSayThatItCanIsNotAsked) {
    one_.transport->open_control(three_.self, three_.address(), 0);
    three_.open_control(two_);
    ASSERT_TRUE(one_.on.wait([&] { return !one_.opened.empty(); }));
    ASSERT_TRUE(three_.on.wait([&] { return !three_.opened.empty(); }));
    link_by_cut_cable();
    // Time for a dozen attempts.
    EXPECT_FALSE(one_.on.wait([&] { return one_.opened.size() > 1; }, 700ms));
    EXPECT_EQ(three_.transport->counts().relays_refused, 0U);
}

TEST_F(GrpcRelay, OnlySoManyAreTaken) {
    grpc_peer busy(5, [](auto& options) {
        go_round_soon(options);
        options.relay_streams_max = 2;
    });
    link_neighbour(busy);
    link_by_cut_cable();
    ASSERT_TRUE(goes_by(busy.self.node));
    spoken_lane lane;
    speak_lane(lane);
    ASSERT_TRUE(lane.is_welcome());
    spoken_lane too_much;
    speak_lane(too_much);
    ASSERT_TRUE(too_much.is_lost());
    EXPECT_EQ(too_much.lost[0], "this neighbour passes on too much");
    EXPECT_EQ(busy.transport->counts().relays_refused, 1U);
    // What goes by it already goes on.
    EXPECT_FALSE(one_.on.wait([&] { return one_.opened.size() >= 3; }, 500ms));
    EXPECT_TRUE(lane.lost.empty());
}

TEST_F(GrpcRelay, ANeighbourThatDiesTakesItsStreamsWithIt) {
    link_neighbour(three_);
    link_by_cut_cable();
    ASSERT_TRUE(goes_by(three_.self.node));
    spoken_lane lane;
    speak_lane(lane);
    ASSERT_TRUE(lane.is_welcome());
    three_.stop();
    ASSERT_TRUE(lane.is_lost());
    EXPECT_TRUE(two_.lane(0)->on.wait([&] { return two_.lanes[0]->lost == 1; }));
}

TEST(RelayOrder, EveryPairHasItsOwnAndAllAreInIt) {
    std::vector<node_id> neighbours;
    for (std::uint64_t i = 10; i < 20; ++i) {
        neighbours.emplace_back(i);
    }
    std::map<node_id, int> first;
    for (std::uint64_t from = 100; from < 1'100; ++from) {
        const auto order = relay_order(node_id{from}, node_id{from * 7}, neighbours);
        ASSERT_THAT(order, testing::UnorderedElementsAreArray(neighbours));
        ASSERT_EQ(order, relay_order(node_id{from}, node_id{from * 7},
                                     {neighbours.rbegin(), neighbours.rend()}))
            << "whatever order they come in";
        ++first[order.front()];
    }
    for (const node_id each : neighbours) {
        EXPECT_GT(first[each], 50) << "of a thousand pairs, a hundred on average";
    }
    EXPECT_TRUE(relay_order(node_id{1}, node_id{2}, {}).empty());
}

} // namespace
} // namespace gv::cluster
