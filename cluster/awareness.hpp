// SPDX-License-Identifier: Apache-2.0
// How far a node trusts itself: 0 is well; each sign that the fault may be its own adds. The
// higher, the rarer it probes and the longer it waits, so that a slow node does not accuse the
// others. Source: Dadgar, Phillips, Currey, "Lifeguard: Local Health Awareness" (2018).
#pragma once

#include "base/time.hpp"

#include <algorithm>

namespace gv::cluster {

class awareness {
  public:
    explicit awareness(int score_max) noexcept : max_(score_max) {}

    void add(int signs) noexcept { score_ = std::clamp(score_ + signs, 0, max_); }
    [[nodiscard]] int score() const noexcept { return score_; }
    [[nodiscard]] duration scaled(duration span) const noexcept { return span * (score_ + 1); }

  private:
    int max_;
    int score_ = 0;
};

} // namespace gv::cluster
