// SPDX-License-Identifier: Apache-2.0
#include "broker/server/health_command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::server {
namespace {

using testing::HasSubstr;

TEST(HealthCommand, AsksWhereTheAdminPortIs) {
    admin_options given;
    EXPECT_EQ(health_endpoint(given)->text(), "127.0.0.1:9883");
    given.bind = "fd00::2";
    given.port = 1;
    EXPECT_EQ(health_endpoint(given)->text(), "[fd00::2]:1");
}

TEST(HealthCommand, AsksOnLoopbackWhatListensEverywhere) {
    admin_options given;
    given.bind = "0.0.0.0";
    EXPECT_EQ(health_endpoint(given)->text(), "127.0.0.1:9883");
    given.bind = "::";
    EXPECT_EQ(health_endpoint(given)->text(), "[::1]:9883");
}

TEST(HealthCommand, SaysThatThereIsNothingToAsk) {
    admin_options given;
    given.port = 0;
    EXPECT_EQ(health_endpoint(given).error().place, "admin.port");
    given.enabled = false;
    EXPECT_EQ(health_endpoint(given).error().place, "admin.enabled");
}

} // namespace
} // namespace gv::server
