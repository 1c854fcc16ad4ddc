// SPDX-License-Identifier: Apache-2.0
// Counts changes of filters, so that who remembers something of a topic can tell whether it may
// have changed: one of 512 counters chosen by the filter's literal first two levels, or by its
// literal first level if the second is a wildcard, or the counter of all if the first one is. A
// topic answers to three of them; since counters only grow, an equal sum means that none has moved.
#pragma once

#include "base/hash.hpp"
#include "base/topic.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gv::router {

/// The counters that a topic answers to, besides that of all.
struct change_places {
    std::uint16_t first_level = 0;
    std::uint16_t second_level = 0;
};

inline constexpr std::size_t change_counter_count = 512;

/// Up to the second '/', or to the first if `levels` is 1; all of it if there are not so many.
[[nodiscard]] inline std::string_view leading_levels(std::string_view topic, int levels) noexcept {
    std::size_t end = topic.find('/');
    if (levels == 2 && end != std::string_view::npos) {
        end = topic.find('/', end + 1);
    }
    return topic.substr(0, end);
}

[[nodiscard]] inline std::uint16_t change_place_of(std::string_view levels) noexcept {
    return static_cast<std::uint16_t>(table_hash(levels) % change_counter_count);
}

[[nodiscard]] inline change_places change_places_of(std::string_view topic) noexcept {
    return {.first_level = change_place_of(leading_levels(topic, 1)),
            .second_level = change_place_of(leading_levels(topic, 2))};
}

/// `Counter` is std::uint64_t, or atomic where others read than the one who counts.
template <typename Counter>
class basic_change_counters {
  public:
    [[nodiscard]] std::uint64_t sum(change_places at) const noexcept {
        return all_ + some_[at.first_level] + some_[at.second_level];
    }
    void count_change(std::string_view filter) noexcept {
        const std::string_view first = leading_levels(filter, 1);
        const std::string_view both = leading_levels(filter, 2);
        if (has_wildcard(first)) {
            ++all_;
        } else {
            ++some_[change_place_of(has_wildcard(both) ? first : both)];
        }
    }
    void count_change_of_all() noexcept { ++all_; }

  private:
    Counter all_{0};
    std::array<Counter, change_counter_count> some_{};
};

} // namespace gv::router
