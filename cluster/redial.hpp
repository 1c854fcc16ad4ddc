// SPDX-License-Identifier: Apache-2.0
// When to try again somebody who did not answer: decorrelated jitter, so that many who lost the
// same node do not come back at once. It never gives up.
//
//   pause = min(longest, random(shortest, 3 * the pause before))
#pragma once

#include "base/time.hpp"

#include <algorithm>
#include <random>

namespace gv::cluster {

struct redial_bounds {
    duration shortest = 1s;
    duration longest = 30s;
};

class redial {
  public:
    /// The first try: at once, give or take the shortest pause.
    void begin(time_point now, const redial_bounds& bounds, std::mt19937_64& random) {
        pause_ = bounds.shortest;
        due_ = now + between(duration{0}, bounds.shortest, random);
    }
    /// The try after one that was just made.
    void again(time_point now, const redial_bounds& bounds, std::mt19937_64& random) {
        const duration longest = std::max(bounds.shortest, 3 * pause_);
        pause_ = std::min(bounds.longest, between(bounds.shortest, longest, random));
        due_ = now + pause_;
    }
    void stop() noexcept { due_ = never; }

    [[nodiscard]] time_point due() const noexcept { return due_; }

  private:
    static duration between(duration low, duration high, std::mt19937_64& random) {
        return duration(
            std::uniform_int_distribution<duration::rep>(low.count(), high.count())(random));
    }

    time_point due_ = never;
    duration pause_{};
};

} // namespace gv::cluster
