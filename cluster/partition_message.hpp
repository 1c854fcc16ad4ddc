// SPDX-License-Identifier: Apache-2.0
// What nodes say to each other about where sessions live. Both go between nodes with
// feature_partitions only, in their control streams; what is lost is made up for by the next
// digest.
#pragma once

#include "cluster/partition_table.hpp"

#include <optional>
#include <string_view>
#include <variant>
#include <vector>

namespace gv::cluster {

/// What is said with everything: of the table, and of the sender.
struct partition_heading {
    partition_founding founding; ///< none: the sender has no table
    bool has_sessions = false;   ///< there are some that go by it, as far as the sender knows
    /// The sender would be the home of more. Not while it is about to leave.
    bool takes_more = true;
    friend bool operator==(const partition_heading&, const partition_heading&) = default;
};

struct told_partition {
    partition_id which;
    partition_row row;
    friend bool operator==(const told_partition&, const told_partition&) = default;
};

/// Rows of the table, all that the sender knows or those that have changed.
struct partition_rows {
    partition_heading heading;
    bool wants_answer = false; ///< what the sender has not got, or that there is nothing
    std::vector<told_partition> rows;
    friend bool operator==(const partition_rows&, const partition_rows&) = default;
};

/// The state of the sender, in short.
struct partition_digest {
    partition_heading heading;
    std::uint64_t hash = 0; ///< partition_table::hash()
    friend bool operator==(const partition_digest&, const partition_digest&) = default;
};

using partition_message = std::variant<partition_rows, partition_digest>;

/// Why something was refused; text in partition_message.cpp.
enum class partition_fault : std::uint8_t {
    unknown_peer,     ///< membership has not told of it, or has told that it is gone
    founding_invalid, ///< a time without a node, or a node without a time; or rows without either
    row_invalid,      ///< no such partition, the same one twice, no home, or epoch 0
};

[[nodiscard]] std::string_view text_of(partition_fault fault) noexcept;

/// Errors: what no honest node says.
[[nodiscard]] std::optional<partition_fault> fault_of(const partition_message& message) noexcept;

} // namespace gv::cluster
