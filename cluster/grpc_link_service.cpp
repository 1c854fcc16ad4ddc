// SPDX-License-Identifier: Apache-2.0
#include "cluster/grpc_link_service.hpp"

#include "base/assert.hpp"
#include "cluster/grpc_message.hpp"
#include "cluster/wire_control.hpp"
#include "cluster/wire_lane.hpp"
#include "cluster/wire_link.hpp"

#include <proto/grapevine_cluster.grpc.pb.h>

#include <deque>
#include <unordered_map>

namespace gv::cluster {

namespace {

namespace wire = grapevine::cluster::v1;

[[nodiscard]] grpc::Status malformed(grpc_core& core, const decode_fault& fault) {
    add_one(core.counts.malformed);
    return {grpc::StatusCode::INVALID_ARGUMENT, std::string(text_of(fault))};
}

/// The status with which a caller is sent away, or OK.
[[nodiscard]] grpc::Status check(grpc_core& core, const link_hello& caller) {
    const auto accepted = accept(core.hello_to({}), caller);
    if (accepted) {
        return grpc::Status::OK;
    }
    add_one(core.counts.hellos_refused);
    return {grpc::StatusCode::FAILED_PRECONDITION, accepted.error()};
}

/// Streams are counted from the handler to OnDone().
[[nodiscard]] bool enter(grpc_core& core) {
    return core.incoming_streams.fetch_add(1) < core.options.incoming_streams_max;
}
void leave(grpc_core& core) { core.incoming_streams.fetch_sub(1); }

[[nodiscard]] grpc::Status too_many_streams() {
    return {grpc::StatusCode::RESOURCE_EXHAUSTED, "too many streams"};
}

class control_reader;

/// The newest control stream of each peer. An older one may still hold messages that were sent
/// before the newer ones, so it ends when another comes. Thread-safe.
class control_readers {
  public:
    /// False: there is one of a later life of that peer.
    [[nodiscard]] bool enter(control_reader& reader);
    void leave(control_reader& reader);

  private:
    std::mutex mutex_;
    std::unordered_map<node_id, control_reader*> newest_;
};

/// One control stream of another node.
class control_reader final : public grpc::ServerReadReactor<grpc::ByteBuffer> {
  public:
    control_reader(grpc_core& core, control_readers& readers, grpc::CallbackServerContext& context)
        : core_(core), readers_(readers), context_(context) {
        StartRead(&bytes_);
    }
    [[nodiscard]] peer_identity from() const noexcept { return from_; }

    void end(const grpc::Status& status) {
        const std::lock_guard lock(mutex_);
        if (!std::exchange(is_ended_, true)) {
            Finish(status);
        }
    }

    void OnReadDone(bool ok) override {
        if (!ok) {
            return end(grpc::Status::OK);
        }
        if (const grpc::Status status = take(); !status.ok()) {
            return end(status);
        }
        read_next();
    }
    void OnDone() override {
        readers_.leave(*this);
        leave(core_);
        delete this;
    }

  private:
    [[nodiscard]] grpc::Status take() {
        wire::ControlFrame frame;
        if (auto parsed =
                parse(bytes_, control_frame_limit(bytes_, core_.options.receive_bytes_max), frame);
            !parsed) {
            return malformed(core_, parsed.error());
        }
        return from_ == peer_identity{} ? greet(frame) : take(std::move(frame));
    }
    [[nodiscard]] grpc::Status greet(wire::ControlFrame& frame) {
        if (!frame.has_hello()) {
            return malformed(core_, wire_fault::no_hello);
        }
        auto hello = decode(std::move(*frame.mutable_hello()));
        if (!hello) {
            return malformed(core_, hello.error());
        }
        if (grpc::Status status = check(core_, *hello); !status.ok()) {
            return status;
        }
        from_ = hello->from;
        if (!readers_.enter(*this)) {
            return {grpc::StatusCode::ABORTED, "a later life of this node has a stream"};
        }
        const std::lock_guard lock(mutex_);
        if (!is_ended_) {
            context_.AddInitialMetadata("grapevine-node",
                                        std::to_string(core_.options.self.node.value));
            StartSendInitialMetadata();
        }
        return grpc::Status::OK;
    }
    [[nodiscard]] grpc::Status take(wire::ControlFrame&& frame) {
        auto message = decode(std::move(frame), from_.node, core_.options.routes);
        if (!message) {
            return malformed(core_, message.error());
        }
        if (!is_over()) {
            core_.listener.on_control(from_, std::move(*message));
        }
        return grpc::Status::OK;
    }
    [[nodiscard]] bool is_over() {
        const std::lock_guard lock(mutex_);
        return is_ended_;
    }
    void read_next() {
        const std::lock_guard lock(mutex_);
        if (!is_ended_) {
            StartRead(&bytes_);
        }
    }

    grpc_core& core_;
    control_readers& readers_;
    grpc::CallbackServerContext& context_;
    grpc::ByteBuffer bytes_;
    peer_identity from_;
    std::mutex mutex_;
    bool is_ended_ = false;
};

bool control_readers::enter(control_reader& reader) {
    const std::lock_guard lock(mutex_);
    control_reader*& newest = newest_[reader.from().node];
    if (newest != nullptr && newest->from().boot > reader.from().boot) {
        return false;
    }
    if (newest != nullptr) {
        newest->end({grpc::StatusCode::ABORTED, "a newer stream took its place"});
    }
    newest = &reader;
    return true;
}

void control_readers::leave(control_reader& reader) {
    const std::lock_guard lock(mutex_);
    const auto found = newest_.find(reader.from().node);
    if (found != newest_.end() && found->second == &reader) {
        newest_.erase(found);
    }
}

class lane_reader;

/// What the owner's object and gRPC's share. The reader is there until it has ended.
struct incoming_lane_state {
    listener_gate<incoming_lane_listener> gate;
    std::mutex mutex;
    lane_reader* reader = nullptr;
};

/// One lane's stream of another node.
class lane_reader final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
  public:
    explicit lane_reader(grpc_core& core)
        : core_(core), state_(std::make_shared<incoming_lane_state>()) {
        state_->reader = this;
        StartRead(&bytes_);
    }

    // The next three require the state's lock, and that it names this reader.
    void read() {
        BROKER_ASSERT(!is_reading_, "one frame of a lane is read at a time");
        is_reading_ = true;
        StartRead(&bytes_);
    }
    void write(grpc::ByteBuffer reply) {
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
    void end_locked(const grpc::Status& status) {
        state_->reader = nullptr;
        Finish(status);
    }

    void OnReadDone(bool ok) override {
        {
            const std::lock_guard lock(state_->mutex);
            is_reading_ = false;
        }
        const grpc::Status status = ok ? take(read_message()) : grpc::Status::OK;
        if (!ok || !status.ok()) {
            end(status);
        }
    }
    void OnWriteDone(bool ok) override {
        const std::lock_guard lock(state_->mutex);
        queued_bytes_ -= queue_.front().Length();
        queue_.pop_front();
        if (ok && state_->reader != nullptr && !queue_.empty()) {
            StartWrite(&queue_.front());
        }
    }
    void OnCancel() override { end(grpc::Status::CANCELLED); }
    void OnDone() override {
        state_->gate.finish([](incoming_lane_listener& to) { to.on_lost(); });
        leave(core_);
        delete this;
    }

    void end(const grpc::Status& status) {
        const std::lock_guard lock(state_->mutex);
        if (state_->reader != nullptr) {
            end_locked(status);
        }
    }

  private:
    [[nodiscard]] result<lane_request_message, decode_fault> read_message() {
        wire::LaneFrame frame;
        if (auto parsed = parse(bytes_, lane_request_bytes_max, frame); !parsed) {
            return failure(parsed.error());
        }
        return decode(std::move(frame));
    }
    [[nodiscard]] grpc::Status take(result<lane_request_message, decode_fault> message) {
        if (!message) {
            return malformed(core_, message.error());
        }
        auto* const opening = std::get_if<lane_opening>(&*message);
        if ((opening != nullptr) == is_greeted_) {
            return malformed(core_, is_greeted_ ? wire_fault::second_hello : wire_fault::no_hello);
        }
        if (opening != nullptr) {
            return greet(*opening);
        }
        state_->gate.call([&](incoming_lane_listener& to) {
            to.on_frame(std::move(std::get<lane_frame>(*message)));
        });
        return grpc::Status::OK;
    }
    [[nodiscard]] grpc::Status greet(const lane_opening& opening);

    grpc_core& core_;
    std::shared_ptr<incoming_lane_state> state_;
    grpc::ByteBuffer bytes_;
    bool is_greeted_ = false;
    // Under the state's lock:
    bool is_reading_ = true;
    std::deque<grpc::ByteBuffer> queue_; ///< the first is being written
    std::size_t queued_bytes_ = 0;
};

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

grpc::Status lane_reader::greet(const lane_opening& opening) {
    is_greeted_ = true;
    grpc::Status status = check(core_, opening.link);
    if (status.ok()) {
        core_.listener.on_lane(std::make_unique<grpc_incoming_lane>(state_), opening.link.from,
                               opening.lane);
    }
    return status;
}

} // namespace

class link_service::handler final
    : public wire::Link::WithRawCallbackMethod_Control<
          wire::Link::WithRawCallbackMethod_Lane<wire::Link::Service>> {
  public:
    explicit handler(grpc_core& core) : core_(core) {}

    grpc::ServerReadReactor<grpc::ByteBuffer>* Control(grpc::CallbackServerContext* context,
                                                       grpc::ByteBuffer* end) override {
        *end = bytes_of(wire::ControlEnd());
        return limited(new control_reader(core_, readers_, *context));
    }
    grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>*
    Lane(grpc::CallbackServerContext*) override {
        return limited(new lane_reader(core_));
    }

  private:
    /// Lifetime: readers delete themselves when gRPC is done with them.
    template <typename Reader>
    [[nodiscard]] Reader* limited(Reader* reader) {
        if (!enter(core_)) {
            reader->end(too_many_streams());
        }
        return reader;
    }

    grpc_core& core_;
    control_readers readers_;
};

link_service::link_service(grpc_core& core) : handler_(std::make_unique<handler>(core)) {}
link_service::~link_service() = default;

grpc::Service& link_service::service() noexcept { return *handler_; }

} // namespace gv::cluster
