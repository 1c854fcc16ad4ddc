// SPDX-License-Identifier: Apache-2.0
// Retained messages of one shard's share of the topics. Rows are kept in tree order ('/' below
// every other byte, so that a topic is followed by all topics under it), which lets a replay stop
// anywhere and go on later from nothing but the topic it reached, whatever changed meanwhile.
// Beside its message a row takes about 30 bytes: its topic is the message's.
#pragma once

#include "base/message.hpp"
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
    /// Told of each expired row that is erased. Lifetime: valid during the call. May be empty.
    std::function<void(std::string_view topic)> on_expired{};
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
    over_limit     ///< nothing changed
};

class retained_table {
  public:
    explicit retained_table(const retained_options& options = {});
    ~retained_table();
    retained_table(const retained_table&) = delete;
    retained_table& operator=(const retained_table&) = delete;

    /// Takes a message if it is its topic's newest, by stamp, then origin (of equals the later call
    /// wins). Keeps a copy, local to this shard, with RETAIN set. An empty payload removes.
    put_outcome put(const publication& what);
    /// The same without a copy: the row shares the message. Requires: its RETAIN is set.
    put_outcome put(const message_ref& what);

    /// A page of the rows that match `filter` and come after the topic `after` in tree order; ""
    /// for the first page. Requires: a valid topic filter. Expired rows on the way are erased.
    [[nodiscard]] retained_page read(std::string_view filter, std::string_view after,
                                     const page_limits& limits, time_point now);

    /// The message of a topic unless it has expired; empty if there is none.
    [[nodiscard]] message_ref find(std::string_view topic, time_point now) const;

    /// Erases expired rows among the next `rows_max` rows of a round over the table; to be called
    /// now and then, since rows that nobody reads are not erased otherwise. Returns how many were.
    std::size_t expire(time_point now, std::size_t rows_max);

    /// Rows that have expired but were not erased yet are counted.
    [[nodiscard]] std::size_t count() const noexcept;
    [[nodiscard]] std::size_t bytes() const noexcept; ///< by message::weight()

  private:
    struct tables;
    template <typename Keep>
    put_outcome put(const publication& what, Keep keep);
    std::unique_ptr<tables> tables_;
};

} // namespace gv::router
