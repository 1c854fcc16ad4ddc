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
    auto wait = std::make_unique<timer>(core, std::move(due));
    if (core.calls.enter(*wait)) {
        wait.release()->start(after);
    }
}

} // namespace gv::cluster
