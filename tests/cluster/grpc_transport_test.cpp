// SPDX-License-Identifier: Apache-2.0
// Starting, questions, control streams, shutting down; lanes are in grpc_lane_test.cpp.
#include "tests/cluster/grpc_peer.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

namespace gv::cluster {

namespace {

using testing::HasSubstr;

/// A port at which nobody listens: it was free a moment ago.
[[nodiscard]] std::string dead_address() {
    const grpc_peer gone(99);
    return gone.address();
}

TEST(GrpcStart, SaysThatThePortIsTaken) {
    grpc_peer first(1);
    grpc_transport_options options = first.options;
    ASSERT_NE(options.port, 0);
    const auto second = grpc_transport::start(options, first);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().place, first.address());
    EXPECT_THAT(second.error().what, HasSubstr("Address already in use"));
    EXPECT_FALSE(second.error().remedy.empty());
}

TEST(GrpcStart, SaysThatTheAddressIsNotOfThisMachine) {
    grpc_peer any(1);
    grpc_transport_options options = any.options;
    options.port = 0;
    options.host = "192.0.2.1";
    EXPECT_THAT(grpc_transport::start(options, any).error().what,
                HasSubstr("Cannot assign requested address"));
    options.host = "::1::";
    EXPECT_THAT(grpc_transport::start(options, any).error().place, HasSubstr("[::1::]:0"));
}

TEST(GrpcQuestion, EveryKindIsAskedAndAnswered) {
    grpc_peer asker(1);
    grpc_peer other(2);
    other.answers = [&](const envelope& asked) {
        return other.message(ack{.sequence = asked.body.index()}, asked.from);
    };
    const message_body bodies[] = {probe{1}, probe_request{2, node_id{3}}, push_pull{3}, notice{},
                                   refusal{}};
    for (const message_body& body : bodies) {
        asker.transport->ask(other.address(), asker.message(body, other.self.node));
    }
    ASSERT_TRUE(asker.on.wait([&] { return asker.got.size() == std::size(bodies); }));
    std::vector<std::uint64_t> answered;
    for (const envelope& answer : asker.got) {
        EXPECT_EQ(answer.from, other.self.node);
        answered.push_back(std::get<ack>(answer.body).sequence);
    }
    std::vector<std::uint64_t> asked;
    for (const message_body& body : bodies) {
        asked.push_back(body.index());
    }
    EXPECT_THAT(answered, testing::UnorderedElementsAreArray(asked));
}

TEST(GrpcQuestion, WithoutAnAnswerNothingFollows) {
    grpc_peer asker(1);
    grpc_peer other(2);
    asker.transport->ask(other.address(), asker.message(notice{}));
    ASSERT_TRUE(other.on.wait([&] { return other.questions.size() == 1; }));
    other.transport->answer(other.questions[0].first, nullptr);
    // Answered twice, and never asked: neither harms.
    other.transport->answer(other.questions[0].first, nullptr);
    other.transport->answer(question_id{77}, nullptr);
    ASSERT_TRUE(
        asker.on.wait([&] { return asker.transport->counts().questions_unanswered == 1; }, 100ms)
        || true);
    asker.stop();
    EXPECT_TRUE(asker.got.empty());
    EXPECT_TRUE(asker.refusals.empty());
}

TEST(GrpcQuestion, ALateAnswerIsNotHeard) {
    grpc_peer asker(1, [](auto& options) { options.probe_within = 50ms; });
    grpc_peer other(2);
    asker.transport->ask(other.address(), asker.message(notice{})); // to be connected may take long
    ASSERT_TRUE(other.on.wait([&] { return other.questions.size() == 1; }));
    asker.transport->ask(other.address(), asker.message(probe{1}));
    ASSERT_TRUE(other.on.wait([&] { return other.questions.size() == 2; }));
    // The deadline passes.
    ASSERT_TRUE(comes_true([&] { return asker.transport->counts().questions_unanswered == 1; }));
    const envelope answer = other.message(ack{1});
    other.transport->answer(other.questions[1].first, &answer);
    asker.stop();
    EXPECT_TRUE(asker.got.empty());
}

TEST(GrpcQuestion, ARefusedConnectionIsToldAtOnce) {
    grpc_peer asker(1, [](auto& options) { options.probe_within = patience; });
    const std::string nobody = dead_address();
    for (std::size_t i = 1; i <= 3; ++i) {
        asker.transport->ask(nobody, asker.message(probe{1}, node_id{7}));
        ASSERT_TRUE(asker.on.wait([&] { return asker.refusals.size() == i; }, patience / 2));
        const grpc_peer::refused last = asker.on.read([&] { return asker.refusals.back(); });
        EXPECT_EQ(last.to, node_id{7});
        EXPECT_EQ(last.address, nobody);
    }
}

/// It was refused once, and answers from now on. False: no refusal was told.
bool is_away_when_asked(grpc_peer& other, grpc_peer& asker) {
    other.answers = [&](const envelope& asked) { return other.message(ack{1}, asked.from); };
    other.stop();
    asker.transport->ask(other.address(), asker.message(probe{1}));
    const bool is_told = asker.on.wait([&] { return asker.refusals.size() == 1; });
    other.start();
    return is_told;
}

TEST(GrpcQuestion, ANodeThatComesBackIsReachedAgain) {
    grpc_peer asker(1);
    grpc_peer other(2);
    ASSERT_TRUE(is_away_when_asked(other, asker));
    const auto answered = [&] { return !asker.got.empty(); };
    for (int i = 0; i < 200 && !asker.on.wait(answered, 50ms); ++i) {
        asker.transport->ask(other.address(), asker.message(probe{1}));
    }
    EXPECT_TRUE(asker.on.read(answered));
}

TEST(GrpcQuestion, WhoeverIsSaidToBeBackIsNotHeldForRefused) {
    grpc_peer asker(1,
                    [](auto& options) { options.redial_shortest = options.redial_longest = 1h; });
    grpc_peer other(2);
    ASSERT_TRUE(is_away_when_asked(other, asker));
    asker.transport->dial_again(other.address());
    asker.transport->ask(other.address(), asker.message(probe{1}));
    EXPECT_TRUE(asker.on.wait([&] { return !asker.got.empty(); }));
    EXPECT_EQ(asker.on.read([&] { return asker.refusals.size(); }), 1U);
}

TEST(GrpcQuestion, AnAddressNeverMeansASocketOfThisMachine) {
    grpc_peer asker(1);
    for (const char* address : {"unix:/run/anything", "unix-abstract:x", "nobody.invalid:1", ":",
                                "127.0.0.1:99999", "dns:///127.0.0.1:1", ""}) {
        asker.transport->ask(address, asker.message(probe{1}));
    }
    ASSERT_TRUE(comes_true([&] { return asker.transport->counts().questions_unanswered == 7; }));
    EXPECT_TRUE(asker.got.empty());
}

TEST(GrpcQuestion, TooManyOpenOnesOfAPeerAreSentAway) {
    grpc_peer asker(1, [](auto& options) { options.probe_within = patience; });
    grpc_peer other(2, [](auto& options) { options.questions_max = 3; });
    for (int i = 0; i < 5; ++i) {
        asker.transport->ask(other.address(), asker.message(probe{1}));
    }
    ASSERT_TRUE(other.on.wait([&] { return other.questions.size() == 3; }));
    ASSERT_TRUE(comes_true([&] { return asker.transport->counts().questions_unanswered == 2; }));
    EXPECT_EQ(other.transport->counts().questions_dropped, 2U);
}

TEST(GrpcQuestion, WhatNoHonestNodeSaysIsRefusedAndCounted) {
    grpc_peer asker(1);
    grpc_peer other(2);
    envelope message = asker.message(probe{1});
    message.from = {};
    asker.transport->ask(other.address(), message);
    ASSERT_TRUE(comes_true([&] { return other.transport->counts().malformed == 1; }));
    other.stop();
    EXPECT_TRUE(other.questions.empty());
}

TEST(GrpcControl, MessagesArriveInOrder) {
    grpc_peer one(1);
    grpc_peer two(2);
    one.open_control(two);
    ASSERT_TRUE(one.on.wait([&] { return one.opened == std::vector{two.self.node}; }));
    for (std::uint64_t i = 0; i < 5'000; ++i) {
        one.transport->send(two.self.node, numbered(i));
    }
    ASSERT_TRUE(two.on.wait([&] { return two.control.size() == 5'000; }));
    for (std::uint64_t i = 0; i < 5'000; ++i) {
        ASSERT_EQ(number_of(two.control[i].message), i);
        ASSERT_EQ(two.control[i].from, one.self);
    }
    EXPECT_EQ(one.transport->counts().control_sent, 5'000U);
}

TEST(GrpcControl, WithoutAStreamMessagesAreDroppedAndCounted) {
    grpc_peer one(1);
    one.transport->send(node_id{2}, numbered(1));
    EXPECT_EQ(one.transport->counts().control_dropped_closed, 1U);
    grpc_peer two(2);
    one.open_control(two);
    ASSERT_TRUE(one.on.wait([&] { return !one.opened.empty(); }));
    one.transport->close_control(two.self.node);
    one.transport->close_control(two.self.node);
    one.transport->send(node_id{2}, numbered(2));
    EXPECT_EQ(one.transport->counts().control_dropped_closed, 2U);
    one.stop();
    EXPECT_TRUE(one.lost.empty()) << "a stream that was closed is not said to be lost";
}

TEST(GrpcControl, ABrokenStreamIsOpenedAgain) {
    grpc_peer one(1);
    grpc_peer two(2);
    one.open_control(two);
    ASSERT_TRUE(one.on.wait([&] { return one.opened.size() == 1; }));
    two.stop();
    // Broken, and then attempts that fail.
    EXPECT_THAT(one.loss(2), HasSubstr("Connection refused"));
    two.start();
    ASSERT_TRUE(one.on.wait([&] { return one.opened.size() == 2; }));
    one.transport->send(two.self.node, numbered(7));
    ASSERT_TRUE(two.on.wait([&] { return two.control.size() == 1; }));
}

TEST(GrpcControl, MoreThanTheLimitIsDroppedAndCounted) {
    grpc_peer one(1, [](auto& options) { options.control_queue_bytes_max = 100'000; });
    grpc_peer two(2, [](auto& options) { options.window_bytes = 65'536; });
    two.holds_control = true;
    one.open_control(two);
    ASSERT_TRUE(one.on.wait([&] { return !one.opened.empty(); }));
    constexpr std::size_t sent = 2'000;
    const route_deltas large{.stream = route_destination(one.self.node),
                             .of = {.author = one.self.node},
                             .first_seq = 2,
                             .latest_seq = 2,
                             .changes = {{.filter = std::string(10'000, 'x')}}};
    for (std::size_t i = 0; i < sent; ++i) {
        one.transport->send(two.self.node, route_message(large));
    }
    const grpc_transport_counts counts = one.transport->counts();
    EXPECT_GT(counts.control_dropped_full, sent / 2);
    EXPECT_EQ(counts.control_sent + counts.control_dropped_full, sent);
    EXPECT_TRUE(two.on.wait([&] { return two.control.size() == 1; })); // the rest is not even read
    two.release_control();
    EXPECT_TRUE(two.on.wait([&] { return two.control.size() == counts.control_sent; }));
}

TEST(GrpcControl, ANewAddressReplacesTheOld) {
    grpc_peer one(1);
    grpc_peer two(2);
    one.transport->open_control(two.self, dead_address(), 0);
    ASSERT_TRUE(one.on.wait([&] { return !one.lost.empty(); }));
    one.open_control(two);
    one.open_control(two); // the same again changes nothing
    ASSERT_TRUE(one.on.wait([&] { return one.opened.size() == 1; }));
    one.transport->send(two.self.node, numbered(3));
    ASSERT_TRUE(two.on.wait([&] { return two.control.size() == 1; }));
    EXPECT_EQ(one.opened.size(), 1U);
}

TEST(GrpcControl, AStreamOfALaterLifeTakesThePlaceOfTheOld) {
    grpc_peer old_life(1);
    grpc_peer two(2);
    old_life.open_control(two);
    ASSERT_TRUE(old_life.on.wait([&] { return !old_life.opened.empty(); }));
    grpc_peer new_life(1, [](auto& options) { options.self.boot = boot_id{2}; });
    new_life.open_control(two);
    ASSERT_TRUE(new_life.on.wait([&] { return !new_life.opened.empty(); }));
    EXPECT_THAT(old_life.loss(0), HasSubstr("newer stream"));
    EXPECT_THAT(old_life.loss(1), HasSubstr("later life"));
    new_life.transport->send(two.self.node, numbered(1));
    ASSERT_TRUE(two.on.wait([&] { return two.control.size() == 1; }));
    EXPECT_EQ(two.control[0].from.boot, boot_id{2});
}

struct stranger {
    const char* name;
    std::function<void(grpc_transport_options&)> set;
    const char* why;
};

class GrpcHello : public testing::TestWithParam<stranger> {};

TEST_P(GrpcHello, OfWhoDoesNotBelongIsRefusedWithBothNamed) {
    grpc_peer one(1, GetParam().set);
    grpc_peer two(2);
    peer_identity meant = two.self;
    if (std::string_view(GetParam().name) == "OtherNode") {
        meant.node = node_id{3};
    }
    one.transport->open_control(meant, two.address(), 0);
    const std::string why = one.loss(0);
    EXPECT_THAT(why, HasSubstr(GetParam().why));
    EXPECT_THAT(why, HasSubstr("here is node 2 of cluster \"garden\", wire 1 to 1"));
    EXPECT_THAT(why, HasSubstr("the caller is node 1 of cluster"));
    EXPECT_EQ(one.on.read([&] { return one.lost[0].first; }), meant.node);

    spoken_lane lane;
    lane.link = one.transport->open_lane(meant.node, two.address(), one.hello_of(0), lane);
    ASSERT_TRUE(lane.is_lost());
    EXPECT_EQ(lane.lost[0], why);
    EXPECT_GE(two.transport->counts().hellos_refused, 2U);
    lane.link.reset();
    one.stop();
    EXPECT_TRUE(one.opened.empty());
    EXPECT_TRUE(two.lanes.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Strangers, GrpcHello,
    testing::Values(stranger{"OtherCluster", [](auto& o) { o.cluster = "house"; },
                             "another cluster"},
                    stranger{"OtherVersion", [](auto& o) { o.wire = {.min = 2, .max = 3}; },
                             "no wire version that both speak"},
                    stranger{"OtherNode", [](auto&) {}, "another node than node 3"}),
    [](const auto& param) { return param.param.name; });

// gRPC's threads end with the last of its objects: that must not be one of those threads' doing.
TEST(GrpcShutDown, TheLastCallDoesNotTakeGrpcWithIt) {
    const std::string nobody = dead_address();
    for (int round = 0; round < 100; ++round) {
        grpc_peer one(1);
        for (int i = 0; i < 10; ++i) {
            one.transport->ask(nobody, one.message(probe{1}));
            one.transport->open_control({node_id{7}, boot_id{1}}, nobody, 0);
            one.transport->close_control(node_id{7});
            spoken_lane lane;
            lane.link = one.transport->open_lane(node_id{7}, nobody, one.hello_of(0), lane);
        }
    }
}

TEST(GrpcShutDown, NobodyIsCalledAfterwardsHoweverBusy) {
    for (int round = 0; round < 5; ++round) {
        grpc_peer one(1);
        grpc_peer two(2);
        for (grpc_peer* each : {&one, &two}) {
            each->answers = [each](const envelope& asked) {
                return each->message(ack{1}, asked.from);
            };
        }
        one.open_control(two);
        two.open_control(one);
        std::vector<std::unique_ptr<spoken_lane>> lanes;
        for (std::uint16_t i = 0; i < 4; ++i) {
            lanes.push_back(std::make_unique<spoken_lane>());
            one.speak_lane(two, *lanes.back(), i);
        }
        std::atomic<bool> stops = false;
        std::thread talker([&] {
            while (!stops) {
                one.transport->ask(two.address(), one.message(probe{1}));
                one.transport->ask("127.0.0.1:1", one.message(probe{1}));
                two.transport->ask(one.address(), two.message(probe{1}));
                one.transport->send(two.self.node, numbered(1));
                two.transport->send(one.self.node, numbered(1));
            }
        });
        std::thread writer([&] {
            for (std::uint64_t i = 1; !stops; ++i) {
                for (auto& lane : lanes) {
                    if (lane->on.wait([&] { return lane->welcome.boot != boot_id{}; }, 10ms)) {
                        static_cast<void>(
                            lane->write({.first = i, .bytes = std::string(5'000, 'x')}, 1s));
                    }
                }
            }
        });
        EXPECT_TRUE(two.on.wait([&] { return two.control.size() > 10; }));
        // The transports live on, closed, while others still speak to them.
        (round % 2 == 0 ? one : two).transport->shut_down();
        const auto total = [](grpc_peer& of) {
            return of.on.read([&] {
                return of.questions.size() + of.got.size() + of.refusals.size() + of.control.size()
                       + of.opened.size() + of.lost.size() + of.lanes.size();
            });
        };
        grpc_peer& closed = round % 2 == 0 ? one : two;
        const std::size_t before = total(closed);
        (round % 2 == 0 ? two : one).transport->shut_down();
        EXPECT_EQ(total(closed), before);
        stops = true;
        talker.join();
        writer.join();
        EXPECT_EQ(total(closed), before);
    }
}

} // namespace
} // namespace gv::cluster
