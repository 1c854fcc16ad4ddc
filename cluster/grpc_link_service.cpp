// SPDX-License-Identifier: Apache-2.0
#include "cluster/grpc_link_service.hpp"

#include "cluster/grpc_control_reader.hpp"
#include "cluster/grpc_lane_reader.hpp"
#include "cluster/grpc_message.hpp"

#include <proto/grapevine_cluster.grpc.pb.h>

namespace gv::cluster {

namespace wire = grapevine::cluster::v1;

class link_service::handler final
    : public wire::Link::WithRawCallbackMethod_Control<
          wire::Link::WithRawCallbackMethod_Lane<wire::Link::Service>> {
  public:
    handler(grpc_core& core, control_links& links) : core_(core), links_(links) {}

    grpc::ServerReadReactor<grpc::ByteBuffer>* Control(grpc::CallbackServerContext* context,
                                                       grpc::ByteBuffer* end) override {
        *end = bytes_of(wire::ControlEnd());
        return limited(new control_reader(core_, links_, readers_, *context));
    }
    grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>*
    Lane(grpc::CallbackServerContext* context) override {
        return limited(new lane_reader(core_, links_, *context));
    }

  private:
    /// Lifetime: readers delete themselves when gRPC is done with them.
    template <typename Reader>
    [[nodiscard]] Reader* limited(Reader* reader) {
        // Counted until OnDone().
        if (core_.incoming_streams.fetch_add(1) >= core_.options.incoming_streams_max) {
            reader->end({grpc::StatusCode::RESOURCE_EXHAUSTED, "too many streams"});
        }
        return reader;
    }

    grpc_core& core_;
    control_links& links_;
    control_readers readers_;
};

link_service::link_service(grpc_core& core, control_links& links)
    : handler_(std::make_unique<handler>(core, links)) {}
link_service::~link_service() = default;

grpc::Service& link_service::service() noexcept { return *handler_; }

} // namespace gv::cluster
