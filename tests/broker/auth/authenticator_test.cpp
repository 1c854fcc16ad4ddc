// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/authenticator.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace gv::auth {
namespace {

/// Says what it was told to say, and notes whom it was asked about.
class scripted final : public authenticator {
  public:
    explicit scripted(verdict answer) : answer_(std::move(answer)) {}
    void authenticate(const credentials& given, completion done) const override {
        asked_about = std::string(given.client_id) + "/" + std::string(given.username.value_or("-"))
                      + "/" + std::string(given.password.value_or("-"));
        done(answer_);
    }
    mutable std::string asked_about;

  private:
    verdict answer_;
};

/// Keeps the completion until it is released, as one that hashes elsewhere does.
class postponed final : public authenticator {
  public:
    void authenticate(const credentials&, completion done) const override {
        waiting = std::move(done);
    }
    mutable completion waiting;
};

verdict answer_of(const authenticator& asked, const credentials& given) {
    std::optional<verdict> answer;
    asked.authenticate(given, [&](verdict got) { answer = std::move(got); });
    EXPECT_TRUE(answer.has_value()) << "not answered at once";
    return answer.value_or(verdict{});
}

credentials named(std::string_view username) {
    return {.client_id = "c",
            .username = username,
            .password = "p",
            .listener = "tcp",
            .peer_address = "127.0.0.1:1",
            .certificate_identity = {}};
}

TEST(AuthenticatorChain, TheFirstThatDecidesWins) {
    const auto passes = std::make_shared<scripted>(verdict{decision::next, "one", {}});
    const auto denies = std::make_shared<scripted>(verdict{decision::deny, "two", {}});
    const auto allows = std::make_shared<scripted>(verdict{decision::allow, "three", {}});
    const authenticator_chain chain({passes, denies, allows});
    const auto answer = answer_of(chain, named("u"));
    EXPECT_EQ(answer.outcome, decision::deny);
    EXPECT_EQ(answer.rule, "two");
    EXPECT_EQ(passes->asked_about, "c/u/p");
    EXPECT_EQ(denies->asked_about, "c/u/p");
    EXPECT_EQ(allows->asked_about, "");
}

TEST(AuthenticatorChain, DeniesWhenNobodyDecidesAndSaysWhoSpokeLast) {
    const auto silent = std::make_shared<scripted>(verdict{decision::next, "", {}});
    const auto unknown = std::make_shared<scripted>(verdict{decision::next, "no such user", {}});
    const auto answer = answer_of(authenticator_chain({unknown, silent}), named("u"));
    EXPECT_EQ(answer.outcome, decision::deny);
    EXPECT_EQ(answer.rule, "no such user");
    EXPECT_EQ(answer_of(authenticator_chain({}), named("u")).outcome, decision::deny);
}

TEST(AuthenticatorChain, GoesOnAfterAnAnswerFromAnotherThreadWhenAllElseIsGone) {
    const auto slow = std::make_shared<postponed>();
    const auto allows =
        std::make_shared<scripted>(verdict{decision::allow, "r", {.username = "u"}});
    std::optional<verdict> answer;
    {
        std::string username = "somebody with a long name"; // as a receive buffer that is reused
        authenticator_chain chain({slow, allows});
        chain.authenticate(named(username), [&](verdict got) { answer = std::move(got); });
        username.assign(username.size(), '!');
    }
    ASSERT_FALSE(answer);
    std::thread([&] { slow->waiting({decision::next, "", {}}); }).join();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->outcome, decision::allow);
    EXPECT_EQ(answer->who.username, "u");
    EXPECT_EQ(allows->asked_about, "c/somebody with a long name/p");
}

TEST(AnonymousAuthenticator, FollowsItsPolicy) {
    const credentials nameless = {.client_id = "c",
                                  .username = {},
                                  .password = {},
                                  .listener = "tcp",
                                  .peer_address = {},
                                  .certificate_identity = {}};
    struct row {
        anonymous_policy policy;
        decision without_name;
        decision with_name;
    };
    for (const auto& [policy, without_name, with_name] :
         {row{anonymous_policy::nobody, decision::deny, decision::next},
          row{anonymous_policy::without_username, decision::allow, decision::next},
          row{anonymous_policy::everybody, decision::allow, decision::allow}}) {
        const anonymous_authenticator asked(policy);
        EXPECT_EQ(answer_of(asked, nameless).outcome, without_name);
        EXPECT_EQ(answer_of(asked, named("admin")).outcome, with_name);
        EXPECT_EQ(answer_of(asked, named("admin")).who.username, std::nullopt);
    }
}

TEST(CertificateAuthenticator, TakesTheIdentityOfTheCertificate) {
    const certificate_authenticator asked;
    auto given = named("claimed");
    EXPECT_EQ(answer_of(asked, given).outcome, decision::next);
    given.certificate_identity = "";
    EXPECT_EQ(answer_of(asked, given).outcome, decision::next);
    given.certificate_identity = "sensor-7";
    EXPECT_EQ(answer_of(asked, given).outcome, decision::allow);
    EXPECT_EQ(answer_of(asked, given).who.username, "sensor-7");
}

} // namespace
} // namespace gv::auth
