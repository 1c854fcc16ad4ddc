// SPDX-License-Identifier: Apache-2.0
#include "cluster/retained_message.hpp"

#include "base/topic.hpp"

#include <algorithm>
#include <bit>

namespace gv::cluster {

namespace {

using checked = result<void, retained_fault>;

/// Tag and length of the message, number, range and claim.
constexpr std::size_t header_bytes = 64;
constexpr std::size_t entry_bytes = 32;
constexpr std::size_t row_bytes = 56; ///< besides its texts

struct sizer {
    std::size_t operator()(const retained_root& m) const noexcept { return m.covered.size() * 16; }
    std::size_t operator()(const retained_hashes_request&) const noexcept { return 0; }
    std::size_t operator()(const retained_hashes& m) const noexcept { return m.hashes.size() * 8; }
    std::size_t operator()(const retained_rows_request& m) const noexcept {
        return m.known.size() * entry_bytes;
    }
    std::size_t operator()(const retained_page& m) const noexcept {
        std::size_t sum = m.dead.size() * entry_bytes;
        for (const retained_row& each : m.rows) {
            sum += bytes_of(each);
        }
        return sum;
    }
};

bool is_in_order(const std::vector<retained_entry>& entries) {
    return std::ranges::is_sorted(entries, {}, &retained_entry::topic_hash);
}

checked check_topic(std::string_view topic, const retained_limits& limits) {
    const bool is_fine = topic.size() <= limits.topic_bytes_max && is_valid_topic_name(topic)
                         && is_retained_everywhere(topic);
    return is_fine ? checked{} : failure(retained_fault::topic_invalid);
}

checked check_row(const retained_row& row, const retained_limits& limits) {
    if (!row.what) {
        return failure(retained_fault::row_invalid);
    }
    const envelope& header = row.what->header();
    if (!header.retain || header.stamp.value == 0 || static_cast<unsigned>(header.quality) > 2) {
        return failure(retained_fault::row_invalid);
    }
    if (row.what->payload().size() > limits.payload_bytes_max
        || row.what->properties().size() > limits.properties_bytes_max) {
        return failure(retained_fault::row_too_large);
    }
    return check_topic(row.what->topic(), limits);
}

struct checker {
    hybrid_time latest;
    const retained_limits& limits;

    [[nodiscard]] checked check_claim(const retained_claim& claim) const {
        return claim.to <= latest ? checked{} : failure(retained_fault::claim_invalid);
    }

    checked operator()(const retained_root& m) const {
        if (m.covered.size() > limits.members_max) {
            return failure(retained_fault::too_many_members);
        }
        std::vector<node_id> seen;
        for (const retained_covered& each : m.covered) {
            seen.push_back(each.node);
        }
        std::ranges::sort(seen);
        if (std::ranges::adjacent_find(seen) != seen.end()) {
            return failure(retained_fault::too_many_members);
        }
        return check_claim(m.claim);
    }
    checked operator()(const retained_hashes_request&) const { return {}; }
    checked operator()(const retained_hashes& m) const {
        const std::size_t expected = m.groups == 0
                                         ? retained_group_count
                                         : static_cast<std::size_t>(std::popcount(m.groups))
                                               * (retained_bucket_count / retained_group_count);
        return m.hashes.size() == expected ? checked{} : failure(retained_fault::groups_invalid);
    }
    checked operator()(const retained_rows_request& m) const {
        if (m.of.bucket.value >= retained_bucket_count || m.of.until < m.of.after) {
            return failure(retained_fault::bucket_unknown);
        }
        const bool are_within = std::ranges::all_of(m.known, [&](const retained_entry& each) {
            return retained_bucket_of(each.topic_hash) == m.of.bucket && m.of.has(each.topic_hash);
        });
        if (m.known.size() > limits.entries_max || !are_within || !is_in_order(m.known)) {
            return failure(retained_fault::entries_invalid);
        }
        return check_claim(m.claim);
    }
    checked operator()(const retained_page& m) const {
        if (m.dead.size() > limits.entries_max || !is_in_order(m.dead)) {
            return failure(retained_fault::entries_invalid);
        }
        if (!std::ranges::all_of(m.dead, [&](const retained_entry& each) {
                return m.claim.denies(each.version.stamp);
            })) {
            return failure(retained_fault::not_claimed);
        }
        if (checked fine = check_size(m); !fine) {
            return fine;
        }
        for (const retained_row& row : m.rows) {
            if (checked fine = check_row(row, limits); !fine) {
                return fine;
            }
        }
        return check_claim(m.claim);
    }

  private:
    /// One row may be of any size, and so may be another whose topic has the same hash.
    [[nodiscard]] checked check_size(const retained_page& m) const {
        std::size_t sum = 0;
        std::size_t largest = 0;
        for (const retained_row& row : m.rows) {
            const std::size_t bytes = row.what ? row.what->weight() : 0;
            sum += bytes;
            largest = std::max(largest, bytes);
        }
        const bool fits =
            m.rows.size() <= limits.page_rows_max + 1 && sum <= 2 * largest + limits.page_bytes_max;
        return fits ? checked{} : failure(retained_fault::message_too_large);
    }
};

} // namespace

std::size_t bytes_of(const retained_row& row) noexcept {
    return row_bytes + row.what->topic().size() + row.what->properties().size()
           + row.what->payload().size();
}

std::size_t bytes_of(const retained_message& message) noexcept {
    return header_bytes + std::visit(sizer{}, message);
}

result<void, retained_fault> check(const retained_message& message, hybrid_time latest,
                                   const retained_limits& limits) {
    return std::visit(checker{.latest = latest, .limits = limits}, message);
}

std::uint64_t group_hash(const retained_digest& digest, std::size_t group) noexcept {
    constexpr std::size_t each = retained_bucket_count / retained_group_count;
    std::uint64_t all = 0;
    for (std::size_t bucket = group * each; bucket < (group + 1) * each; ++bucket) {
        all ^= digest.at(retained_bucket{static_cast<std::uint16_t>(bucket)});
    }
    return all;
}

std::uint64_t root_hash(const retained_digest& digest) noexcept {
    std::uint64_t all = 0;
    for (std::size_t group = 0; group < retained_group_count; ++group) {
        all ^= group_hash(digest, group);
    }
    return all;
}

std::string_view text_of(retained_fault fault) noexcept {
    switch (fault) {
    case retained_fault::unknown_peer:
        return "a node that is no member spoke of retained messages";
    case retained_fault::too_many_members:
        return "a state of retained messages with too many members, or one of them twice";
    case retained_fault::claim_invalid:
        return "a claim about retained messages that ends in the future";
    case retained_fault::groups_invalid:
        return "not as many hashes of retained messages as their groups say";
    case retained_fault::bucket_unknown:
        return "no such bucket of retained messages, or no such part of it";
    case retained_fault::entries_invalid:
        return "versions of retained messages out of order, out of place, or too many";
    case retained_fault::topic_invalid:
        return "a retained message whose topic is none, too long, or a node's own";
    case retained_fault::topic_elsewhere:
        return "a retained message that was not asked for";
    case retained_fault::row_invalid:
        return "a retained message without stamp or RETAIN, or with a QoS that does not exist";
    case retained_fault::row_too_large:
        return "a retained message over the limit";
    case retained_fault::message_too_large:
        return "more retained messages in one answer than the limit";
    case retained_fault::not_claimed:
        return "a retained message called removed without a claim that says so";
    }
    return "unknown fault";
}

} // namespace gv::cluster
