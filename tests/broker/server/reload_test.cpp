// SPDX-License-Identifier: Apache-2.0
#include "broker/server/reload.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace gv::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr auto none = std::nullopt;

listener_options listener(std::string_view bind, std::uint16_t port, std::string_view name = "") {
    listener_options made;
    made.bind = std::string(bind);
    made.port = port;
    made.name = std::string(name);
    return made;
}

options listening(std::vector<listener_options> items) {
    options all;
    all.listeners.items = std::move(items);
    return all;
}

std::vector<std::optional<std::size_t>> matched(std::vector<listener_options> running,
                                                std::vector<listener_options> fresh) {
    return plan_reload(listening(std::move(running)), listening(std::move(fresh))).listeners;
}

std::vector<std::string> names(const reload_plan& plan) {
    std::vector<std::string> out;
    for (const option_change& each : plan.changes) {
        out.push_back(each.name);
    }
    return out;
}

TEST(Reload, AListenerIsKnownByAddressAndPortNotByItsPlace) {
    const auto one = listener("127.0.0.2", 21100);
    const auto two = listener("127.0.0.1", 21101);
    EXPECT_THAT(matched({one, two}, {two}), ElementsAre(none, 0U));
    EXPECT_THAT(matched({one, two}, {two, one}), ElementsAre(1U, 0U));
    EXPECT_THAT(matched({one}, {listener("127.0.0.1", 21100)}), ElementsAre(none));
    EXPECT_THAT(matched({one}, {listener("127.0.0.2", 21101)}), ElementsAre(none));
    EXPECT_THAT(matched({listener("::1", 1)}, {listener("0:0:0:0:0:0:0:1", 1)}), ElementsAre(0U));
}

TEST(Reload, ListenersOnFreePortsAreKnownByNameOrLeftAlone) {
    const auto a = listener("127.0.0.1", 0, "a");
    const auto b = listener("127.0.0.1", 0, "b");
    const auto unnamed = listener("127.0.0.1", 0);
    EXPECT_THAT(matched({a, b}, {b, a}), ElementsAre(1U, 0U));
    EXPECT_THAT(matched({a, b}, {b}), ElementsAre(none, 0U));
    EXPECT_THAT(matched({a}, {b}), ElementsAre(0U)) << "there is only one: its name changed";
    EXPECT_THAT(matched({unnamed, unnamed}, {unnamed, unnamed}), ElementsAre(0U, 1U));
    EXPECT_THAT(matched({unnamed, unnamed}, {unnamed}), ElementsAre(none, none));
}

TEST(Reload, RulesStayWithTheirListener) {
    options running = listening({listener("127.0.0.2", 21100), listener("127.0.0.1", 21101)});
    running.listeners.items[0].allow_anonymous = tristate::no;
    options fresh = listening({listener("127.0.0.1", 21101)});
    fresh.listeners.items[0].allow_anonymous = tristate::yes;
    const reload_plan plan = plan_reload(running, fresh);
    ASSERT_EQ(plan.effective.listeners.items.size(), 2U);
    EXPECT_EQ(*plan.effective.listeners.items[0].bind, "127.0.0.2");
    EXPECT_EQ(*plan.effective.listeners.items[0].allow_anonymous, tristate::no);
    EXPECT_EQ(*plan.effective.listeners.items[1].allow_anonymous, tristate::yes);
    EXPECT_THAT(
        plan.changes,
        ElementsAre(
            option_change{"listeners.0", "bind = 127.0.0.2, port = 21100, allow_anonymous = false",
                          "", reload::restart},
            option_change{"listeners.0.allow_anonymous", "auto", "true", reload::new_connections}));
}

TEST(Reload, WhatNeedsARestartStaysAsItRuns) {
    options running = listening({listener("127.0.0.1", 1883)});
    running.topics.items.emplace_back().filter = "a/#";
    options fresh = running;
    fresh.storage.durability = durability_level::memory;
    fresh.shards.threads = 7;
    fresh.listeners.items[0].transport = transport_kind::websocket;
    fresh.listeners.items[0].name = "other";
    fresh.topics.items.clear();
    fresh.mqtt.qos_max = 1;
    fresh.listeners.items[0].connections_max = 5;
    const reload_plan plan = plan_reload(running, fresh);
    const options& now = plan.effective;
    EXPECT_EQ(*now.storage.durability, durability_level::fsync);
    EXPECT_EQ(*now.shards.threads, 0U);
    EXPECT_EQ(*now.listeners.items[0].transport, transport_kind::tcp);
    EXPECT_EQ(*now.listeners.items[0].name, "");
    EXPECT_EQ(now.topics.items.size(), 1U);
    EXPECT_EQ(*now.mqtt.qos_max, 1U);
    EXPECT_EQ(*now.listeners.items[0].connections_max, 5U);
    EXPECT_THAT(names(plan), ElementsAre("listeners.0.name", "listeners.0.transport",
                                         "listeners.0.connections_max", "topics.0", "mqtt.qos_max",
                                         "shards.threads", "storage.durability"));
}

TEST(Reload, WhatIsAsItRunsAgainIsNoChange) {
    const options running = listening({listener("127.0.0.1", 21000)});
    options fresh = listening({listener("127.0.0.1", 21007)});
    fresh.storage.durability = durability_level::memory;
    const reload_plan first = plan_reload(running, fresh);
    EXPECT_THAT(names(first), ElementsAre("listeners.0", "storage.durability", "listeners.0"));
    EXPECT_THAT(names(plan_reload(first.effective, running)), IsEmpty());
    EXPECT_EQ(plan_reload(first.effective, fresh).changes, first.changes);
}

} // namespace
} // namespace gv::server
