// SPDX-License-Identifier: Apache-2.0
#include "cluster/membership_message.hpp"

#include <numeric>
#include <span>

namespace gv::cluster {

namespace {

[[nodiscard]] std::span<const member_row> rows_of(const message_body& body) noexcept {
    if (const auto* question = std::get_if<push_pull>(&body)) {
        return question->rows;
    }
    if (const auto* answer = std::get_if<push_pull_answer>(&body)) {
        return answer->rows;
    }
    return {};
}

[[nodiscard]] std::size_t bytes_of(std::span<const member_row> rows) noexcept {
    return std::transform_reduce(rows.begin(), rows.end(), std::size_t{0}, std::plus<>{},
                                 [](const member_row& row) { return wire_bytes(row); });
}

[[nodiscard]] result<void, message_fault> check(std::span<const member_row> rows) {
    for (const member_row& row : rows) {
        if (auto sound = check(row); !sound) {
            return sound;
        }
    }
    return {};
}

} // namespace

result<void, message_fault> check(const envelope& message, const message_limits& limits) {
    if (message.from == node_id{} || message.boot == boot_id{}) {
        return failure(message_fault::no_sender);
    }
    if (!is_plain_name(message.cluster, cluster_name_bytes_max)) {
        return failure(message_fault::cluster_name);
    }
    if (message.wire.min > message.wire.max) {
        return failure(message_fault::wire_versions);
    }
    const auto rows = rows_of(message.body);
    if (rows.size() > limits.rows_max) {
        return failure(message_fault::too_many_rows);
    }
    // The size is an upper bound and what the sender counts may differ, so twice as much passes.
    if (message.gossip.size() > limits.rows_max
        || bytes_of(message.gossip) > 2 * limits.gossip_bytes_max) {
        return failure(message_fault::too_much_gossip);
    }
    if (auto sound = check(rows); !sound) {
        return sound;
    }
    return check(std::span(message.gossip));
}

std::size_t wire_bytes(const envelope& message) noexcept {
    constexpr std::size_t head = 2 + 8 + 9 + 6 + 9 + 9; // cluster, wire, from, boot, to, sent_at
    constexpr std::size_t body = 3 + 9 + 9 + 2;         // the longest without rows
    return head + body + message.cluster.size() + bytes_of(message.gossip)
           + bytes_of(rows_of(message.body));
}

} // namespace gv::cluster
