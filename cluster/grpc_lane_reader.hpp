// SPDX-License-Identifier: Apache-2.0
// The receiver's end of lanes, of this node or passed on to a neighbour.
#pragma once

#include "cluster/grpc_incoming.hpp"
#include "cluster/grpc_relay.hpp"
#include "cluster/wire_lane.hpp"

#include <grpcpp/support/server_callback.h>

#include <deque>

namespace gv::cluster {

class lane_reader;

/// What the owner's object and gRPC's share.
struct incoming_lane_state : reader_state<lane_reader> {
    listener_gate<incoming_lane_listener> gate;
};

/// One lane's stream of another node. Deletes itself when gRPC is done with it.
class lane_reader final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                          private relayed_stream {
  public:
    lane_reader(grpc_core& core, control_links& links, const grpc::CallbackServerContext& context);

    // The next three require the state's lock, and that it names this reader.

    void read();
    void write(grpc::ByteBuffer reply);
    void end_locked(const grpc::Status& status);

    void end(const grpc::Status& status);

    void OnReadDone(bool ok) override;
    void OnWriteDone(bool ok) override;
    void OnCancel() override;
    void OnDone() override;

  private:
    [[nodiscard]] grpc::Status take();
    [[nodiscard]] grpc::Status greet(grapevine::cluster::v1::LaneFrame&& frame);
    [[nodiscard]] grpc::Status pass_on(const link_hello& hello,
                                       grapevine::cluster::v1::LaneFrame&& frame);
    // relayed_stream
    void read_more() override { StartRead(&bytes_); }
    void write_back(grpc::ByteBuffer bytes) override;
    void accept(node_id) override {}
    void finish(const grpc::Status& status) override { Finish(status); }

    grpc_core& core_;
    control_links& links_;
    const grpc::CallbackServerContext& context_;
    std::shared_ptr<incoming_lane_state> state_;
    grpc::ByteBuffer bytes_;
    std::shared_ptr<relay> relay_; ///< set under the state's lock
    grpc::ByteBuffer reply_;       ///< of the relay
    // Under the state's lock:
    bool is_reading_ = true;
    std::deque<grpc::ByteBuffer> queue_; ///< the first is being written
    std::size_t queued_bytes_ = 0;
};

} // namespace gv::cluster
