// SPDX-License-Identifier: Apache-2.0
// Who has a token gets a certificate, and nothing else.
#include "cluster/grpc_admission.hpp"
#include "cluster/node_trust.hpp"
#include "tests/cluster/grpc_peer.hpp"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <proto/grapevine_cluster.grpc.pb.h>

namespace gv::cluster {

namespace {

namespace wire = grapevine::cluster::v1;
namespace tls = grpc::experimental;
using testing::HasSubstr;

[[nodiscard]] wall_time now() { return std::chrono::system_clock::now(); }

[[nodiscard]] certified_key authority_of_garden() {
    return make_authority("garden", valid_for(now(), authority_lifetime));
}

/// Believes every bearer of one token.
class open_desk final : public admission_desk {
  public:
    explicit open_desk(certified_key by) : by_(std::move(by)) {}
    [[nodiscard]] bool knows(const applicant& who) override {
        return who.token == token.number && is_proven(who, token.secret);
    }
    [[nodiscard]] result<admitted, std::string> admit(const applicant&,
                                                      const std::string& request) override {
        ++asked;
        auto made =
            sign_request(by_, request, read_request(request)->who, valid_for(now(), node_lifetime));
        return admitted{.certificate = std::move(*made), .authorities = by_.certificate};
    }

    join_token token;
    std::atomic<int> asked = 0;

  private:
    const certified_key by_;
};

struct GrpcAdmission : testing::Test {
    GrpcAdmission() {
        desk->token =
            make_join_token(fingerprint(authority.certificate), now() + 1h, one.address());
    }
    [[nodiscard]] static tls_material material_of(const certified_key& by, std::uint64_t number) {
        const certified_node who{.cluster = "garden", .node = node_id{number}, .name = "n"};
        const std::string key = make_key();
        return {.chain =
                    sign_request(by, make_request(key, who), who, valid_for(now(), node_lifetime))
                        .value(),
                .key = key,
                .authorities = by.certificate};
    }
    [[nodiscard]] static auto ask(const join_token& token, const std::string& cluster = {}) {
        return ask_admission(
            token, {.cluster = cluster, .node = node_id{2}, .name = "attic", .key = make_key()},
            10s);
    }

    certified_key authority = authority_of_garden();
    std::shared_ptr<open_desk> desk = std::make_shared<open_desk>(authority);
    grpc_peer one{1, [this](grpc_transport_options& options) {
                      options.security.trust =
                          std::make_shared<node_trust>("garden", material_of(authority, 1));
                      options.security.desk = desk;
                  }};
};

TEST_F(GrpcAdmission, WhoHasATokenGetsACertificateAndIsANode) {
    const auto got = ask(desk->token);
    ASSERT_TRUE(got) << got.error().what.what;
    EXPECT_EQ(got->who, (certified_node{.cluster = "garden", .node = node_id{2}, .name = "attic"}));
    grpc_peer two(2, [&](grpc_transport_options& options) {
        options.security.trust = std::make_shared<node_trust>("garden", got->material);
    });
    two.open_control(one);
    EXPECT_TRUE(two.on.wait([&] { return two.opened.size() == 1; }));
    EXPECT_TRUE(one.on.read([&] { return one.distrusted.empty(); }));
}

TEST_F(GrpcAdmission, WithoutTheSecretTheConnectionEnds) {
    join_token guessed = desk->token;
    guessed.secret = std::string(32, '0');
    const auto got = ask(guessed);
    ASSERT_FALSE(got);
    EXPECT_THAT(got.error().what.what, HasSubstr("does not take the token"));
    EXPECT_EQ(desk->asked, 0);
    EXPECT_TRUE(one.on.wait([&] { return !one.distrusted.empty(); }));
}

TEST_F(GrpcAdmission, WhoIsNotOfTheTokensClusterIsNotAsked) {
    join_token other = desk->token;
    other.authority = fingerprint(authority_of_garden().certificate);
    const auto got = ask(other);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().what.what,
              "the node there is not one of the cluster that the token is of");
    EXPECT_FALSE(got.error().may_pass);
    EXPECT_EQ(desk->asked, 0);
}

TEST_F(GrpcAdmission, ATokenOfAnotherClusterIsNotUsedUp) {
    const auto got = ask(desk->token, "office");
    ASSERT_FALSE(got);
    EXPECT_THAT(got.error().what.what, HasSubstr("the token is of the cluster \"garden\""));
    EXPECT_EQ(desk->asked, 0);
}

TEST_F(GrpcAdmission, WhoIsNotThereMayCome) {
    one.stop();
    const auto got = ask(desk->token);
    ASSERT_FALSE(got);
    EXPECT_TRUE(got.error().may_pass);
}

/// All that a node may be asked, by who has a token and no certificate.
TEST_F(GrpcAdmission, AnApplicantMayAskForNothingElse) {
    const certified_key shown =
        make_applicant(desk->token.number, desk->token.secret, valid_for(now(), 1h));
    ASSERT_TRUE(desk->knows(*read_applicant(shown.certificate)));
    tls::TlsChannelCredentialsOptions options;
    options.set_certificate_provider(std::make_shared<tls::StaticDataCertificateProvider>(
        shown.certificate, std::vector<tls::IdentityKeyCertPair>{{shown.key, shown.certificate}}));
    options.watch_identity_key_cert_pairs();
    options.watch_root_certs();
    options.set_verify_server_certs(false);
    options.set_check_call_host(false);
    options.set_certificate_verifier(std::make_shared<tls::NoOpCertificateVerifier>());
    const auto channel = grpc::CreateChannel(one.address(), tls::TlsCredentials(options));
    const auto until = std::chrono::system_clock::now() + patience;
    {
        wire::Envelope question;
        question.set_cluster("garden");
        question.set_wire_min(1);
        question.set_wire_max(1);
        question.set_from(2);
        question.set_boot(1);
        question.mutable_probe()->set_sequence(1);
        wire::Envelope answer;
        grpc::ClientContext context;
        context.set_deadline(until);
        EXPECT_EQ(
            wire::Membership::NewStub(channel)->Probe(&context, question, &answer).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
    }
    wire::LinkHello hello;
    hello.set_cluster("garden");
    hello.set_wire_min(1);
    hello.set_wire_max(1);
    hello.set_from(2);
    hello.set_boot(1);
    hello.set_to(1);
    const auto link = wire::Link::NewStub(channel);
    {
        grpc::ClientContext context;
        context.set_deadline(until);
        wire::ControlEnd end;
        const auto stream = link->Control(&context, &end);
        wire::ControlFrame frame;
        *frame.mutable_hello() = hello;
        stream->Write(frame);
        EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::PERMISSION_DENIED);
    }
    {
        grpc::ClientContext context;
        context.set_deadline(until);
        const auto stream = link->Lane(&context);
        wire::LaneFrame frame;
        *frame.mutable_hello()->mutable_link() = hello;
        frame.mutable_hello()->set_origin(2);
        frame.mutable_hello()->set_oldest(1);
        frame.mutable_hello()->set_boot(1);
        stream->Write(frame);
        wire::LaneReply reply;
        while (stream->Read(&reply)) {
        }
        EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::PERMISSION_DENIED);
    }
    EXPECT_TRUE(one.on.read([&] { return one.questions.empty() && one.lanes.empty(); }));
}

} // namespace

} // namespace gv::cluster
