// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/acl_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::auth {
namespace {

TEST(AclFile, SortsRulesBySectionAndKind) {
    const auto load = parse_acl_file("# comment\n"
                                     "topic read $SYS/#\n"
                                     "\n"
                                     "user roger\r\n"
                                     "topic foo/bar\r\n"
                                     "\ttopic\tdeny  a b/#  \n"
                                     "pattern write $SYS/broker/connection/%c/state\n"
                                     "pattern deny x/%u\n"
                                     "user james bond\n"
                                     "topic readwrite r\n"
                                     "user roger\n"
                                     "topic deny\n",
                                     "acl.conf");
    EXPECT_TRUE(load.problems.empty());
    ASSERT_TRUE(load.table);
    const auto& table = *load.table;
    EXPECT_EQ(table.no_rule, "acl.conf: no rule allows it");
    ASSERT_EQ(table.anonymous.grants.size(), 1U);
    EXPECT_EQ(table.anonymous.grants[0].filter, "$SYS/#");
    EXPECT_EQ(table.anonymous.grants[0].grants, access::read);
    EXPECT_EQ(table.anonymous.grants[0].text, "acl.conf:2 topic read $SYS/#");
    ASSERT_EQ(table.users.size(), 2U);
    const auto& roger = table.users.at("roger");
    ASSERT_EQ(roger.grants.size(), 2U);
    EXPECT_EQ(roger.grants[0].grants, access::readwrite);
    EXPECT_EQ(roger.grants[1].filter, "deny"); // one word is the filter
    ASSERT_EQ(roger.denials.size(), 1U);
    EXPECT_EQ(roger.denials[0].filter, "a b/#");
    EXPECT_EQ(table.users.at("james bond").grants.size(), 1U);
    ASSERT_EQ(table.patterns.grants.size(), 1U);
    EXPECT_EQ(table.patterns.grants[0].filter, "$SYS/broker/connection/%c/state");
    ASSERT_EQ(table.patterns.denials.size(), 1U);
}

TEST(AclFile, RefusesTheWholeFileAndReportsEveryMistake) {
    const auto load = parse_acl_file("topic readwrite #\n"  // 1
                                     "topics read a\n"      // 2
                                     "user\n"               // 3
                                     "topic\n"              // 4
                                     "topic reed a\n"       // 5
                                     "topic read a/#/b\n"   // 6
                                     "pattern read a+/%c\n" // 7
                                     "pattern read %u#\n"   // 8
                                     "pattern +%c\n",       // 9
                                     "acl.conf");
    EXPECT_FALSE(load.table);
    std::vector<std::string> places;
    for (const auto& problem : load.problems) {
        places.push_back(problem.place);
        EXPECT_FALSE(problem.remedy.empty());
    }
    EXPECT_THAT(places,
                testing::ElementsAre("acl.conf:2", "acl.conf:3", "acl.conf:4", "acl.conf:5",
                                     "acl.conf:6", "acl.conf:7", "acl.conf:8", "acl.conf:9"));
    EXPECT_EQ(load.problems[3].what, "\"reed\" is not a kind of access");
    EXPECT_FALSE(load_acl_file("/nonexistent/acl").table);
    EXPECT_EQ(load_acl_file("/nonexistent/acl").problems.size(), 1U);
}

TEST(AclPattern, ReplacesEachPlaceHolderOnce) {
    EXPECT_EQ(expand_pattern("a/%c/%u/%c", "id", "name"), "a/id/name/id");
    EXPECT_EQ(expand_pattern("%c", "%u", "name"), "%u");
    EXPECT_EQ(expand_pattern("100%/%%u/%", "id", "n"), "100%/%n/%");
    EXPECT_EQ(expand_pattern("a/%u", "id", std::nullopt), std::nullopt);
    EXPECT_EQ(expand_pattern("a/%c", "id", std::nullopt), "a/id");
}

} // namespace
} // namespace gv::auth
