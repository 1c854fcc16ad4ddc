// SPDX-License-Identifier: Apache-2.0
// What another process learns from the admin port, over real loopback sockets.
#include "broker/admin/admin_client.hpp"
#include "broker/admin/admin_server.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

namespace gv::admin {
namespace {

using boost::asio::ip::tcp;
using namespace std::chrono_literals;
using testing::HasSubstr;

class phase_source final : public admin_source {
  public:
    void refresh(std::function<void()> done) override { done(); }
    [[nodiscard]] std::vector<metric_family> metrics() override { return {}; }
    [[nodiscard]] readiness state() const noexcept override { return phase; }

    std::atomic<readiness> phase = readiness::serving;
};

transport::endpoint loopback(std::uint16_t port) {
    return *transport::parse_endpoint("127.0.0.1", port);
}

class AdminClient : public testing::Test {
  protected:
    boost::asio::io_context context;
    tcp::acceptor silent{context, {boost::asio::ip::address_v4::loopback(), 0}};
};

TEST_F(AdminClient, HasStatusAndTextOfTheAnswer) {
    phase_source source;
    admin_server server({.where = loopback(0)}, source);
    ASSERT_TRUE(server.open());
    server.start();
    const auto ready = ask_admin(server.local(), "/readyz", 5s);
    ASSERT_TRUE(ready) << ready.error().what;
    EXPECT_EQ(ready->status, 200U);
    EXPECT_EQ(ready->text, "ready\n");
    source.phase = readiness::stopping;
    EXPECT_EQ(ask_admin(server.local(), "/readyz", 5s)->status, 503U);
    EXPECT_EQ(ask_admin(server.local(), "/nothing", 5s)->status, 404U);
}

TEST_F(AdminClient, SaysThatNobodyListens) {
    const transport::endpoint where = loopback(silent.local_endpoint().port());
    silent.close();
    const auto answer = ask_admin(where, "/readyz", 5s);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().place, where.text());
    EXPECT_THAT(answer.error().what, HasSubstr("refused"));
}

TEST_F(AdminClient, WaitsForNobodyWhoIsSilent) {
    const auto answer = ask_admin(loopback(silent.local_endpoint().port()), "/readyz", 20ms);
    ASSERT_FALSE(answer);
    EXPECT_THAT(answer.error().what, HasSubstr("timeout"));
}

} // namespace
} // namespace gv::admin
