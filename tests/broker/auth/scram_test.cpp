// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/crypto.hpp"
#include "broker/auth/password_hash.hpp"
#include "broker/auth/scram.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::auth {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// The exchange of RFC 7677, 3.
constexpr std::string_view client_first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr std::string_view server_first =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view client_final =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr std::string_view server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

std::shared_ptr<const password_table> rfc_table() {
    const auto salt = base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==").value();
    const auto entry = format_credential(make_scram_credential("pencil", 4'096, salt));
    const auto hashed = format_credential(make_password_hash("pw", hash_scheme::sha512, 1));
    return parse_password_file("user:" + entry + "\nplain:" + hashed
                                   + "\n"
                                     "a=b,c:"
                                   + entry + "\n",
                               "passwords")
        .table;
}

const scram_sha256& rfc_method() {
    static const scram_sha256 method(rfc_table(), "decoy secret",
                                     [] { return std::string(server_nonce); });
    return method;
}

/// What a client computes: the message that answers `challenge`.
std::string answer(std::string_view password, std::string_view bare_first, std::string_view header,
                   const std::string& challenge) {
    const auto salt_at = challenge.find(",s=");
    const auto count_at = challenge.find(",i=");
    const std::string nonce = challenge.substr(0, salt_at);
    const auto salt = base64_decode(challenge.substr(salt_at + 3, count_at - salt_at - 3)).value();
    const auto count = static_cast<std::uint32_t>(std::stoul(challenge.substr(count_at + 3)));
    const auto salted = pbkdf2(digest::sha256, password, salt, count);
    auto proof = hmac(digest::sha256, salted, "Client Key");
    const std::string bare_final = "c=" + base64_encode(header) + "," + nonce;
    const auto signature = hmac(digest::sha256, hash(digest::sha256, proof),
                                std::string(bare_first) + "," + challenge + "," + bare_final);
    for (std::size_t i = 0; i < proof.size(); ++i) {
        proof[i] = static_cast<char>(proof[i] ^ signature[i]);
    }
    return bare_final + ",p=" + base64_encode(proof);
}

exchange_step log_in(const authentication_method& method, const std::string& name,
                     std::string_view password, std::string_view header = "n,,",
                     exchange_context context = {}) {
    const std::string bare = "n=" + name + ",r=abcdef";
    const auto run = method.begin(std::move(context));
    const auto challenge = run->start(std::string(header) + bare);
    if (challenge.state != exchange_state::proceed) {
        return challenge;
    }
    return run->next(answer(password, bare, header, challenge.data));
}

TEST(Scram, FollowsTheExampleOfRfc7677) {
    const auto run = rfc_method().begin({});
    const auto challenge = run->start(client_first);
    EXPECT_EQ(challenge.state, exchange_state::proceed);
    EXPECT_EQ(challenge.data, server_first);
    const auto last = run->next(client_final);
    EXPECT_EQ(last.state, exchange_state::success);
    EXPECT_EQ(last.data, server_final);
    EXPECT_EQ(last.who.username, "user");
    EXPECT_EQ(last.rule, "passwords:1");
    EXPECT_EQ(run->next(client_final).state, exchange_state::failure) << "a second time";
}

TEST(Scram, TheClientMaySpeakInTheSecondMessage) {
    const auto run = rfc_method().begin({});
    const auto invitation = run->start("");
    EXPECT_EQ(invitation.state, exchange_state::proceed);
    EXPECT_EQ(invitation.data, "");
    EXPECT_EQ(run->next(client_first).data, server_first);
    EXPECT_EQ(run->next(client_final).state, exchange_state::success);
}

TEST(Scram, RefusesWrongPasswordsAndUnknownUsersAtTheEndOnly) {
    EXPECT_EQ(log_in(rfc_method(), "user", "pencil").state, exchange_state::success);
    const auto wrong = log_in(rfc_method(), "user", "pencil2");
    EXPECT_EQ(wrong.state, exchange_state::failure);
    EXPECT_EQ(wrong.rule, "SCRAM-SHA-256: passwords:1 wrong password");
    EXPECT_EQ(wrong.data, "");
    EXPECT_EQ(log_in(rfc_method(), "nobody", "pencil").rule,
              "SCRAM-SHA-256: passwords: no such user");
    EXPECT_EQ(log_in(rfc_method(), "plain", "pw").rule,
              "SCRAM-SHA-256: passwords: the user has no SCRAM entry");
}

TEST(Scram, AnUnknownUserLooksLikeAKnownOne) {
    const auto first = rfc_method().begin({})->start("n,,n=nobody,r=abc");
    const auto second = rfc_method().begin({})->start("n,,n=nobody,r=abc");
    EXPECT_EQ(first.state, exchange_state::proceed);
    EXPECT_EQ(first.data, second.data) << "the salt of a user does not change from try to try";
    EXPECT_EQ(first.data.size(), rfc_method().begin({})->start("n,,n=user,r=abc").data.size());
    EXPECT_THAT(first.data, HasSubstr(",i=4096"));
    const scram_sha256 other(rfc_table(), "another secret",
                             [] { return std::string(server_nonce); });
    EXPECT_NE(other.begin({})->start("n,,n=nobody,r=abc").data, first.data);
    const scram_sha256 empty(parse_password_file("", "p").table, "s");
    EXPECT_EQ(empty.begin({})->start("n,,n=nobody,r=abc").state, exchange_state::proceed);
}

TEST(Scram, UnderstandsHeadersAndEscapedNames) {
    EXPECT_EQ(log_in(rfc_method(), "user", "pencil", "y,,").state, exchange_state::success);
    EXPECT_EQ(log_in(rfc_method(), "user", "pencil", "n,a=user,").state, exchange_state::success);
    EXPECT_EQ(log_in(rfc_method(), "a=3Db=2Cc", "pencil").who.username, "a=b,c");
    EXPECT_EQ(log_in(rfc_method(), "a=3Db=2Cc", "pencil", "n,a=a=3Db=2Cc,").state,
              exchange_state::success);
    EXPECT_EQ(log_in(rfc_method(), "user", "pencil", "n,a=admin,").state, exchange_state::failure);
}

TEST(Scram, RefusesMalformedFirstMessages) {
    for (const auto* message : {
             "p=tls-unique,,n=user,r=abc", // channel binding
             "n,",                         // no second comma
             "x,,n=user,r=abc",            // no such header
             "n,b=user,n=user,r=abc",      // not an authzid
             "n,a=,n=user,r=abc",          // an empty one
             "n,,m=ext,n=user,r=abc",      // a mandatory extension
             "n,,n=,r=abc",                // no name
             "n,,n=a=2Db,r=abc",           // no such escape
             "n,,n=a=,r=abc",              // an escape cut off
             "n,,r=abc",                   // no name at all
             "n,,n=user",                  // no nonce
             "n,,n=user,r=",               // an empty one
             "n,,n=user,r=a b",            // a blank in it
             "n,,n=user,r=a\xc3\xa4",      // not ASCII
             "garbage",
         }) {
        const auto step = rfc_method().begin({})->start(message);
        EXPECT_EQ(step.state, exchange_state::failure) << message;
        EXPECT_THAT(step.rule, StartsWith("SCRAM-SHA-256: ")) << message;
    }
    EXPECT_EQ(rfc_method().begin({})->next("").state, exchange_state::failure);
    EXPECT_EQ(rfc_method().begin({})->start("n,,n=user,r=" + std::string(5'000, 'x')).state,
              exchange_state::failure);
}

TEST(Scram, RefusesMalformedFinalMessages) {
    const std::string nonce = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const std::string proof = ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    for (const std::string& message : {
             std::string(),
             "c=biws," + nonce,                       // no proof
             "c=biws," + nonce + ",p=AAAA",           // a short one
             "c=biws," + nonce + ",p=?",              // not base64
             "c=eSws," + nonce + proof,               // another header than before ("y,,")
             "c=," + nonce + proof,                   // none
             nonce + proof,                           // no channel binding
             "c=biws,r=rOprNGfwEbeRWgbNEkqO" + proof, // the server's half is missing
             "c=biws," + nonce + "x" + proof,         // too much
             "c=biws" + proof,                        // no nonce
             "c=biws," + nonce + ",x=1" + proof,      // the proof is for another message
         }) {
        const auto run = rfc_method().begin({});
        ASSERT_EQ(run->start(client_first).state, exchange_state::proceed);
        EXPECT_EQ(run->next(message).state, exchange_state::failure) << message;
        EXPECT_EQ(run->next(client_final).state, exchange_state::failure) << "after " << message;
    }
}

TEST(Scram, ReauthenticationIsBoundToTheUser) {
    const exchange_context same{.bound_to = identity{.username = "user"}};
    EXPECT_EQ(log_in(rfc_method(), "user", "pencil", "n,,", same).state, exchange_state::success);
    EXPECT_EQ(log_in(rfc_method(), "a=3Db=2Cc", "pencil", "n,,", same).rule,
              "SCRAM-SHA-256: re-authentication as another user");
    const exchange_context anonymous{.bound_to = identity{}};
    EXPECT_EQ(log_in(rfc_method(), "user", "pencil", "n,,", anonymous).state,
              exchange_state::failure);
}

TEST(Scram, NoncesDiffer) {
    const scram_sha256 method(rfc_table(), "s");
    const auto one = method.begin({})->start("n,,n=user,r=abc").data;
    const auto two = method.begin({})->start("n,,n=user,r=abc").data;
    EXPECT_NE(one, two);
    EXPECT_THAT(one, StartsWith("r=abc"));
    EXPECT_EQ(log_in(method, "user", "pencil").state, exchange_state::success);
}

TEST(AuthenticationMethods, AreFoundByTheirExactName) {
    const authentication_methods none;
    EXPECT_EQ(none.find("SCRAM-SHA-256"), nullptr);
    const auto scram = std::make_shared<scram_sha256>(rfc_table(), "s");
    const authentication_methods offered({scram});
    EXPECT_EQ(offered.find("SCRAM-SHA-256"), scram.get());
    EXPECT_EQ(offered.find("scram-sha-256"), nullptr);
    EXPECT_EQ(offered.find("SCRAM-SHA-1"), nullptr);
}

} // namespace
} // namespace gv::auth
