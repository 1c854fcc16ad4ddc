// SPDX-License-Identifier: Apache-2.0
// Who waits until the other nodes know of a change: clients whose SUBACK is held back. One for each
// stream of this node. No wait is longer than the others, so they run out in the order of arrival.
#pragma once

#include "cluster/route.hpp"

#include <deque>
#include <map>
#include <utility>
#include <vector>

namespace gv::cluster {

/// Given by who waits, and given back.
using wait_token = strong_id<struct wait_token_tag, std::uint64_t>;

class route_waits {
  public:
    void add(route_seq seq, wait_token token, time_point until) {
        const key at{seq, ++number_};
        waiting_.emplace(at, token);
        order_.emplace_back(until, at);
    }

    /// Takes out those that wait for a change after `since` and up to `applied`.
    [[nodiscard]] std::vector<wait_token> confirm(route_seq since, route_seq applied) {
        std::vector<wait_token> done;
        const auto first = waiting_.upper_bound({since, all});
        auto end = first;
        for (; end != waiting_.end() && end->first.first <= applied; ++end) {
            done.push_back(end->second);
        }
        waiting_.erase(first, end);
        return done;
    }
    /// Takes out those whose time is up.
    [[nodiscard]] std::vector<wait_token> expire(time_point now) {
        std::vector<wait_token> late;
        for (; !order_.empty() && order_.front().first <= now; order_.pop_front()) {
            if (const auto found = waiting_.extract(order_.front().second); !found.empty()) {
                late.push_back(found.mapped());
            }
        }
        return late;
    }
    /// Not after the first that runs out.
    [[nodiscard]] time_point next_deadline() const noexcept {
        return order_.empty() ? never : order_.front().first;
    }
    [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }

  private:
    using key = std::pair<route_seq, std::uint64_t>;
    static constexpr std::uint64_t all = ~std::uint64_t{0};

    std::map<key, wait_token> waiting_;
    std::deque<std::pair<time_point, key>> order_; ///< confirmed ones included
    std::uint64_t number_ = 0;
};

} // namespace gv::cluster
