// SPDX-License-Identifier: Apache-2.0
// What every stream promises (broker/transport/transport.hpp), run against each kind over real
// loopback sockets.
#include "tests/broker/transport/peer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <numeric>

namespace gv::transport::testing {
namespace {

std::string pattern(std::size_t size) {
    std::string bytes(size, '\0');
    std::uint32_t state = 1;
    for (auto& each : bytes) {
        state = state * 1'664'525U + 1'013'904'223U;
        each = static_cast<char>(state >> 24);
    }
    return bytes;
}

class Stream : public ::testing::TestWithParam<stream_kind> {
  protected:
    Stream()
        : host(profile_of(GetParam())), client(host.connect()), ours(host.establish(*client)) {}

    [[nodiscard]] bool is_websocket() const {
        return GetParam() == stream_kind::websocket || GetParam() == stream_kind::secure_websocket;
    }
    /// Writes all of `bytes`, in pieces, waiting where the stream says so.
    void write_all(std::string_view bytes, std::size_t piece) {
        while (!bytes.empty()) {
            const auto done = ours.write(bytes.substr(0, piece));
            if (done.state == io_state::would_block) {
                const int before = ours.writable_calls;
                ours.of->wait_writable();
                ASSERT_TRUE(host.until([&] { return ours.writable_calls > before; }));
                continue;
            }
            ASSERT_EQ(done.state, io_state::ok);
            bytes.remove_prefix(done.bytes);
        }
    }
    /// Writes until the stream takes no more; what it took.
    std::string fill() {
        const auto chunk = pattern(100'003);
        std::string taken;
        while (true) {
            const auto done = ours.write(chunk);
            EXPECT_NE(done.state, io_state::failed);
            if (done.state != io_state::ok) {
                return taken;
            }
            taken.append(chunk, 0, done.bytes);
            if (taken.size() > 512U << 20) {
                ADD_FAILURE() << "takes without end";
                return taken;
            }
            // A short write is full for now; TLS and WebSocket may find room a turn later.
            host.context.poll();
        }
    }

    server host;
    std::unique_ptr<peer> client;
    reader& ours;
};

INSTANTIATE_TEST_SUITE_P(Kinds, Stream,
                         ::testing::Values(stream_kind::tcp, stream_kind::tls,
                                           stream_kind::websocket, stream_kind::secure_websocket),
                         [](const auto& kind) { return std::string(to_string(kind.param)); });

TEST_P(Stream, SaysWhatItIsAndWhereThePeerIs) {
    EXPECT_EQ(ours.of->kind(), GetParam());
    EXPECT_EQ(ours.of->peer().host(), "127.0.0.1");
    EXPECT_NE(ours.of->peer().port, 0);
    EXPECT_EQ(ours.of->local().text(), host.where().text());
    EXPECT_EQ(ours.of->tls().has_value(),
              GetParam() == stream_kind::tls || GetParam() == stream_kind::secure_websocket);
    EXPECT_EQ(ours.of->failure_text(), "");
}

TEST_P(Stream, SingleBytesArriveCompleteAndInOrder) {
    const auto bytes = pattern(1'000);
    for (const char each : bytes) {
        client->send({&each, 1});
        ASSERT_TRUE(host.until([&] { return client->has_sent_all(); }));
    }
    EXPECT_TRUE(host.until([&] { return ours.received.size() == bytes.size(); }));
    EXPECT_EQ(ours.received, bytes);
}

TEST_P(Stream, AMebibyteArrivesCompleteAndInOrder) {
    const auto bytes = pattern(1 << 20);
    client->send(bytes);
    EXPECT_TRUE(host.until([&] { return ours.received.size() >= bytes.size(); }));
    EXPECT_TRUE(ours.received == bytes);
}

TEST_P(Stream, ATinyReadBufferLosesNothing) {
    ours.read_size = 7;
    const auto bytes = pattern(20'011);
    client->send(bytes);
    EXPECT_TRUE(host.until([&] { return ours.received.size() >= bytes.size(); }));
    EXPECT_TRUE(ours.received == bytes);
}

TEST_P(Stream, WaitingAfterAFullReadFindsTheRest) {
    ours.read_size = 1'000;
    ours.reads_once = true;
    const auto bytes = pattern(100'000);
    client->send(bytes);
    client->end_in_order();
    EXPECT_TRUE(host.until([&] { return ours.is_over(); }));
    EXPECT_TRUE(ours.received == bytes);
}

TEST_P(Stream, OutputOfSingleBytesArrivesInOrder) {
    const auto bytes = pattern(1'000);
    write_all(bytes, 1);
    EXPECT_TRUE(host.until([&] { return client->received().size() == bytes.size(); }));
    EXPECT_EQ(client->received(), bytes);
}

TEST_P(Stream, OutputOfAMebibyteArrivesInOrder) {
    const auto bytes = pattern(1 << 20);
    write_all(bytes, bytes.size());
    EXPECT_TRUE(host.until([&] { return client->received().size() == bytes.size(); }));
    EXPECT_TRUE(client->received() == bytes);
}

TEST_P(Stream, BothDirectionsAtOnce) {
    const auto bytes = pattern(1 << 20);
    client->send(bytes);
    write_all(bytes, 10'000);
    EXPECT_TRUE(host.until([&] {
        return client->received().size() >= bytes.size() && ours.received.size() >= bytes.size();
    }));
    EXPECT_TRUE(client->received() == bytes);
    EXPECT_TRUE(ours.received == bytes);
}

TEST_P(Stream, GatherWritesKeepTheOrderOfTheirParts) {
    const auto bytes = pattern(60'000);
    std::vector<iovec> parts;
    std::size_t at = 0;
    for (std::size_t size = 0; at < bytes.size(); size = (size * 3 + 1) % 4'001) {
        const auto count = std::min(size, bytes.size() - at);
        parts.push_back({const_cast<char*>(bytes.data()) + at, count});
        at += count;
    }
    const auto done = ours.of->write(parts);
    ASSERT_EQ(done.state, io_state::ok);
    ASSERT_EQ(done.bytes, bytes.size());
    EXPECT_TRUE(host.until([&] { return client->received().size() >= bytes.size(); }));
    EXPECT_TRUE(client->received() == bytes);
}

TEST_P(Stream, MorePartsThanTheKernelTakesAtOnce) {
    const auto bytes = pattern(3'000);
    std::vector<iovec> parts;
    for (const char& each : bytes) {
        parts.push_back({const_cast<char*>(&each), 1});
    }
    std::size_t sent = 0;
    while (sent < parts.size()) {
        const auto done = ours.of->write(std::span(parts).subspan(sent));
        ASSERT_EQ(done.state, io_state::ok);
        sent += done.bytes;
    }
    EXPECT_TRUE(host.until([&] { return client->received().size() >= bytes.size(); }));
    EXPECT_EQ(client->received(), bytes);
}

TEST_P(Stream, APeerThatDoesNotReadBlocksTheWriterUntilItReads) {
    client->pause_reading(true);
    const auto taken = fill();
    EXPECT_GT(taken.size(), 0U);
    EXPECT_EQ(ours.write("x").state, io_state::would_block);
    ours.of->wait_writable();
    const int before = ours.writable_calls;
    EXPECT_EQ(before, 0);

    client->pause_reading(false);
    EXPECT_TRUE(host.until([&] { return ours.writable_calls == 1; }));
    const auto last = ours.write("the end");
    ASSERT_EQ(last.state, io_state::ok);
    EXPECT_TRUE(host.until([&] { return client->received().size() >= taken.size() + last.bytes; }));
    EXPECT_TRUE(std::string_view(client->received()).substr(0, taken.size()) == taken);
    EXPECT_EQ(client->received().substr(taken.size()), std::string("the end", last.bytes));
}

TEST_P(Stream, WhatWasTakenGoesOutWithoutAnotherCall) {
    client->pause_reading(true);
    const auto taken = fill();
    client->pause_reading(false);
    EXPECT_TRUE(host.until([&] { return client->received().size() >= taken.size(); }));
    EXPECT_TRUE(client->received() == taken);
    EXPECT_EQ(ours.of->unsent(), 0U);
    EXPECT_EQ(ours.writable_calls, 0);
}

TEST_P(Stream, ABlockedWriterMayOfferOtherBytesNextTime) {
    client->pause_reading(true);
    auto expected = fill();
    client->pause_reading(false);
    // Whatever was offered and refused is forgotten: the next write brings something else.
    EXPECT_TRUE(host.until([&] { return client->received().size() >= expected.size() / 2; }));
    const auto other = std::string(5'000, 'o');
    write_all(other, other.size());
    expected += other;
    EXPECT_TRUE(host.until([&] { return client->received().size() >= expected.size(); }));
    EXPECT_TRUE(client->received() == expected);
}

TEST_P(Stream, NothingToReadWouldBlock) {
    char byte = 0;
    EXPECT_EQ(ours.of->read({&byte, 1}).state, io_state::would_block);
    EXPECT_FALSE(ours.of->has_buffered_input());
}

TEST_P(Stream, WaitingTwiceIsToldOnce) {
    const int before = ours.readable_calls;
    ours.reads = false;
    ours.of->wait_readable();
    ours.of->wait_readable();
    client->send("x");
    ASSERT_TRUE(host.until([&] { return ours.readable_calls > before; }));
    client->send("y");
    ASSERT_TRUE(host.until([&] { return client->has_sent_all(); }));
    host.context.run_for(std::chrono::milliseconds(5));
    EXPECT_EQ(ours.readable_calls, before + 1);
}

TEST_P(Stream, WaitsForWritingWhileThereIsRoomAreToldSoon) {
    ours.of->wait_writable();
    EXPECT_EQ(ours.writable_calls, 0) << "told from within the call";
    EXPECT_TRUE(host.until([&] { return ours.writable_calls == 1; }));
}

TEST_P(Stream, InputThatWasNotReadWaits) {
    ours.reads = false;
    const auto bytes = pattern(300'000);
    client->send(bytes);
    host.context.run_for(std::chrono::milliseconds(5));
    EXPECT_EQ(ours.received, "");
    ours.reads = true;
    ours.of->wait_readable();
    EXPECT_TRUE(host.until([&] { return ours.received.size() >= bytes.size(); }));
    EXPECT_TRUE(ours.received == bytes);
}

TEST_P(Stream, AnOrderlyEndFollowsTheLastBytes) {
    const auto bytes = pattern(200'000);
    client->send(bytes);
    client->end_in_order();
    EXPECT_TRUE(host.until([&] { return ours.is_over(); }));
    EXPECT_EQ(ours.last.state, io_state::closed) << ours.of->failure_text();
    EXPECT_TRUE(ours.received == bytes);
}

TEST_P(Stream, TheEndIsToldAgainToWhoeverWaitsAgain) {
    client->end_in_order();
    ASSERT_TRUE(host.until([&] { return ours.is_over(); }));
    const int before = ours.readable_calls;
    ours.of->wait_readable();
    EXPECT_TRUE(host.until([&] { return ours.readable_calls > before; }));
    EXPECT_EQ(ours.last.state, io_state::closed);
}

TEST_P(Stream, AVanishedPeerWithoutGoodByeIsAnEnd) {
    ::shutdown(client->beneath().fd(), SHUT_WR); // FIN beneath TLS and WebSocket
    EXPECT_TRUE(host.until([&] { return ours.is_over(); }));
    EXPECT_EQ(ours.last.state, io_state::closed) << ours.of->failure_text();
}

TEST_P(Stream, AnAbruptEndFailsWithAText) {
    client->end_abruptly();
    EXPECT_TRUE(host.until([&] { return ours.is_over(); }));
    EXPECT_EQ(ours.last.state, io_state::failed);
    EXPECT_EQ(ours.last.error, boost::system::errc::connection_reset) << ours.last.error.message();
    EXPECT_THAT(ours.of->failure_text(), ::testing::HasSubstr("reset by peer"));
    EXPECT_EQ(ours.of->peer().host(), "127.0.0.1") << "known after the end";
}

TEST_P(Stream, AWriterLearnsOfAnAbruptEnd) {
    ours.reads = false;
    client->pause_reading(true);
    static_cast<void>(fill());
    ours.of->wait_writable();
    client->end_abruptly();
    EXPECT_TRUE(host.until([&] { return ours.writable_calls == 1; }));
    EXPECT_EQ(ours.write("x").state, io_state::failed);
}

TEST_P(Stream, AfterThePeersEndOurLastWordsArriveWhereTheProtocolAllows) {
    client->send("last words");
    client->end_in_order();
    ASSERT_TRUE(host.until([&] { return ours.is_over(); }));
    EXPECT_EQ(ours.received, "last words");
    const auto answer = ours.write("and ours");
    if (is_websocket()) {
        // A close frame ends both directions (RFC 6455, 5.5.1).
        EXPECT_EQ(answer.state, io_state::failed);
        return;
    }
    EXPECT_EQ(answer.state, io_state::ok);
    EXPECT_TRUE(host.until([&] { return client->received() == "and ours"; }));
}

TEST_P(Stream, ShutdownSendsAllThatWasTakenAndThenTheEnd) {
    client->pause_reading(true);
    const auto taken = fill();
    ours.of->shutdown();
    client->pause_reading(false);
    EXPECT_TRUE(host.until([&] { return client->has_seen_end() || client->has_seen_error(); }));
    EXPECT_FALSE(client->has_seen_error());
    EXPECT_TRUE(client->received() == taken);
    if (auto* websocket = dynamic_cast<websocket_peer*>(client.get())) {
        EXPECT_EQ(websocket->close_code(), 1000);
    }
}

TEST_P(Stream, AfterShutdownThePeersEndArrives) {
    ours.of->shutdown();
    ASSERT_TRUE(host.until([&] { return client->has_seen_end() || is_websocket(); }));
    if (!is_websocket()) {
        client->end_in_order(); // a WebSocket client answers a close frame by itself
    }
    EXPECT_TRUE(host.until([&] { return ours.is_over(); }));
    EXPECT_EQ(ours.last.state, io_state::closed) << ours.of->failure_text();
}

TEST_P(Stream, UnreadInputDoesNotCostThePeerOurLastWords) {
    ours.reads = false;
    host.context.run_for(std::chrono::milliseconds(1));
    client->send(pattern(100'000));
    ASSERT_TRUE(host.until([&] { return client->has_sent_all(); }));
    ASSERT_EQ(ours.write("good bye").state, io_state::ok);
    ours.of->shutdown();
    host.context.poll();
    ours.of.reset();
    EXPECT_TRUE(host.until([&] { return client->has_seen_end() || client->has_seen_error(); }));
    EXPECT_EQ(client->received(), "good bye");
}

TEST_P(Stream, CloseDropsTheWaits) {
    const int before = ours.readable_calls;
    ours.of->wait_readable();
    ours.of->wait_writable();
    ours.of->close();
    EXPECT_TRUE(host.until([&] { return client->has_seen_end() || client->has_seen_error(); }));
    host.context.run_for(std::chrono::milliseconds(2));
    EXPECT_EQ(ours.readable_calls, before);
    EXPECT_EQ(ours.writable_calls, 0);
    EXPECT_EQ(ours.of->native_handle(), -1);
}

TEST_P(Stream, MayBeGivenUpInsideOnReadable) {
    const int before = ours.readable_calls;
    ours.then = [&] { ours.of.reset(); };
    ours.reads = false;
    client->send("x");
    EXPECT_TRUE(host.until([&] { return ours.readable_calls > before; }));
    EXPECT_TRUE(host.until([&] { return client->has_seen_end() || client->has_seen_error(); }));
}

TEST_P(Stream, MayBeGivenUpWhileItWaitsAndWrites) {
    client->pause_reading(true);
    static_cast<void>(fill());
    ours.of->wait_writable();
    ours.of.reset();
    client->pause_reading(false);
    EXPECT_TRUE(host.until([&] { return client->has_seen_end() || client->has_seen_error(); }));
    EXPECT_EQ(ours.writable_calls, 0);
}

TEST_P(Stream, MayBeGivenUpAfterTheLastTurnOfTheContext) {
    client->pause_reading(true);
    static_cast<void>(fill());
    ours.of->wait_readable();
    ours.of->wait_writable();
    ours.of.reset();
    // The context goes with operations of the stream still queued; the leak check looks on.
    SUCCEED();
}

TEST_P(Stream, GivenUpDuringItsHandshakeLeavesNothing) {
    host.on_adopt = [](reader& made) { made.reads = false; };
    const auto silent = connect_tcp(host.where());
    const auto before = host.accepted.size();
    ASSERT_TRUE(host.until([&] { return host.accepted.size() > before; }));
    auto& other = *host.accepted.back();
    other.of->wait_readable();
    static_cast<void>(silent->write("G"));
    host.context.run_for(std::chrono::milliseconds(1));
    other.of.reset();
    pollfd ended{.fd = silent->fd(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&ended, 1, 5'000), 1);
}

} // namespace
} // namespace gv::transport::testing
