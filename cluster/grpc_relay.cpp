// SPDX-License-Identifier: Apache-2.0
#include "cluster/grpc_relay.hpp"

#include "cluster/grpc_connections.hpp"
#include "cluster/grpc_control.hpp"
#include "cluster/grpc_message.hpp"
#include "cluster/grpc_security.hpp"
#include "cluster/wire_link.hpp"

#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/auth_context.h>

namespace gv::cluster {

namespace {

/// Sent ahead by the neighbour that is meant, of replies that the caller has not read.
constexpr std::size_t reply_window_bytes = 128u << 10;

[[nodiscard]] const char* method_of(relayed_kind kind) noexcept {
    return kind == relayed_kind::control ? "/grapevine.cluster.v1.Link/Control"
                                         : "/grapevine.cluster.v1.Link/Lane";
}

[[nodiscard]] std::size_t reply_bytes_max(relayed_kind kind) noexcept {
    return kind == relayed_kind::control ? control_end_bytes_max : lane_response_bytes_max;
}

/// As who is meant limits it: what that one would refuse is not worth passing on.
[[nodiscard]] std::size_t frame_bytes_max(const grpc_core& core, relayed_kind kind,
                                          const grpc::ByteBuffer& frame) {
    return kind == relayed_kind::control
               ? control_frame_limit(frame, core.options.receive_bytes_max)
               : lane_request_bytes_max;
}

/// Why this node does not pass on what that caller wants passed on, or OK.
[[nodiscard]] grpc::Status judge(const grpc_core& core, const link_hello& caller) {
    link_hello to_here = caller;
    to_here.to = core.options.self.node;
    if (auto accepted = accept(core.hello_to({}), to_here); !accepted) {
        return {grpc::StatusCode::FAILED_PRECONDITION, accepted.error()};
    }
    if (caller.hops > 0) {
        return {grpc::StatusCode::FAILED_PRECONDITION, "it was passed on already"};
    }
    return grpc::Status::OK;
}

} // namespace

bool wants_relay(const grpc_core& core, const link_hello& caller) noexcept {
    const node_id here = core.options.self.node;
    return caller.to != here && caller.via == here;
}

/// The call to the neighbour. Deletes itself.
class relay::leg final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                         public running_call {
  public:
    leg(grpc_core& core, std::shared_ptr<relay> of, std::shared_ptr<grpc::Channel> channel)
        : core_(core), relay_(std::move(of)), stub_(std::move(channel)) {}

    void cancel() override { context_.TryCancel(); }

    void start(grpc::ByteBuffer hello) {
        stub_.PrepareBidiStreamingCall(&context_, method_of(relay_->kind_), {}, this);
        AddHold();
        read_more();
        write(std::move(hello));
        StartCall();
    }
    void write(grpc::ByteBuffer bytes) {
        writing_.Swap(&bytes);
        StartWrite(&writing_);
    }
    void read_more() { StartRead(&reply_); }
    [[nodiscard]] grpc::ByteBuffer take_reply() {
        grpc::ByteBuffer taken;
        taken.Swap(&reply_);
        return taken;
    }
    /// gRPC may forget it from now on.
    void let_go() { RemoveHold(); }

    void OnReadInitialMetadataDone(bool ok) override {
        if (!ok) {
            return;
        }
        if (!core_.options.security.made->is(context_.auth_context().get(), relay_->neighbour_,
                                             relay_->address_)) {
            return cancel();
        }
        if (context_.GetServerInitialMetadata().contains("grapevine-node")) {
            relay_->on_accepted();
        }
    }
    void OnWriteDone(bool ok) override { relay_->on_passed_on(ok); }
    void OnReadDone(bool ok) override { relay_->on_reply(ok); }
    void OnDone(const grpc::Status& status) override {
        relay_->on_leg_done(status);
        core_.calls.end(this);
    }

  private:
    grpc_core& core_;
    const std::shared_ptr<relay> relay_;
    grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub_;
    grpc::ClientContext context_;
    grpc::ByteBuffer writing_;
    grpc::ByteBuffer reply_;
};

std::expected<std::shared_ptr<relay>, grpc::Status>
relay::admit(grpc_core& core, control_links& links, const link_hello& caller, relayed_kind kind,
             relayed_stream& stream) {
    const auto refuse = [&](const grpc::Status& why) {
        add_one(core.counts.relays_refused);
        return std::unexpected(why);
    };
    if (const grpc::Status status = judge(core, caller); !status.ok()) {
        return refuse(status);
    }
    auto address = links.direct_address(caller.to);
    if (!address) {
        return refuse({grpc::StatusCode::UNAVAILABLE, "this neighbour has no link there itself"});
    }
    std::shared_ptr<relay> made(new relay(core, caller.to, std::move(*address), kind, stream));
    if (core.counts.relay_streams.load() > core.options.relay_streams_max) {
        return refuse({grpc::StatusCode::RESOURCE_EXHAUSTED, "this neighbour passes on too much"});
    }
    return made;
}

relay::relay(grpc_core& core, node_id neighbour, std::string address, relayed_kind kind,
             relayed_stream& stream)
    : core_(core), neighbour_(neighbour), address_(std::move(address)), kind_(kind),
      stream_(&stream) {
    add_one(core_.counts.relay_streams);
}

relay::~relay() { core_.counts.relay_streams.fetch_sub(1); }

void relay::start(grpc::ByteBuffer hello) {
    const keep_alive& silence =
        kind_ == relayed_kind::control ? core_.options.few_bytes : core_.options.many_bytes;
    grpc_transport_options with = core_.options;
    with.window_bytes = reply_window_bytes; // for frames, that of the receiver counts
    auto made = std::make_unique<leg>(
        core_, shared_from_this(), open_channel(address_, with, silence, reply_bytes_max(kind_)));
    const std::lock_guard lock(mutex_);
    if (stream_ == nullptr) {
        return;
    }
    if (!core_.calls.enter(*made)) {
        return finish({grpc::StatusCode::UNAVAILABLE, "this neighbour goes down"});
    }
    leg_ = made.release();
    leg_->start(std::move(hello));
}

// --- the caller's side

void relay::on_frame(grpc::ByteBuffer& bytes) {
    const std::lock_guard lock(mutex_);
    if (stream_ == nullptr || leg_ == nullptr) {
        return; // on_leg_done() follows, or was there
    }
    const std::size_t size = bytes.Length();
    if (size > frame_bytes_max(core_, kind_, bytes)) {
        finish({grpc::StatusCode::INVALID_ARGUMENT, "more bytes than a frame may have"});
        return let_leg_go();
    }
    add_one(core_.counts.relay_frames);
    core_.counts.relay_bytes.fetch_add(size, std::memory_order_relaxed);
    grpc::ByteBuffer taken;
    taken.Swap(&bytes);
    leg_->write(std::move(taken));
}

void relay::on_written_back(bool is_fine) {
    const std::lock_guard lock(mutex_);
    if (is_fine && leg_ != nullptr) {
        is_leg_reading_ = true;
        leg_->read_more();
    }
}

void relay::on_caller_gone() {
    const std::lock_guard lock(mutex_);
    finish(grpc::Status::CANCELLED);
    let_leg_go();
}

// --- the neighbour's side

void relay::on_accepted() {
    const std::lock_guard lock(mutex_);
    if (stream_ != nullptr && kind_ == relayed_kind::control) {
        stream_->accept(neighbour_);
    }
}

void relay::on_passed_on(bool is_fine) {
    const std::lock_guard lock(mutex_);
    if (is_fine && stream_ != nullptr) {
        stream_->read_more();
    }
}

void relay::on_reply(bool is_fine) {
    const std::lock_guard lock(mutex_);
    if (leg_ == nullptr) {
        return;
    }
    is_leg_reading_ = false;
    if (!is_fine) { // the status follows
        return std::exchange(leg_, nullptr)->let_go();
    }
    // Nothing comes back by a control stream but its end.
    if (stream_ == nullptr || kind_ == relayed_kind::control) {
        return let_leg_go();
    }
    grpc::ByteBuffer reply = leg_->take_reply();
    add_one(core_.counts.relay_frames);
    core_.counts.relay_bytes.fetch_add(reply.Length(), std::memory_order_relaxed);
    stream_->write_back(std::move(reply));
}

void relay::on_leg_done(const grpc::Status& status) {
    const std::lock_guard lock(mutex_);
    leg_ = nullptr;
    finish(status.ok()
               ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "the neighbour's peer ended it")
               : status);
}

// Requires: the lock, as the next one.
void relay::finish(const grpc::Status& status) {
    if (relayed_stream* const stream = std::exchange(stream_, nullptr)) {
        stream->finish(status);
    }
}

// A read that is under way ends with the call, and lets it go then.
void relay::let_leg_go() {
    if (leg_ == nullptr) {
        return;
    }
    leg_->cancel();
    if (!is_leg_reading_) {
        std::exchange(leg_, nullptr)->let_go();
    }
}

} // namespace gv::cluster
