// SPDX-License-Identifier: Apache-2.0
// What this node counts, as $SYS topics and other nodes have it. Pure.
#pragma once

#include "base/time.hpp"
#include "broker/server/metrics.hpp"
#include "cluster/node_figures.hpp"

#include <cstdint>

namespace gv::server {

class own_figures {
  public:
    /// `started`: since when the broker is up.
    explicit own_figures(time_point started) noexcept : started_(started) {}

    /// `heap_bytes`: memory that the process holds now.
    [[nodiscard]] cluster::node_figures make(const shard_metrics& total, std::uint64_t heap_bytes,
                                             time_point now);

  private:
    time_point started_;
    std::uint64_t sessions_max_ = 0;
    std::uint64_t heap_max_ = 0;
};

} // namespace gv::server
