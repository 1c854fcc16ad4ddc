// SPDX-License-Identifier: Apache-2.0
// The words in which retained messages are compared between nodes. Of two messages of a topic the
// one of the higher *version* holds. Topics are divided into 4,096 *buckets*; a *digest* has for
// each bucket the xor over its rows of a hash of topic and version, so that adding and removing are
// the same operation and order does not matter. A version is given to one message or one removal
// only, so that a row and what is left of it once it has expired have the same hash: when a node
// notices that something has expired makes no difference.
//
// Hashes are part of the protocol between nodes: never change them.
#pragma once

#include "base/hash.hpp"
#include "base/message.hpp"

#include <array>
#include <atomic>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

namespace gv {

/// What decides which of two retained messages of a topic is newer. The publisher is there because
/// two of them, on two cores of one node, may be given the same stamp.
struct retained_version {
    hybrid_time stamp;
    node_id origin;
    std::uint64_t publisher = 0;
    friend constexpr auto operator<=>(const retained_version&, const retained_version&) = default;
};

[[nodiscard]] inline retained_version retained_version_of(const envelope& header) noexcept {
    return {.stamp = header.stamp, .origin = header.origin, .publisher = header.publisher};
}

/// A part of all topics, the same on every node.
using retained_bucket = strong_id<struct retained_bucket_tag, std::uint16_t>;
inline constexpr std::size_t retained_bucket_count = 4'096;

/// Names a topic in comparisons, and is its place in the order of its bucket.
[[nodiscard]] inline std::uint64_t retained_topic_hash(std::string_view topic) noexcept {
    return hash64(topic);
}
[[nodiscard]] constexpr retained_bucket retained_bucket_of(std::uint64_t topic_hash) noexcept {
    return retained_bucket{static_cast<std::uint16_t>(topic_hash >> 52)};
}
/// A bucket lies wholly on one shard.
[[nodiscard]] constexpr shard_id retained_shard(retained_bucket bucket, std::size_t shards) {
    return shard_id{static_cast<std::uint16_t>(bucket.value % shards)};
}
/// What a node says of itself is its own: never compared, never sent as a row.
[[nodiscard]] constexpr bool is_retained_everywhere(std::string_view topic) noexcept {
    return !topic.starts_with("$SYS/");
}

/// A row without its contents.
struct retained_entry {
    std::uint64_t topic_hash = 0;
    retained_version version;
    friend constexpr auto operator<=>(const retained_entry&, const retained_entry&) = default;
};

/// What one row adds to the digest of its bucket.
[[nodiscard]] constexpr std::uint64_t retained_row_hash(const retained_entry& row) noexcept {
    const auto mixed = [](std::uint64_t x) { // the finalizer of splitmix64: one to one
        x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9u;
        x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11ebu;
        return x ^ (x >> 31);
    };
    std::uint64_t hash = mixed(row.topic_hash + 0x9e37'79b9'7f4a'7c15u);
    hash = mixed(hash + row.version.stamp.value);
    hash = mixed(hash + row.version.origin.value);
    return mixed(hash + row.version.publisher);
}

/// Digests of all buckets of a node. Each bucket is written by the shard that has it, and by no
/// other; any thread may read, and sees each bucket as it was a moment ago.
class retained_digest {
  public:
    /// Adds the row, or takes it out.
    void toggle(const retained_entry& row) noexcept {
        std::atomic<std::uint64_t>& at = buckets_[retained_bucket_of(row.topic_hash).value];
        at.store(at.load(std::memory_order_relaxed) ^ retained_row_hash(row),
                 std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t at(retained_bucket bucket) const noexcept {
        return buckets_[bucket.value].load(std::memory_order_relaxed);
    }

  private:
    std::array<std::atomic<std::uint64_t>, retained_bucket_count> buckets_{};
};

/// What a node claims: whatever message with a stamp in (from, to] is missing here was removed.
struct retained_claim {
    hybrid_time from;
    hybrid_time to;

    [[nodiscard]] constexpr bool is_empty() const noexcept { return to <= from; }
    /// Whether a message of a topic of which nothing is known is one that was removed.
    [[nodiscard]] constexpr bool denies(hybrid_time stamp) const noexcept {
        return from < stamp && stamp <= to;
    }
    friend constexpr auto operator<=>(const retained_claim&, const retained_claim&) = default;
};

inline constexpr wall_time never_expires = wall_time::max();
inline constexpr std::uint64_t last_topic_hash = std::numeric_limits<std::uint64_t>::max();

/// A row on its way to another node, or from there.
struct retained_row {
    /// Shared. Without payload: a removal, or what is left of a row that has expired. The expiry in
    /// its header is that of nobody: `expires` holds.
    message_ref what;
    wall_time expires = never_expires;

    [[nodiscard]] bool is_tombstone() const noexcept { return what->payload().empty(); }
};

/// Some of a bucket: topics whose hashes are in (after, until], the first one included if after is
/// 0.
struct retained_range {
    retained_bucket bucket;
    std::uint64_t after = 0;
    std::uint64_t until = last_topic_hash;

    [[nodiscard]] constexpr bool has(std::uint64_t topic_hash) const noexcept {
        return (after < topic_hash || after == 0) && topic_hash <= until;
    }
};

/// Entries of a range, in order.
struct retained_entries {
    std::vector<retained_entry> entries;
    std::uint64_t until = last_topic_hash; ///< there are no others up to here
};

/// Asks for what somebody lacks of a range.
struct retained_question {
    retained_range of;
    std::vector<retained_entry> known; ///< all that they have there, in order
    retained_claim theirs;             ///< what they would not take
    retained_claim ours;               ///< what they are to drop
    std::size_t bytes_max = 0;         ///< of rows, by weight; one row is given in any case
    std::size_t rows_max = 0;
};

struct retained_answer {
    std::vector<retained_row> rows;   ///< newer than what they have, or unknown to them
    std::vector<retained_entry> dead; ///< of `known`: nothing is here, and `ours` says that it was
    std::uint64_t until = last_topic_hash; ///< this answers (after, until]
};

} // namespace gv
