// SPDX-License-Identifier: Apache-2.0
#include "cluster/grpc_lane_reader.hpp"

#include "base/assert.hpp"
#include "cluster/grpc_message.hpp"

#include <proto/grapevine_cluster.pb.h>

namespace gv::cluster {

namespace wire = grapevine::cluster::v1;

namespace {

class grpc_incoming_lane final : public incoming_lane {
  public:
    explicit grpc_incoming_lane(std::shared_ptr<incoming_lane_state> state)
        : state_(std::move(state)) {}
    ~grpc_incoming_lane() override { end("the node has closed the lane"); }
    grpc_incoming_lane(const grpc_incoming_lane&) = delete;
    grpc_incoming_lane& operator=(const grpc_incoming_lane&) = delete;

    void welcome(lane_welcome welcome, incoming_lane_listener& listener) override {
        if (!state_->gate.open(listener)) {
            return listener.on_lost();
        }
        wire::LaneReply reply;
        encode(welcome, reply);
        write(reply);
    }
    void read_next() override {
        const std::lock_guard lock(state_->mutex);
        if (state_->reader != nullptr) {
            state_->reader->read();
        }
    }
    void reply(lane_reply reply) override {
        wire::LaneReply out;
        encode(std::move(reply), out);
        write(out);
    }
    void refuse(std::string why) override { end(why); }

  private:
    void write(const wire::LaneReply& reply) {
        grpc::ByteBuffer bytes = bytes_of(reply);
        const std::lock_guard lock(state_->mutex);
        if (state_->reader != nullptr) {
            state_->reader->write(std::move(bytes));
        }
    }
    void end(const std::string& why) {
        state_->gate.close();
        const std::lock_guard lock(state_->mutex);
        if (state_->reader != nullptr) {
            state_->reader->end_locked({grpc::StatusCode::FAILED_PRECONDITION, why});
        }
    }

    std::shared_ptr<incoming_lane_state> state_;
};

} // namespace

lane_reader::lane_reader(grpc_core& core, control_links& links,
                         const grpc::CallbackServerContext& context)
    : core_(core), links_(links), context_(context),
      state_(std::make_shared<incoming_lane_state>()) {
    state_->reader = this;
    StartRead(&bytes_);
    expect_hello(core_, state_);
}

void lane_reader::read() {
    BROKER_ASSERT(!is_reading_, "one frame of a lane is read at a time");
    is_reading_ = true;
    StartRead(&bytes_);
}

void lane_reader::write(grpc::ByteBuffer reply) {
    const std::size_t size = reply.Length();
    if (queued_bytes_ + size > core_.options.reply_queue_bytes_max) {
        return end_locked({grpc::StatusCode::RESOURCE_EXHAUSTED, "replies are not read"});
    }
    queued_bytes_ += size;
    queue_.push_back(std::move(reply));
    if (queue_.size() == 1) {
        StartWrite(&queue_.front());
    }
}

void lane_reader::end_locked(const grpc::Status& status) {
    state_->reader = nullptr;
    Finish(status);
}

void lane_reader::end(const grpc::Status& status) {
    const std::lock_guard lock(state_->mutex);
    if (state_->reader != nullptr) {
        end_locked(status);
    }
}

void lane_reader::OnReadDone(bool ok) {
    if (relay_ != nullptr) {
        return ok ? relay_->on_frame(bytes_) : relay_->on_caller_gone();
    }
    {
        const std::lock_guard lock(state_->mutex);
        is_reading_ = false;
    }
    const grpc::Status status = ok ? take() : grpc::Status::OK;
    if (!ok || !status.ok()) {
        end(status);
    }
}

void lane_reader::OnWriteDone(bool ok) {
    if (relay_ != nullptr) {
        return relay_->on_written_back(ok);
    }
    const std::lock_guard lock(state_->mutex);
    queued_bytes_ -= queue_.front().Length();
    queue_.pop_front();
    if (ok && state_->reader != nullptr && !queue_.empty()) {
        StartWrite(&queue_.front());
    }
}

void lane_reader::OnCancel() {
    std::shared_ptr<relay> passes_on;
    {
        const std::lock_guard lock(state_->mutex);
        passes_on = relay_;
    }
    passes_on != nullptr ? passes_on->on_caller_gone() : end(grpc::Status::CANCELLED);
}

void lane_reader::OnDone() {
    state_->gate.finish([](incoming_lane_listener& to) { to.on_lost(); });
    core_.incoming_streams.fetch_sub(1);
    delete this;
}

grpc::Status lane_reader::take() {
    wire::LaneFrame frame;
    if (auto parsed = parse(bytes_, lane_request_bytes_max, frame); !parsed) {
        return malformed(core_, parsed.error());
    }
    if (frame.has_hello()) {
        return greet(std::move(frame));
    }
    auto message = decode(std::move(frame));
    if (!message) {
        return malformed(core_, message.error());
    }
    if (!state_->is_greeted) {
        return malformed(core_, wire_fault::no_hello);
    }
    state_->gate.call([&](incoming_lane_listener& to) {
        to.on_frame(std::move(std::get<lane_frame>(*message)));
    });
    return grpc::Status::OK;
}

grpc::Status lane_reader::greet(wire::LaneFrame&& frame) {
    auto message = decode(wire::LaneFrame(frame));
    if (!message) {
        return malformed(core_, message.error());
    }
    {
        const std::lock_guard lock(state_->mutex);
        if (std::exchange(state_->is_greeted, true)) {
            return malformed(core_, wire_fault::second_hello);
        }
    }
    const lane_opening& opening = std::get<lane_opening>(*message);
    if (grpc::Status known = check(core_, context_, voucher(opening.link)); !known.ok()) {
        return known;
    }
    if (wants_relay(core_, opening.link)) {
        return pass_on(opening.link, std::move(frame));
    }
    grpc::Status status = check(core_, opening.link);
    if (status.ok()) {
        core_.listener.on_lane(std::make_unique<grpc_incoming_lane>(state_), opening.link.from,
                               opening.lane);
    }
    return status;
}

grpc::Status lane_reader::pass_on(const link_hello& hello, wire::LaneFrame&& frame) {
    auto admitted = relay::admit(core_, links_, hello, relayed_kind::lane, *this);
    if (!admitted) {
        return admitted.error();
    }
    if (!give_to(*admitted, *state_, relay_)) {
        return grpc::Status::OK;
    }
    frame.mutable_hello()->mutable_link()->set_hops(1);
    relay_->start(bytes_of(frame));
    return grpc::Status::OK;
}

void lane_reader::write_back(grpc::ByteBuffer bytes) {
    reply_.Swap(&bytes);
    StartWrite(&reply_);
}

} // namespace gv::cluster
