// SPDX-License-Identifier: Apache-2.0
// What the kernel says about the broker's process, from /proc, and about the network.
#pragma once

#include <cstdint>

namespace gv::load {

struct cpu_usage {
    double total_us = 0;  ///< of all live threads, from schedstat
    double user_us = 0;   ///< from the ticks of stat: 10 ms coarse
    double system_us = 0; ///< likewise
};

/// Requires: end was taken after start.
[[nodiscard]] cpu_usage operator-(const cpu_usage& end, const cpu_usage& start) noexcept;

class broker_process {
  public:
    /// pid 0: the broker is not on this machine, and everything reads as zero.
    explicit broker_process(std::uint32_t pid) noexcept : pid_(pid) {}

    [[nodiscard]] bool is_known() const noexcept { return pid_ != 0; }
    /// Errors: throws std::runtime_error if there is no such process.
    [[nodiscard]] cpu_usage cpu() const;
    [[nodiscard]] std::uint64_t resident_bytes() const;

  private:
    std::uint32_t pid_;
};

/// Counters of the whole machine since its start.
struct listen_counters {
    std::uint64_t drops = 0;      ///< TcpExt ListenDrops
    std::uint64_t overflows = 0;  ///< TcpExt ListenOverflows
    std::uint64_t full_queue = 0; ///< TcpExt TCPReqQFullDrop
};

[[nodiscard]] listen_counters read_listen_counters();

} // namespace gv::load
