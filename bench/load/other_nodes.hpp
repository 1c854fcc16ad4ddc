// SPDX-License-Identifier: Apache-2.0
// Nodes of a cluster beside the one that subscribers connect to: the one of the publishers, and one
// that is the home of sessions. Only what they spend is of interest.
#pragma once

#include "bench/load/broker_process.hpp"
#include "bench/load/options.hpp"
#include "bench/load/report.hpp"

#include <array>

namespace gv::load {

class other_nodes {
  public:
    static constexpr std::size_t count = 2;
    using usages = std::array<cpu_usage, count>;

    explicit other_nodes(const load_options& options) noexcept
        : nodes_{broker_process(options.publish_pid), broker_process(options.home_pid)} {}

    [[nodiscard]] usages cpu() const;
    /// Of each that is known: `publish_cpu_us_per_message`, `home_cpu_us_per_message` and so on.
    void add(report& out, const usages& start, const usages& end, double seconds,
             std::uint64_t messages) const;

  private:
    std::array<broker_process, count> nodes_;
};

} // namespace gv::load
