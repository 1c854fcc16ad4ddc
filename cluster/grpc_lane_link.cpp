// SPDX-License-Identifier: Apache-2.0
#include "cluster/grpc_lane_link.hpp"

#include "base/assert.hpp"
#include "cluster/grpc_connections.hpp"
#include "cluster/grpc_message.hpp"
#include "cluster/wire_lane.hpp"

#include <grpcpp/channel.h>
#include <proto/grapevine_cluster.grpc.pb.h>

#include <unordered_map>

namespace gv::cluster {

namespace {

namespace wire = grapevine::cluster::v1;

class lane_call;

/// What the owner's object and gRPC's share. The call is there as long as it may be written to.
struct lane_link_state {
    listener_gate<lane_link_listener> gate;
    std::mutex mutex;
    lane_call* call = nullptr;
};

/// One stream, until gRPC is done with it.
class lane_call final : public grpc::ClientBidiReactor<wire::LaneFrame, wire::LaneReply>,
                        public running_call {
  public:
    lane_call(grpc_core& core, std::shared_ptr<grpc::Channel> channel,
              std::shared_ptr<lane_link_state> state)
        : core_(core), stub_(wire::Link::NewStub(std::move(channel))), state_(std::move(state)) {}

    void cancel() override { context_.TryCancel(); }

    /// Lifetime: deletes itself.
    void start(const lane_opening& opening) {
        encode(opening, frame_);
        stub_->async()->Lane(&context_, this);
        AddHold();
        StartRead(&reply_);
        StartWrite(&frame_);
        StartCall();
    }
    /// Requires: the state's lock, and that it names this call.
    void write(lane_frame&& frame) {
        BROKER_ASSERT(!is_writing_, "one frame of a lane is written at a time");
        is_writing_ = true;
        // The welcome may be here before gRPC says that the hello is written.
        if (is_hello_) {
            first_ = std::move(frame);
        } else {
            start_write(std::move(frame));
        }
    }

    void OnWriteDone(bool ok) override {
        if (!hello_is_written() && ok) {
            state_->gate.call([](lane_link_listener& to) { to.on_written(); });
        }
    }
    void OnReadDone(bool ok) override {
        if (!ok || !take(decode(std::move(reply_)))) {
            return end();
        }
        StartRead(&reply_);
    }
    void OnDone(const grpc::Status& status) override {
        state_->gate.finish(
            [&](lane_link_listener& to) { to.on_lost(fault_.empty() ? text_of(status) : fault_); });
        core_.calls.end(this);
    }

  private:
    void start_write(lane_frame&& frame) {
        encode(std::move(frame), frame_);
        StartWrite(&frame_);
    }
    /// Whether that, and not a frame, is what was written.
    [[nodiscard]] bool hello_is_written() {
        const std::lock_guard lock(state_->mutex);
        if (!std::exchange(is_hello_, false)) {
            is_writing_ = false;
            return false;
        }
        if (is_writing_ && state_->call != nullptr) {
            start_write(std::move(first_));
        }
        return true;
    }
    /// False: it may not go on.
    [[nodiscard]] bool take(result<lane_reply_message, decode_fault> reply) {
        if (!reply) {
            return refuse(reply.error());
        }
        auto* const welcome = std::get_if<lane_welcome>(&*reply);
        if ((welcome != nullptr) == is_welcome_) {
            return refuse(is_welcome_ ? wire_fault::second_hello : wire_fault::no_hello);
        }
        is_welcome_ = true;
        state_->gate.call([&](lane_link_listener& to) {
            welcome != nullptr ? to.on_welcome(*welcome)
                               : to.on_reply(std::move(std::get<lane_reply>(*reply)));
        });
        return true;
    }
    [[nodiscard]] bool refuse(const decode_fault& fault) {
        add_one(core_.counts.malformed);
        fault_ = "the peer sent " + std::string(cluster::text_of(fault));
        cancel();
        return false;
    }
    void end() {
        {
            const std::lock_guard lock(state_->mutex);
            state_->call = nullptr;
        }
        RemoveHold();
    }

    grpc_core& core_;
    std::unique_ptr<wire::Link::Stub> stub_;
    std::shared_ptr<lane_link_state> state_;
    grpc::ClientContext context_;
    wire::LaneFrame frame_;
    wire::LaneReply reply_;
    std::string fault_;
    bool is_welcome_ = false;
    // Under the state's lock:
    bool is_hello_ = true; ///< it is still being written
    bool is_writing_ = false;
    lane_frame first_; ///< waits for the hello
};

class grpc_lane_link final : public lane_link {
  public:
    explicit grpc_lane_link(std::shared_ptr<lane_link_state> state) : state_(std::move(state)) {}
    ~grpc_lane_link() override {
        state_->gate.close();
        const std::lock_guard lock(state_->mutex);
        if (state_->call != nullptr) {
            state_->call->cancel();
        }
    }
    grpc_lane_link(const grpc_lane_link&) = delete;
    grpc_lane_link& operator=(const grpc_lane_link&) = delete;

    void write(lane_frame frame) override {
        const std::lock_guard lock(state_->mutex);
        if (state_->call != nullptr) {
            state_->call->write(std::move(frame));
        }
    }

  private:
    std::shared_ptr<lane_link_state> state_;
};

} // namespace

/// Connections that lanes to one address share, if they are to.
class lane_links::channels {
  public:
    [[nodiscard]] std::shared_ptr<grpc::Channel> get(const std::string& address,
                                                     const grpc_transport_options& options) {
        if (options.lanes == lane_connections::one_each) {
            return open_channel(address, options, lane_response_bytes_max);
        }
        const std::lock_guard lock(mutex_);
        std::erase_if(shared_, [](const auto& each) { return each.second.expired(); });
        std::weak_ptr<grpc::Channel>& known = shared_[address];
        auto channel = known.lock();
        if (channel == nullptr) {
            channel = open_channel(address, options, lane_response_bytes_max);
            known = channel;
        }
        return channel;
    }

  private:
    std::mutex mutex_;
    std::unordered_map<std::string, std::weak_ptr<grpc::Channel>> shared_;
};

lane_links::lane_links(grpc_core& core) : core_(core), channels_(std::make_unique<channels>()) {}
lane_links::~lane_links() = default;

std::unique_ptr<lane_link> lane_links::open(node_id to, const std::string& address,
                                            const lane_hello& hello, lane_link_listener& listener) {
    auto state = std::make_shared<lane_link_state>();
    static_cast<void>(state->gate.open(listener));
    auto link = std::make_unique<grpc_lane_link>(state);
    auto call = std::make_unique<lane_call>(core_, channels_->get(address, core_.options), state);
    if (!core_.calls.enter(*call)) {
        listener.on_lost("this node goes down");
        return link;
    }
    const std::lock_guard lock(state->mutex);
    state->call = call.release();
    state->call->start({.link = core_.hello_to(to), .lane = hello});
    return link;
}

} // namespace gv::cluster
