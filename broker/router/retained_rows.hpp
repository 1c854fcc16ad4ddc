// SPDX-License-Identifier: Apache-2.0
// What a retained_table consists of; for its sources only.
#pragma once

#include "base/slab.hpp"
#include "broker/router/ordered_rows.hpp"
#include "broker/router/removals.hpp"
#include "broker/router/retained.hpp"

#include <boost/unordered/unordered_flat_set.hpp>

#include <optional>
#include <vector>

namespace gv::router {

using row_slab = slab<message_ref>;

struct topic_of_row {
    const row_slab* rows;
    std::string_view operator()(std::uint32_t row) const noexcept { return (*rows)[row]->topic(); }
};

/// Entry of the hash index: the hash is kept beside, so that growing touches no message.
struct index_entry {
    std::uint32_t hash;
    std::uint32_t row;
};
struct index_key {
    std::uint32_t hash;
    std::string_view topic;
};
struct index_hasher {
    using is_transparent = void;
    std::size_t operator()(const index_entry& entry) const noexcept { return entry.hash; }
    std::size_t operator()(const index_key& key) const noexcept { return key.hash; }
};
struct index_equal {
    using is_transparent = void;
    topic_of_row topic_of;
    bool operator()(const index_key& a, const index_entry& b) const noexcept {
        return a.hash == b.hash && a.topic == topic_of(b.row);
    }
    bool operator()(const index_entry& a, const index_key& b) const noexcept {
        return (*this)(b, a);
    }
    bool operator()(const index_entry& a, const index_entry& b) const noexcept {
        return a.row == b.row;
    }
};

/// Rows without payload. Which of them are still there is found out when they are looked at.
class grave_list {
  public:
    void add(row_slab::index row);
    /// Calls `look` with up to `visits_max` rows, each once since rewind(); those for which it is
    /// false are forgotten. Returns whether there are no others.
    template <typename Look>
    bool visit(std::size_t visits_max, Look&& look);
    void rewind() noexcept { next_ = 0; }

  private:
    std::vector<row_slab::index> rows_;
    std::vector<bool> is_listed_; ///< by row
    std::size_t next_ = 0;
};

inline void grave_list::add(row_slab::index row) {
    if (is_listed_.size() <= row) {
        is_listed_.resize(std::size_t{row} + 1);
    }
    if (!is_listed_[row]) {
        is_listed_[row] = true;
        rows_.push_back(row);
    }
}

template <typename Look>
bool grave_list::visit(std::size_t visits_max, Look&& look) {
    for (; visits_max > 0 && next_ < rows_.size(); --visits_max) {
        const row_slab::index row = rows_[next_];
        if (look(row)) {
            ++next_;
        } else {
            is_listed_[row] = false;
            rows_[next_] = rows_.back();
            rows_.pop_back();
        }
    }
    return next_ >= rows_.size();
}

struct retained_table::tables {
    using row_index = row_slab::index;

    explicit tables(const retained_options& given);

    [[nodiscard]] std::optional<row_index> find(std::string_view topic) const;
    /// Whether it is compared with other nodes.
    [[nodiscard]] bool is_shared(std::string_view topic) const noexcept {
        return options.digest != nullptr && is_retained_everywhere(topic);
    }

    [[nodiscard]] bool believes(hybrid_time stamp) const noexcept {
        return options.latest == nullptr || stamp <= *options.latest;
    }

    /// How what is given compares with what is there.
    enum class order_of { older, same, newer };
    [[nodiscard]] order_of judge(const publication& what, std::optional<row_index> known) const;
    [[nodiscard]] bool has_room(const publication& what, std::optional<row_index> known,
                                std::size_t factor) const noexcept;
    template <typename Keep>
    put_outcome put(const publication& what, std::size_t factor, hybrid_time death, Keep keep);
    put_outcome remove(const publication& what, hybrid_time death, std::optional<row_index> known);

    void set(std::optional<row_index> known, message_ref to);
    void insert(message_ref added);
    void replace(row_index row, message_ref by);
    void erase(row_index row);
    void expire(row_index row);
    void age(row_index row);
    void count_in(const message& added) noexcept;
    void count_out(const message& gone) noexcept;
    void toggle(const message& row) noexcept;

    retained_options options;
    row_slab rows;
    boost::unordered_flat_set<index_entry, index_hasher, index_equal> index;
    ordered_rows<topic_of_row> order; ///< without tombstones
    removal_memory removals;          ///< of what is not shared
    std::size_t bytes = 0;            ///< tombstones aside
    std::size_t expiring = 0;         ///< rows that expire some time, tombstones aside
    row_index swept_to = 0;           ///< by expire()
    // In a cluster.
    std::vector<std::vector<row_index>> buckets;
    grave_list graves;
    std::size_t tombstone_count = 0;
    retained_claim claim;
};

[[nodiscard]] inline bool is_tombstone(const message& row) noexcept {
    return row.payload().empty();
}

[[nodiscard]] inline bool has_expired(const message& row, time_point now) noexcept {
    return row.header().expires <= now;
}

[[nodiscard]] inline retained_entry entry_of(const message& row) noexcept {
    return {.topic_hash = retained_topic_hash(row.topic()),
            .version = retained_version_of(row.header())};
}

/// From when on a tombstone says nothing that a claim does not: its stamp, or when the message
/// whose place it has expired.
[[nodiscard]] hybrid_time death_of(const envelope& header, const retained_clocks& at);

} // namespace gv::router
