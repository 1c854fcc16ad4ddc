// SPDX-License-Identifier: Apache-2.0
// What the admin port shows, as it asks for it. Implemented by whoever owns the broker's parts; the
// admin port itself knows no shard.
#pragma once

#include "base/metric_family.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace gv::admin {

/// Whether clients are served.
enum class readiness : std::uint8_t {
    starting,
    serving,
    not_storing, ///< serves what needs no disk
    stopping
};

/// Called on the admin port's thread.
class admin_source {
  public:
    /// Asks every shard for its newest numbers and calls `done` on any thread once all have
    /// answered: never, if one is stuck or stopped. Returns at once.
    virtual void refresh(std::function<void()> done) = 0;
    /// All metrics, as of the last refresh.
    [[nodiscard]] virtual std::vector<metric_family> metrics() = 0;
    [[nodiscard]] virtual readiness state() const noexcept = 0;

  protected:
    ~admin_source() = default;
};

} // namespace gv::admin
