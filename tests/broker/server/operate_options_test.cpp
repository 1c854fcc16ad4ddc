// SPDX-License-Identifier: Apache-2.0
#include "broker/server/operate_options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

[[nodiscard]] result<operate_options, std::string>
parse(std::initializer_list<std::string_view> args) {
    return parse_operate_options(std::vector<std::string_view>(args));
}

[[nodiscard]] std::string refusal_of(std::initializer_list<std::string_view> args) {
    const auto parsed = parse(args);
    return parsed ? std::string() : parsed.error();
}

TEST(OperateOptions, EachTaskTakesItsWords) {
    EXPECT_EQ(parse({"status"})->task, operate_task::status);
    EXPECT_TRUE(parse({"--json", "status"})->as_json);
    EXPECT_THAT(parse({"join", "a:1", "[::1]:2", "_c._tcp.home", "srv:home"})->places,
                ElementsAre("a:1", "[::1]:2", "_c._tcp.home", "srv:home"));
    EXPECT_TRUE(parse({"leave", "--force"})->is_forced);
    EXPECT_FALSE(parse({"leave"})->is_forced);
    EXPECT_EQ(parse({"drain"})->task, operate_task::drain);
    EXPECT_EQ(parse({"forget", "node2"})->which, "node2");
    EXPECT_EQ(parse({"forget", "--help"})->task, operate_task::help);
}

TEST(OperateOptions, WhatSetsANodeUpTakesItsWords) {
    using namespace std::chrono_literals;
    EXPECT_EQ(parse({"init"})->task, operate_task::init);
    EXPECT_EQ(parse({"init", "home"})->cluster, "home");
    EXPECT_EQ(parse({"renew"})->task, operate_task::renew);
    EXPECT_EQ(parse({"token"})->good_for, 1h);
    const auto token = parse({"token", "--for", "10min", "--address", "node1.home:7883"});
    ASSERT_TRUE(token) << token.error();
    EXPECT_EQ(token->good_for, 10min);
    EXPECT_EQ(token->address, "node1.home:7883");
    const auto join = parse({"join", "--token", "GV1.x"});
    ASSERT_TRUE(join) << join.error();
    EXPECT_EQ(join->task, operate_task::join_by_token);
    EXPECT_EQ(join->token, "GV1.x");
    EXPECT_EQ(parse({"join", "a:1"})->task, operate_task::join);
}

TEST(OperateOptions, WhatBecomesOfSessionsIsSaid) {
    using cluster::own_sessions;
    EXPECT_EQ(parse({"join", "a:1"})->sessions, own_sessions::stay);
    EXPECT_EQ(parse({"join", "--merge"})->sessions, own_sessions::merge);
    EXPECT_THAT(parse({"join", "--merge"})->places, testing::IsEmpty());
    const auto with_place = parse({"join", "--discard", "a:1"});
    ASSERT_TRUE(with_place) << with_place.error();
    EXPECT_EQ(with_place->sessions, own_sessions::discard);
    EXPECT_THAT(with_place->places, ElementsAre("a:1"));
    EXPECT_THAT(refusal_of({"join", "--merge", "--discard"}), HasSubstr("one of"));
    EXPECT_THAT(refusal_of({"leave", "--discard"}), HasSubstr("--discard is for join"));
    EXPECT_THAT(refusal_of({"join", "--merge", "--token", "GV1.x"}),
                HasSubstr("--merge is for join"));
}

TEST(OperateOptions, WhatSetsANodeUpIsChecked) {
    EXPECT_THAT(refusal_of({"init", "home", "office"}), HasSubstr("name of the cluster"));
    EXPECT_THAT(refusal_of({"renew", "now"}), HasSubstr("renew takes nothing behind it"));
    EXPECT_THAT(refusal_of({"join", "--token", "GV1.x", "a:1"}), HasSubstr("takes nothing behind"));
    EXPECT_THAT(refusal_of({"status", "--token", "GV1.x"}), HasSubstr("--token is for join"));
    EXPECT_THAT(refusal_of({"join", "a:1", "--for", "1h"}), HasSubstr("--for is for token"));
    EXPECT_THAT(refusal_of({"join", "a:1", "--address", "b:1"}),
                HasSubstr("--address is for token"));
    for (const char* each : {"never", "0s", "31d", "500ms"}) {
        EXPECT_THAT(refusal_of({"token", "--for", each}), HasSubstr("from 1s to 30d")) << each;
    }
}

TEST(OperateOptions, TheSocketIsNamedOrFoundByTheFlagsOfTheBroker) {
    EXPECT_EQ(parse({"status", "--socket", "/run/s"})->socket, "/run/s");
    EXPECT_EQ(parse({"status", "--socket=/run/s"})->socket, "/run/s");
    const auto parsed = parse({"-c", "f.toml", "status", "-p", "1884", "--storage.folder", "/d"});
    ASSERT_TRUE(parsed) << parsed.error();
    EXPECT_EQ(parsed->broker.config_file, "f.toml");
    EXPECT_THAT(parsed->broker.ports, ElementsAre(1884));
    ASSERT_EQ(parsed->broker.assignments.size(), 1U);
    EXPECT_EQ(parsed->broker.assignments.front().path, "storage.folder");
    EXPECT_EQ(parsed->broker.assignments.front().value.text, "/d");
}

TEST(OperateOptions, WhatMakesNoSenseIsNamed) {
    EXPECT_THAT(refusal_of({}), HasSubstr("status, join, leave, drain or forget"));
    EXPECT_THAT(refusal_of({"dance"}), HasSubstr("\"dance\""));
    EXPECT_THAT(refusal_of({"status", "now"}),
                HasSubstr("status takes nothing behind it: \"now\""));
    EXPECT_THAT(refusal_of({"join"}), HasSubstr("join takes 1 to 64 places"));
    EXPECT_THAT(refusal_of({"join", "a"}), HasSubstr("\"a\" is not host:port"));
    EXPECT_THAT(refusal_of({"join", "_c._tcp.a:7883"}), HasSubstr("has a port"));
    EXPECT_THAT(refusal_of({"forget", "a", "b"}), HasSubstr("one node"));
    EXPECT_THAT(refusal_of({"join", "a:1", "--json"}), HasSubstr("--json is for status"));
    EXPECT_THAT(refusal_of({"status", "--force"}), HasSubstr("--force is for leave"));
    EXPECT_THAT(refusal_of({"status", "--fast"}), HasSubstr("--fast is not known"));
    EXPECT_THAT(refusal_of({"status", "--socket"}), HasSubstr("--socket needs a value"));
    EXPECT_THAT(refusal_of({"status", "--socket="}), HasSubstr("--socket needs a value"));
    EXPECT_THAT(refusal_of({"status", "-p", "x"}), HasSubstr("\"x\" is not a port"));
}

} // namespace
} // namespace gv::server
