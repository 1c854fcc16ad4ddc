// SPDX-License-Identifier: Apache-2.0
// Tree order of topics, rows kept in it, and the walk through them along a filter. In tree order
// '/' is below every other byte, so that a topic is followed by all topics under it and then by its
// next sibling.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gv::router {

/// Tree order of two topics, or of two levels.
[[nodiscard]] inline std::strong_ordering compare_topics(std::string_view a,
                                                         std::string_view b) noexcept {
    static_assert(std::endian::native == std::endian::little);
    const std::size_t common = a.size() < b.size() ? a.size() : b.size();
    std::size_t at = 0;
    for (; at + 8 <= common; at += 8) {
        std::uint64_t x = 0;
        std::uint64_t y = 0;
        std::memcpy(&x, a.data() + at, 8);
        std::memcpy(&y, b.data() + at, 8);
        if (x != y) {
            at += static_cast<unsigned>(std::countr_zero(x ^ y)) / 8;
            break;
        }
    }
    while (at < common && a[at] == b[at]) {
        ++at;
    }
    if (at == common) {
        return a.size() <=> b.size();
    }
    const auto rank = [](char c) { return c == '/' ? 0u : static_cast<unsigned char>(c); };
    return rank(a[at]) <=> rank(b[at]);
}

/// A filter, as a guide through topics in tree order: for each topic it tells whether it matches
/// and, if not, where the next one that can match is at the earliest.
class filter_guide {
  public:
    /// Requires: a valid filter. Lifetime: it points into `filter`.
    explicit filter_guide(std::string_view filter);

    enum class verdict : std::uint8_t {
        match,
        next,    ///< no match; the topic after it may be one
        leap,    ///< nothing matches before leap_to()
        finished ///< nothing matches from here on
    };
    [[nodiscard]] verdict judge(std::string_view topic);
    /// Lifetime: until the next call of judge().
    [[nodiscard]] std::string_view leap_to() const noexcept { return leap_to_; }

  private:
    verdict leap(std::string_view a, std::string_view b, std::string_view c);
    verdict leap_past(std::string_view topic, std::size_t end);

    static constexpr std::size_t no_plus = std::string_view::npos;

    std::vector<std::string_view> levels_;
    std::string leap_to_;
};

} // namespace gv::router
