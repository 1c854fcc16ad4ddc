// SPDX-License-Identifier: Apache-2.0
// What nodes say to each other about retained messages. A *root* is all that is said while nothing
// differs. The rest are questions of a node that lacks something, and their answers:
//
//   root differs                   hashes_request (no groups)  → hashes of 64 groups of buckets
//   some groups differ             hashes_request (groups)     → hashes of their buckets
//   a bucket differs               rows_request (what I have)  → rows_page, until all of it is
//   there
//
// No answer is remembered by who gives it: who asks asks again, and ignores what it did not ask
// for.
#pragma once

#include "base/result.hpp"
#include "base/retained.hpp"

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

namespace gv::cluster {

inline constexpr std::size_t retained_group_count = 64; ///< of as many buckets each
/// Bit n: buckets 64 n to 64 n + 63.
using retained_groups = std::uint64_t;

/// Most of what a peer may fill memory with, and of what is sent.
struct retained_limits {
    std::size_t topic_bytes_max = 65'535;
    std::size_t properties_bytes_max = 1u << 20;
    std::size_t payload_bytes_max = 256u << 20;
    std::size_t page_rows_max = 4'096;
    /// Of a page, by weight, one row of any size aside.
    std::size_t page_bytes_max = 256u << 10;
    /// Entries of a question or an answer.
    std::size_t entries_max = 16'384;
    std::size_t members_max = 1'024;
};

/// Why something was refused; text in retained_message.cpp.
enum class retained_fault : std::uint8_t {
    unknown_peer,      ///< membership has not told of it, or has told that it is gone
    too_many_members,  ///< of a root, or the same one twice
    claim_invalid,     ///< it ends in the future
    groups_invalid,    ///< not as many hashes as groups say
    bucket_unknown,    ///< over 4,095, or a range that begins after its end
    entries_invalid,   ///< not in order, outside the range, or too many
    topic_invalid,     ///< not a topic name, over the limit, or one that every node has of its own
    topic_elsewhere,   ///< a row of another bucket or range than was asked for
    row_invalid,       ///< without RETAIN or a stamp, a QoS over 2
    row_too_large,     ///< payload or properties over the limit
    message_too_large, ///< rows or bytes of a page
    not_claimed,       ///< called dead, without a claim that says so
};

[[nodiscard]] std::string_view text_of(retained_fault fault) noexcept;

/// How far a node has the writes of another: all with a stamp up to there that were made there, or
/// newer ones of their topics.
struct retained_covered {
    node_id node;
    hybrid_time until;
};

/// The state of the sender, in short.
struct retained_root {
    boot_id boot;           ///< of the sender
    std::uint64_t hash = 0; ///< of the hashes of all groups
    retained_claim claim;
    hybrid_time present_since;             ///< it takes part in the cluster since, without a gap
    bool wants_answer = false;             ///< a root, whatever differs
    std::vector<retained_covered> covered; ///< by node; the sender's own writes too
};

struct retained_hashes_request {
    retained_groups groups = 0; ///< 0: the hashes of all groups
};
struct retained_hashes {
    retained_groups groups = 0;
    /// Of the buckets of these groups, in order; without groups, of the 64 groups.
    std::vector<std::uint64_t> hashes;
};

struct retained_rows_request {
    std::uint64_t number = 0; ///< comes back in the page
    retained_range of;
    std::uint32_t bytes_max = 0;
    retained_claim claim;              ///< of the sender: what it would not take
    std::vector<retained_entry> known; ///< all that the sender has of the range, in order
};
struct retained_page {
    std::uint64_t number = 0;
    std::uint64_t until = 0;          ///< the answer up to here; less than was asked: ask for more
    retained_claim claim;             ///< by which these are dead
    std::vector<retained_entry> dead; ///< of `known`
    std::vector<retained_row> rows;
};

using retained_message = std::variant<retained_root, retained_hashes_request, retained_hashes,
                                      retained_rows_request, retained_page>;

/// About what a message takes on the wire.
[[nodiscard]] std::size_t bytes_of(const retained_message& message) noexcept;
[[nodiscard]] std::size_t bytes_of(const retained_row& row) noexcept;

/// Everything that can be told without knowing what was asked. `latest`: no stamp after it can be
/// honest. Errors: the first fault found.
[[nodiscard]] result<void, retained_fault> check(const retained_message& message,
                                                 hybrid_time latest, const retained_limits& limits);

/// The hash of a group of buckets, and of all groups.
[[nodiscard]] std::uint64_t group_hash(const retained_digest& digest, std::size_t group) noexcept;
[[nodiscard]] std::uint64_t root_hash(const retained_digest& digest) noexcept;

} // namespace gv::cluster
