// SPDX-License-Identifier: Apache-2.0
// Fields of a message from the wire, checked one by one. The first fault stays, so that a decoder
// reads all and asks once.
#pragma once

#include "cluster/wire_fault.hpp"

#include <cstddef>
#include <limits>
#include <optional>

namespace gv::cluster {

/// Enumerations begin at 1 on the wire, in the order of ours: 0 is what is not set.
inline constexpr int first_wire_value = 1;

template <typename Enum>
[[nodiscard]] constexpr int to_wire(Enum value) noexcept {
    return static_cast<int>(value) + first_wire_value;
}

class wire_reader {
  public:
    template <typename Number>
    [[nodiscard]] Number fitting(std::uint64_t number) noexcept {
        const bool fits = number <= std::numeric_limits<Number>::max();
        require(fits, wire_fault::out_of_range);
        return fits ? static_cast<Number>(number) : Number{};
    }
    template <typename Enum>
    [[nodiscard]] Enum value(int on_wire, Enum last) noexcept {
        const bool is_known = on_wire >= first_wire_value && on_wire <= to_wire(last);
        require(is_known, wire_fault::unknown_value);
        return is_known ? static_cast<Enum>(on_wire - first_wire_value) : Enum{};
    }
    [[nodiscard]] wire_range versions(std::uint64_t min, std::uint64_t max) noexcept {
        return {.min = fitting<std::uint16_t>(min), .max = fitting<std::uint16_t>(max)};
    }
    /// How many rows to read: none if there are too many.
    [[nodiscard]] std::size_t rows(int count, std::size_t most) noexcept {
        const auto rows = static_cast<std::size_t>(count);
        require(rows <= most, wire_fault::too_many);
        return rows <= most ? rows : 0;
    }
    void require(bool is_right, wire_fault otherwise) noexcept {
        if (!is_right && !fault_) {
            fault_ = otherwise;
        }
    }
    [[nodiscard]] std::optional<wire_fault> fault() const noexcept { return fault_; }

  private:
    std::optional<wire_fault> fault_;
};

} // namespace gv::cluster
