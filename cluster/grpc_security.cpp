// SPDX-License-Identifier: Apache-2.0
#include "cluster/grpc_security.hpp"

#include "cluster/admission.hpp"
#include "cluster/node_trust.hpp"

#include <grpcpp/security/auth_context.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/support/status.h>

namespace gv::cluster {

namespace {

namespace tls = grpc::experimental;

/// Until new certificates are seen.
constexpr unsigned look_again_seconds = 1;

[[nodiscard]] std::string hex(node_id node) {
    const std::string uri = identity_uri({.cluster = "x", .node = node, .name = {}});
    return uri.substr(uri.rfind('/') + 1);
}

/// "dns:///10.0.0.2:7883" and "10.0.0.2:7883" are one address.
[[nodiscard]] std::string_view host_of(std::string_view address) {
    if (address.starts_with('[')) {
        return address.substr(1, address.find(']') - 1);
    }
    return address.substr(0, address.rfind(':'));
}

[[nodiscard]] bool is_of_this_machine(std::string_view address) {
    const std::string_view host = host_of(address);
    return host.starts_with("127.") || host == "::1" || host == "localhost";
}

class verifier final : public tls::ExternalCertificateVerifier {
  public:
    /// `address`: that was called; empty: it has called.
    /// `desk`: of a server; it knows those who have a token.
    verifier(std::shared_ptr<node_trust> trust, std::string address,
             std::shared_ptr<admission_desk> desk, grpc_security::report_call report)
        : trust_(std::move(trust)), address_(std::move(address)), desk_(std::move(desk)),
          report_(std::move(report)) {}

    bool Verify(tls::TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
                grpc::Status* answer) override {
        const auto text = [](grpc::string_ref from) {
            return std::string(from.data(), from.size());
        };
        // In the chain, that of the other end itself is only if it is a server.
        const std::string chain =
            text(request->peer_cert()) + text(request->peer_cert_full_chain());
        const auto judged =
            trust_->judge(chain, address_.empty() ? tls_end::client : tls_end::server,
                          std::chrono::system_clock::now());
        if (!judged && !is_applicant(text(request->peer_cert()))) {
            *answer = {grpc::StatusCode::UNAUTHENTICATED, judged.error().what};
            report_({.address = address_,
                     .what = judged.error().what,
                     .remedy = judged.error().remedy});
        }
        return true;
    }
    void Cancel(tls::TlsCustomVerificationCheckRequest*) override {}

  private:
    /// Who has a token may connect. All calls but one ask for the certificate of a node.
    [[nodiscard]] bool is_applicant(const std::string& certificate) const {
        const auto who = desk_ == nullptr ? std::nullopt : read_applicant(certificate);
        return who && desk_->knows(*who);
    }

    const std::shared_ptr<node_trust> trust_;
    const std::string address_;
    const std::shared_ptr<admission_desk> desk_;
    const grpc_security::report_call report_;
};

} // namespace

class grpc_security::parts {
  public:
    parts(const transport_security& how, report_call report)
        : trust(how.trust), plain(how.plain), desk_(how.desk), report_(std::move(report)) {
        if (trust != nullptr) {
            provider_ = std::make_shared<tls::FileWatcherCertificateProvider>(
                trust->identity_path(), trust->identity_path(), trust->authorities_path(),
                look_again_seconds);
        }
    }

    [[nodiscard]] std::shared_ptr<grpc::ChannelCredentials> channel(const std::string& address) {
        if (trust != nullptr) {
            return make_channel(address);
        }
        if (plain == plain_text::this_machine && !is_of_this_machine(address)) {
            report_({.address = address,
                     .what = "is on another machine, and this node has no certificate",
                     .remedy = "make certificates (`grapevine cluster init`), or set "
                               "cluster.allow_plaintext = true in a network that nobody else is "
                               "in"});
            return nullptr;
        }
        return grpc::InsecureChannelCredentials();
    }
    [[nodiscard]] std::shared_ptr<grpc::ServerCredentials> server() {
        if (trust == nullptr) {
            return grpc::InsecureServerCredentials();
        }
        tls::TlsServerCredentialsOptions options(provider_);
        set(options, {});
        // The verifier does more than gRPC would, and says why.
        options.set_cert_request_type(
            GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_BUT_DONT_VERIFY);
        return tls::TlsServerCredentials(options);
    }
    [[nodiscard]] bool is(const grpc::AuthContext* other, node_id said,
                          const std::string& address) {
        const auto shown = other == nullptr ? std::nullopt : shown_by(*other);
        if (trust == nullptr || shown == said) {
            return true;
        }
        report_(
            {.address = address,
             .what = "says that it is node " + hex(said) + ", and its certificate is that of "
                     + (shown ? "node " + hex(*shown) : "no node"),
             .remedy = "look at both: one has the other's certificate, or an address is wrong"});
        return false;
    }
    void look_at(const grpc::Status& status, const std::string& address) {
        if (trust == nullptr || status.error_code() != grpc::StatusCode::UNAVAILABLE) {
            return;
        }
        const std::string text = status.error_message();
        if (text.contains("wrong version number")) {
            report_({.address = address,
                     .what = "speaks plain text, and this node has a certificate",
                     .remedy = "give that node a certificate, too: `grapevine cluster token`"});
        } else if (text.starts_with("failed to connect") && text.contains("Socket closed")) {
            report_({.address = address,
                     .what = "closed the connection when it had seen the certificate of this node",
                     .remedy = "the log of that node says why; if it was only starting or "
                               "stopping, nothing is wrong"});
        }
    }

    const std::shared_ptr<node_trust> trust;
    const plain_text plain;

  private:
    [[nodiscard]] std::shared_ptr<grpc::ChannelCredentials>
    make_channel(const std::string& address) {
        tls::TlsChannelCredentialsOptions options;
        options.set_certificate_provider(provider_);
        set(options, address);
        options.set_verify_server_certs(false); // as above
        options.set_check_call_host(false);
        return tls::TlsCredentials(options);
    }
    void set(tls::TlsCredentialsOptions& options, const std::string& address) {
        options.watch_identity_key_cert_pairs();
        options.watch_root_certs();
        options.set_certificate_verifier(tls::ExternalCertificateVerifier::Create<verifier>(
            trust, address, address.empty() ? desk_ : nullptr, report_));
    }
    [[nodiscard]] static std::optional<node_id> shown_by(const grpc::AuthContext& other) {
        for (const grpc::string_ref& each : other.FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME)) {
            if (const auto found = parse_identity_uri({each.data(), each.size()})) {
                return found->node;
            }
        }
        return std::nullopt;
    }

    const std::shared_ptr<admission_desk> desk_;
    const report_call report_;
    std::shared_ptr<tls::FileWatcherCertificateProvider> provider_;
};

grpc_security::grpc_security(const transport_security& how, report_call report)
    : parts_(std::make_unique<parts>(how, std::move(report))) {}

grpc_security::~grpc_security() = default;

std::shared_ptr<grpc::ChannelCredentials> grpc_security::channel(const std::string& address) {
    return parts_->channel(address);
}
std::shared_ptr<grpc::ServerCredentials> grpc_security::server() { return parts_->server(); }

bool grpc_security::is(const grpc::AuthContext* other, node_id said, const std::string& address) {
    return parts_->is(other, said, address);
}

void grpc_security::look_at(const grpc::Status& status, const std::string& address) {
    parts_->look_at(status, address);
}

} // namespace gv::cluster
