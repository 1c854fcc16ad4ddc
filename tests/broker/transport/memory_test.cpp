// SPDX-License-Identifier: Apache-2.0
// What an idle connection costs on the heap: the stream, its wait and Asio's state; not the
// kernel's, not the session's. The limits are what was measured, with a little air; run with
// --gtest_filter='Memory*' to see the figures.
#include "tests/broker/transport/peer.hpp"

#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdio>

#if defined(__SANITIZE_ADDRESS__)
#define BROKER_HEAP_IS_INSTRUMENTED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BROKER_HEAP_IS_INSTRUMENTED
#endif
#endif

namespace gv::transport::testing {
namespace {

constexpr std::size_t connections = 400;

std::size_t heap_bytes() { return ::mallinfo2().uordblks; }

/// Connects, passes the handshake, and leaves only the bare descriptor of the client.
unique_fd connect_and_strip(server& host) {
    const auto client = host.connect();
    static_cast<void>(host.establish(*client));
    host.peers.clear();
    host.accepted.back()->received = {};
    host.accepted.back()->then = nullptr;
    return unique_fd(::dup(client->beneath().fd()));
}

/// Heap of one idle connection past its handshake, without this test's own objects.
std::size_t bytes_per_connection(stream_kind kind) {
    server host(profile_of(kind));
    host.accepted.reserve(connections + 1);
    const auto first = connect_and_strip(host); // what is made once
    std::vector<unique_fd> clients(connections);
    const auto before = heap_bytes();
    for (auto& each : clients) {
        each = connect_and_strip(host);
    }
    const auto all = heap_bytes() - before;
    const auto own = ::malloc_usable_size(host.accepted.back().get()) + sizeof(std::size_t);
    return all / connections - own;
}

TEST(Memory, OfAnIdleConnection) {
#ifdef BROKER_HEAP_IS_INSTRUMENTED
    GTEST_SKIP() << "the sanitizer's heap tells nothing";
#endif
    struct row {
        stream_kind kind;
        std::size_t bytes_max;
    };
    for (const auto& [kind, bytes_max] :
         {row{stream_kind::tcp, 420}, row{stream_kind::tls, 17'000},
          row{stream_kind::websocket, 6'000}, row{stream_kind::secure_websocket, 22'000}}) {
        const auto bytes = bytes_per_connection(kind);
        std::printf("%s: %zu bytes an idle connection\n", to_string(kind), bytes);
        EXPECT_LE(bytes, bytes_max) << to_string(kind);
        EXPECT_GT(bytes, 100U) << "nothing was measured";
    }
}

TEST(Memory, WaitingForInputOnTcpTakesNoneOfTheHeap) {
#ifdef BROKER_HEAP_IS_INSTRUMENTED
    GTEST_SKIP() << "the sanitizer's heap tells nothing";
#endif
    server host(profile_of(stream_kind::tcp));
    host.on_adopt = [](reader& made) { made.reads = false; };
    std::vector<unique_fd> clients;
    for (std::size_t count = 0; count < connections; ++count) {
        auto client = connect_tcp(host.where());
        clients.emplace_back(::dup(client->fd()));
    }
    ASSERT_TRUE(host.until([&] { return host.accepted.size() == connections; }));
    const auto before = heap_bytes();
    for (auto& each : host.accepted) {
        each->of->wait_readable();
    }
    EXPECT_LE(heap_bytes() - before, connections) << "less than a byte each";
}

} // namespace
} // namespace gv::transport::testing
