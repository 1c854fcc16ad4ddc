// SPDX-License-Identifier: Apache-2.0
#include "cluster/certificate_authority.hpp"
#include "cluster/certificates.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::cluster {

namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;

constexpr wall_time now{std::chrono::seconds(1'800'000'000)}; // 2027-01-15 08:00 UTC
constexpr std::chrono::hours year{24 * 365};

const certified_node attic{.cluster = "home", .node = node_id{0xff}, .name = "attic"};

[[nodiscard]] certified_key authority_of(const std::string& cluster, wall_time from = now) {
    return make_authority(cluster, valid_for(from, authority_lifetime));
}

[[nodiscard]] certified_key issue(const certified_key& by, const certified_node& to,
                                  const validity& when) {
    certified_key made{.certificate = {}, .key = make_key()};
    made.certificate = sign_request(by, make_request(made.key, to), to, when).value();
    return made;
}
[[nodiscard]] certified_key issue(const certified_key& by, const certified_node& to = attic) {
    return issue(by, to, valid_for(now, node_lifetime));
}

[[nodiscard]] distrust objection(const certified_key& believed, const std::string& chain,
                                 wall_time at = now, tls_end shown_by = tls_end::server) {
    const auto checked =
        authorities::read(believed.certificate).value().check(chain, shown_by, "home", at);
    return checked ? distrust{.what = "it is believed"} : checked.error();
}

TEST(IdentityUri, NamesClusterAndNode) {
    EXPECT_EQ(identity_uri(attic), "grapevine://home/00000000000000ff");
    const certified_node odd{.cluster = "a/b é,%", .node = node_id{~0ULL}, .name = {}};
    EXPECT_EQ(identity_uri(odd), "grapevine://a%2fb%20%c3%a9%2c%25/ffffffffffffffff");
    EXPECT_EQ(parse_identity_uri(identity_uri(odd)), odd);
}

TEST(IdentityUri, NothingElseIsOne) {
    for (const char* each :
         {"", "grapevine://", "grapevine:///00000000000000ff", "grapevine://home/ff",
          "grapevine://home/0000000000000000", "grapevine://home/00000000000000fg",
          "grapevine://home/00000000000000ff/", "grapevine://ho%g0me/00000000000000ff",
          "grapevine://home%2/00000000000000ff", "spiffe://home/00000000000000ff",
          "grapevine://home/+0000000000000ff", "grapevine://home/-0000000000000ff"}) {
        EXPECT_FALSE(parse_identity_uri(each)) << each;
    }
}

TEST(Certificates, ANodeIsBelievedAtBothEndsOfTheConnection) {
    const certified_key authority = authority_of("home");
    const certified_key node = issue(authority);
    const auto believed = authorities::read(authority.certificate);
    for (const tls_end end : {tls_end::server, tls_end::client}) {
        EXPECT_EQ(believed->check(node.certificate, end, "home", now), attic);
    }
}

TEST(Certificates, SayWhatTheyAre) {
    const auto facts = read_certificate(issue(authority_of("home")).certificate);
    ASSERT_TRUE(facts);
    EXPECT_EQ(facts->who, attic);
    EXPECT_EQ(facts->subject, "CN=attic,O=Grapevine");
    EXPECT_EQ(facts->authority, "CN=home,O=Grapevine");
    EXPECT_EQ(facts->not_before, now - 1h);
    EXPECT_EQ(facts->not_after, now + node_lifetime);
    EXPECT_EQ(date_text(facts->not_after), "2029-01-14 08:00 UTC");
    EXPECT_EQ(read_certificate("none").error(), "holds no certificate");
}

TEST(Certificates, AnotherAuthorityOfTheSameNameIsNotBelieved) {
    const distrust why = objection(authority_of("home"), issue(authority_of("home")).certificate);
    EXPECT_EQ(why.fault, certificate_fault::unknown_authority);
    EXPECT_EQ(why.what, "the certificate of node \"attic\" (00000000000000ff) of cluster \"home\" "
                        "is signed by \"CN=home,O=Grapevine\", which is not an authority that "
                        "this node has");
    EXPECT_THAT(why.remedy, HasSubstr("cluster.tls_ca"));
}

TEST(Certificates, OneThatIsSignedByItselfIsNotBelieved) {
    const certified_key stranger =
        make_applicant("00000000000000aa", "secret", {now - 1h, now + 1h});
    EXPECT_EQ(objection(authority_of("home"), stranger.certificate).fault,
              certificate_fault::unknown_authority);
}

TEST(Certificates, AnotherClusterOfTheSameAuthorityIsNotBelieved) {
    const certified_key authority = authority_of("home");
    const certified_node other{.cluster = "office", .node = node_id{7}, .name = "desk"};
    const distrust why = objection(authority, issue(authority, other).certificate);
    EXPECT_EQ(why.fault, certificate_fault::other_cluster);
    EXPECT_EQ(why.what, "the certificate is that of node \"desk\" (0000000000000007) of cluster "
                        "\"office\"; here is the cluster \"home\"");
}

TEST(Certificates, OneThatHasExpiredOrIsNotValidYetIsNotBelieved) {
    const certified_key authority = authority_of("home");
    const std::string chain = issue(authority).certificate;
    const distrust late = objection(authority, chain, now + 3 * year);
    EXPECT_EQ(late.fault, certificate_fault::expired);
    EXPECT_EQ(late.what, "the certificate of node \"attic\" (00000000000000ff) of cluster \"home\" "
                         "has expired, on 2029-01-14 08:00 UTC");
    const distrust early = objection(authority, chain, now - 2h);
    EXPECT_EQ(early.fault, certificate_fault::not_valid_yet);
    EXPECT_THAT(early.what, HasSubstr("is not valid before 2027-01-15 07:00 UTC"));
}

TEST(Certificates, AnAuthorityThatHasExpiredIsNamed) {
    const certified_key authority = authority_of("home", now - 20 * year);
    const std::string chain = issue(authority).certificate;
    const distrust why = objection(authority, chain, now + year);
    EXPECT_EQ(why.fault, certificate_fault::expired);
    EXPECT_THAT(why.what, AllOf(HasSubstr("the authority \"CN=home,O=Grapevine\""),
                                HasSubstr("has expired, on 2027-01-15 08:00 UTC")));
}

TEST(Certificates, TheAuthorityItselfIsNoNode) {
    const certified_key authority = authority_of("home");
    EXPECT_THAT(objection(authority, authority.certificate).fault,
                testing::AnyOf(certificate_fault::no_identity, certificate_fault::not_for_nodes));
}

TEST(Certificates, NoneIsNotBelieved) {
    EXPECT_EQ(objection(authority_of("home"), "").fault, certificate_fault::unreadable);
}

TEST(Certificates, TwoAuthoritiesAreBelievedWhileOneTakesThePlaceOfTheOther) {
    const certified_key old = authority_of("home");
    const certified_key fresh = authority_of("home");
    const auto both = authorities::read(old.certificate + fresh.certificate);
    for (const certified_key* const by : {&old, &fresh}) {
        EXPECT_EQ(both->check(issue(*by).certificate, tls_end::client, "home", now), attic);
    }
}

TEST(Certificates, OnlyAnAuthorityMayBeNamedAsOne) {
    EXPECT_EQ(authorities::read("").error(), "holds no certificate");
    EXPECT_EQ(authorities::read(issue(authority_of("home")).certificate).error(),
              "the certificate of \"CN=attic,O=Grapevine\" is not that of an authority");
}

TEST(Certificates, FingerprintsAreOfTheFirst) {
    const certified_key one = authority_of("home");
    const certified_key two = authority_of("home");
    EXPECT_EQ(fingerprint(one.certificate).size(), 64U);
    EXPECT_EQ(fingerprint(one.certificate + two.certificate), fingerprint(one.certificate));
    EXPECT_NE(fingerprint(one.certificate), fingerprint(two.certificate));
    EXPECT_EQ(fingerprint("none"), "");
    EXPECT_EQ(split_certificates(one.certificate + two.certificate),
              (std::vector{one.certificate, two.certificate}));
}

TEST(Requests, AreSignedByTheirKeyAndNameANode) {
    const std::string key = make_key();
    const auto read = read_request(make_request(key, attic));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->who, attic);
    EXPECT_EQ(read_request(make_request(key, attic))->key_hash, read->key_hash);
    EXPECT_NE(read_request(make_request(make_key(), attic))->key_hash, read->key_hash);
    EXPECT_EQ(read_request("none").error(), "holds no signing request");
}

TEST(Requests, WhatTheAuthoritySaysOfTheNodeHolds) {
    const certified_key authority = authority_of("home");
    const certified_node other{.cluster = "home", .node = node_id{5}, .name = "cellar"};
    const auto made = sign_request(authority, make_request(make_key(), attic), other,
                                   valid_for(now, node_lifetime));
    ASSERT_TRUE(made);
    EXPECT_EQ(read_certificate(*made)->who, other);
}

TEST(Requests, AreSignedByAnAuthorityWithItsKeyOnly) {
    const certified_key authority = authority_of("home");
    const std::string request = make_request(make_key(), attic);
    const validity when = valid_for(now, node_lifetime);
    EXPECT_FALSE(sign_request({authority.certificate, make_key()}, request, attic, when));
    EXPECT_FALSE(sign_request(issue(authority), request, attic, when));
    EXPECT_FALSE(sign_request(authority, "none", attic, when));
}

TEST(Requests, ALongNameIsCut) {
    const certified_node wordy{
        .cluster = std::string(64, 'c'), .node = node_id{1}, .name = std::string(200, 'n')};
    const certified_key authority = authority_of(wordy.cluster);
    const auto facts = read_certificate(issue(authority, wordy).certificate);
    EXPECT_EQ(facts->who->cluster, wordy.cluster);
    EXPECT_EQ(facts->who->name, std::string(64, 'n'));
}

TEST(Applicants, ProveThatTheyHaveTheSecretOfTheToken) {
    const certified_key made = make_applicant("00000000000000aa", "secret", {now - 1h, now + 1h});
    const auto read = read_applicant(made.certificate);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->token, "00000000000000aa");
    EXPECT_TRUE(is_proven(*read, "secret"));
    EXPECT_FALSE(is_proven(*read, "guess"));
    // The proof of one key is of no use with another.
    applicant thief = *read_applicant(
        make_applicant("00000000000000aa", "guess", {now - 1h, now + 1h}).certificate);
    thief.proof = read->proof;
    EXPECT_FALSE(is_proven(thief, "secret"));
    EXPECT_FALSE(read_applicant(issue(authority_of("home")).certificate));
    EXPECT_FALSE(read_applicant("none"));
}

struct Material : testing::Test {
    certified_key authority = authority_of("home");
    certified_key node = issue(authority);
    tls_material all{node.certificate, node.key, authority.certificate};

    [[nodiscard]] material_check check(wall_time at = now) const {
        return check_material(all, {"node.pem", "node.key", "ca.pem"}, "home", at);
    }
};

TEST_F(Material, ThatFitsTogetherIsFine) {
    const material_check found = check();
    EXPECT_THAT(found.errors, testing::IsEmpty());
    EXPECT_THAT(found.warnings, testing::IsEmpty());
    EXPECT_EQ(found.who, attic);
    EXPECT_EQ(found.not_after, now + node_lifetime);
}

TEST_F(Material, ThatHasExpiredIsAWarning) {
    const material_check found = check(now + 3 * year);
    EXPECT_THAT(found.errors, testing::IsEmpty());
    ASSERT_EQ(found.warnings.size(), 1U);
    EXPECT_THAT(found.warnings[0].what, HasSubstr("has expired, on 2029-01-14"));
    EXPECT_EQ(found.who, attic);
}

TEST_F(Material, EveryProblemIsToldAtOnce) {
    all = {.chain = "no", .key = "no", .authorities = "no"};
    const material_check found = check();
    ASSERT_EQ(found.errors.size(), 3U);
    EXPECT_EQ(found.errors[0].place, "ca.pem");
    EXPECT_EQ(found.errors[1].place, "node.key");
    EXPECT_EQ(found.errors[2].place, "node.pem");
}

TEST_F(Material, TheKeyOfAnotherIsAnError) {
    all.key = make_key();
    ASSERT_EQ(check().errors.size(), 1U);
    EXPECT_EQ(check().errors[0].what, "is not the key of the certificate in node.pem");
}

TEST_F(Material, AnAuthorityThatHasNotSignedItIsAnError) {
    all.authorities = authority_of("home").certificate;
    ASSERT_EQ(check().errors.size(), 1U);
    EXPECT_THAT(check().errors[0].what, HasSubstr("is signed by"));
}

} // namespace

} // namespace gv::cluster
