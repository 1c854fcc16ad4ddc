// SPDX-License-Identifier: Apache-2.0
// Where sessions live: for each of the 256 partitions the node that is its home. Every node has a
// copy of the whole table, on disk too.
//
// Of two versions of a row the one with the higher epoch holds. Only the home raises it, by handing
// the partition over, or an operator who forgets the home; so no row is ever lost to another, and
// who was home is told by the newer row that it is no more.
#pragma once

#include "base/ids.hpp"
#include "base/time.hpp"

#include <array>
#include <compare>
#include <cstdint>

namespace gv::cluster {

/// When a cluster began to have a table, and the node that made it. Tables of different foundings
/// have nothing in common; where two meet the one by which there are sessions holds, then the
/// older.
struct partition_founding {
    hybrid_time at; ///< 0: there is no table yet
    node_id by;

    [[nodiscard]] constexpr bool is_there() const noexcept { return at.value != 0; }
    friend constexpr auto operator<=>(const partition_founding&,
                                      const partition_founding&) = default;
};

/// No partition was given a home so often: there is always a next.
inline constexpr std::uint64_t partition_epoch_max = std::uint64_t{1} << 62;

struct partition_row {
    node_id home;            ///< 0: not known here
    std::uint64_t epoch = 0; ///< how often the partition was given a home; 0: not known here
    /// Two of the same epoch are an operator's mistake, made on both sides of a split: one holds.
    [[nodiscard]] constexpr bool holds_against(const partition_row& other) const noexcept {
        return epoch != other.epoch ? epoch > other.epoch : home > other.home;
    }
    friend constexpr bool operator==(const partition_row&, const partition_row&) = default;
};

class partition_table {
  public:
    partition_table() = default;
    /// All rows are unknown.
    explicit partition_table(const partition_founding& founding) noexcept : founding_(founding) {}
    /// That node is home of all partitions.
    partition_table(const partition_founding& founding, node_id home) : founding_(founding) {
        rows_.fill({.home = home, .epoch = 1});
    }

    [[nodiscard]] const partition_founding& founding() const noexcept { return founding_; }
    /// Requires: which.value < partition_count, as everywhere here.
    [[nodiscard]] const partition_row& at(partition_id which) const noexcept {
        return rows_[which.value];
    }
    /// Returns whether the row holds against the one that was there.
    bool put(partition_id which, const partition_row& row) noexcept {
        partition_row& here = rows_[which.value];
        if (!row.holds_against(here)) {
            return false;
        }
        here = row;
        return true;
    }
    /// The same for equal tables, and different ones for others but once in 2^64 times.
    [[nodiscard]] std::uint64_t hash() const noexcept;
    /// How many partitions have that home.
    [[nodiscard]] std::size_t count(node_id home) const noexcept;

  private:
    partition_founding founding_;
    std::array<partition_row, partition_count> rows_{};
};

/// Which of two nodes should rather be the home of a partition: the one with the higher weight.
/// Whoever computes it gets the same, and a node more or less moves no partition but those that it
/// gets or had (rendezvous hashing: Thaler and Ravishankar, 1998).
[[nodiscard]] std::uint64_t partition_weight(partition_id which, node_id node) noexcept;

} // namespace gv::cluster
