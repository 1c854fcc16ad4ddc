// SPDX-License-Identifier: Apache-2.0
#include "cluster/grpc_control_reader.hpp"

#include "cluster/grpc_message.hpp"
#include "cluster/wire_control.hpp"

#include <grpcpp/server_context.h>
#include <proto/grapevine_cluster.pb.h>

namespace gv::cluster {

namespace wire = grapevine::cluster::v1;

bool control_readers::enter(control_reader& reader) {
    const std::lock_guard lock(mutex_);
    control_reader*& newest = newest_[reader.from().node];
    if (newest != nullptr && newest->is_newer_than(reader)) {
        return false;
    }
    if (newest != nullptr) {
        newest->end({grpc::StatusCode::ABORTED, "a newer stream took its place"});
    }
    newest = &reader;
    return true;
}

bool control_reader::is_newer_than(const control_reader& other) const noexcept {
    if (from_.boot != other.from_.boot) {
        return from_.boot > other.from_.boot;
    }
    return other.number_ != 0 && number_ > other.number_;
}

void control_readers::leave(control_reader& reader) {
    const std::lock_guard lock(mutex_);
    const auto found = newest_.find(reader.from().node);
    if (found != newest_.end() && found->second == &reader) {
        newest_.erase(found);
    }
}

control_reader::control_reader(grpc_core& core, control_links& links, control_readers& readers,
                               grpc::CallbackServerContext& context)
    : core_(core), links_(links), readers_(readers), context_(context),
      state_(std::make_shared<state>()) {
    state_->reader = this;
    StartRead(&bytes_);
    expect_hello(core_, state_);
}

void control_reader::end(const grpc::Status& status) {
    const std::lock_guard lock(state_->mutex);
    if (state_->reader != nullptr) {
        end_locked(status);
    }
}

void control_reader::end_locked(const grpc::Status& status) {
    state_->reader = nullptr;
    Finish(status);
}

void control_reader::OnReadDone(bool ok) {
    if (relay_ != nullptr) {
        return ok ? relay_->on_frame(bytes_) : relay_->on_caller_gone();
    }
    if (!ok) {
        return end(grpc::Status::OK);
    }
    if (const grpc::Status status = take(); !status.ok()) {
        return end(status);
    }
}

void control_reader::OnCancel() {
    std::shared_ptr<relay> passes_on;
    {
        const std::lock_guard lock(state_->mutex);
        passes_on = relay_;
    }
    if (passes_on != nullptr) {
        passes_on->on_caller_gone();
    } else {
        end(grpc::Status::CANCELLED); // it may be that nothing is being read
    }
}

void control_reader::OnDone() {
    readers_.leave(*this);
    core_.incoming_streams.fetch_sub(1);
    delete this;
}

grpc::Status control_reader::take() {
    wire::ControlFrame frame;
    if (auto parsed =
            parse(bytes_, control_frame_limit(bytes_, core_.options.receive_bytes_max), frame);
        !parsed) {
        return malformed(core_, parsed.error());
    }
    return from_ == peer_identity{} ? greet(std::move(frame)) : take(std::move(frame));
}

grpc::Status control_reader::greet(wire::ControlFrame&& frame) {
    if (!frame.has_hello()) {
        return malformed(core_, wire_fault::no_hello);
    }
    auto hello = decode(wire::LinkHello(frame.hello()));
    if (!hello) {
        return malformed(core_, hello.error());
    }
    if (grpc::Status status = check(core_, context_, voucher(*hello)); !status.ok()) {
        return status;
    }
    {
        const std::lock_guard lock(state_->mutex);
        state_->is_greeted = true;
    }
    return wants_relay(core_, *hello) ? pass_on(*hello, std::move(frame)) : welcome(*hello);
}

grpc::Status control_reader::welcome(const link_hello& hello) {
    if (grpc::Status status = check(core_, hello); !status.ok()) {
        return status;
    }
    from_ = hello.from;
    number_ = hello.number;
    if (!readers_.enter(*this)) {
        return {grpc::StatusCode::ABORTED, "a later life or stream of this node is there"};
    }
    const std::lock_guard lock(state_->mutex);
    if (state_->reader != nullptr) {
        say_accepted(core_.options.self.node);
        StartRead(&bytes_);
    }
    return grpc::Status::OK;
}

void control_reader::say_accepted(node_id here) {
    context_.AddInitialMetadata("grapevine-node", std::to_string(here.value));
    StartSendInitialMetadata();
}

grpc::Status control_reader::pass_on(const link_hello& hello, wire::ControlFrame&& frame) {
    auto admitted = relay::admit(core_, links_, hello, relayed_kind::control, *this);
    if (!admitted) {
        return admitted.error();
    }
    if (!give_to(*admitted, *state_, relay_)) {
        return grpc::Status::OK;
    }
    frame.mutable_hello()->set_hops(1);
    relay_->start(bytes_of(frame));
    return grpc::Status::OK;
}

grpc::Status control_reader::take(wire::ControlFrame&& frame) {
    auto message = decode(std::move(frame), from_.node, core_.options.routes);
    if (!message) {
        return malformed(core_, message.error());
    }
    bool is_over = false;
    {
        const std::lock_guard lock(state_->mutex);
        is_over = state_->reader == nullptr;
    }
    if (!is_over) {
        core_.listener.on_control(from_, std::move(*message), [state = state_] {
            const std::lock_guard lock(state->mutex);
            if (state->reader != nullptr) {
                state->reader->StartRead(&state->reader->bytes_);
            }
        });
    }
    return grpc::Status::OK;
}

} // namespace gv::cluster
