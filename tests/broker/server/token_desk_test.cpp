// SPDX-License-Identifier: Apache-2.0
#include "broker/server/secret_file.hpp"
#include "broker/server/token_desk.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace gv::server {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

[[nodiscard]] wall_time now() { return std::chrono::system_clock::now(); }

struct TokenDesk : testing::Test {
    TokenDesk() {
        std::filesystem::create_directory(folder);
        static_cast<void>(write_secret(places.authority, authority.certificate, {}));
        static_cast<void>(write_secret(places.authority_key, authority.key, {}));
    }
    ~TokenDesk() override { std::filesystem::remove_all(folder); }

    [[nodiscard]] cluster::join_token make(std::chrono::seconds good_for = 1h) {
        return desk.make("node1.home:7883", now() + good_for, now()).value();
    }
    [[nodiscard]] static cluster::applicant holder_of(const cluster::join_token& token) {
        const auto shown =
            cluster::make_applicant(token.number, token.secret, cluster::valid_for(now(), 1h));
        return *cluster::read_applicant(shown.certificate);
    }
    [[nodiscard]] static std::string request(const std::string& key = cluster::make_key()) {
        return cluster::make_request(key,
                                     {.cluster = "whatever", .node = node_id{7}, .name = "attic"});
    }

    const std::string folder =
        testing::TempDir() + "/token_desk_test." + std::to_string(::getpid());
    const cluster::certified_key authority =
        cluster::make_authority("home", cluster::valid_for(now(), cluster::authority_lifetime));
    const token_places places{.tokens = folder + "/tokens",
                              .authority = folder + "/ca.pem",
                              .authority_key = folder + "/ca.key",
                              .user = {}};
    token_desk desk{"home", places};
};

TEST_F(TokenDesk, WhoHoldsATokenGetsTheCertificateOfANodeOfThisCluster) {
    const cluster::join_token token = make();
    EXPECT_EQ(token.authority, cluster::fingerprint(authority.certificate));
    const cluster::applicant who = holder_of(token);
    EXPECT_TRUE(desk.knows(who));
    const auto got = desk.admit(who, request());
    ASSERT_TRUE(got) << got.error();
    const auto facts = cluster::read_certificate(got->certificate);
    EXPECT_EQ(facts->who,
              (cluster::certified_node{.cluster = "home", .node = node_id{7}, .name = "attic"}));
    EXPECT_EQ(got->authorities, authority.certificate);
}

TEST_F(TokenDesk, ATokenIsGoodForOneKeyAlsoAfterARestart) {
    const cluster::applicant who = holder_of(make());
    const std::string key = cluster::make_key();
    ASSERT_TRUE(desk.admit(who, request(key)));
    token_desk again("home", places);
    EXPECT_TRUE(again.admit(who, request(key))) << "the answer may have been lost";
    EXPECT_EQ(again.admit(who, request()).error(), "the token was used already");
}

TEST_F(TokenDesk, ATokenOutlivesARestartAndEnds) {
    const cluster::join_token token = make();
    token_desk again("home", places);
    EXPECT_TRUE(again.knows(holder_of(token)));
    const cluster::applicant late = holder_of(make(-1s));
    EXPECT_FALSE(again.knows(late));
    EXPECT_EQ(again.admit(late, request()).error(), "the token is over");
}

TEST_F(TokenDesk, TheNumberWithoutTheSecretIsOfNoUse) {
    cluster::join_token token = make();
    token.secret = std::string(32, '0');
    EXPECT_FALSE(desk.knows(holder_of(token)));
    EXPECT_FALSE(desk.admit(holder_of(token), request()));
}

TEST_F(TokenDesk, WhatIsNoRequestIsRefusedAndUsesNothing) {
    const cluster::applicant who = holder_of(make());
    EXPECT_EQ(desk.admit(who, "none").error(), "holds no signing request");
    EXPECT_TRUE(desk.admit(who, request()));
}

TEST_F(TokenDesk, TheFileOfTokensIsTheOwnersAlone) {
    static_cast<void>(make());
    struct stat what{};
    ASSERT_EQ(::stat(places.tokens.c_str(), &what), 0);
    EXPECT_EQ(what.st_mode & 0777, 0600U);
}

TEST_F(TokenDesk, WithoutTheKeyOfTheAuthorityThereAreNoTokens) {
    std::filesystem::remove(places.authority_key);
    const auto made = desk.make("a:1", now() + 1h, now());
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().place, places.authority_key);
    EXPECT_THAT(made.error().remedy, HasSubstr("grapevine cluster init"));
    static_cast<void>(write_secret(places.authority_key, cluster::make_key(), {}));
    EXPECT_THAT(desk.make("a:1", now() + 1h, now()).error().what,
                HasSubstr("is not the key of an authority"));
}

} // namespace
} // namespace gv::server
