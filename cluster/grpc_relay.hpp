// SPDX-License-Identifier: Apache-2.0
// Streams of other nodes that this one passes on to a neighbour, since the link between those two
// is cut. What they say is not looked at after the hello: a frame is read when the one before was
// written, and the same the other way, so that of each stream and way there are at most one message
// and a window in memory.
//
//   caller's stream  ──frames──▶  relay  ──frames──▶  leg: a call of this node to the neighbour
//                    ◀─replies──         ◀─replies──
#pragma once

#include "cluster/grpc_calls.hpp"

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <expected>
#include <memory>
#include <string>

namespace gv::cluster {

class control_links;

enum class relayed_kind : std::uint8_t { control, lane };

/// The caller's stream, as the relay sees it. All are called under the relay's lock, and begin one
/// thing at gRPC; none after finish().
class relayed_stream {
  public:
    virtual void read_more() = 0;
    virtual void write_back(grpc::ByteBuffer bytes) = 0;
    /// The neighbour has accepted the stream; only of control streams.
    virtual void accept(node_id neighbour) = 0;
    virtual void finish(const grpc::Status& status) = 0;

  protected:
    ~relayed_stream() = default;
};

/// Whether the caller wants its stream passed on by this node to another.
[[nodiscard]] bool wants_relay(const grpc_core& core, const link_hello& caller) noexcept;

/// One stream that is passed on. Thread-safe.
class relay final : public std::enable_shared_from_this<relay> {
  public:
    /// Counted from here to the end of its life. Errors: why it is not passed on. Lifetime:
    /// the caller's stream is there until it was finished.
    [[nodiscard]] static std::expected<std::shared_ptr<relay>, grpc::Status>
    admit(grpc_core& core, control_links& links, const link_hello& caller, relayed_kind kind,
          relayed_stream& stream);
    ~relay();
    relay(const relay&) = delete;
    relay& operator=(const relay&) = delete;

    /// Opens the leg with that hello.
    void start(grpc::ByteBuffer hello);

    // What became of the caller's stream.

    void on_frame(grpc::ByteBuffer& bytes);
    void on_written_back(bool is_fine);
    /// Half-closed or cancelled.
    void on_caller_gone();

  private:
    class leg;
    relay(grpc_core& core, node_id neighbour, std::string address, relayed_kind kind,
          relayed_stream& stream);
    void on_accepted();
    void on_passed_on(bool is_fine);
    void on_reply(bool is_fine);
    void on_leg_done(const grpc::Status& status);
    void finish(const grpc::Status& status);
    void let_leg_go();

    grpc_core& core_;
    const node_id neighbour_;
    const std::string address_;
    const relayed_kind kind_;
    std::mutex mutex_;
    relayed_stream* stream_;     ///< until it is finished
    leg* leg_ = nullptr;         ///< as long as it may be told to do something
    bool is_leg_reading_ = true; ///< else a reply is being written back
};

} // namespace gv::cluster
