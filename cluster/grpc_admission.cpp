// SPDX-License-Identifier: Apache-2.0
#include "cluster/grpc_admission.hpp"

#include <grpc/support/log.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/auth_context.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/server_context.h>
#include <proto/grapevine_admission.grpc.pb.h>

#include <functional>
#include <mutex>
#include <utility>

namespace gv::cluster {

namespace {

namespace wire = grapevine::admission::v1;
namespace tls = grpc::experimental;

constexpr std::size_t request_bytes_max = 16u << 10;
constexpr std::size_t authorities_bytes_max = 256u << 10;

[[nodiscard]] std::string text(grpc::string_ref from) { return {from.data(), from.size()}; }

/// What was found out about the node that was called.
struct called_node {
    std::mutex mutex;
    std::string cluster; ///< empty: it was not believed
    std::string why_not;
};

/// Believes whom the token's authority has signed.
class token_verifier final : public tls::ExternalCertificateVerifier {
  public:
    token_verifier(std::string authority, std::shared_ptr<called_node> found)
        : authority_(std::move(authority)), found_(std::move(found)) {}

    bool Verify(tls::TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
                grpc::Status* answer) override {
        const std::string chain =
            text(request->peer_cert()) + text(request->peer_cert_full_chain());
        const std::lock_guard lock(found_->mutex);
        found_->why_not = judge(chain);
        if (!found_->why_not.empty()) {
            *answer = {grpc::StatusCode::UNAUTHENTICATED, found_->why_not};
        }
        return true;
    }
    void Cancel(tls::TlsCustomVerificationCheckRequest*) override {}

  private:
    /// Empty: it is believed.
    [[nodiscard]] std::string judge(const std::string& chain) {
        for (const std::string& each : split_certificates(chain)) {
            if (fingerprint(each) != authority_) {
                continue;
            }
            const auto believed = authorities::read(each);
            const auto facts = read_certificate(chain);
            if (!believed || !facts || !facts->who) {
                break;
            }
            const auto who = believed->check(chain, tls_end::server, facts->who->cluster,
                                             std::chrono::system_clock::now());
            if (!who) {
                return who.error().what;
            }
            found_->cluster = who->cluster;
            return {};
        }
        return "the node there is not one of the cluster that the token is of";
    }

    const std::string authority_;
    const std::shared_ptr<called_node> found_;
};

[[nodiscard]] std::shared_ptr<grpc::ChannelCredentials>
credentials_for(const join_token& token, const std::shared_ptr<called_node>& found) {
    const certified_key shown =
        make_applicant(token.number, token.secret,
                       valid_for(std::chrono::system_clock::now(), std::chrono::hours(1)));
    tls::TlsChannelCredentialsOptions options;
    // The root is not used, and gRPC wants one.
    options.set_certificate_provider(std::make_shared<tls::StaticDataCertificateProvider>(
        shown.certificate, std::vector<tls::IdentityKeyCertPair>{{shown.key, shown.certificate}}));
    options.watch_identity_key_cert_pairs();
    options.watch_root_certs();
    options.set_verify_server_certs(false);
    options.set_check_call_host(false);
    options.set_certificate_verifier(
        tls::ExternalCertificateVerifier::Create<token_verifier>(token.authority, found));
    return tls::TlsCredentials(options);
}

[[nodiscard]] admission_failure failed(const join_token& token, const std::string& what,
                                       const std::string& remedy, bool may_pass = false) {
    return {.what = {.place = token.address, .what = what, .remedy = remedy}, .may_pass = may_pass};
}

[[nodiscard]] admission_failure not_reached(const join_token& token, called_node& found,
                                            const std::string& why) {
    const std::lock_guard lock(found.mutex);
    if (!found.why_not.empty()) {
        return failed(token, found.why_not, "get a token from a node of the cluster that is meant");
    }
    if (!found.cluster.empty()) {
        return failed(token,
                      "the node there does not take the token: it was used, is over, or was "
                      "never of that node",
                      "get another one: `grapevine cluster token`");
    }
    return failed(token, "no node answers there" + (why.empty() ? "" : ": " + why),
                  "check that the address is reached from here, and that the node runs", true);
}

[[nodiscard]] result<new_member, admission_failure> take(const join_token& token,
                                                         const std::string& cluster,
                                                         const admission_question& question,
                                                         const wire::AdmitAnswer& answer) {
    if (!answer.problem().empty()) {
        return failure(
            failed(token, answer.problem(), "get another one: `grapevine cluster token`"));
    }
    new_member made{.who = {.cluster = cluster, .node = question.node, .name = question.name},
                    .material = {.chain = answer.certificate(),
                                 .key = question.key,
                                 .authorities = answer.authorities()}};
    const material_check checked =
        check_material(made.material, {"the certificate", "the key", "the authorities"}, cluster,
                       std::chrono::system_clock::now());
    if (!checked.errors.empty()) {
        return failure(failed(token,
                              "the answer cannot be used: " + checked.errors.front().place + ": "
                                  + checked.errors.front().what,
                              "look at the log of that node"));
    }
    return made;
}

} // namespace

class admission_service::handler final : public wire::Admission::CallbackService {
  public:
    explicit handler(admission_desk& desk) : desk_(desk) {}

    grpc::ServerUnaryReactor* Admit(grpc::CallbackServerContext* context,
                                    const wire::AdmitRequest* asked,
                                    wire::AdmitAnswer* answer) override {
        grpc::ServerUnaryReactor* const call = context->DefaultReactor();
        const auto shown =
            context->auth_context()->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
        const auto who = shown.empty() ? std::nullopt : read_applicant(text(shown.front()));
        if (!who) {
            call->Finish({grpc::StatusCode::PERMISSION_DENIED, "who has no token is not admitted"});
        } else if (asked->request().size() > request_bytes_max) {
            call->Finish({grpc::StatusCode::INVALID_ARGUMENT, "the request is too large"});
        } else {
            fill(*answer, desk_.admit(*who, asked->request()));
            call->Finish(grpc::Status::OK);
        }
        return call;
    }

  private:
    static void fill(wire::AdmitAnswer& out, const result<admitted, std::string>& from) {
        if (!from) {
            out.set_problem(from.error());
            return;
        }
        out.set_certificate(from->certificate);
        out.set_authorities(from->authorities);
    }

    admission_desk& desk_;
};

admission_service::admission_service(admission_desk& desk)
    : handler_(std::make_unique<handler>(desk)) {}
admission_service::~admission_service() = default;
grpc::Service& admission_service::service() noexcept { return *handler_; }

result<new_member, admission_failure> ask_admission(const join_token& token,
                                                    const admission_question& question,
                                                    std::chrono::seconds within) {
    gpr_set_log_function([](gpr_log_func_args*) {}); // it comes back as a status
    const auto until = std::chrono::system_clock::now() + within;
    const auto found = std::make_shared<called_node>();
    grpc::ChannelArguments with;
    with.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    with.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    with.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    with.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    with.SetMaxReceiveMessageSize(static_cast<int>(request_bytes_max + authorities_bytes_max));
    const auto channel =
        grpc::CreateCustomChannel("dns:///" + token.address, credentials_for(token, found), with);
    // Its name is in its certificate, which it shows when the connection is there.
    {
        auto state = channel->GetState(true);
        while (state != GRPC_CHANNEL_READY && state != GRPC_CHANNEL_TRANSIENT_FAILURE
               && channel->WaitForStateChange(state, until)) {
            state = channel->GetState(true);
        }
        if (state != GRPC_CHANNEL_READY) {
            return failure(not_reached(token, *found, {}));
        }
    }
    std::string cluster;
    {
        const std::lock_guard lock(found->mutex);
        cluster = found->cluster;
    }
    if (!question.cluster.empty() && question.cluster != cluster) {
        return failure(failed(token,
                              "the token is of the cluster \"" + cluster
                                  + "\", and this node is to "
                                    "be in the cluster \""
                                  + question.cluster + "\"",
                              "change cluster.name, or leave it out"));
    }
    wire::AdmitRequest request;
    request.set_request(make_request(
        question.key, {.cluster = cluster, .node = question.node, .name = question.name}));
    grpc::ClientContext context;
    context.set_deadline(until);
    wire::AdmitAnswer answer;
    const grpc::Status status =
        wire::Admission::NewStub(channel)->Admit(&context, request, &answer);
    if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
        return failure(failed(token, "the node there has not the key of the authority",
                              "get a token from the node on which `grapevine cluster init` ran"));
    }
    if (!status.ok()) {
        return failure(not_reached(token, *found, status.error_message()));
    }
    return take(token, cluster, question, answer);
}

} // namespace gv::cluster
