// SPDX-License-Identifier: Apache-2.0
// Retained messages of one shard's share of the topics. Rows are kept in tree order ('/' below
// every other byte, so that a topic is followed by all topics under it), which lets a replay stop
// anywhere and go on later from nothing but the topic it reached, whatever changed meanwhile.
// Beside its message a row takes about 30 bytes: its topic is the message's.
//
// In a cluster every node has all retained messages, and a removal, or what is left of a message
// that has expired, is kept as a row without payload, a *tombstone*, until every node has it
// (docs/cluster-protocol-retained.md). Rows are then listed by bucket too, which takes 4 to 8 bytes
// a row, and 100 KB a table; a tombstone takes about 100 bytes and its topic.
#pragma once

#include "base/message.hpp"
#include "base/retained.hpp"
#include "base/time.hpp"

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gv::router {

struct retained_options {
    std::size_t rows_max = std::numeric_limits<std::size_t>::max();
    std::size_t bytes_max = std::numeric_limits<std::size_t>::max(); ///< by message::weight()
    /// Removals remembered, so that an older message that comes late does not return. Larger:
    /// safe for longer with many removals. About 60 bytes each.
    std::size_t tombstones_max = 4'096;
    /// Told of each row that is erased, or replaced by a tombstone, otherwise than by put().
    /// Lifetime: valid during the call. May be empty.
    std::function<void(std::string_view topic, const message* tombstone)> on_aged{};
    /// Of the node, if it is a member of a cluster: its rows are compared with those of others.
    /// Null: tombstones are remembered only as above. Lifetime: outlives the table.
    retained_digest* digest = nullptr;
    /// Rows of other nodes are taken up to so many times the limits, which hold where a message is
    /// published.
    std::size_t peers_factor = 4;
    /// A row that peers have too and that has a later stamp was dated by a wrong clock: any other
    /// is newer, and peers are told that it is the oldest. Null: there is none. May change at any
    /// time. Lifetime: outlives the table.
    const hybrid_time* latest = nullptr;
};

/// The two clocks of one moment.
struct retained_clocks {
    time_point now;
    wall_time wall;
};

/// What one page of a replay may hold and cost. One row is given even if it is over `bytes_max`.
struct page_limits {
    std::size_t rows_max = 256;
    std::size_t bytes_max = 64u << 10; ///< by message::weight()
    /// Rows looked at, matching or not; each may cost a search. At least 2 are.
    std::size_t steps_max = 4'096;
};

/// A part of a replay.
struct retained_page {
    std::vector<message_ref> rows; ///< in tree order
    std::string resume_after;      ///< where the next page starts, if not done
    bool done = true;
};

enum class put_outcome : std::uint8_t {
    stored,
    replaced,
    removed,       ///< the payload was empty
    absent,        ///< the payload was empty, and nothing was there
    older_ignored, ///< what is there, or its removal, is newer
    over_limit,    ///< nothing changed
    known          ///< in a cluster: the same message, or removal, came before by another way
};

/// Whether something that outlives the process changed by it. Only in a cluster a removal of what
/// was not there is kept.
[[nodiscard]] constexpr bool is_change(put_outcome outcome, bool is_clustered) noexcept {
    return outcome == put_outcome::stored || outcome == put_outcome::replaced
           || outcome == put_outcome::removed || (outcome == put_outcome::absent && is_clustered);
}

/// A row of another node as it is kept here: by this process's clock, with RETAIN, and without
/// contents if it has expired. Lifetime: the views are those of the row.
[[nodiscard]] publication publication_of(const retained_row& row, const retained_clocks& at);

class retained_table {
  public:
    explicit retained_table(const retained_options& options = {});
    ~retained_table();
    retained_table(const retained_table&) = delete;
    retained_table& operator=(const retained_table&) = delete;

    /// Takes a message if it is its topic's newest, by stamp, then origin (of equals the later call
    /// wins; in a cluster the publisher decides, and what is the same is known). Keeps a copy,
    /// local to this shard, with RETAIN set. An empty payload removes.
    put_outcome put(const publication& what);
    /// The same without a copy: the row shares the message. Requires: its RETAIN is set.
    put_outcome put(const message_ref& what);

    /// As put(), of what was stored: a tombstone keeps the expiry of its message.
    put_outcome restore(const publication& what);

    // In a cluster.

    /// A row of another node, of which tombstones may be what is left of a message that expired.
    put_outcome put_row(const retained_row& row, const retained_clocks& at);
    /// Makes the row of an entry a tombstone, if it is still that version: somebody claims that it
    /// was removed. It goes when that claim is the table's. False if it is not there.
    bool drop(const retained_entry& dead);
    /// Versions of a range, at most `entries_max` of them.
    [[nodiscard]] retained_entries entries(const retained_range& of, std::size_t entries_max) const;
    /// What those who ask lack.
    [[nodiscard]] retained_answer answer(const retained_question& asked,
                                         const retained_clocks& at) const;
    /// From now on a message of an unknown topic whose stamp is in the claim is older than its
    /// removal, and tombstones up to its end are not kept. Those that are there go by
    /// collect_tombstones().
    void set_claim(const retained_claim& claim);
    [[nodiscard]] const retained_claim& claim() const noexcept;
    /// Erases tombstones that the claim makes needless, looking at no more than `visits_max`.
    /// Returns whether it has looked at all since set_claim().
    bool collect_tombstones(std::size_t visits_max, const retained_clocks& at);
    [[nodiscard]] std::size_t tombstones() const noexcept;
    [[nodiscard]] bool is_clustered() const noexcept;

    /// A page of the rows that match `filter` and come after the topic `after` in tree order; ""
    /// for the first page. Requires: a valid topic filter. Expired rows on the way are erased.
    [[nodiscard]] retained_page read(std::string_view filter, std::string_view after,
                                     const page_limits& limits, time_point now);

    /// The message of a topic unless it has expired; empty if there is none.
    [[nodiscard]] message_ref find(std::string_view topic, time_point now) const;

    /// Erases expired rows among the next `rows_max` rows of a round over the table; to be called
    /// now and then, since rows that nobody reads are not erased otherwise. Returns how many were.
    std::size_t expire(time_point now, std::size_t rows_max);

    /// Rows that have expired but were not erased yet are counted, tombstones are not.
    [[nodiscard]] std::size_t count() const noexcept;
    /// Of these, those that other nodes have too. Looks at each bucket.
    [[nodiscard]] std::size_t shared() const noexcept;
    [[nodiscard]] std::size_t bytes() const noexcept; ///< by message::weight()

    struct tables; ///< retained_rows.hpp

  private:
    std::unique_ptr<tables> tables_;
};

} // namespace gv::router
