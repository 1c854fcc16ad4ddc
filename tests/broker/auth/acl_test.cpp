// SPDX-License-Identifier: Apache-2.0
#include "base/topic.hpp"
#include "broker/auth/acl.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace gv::auth {
namespace {

std::shared_ptr<const access_view> view_of(std::string_view acl, const subject& who) {
    const auto load = parse_acl_file(acl, "acl.conf");
    EXPECT_TRUE(load.table);
    return acl_authoriser(load.table).view_of(who); // the view outlives its authoriser
}

TEST(Acl, NamesTheRuleThatDecided) {
    const auto view = view_of("user u\n"
                              "topic readwrite #\n"
                              "topic deny secret/#\n"
                              "pattern read own/%c\n",
                              {.client_id = "c", .username = "u"});
    EXPECT_FALSE(view->check(action::publish, "secret/x").allowed);
    EXPECT_EQ(view->check(action::publish, "secret/x").rule, "acl.conf:3 topic deny secret/#");
    EXPECT_TRUE(view->check(action::publish, "open").allowed);
    EXPECT_EQ(view->check(action::publish, "open").rule, "acl.conf:2 topic readwrite #");
    EXPECT_EQ(view->check(action::receive, "$SYS/x").rule, "acl.conf: no rule allows it");
    EXPECT_FALSE(view->check(action::receive, "$SYS/x").allowed);
    EXPECT_EQ(view->check(action::subscribe, "secret/a/+").rule, "acl.conf:3 topic deny secret/#");
    EXPECT_FALSE(view->check(action::subscribe, "secret/a/+").allowed);
    EXPECT_EQ(view->check(action::subscribe, "#").rule, "no rule denies it");
    EXPECT_FALSE(view->allows_everything());
}

TEST(Acl, DenyWinsWhereverItStands) {
    for (const auto* acl : {"user u\ntopic readwrite a/#\npattern deny a/%u/secret\n",
                            "user u\ntopic deny a/u/secret\npattern readwrite a/%u/#\n",
                            "pattern readwrite a/#\npattern deny a/%u/secret\n"}) {
        const auto view = view_of(acl, {.client_id = "c", .username = "u"});
        EXPECT_FALSE(view->check(action::receive, "a/u/secret").allowed) << acl;
        EXPECT_TRUE(view->check(action::receive, "a/u/other").allowed) << acl;
    }
}

TEST(Acl, SubscribeIsDeniedIfADenialCoversTheWholeFilter) {
    const auto view = view_of("user u\ntopic deny s/#\ntopic deny t/+\ntopic deny lone\n",
                              {.client_id = "c", .username = "u"});
    for (const auto* denied : {"s", "s/#", "s/x", "s/+/y", "t/+", "t/x", "lone", "$share/g/s/#",
                               "$share/g/lone", "$queue/t/+"}) {
        EXPECT_FALSE(view->check(action::subscribe, denied).allowed) << denied;
    }
    for (const auto* granted :
         {"#", "+", "+/x", "sx", "t", "t/#", "t/+/x", "lone/x", "$share/s/x", "$SYS/#"}) {
        EXPECT_TRUE(view->check(action::subscribe, granted).allowed) << granted;
    }
}

TEST(Acl, ValuesOfAClientCannotWidenAPattern) {
    const auto* acl = "pattern readwrite dev/%c/t\n"
                      "pattern readwrite usr/%u/t\n"
                      "pattern readwrite %c/#\n"
                      "pattern read news/#\n"
                      "pattern deny hidden/%c\n";
    struct row {
        const char* client_id;
        const char* username;
        const char* topic;
        bool is_allowed;
    };
    for (const auto& [client_id, username, topic, is_allowed] : {
             row{"c", "u", "dev/c/t", true},
             {"c", "u", "usr/u/t", true},
             {"c", "u", "news/x", true},
             {"+", "u", "dev/other/t", false}, // a wildcard as value: no pattern at all
             {"#", "u", "x", false},
             {"+", "u", "usr/u/t", false},
             {"c", "+", "usr/other/t", false},
             {"c", "a#b", "news/x", false},
             {"a/b", "u", "dev/a/b/t", false}, // a slash as value: not the patterns that use it
             {"a/b", "u", "usr/u/t", true},
             {"a/b", "u", "news/x", true},
             {"c", "x/y", "usr/x/y/t", false},
             {"c", "x/y", "dev/c/t", true},
             {"$SYS", "u", "$SYS/load", false}, // and no way into the topics of the server
             {"$SYS", "u", "dev/$SYS/t", true},
         }) {
        const auto view = view_of(acl, {.client_id = client_id, .username = username});
        EXPECT_EQ(view->check(action::receive, topic).allowed, is_allowed)
            << client_id << " " << username << " " << topic;
    }
}

TEST(Acl, DenyingPatternsHoldForEveryValue) {
    const auto* acl = "user u\ntopic readwrite #\npattern deny hidden/%c\npattern deny gone/%u\n";
    EXPECT_FALSE(view_of(acl, {.client_id = "a/b", .username = "u"})
                     ->check(action::receive, "hidden/a/b")
                     .allowed);
    EXPECT_FALSE(view_of(acl, {.client_id = "+", .username = "u"})
                     ->check(action::receive, "hidden/x")
                     .allowed);
    EXPECT_TRUE(view_of(acl, {.client_id = "c", .username = "u"})
                    ->check(action::receive, "hidden/x")
                    .allowed);
}

TEST(Acl, PatternsWithUsernameDoNotConcernAnonymousClients) {
    const auto* acl = "topic readwrite a/#\npattern deny a/%u\npattern read b/%u\n";
    const auto view = view_of(acl, {.client_id = "c", .username = std::nullopt});
    EXPECT_TRUE(view->check(action::receive, "a/u").allowed);
    EXPECT_TRUE(view->check(action::receive, "a/").allowed);
    EXPECT_FALSE(view->check(action::receive, "b/").allowed);
    // An empty username is a username; what its pattern becomes may be empty too.
    const auto empty =
        view_of("pattern readwrite %u\npattern deny %u\n", {.client_id = "c", .username = ""});
    EXPECT_FALSE(empty->check(action::receive, "x").allowed);
    EXPECT_TRUE(empty->check(action::subscribe, "$SYS/#").allowed);
}

TEST(AclAuthoriser, ConnectionsOfAUserShareAViewWhereThereAreNoPatterns) {
    const acl_authoriser asked(parse_acl_file("topic a\nuser u\ntopic b\n", "acl.conf").table);
    const auto first = asked.view_of({.client_id = "1", .username = "u"});
    EXPECT_EQ(first, asked.view_of({.client_id = "2", .username = "u"}));
    EXPECT_NE(first, asked.view_of({.client_id = "2", .username = std::nullopt}));
    EXPECT_TRUE(first->check(action::publish, "b").allowed);
    EXPECT_FALSE(first->check(action::publish, "a").allowed);
    const auto stranger = asked.view_of({.client_id = "2", .username = "v"});
    EXPECT_FALSE(stranger->check(action::publish, "a").allowed);
    EXPECT_FALSE(stranger->check(action::publish, "b").allowed);
}

TEST(OpenAuthoriser, AllowsEverything) {
    const auto view = open_authoriser().view_of({.client_id = "c", .username = std::nullopt});
    EXPECT_TRUE(view->allows_everything());
    EXPECT_TRUE(view->check(action::publish, "$SYS/x").allowed);
    EXPECT_TRUE(view->check(action::subscribe, "#").allowed);
    EXPECT_EQ(view->check(action::receive, "a").rule, "no ACL file");
}

/// Every topic of up to four levels of a, b and $x: enough to tell filters of three levels apart.
std::vector<std::string> all_topics() {
    std::vector<std::string> topics;
    std::vector<std::string> longest{""};
    for (int depth = 0; depth < 4; ++depth) {
        std::vector<std::string> longer;
        for (const auto& start : longest) {
            for (const auto* level : {"a", "b", "$x"}) {
                longer.push_back(start.empty() ? level : start + "/" + level);
            }
        }
        topics.insert(topics.end(), longer.begin(), longer.end());
        longest = std::move(longer);
    }
    return topics;
}

std::vector<std::string> all_filters() {
    std::vector<std::string> filters{"#"};
    std::vector<std::string> longest{""};
    for (int depth = 0; depth < 3; ++depth) {
        std::vector<std::string> longer;
        for (const auto& start : longest) {
            for (const auto* level : {"a", "$x", "+"}) {
                longer.push_back(start.empty() ? level : start + "/" + level);
                filters.push_back(longer.back());
                filters.push_back(longer.back() + "/#");
            }
        }
        longest = std::move(longer);
    }
    return filters;
}

TEST(FilterCovers, MeansThatEveryTopicOfTheOneIsATopicOfTheOther) {
    const auto topics = all_topics();
    const auto filters = all_filters();
    std::size_t covered = 0;
    for (const auto& denied : filters) {
        for (const auto& filter : filters) {
            bool is_subset = true;
            for (const auto& topic : topics) {
                is_subset &= !topic_matches(filter, topic) || topic_matches(denied, topic);
            }
            ASSERT_EQ(filter_covers(denied, filter), is_subset) << denied << " covers " << filter;
            covered += is_subset ? 1 : 0;
        }
    }
    EXPECT_GT(covered, filters.size());
}

} // namespace
} // namespace gv::auth
