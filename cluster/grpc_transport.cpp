// SPDX-License-Identifier: Apache-2.0
#include "cluster/grpc_transport.hpp"

#include "cluster/grpc_admission.hpp"
#include "cluster/grpc_calls.hpp"
#include "cluster/grpc_connections.hpp"
#include "cluster/grpc_control.hpp"
#include "cluster/grpc_hail.hpp"
#include "cluster/grpc_lane_link.hpp"
#include "cluster/grpc_link_service.hpp"
#include "cluster/grpc_questions.hpp"
#include "cluster/grpc_security.hpp"

#include <grpcpp/server.h>

namespace gv::cluster {

class grpc_transport::parts {
  public:
    parts(grpc_transport_options options, peer_listener& listener)
        : core(std::move(options), listener) {
        core.options.security.made = std::make_shared<grpc_security>(
            core.options.security, [this, gate = distrust_](peer_distrust what) {
                gate->call([&](peer_listener& to) {
                    add_one(core.counts.distrusted);
                    to.on_distrusted(std::move(what));
                });
            });
        static_cast<void>(distrust_->open(listener));
        control.tell_ways([this](node_id to, node_id via) { lanes.reroute(to, via); });
    }
    ~parts() { shut_down(); }
    parts(const parts&) = delete;
    parts& operator=(const parts&) = delete;

    [[nodiscard]] result<void, problem> start() {
        std::vector<grpc::Service*> services{&questions.service(), &links.service()};
        if (core.options.security.desk != nullptr) {
            admission_ = std::make_unique<admission_service>(*core.options.security.desk);
            services.push_back(&admission_->service());
        }
        auto listening = listen(core.options, services);
        if (!listening) {
            return failure(std::move(listening.error()));
        }
        server_ = std::move(listening->server);
        port = listening->port;
        return {};
    }
    void shut_down() {
        // The server last: while it is there no call of ours can be the last object of gRPC. Calls
        // of others are cancelled, not waited for.
        core.calls.close();
        if (server_ != nullptr) {
            server_->Shutdown(std::chrono::system_clock::now());
        }
        distrust_->close(); // a handshake may still be under way
    }

    grpc_core core;
    question_calls questions{core};
    control_links control{core};
    lane_links lanes{core, control};
    link_service links{core, control};
    std::uint16_t port = 0;

  private:
    using distrust_gate = listener_gate<peer_listener>;
    std::shared_ptr<distrust_gate> distrust_ = std::make_shared<distrust_gate>();
    std::unique_ptr<admission_service> admission_;
    std::unique_ptr<grpc::Server> server_;
};

grpc_transport::grpc_transport(std::unique_ptr<parts> made) noexcept : parts_(std::move(made)) {}

grpc_transport::~grpc_transport() = default;

result<std::unique_ptr<grpc_transport>, problem>
grpc_transport::start(grpc_transport_options options, peer_listener& listener) {
    auto made = std::make_unique<parts>(std::move(options), listener);
    if (auto started = made->start(); !started) {
        return failure(std::move(started.error()));
    }
    return std::unique_ptr<grpc_transport>(new grpc_transport(std::move(made)));
}

std::uint16_t grpc_transport::port() const noexcept { return parts_->port; }

grpc_transport_counts grpc_transport::counts() const noexcept {
    const shared_counts& now = parts_->core.counts;
    return {.questions_sent = now.questions_sent,
            .questions_unanswered = now.questions_unanswered,
            .questions_dropped = now.questions_dropped,
            .malformed = now.malformed,
            .control_sent = now.control_sent,
            .control_dropped_closed = now.control_dropped_closed,
            .control_dropped_full = now.control_dropped_full,
            .control_lost = now.control_lost,
            .hellos_refused = now.hellos_refused,
            .distrusted = now.distrusted,
            .lanes_relayed = now.lanes_relayed,
            .relay_streams = now.relay_streams,
            .relay_frames = now.relay_frames,
            .relay_bytes = now.relay_bytes,
            .relays_refused = now.relays_refused};
}

void grpc_transport::ask(std::string address, const envelope& question) {
    parts_->questions.ask(std::move(address), question);
}
void grpc_transport::dial_again(const std::string& address) {
    parts_->questions.dial_again(address);
}

void grpc_transport::answer(question_id which, const envelope* answer) {
    parts_->questions.answer(which, answer);
}
void grpc_transport::open_control(peer_identity to, std::string address, std::uint64_t features) {
    parts_->control.open(to, std::move(address), features);
}
void grpc_transport::close_control(node_id to) { parts_->control.close(to); }
bool grpc_transport::has_control(node_id to) const { return parts_->control.is_open(to); }
void grpc_transport::send(node_id to, const control_message& message) {
    parts_->control.send(to, message);
}
std::unique_ptr<lane_link> grpc_transport::open_lane(node_id to, std::string address,
                                                     const lane_hello& hello,
                                                     lane_link_listener& listener) {
    return parts_->lanes.open(to, address, hello, listener);
}
void grpc_transport::hail(const std::string& address, const envelope& question,
                          std::function<void(hail_outcome)> done) {
    cluster::hail(parts_->core, address, question, std::move(done));
}
void grpc_transport::shut_down() { parts_->shut_down(); }

} // namespace gv::cluster
