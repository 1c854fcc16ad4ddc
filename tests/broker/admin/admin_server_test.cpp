// SPDX-License-Identifier: Apache-2.0
// The admin port over real loopback sockets, port 0.
#include "broker/admin/admin_server.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

namespace gv::admin {
namespace {

using boost::asio::ip::tcp;
using testing::HasSubstr;
using testing::StartsWith;

class fake_source final : public admin_source {
  public:
    void refresh(std::function<void()> done) override {
        ++refreshed;
        if (answers) {
            done();
        } else {
            const std::lock_guard lock(mutex_);
            late_.push_back(std::move(done));
        }
    }
    [[nodiscard]] std::vector<metric_family> metrics() override {
        return {{.row = {"gv_refreshed_total", "Refreshed.", metric_kind::counter, {}},
                 .samples = {{"", static_cast<double>(refreshed)}},
                 .buckets = {}}};
    }
    [[nodiscard]] readiness state() const noexcept override { return phase; }

    /// The shards that were stuck answer after all.
    void answer_late() {
        const std::lock_guard lock(mutex_);
        for (const auto& done : late_) {
            done();
        }
        late_.clear();
    }

    std::atomic<bool> answers = true;
    std::atomic<int> refreshed = 0;
    std::atomic<readiness> phase = readiness::serving;

  private:
    std::mutex mutex_;
    std::vector<std::function<void()>> late_;
};

/// One connection to the admin port.
class http_peer {
  public:
    explicit http_peer(std::uint16_t port) {
        socket_.connect({boost::asio::ip::address_v4::loopback(), port});
    }
    void send(const std::string& text) { boost::asio::write(socket_, boost::asio::buffer(text)); }
    /// A head, and the body that its Content-Length promises.
    std::string receive(bool has_body = true) {
        while (text_.find("\r\n\r\n") == std::string::npos) {
            read_more();
        }
        std::size_t size = text_.find("\r\n\r\n") + 4;
        if (has_body) {
            const std::size_t at = text_.find("Content-Length: ");
            size += static_cast<std::size_t>(std::atoi(text_.c_str() + at + 16));
        }
        while (text_.size() < size) {
            read_more();
        }
        std::string one = text_.substr(0, size);
        text_.erase(0, size);
        return one;
    }
    std::string ask(const std::string& method, const std::string& path) {
        send(method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
        return receive(method != "HEAD");
    }
    /// Everything until the other side closes.
    std::string receive_all() {
        boost::system::error_code ended;
        boost::asio::read(socket_, boost::asio::dynamic_buffer(text_), ended);
        return text_;
    }

  private:
    void read_more() {
        char chunk[4096];
        text_.append(chunk, socket_.read_some(boost::asio::buffer(chunk)));
    }

    boost::asio::io_context context_;
    tcp::socket socket_{context_};
    std::string text_;
};

class AdminServer : public testing::Test {
  protected:
    AdminServer() { start({}); }

    void start(admin_server_options changed) {
        changed.where = *transport::parse_endpoint("127.0.0.1", 0);
        server.reset();
        server = std::make_unique<admin_server>(changed, source);
        ASSERT_TRUE(server->open());
        server->start();
    }
    std::string get(const std::string& path) {
        return http_peer(server->local().port).ask("GET", path);
    }

    fake_source source;
    std::unique_ptr<admin_server> server;
};

TEST_F(AdminServer, GivesMetricsAfterARefresh) {
    const std::string answer = get("/metrics");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\n\r\n# HELP gv_refreshed_total Refreshed.\n"));
    EXPECT_THAT(answer, HasSubstr("gv_refreshed_total 1\n"));
}

TEST_F(AdminServer, GivesOldMetricsIfAShardDoesNotAnswer) {
    start({.patience = std::chrono::milliseconds(20)});
    source.answers = false;
    EXPECT_THAT(get("/metrics"), HasSubstr("gv_refreshed_total 1\n"));
    source.answer_late();
    source.answers = true;
    EXPECT_THAT(get("/metrics"), HasSubstr("gv_refreshed_total 2\n"));
}

TEST_F(AdminServer, IgnoresAQuery) {
    EXPECT_THAT(get("/metrics?name=x"), StartsWith("HTTP/1.1 200"));
}

TEST_F(AdminServer, IsReadyWhileItServes) {
    source.phase = readiness::starting;
    EXPECT_THAT(get("/readyz"), StartsWith("HTTP/1.1 503"));
    EXPECT_THAT(get("/readyz"), HasSubstr("starting: the listeners are not open yet"));
    source.phase = readiness::serving;
    EXPECT_THAT(get("/readyz"), StartsWith("HTTP/1.1 200"));
    source.phase = readiness::stopping;
    EXPECT_THAT(get("/readyz"), StartsWith("HTTP/1.1 503"));
    EXPECT_THAT(get("/readyz"), HasSubstr("the broker is shutting down"));
}

TEST_F(AdminServer, IsAliveWhileShardsAnswer) {
    start({.patience = std::chrono::milliseconds(20)});
    EXPECT_THAT(get("/livez"), StartsWith("HTTP/1.1 200"));
    source.answers = false;
    EXPECT_THAT(get("/livez"), StartsWith("HTTP/1.1 503"));
    EXPECT_THAT(get("/livez"), HasSubstr("a shard does not answer"));
}

TEST_F(AdminServer, IsAliveWhileItStops) {
    source.answers = false;
    source.phase = readiness::stopping;
    EXPECT_THAT(get("/livez"), StartsWith("HTTP/1.1 200"));
}

TEST_F(AdminServer, KnowsNoOtherPath) {
    EXPECT_THAT(get("/"), StartsWith("HTTP/1.1 404"));
    EXPECT_THAT(get("/metrics/"), StartsWith("HTTP/1.1 404"));
}

TEST_F(AdminServer, KnowsNoOtherMethod) {
    http_peer peer(server->local().port);
    const std::string answer = peer.ask("DELETE", "/metrics");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 405"));
    EXPECT_THAT(answer, HasSubstr("Allow: GET, HEAD\r\n"));
}

TEST_F(AdminServer, AnswersHeadWithoutABody) {
    http_peer peer(server->local().port);
    const std::string head = peer.ask("HEAD", "/readyz");
    EXPECT_THAT(head, StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(head, HasSubstr("Content-Length: 6\r\n"));
    // Had a body come, the next answer would not begin where it should.
    EXPECT_THAT(peer.ask("GET", "/readyz"), StartsWith("HTTP/1.1 200"));
}

TEST_F(AdminServer, KeepsAConnectionAndAnswersInOrder) {
    http_peer peer(server->local().port);
    peer.send("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_THAT(peer.receive(), StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(peer.receive(), StartsWith("HTTP/1.1 404"));
}

TEST_F(AdminServer, ClosesWhereItIsAskedTo) {
    http_peer peer(server->local().port);
    peer.send("GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(peer.receive_all(), HasSubstr("\r\n\r\nalive\n"));
}

TEST_F(AdminServer, RefusesWhatIsNoHttp) {
    http_peer peer(server->local().port);
    peer.send(std::string("\x10\x0c\0\4MQTT\4\2\0\x3c\0\0\r\n\r\n", 18));
    EXPECT_THAT(peer.receive_all(), StartsWith("HTTP/1.1 400"));
}

TEST_F(AdminServer, RefusesABody) {
    http_peer peer(server->local().port);
    peer.send("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    EXPECT_THAT(peer.receive_all(), StartsWith("HTTP/1.1 400"));
}

TEST_F(AdminServer, RefusesARequestThatIsTooLong) {
    http_peer peer(server->local().port);
    peer.send("GET /metrics HTTP/1.1\r\nX: " + std::string(8 * 1024, 'x'));
    EXPECT_THAT(peer.receive_all(), StartsWith("HTTP/1.1 431"));
}

TEST_F(AdminServer, ClosesAnIdleConnection) {
    start({.idle_max = std::chrono::milliseconds(20)});
    http_peer peer(server->local().port);
    peer.send("GET /metrics HT");
    EXPECT_EQ(peer.receive_all(), "");
}

TEST_F(AdminServer, ClosesConnectionsBeyondTheLimit) {
    start({.connections_max = 1});
    http_peer first(server->local().port);
    EXPECT_THAT(first.ask("GET", "/livez"), StartsWith("HTTP/1.1 200"));
    http_peer second(server->local().port);
    EXPECT_EQ(second.receive_all(), "");
    EXPECT_THAT(first.ask("GET", "/livez"), StartsWith("HTTP/1.1 200"));
}

TEST_F(AdminServer, APortThatIsTakenIsAProblem) {
    admin_server second({.where = server->local()}, source);
    const auto opened = second.open();
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().place, HasSubstr("127.0.0.1:"));
}

TEST_F(AdminServer, StopsWithOpenConnectionsAndWaitingRequests) {
    source.answers = false;
    http_peer idle(server->local().port);
    http_peer waiting(server->local().port);
    waiting.send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n");
    while (source.refreshed == 0) {
        std::this_thread::yield();
    }
    server->stop();
    source.answer_late();
    server.reset();
    EXPECT_EQ(idle.receive_all(), "");
    EXPECT_EQ(waiting.receive_all(), "");
}

} // namespace
} // namespace gv::admin
