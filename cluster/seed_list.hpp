// SPDX-License-Identifier: Apache-2.0
// Addresses under which nodes of the cluster may be found. Each is tried until it has answered
// once; from then on the node behind it is a member, and redialled as such. So the parts of a
// cluster find each other whichever of them starts first. Where a member is away, another node may
// have got its address: whoever names the addresses anew says that they are to be tried again.
#pragma once

#include "base/ids.hpp"
#include "cluster/redial.hpp"

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gv::cluster {

struct seed {
    std::string address;
    redial next_try;
    std::uint64_t sequence = 0; ///< of the push_pull that was last sent there
    bool has_answered = false;
};

/// A node that starts serves when somebody has answered, so it asks soon; but of many that start at
/// once not all in the same moment.
inline constexpr duration first_within = 50ms;

class seed_list {
  public:
    explicit seed_list(std::size_t seeds_max) noexcept : max_(seeds_max) {}

    /// Adds those that are not there and tries them soon. Returns how many found no room.
    std::size_t add(std::span<const std::string> addresses, time_point now,
                    const redial_bounds& bounds, std::mt19937_64& random) {
        std::size_t left_out = 0;
        for (const std::string& address : addresses) {
            if (std::ranges::find(seeds_, address, &seed::address) != seeds_.end()) {
                continue;
            }
            if (seeds_.size() >= max_) {
                ++left_out;
                continue;
            }
            seeds_.push_back({.address = address});
            seeds_.back().next_try.begin(now, bounds, first_within, random);
        }
        return left_out;
    }

    /// Those of them that have answered are tried once more.
    void try_again(std::span<const std::string> addresses, time_point now,
                   const redial_bounds& bounds, std::mt19937_64& random) {
        for (seed& each : seeds_) {
            if (each.has_answered
                && std::ranges::find(addresses, each.address) != addresses.end()) {
                each.has_answered = false;
                each.next_try.begin(now, bounds, first_within, random);
            }
        }
    }

    /// The address of the push_pull with that number needs no further try.
    void on_answer(std::uint64_t sequence) {
        if (sequence == 0) {
            return; // no question has that number
        }
        const auto found = std::ranges::find(seeds_, sequence, &seed::sequence);
        if (found != seeds_.end()) {
            found->has_answered = true;
            found->next_try.stop();
        }
    }

    [[nodiscard]] auto begin() noexcept { return seeds_.begin(); }
    [[nodiscard]] auto end() noexcept { return seeds_.end(); }
    [[nodiscard]] std::size_t size() const noexcept { return seeds_.size(); }
    /// Those that have not answered yet.
    [[nodiscard]] std::size_t unanswered() const noexcept {
        return static_cast<std::size_t>(std::ranges::count(seeds_, false, &seed::has_answered));
    }
    [[nodiscard]] time_point next_due() const noexcept {
        time_point first = never;
        for (const seed& each : seeds_) {
            first = std::min(first, each.next_try.due());
        }
        return first;
    }

  private:
    std::vector<seed> seeds_;
    std::size_t max_;
};

} // namespace gv::cluster
