// SPDX-License-Identifier: Apache-2.0
// Links that go silent, and peers that do not keep to the protocol.
#include "tests/cluster/grpc_peer.hpp"
#include "tests/cluster/stalling_proxy.hpp"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <proto/grapevine_cluster.grpc.pb.h>

namespace gv::cluster {

namespace {

namespace wire = grapevine::cluster::v1;

using testing::HasSubstr;

void notice_silence_soon(grpc_transport_options& options) {
    // Long enough for a machine that does much else meanwhile.
    options.few_bytes = options.many_bytes = {.after = 100ms, .within = 1s};
    options.connect_within = 1s;
}

TEST(GrpcSilence, APulledCableIsNoticedAndTheStreamComesBack) {
    grpc_peer one(1, notice_silence_soon);
    grpc_peer two(2, notice_silence_soon);
    stalling_proxy cable(two.options.port);
    one.transport->open_control(two.self, cable.address(), 0);
    ASSERT_TRUE(one.on.wait([&] { return one.opened.size() == 1; }));
    spoken_lane lane;
    lane.link = one.transport->open_lane(two.self.node, cable.address(), one.hello_of(0), lane);
    ASSERT_TRUE(lane.is_welcome());
    cable.stall(true);
    EXPECT_FALSE(one.loss(0).empty());
    EXPECT_TRUE(lane.is_lost());
    // The other side sees it, too.
    EXPECT_TRUE(two.lane(0)->on.wait([&] { return two.lanes[0]->lost == 1; }));
    // An attempt while it is out ends.
    EXPECT_FALSE(one.loss(1).empty());
    cable.stall(false);
    ASSERT_TRUE(one.on.wait([&] { return one.opened.size() >= 2; }));
    ASSERT_TRUE(comes_true([&] {
        one.transport->send(two.self.node, numbered(7));
        return two.on.read([&] { return !two.control.empty(); });
    }));
}

TEST(GrpcSilence, AQuietLinkIsPingedAndStays) {
    grpc_peer one(1, notice_silence_soon);
    grpc_peer two(2, notice_silence_soon);
    one.open_control(two);
    ASSERT_TRUE(one.on.wait([&] { return one.opened.size() == 1; }));
    // Over ten pings: a server that minds says GOAWAY at the third.
    EXPECT_FALSE(one.on.wait([&] { return !one.lost.empty(); }, 1'200ms))
        << one.lost.front().second;
}

TEST(GrpcSilence, AQuestionEndsWithItsDeadline) {
    grpc_peer one(1);
    grpc_peer two(2);
    stalling_proxy cable(two.options.port);
    cable.stall(true);
    const time_point asked = std::chrono::steady_clock::now();
    one.transport->ask(cable.address(), one.message(probe{1}));
    ASSERT_TRUE(comes_true([&] { return one.transport->counts().questions_unanswered == 1; }));
    EXPECT_GE(std::chrono::steady_clock::now() - asked, one.options.probe_within - 20ms);
    EXPECT_TRUE(one.on.read([&] { return one.refusals.empty(); })) << "silence is no refusal";
}

/// A peer that says what it likes.
class rude_peer {
  public:
    explicit rude_peer(const grpc_peer& to)
        : stub_(wire::Link::NewStub(
              grpc::CreateChannel(to.address(), grpc::InsecureChannelCredentials()))),
          membership_(wire::Membership::NewStub(
              grpc::CreateChannel(to.address(), grpc::InsecureChannelCredentials()))) {}

    [[nodiscard]] static wire::LinkHello hello() {
        wire::LinkHello out;
        out.set_cluster("garden");
        out.set_wire_min(1);
        out.set_wire_max(1);
        out.set_from(5);
        out.set_boot(1);
        out.set_to(2);
        return out;
    }
    [[nodiscard]] static wire::ControlFrame greeting() {
        wire::ControlFrame out;
        *out.mutable_hello() = hello();
        return out;
    }
    /// With what the server ends a control stream of these.
    [[nodiscard]] grpc::Status control(const std::vector<wire::ControlFrame>& frames) {
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + patience);
        wire::ControlEnd end;
        const auto stream = stub_->Control(&context, &end);
        for (const wire::ControlFrame& each : frames) {
            stream->Write(each);
        }
        return stream->Finish();
    }
    [[nodiscard]] grpc::Status lane(const std::vector<wire::LaneFrame>& frames) {
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + patience);
        const auto stream = stub_->Lane(&context);
        for (const wire::LaneFrame& each : frames) {
            stream->Write(each);
        }
        wire::LaneReply reply;
        while (stream->Read(&reply)) {
        }
        return stream->Finish();
    }
    [[nodiscard]] grpc::Status silent_control() {
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + patience);
        wire::ControlEnd end;
        // Until the end that the server sets: Finish() alone would say that nothing follows.
        const auto stream = stub_->Control(&context, &end);
        stream->WaitForInitialMetadata();
        return stream->Finish();
    }
    [[nodiscard]] grpc::Status silent_lane() { return lane({}); }
    [[nodiscard]] grpc::Status push_pull(const wire::Envelope& question) {
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + patience);
        wire::Envelope answer;
        return membership_->PushPull(&context, question, &answer);
    }

  private:
    std::unique_ptr<wire::Link::Stub> stub_;
    std::unique_ptr<wire::Membership::Stub> membership_;
};

MATCHER_P(SaysInvalid, text, "") {
    *result_listener << arg.error_message();
    return arg.error_code() == grpc::StatusCode::INVALID_ARGUMENT
           && arg.error_message().find(text) != std::string::npos;
}

TEST(GrpcRudeness, OnAControlStreamEndsIt) {
    grpc_peer two(2);
    rude_peer rude(two);
    EXPECT_THAT(rude.control({wire::ControlFrame()}), SaysInvalid("was no hello"));
    wire::ControlFrame bad_hello = rude_peer::greeting();
    bad_hello.mutable_hello()->clear_from();
    EXPECT_THAT(rude.control({bad_hello}), SaysInvalid("a node or boot of zero"));
    EXPECT_THAT(rude.control({rude_peer::greeting(), rude_peer::greeting()}),
                SaysInvalid("a hello in the middle"));
    EXPECT_THAT(rude.control({rude_peer::greeting(), wire::ControlFrame()}),
                SaysInvalid("a kind of message that this version does not know"));
    wire::ControlFrame large;
    large.mutable_route_page()->add_rows()->set_filter(std::string(5u << 20, 'x'));
    EXPECT_THAT(rude.control({rude_peer::greeting(), large}), SaysInvalid("more bytes than"));
    // Two bytes each on the wire, eighty in memory: refused before they are parsed.
    wire::ControlFrame rows;
    for (int i = 0; i < 3'000'000; ++i) {
        rows.mutable_route_page()->add_rows();
    }
    EXPECT_THAT(rude.control({rude_peer::greeting(), rows}), SaysInvalid("more bytes than"));
    EXPECT_EQ(two.transport->counts().malformed, 6U);
    two.stop();
    EXPECT_TRUE(two.control.empty());
}

TEST(GrpcRudeness, OnALaneEndsIt) {
    grpc_peer two(2);
    rude_peer rude(two);
    wire::LaneFrame pieces;
    pieces.mutable_pieces()->set_pieces("x");
    EXPECT_THAT(rude.lane({pieces}), SaysInvalid("was no hello"));
    wire::LaneFrame hello;
    *hello.mutable_hello()->mutable_link() = rude_peer::hello();
    hello.mutable_hello()->set_origin(5);
    hello.mutable_hello()->set_boot(1);
    hello.mutable_hello()->set_oldest(1);
    EXPECT_THAT(rude.lane({hello, hello}), SaysInvalid("a hello in the middle"));
    EXPECT_THAT(rude.lane({hello, wire::LaneFrame()}), SaysInvalid("a kind of message"));
    pieces.mutable_pieces()->set_pieces(std::string(300'000, 'x'));
    EXPECT_THAT(rude.lane({hello, pieces}), SaysInvalid("more bytes than"));
    wire::LaneFrame stranger = hello;
    stranger.mutable_hello()->mutable_link()->set_cluster("house");
    EXPECT_EQ(rude.lane({stranger}).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    two.stop();
    EXPECT_EQ(two.lanes.size(), 3U);
    for (const auto& lane : two.lanes) {
        EXPECT_EQ(lane->lost, 1);
        EXPECT_TRUE(lane->frames.empty());
    }
}

TEST(GrpcRudeness, SilenceInsteadOfAHelloEndsTheStream) {
    grpc_peer two(2, [](auto& options) { options.hello_within = 50ms; });
    rude_peer rude(two);
    EXPECT_EQ(rude.silent_control().error_message(), "no hello came");
    EXPECT_EQ(rude.silent_lane().error_message(), "no hello came");
    // Who has said it may be silent.
    grpc_peer one(1);
    one.open_control(two);
    ASSERT_TRUE(one.on.wait([&] { return one.opened.size() == 1; }));
    EXPECT_FALSE(one.on.wait([&] { return !one.lost.empty(); }, 200ms));
}

TEST(GrpcRudeness, WhatWasPassedOnIsNotPassedOnAgain) {
    grpc_peer two(2);
    grpc_peer three(3);
    two.open_control(three);
    ASSERT_TRUE(two.on.wait([&] { return two.opened.size() == 1; }));
    rude_peer rude(two);
    wire::ControlFrame greeting = rude_peer::greeting();
    greeting.mutable_hello()->set_to(3);
    const auto refusal = [&] { return rude.control({greeting}).error_message(); };
    EXPECT_THAT(refusal(), HasSubstr("another node than node 3")) << "it was not asked to";
    greeting.mutable_hello()->set_via(2);
    greeting.mutable_hello()->set_hops(1);
    EXPECT_EQ(refusal(), "it was passed on already");
    greeting.mutable_hello()->set_hops(0);
    greeting.mutable_hello()->set_to(4);
    EXPECT_EQ(refusal(), "this neighbour has no link there itself");
    greeting.mutable_hello()->set_cluster("house");
    EXPECT_THAT(refusal(), HasSubstr("another cluster"));
    greeting.mutable_hello()->set_hops(256);
    EXPECT_THAT(rude.control({greeting}), SaysInvalid("out of"));
    EXPECT_EQ(two.transport->counts().relays_refused, 3U);
    EXPECT_EQ(two.transport->counts().relay_streams, 0U);
}

TEST(GrpcRudeness, AStreamThatWasBegunEarlierDoesNotEndALaterOne) {
    grpc_peer two(2);
    const auto stub =
        wire::Link::NewStub(grpc::CreateChannel(two.address(), grpc::InsecureChannelCredentials()));
    struct call {
        grpc::ClientContext context;
        wire::ControlEnd end;
        std::unique_ptr<grpc::ClientWriter<wire::ControlFrame>> stream;
    };
    const auto begin = [&](call& made, std::uint64_t number) {
        wire::ControlFrame greeting = rude_peer::greeting();
        greeting.mutable_hello()->set_number(number);
        made.context.set_deadline(std::chrono::system_clock::now() + patience);
        made.stream = stub->Control(&made.context, &made.end);
        made.stream->Write(greeting);
    };
    call fifth;
    begin(fifth, 5);
    fifth.stream->WaitForInitialMetadata();
    call fourth;
    begin(fourth, 4);
    const grpc::Status late = fourth.stream->Finish();
    EXPECT_EQ(late.error_code(), grpc::StatusCode::ABORTED);
    EXPECT_THAT(late.error_message(), HasSubstr("later"));
    call sixth;
    begin(sixth, 6);
    sixth.stream->WaitForInitialMetadata();
    EXPECT_THAT(fifth.stream->Finish().error_message(), HasSubstr("newer"));
    sixth.context.TryCancel();
    static_cast<void>(sixth.stream->Finish());
}

TEST(GrpcRudeness, InAQuestionIsRefused) {
    grpc_peer two(2);
    rude_peer rude(two);
    EXPECT_THAT(rude.push_pull({}), SaysInvalid("a kind of message"));
    wire::Envelope rows;
    for (int i = 0; i < 1'500'000; ++i) {
        rows.mutable_push_pull()->add_rows();
    }
    EXPECT_THAT(rude.push_pull(rows), SaysInvalid("more bytes than"));
    two.stop();
    EXPECT_TRUE(two.questions.empty());
}

} // namespace
} // namespace gv::cluster
