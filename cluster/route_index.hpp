// SPDX-License-Identifier: Apache-2.0
// What all other nodes want: for each filter the destinations, with all that was told of each. The
// rows of one destination are its *set*, which has a digest of its own, and is brought in line with
// the owner's by passes:
//
//   begin_pass(buckets)   the rows of these buckets become stale: they still match, but do not
//                         count in the digest
//   put, erase            a row that is put is fresh
//   sweep(bucket)         what is still stale goes
//
// So nothing that stays wanted is ever missing in between: that is how an heir's rows replace those
// of the generation before without a second copy of them.
//
// Memory: 24 bytes a row, and for each filter a node of the tree (48 bytes, about 14 for the table,
// a level over 12 bytes in a block of its own).
#pragma once

#include "base/slab.hpp"
#include "base/small_text.hpp"
#include "base/topic_tree.hpp"
#include "cluster/route_digest.hpp"

#include <bitset>
#include <memory>
#include <string>
#include <vector>

namespace gv::cluster {

/// Whoever remembers what topics matched.
class route_listener {
  public:
    route_listener() = default;
    route_listener(const route_listener&) = delete;
    route_listener& operator=(const route_listener&) = delete;
    virtual ~route_listener() = default;
    /// The answer may differ for every topic that this filter matches.
    virtual void filter_changed(std::string_view filter) = 0;
    /// The answer may differ for any topic.
    virtual void all_changed() = 0;
    /// A row of the kept sessions of that node is new, or has another value; or it is there no
    /// more. What is told so, in order, makes at any time what the index has of them.
    virtual void kept_row_put(node_id, const route_key&, const route_value&) {}
    virtual void kept_row_erased(node_id, const route_key&) {}
};

/// A destination of a topic, over all filters that match. Shared groups are not in it.
struct route_target {
    route_destination to;
    std::uint8_t quality = 0;   ///< highest of all
    bool no_local_only = false; ///< of all
};

/// A shared group of which one member, at one of these destinations, takes the message.
struct matched_group {
    struct place {
        route_destination at;
        route_value value;
    };
    std::string name;
    std::string filter;
    std::vector<place> places;
};

struct route_matches {
    std::vector<route_target> targets;
    std::bitset<partition_count> partitions; ///< those among the targets
    std::vector<matched_group> groups;

    // What match() works with; worth keeping for its memory.
    topic_walk walk;
    std::vector<std::uint32_t> found; ///< for each set, which of the targets it is
};

class route_index {
  public:
    /// Names a set.
    using slot = std::uint16_t;

    route_index();

    [[nodiscard]] slot open(route_destination of);
    /// Requires: the set has no rows.
    void close(slot which);

    /// Requires: a valid filter, and its hash.
    void put(slot into, const route_key& key, std::uint64_t hash, const route_value& value,
             route_listener& listener);
    /// Takes the row out, fresh or stale, if it is there.
    void erase(slot from, const route_key& key, std::uint64_t hash, route_listener& listener);

    void begin_pass(slot which, bucket_set buckets);
    /// Returns how many rows it has looked at.
    std::size_t sweep(slot which, std::size_t bucket, route_listener& listener);

    enum class visibility : std::uint8_t { shown, hidden };
    /// Rows of a hidden set match nothing, and are kept.
    void show(slot which, visibility how, route_listener& listener);
    [[nodiscard]] bool is_hidden(slot which) const noexcept { return at(which).is_hidden; }

    /// Of the fresh rows.
    [[nodiscard]] const route_digest& digest(slot which) const noexcept { return at(which).digest; }
    /// Rows of one set, and of all, stale ones included.
    [[nodiscard]] std::size_t size(slot which) const noexcept { return at(which).rows; }
    [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
    [[nodiscard]] std::size_t filters() const noexcept { return tree_.size(); }

    /// Requires: a valid topic name. Thread: any number at a time, while nothing is changed.
    void match(std::string_view topic, route_matches& into) const;

    /// Calls `visit(key, value)` for each row of a set, stale ones included.
    template <typename Visit>
    void for_each(slot which, Visit&& visit) const {
        for (const row_index first : at(which).first) {
            for (row_index here = first; here != none; here = rows_[here].next) {
                const std::string filter = tree_.filter_of(rows_[here].filter);
                visit(route_key{filter, group_of(rows_[here])}, value_of(rows_[here]));
            }
        }
    }

  private:
    using row_index = std::uint32_t;
    static constexpr row_index none = 0xffff'ffff;

    /// On two lists: of its filter, and of its bucket in its set.
    struct row {
        std::uint32_t filter = 0; ///< place in the tree
        row_index next_of_filter = none;
        row_index previous = none;
        row_index next = none;
        std::uint32_t group = none;
        std::uint32_t set : 16 = 0;
        std::uint32_t bucket : 6 = 0;
        std::uint32_t pass : 7 = 0; ///< fresh if it is that of its bucket
        std::uint32_t quality : 2 = 0;
        std::uint32_t no_local_only : 1 = 0;
    };
    struct group_row {
        small_text name;
        std::uint32_t online = 0;
        std::uint32_t total = 0;
    };
    struct row_set {
        route_destination of;
        route_digest digest;
        std::array<row_index, bucket_count> first{};
        std::array<std::uint8_t, bucket_count> pass{};
        std::size_t rows = 0;
        bool is_hidden = false;
        bool is_open = false;
    };
    struct filter_rows {
        row_index first = none;
    };
    class matcher;

    [[nodiscard]] row_set& at(slot which) noexcept { return *sets_[which]; }
    [[nodiscard]] const row_set& at(slot which) const noexcept { return *sets_[which]; }
    [[nodiscard]] bool is_fresh(const row& each) const noexcept {
        return each.pass == sets_[each.set]->pass[each.bucket];
    }
    [[nodiscard]] std::string_view group_of(const row& each) const noexcept;
    [[nodiscard]] route_value value_of(const row& each) const noexcept;
    void set_value(row& each, const route_value& value);
    [[nodiscard]] row_index find(std::uint32_t filter, slot in, std::string_view group) const;
    row_index make(slot in, std::uint32_t filter, std::uint64_t hash, std::string_view group);
    void unlink_from_filter(row_index gone);
    void unlink_from_bucket(row_index gone);
    void remove(row_index gone, std::string_view filter, route_listener& listener);
    void forget_passes(slot which, std::size_t bucket);

    topic_tree<filter_rows> tree_;
    slab<row> rows_;
    slab<group_row> groups_;
    std::vector<std::unique_ptr<row_set>> sets_;
};

} // namespace gv::cluster
