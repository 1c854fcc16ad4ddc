// SPDX-License-Identifier: Apache-2.0
// Versions of what nodes say to each other, and what may be said to whom. Each node speaks a range
// of them. A release that brings something which others would refuse (a new message, a new value)
// adds a row here, and says the new thing only where the version is one that all who may hear it
// speak:
//
//   to one node     common_version(ours, theirs)
//   to all, or into what nodes keep and pass on: the active level of the cluster
//
// What is harmless to whom does not know it, as a new field, needs no version.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gv::cluster {

struct wire_version {
    std::uint16_t number = 0;
    std::string_view brought; ///< what who speaks it knows beyond the version before
};

/// Oldest first, without a gap: those that this release speaks. The oldest goes two releases after
/// all have learned the next.
inline constexpr std::array version_history{
    wire_version{1, "membership, routes, retained messages, lanes, groups over lanes"}};

/// Versions of what is spoken between nodes, both ends included.
struct wire_range {
    std::uint16_t min = 1;
    std::uint16_t max = 1;

    [[nodiscard]] constexpr bool overlaps(wire_range other) const noexcept {
        return min <= other.max && other.min <= max;
    }
    friend bool operator==(const wire_range&, const wire_range&) = default;
};

/// That of `version_history`: what this process says of itself everywhere.
[[nodiscard]] wire_range spoken_wire() noexcept;

/// The greatest that both speak; nothing if there is none.
[[nodiscard]] constexpr std::optional<std::uint16_t> common_version(wire_range ours,
                                                                    wire_range theirs) noexcept {
    return ours.overlaps(theirs) ? std::optional(std::min(ours.max, theirs.max)) : std::nullopt;
}

/// What is spoken in a cluster, as one of its nodes sees it.
struct wire_levels {
    std::uint16_t active = 0;  ///< the greatest that all speak: what may be used
    std::uint16_t lowest = 0;  ///< that anybody still speaks
    std::uint16_t highest = 0; ///< that somebody speaks: above `active`, an upgrade is under way

    friend bool operator==(const wire_levels&, const wire_levels&) = default;
};

[[nodiscard]] constexpr wire_levels levels_of_one(wire_range own) noexcept {
    return {.active = own.max, .lowest = own.min, .highest = own.max};
}
/// With one more member. Whoever has no version in common with this node does not hold it back: the
/// two never speak to each other.
[[nodiscard]] constexpr wire_levels with_member(wire_levels levels, wire_range own,
                                                wire_range member) noexcept {
    levels.lowest = std::min(levels.lowest, member.min);
    levels.highest = std::max(levels.highest, member.max);
    if (const auto common = common_version(own, member)) {
        levels.active = std::min(levels.active, *common);
    }
    return levels;
}

/// `wire 2 to 3`.
[[nodiscard]] std::string text_of(wire_range wire);

/// What a person does about two nodes without a common version: which of them comes first.
/// Requires: the ranges do not overlap.
[[nodiscard]] std::string remedy_for(wire_range ours, wire_range theirs);

} // namespace gv::cluster
