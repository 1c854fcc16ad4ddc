// SPDX-License-Identifier: Apache-2.0
#include "tests/broker/transport/certificates.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>

namespace gv::transport::testing {
namespace {

using ::testing::HasSubstr;

tls_load load(const tls_options& options) {
    return tls_context::load(options, std::chrono::system_clock::now());
}

tls_options with(std::vector<tls_certificate> certificates) {
    auto options = server_options();
    options.certificates = std::move(certificates);
    return options;
}

/// The only error, which must hinder the context.
problem only_error(const tls_options& options) {
    const auto loaded = load(options);
    EXPECT_EQ(loaded.context, nullptr);
    EXPECT_EQ(loaded.errors.size(), 1U);
    for (const auto& each : loaded.errors) {
        EXPECT_FALSE(each.remedy.empty()) << each.what;
    }
    return loaded.errors.empty() ? problem{} : loaded.errors.front();
}

TEST(TlsContext, LoadsWhatIsInOrder) {
    const auto loaded = load(server_options());
    EXPECT_NE(loaded.context, nullptr);
    EXPECT_TRUE(loaded.errors.empty());
    EXPECT_TRUE(loaded.warnings.empty());
}

TEST(TlsContext, NeedsACertificate) { EXPECT_EQ(only_error(with({})).what, "no certificate"); }

TEST(TlsContext, NamesAFileThatIsNotThere) {
    auto files = shared_authority().sign({});
    files.key_file = "/no/such.key";
    const auto error = only_error(with({files}));
    EXPECT_EQ(error.place, "/no/such.key");
    EXPECT_THAT(error.what, HasSubstr("No such file"));
}

TEST(TlsContext, NamesAFileThatHoldsSomethingElse) {
    auto files = shared_authority().sign({});
    const auto good_key = files.key_file;
    files.key_file = shared_authority().write("garbage.key", "not a key\n");
    EXPECT_THAT(only_error(with({files})).what, HasSubstr("holds no private key"));
    const auto garbage = shared_authority().write("garbage.pem", "not a certificate\n");
    const auto error = only_error(with({{.chain_file = garbage, .key_file = good_key}}));
    EXPECT_EQ(error.place, garbage);
    EXPECT_THAT(error.what, HasSubstr("holds no certificate"));
}

TEST(TlsContext, NamesAKeyOfAnotherCertificate) {
    auto files = shared_authority().sign({});
    files.key_file = shared_authority().sign({}).key_file;
    const auto error = only_error(with({files}));
    EXPECT_EQ(error.place, files.key_file);
    EXPECT_THAT(error.what, HasSubstr("is not the key of the certificate in " + files.chain_file));
}

TEST(TlsContext, ReportsAnEncryptedKeyInsteadOfAsking) {
    auto files = shared_authority().sign({});
    files.key_file = shared_authority().encrypt_key(files.key_file);
    EXPECT_EQ(only_error(with({files})).what, "the private key is encrypted");
}

TEST(TlsContext, ReportsAllProblemsAtOnce) {
    auto options = with({{.chain_file = "/no/such.pem", .key_file = "/no/such.key"}});
    options.ciphers = "NONSENSE";
    options.cipher_suites = "ALSO_NONSENSE";
    options.clients = client_certificates::required;
    const auto loaded = load(options);
    std::vector<std::string> places;
    for (const auto& each : loaded.errors) {
        places.push_back(each.place);
    }
    EXPECT_THAT(places, ::testing::ElementsAre("tls.ciphers", "tls.cipher_suites", "/no/such.pem",
                                               "/no/such.key", "tls.client_ca_file"));
    EXPECT_EQ(loaded.context, nullptr);
}

TEST(TlsContext, WarnsOfExpiredAndFutureCertificates) {
    const auto expired =
        load(with({shared_authority().sign({.valid_from_days = -10, .valid_for_days = 5})}));
    EXPECT_NE(expired.context, nullptr);
    ASSERT_EQ(expired.warnings.size(), 1U);
    EXPECT_EQ(expired.warnings[0].what, "the certificate has expired");
    const auto future = load(with({shared_authority().sign({.valid_from_days = 5})}));
    EXPECT_NE(future.context, nullptr);
    ASSERT_EQ(future.warnings.size(), 1U);
    EXPECT_EQ(future.warnings[0].what, "the certificate is not valid yet");
}

TEST(TlsContext, JudgesValidityByTheGivenTime) {
    const auto next_year = std::chrono::system_clock::now() + std::chrono::hours(24 * 365);
    EXPECT_EQ(tls_context::load(server_options(), next_year).warnings.size(), 1U);
}

TEST(TlsContext, TakesOneCertificateOfEachKeyType) {
    auto& signer = shared_authority();
    const auto ec = signer.sign({.key = key_type::ec});
    const auto rsa = signer.sign({.key = key_type::rsa});
    EXPECT_TRUE(load(with({rsa, ec})).errors.empty());
    const auto second = signer.sign({.key = key_type::ec});
    const auto error = only_error(with({ec, second}));
    EXPECT_EQ(error.place, second.chain_file);
    EXPECT_THAT(error.what, HasSubstr("same key type"));
}

TEST(TlsContext, ChecksTheAuthoritiesOfClients) {
    auto options = server_options();
    options.clients = client_certificates::optional;
    EXPECT_THAT(only_error(options).what, HasSubstr("no authority is named"));
    options.client_ca_file = "/no/such.ca";
    EXPECT_EQ(only_error(options).place, "/no/such.ca");
    options.client_ca_file = shared_authority().write("garbage.ca", "nothing");
    EXPECT_THAT(only_error(options).what, HasSubstr("holds no certificate"));
}

} // namespace
} // namespace gv::transport::testing
