// SPDX-License-Identifier: Apache-2.0
// Tells the log, at most once a period, what clients lost and who was held back since it told last:
// one line a kind, however many messages it was.
#pragma once

#include "broker/server/metrics.hpp"

#include <array>
#include <cstdint>

namespace gv::server {

class loss_report {
  public:
    /// `total`: the sums over all shards, as of now. Logs what has grown since the last call.
    void tell(const shard_metrics& total);

  private:
    void tell_drops(const shard_metrics& total);
    void tell_holds(const shard_metrics& total);

    std::array<std::uint64_t, drop_labels::values.size()> dropped_{};
    std::uint64_t holds_ = 0;
    std::uint64_t held_ = 0; ///< nanoseconds
    std::uint64_t slow_readers_ = 0;
};

} // namespace gv::server
