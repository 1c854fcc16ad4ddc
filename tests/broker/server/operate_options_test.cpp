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
    EXPECT_EQ(parse({"forget", "node2"})->which, "node2");
    EXPECT_EQ(parse({"forget", "--help"})->task, operate_task::help);
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
    EXPECT_THAT(refusal_of({}), HasSubstr("status, join, leave or forget"));
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
