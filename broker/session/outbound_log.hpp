// SPDX-License-Identifier: Apache-2.0
// What a persistent session writes down of what it sends, and reads again; the words for it.
#pragma once

#include "base/ids.hpp"
#include "base/message.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace gv::session {

/// The shard of the shared group that a message came through, plus 1; 0: none. Or a loan: the
/// message is in the queue of its group until this session has taken it.
using group_origin = strong_id<struct group_origin_tag, std::uint32_t>;
[[nodiscard]] constexpr bool is_loan(group_origin group) noexcept { return group.value > 0xff; }
/// Of the queue that the session knows by `membership` (below 32,767).
[[nodiscard]] constexpr group_origin loan_of(std::uint32_t membership, packet_id id) noexcept {
    return group_origin{((membership + 1) << 16U) | id.value};
}
/// One of QoS 2 that the session has on disk: it is in flight, and in the queue no more.
[[nodiscard]] constexpr bool is_kept(group_origin loan) noexcept {
    return (loan.value & 0x8000'0000U) != 0;
}
[[nodiscard]] constexpr group_origin kept(group_origin loan) noexcept {
    return group_origin{loan.value | 0x8000'0000U};
}
[[nodiscard]] constexpr std::uint32_t membership_of(group_origin loan) noexcept {
    return ((loan.value & 0x7fff'ffffU) >> 16U) - 1;
}
[[nodiscard]] constexpr packet_id id_of(group_origin loan) noexcept {
    return packet_id{static_cast<std::uint16_t>(loan.value & 0xffffU)};
}

/// How one message goes to one client.
struct delivery {
    qos quality = qos::at_most_once;
    bool retain = false; ///< RETAIN flag that the client sees
    bool dup = false;
    packet_id id{}; ///< 0 at QoS 0
    std::span<const std::uint32_t> subscription_ids{};
    group_origin group{};    ///< at QoS 1 and 2
    std::uint64_t topic = 0; ///< hash of the topic if only its newest message is to wait; else 0
};

/// A point in what a shard has written down, to be waited for; 0: nothing to wait for.
using commit_mark = strong_id<struct commit_mark_tag, std::uint64_t>;

/// Where a row was written, so that it can be withdrawn while nobody has read it.
struct written_row {
    commit_mark mark;
    std::uint32_t operation = 0;
    std::uint32_t body = 0; ///< where its message is, if other rows share it
};

/// One message that waits for a client.
struct queued_row {
    message_ref content;
    std::vector<std::uint32_t> subscription_ids;
    std::uint64_t sequence = 0;
    written_row where;
    qos quality = qos::at_least_once;
    bool retain = false;
    std::uint16_t id = 0;    ///< the one to send under; 0: not chosen yet
    group_origin group{};    ///< not written down
    std::uint64_t topic = 0; ///< see delivery
};

/// Rows that are on disk alone: neighbours by sequence, whose messages are in one bucket.
struct stored_run {
    std::uint64_t first = 0;
    std::uint64_t end = 0; ///< behind the last
    std::uint64_t bytes = 0;
    std::uint32_t rows = 0;   ///< some sequences may be missing
    std::uint32_t body = 0;   ///< bucket of those that share a message
    std::uint32_t bodies = 0; ///< how many do
};

/// Rows to be read: those of `first` up to, without, `end`, as many as the limits allow.
struct row_range {
    std::uint64_t first = 0;
    std::uint64_t end = 0;
    std::uint32_t rows_max = 0;
    std::uint32_t bytes_max = 0;
};

/// As `sent_until`: as many rows as the client could have in flight may have been sent.
inline constexpr std::uint64_t in_doubt = ~std::uint64_t{0};

/// What a persistent session writes down of what it sends. Rows have the session's sequence
/// numbers; releases, of which PUBREC has come, have numbers of the same kind.
class outbound_log {
  public:
    virtual written_row row_added(std::uint64_t sequence, const publication& what,
                                  const delivery& how) = 0;
    /// The same row once more: it now has a packet identifier of its own.
    virtual written_row row_changed(std::uint64_t sequence, const written_row& where,
                                    const publication& what, const delivery& how) = 0;
    /// Reads that begin once the mark is durable do not find it.
    virtual commit_mark row_done(std::uint64_t sequence, const written_row& where) = 0;
    /// Whether row_done() now would be one with what is written down now.
    [[nodiscard]] virtual bool may_replace(const written_row& where) const = 0;
    virtual void run_done(const stored_run& run) = 0;
    /// Rows from `first` up to, without, `end` go at once; forget_run() follows for their runs.
    virtual void rows_done(std::uint64_t first, std::uint64_t end) = 0;
    virtual void forget_run(const stored_run& run) = 0;
    /// Answered by outbound::on_page().
    virtual void read_rows(const row_range& range) = 0;
    /// The row gives way to a release. PUBREL may be sent once that is durable: else a crash would
    /// bring the message back to a client that has forgotten it.
    virtual commit_mark released(std::uint64_t sequence, const written_row& where,
                                 std::uint64_t release, packet_id id) = 0;
    virtual void release_done(std::uint64_t release) = 0;
    /// Numbers below `until` may be used from now on; after a crash those from there are. Rows
    /// before `sent_until` were sent.
    virtual void reserve(std::uint64_t until, std::uint64_t sent_until) = 0;
    /// A client is connected: from now on the oldest rows are in doubt. Sent at QoS 2 before that
    /// is durable, a row could come again after a crash as one that was never sent.
    virtual commit_mark sending_begins(std::uint64_t reserved_until) = 0;
    [[nodiscard]] virtual bool is_durable(commit_mark mark) const = 0;
    /// outbound::pump() is to be called when that is durable.
    virtual void wake_when(commit_mark mark) = 0;

  protected:
    ~outbound_log() = default;
};

/// What waits in all queues of a shard, and what is in flight from it.
struct queue_account {
    std::size_t bytes = 0;
    std::size_t messages = 0;
    std::size_t in_flight = 0;
};

} // namespace gv::session
