// SPDX-License-Identifier: Apache-2.0
#include "cluster/grpc_lane_link.hpp"

#include "base/assert.hpp"
#include "cluster/grpc_connections.hpp"
#include "cluster/grpc_control.hpp"
#include "cluster/grpc_message.hpp"
#include "cluster/grpc_security.hpp"
#include "cluster/wire_lane.hpp"

#include <grpcpp/channel.h>
#include <grpcpp/security/auth_context.h>
#include <proto/grapevine_cluster.grpc.pb.h>

#include <unordered_map>
#include <unordered_set>

namespace gv::cluster {

namespace {

namespace wire = grapevine::cluster::v1;

class lane_call;

/// Streams of lanes that are there. Thread-safe.
class lane_calls {
  public:
    void enter(lane_call& call) {
        const std::lock_guard lock(mutex_);
        running_.insert(&call);
    }
    void leave(lane_call& call) {
        const std::lock_guard lock(mutex_);
        running_.erase(&call);
    }
    void reroute(node_id to, node_id via);

  private:
    std::mutex mutex_;
    std::unordered_set<lane_call*> running_;
};

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
    lane_call(grpc_core& core, control_links& ways, lane_calls& others, node_id to, node_id via,
              std::string address, std::shared_ptr<grpc::Channel> channel,
              std::shared_ptr<lane_link_state> state)
        : core_(core), ways_(ways), others_(others), to_(to), via_(via),
          address_(std::move(address)), stub_(wire::Link::NewStub(std::move(channel))),
          state_(std::move(state)) {
        others_.enter(*this);
        if (via_ != node_id{}) {
            add_one(core_.counts.lanes_relayed);
        }
    }
    ~lane_call() {
        if (via_ != node_id{}) {
            core_.counts.lanes_relayed.fetch_sub(1);
        }
        others_.leave(*this);
    }
    lane_call(const lane_call&) = delete;
    lane_call& operator=(const lane_call&) = delete;

    /// Ends it if it goes to that node another way.
    void reroute(node_id to, node_id via) {
        if (to_ == to && via_ != via) {
            is_rerouted_ = true;
            cancel();
        }
    }

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
        if (!is_welcome_ && via_ != node_id{} && is_for_want_of_a_way(status)) {
            ways_.on_lane_refused(to_, via_);
        }
        state_->gate.finish([&](lane_link_listener& to) { to.on_lost(why_lost(status)); });
        core_.calls.end(this);
    }

  private:
    /// A neighbour that has no link there, or is gone itself. One that passes on too much is none:
    /// what goes by it already would be given up, and asked for again, for ever.
    [[nodiscard]] static bool is_for_want_of_a_way(const grpc::Status& status) {
        return status.error_code() == grpc::StatusCode::UNAVAILABLE;
    }
    [[nodiscard]] std::string why_lost(const grpc::Status& status) const {
        return is_rerouted_     ? "there is another way to it now"
               : fault_.empty() ? text_of(status)
                                : fault_;
    }
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
        if (welcome != nullptr && !is_who_was_called()) {
            fault_ = "its certificate is that of another node";
            cancel();
            return false;
        }
        is_welcome_ = true;
        state_->gate.call([&](lane_link_listener& to) {
            welcome != nullptr ? to.on_welcome(*welcome)
                               : to.on_reply(std::move(std::get<lane_reply>(*reply)));
        });
        return true;
    }
    [[nodiscard]] bool is_who_was_called() {
        return core_.options.security.made->is(context_.auth_context().get(),
                                               via_ == node_id{} ? to_ : via_, address_);
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
    control_links& ways_;
    lane_calls& others_;
    const node_id to_;
    const node_id via_; ///< who passes it on; 0: nobody
    const std::string address_;
    std::atomic<bool> is_rerouted_ = false;
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

void lane_calls::reroute(node_id to, node_id via) {
    const std::lock_guard lock(mutex_);
    for (lane_call* each : running_) {
        each->reroute(to, via);
    }
}

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

/// Streams of lanes, and the connections that those to one address share, if they are to.
class lane_links::channels {
  public:
    [[nodiscard]] std::shared_ptr<grpc::Channel> get(const std::string& address,
                                                     const grpc_transport_options& options) {
        if (options.lanes == lane_connections::one_each) {
            return open_channel(address, options, options.many_bytes, lane_response_bytes_max);
        }
        const std::lock_guard lock(mutex_);
        std::erase_if(shared_, [](const auto& each) { return each.second.expired(); });
        std::weak_ptr<grpc::Channel>& known = shared_[address];
        auto channel = known.lock();
        if (channel == nullptr) {
            channel = open_channel(address, options, options.many_bytes, lane_response_bytes_max);
            known = channel;
        }
        return channel;
    }

    lane_calls running;

  private:
    std::mutex mutex_;
    std::unordered_map<std::string, std::weak_ptr<grpc::Channel>> shared_;
};

lane_links::lane_links(grpc_core& core, control_links& ways)
    : core_(core), ways_(ways), channels_(std::make_unique<channels>()) {}
lane_links::~lane_links() = default;

std::unique_ptr<lane_link> lane_links::open(node_id to, const std::string& address,
                                            const lane_hello& hello, lane_link_listener& listener) {
    const auto relay = ways_.relay_to(to);
    const node_id via = relay ? relay->via : node_id{};
    auto state = std::make_shared<lane_link_state>();
    static_cast<void>(state->gate.open(listener));
    auto link = std::make_unique<grpc_lane_link>(state);
    const std::string& called = relay ? relay->address : address;
    auto call = std::make_unique<lane_call>(core_, ways_, channels_->running, to, via, called,
                                            channels_->get(called, core_.options), state);
    if (!core_.calls.enter(*call)) {
        listener.on_lost("this node goes down");
        return link;
    }
    const std::lock_guard lock(state->mutex);
    state->call = call.release();
    state->call->start({.link = core_.hello_to(to, via), .lane = hello});
    // The way may have changed before the call could be told of it.
    const auto relay_now = ways_.relay_to(to);
    state->call->reroute(to, relay_now ? relay_now->via : node_id{});
    return link;
}

void lane_links::reroute(node_id to, node_id via) { channels_->running.reroute(to, via); }

} // namespace gv::cluster
