// SPDX-License-Identifier: Apache-2.0
// The latest changes of a stream, for peers that missed some. Owned by the stream's owner; bounded
// in number and bytes, the oldest go first.
#pragma once

#include "cluster/route_message.hpp"

#include <deque>
#include <vector>

namespace gv::cluster {

class route_ring {
  public:
    struct limits {
        std::size_t changes_max = 65'536;
        std::size_t bytes_max = 4u << 20; ///< memory, not wire
    };
    explicit route_ring(const limits& most) noexcept : limits_(most) {}

    /// The first change to come has the number `seq` + 1.
    void start_after(route_seq seq) noexcept { last_ = seq; }
    void append(std::vector<route_change> changes);

    /// Whether every change after `seq` is here.
    [[nodiscard]] bool covers(route_seq seq) const noexcept {
        return seq <= last_ && last_ - seq <= changes_.size();
    }
    /// The changes after `seq`, as many as fit, at least one. Requires: covers(seq), and that there
    /// is one.
    [[nodiscard]] std::vector<route_change> after(route_seq seq, std::size_t bytes_max) const;

    [[nodiscard]] std::size_t size() const noexcept { return changes_.size(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

  private:
    limits limits_;
    std::deque<route_change> changes_;
    route_seq last_ = 0; ///< number of the newest change
    std::size_t bytes_ = 0;
};

} // namespace gv::cluster
