// SPDX-License-Identifier: Apache-2.0
#include "tests/cluster/grpc_peer.hpp"

#include <gmock/gmock.h>

#include <thread>

namespace gv::cluster {

namespace {

using testing::HasSubstr;

TEST(GrpcLane, FramesAndRepliesArriveInOrder) {
    grpc_peer one(1);
    grpc_peer two(2);
    spoken_lane lane;
    one.speak_lane(two, lane, 3);
    ASSERT_TRUE(lane.is_welcome());
    EXPECT_EQ(lane.welcome.credit_bytes, 1u << 20);
    heard_lane* const heard = two.lane(0);
    ASSERT_NE(heard, nullptr);
    EXPECT_EQ(heard->from, one.self);
    EXPECT_EQ(heard->hello, one.hello_of(3));
    for (std::uint64_t i = 1; i <= 500; ++i) {
        ASSERT_TRUE(lane.write({.first = i,
                                .oldest = i / 2,
                                .age_ms = i * 3,
                                .bytes = std::string(1 + i * 37, static_cast<char>(i))}));
        heard->lane->reply({.taken = std::string(i, 'r'), .credit_bytes = i});
    }
    ASSERT_TRUE(heard->on.wait([&] { return heard->frames.size() == 500; }));
    ASSERT_TRUE(lane.on.wait([&] { return lane.replies.size() == 500; }));
    for (std::uint64_t i = 1; i <= 500; ++i) {
        const lane_frame expected{.first = i,
                                  .oldest = i / 2,
                                  .age_ms = i * 3,
                                  .bytes = std::string(1 + i * 37, static_cast<char>(i))};
        ASSERT_EQ(heard->frames[i - 1], expected);
        ASSERT_EQ(lane.replies[i - 1].credit_bytes, i);
    }
}

TEST(GrpcLane, UnreadFramesStopTheWriter) {
    constexpr std::size_t window = 256u << 10;
    grpc_peer one(1);
    grpc_peer two(2, [](auto& options) { options.window_bytes = window; });
    two.accepts_lanes = false;
    spoken_lane lane;
    one.speak_lane(two, lane);
    heard_lane* const heard = two.lane(0);
    ASSERT_NE(heard, nullptr);
    heard->reads_all = false;
    heard->accept();
    ASSERT_TRUE(lane.is_welcome());
    std::uint64_t sent = 0;
    const std::string frame(64u << 10, 'x');
    while (sent < 1'000 && lane.write({.first = ++sent, .bytes = frame}, 500ms)) {
    }
    // What the receiver's window holds, one frame to be read, one being written, and one more in
    // the buffers of each socket.
    EXPECT_LT(sent * frame.size(), window + 16 * frame.size());
    EXPECT_TRUE(heard->frames.empty());
    // One is read, one goes on.
    heard->lane->read_next();
    ASSERT_TRUE(heard->on.wait([&] { return heard->frames.size() == 1; }));
    // All of them come when they are read.
    heard->on.note([&] { heard->reads_all = true; });
    heard->lane->read_next();
    ASSERT_TRUE(heard->on.wait([&] { return heard->frames.size() == sent; }));
    ASSERT_TRUE(lane.on.wait([&] { return lane.written == sent; }));
    for (std::uint64_t i = 0; i < sent; ++i) {
        EXPECT_EQ(heard->frames[i].first, i + 1);
    }
}

TEST(GrpcLane, ABreakIsToldToBothAndWhatComesIsWhole) {
    grpc_peer one(1);
    grpc_peer two(2);
    spoken_lane lane;
    one.speak_lane(two, lane);
    ASSERT_TRUE(lane.is_welcome());
    heard_lane* const heard = two.lane(0);
    std::thread writer([&] {
        for (std::uint64_t i = 1; lane.write({.first = i, .bytes = std::string(250'000, 'x')});
             ++i) {
        }
    });
    ASSERT_TRUE(heard->on.wait([&] { return heard->frames.size() > 5; }));
    two.stop();
    writer.join();
    ASSERT_TRUE(lane.is_lost());
    ASSERT_TRUE(heard->on.wait([&] { return heard->lost == 1; }));
    for (std::size_t i = 0; i < heard->frames.size(); ++i) {
        EXPECT_EQ(heard->frames[i].first, i + 1);
        EXPECT_EQ(heard->frames[i].bytes.size(), 250'000U);
    }
    lane.link->write({.first = 1, .bytes = "dropped"});
    EXPECT_EQ(lane.lost.size(), 1U);

    // It does not open again by itself; another one is opened by the owner.
    two.start();
    spoken_lane again;
    const auto welcome = [&] { return again.welcome.boot != boot_id{} || !again.lost.empty(); };
    for (int i = 0; i < 200 && again.on.read([&] { return again.welcome.boot == boot_id{}; });
         ++i) {
        again.on.note([&] { again.lost.clear(); });
        one.speak_lane(two, again);
        ASSERT_TRUE(again.on.wait(welcome));
    }
    EXPECT_TRUE(again.write({.first = 1, .bytes = "x"}));
}

TEST(GrpcLane, WhoIsRefusedIsToldWhy) {
    grpc_peer one(1);
    grpc_peer two(2);
    two.accepts_lanes = false;
    spoken_lane before_welcome;
    one.speak_lane(two, before_welcome);
    heard_lane* heard = two.lane(0);
    heard->lane->refuse("no such shard");
    ASSERT_TRUE(before_welcome.is_lost());
    EXPECT_EQ(before_welcome.lost[0], "no such shard");

    spoken_lane later;
    one.speak_lane(two, later);
    heard = two.lane(1);
    heard->accept();
    ASSERT_TRUE(later.is_welcome());
    heard->lane->refuse("a gap");
    ASSERT_TRUE(later.is_lost());
    EXPECT_EQ(later.lost[0], "a gap");
    EXPECT_EQ(heard->lost, 0) << "who refuses hears no more";

    spoken_lane closed;
    one.speak_lane(two, closed);
    two.lane(2)->lane.reset();
    ASSERT_TRUE(closed.is_lost());
}

TEST(GrpcLane, ASenderThatGoesBeforeTheWelcomeIsToldWithIt) {
    grpc_peer one(1);
    grpc_peer two(2);
    two.accepts_lanes = false;
    spoken_lane lane;
    one.speak_lane(two, lane);
    heard_lane* const heard = two.lane(0);
    lane.link.reset();
    one.stop();
    heard->accept();
    EXPECT_TRUE(heard->on.wait([&] { return heard->lost == 1; }));
    EXPECT_TRUE(lane.lost.empty()) << "who closes hears no more";
    heard->lane->reply({.credit_bytes = 1});
}

TEST(GrpcLane, AFrameOverTheLimitEndsIt) {
    grpc_peer one(1);
    grpc_peer two(2);
    spoken_lane lane;
    one.speak_lane(two, lane);
    ASSERT_TRUE(lane.is_welcome());
    lane.link->write({.first = 1, .bytes = std::string(lane_frame_bytes_max + 1, 'x')});
    ASSERT_TRUE(lane.is_lost());
    EXPECT_THAT(lane.lost[0], HasSubstr("more bytes than a message may have"));
    EXPECT_TRUE(two.lane(0)->on.wait([&] { return two.lanes[0]->lost == 1; }));
    EXPECT_TRUE(two.lanes[0]->frames.empty());
    EXPECT_EQ(two.transport->counts().malformed, 1U);
}

TEST(GrpcLane, AReplyThatIsNoneEndsIt) {
    grpc_peer one(1);
    grpc_peer two(2);
    spoken_lane lane;
    one.speak_lane(two, lane);
    ASSERT_TRUE(lane.is_welcome());
    two.lane(0)->lane->reply({.taken = std::string(lane_reply_bytes_max + 1, 'x')});
    ASSERT_TRUE(lane.is_lost());
    EXPECT_THAT(lane.lost[0], HasSubstr("the peer sent more bytes than a message may have"));
    EXPECT_TRUE(two.lanes[0]->on.wait([&] { return two.lanes[0]->lost == 1; }));
}

TEST(GrpcLane, NobodyListensIsToldAsLost) {
    grpc_peer one(1);
    std::string nobody;
    {
        const grpc_peer gone(9);
        nobody = gone.address();
    }
    spoken_lane lane;
    lane.link = one.transport->open_lane(node_id{9}, nobody, one.hello_of(0), lane);
    ASSERT_TRUE(lane.is_lost());
    EXPECT_THAT(lane.lost[0], HasSubstr("Connection refused"));
    one.stop();
    spoken_lane after;
    grpc_peer two(2);
    two.transport->shut_down();
    two.speak_lane(one, after);
    EXPECT_TRUE(after.is_lost());
}

TEST(GrpcLane, TooManyStreamsAreSentAway) {
    grpc_peer one(1);
    grpc_peer two(2, [](auto& options) { options.incoming_streams_max = 2; });
    std::vector<std::unique_ptr<spoken_lane>> lanes;
    for (std::uint16_t i = 0; i < 2; ++i) {
        lanes.push_back(std::make_unique<spoken_lane>());
        one.speak_lane(two, *lanes.back(), i);
        ASSERT_TRUE(lanes.back()->is_welcome());
    }
    spoken_lane third;
    one.speak_lane(two, third, 2);
    ASSERT_TRUE(third.is_lost());
    EXPECT_THAT(third.lost[0], HasSubstr("too many streams"));
    // A place becomes free.
    lanes[0]->link.reset();
    ASSERT_TRUE(two.lanes[0]->on.wait([&] { return two.lanes[0]->lost == 1; }));
    for (int i = 0; i < 200 && third.welcome.boot == boot_id{}; ++i) {
        third.on.note([&] { third.lost.clear(); });
        one.speak_lane(two, third, 2);
        ASSERT_TRUE(
            third.on.wait([&] { return third.welcome.boot != boot_id{} || !third.lost.empty(); }));
    }
    EXPECT_NE(third.welcome.boot, boot_id{});
}

class GrpcLanes : public testing::TestWithParam<lane_connections> {};

TEST_P(GrpcLanes, ManyAtATimeEachInItsOrder) {
    grpc_peer one(1, [](auto& options) { options.lanes = GetParam(); });
    grpc_peer two(2);
    constexpr std::uint16_t count = 32;
    constexpr std::uint64_t frames = 60;
    std::vector<std::unique_ptr<spoken_lane>> lanes;
    for (std::uint16_t i = 0; i < count; ++i) {
        lanes.push_back(std::make_unique<spoken_lane>());
        one.speak_lane(two, *lanes.back(), i);
    }
    for (auto& lane : lanes) {
        ASSERT_TRUE(lane->is_welcome());
    }
    for (std::uint64_t i = 1; i <= frames; ++i) {
        for (auto& lane : lanes) {
            ASSERT_TRUE(lane->write({.first = i, .bytes = std::string(10'000, 'x')}));
        }
    }
    for (std::size_t i = 0; i < count; ++i) {
        heard_lane* const heard = two.lane(i);
        ASSERT_NE(heard, nullptr);
        ASSERT_TRUE(heard->on.wait([&] { return heard->frames.size() == frames; }));
        for (std::uint64_t j = 1; j <= frames; ++j) {
            ASSERT_EQ(heard->frames[j - 1].first, j);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Connections, GrpcLanes,
                         testing::Values(lane_connections::one_each, lane_connections::one_a_node),
                         [](const auto& param) {
                             return param.param == lane_connections::one_each ? "OneEach"
                                                                              : "OneANode";
                         });

} // namespace
} // namespace gv::cluster
