// SPDX-License-Identifier: Apache-2.0
// One attempt at a control stream to another node.
#pragma once

#include "cluster/grpc_calls.hpp"
#include "cluster/grpc_security.hpp"

#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/auth_context.h>
#include <grpcpp/support/byte_buffer.h>

#include <deque>
#include <memory>

namespace gv::cluster {

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

class control_stream final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                             public running_call {
  public:
    using owner = stream_owner<control_stream>;

    /// `other`: who is at the other end of the connection, by that address.
    control_stream(owner& whose, grpc_security& security, link_name of, node_id other,
                   std::string address, std::shared_ptr<grpc::Channel> channel)
        : owner_(whose), security_(security), of_(of), other_(other), address_(std::move(address)),
          stub_(std::move(channel)) {}

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
        if (!ok || !context_.GetServerInitialMetadata().contains("grapevine-node")) {
            return;
        }
        if (security_.is(context_.auth_context().get(), other_, address_)) {
            owner_.on_accepted(*this);
        } else {
            cancel();
        }
    }
    void OnWriteDone(bool ok) override { owner_.on_written(*this, ok); }
    void OnReadDone(bool ok) override {
        if (ok) {
            cancel(); // an end without a status, which should follow
        }
        owner_.on_ended(*this);
    }
    void OnDone(const grpc::Status& status) override {
        security_.look_at(status, address_);
        owner_.on_done(*this, status);
    }

  private:
    owner& owner_;
    grpc_security& security_;
    const link_name of_;
    const node_id other_;
    const std::string address_;
    // Any kind of call may be made as one of both directions; here nothing comes back.
    grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer> stub_;
    grpc::ClientContext context_;
    grpc::ByteBuffer writing_;
    grpc::ByteBuffer end_;
};

/// A way to a peer: what is kept of it from stream to stream.
struct control_link {
    std::uint64_t number = 0; ///< 0: it is not wanted
    node_id via;              ///< of the stream; 0: nobody
    std::shared_ptr<grpc::Channel> channel;
    control_stream* stream = nullptr;
    bool is_open = false;
    bool has_ended = false; ///< the stream: only that it is done is still to come
    bool is_writing = false;
    time_point opened_at{};
    duration pause{};
    /// As bytes, which are what is counted; as objects they would take several times that.
    std::deque<grpc::ByteBuffer> queue;
    std::size_t queued_bytes = 0;

    void forget_stream() {
        stream = nullptr;
        is_open = false;
        has_ended = false;
        queue.clear();
        queued_bytes = 0;
    }
    void abandon() {
        if (stream != nullptr) {
            stream->cancel();
            forget_stream();
        }
    }
    void put(grpc::ByteBuffer bytes) {
        queued_bytes += bytes.Length();
        queue.push_back(std::move(bytes));
        write_next();
    }
    void write_next() {
        if (!is_open || is_writing || queue.empty()) {
            return;
        }
        grpc::ByteBuffer bytes = std::move(queue.front());
        queue.pop_front();
        queued_bytes -= bytes.Length();
        is_writing = true;
        stream->write(std::move(bytes));
    }
};

struct control_peer {
    peer_identity to;
    std::string address;
    std::uint64_t features = 0;
    control_link direct;
    control_link relayed;     ///< while there is no direct stream
    std::uint64_t losses = 0; ///< of direct streams
    std::size_t relays_tried = 0;

    [[nodiscard]] control_link* open_link() noexcept {
        return direct.is_open ? &direct : relayed.is_open ? &relayed : nullptr;
    }
    /// Null: neither of the two has that number.
    [[nodiscard]] control_link* link_numbered(std::uint64_t number) noexcept {
        return direct.number == number ? &direct : relayed.number == number ? &relayed : nullptr;
    }
    void abandon() {
        direct.abandon();
        relayed.abandon();
    }
};

} // namespace gv::cluster
