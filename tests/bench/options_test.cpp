// SPDX-License-Identifier: Apache-2.0
#include "bench/load/options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace gv::load {
namespace {

using words = std::vector<const char*>;

problem problem_of(const words& arguments) {
    const auto parsed = parse_options(arguments);
    EXPECT_FALSE(parsed.has_value());
    return parsed ? problem{} : parsed.error();
}

TEST(LoadOptions, DefaultsDependOnScenarioAndQos) {
    EXPECT_EQ(parse_options(words{"pairs"})->undelivered, 500U);
    EXPECT_EQ(parse_options(words{"pairs", "--qos", "1"})->undelivered, 200U);
    EXPECT_EQ(parse_options(words{"fanout"})->subscribers, 1'000U);
    EXPECT_EQ(parse_options(words{"fanin"})->publishers, 1'000U);
    EXPECT_EQ(parse_options(words{"flood"})->undelivered, 0U);
}

TEST(LoadOptions, ValuesAreTaken) {
    const auto parsed = parse_options(words{"pairs", "--host", "broker.test", "--port", "18830",
                                            "--seconds", "0.25", "--undelivered", "7"});
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(parsed->host, "broker.test");
    EXPECT_EQ(parsed->port, 18'830U);
    EXPECT_EQ(parsed->seconds, 0.25);
    EXPECT_EQ(parsed->undelivered, 7U);
}

TEST(LoadOptions, NonsenseIsRefusedWithItsPlace) {
    EXPECT_EQ(problem_of({"paris"}).place, "paris");
    EXPECT_EQ(problem_of({}).place, "command line");
    EXPECT_EQ(problem_of({"pairs", "--ort", "1"}).place, "--ort");
    EXPECT_EQ(problem_of({"pairs", "--port"}).place, "--port");
    EXPECT_EQ(problem_of({"pairs", "--port", "70000"}).place, "--port");
    EXPECT_EQ(problem_of({"pairs", "--port", "18x"}).place, "--port");
    EXPECT_EQ(problem_of({"pairs", "--seconds", "-1"}).place, "--seconds");
    EXPECT_EQ(problem_of({"pairs", "--qos", "3"}).place, "--qos");
    EXPECT_EQ(problem_of({"pairs", "--payload", "23"}).place, "--payload");
    EXPECT_EQ(problem_of({"pairs", "--refill", "501"}).place, "--refill");
    EXPECT_EQ(problem_of({"retained", "--qos", "2"}).place, "--qos");
    EXPECT_EQ(problem_of({"wildcards", "--subscribers", "15"}).place, "--subscribers");
    EXPECT_EQ(problem_of({"wildcards", "--filters", "1500"}).place, "--filters");
    EXPECT_EQ(problem_of({"connects"}).place, "--clients");
    EXPECT_EQ(problem_of({"pairs", "--publishers", "3", "--clients", "a,b"}).place, "--clients");
}

TEST(LoadOptions, ClientsAreAListWithCommas) {
    const auto ids_of = [](const words& arguments) {
        return client_ids(*parse_options(arguments));
    };
    EXPECT_TRUE(ids_of({"pairs"}).empty());
    EXPECT_THAT(ids_of({"connects", "--clients", "one"}), testing::ElementsAre("one"));
    EXPECT_THAT(ids_of({"pairs", "--publishers", "2", "--clients", "one,two"}),
                testing::ElementsAre("one", "two"));
}

TEST(LoadOptions, HelpNamesEveryScenario) {
    for (const scenario each :
         {scenario::pairs, scenario::fanout, scenario::fanin, scenario::wildcards, scenario::paced,
          scenario::flood, scenario::retained, scenario::idle, scenario::durable,
          scenario::connects}) {
        EXPECT_THAT(help_text(), testing::HasSubstr("  " + std::string(name_of(each)) + " "));
    }
}

} // namespace
} // namespace gv::load
