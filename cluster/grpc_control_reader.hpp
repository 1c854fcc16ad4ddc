// SPDX-License-Identifier: Apache-2.0
// Control streams that other nodes have opened to this one, for it or for a neighbour.
#pragma once

#include "cluster/grpc_incoming.hpp"
#include "cluster/grpc_relay.hpp"

#include <grpcpp/support/server_callback.h>

#include <mutex>
#include <unordered_map>

namespace grapevine::cluster::v1 {
class ControlFrame;
} // namespace grapevine::cluster::v1

namespace gv::cluster {

class control_reader;

/// The newest control stream of each peer. An older one may still hold messages that were sent
/// before the newer ones, so it ends when another comes. Thread-safe.
class control_readers {
  public:
    /// False: there is one that the peer has begun later, in this life or the next. Hellos may
    /// overtake each other, those that come by way of a neighbour above all.
    [[nodiscard]] bool enter(control_reader& reader);
    void leave(control_reader& reader);

  private:
    std::mutex mutex_;
    std::unordered_map<node_id, control_reader*> newest_;
};

/// Deletes itself when gRPC is done with it.
class control_reader final : public grpc::ServerReadReactor<grpc::ByteBuffer>,
                             private relayed_stream {
  public:
    control_reader(grpc_core& core, control_links& links, control_readers& readers,
                   grpc::CallbackServerContext& context);
    [[nodiscard]] peer_identity from() const noexcept { return from_; }
    [[nodiscard]] bool is_newer_than(const control_reader& other) const noexcept;

    void end(const grpc::Status& status);
    /// Requires: the state's lock, and that it names this reader.
    void end_locked(const grpc::Status& status);

    void OnReadDone(bool ok) override;
    void OnCancel() override;
    void OnDone() override;

  private:
    using state = reader_state<control_reader>;

    [[nodiscard]] grpc::Status take();
    [[nodiscard]] grpc::Status greet(grapevine::cluster::v1::ControlFrame&& frame);
    [[nodiscard]] grpc::Status welcome(const link_hello& hello);
    [[nodiscard]] grpc::Status pass_on(const link_hello& hello,
                                       grapevine::cluster::v1::ControlFrame&& frame);
    [[nodiscard]] grpc::Status take(grapevine::cluster::v1::ControlFrame&& frame);
    void say_accepted(node_id here);
    // relayed_stream
    void read_more() override { StartRead(&bytes_); }
    void write_back(grpc::ByteBuffer) override {}
    void accept(node_id neighbour) override { say_accepted(neighbour); }
    void finish(const grpc::Status& status) override { Finish(status); }

    grpc_core& core_;
    control_links& links_;
    control_readers& readers_;
    grpc::CallbackServerContext& context_;
    std::shared_ptr<state> state_;
    grpc::ByteBuffer bytes_;
    peer_identity from_;
    std::uint64_t number_ = 0;     ///< see link_hello
    std::shared_ptr<relay> relay_; ///< set under the state's lock
};

} // namespace gv::cluster
