// SPDX-License-Identifier: Apache-2.0
// When to try again somebody who did not answer: decorrelated jitter, so that many who lost the
// same node do not come back at once. It never gives up.
//
//   pause = min(longest, random(shortest, 3 * the pause before))
//
// The longest pause grows with the number of nodes that are away: one that is alone with another
// must find it soon, and many must not cost more than few.
#pragma once

#include "base/time.hpp"

#include <algorithm>
#include <cstddef>
#include <random>

namespace gv::cluster {

struct redial_bounds {
    duration shortest = 1s;
    /// The longest pause is so much for each node that is away, within the next two. Pauses are
    /// three quarters of the longest on average, so a node redials `4 / (3 * for_each)` times a
    /// second at most, three, however many are away: as much as probing a small cluster costs.
    duration for_each = 500ms;
    /// A node of two that were apart is to be found again well within 10 s: 2 s here, and 3 s until
    /// gRPC has connected.
    duration longest_of_few = 2s;
    duration longest = 30s;

    /// The longest pause while so many are away.
    [[nodiscard]] duration longest_for(std::size_t away) const noexcept {
        const auto count = static_cast<duration::rep>(std::min<std::size_t>(away, 1'000'000));
        return std::clamp(for_each * count, std::min(longest_of_few, longest), longest);
    }
};

class redial {
  public:
    /// The first try comes within that time.
    void begin(time_point now, const redial_bounds& bounds, duration within,
               std::mt19937_64& random) {
        pause_ = bounds.shortest;
        due_ = now + between(duration{0}, within, random);
    }
    /// The try after one that was just made, while so many nodes are tried.
    void again(time_point now, const redial_bounds& bounds, std::size_t away,
               std::mt19937_64& random) {
        const duration longest = std::max(bounds.shortest, 3 * pause_);
        pause_ = std::min(bounds.longest_for(away), between(bounds.shortest, longest, random));
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
