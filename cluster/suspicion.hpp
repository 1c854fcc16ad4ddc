// SPDX-License-Identifier: Apache-2.0
// How long a suspected node has to refute: long while one node alone accuses it, short once others
// who probed it themselves agree.
//
//   timeout = max(least, most - (most - least) * log(confirmations + 1) / log(needed + 1))
//
// Source: Lifeguard (2018), section IV-B.
#pragma once

#include "base/ids.hpp"
#include "base/time.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace gv::cluster {

struct suspicion_bounds {
    duration least{};
    duration most{};
    std::size_t needed = 0; ///< confirmations after which it is as short as can be; 0: at once
};

class suspicion {
  public:
    suspicion(time_point since, const suspicion_bounds& bounds, node_id accuser)
        : since_(since), bounds_(bounds), accusers_{accuser} {}

    /// Another accuses the node. Returns whether that made the timeout shorter.
    bool confirm(node_id accuser) {
        if (accusers_.size() > bounds_.needed
            || std::ranges::find(accusers_, accuser) != accusers_.end()) {
            return false;
        }
        accusers_.push_back(accuser);
        return true;
    }

    /// The node's machine said that nobody listens there: half the time is enough. Once.
    void halve() noexcept {
        if (!is_halved_) {
            is_halved_ = true;
            bounds_.least /= 2;
            bounds_.most /= 2;
        }
    }

    /// The node has answered meanwhile, even if it has not refuted: the time begins anew.
    void restart(time_point now) noexcept { since_ = now; }

    /// Time that does not count, since this node itself did not run.
    void postpone(duration span) noexcept { since_ += span; }

    [[nodiscard]] std::size_t confirmations() const noexcept { return accusers_.size() - 1; }
    [[nodiscard]] time_point deadline() const noexcept { return since_ + timeout(); }

  private:
    [[nodiscard]] duration timeout() const noexcept {
        if (bounds_.needed == 0) {
            return bounds_.least;
        }
        const double share = std::log1p(static_cast<double>(confirmations()))
                             / std::log1p(static_cast<double>(bounds_.needed));
        const auto range = static_cast<double>((bounds_.most - bounds_.least).count());
        return std::max(bounds_.least,
                        bounds_.most - duration(static_cast<duration::rep>(range * share)));
    }

    time_point since_;
    suspicion_bounds bounds_;
    std::vector<node_id> accusers_; ///< the first and those who confirmed; `needed` + 1 at most
    bool is_halved_ = false;
};

} // namespace gv::cluster
