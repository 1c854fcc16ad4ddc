// SPDX-License-Identifier: Apache-2.0
#include "cluster/grpc_hail.hpp"

#include "cluster/grpc_connections.hpp"
#include "cluster/grpc_message.hpp"
#include "cluster/grpc_security.hpp"
#include "cluster/wire_membership.hpp"

#include <grpcpp/channel.h>
#include <grpcpp/security/auth_context.h>
#include <proto/grapevine_cluster.grpc.pb.h>

namespace gv::cluster {

namespace {

namespace wire = grapevine::cluster::v1;

/// A connection of its own, which ends with it: most addresses are hailed once.
class hailing final : public running_call {
  public:
    hailing(grpc_core& core, const std::string& address, const envelope& question,
            std::function<void(hail_outcome)> done)
        : core_(core), address_(address), done_(std::move(done)),
          stub_(open_channel(address, core.options, core.options.few_bytes, envelope_bytes_max)) {
        encode(question, question_);
        // As long as an attempt to connect may take, and an answer.
        context_.set_deadline(std::chrono::system_clock::now() + core.options.connect_within
                              + core.options.notice_within);
    }
    void cancel() override { context_.TryCancel(); }
    /// Lifetime: deletes itself.
    void start() {
        stub_.async()->PushPull(&context_, &question_, &answer_,
                                [this](const grpc::Status& status) { end(status); });
    }

  private:
    void end(const grpc::Status& status) {
        core_.options.security.made->look_at(status, address_);
        done_(outcome(status));
        core_.calls.end(this);
    }
    [[nodiscard]] hail_outcome outcome(const grpc::Status& status) {
        if (is_refused(status)) {
            return failure(std::string("nobody listens there"));
        }
        if (!status.ok()) {
            return failure(text_of(status));
        }
        if (answer_.body_case() == wire::Envelope::BODY_NOT_SET) {
            return std::optional<envelope>();
        }
        auto answer = decode(answer_, core_.options.members);
        if (!answer) {
            return failure(std::string(text_of(answer.error())));
        }
        if (!core_.options.security.made->is(context_.auth_context().get(), answer->from,
                                             address_)) {
            return failure(std::string("its certificate is that of another node"));
        }
        return std::optional(std::move(*answer));
    }

    grpc_core& core_;
    const std::string address_;
    std::function<void(hail_outcome)> done_;
    wire::Membership::Stub stub_;
    grpc::ClientContext context_;
    wire::Envelope question_;
    wire::Envelope answer_;
};

} // namespace

void hail(grpc_core& core, const std::string& address, const envelope& question,
          std::function<void(hail_outcome)> done) {
    auto call = std::make_unique<hailing>(core, address, question, std::move(done));
    if (core.calls.enter(*call)) {
        call.release()->start();
    }
}

} // namespace gv::cluster
