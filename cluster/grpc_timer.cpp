// SPDX-License-Identifier: Apache-2.0
#include "cluster/grpc_timer.hpp"

#include <grpcpp/alarm.h>

namespace gv::cluster {

namespace {

/// Deletes itself.
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

void call_later(grpc_core& core, duration after, std::function<void()> due) {
    auto* const wait = new timer(core, std::move(due));
    // An alarm that is cancelled before it is set goes off nevertheless, in its time.
    if (!core.calls.enter(*wait, [&] { wait->start(after); })) {
        delete wait;
    }
}

} // namespace gv::cluster
