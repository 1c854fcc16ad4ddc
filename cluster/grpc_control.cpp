// SPDX-License-Identifier: Apache-2.0
// A link is what the owner asked for; a stream is one attempt at it. A link has one stream, or a
// timer that will start the next. One lock holds all: a stream is told to write, and that it has
// ended, only under it, so that nothing is begun on one that has ended. Listeners are called
// without the lock.
#include "cluster/grpc_control.hpp"

#include "cluster/grpc_connections.hpp"
#include "cluster/grpc_message.hpp"
#include "cluster/wire_control.hpp"
#include "cluster/wire_link.hpp"

#include <grpcpp/alarm.h>
#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <proto/grapevine_cluster.grpc.pb.h>

#include <deque>
#include <random>
#include <unordered_map>

namespace gv::cluster {

namespace {

namespace wire = grapevine::cluster::v1;

[[nodiscard]] grpc::ByteBuffer written(const link_hello& hello) {
    wire::ControlFrame frame;
    encode(hello, *frame.mutable_hello());
    return bytes_of(frame);
}

/// Names a link, also after another took its place.
struct link_name {
    node_id node;
    std::uint64_t number = 0;
};

/// Who hears of a stream's life.
template <typename Stream>
class stream_owner {
  public:
    virtual void on_accepted(Stream& stream) = 0;
    virtual void on_written(Stream& stream, bool is_fine) = 0;
    /// Nothing may be written any longer.
    virtual void on_ended(Stream& stream) = 0;
    /// The stream is to be deleted.
    virtual void on_done(Stream& stream, const grpc::Status& status) = 0;

  protected:
    ~stream_owner() = default;
};

class control_stream final : public grpc::ClientBidiReactor<grpc::ByteBuffer, wire::ControlEnd>,
                             public running_call {
  public:
    using owner = stream_owner<control_stream>;

    control_stream(owner& whose, link_name of, std::shared_ptr<grpc::Channel> channel)
        : owner_(whose), of_(of), stub_(std::move(channel)) {}

    [[nodiscard]] link_name of() const noexcept { return of_; }
    void cancel() override { context_.TryCancel(); }

    /// Lifetime: on_done() ends it.
    void start(grpc::ByteBuffer hello) {
        stub_.PrepareBidiStreamingCall(&context_, "/grapevine.cluster.v1.Link/Control", {}, this);
        AddHold();
        StartRead(&end_);
        write(std::move(hello));
        StartCall();
    }
    /// Requires: the write before is over, and on_ended() was not called.
    void write(grpc::ByteBuffer bytes) {
        writing_.Swap(&bytes);
        StartWrite(&writing_);
    }
    /// For on_ended(): gRPC may forget this from now on.
    void let_go() { RemoveHold(); }

    void OnReadInitialMetadataDone(bool ok) override {
        // They also "arrive" when the call has failed, without this one.
        if (ok && context_.GetServerInitialMetadata().contains("grapevine-node")) {
            owner_.on_accepted(*this);
        }
    }
    void OnWriteDone(bool ok) override { owner_.on_written(*this, ok); }
    void OnReadDone(bool ok) override {
        if (ok) {
            cancel(); // an end without a status, which should follow
        }
        owner_.on_ended(*this);
    }
    void OnDone(const grpc::Status& status) override { owner_.on_done(*this, status); }

  private:
    owner& owner_;
    const link_name of_;
    // Any kind of call may be made as one of both directions; here nothing comes back.
    grpc::TemplatedGenericStub<grpc::ByteBuffer, wire::ControlEnd> stub_;
    grpc::ClientContext context_;
    grpc::ByteBuffer writing_;
    wire::ControlEnd end_;
};

struct control_link {
    peer_identity to;
    std::string address;
    std::uint64_t number = 0;
    std::shared_ptr<grpc::Channel> channel;
    control_stream* stream = nullptr;
    bool is_open = false;
    bool is_writing = false;
    time_point opened_at{};
    duration pause{};
    /// As bytes, which are what is counted; as objects they would take several times that.
    std::deque<grpc::ByteBuffer> queue;
    std::size_t queued_bytes = 0;

    void forget_stream() {
        stream = nullptr;
        is_open = false;
        queue.clear();
        queued_bytes = 0;
    }
};

/// Calls once, later or when it is cancelled. Deletes itself.
class timer final : public running_call {
  public:
    timer(grpc_core& core, std::function<void()> due) : core_(core), due_(std::move(due)) {}
    void start(duration after) {
        alarm_.Set(std::chrono::system_clock::now() + after, [this](bool is_due) {
            if (is_due) {
                due_();
            }
            core_.calls.end(this);
        });
    }
    void cancel() override { alarm_.Cancel(); }

  private:
    grpc_core& core_;
    std::function<void()> due_;
    grpc::Alarm alarm_;
};

} // namespace

class control_links::table final : public stream_owner<control_stream> {
  public:
    explicit table(grpc_core& core) : core_(core) {}

    void open(peer_identity to, std::string address) {
        const std::lock_guard lock(mutex_);
        control_link& link = links_[to.node];
        if (link.to == to && link.address == address) {
            return;
        }
        abandon(link);
        link = {.to = to,
                .address = std::move(address),
                .number = ++last_number_,
                .pause = core_.options.reopen_shortest};
        link.channel = open_channel(link.address, core_.options, control_end_bytes_max);
        start_stream(link);
    }
    void close(node_id to) {
        const std::lock_guard lock(mutex_);
        if (const auto found = links_.find(to); found != links_.end()) {
            abandon(found->second);
            links_.erase(found);
        }
    }
    void send(node_id to, const control_message& message) {
        if (!is_open(to)) {
            return add_one(core_.counts.control_dropped_closed);
        }
        wire::ControlFrame frame;
        encode(message, frame);
        put(to, bytes_of(frame));
    }

    void on_accepted(control_stream& stream) override {
        {
            const std::lock_guard lock(mutex_);
            control_link* link = link_of(stream);
            if (link == nullptr) {
                return;
            }
            link->is_open = true;
            link->opened_at = std::chrono::steady_clock::now();
        }
        core_.listener.on_control_open(stream.of().node);
    }
    void on_written(control_stream& stream, bool is_fine) override {
        const std::lock_guard lock(mutex_);
        if (control_link* link = link_of(stream); link != nullptr && is_fine) {
            link->is_writing = false;
            write_next(*link);
        }
    }
    void on_ended(control_stream& stream) override {
        const std::lock_guard lock(mutex_);
        if (control_link* link = link_of(stream)) {
            link->is_open = false;
        }
        stream.let_go();
    }
    void on_done(control_stream& stream, const grpc::Status& status) override {
        const link_name of = stream.of();
        if (forget(stream)) {
            add_one(core_.counts.control_lost);
            core_.listener.on_control_lost(of.node, text_of(status));
            reopen_later(of);
        }
        core_.calls.end(&stream);
    }

  private:
    [[nodiscard]] bool is_open(node_id to) {
        const std::lock_guard lock(mutex_);
        const auto found = links_.find(to);
        return found != links_.end() && found->second.is_open;
    }
    void put(node_id to, grpc::ByteBuffer bytes) {
        const std::lock_guard lock(mutex_);
        const auto found = links_.find(to);
        if (found == links_.end() || !found->second.is_open) {
            return add_one(core_.counts.control_dropped_closed);
        }
        control_link& link = found->second;
        // A message that is larger than the queue passes alone.
        if (link.queued_bytes > 0
            && link.queued_bytes + bytes.Length() > core_.options.control_queue_bytes_max) {
            return add_one(core_.counts.control_dropped_full);
        }
        link.queued_bytes += bytes.Length();
        link.queue.push_back(std::move(bytes));
        add_one(core_.counts.control_sent);
        write_next(link);
    }
    void write_next(control_link& link) {
        if (!link.is_open || link.is_writing || link.queue.empty()) {
            return;
        }
        grpc::ByteBuffer bytes = std::move(link.queue.front());
        link.queue.pop_front();
        link.queued_bytes -= bytes.Length();
        link.is_writing = true;
        link.stream->write(std::move(bytes));
    }
    /// Null: another link took the place of that one, or none did.
    [[nodiscard]] control_link* link_named(link_name name) {
        const auto found = links_.find(name.node);
        return found != links_.end() && found->second.number == name.number ? &found->second
                                                                            : nullptr;
    }
    [[nodiscard]] control_link* link_of(const control_stream& stream) {
        control_link* link = link_named(stream.of());
        return link != nullptr && link->stream == &stream ? link : nullptr;
    }
    static void abandon(control_link& link) {
        if (link.stream != nullptr) {
            link.stream->cancel();
            link.forget_stream();
        }
    }
    void start_stream(control_link& link) {
        auto stream = std::make_unique<control_stream>(*this, link_name{link.to.node, link.number},
                                                       link.channel);
        if (!core_.calls.enter(*stream)) {
            return;
        }
        link.is_writing = true; // the hello
        link.stream = stream.release();
        link.stream->start(written(core_.hello_to(link.to.node)));
    }
    /// True if the link is still wanted.
    [[nodiscard]] bool forget(const control_stream& stream) {
        const std::lock_guard lock(mutex_);
        control_link* link = link_of(stream);
        if (link == nullptr) {
            return false;
        }
        link->forget_stream();
        return true;
    }
    void reopen_later(link_name name) {
        const std::lock_guard lock(mutex_);
        control_link* link = link_named(name);
        if (link == nullptr) {
            return;
        }
        auto wait = std::make_unique<timer>(core_, [this, name] { reopen(name); });
        if (core_.calls.enter(*wait)) {
            wait.release()->start(next_pause(*link));
        }
    }
    void reopen(link_name name) {
        const std::lock_guard lock(mutex_);
        if (control_link* link = link_named(name)) {
            start_stream(*link);
        }
    }
    /// Decorrelated jitter, as cluster/redial.hpp; short again after a stream that has lasted.
    [[nodiscard]] duration next_pause(control_link& link) {
        const duration shortest = core_.options.reopen_shortest;
        const duration longest = core_.options.reopen_longest;
        const bool has_lasted = link.opened_at != time_point{}
                                && std::chrono::steady_clock::now() - link.opened_at > longest;
        link.opened_at = {};
        link.pause = has_lasted ? shortest : link.pause;
        std::uniform_int_distribution<duration::rep> between(shortest.count(),
                                                             3 * link.pause.count());
        link.pause = std::min(longest, duration(between(random_)));
        return link.pause;
    }

    grpc_core& core_;
    std::mutex mutex_;
    std::unordered_map<node_id, control_link> links_;
    std::uint64_t last_number_ = 0;
    std::mt19937_64 random_{std::random_device{}()};
};

control_links::control_links(grpc_core& core) : table_(std::make_unique<table>(core)) {}

control_links::~control_links() = default;

void control_links::open(peer_identity to, std::string address) {
    table_->open(to, std::move(address));
}
void control_links::close(node_id to) { table_->close(to); }
void control_links::send(node_id to, const control_message& message) { table_->send(to, message); }

} // namespace gv::cluster
