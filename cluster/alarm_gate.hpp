// SPDX-License-Identifier: Apache-2.0
// Lets the same alarm about the same node pass once in a while.
#pragma once

#include "base/ids.hpp"
#include "base/time.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

namespace gv::cluster {

class alarm_gate {
  public:
    alarm_gate(duration again, std::size_t alarms_max) noexcept : again_(again), max_(alarms_max) {}

    [[nodiscard]] bool passes(node_id node, std::uint8_t kind, time_point now) {
        const auto found = last_.find({node, kind});
        if (found != last_.end()) {
            if (now < found->second + again_) {
                return false;
            }
            found->second = now;
            return true;
        }
        std::erase_if(last_, [&](const auto& each) { return now >= each.second + again_; });
        if (last_.size() >= max_) {
            return false; // so many at once say enough
        }
        last_.emplace(std::pair(node, kind), now);
        return true;
    }

  private:
    duration again_;
    std::size_t max_;
    std::map<std::pair<node_id, std::uint8_t>, time_point> last_;
};

} // namespace gv::cluster
