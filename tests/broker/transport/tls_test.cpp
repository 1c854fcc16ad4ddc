// SPDX-License-Identifier: Apache-2.0
// What is particular to TLS; the rest is in contract_test.cpp.
#include "tests/broker/transport/peer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gv::transport::testing {
namespace {

using ::testing::HasSubstr;

stream_profile profile_with(const tls_options& options) {
    return {.kind = stream_kind::tls, .tls = load_or_fail(options), .websocket = nullptr};
}

/// Two authorities: the one that clients must be signed by, and a stranger.
tls_options asking_for_certificates(client_certificates how) {
    auto options = server_options();
    options.clients = how;
    options.client_ca_file = shared_authority().ca_file();
    return options;
}

/// Connects, lets both sides do what they do, and returns ours, which must have failed.
reader& refused(server& host, peer& client) {
    host.peers.push_back(&client);
    client.send("hello");
    EXPECT_TRUE(host.until([&] { return !host.accepted.empty() && host.accepted[0]->is_over(); }));
    EXPECT_EQ(host.accepted[0]->last.state, io_state::failed);
    EXPECT_EQ(host.accepted[0]->received, "");
    return *host.accepted[0];
}

TEST(Tls, SpeaksBothVersions) {
    for (const auto& [version, name] :
         {std::pair{TLS1_2_VERSION, "TLSv1.2"}, std::pair{TLS1_3_VERSION, "TLSv1.3"}}) {
        server host(profile_with(server_options()));
        peer client(connect_tls(host.where(), {.version_max = version}));
        const auto& ours = host.establish(client);
        EXPECT_EQ(ours.of->tls()->version, name);
        EXPECT_EQ(ours.of->tls()->client_common_name, "");
        EXPECT_EQ(ours.of->tls()->client_subject, "");
    }
}

TEST(Tls, HasNoInformationBeforeTheHandshake) {
    server host(profile_with(server_options()));
    const auto silent = connect_tcp(host.where());
    ASSERT_TRUE(host.until([&] { return !host.accepted.empty(); }));
    auto& ours = *host.accepted[0];
    EXPECT_EQ(ours.of->tls(), std::nullopt);
    EXPECT_EQ(ours.write("too early").state, io_state::would_block);
}

TEST(Tls, AWriterWaitsForTheHandshake) {
    server host(profile_with(server_options()));
    host.on_adopt = [](reader& made) { made.reads = false; };
    peer client(connect_tls(host.where()));
    host.peers.push_back(&client);
    client.send("x");
    ASSERT_TRUE(host.until([&] { return !host.accepted.empty(); }));
    auto& ours = *host.accepted[0];
    ours.of->wait_writable();
    EXPECT_TRUE(host.until([&] { return ours.writable_calls == 1; }));
    EXPECT_EQ(ours.write("welcome").state, io_state::ok);
    EXPECT_TRUE(host.until([&] { return client.received() == "welcome"; }));
}

TEST(Tls, KeepsTheCommonCipherOfSmallClients) {
    auto options = server_options();
    options.certificates = {shared_authority().sign({.key = key_type::rsa})};
    server host(profile_with(options));
    peer client(connect_tls(
        host.where(), {.version_max = TLS1_2_VERSION, .ciphers = "ECDHE-RSA-AES128-GCM-SHA256"}));
    EXPECT_EQ(host.establish(client).of->tls()->cipher, "ECDHE-RSA-AES128-GCM-SHA256");
}

TEST(Tls, ServesEachClientTheCertificateItCanCheck) {
    auto options = server_options();
    options.certificates.push_back(shared_authority().sign({.key = key_type::rsa}));
    server host(profile_with(options));
    for (const auto* cipher : {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"}) {
        peer client(connect_tls(host.where(), {.version_max = TLS1_2_VERSION, .ciphers = cipher}));
        EXPECT_EQ(host.establish(client).of->tls()->cipher, cipher);
        host.peers.clear();
    }
}

TEST(Tls, RefusesVersionsBelowItsMinimum) {
    auto options = server_options();
    options.version_min = tls_version::v1_3;
    server host(profile_with(options));
    peer client(connect_tls(host.where(), {.version_max = TLS1_2_VERSION}));
    const auto& ours = refused(host, client);
    EXPECT_THAT(ours.of->failure_text(), HasSubstr("only TLS versions older than"));
    EXPECT_EQ(ours.last.error, boost::system::errc::protocol_error);
    EXPECT_EQ(ours.of->tls(), std::nullopt);
}

TEST(Tls, NeverSpeaksVersionsBelow12) {
    server host(profile_with(server_options()));
    peer client(connect_tls(host.where(), {.version_max = TLS1_1_VERSION}));
    EXPECT_THAT(refused(host, client).of->failure_text(),
                HasSubstr("only TLS versions older than"));
}

TEST(Tls, SaysWhenNoCipherIsShared) {
    auto options = server_options();
    options.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
    server host(profile_with(options));
    peer client(connect_tls(
        host.where(), {.version_max = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"}));
    EXPECT_THAT(refused(host, client).of->failure_text(), HasSubstr("no cipher in common"));
}

TEST(Tls, SaysWhenTheClientDoesNotTrustUs) {
    const authority stranger;
    server host(profile_with(server_options()));
    peer client(connect_tls(host.where(), {.ca_file = stranger.ca_file()}));
    EXPECT_THAT(refused(host, client).of->failure_text(),
                HasSubstr("does not know the authority of this listener's certificate"));
}

TEST(Tls, RequiresAClientCertificateWhereAsked) {
    server host(profile_with(asking_for_certificates(client_certificates::required)));
    peer client(connect_tls(host.where()));
    EXPECT_EQ(refused(host, client).of->failure_text(),
              "the client sent no certificate, which this listener requires");
}

TEST(Tls, TellsTheClientWhyItIsRefused) {
    server host(profile_with(asking_for_certificates(client_certificates::required)));
    peer client(connect_tls(host.where()));
    auto& ours = refused(host, client);
    ours.of.reset();
    // In TLS 1.3 the client believes itself connected and has sent already; the alert must not be
    // overtaken by a reset.
    EXPECT_TRUE(host.until([&] { return client.has_seen_error(); }));
    EXPECT_EQ(SSL_get_shutdown(client.beneath().ssl()) & SSL_RECEIVED_SHUTDOWN,
              SSL_RECEIVED_SHUTDOWN)
        << "a fatal alert was received";
}

TEST(Tls, TakesTheIdentityOfAClientCertificate) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        server host(profile_with(asking_for_certificates(client_certificates::required)));
        peer client(connect_tls(
            host.where(), {.certificate = shared_authority().sign({.common_name = "sensör-7"}),
                           .version_max = version}));
        const auto info = host.establish(client).of->tls().value();
        EXPECT_EQ(info.client_common_name, "sensör-7");
        EXPECT_EQ(info.client_subject, "CN=sensör-7,O=Test");
    }
}

TEST(Tls, AnOptionalClientCertificateMayBeMissing) {
    server host(profile_with(asking_for_certificates(client_certificates::optional)));
    peer without(connect_tls(host.where()));
    EXPECT_EQ(host.establish(without).of->tls()->client_subject, "");
    peer with(connect_tls(host.where(),
                          {.certificate = shared_authority().sign({.common_name = "known"})}));
    EXPECT_EQ(host.establish(with).of->tls()->client_common_name, "known");
}

TEST(Tls, RefusesAClientOfAnotherAuthority) {
    authority stranger;
    server host(profile_with(asking_for_certificates(client_certificates::optional)));
    peer client(connect_tls(host.where(), {.certificate = stranger.sign({})}));
    EXPECT_THAT(refused(host, client).of->failure_text(),
                HasSubstr("client certificate refused: unable to get local issuer certificate"));
}

TEST(Tls, RefusesAnExpiredClient) {
    server host(profile_with(asking_for_certificates(client_certificates::required)));
    peer client(connect_tls(host.where(), {.certificate = shared_authority().sign(
                                               {.valid_from_days = -9, .valid_for_days = 3})}));
    EXPECT_EQ(refused(host, client).of->failure_text(),
              "client certificate refused: certificate has expired");
}

TEST(Tls, RecognisesWhatIsNotTls) {
    struct row {
        std::string_view bytes;
        const char* text;
    };
    for (const auto& [bytes, text] : {
             row{std::string_view("\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03", 15),
                 "plain MQTT on a TLS port"},
             row{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "plain HTTP on a TLS port"},
             row{"\xff\xff\xff\xff\xff\xff\xff\xff", "not TLS"},
         }) {
        server host(profile_with(server_options()));
        peer client(connect_tcp(host.where()));
        host.peers.push_back(&client);
        client.send(bytes);
        EXPECT_TRUE(
            host.until([&] { return !host.accepted.empty() && host.accepted[0]->is_over(); }));
        EXPECT_EQ(host.accepted[0]->of->failure_text(), text);
        // A writer hears of it as well.
        EXPECT_EQ(host.accepted[0]->write("x").state, io_state::failed);
        host.accepted[0]->of->wait_writable();
        EXPECT_TRUE(host.until([&] { return host.accepted[0]->writable_calls == 1; }));
    }
}

TEST(Tls, NoticesAnEndWithinTheHandshake) {
    server host(profile_with(server_options()));
    peer client(connect_tcp(host.where()));
    host.peers.push_back(&client);
    client.send("\x16\x03\x01");
    client.end_in_order();
    EXPECT_TRUE(host.until([&] { return !host.accepted.empty() && host.accepted[0]->is_over(); }));
    EXPECT_EQ(host.accepted[0]->of->failure_text(),
              "the client closed the connection during the TLS handshake");
}

TEST(Tls, BrokenRecordsAfterTheHandshakeFail) {
    server host(profile_with(server_options()));
    peer client(connect_tls(host.where()));
    const auto& ours = host.establish(client);
    const std::string garbage = "\x17\x03\x03" + std::string("\x00\x20", 2) + std::string(32, 'x');
    ASSERT_GT(::send(client.beneath().fd(), garbage.data(), garbage.size(), 0), 0);
    EXPECT_TRUE(host.until([&] { return ours.is_over(); }));
    EXPECT_EQ(ours.last.state, io_state::failed);
    EXPECT_THAT(ours.of->failure_text(), HasSubstr("while reading"));
}

TEST(Tls, AcceptsTheRegisteredProtocolAndIgnoresOthers) {
    struct row {
        const char* offered;
        std::string_view chosen;
    };
    for (const auto& [offered, chosen] :
         {row{"mqtt", "mqtt"}, row{"http/1.1", "http/1.1"}, row{"x-amzn", ""}, row{"", ""}}) {
        server host(profile_with(server_options()));
        peer client(connect_tls(host.where(), {.protocol = offered}));
        static_cast<void>(host.establish(client));
        const unsigned char* name = nullptr;
        unsigned size = 0;
        SSL_get0_alpn_selected(client.beneath().ssl(), &name, &size);
        EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(name), size), chosen);
    }
}

TEST(Tls, ResumesSessionsAndKeepsTheIdentity) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        server host(profile_with(asking_for_certificates(client_certificates::required)));
        tls_client rules{.certificate = shared_authority().sign({.common_name = "returning"}),
                         .version_max = version};
        peer first(connect_tls(host.where(), rules));
        EXPECT_EQ(host.establish(first).write("ticket follows").state, io_state::ok);
        ASSERT_TRUE(host.until([&] { return first.received() == "ticket follows"; }));
        EXPECT_EQ(SSL_session_reused(first.beneath().ssl()), 0);

        rules.session = SSL_get1_session(first.beneath().ssl());
        peer second(connect_tls(host.where(), rules));
        const auto& ours = host.establish(second);
        EXPECT_EQ(SSL_session_reused(second.beneath().ssl()), 1);
        EXPECT_EQ(ours.of->tls()->client_common_name, "returning");
    }
}

TEST(Tls, HonoursTheMaximumFragmentLength) {
    server host(profile_with(server_options()));
    peer client(connect_tls(host.where(), {.max_fragment_length = TLSEXT_max_fragment_length_512}));
    auto& ours = host.establish(client);
    // The largest record seen by the client, told by OpenSSL's message callback.
    std::size_t largest = 0;
    SSL_set_msg_callback(client.beneath().ssl(), [](int is_write, int, int type, const void* header,
                                                    std::size_t, SSL*, void* into) {
        if (is_write == 0 && type == SSL3_RT_HEADER) {
            const auto* at = static_cast<const unsigned char*>(header);
            auto& seen = *static_cast<std::size_t*>(into);
            seen = std::max(seen, std::size_t{at[3]} * 256 + at[4]);
        }
    });
    SSL_set_msg_callback_arg(client.beneath().ssl(), &largest);
    const std::string bytes(100'000, 'f');
    ASSERT_EQ(ours.write(bytes).bytes, bytes.size());
    EXPECT_TRUE(host.until([&] { return client.received() == bytes; }));
    EXPECT_GT(largest, 512U);
    EXPECT_LE(largest, 512U + 256U) << "padding and tag included";
}

TEST(Tls, GoesOnAfterAKeyUpdate) {
    server host(profile_with(server_options()));
    peer client(connect_tls(host.where()));
    auto& ours = host.establish(client);
    for (int round = 0; round < 3; ++round) {
        SSL_key_update(client.beneath().ssl(), SSL_KEY_UPDATE_REQUESTED);
        client.send("in");
        ASSERT_EQ(ours.write("out").state, io_state::ok);
        const auto expected = 3 * static_cast<std::size_t>(round + 1);
        ASSERT_TRUE(host.until([&] { return client.received().size() == expected; }));
    }
    EXPECT_TRUE(host.until([&] { return ours.received == "ininin"; }));
}

TEST(Tls, ANewContextAppliesToNewConnections) {
    server host(profile_with(server_options()));
    peer old_client(connect_tls(host.where()));
    auto& old_side = host.establish(old_client);

    authority renewed;
    auto options = server_options();
    options.certificates = {renewed.sign({})};
    host.profile = profile_with(options);
    peer new_client(connect_tls(host.where(), {.ca_file = renewed.ca_file()}));
    static_cast<void>(host.establish(new_client));

    EXPECT_EQ(old_side.write("still here").state, io_state::ok);
    EXPECT_TRUE(host.until([&] { return old_client.received() == "still here"; }));
}

TEST(Tls, HandshakesByteByByte) {
    server host(profile_with(server_options()));
    peer client(connect_tls(host.where()));
    const int tiny = 1;
    ::setsockopt(client.beneath().fd(), SOL_SOCKET, SO_SNDBUF, &tiny, sizeof tiny);
    ::setsockopt(client.beneath().fd(), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof tiny);
    auto& ours = host.establish(client);
    EXPECT_EQ(ours.write("x").state, io_state::ok);
    EXPECT_TRUE(host.until([&] { return client.received() == "x"; }));
}

} // namespace
} // namespace gv::transport::testing
