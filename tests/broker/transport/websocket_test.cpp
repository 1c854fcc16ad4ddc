// SPDX-License-Identifier: Apache-2.0
// What is particular to WebSocket; the rest is in contract_test.cpp.
#include "tests/broker/transport/peer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::transport::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class Websocket : public ::testing::Test {
  protected:
    Websocket() : host(profile_of(stream_kind::websocket)) {}

    websocket_peer& connect(std::string request = upgrade_text()) {
        client = host.connect_websocket(std::move(request));
        host.peers.push_back(client.get());
        return *client;
    }
    reader& open() { return host.establish(*(client = host.connect_websocket())); }
    /// Ours, which has failed.
    reader& failed() {
        EXPECT_TRUE(
            host.until([&] { return !host.accepted.empty() && host.accepted[0]->is_over(); }));
        EXPECT_EQ(host.accepted[0]->last.state, io_state::failed);
        return *host.accepted[0];
    }

    server host;
    std::unique_ptr<websocket_peer> client;
};

TEST_F(Websocket, AnswersWithExactlyOneSubprotocol) {
    connect(upgrade_text("Sec-WebSocket-Protocol: chat, mqttv3.1, mqtt\r\n"));
    ASSERT_TRUE(host.until([&] { return client->is_open(); }));
    EXPECT_THAT(client->response(), HasSubstr("Sec-WebSocket-Protocol: mqttv3.1\r\n"));
    EXPECT_THAT(client->response(),
                HasSubstr("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    EXPECT_THAT(client->response(), ::testing::Not(HasSubstr("Extensions")));
}

TEST_F(Websocket, RefusesAClientWithoutSubprotocol) {
    connect(upgrade_text(""));
    EXPECT_THAT(failed().of->failure_text(), HasSubstr("offers neither subprotocol"));
    EXPECT_TRUE(host.until([&] { return client->has_seen_end(); }));
    EXPECT_THAT(client->response(), StartsWith("HTTP/1.1 400 "));
}

TEST_F(Websocket, RefusesAnotherWebSocketVersion) {
    auto request = upgrade_text();
    request.replace(request.find("Version: 13"), 11, "Version: 99");
    connect(request);
    EXPECT_THAT(failed().of->failure_text(), HasSubstr("WebSocket handshake refused"));
    EXPECT_TRUE(host.until([&] { return client->has_seen_end(); }));
    EXPECT_THAT(client->response(), StartsWith("HTTP/1.1 426 "));
}

TEST_F(Websocket, AnswersPlainHttpAndEnds) {
    connect("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_THAT(failed().of->failure_text(), StartsWith("plain HTTP request (GET /)"));
    EXPECT_TRUE(host.until([&] { return client->has_seen_end(); }));
    EXPECT_THAT(client->response(), StartsWith("HTTP/1.1 426 Upgrade Required\r\n"));
    EXPECT_THAT(client->response(), HasSubstr("This port speaks MQTT over WebSocket"));
}

TEST_F(Websocket, EndsARawMqttClientWithAReason) {
    connect(std::string("\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test", 18));
    EXPECT_EQ(failed().of->failure_text(), "plain MQTT on a WebSocket port");
    EXPECT_TRUE(host.until([&] { return client->has_seen_end(); }));
    EXPECT_EQ(client->response(), "");
}

TEST_F(Websocket, TakesTheHandshakeByteByByte) {
    connect("");
    for (const char each : upgrade_text()) {
        client->send_raw({&each, 1});
        ASSERT_TRUE(host.until([&] { return client->has_sent_all(); }));
        host.context.poll();
    }
    client->send("hello");
    EXPECT_TRUE(host.until(
        [&] { return !host.accepted.empty() && host.accepted[0]->received == "hello"; }));
}

TEST_F(Websocket, GivesUpOnASlowHandshake) {
    auto hasty = std::make_shared<websocket_options>();
    hasty->handshake_timeout = std::chrono::milliseconds(20);
    host.profile.websocket = std::move(hasty);
    connect("GET /");
    EXPECT_EQ(failed().last.error, boost::system::errc::timed_out);
    EXPECT_EQ(host.accepted[0]->of->failure_text(), "no WebSocket handshake in time");
    EXPECT_TRUE(host.until([&] { return client->has_seen_end(); }));
}

TEST_F(Websocket, AnEstablishedOneOutlivesTheHandshakeTimeout) {
    auto hasty = std::make_shared<websocket_options>();
    hasty->handshake_timeout = std::chrono::milliseconds(500);
    host.profile.websocket = std::move(hasty);
    auto& ours = open();
    host.context.run_for(std::chrono::milliseconds(600));
    client->send("later");
    EXPECT_TRUE(host.until([&] { return ours.received == "later"; }));
}

TEST_F(Websocket, NoticesAnEndWithinTheHandshake) {
    connect("GET / HTTP/1.1\r\n");
    client->peer::end_in_order();
    EXPECT_EQ(failed().of->failure_text(),
              "the client closed the connection during the WebSocket handshake");
}

TEST_F(Websocket, JoinsTheFragmentsOfAMessage) {
    auto& ours = open();
    client->send_frame({.opcode = binary_frame, .is_last = false, .payload = "one "});
    client->send_frame({.opcode = continuation_frame, .is_last = false, .payload = ""});
    client->send_frame({.opcode = continuation_frame, .is_last = false, .payload = "message "});
    client->send_frame({.opcode = ping_frame, .is_last = true, .payload = "between"});
    client->send_frame({.opcode = continuation_frame, .is_last = true, .payload = "in parts"});
    EXPECT_TRUE(host.until([&] { return ours.received == "one message in parts"; }));
}

TEST_F(Websocket, PassesPacketsThatSpanAndShareMessages) {
    auto& ours = open();
    client->send(std::string("\xc0", 1));
    client->send(std::string("\x00\xc0\x00\xc0", 4));
    client->send("");
    client->send(std::string("\x00", 1));
    EXPECT_TRUE(host.until([&] { return ours.received.size() == 6; }));
    EXPECT_EQ(ours.received, std::string("\xc0\x00\xc0\x00\xc0\x00", 6));
}

TEST_F(Websocket, PutsNoLimitOnAMessage) {
    auto& ours = open();
    const std::string bytes(20U << 20, 'm');
    client->send(bytes);
    EXPECT_TRUE(host.until([&] { return ours.received.size() == bytes.size(); }));
    EXPECT_TRUE(ours.received == bytes);
}

TEST_F(Websocket, AnswersPings) {
    auto& ours = open();
    client->send_frame({.opcode = ping_frame, .is_last = true, .payload = "are you there"});
    ASSERT_TRUE(host.until([&] { return !client->control().empty(); }));
    EXPECT_EQ(client->control()[0].opcode, pong_frame);
    EXPECT_EQ(client->control()[0].payload, "are you there");
    EXPECT_EQ(ours.received, "");
}

TEST_F(Websocket, IgnoresPongsThatNobodyAskedFor) {
    auto& ours = open();
    client->send_frame({.opcode = pong_frame, .is_last = true, .payload = ""});
    client->send("data");
    EXPECT_TRUE(host.until([&] { return ours.received == "data"; }));
}

TEST_F(Websocket, ATextFrameEndsTheConnectionWith1003) {
    static_cast<void>(open());
    client->send_frame({.opcode = text_frame, .is_last = true, .payload = "text"});
    EXPECT_EQ(failed().of->failure_text(), "a WebSocket text frame; MQTT needs binary frames");
    EXPECT_EQ(host.accepted[0]->received, "");
    EXPECT_TRUE(host.until([&] { return client->close_code() == 1003; }));
    EXPECT_TRUE(host.until([&] { return client->has_seen_end(); }));
}

TEST_F(Websocket, ATextFrameEndsItWith1003EvenIfWeGoAtOnce) {
    auto& ours = open();
    ours.then = [&] {
        if (ours.is_over()) {
            ours.of.reset();
        }
    };
    client->send_frame({.opcode = text_frame, .is_last = true, .payload = "text"});
    EXPECT_TRUE(host.until([&] { return client->has_seen_end() || client->has_seen_error(); }));
    EXPECT_EQ(client->close_code(), 1003);
}

TEST_F(Websocket, AnUnmaskedFrameIsAProtocolError) {
    static_cast<void>(open());
    client->send_raw(std::string("\x82\x01x", 3));
    EXPECT_THAT(failed().of->failure_text(), ::testing::Not(::testing::IsEmpty()));
    EXPECT_TRUE(host.until([&] { return client->close_code() == 1002; }));
}

TEST_F(Websocket, AnswersACloseFrame) {
    auto& ours = open();
    client->end_in_order();
    EXPECT_TRUE(host.until([&] { return ours.is_over(); }));
    EXPECT_EQ(ours.last.state, io_state::closed);
    EXPECT_TRUE(host.until([&] { return client->has_seen_end(); }));
    EXPECT_EQ(client->close_code(), 1000);
}

TEST_F(Websocket, NothingIsWrittenAfterACloseFrame) {
    auto& ours = open();
    client->end_in_order();
    ASSERT_TRUE(host.until([&] { return ours.is_over(); }));
    EXPECT_EQ(ours.write("too late").state, io_state::failed);
}

TEST_F(Websocket, ShutdownDuringTheHandshakeEndsIt) {
    connect("GET / HTTP/1.1\r\n");
    ASSERT_TRUE(host.until([&] { return !host.accepted.empty(); }));
    host.accepted[0]->of->shutdown();
    EXPECT_TRUE(host.until([&] { return client->has_seen_end(); }));
}

TEST_F(Websocket, KeepsAtMostItsLimitForAPeerThatDoesNotRead) {
    auto& ours = open();
    client->pause_reading(true);
    const std::string chunk(50'000, 'b');
    for (int count = 0; count < 10'000 && ours.write(chunk).state == io_state::ok; ++count) {
        EXPECT_LE(ours.of->unsent(), websocket_unsent_max);
        host.context.poll();
    }
    EXPECT_EQ(ours.write(chunk).state, io_state::would_block);
    EXPECT_GT(ours.of->unsent(), 0U);
}

TEST_F(Websocket, AFloodOfPingsToADeafPeerIsNotBuffered) {
    auto& ours = open();
    client->pause_reading(true);
    for (int count = 0; count < 200'000; ++count) {
        client->send_frame(
            {.opcode = ping_frame, .is_last = true, .payload = std::string(125, 'p')});
    }
    host.context.run_for(std::chrono::milliseconds(20));
    static_cast<void>(client->step());
    host.context.run_for(std::chrono::milliseconds(20));
    EXPECT_EQ(ours.of->unsent(), 0U);
    EXPECT_FALSE(client->has_sent_all()) << "TCP must push back";
}

TEST_F(Websocket, ShowsTheAddressThatATrustedProxyTells) {
    auto trusting = std::make_shared<websocket_options>();
    trusting->trusts_forwarded = true;
    host.profile.websocket = std::move(trusting);
    client = host.connect_websocket(
        upgrade_text("Sec-WebSocket-Protocol: mqtt\r\nX-Real-IP: 192.0.2.77\r\n"));
    EXPECT_EQ(host.establish(*client).of->peer().host(), "192.0.2.77");
}

TEST_F(Websocket, TellsTlsTroubleBeneathIt) {
    host.profile = profile_of(stream_kind::secure_websocket);
    peer plain(connect_tcp(host.where()));
    host.peers.push_back(&plain);
    plain.send(upgrade_text());
    EXPECT_EQ(failed().of->failure_text(), "plain HTTP on a TLS port");
}

} // namespace
} // namespace gv::transport::testing
