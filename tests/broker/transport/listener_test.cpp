// SPDX-License-Identifier: Apache-2.0
#include "broker/transport/listener.hpp"
#include "broker/transport/make_stream.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <thread>

namespace gv::transport {
namespace {

using namespace std::chrono_literals;

endpoint loopback(std::uint16_t port = 0) { return parse_endpoint("127.0.0.1", port).value(); }

class accept_log : public accept_handler {
  public:
    explicit accept_log(std::size_t shards = 1) : turn(shards) {}
    shard_id choose_shard() override { return turn.next(); }
    void post_to(shard_id shard, std::vector<accepted_socket> more) override {
        ++hand_overs;
        for (auto& each : more) {
            sockets[shard.value].push_back(std::move(each));
        }
    }
    void on_accept_paused(boost::system::error_code why, std::chrono::milliseconds) override {
        pauses.push_back(why);
    }
    void on_accepting_again() override { ++resumptions; }

    [[nodiscard]] std::size_t count() const {
        std::size_t sum = 0;
        for (const auto& [shard, of_shard] : sockets) {
            sum += of_shard.size();
        }
        return sum;
    }

    round_robin turn;
    std::map<unsigned, std::vector<accepted_socket>> sockets;
    std::vector<boost::system::error_code> pauses;
    int resumptions = 0;
    int hand_overs = 0;
};

unique_fd connect_to(const endpoint& where) {
    sockaddr_storage address;
    const auto size = to_sockaddr(where, address);
    unique_fd fd(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) {
        return {};
    }
    return fd;
}

bool run_until(boost::asio::io_context& context, const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (!condition()) {
        context.run_one_for(1ms);
        context.restart();
        if (std::chrono::steady_clock::now() > deadline) {
            return false;
        }
    }
    return true;
}

TEST(Listener, TellsThePortThatItGot) {
    boost::asio::io_context context(1);
    accept_log log;
    listener one(context, {.where = loopback()}, log);
    ASSERT_TRUE(one.open().has_value());
    EXPECT_NE(one.local().port, 0);
    EXPECT_EQ(one.local().host(), "127.0.0.1");
}

TEST(Listener, HandsOverASocketWithItsPeer) {
    boost::asio::io_context context(1);
    accept_log log;
    listener one(context, {.where = loopback()}, log);
    ASSERT_TRUE(one.open().has_value());
    one.start();
    const auto client = connect_to(one.local());
    ASSERT_TRUE(run_until(context, [&] { return log.count() == 1; }));
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    ::getsockname(client.get(), reinterpret_cast<sockaddr*>(&address), &size);
    EXPECT_EQ(log.sockets[0][0].peer.text(), from_sockaddr(address).text());
}

TEST(Listener, AcceptedSocketsSendAtOnce) {
    boost::asio::io_context context(1);
    accept_log log;
    listener one(context, {.where = loopback()}, log);
    ASSERT_TRUE(one.open().has_value());
    one.start();
    const auto client = connect_to(one.local());
    ASSERT_TRUE(run_until(context, [&] { return log.count() == 1; }));
    int is_on = 0;
    socklen_t size = sizeof is_on;
    ::getsockopt(log.sockets[0][0].fd.get(), IPPROTO_TCP, 1 /* TCP_NODELAY */, &is_on, &size);
    EXPECT_EQ(is_on, 1);
}

TEST(Listener, ListensOnIpv6Alone) {
    boost::asio::io_context context(1);
    accept_log log;
    const auto any6 = parse_endpoint("::", 0).value();
    if (const auto opened = listener(context, {.where = any6}, log).open(); !opened) {
        GTEST_SKIP() << opened.error().what;
    }
    // Beside an IPv4 listener of the same port, which an IPv6 socket for both would collide with.
    // Somebody else may have just that IPv6 port, hence several attempts.
    bool is_open = false;
    for (int attempt = 0; attempt < 10 && !is_open; ++attempt) {
        listener four(context, {.where = loopback()}, log);
        ASSERT_TRUE(four.open().has_value());
        auto where = any6;
        where.port = four.local().port;
        listener six(context, {.where = where}, log);
        is_open = six.open().has_value();
        if (is_open) {
            six.start();
            const auto client = connect_to(parse_endpoint("::1", where.port).value());
            EXPECT_TRUE(run_until(context, [&] { return log.count() == 1; }));
        }
    }
    EXPECT_TRUE(is_open);
}

TEST(Listener, TakesBothFamiliesWhereAsked) {
    boost::asio::io_context context(1);
    accept_log log;
    listener both(context, {.where = parse_endpoint("::", 0).value(), .only_v6 = false}, log);
    if (const auto opened = both.open(); !opened) {
        GTEST_SKIP() << opened.error().what;
    }
    both.start();
    const auto client = connect_to(loopback(both.local().port));
    ASSERT_TRUE(run_until(context, [&] { return log.count() == 1; }));
    EXPECT_EQ(log.sockets[0][0].peer.host(), "127.0.0.1");
}

TEST(Listener, SaysWhyItCannotListen) {
    boost::asio::io_context context(1);
    accept_log log;
    listener first(context, {.where = loopback()}, log);
    ASSERT_TRUE(first.open().has_value());
    listener second(context, {.where = first.local()}, log);
    const auto taken = second.open();
    ASSERT_FALSE(taken.has_value());
    EXPECT_EQ(taken.error().place, first.local().text());
    EXPECT_THAT(taken.error().what, ::testing::HasSubstr("Address already in use"));
    EXPECT_THAT(taken.error().remedy, ::testing::HasSubstr("another process"));

    listener elsewhere(context, {.where = parse_endpoint("192.0.2.1", 0).value()}, log);
    EXPECT_THAT(elsewhere.open().error().remedy, ::testing::HasSubstr("ip address"));
}

TEST(Listener, DealsConnectionsOutEvenly) {
    boost::asio::io_context context(1);
    accept_log log(4);
    listener one(context, {.where = loopback()}, log);
    ASSERT_TRUE(one.open().has_value());
    one.start();
    std::vector<unique_fd> clients;
    for (int count = 0; count < 40; ++count) {
        clients.push_back(connect_to(one.local()));
    }
    ASSERT_TRUE(run_until(context, [&] { return log.count() == 40; }));
    for (const auto& [shard, sockets] : log.sockets) {
        EXPECT_EQ(sockets.size(), 10U) << shard;
    }
    EXPECT_EQ(log.hand_overs, 4) << "one a shard for the whole burst";
}

TEST(Listener, BoundsWhatItTakesAtOnce) {
    boost::asio::io_context context(1);
    accept_log log;
    listener one(context, {.where = loopback(), .accepts_max = 3}, log);
    ASSERT_TRUE(one.open().has_value());
    one.start();
    std::vector<unique_fd> clients;
    for (int count = 0; count < 7; ++count) {
        clients.push_back(connect_to(one.local()));
    }
    ASSERT_TRUE(run_until(context, [&] { return log.count() == 7; }));
    EXPECT_EQ(log.hand_overs, 3);
}

TEST(Listener, ABurstOfConnectsLosesNothing) {
    boost::asio::io_context context(1);
    accept_log log;
    listener one(context, {.where = loopback()}, log);
    ASSERT_TRUE(one.open().has_value());
    std::vector<unique_fd> clients;
    for (int count = 0; count < 300; ++count) {
        clients.push_back(connect_to(one.local())); // completes in the backlog
        ASSERT_TRUE(clients.back());
    }
    one.start();
    EXPECT_TRUE(run_until(context, [&] { return log.count() == 300; }));
}

TEST(Listener, SharesAPortAmongShards) {
    boost::asio::io_context context(1);
    accept_log log;
    listener first(context, {.where = loopback(), .reuse_port = true}, log);
    ASSERT_TRUE(first.open().has_value());
    accept_log other_log;
    listener second(context, {.where = first.local(), .reuse_port = true}, other_log);
    ASSERT_TRUE(second.open().has_value());
    first.start();
    second.start();
    std::vector<unique_fd> clients;
    for (int count = 0; count < 64; ++count) {
        clients.push_back(connect_to(first.local()));
    }
    EXPECT_TRUE(run_until(context, [&] { return log.count() + other_log.count() == 64; }));
    EXPECT_GT(log.count(), 0U);
    EXPECT_GT(other_log.count(), 0U);
}

TEST(Listener, RefusesAfterStop) {
    boost::asio::io_context context(1);
    accept_log log;
    listener one(context, {.where = loopback()}, log);
    ASSERT_TRUE(one.open().has_value());
    const auto where = one.local();
    one.start();
    one.stop();
    EXPECT_FALSE(connect_to(where));
    context.poll();
    EXPECT_EQ(log.count(), 0U);
}

TEST(Listener, MayBeDestroyedWhileItAccepts) {
    boost::asio::io_context context(1);
    struct destroyer : accept_log {
        void post_to(shard_id, std::vector<accepted_socket>) override { victim.reset(); }
        std::unique_ptr<listener> victim;
    } log;
    log.victim = std::make_unique<listener>(context, listener_options{.where = loopback()}, log);
    ASSERT_TRUE(log.victim->open().has_value());
    log.victim->start();
    const auto client = connect_to(log.victim->local());
    EXPECT_TRUE(run_until(context, [&] { return log.victim == nullptr; }));
    context.poll();
}

/// Lowers the limit of descriptors so that the next one is refused.
class no_more_descriptors {
  public:
    no_more_descriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const unique_fd next(::dup(0));
        rlimit now = before_;
        now.rlim_cur = static_cast<rlim_t>(next.get());
        ::setrlimit(RLIMIT_NOFILE, &now);
    }
    ~no_more_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

  private:
    rlimit before_{};
};

TEST(Listener, PausesWhileThereAreNoDescriptorsAndNeverSpins) {
    boost::asio::io_context context(1);
    accept_log log;
    listener one(context, {.where = loopback(), .pause = 20ms}, log);
    ASSERT_TRUE(one.open().has_value());
    const auto client = connect_to(one.local());
    ASSERT_TRUE(client);
    one.start();
    context.poll(); // Asio's own descriptors exist from here on
    // A sanitizer inspects the first virtual call on a type through a pipe of its own: let it.
    boost::asio::steady_timer first(context, 1ms);
    first.async_wait([](const boost::system::error_code&) {});
    context.run_for(5ms);
    ASSERT_EQ(boost::system::error_code(EMFILE, boost::system::system_category()),
              boost::system::errc::too_many_files_open);
    std::size_t wake_ups = 0;
    {
        log.sockets.clear();
        const auto second = connect_to(one.local());
        const no_more_descriptors limit;
        const auto end = std::chrono::steady_clock::now() + 90ms;
        while (std::chrono::steady_clock::now() < end) {
            wake_ups += context.run_one_until(end);
        }
        ASSERT_EQ(log.pauses.size(), 1U) << "told once";
        EXPECT_EQ(log.pauses[0], boost::system::errc::too_many_files_open);
        EXPECT_EQ(log.count(), 0U);
        EXPECT_EQ(log.resumptions, 0);
    }
    EXPECT_LE(wake_ups, 10U);
    EXPECT_TRUE(run_until(context, [&] { return log.count() == 1; }));
    EXPECT_EQ(log.resumptions, 1);
}

TEST(Listener, StreamsLiveOnTheShardTheyWereDealtTo) {
    boost::asio::io_context here(1);
    boost::asio::io_context there(1);
    struct mover : accept_log, readiness_handler {
        explicit mover(boost::asio::io_context& to) : target(to) {}
        void post_to(shard_id, std::vector<accepted_socket> more) override {
            boost::asio::post(target, [this, moved = std::move(more)]() mutable {
                made = make_stream(target, std::move(moved.front()), {});
                made->set_handler(*this);
                made->wait_readable();
            });
        }
        void on_readable() override {
            char byte = 0;
            const auto done = made->read({&byte, 1});
            reader = std::this_thread::get_id();
            got = done.state == io_state::ok ? byte : '\0';
            made.reset();
            target.stop();
        }
        void on_writable() override {}
        boost::asio::io_context& target;
        stream_ptr made;
        std::thread::id reader;
        char got = '\0';
    } handler(there);
    listener one(here, {.where = loopback()}, handler);
    ASSERT_TRUE(one.open().has_value());
    one.start();
    const auto client = connect_to(one.local());
    ASSERT_EQ(::send(client.get(), "x", 1, 0), 1);
    auto keep = boost::asio::make_work_guard(there);
    std::thread other([&] { there.run_for(10s); });
    const auto other_id = other.get_id();
    here.run_one_for(5s);
    other.join();
    EXPECT_EQ(handler.got, 'x');
    EXPECT_EQ(handler.reader, other_id);
}

} // namespace
} // namespace gv::transport
