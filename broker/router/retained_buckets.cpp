// SPDX-License-Identifier: Apache-2.0
// Rows as other nodes see them: by bucket, in the order of the hashes of their topics.
#include "broker/router/retained_rows.hpp"

#include <algorithm>
#include <utility>

namespace gv::router {

namespace {

using row_index = row_slab::index;

struct placed_row {
    std::uint64_t topic_hash;
    row_index row;
};

/// In order. Sorted anew each time: a bucket has one row in 4,096, and is read only if it differs.
std::vector<placed_row> rows_of(const retained_range& of, const std::vector<row_index>& bucket,
                                const row_slab& rows) {
    std::vector<placed_row> found;
    for (const row_index row : bucket) {
        const std::uint64_t hash = retained_topic_hash(rows[row]->topic());
        if (of.has(hash)) {
            found.push_back({hash, row});
        }
    }
    std::ranges::sort(found, {}, &placed_row::topic_hash);
    return found;
}

/// A peer may have said anything.
constexpr auto left_max = std::chrono::hours(24 * 365 * 100);

/// Rows and entries of one answer, until it is full.
class answer_builder {
  public:
    answer_builder(const retained_question& asked, const retained_table::tables& here,
                   const retained_clocks& at)
        : asked_(asked), here_(here), rows_(here.rows), at_(at), next_known_(asked.known.begin()) {
        made_.until = asked.of.until;
    }

    retained_answer build(const std::vector<placed_row>& placed) {
        for (const placed_row& each : placed) {
            while (has_known() && next_known_->topic_hash < each.topic_hash) {
                bury_next();
            }
            if (is_wanted(each) && !take(each)) {
                made_.until = each.topic_hash - 1;
                return std::move(made_);
            }
        }
        while (has_known()) {
            bury_next();
        }
        return std::move(made_);
    }

  private:
    [[nodiscard]] bool has_known() const { return next_known_ != asked_.known.end(); }
    /// Of what they know, the next is not here, unless it is the one that was just passed.
    void bury_next() {
        const retained_entry& next = *next_known_++;
        if (next.topic_hash != passed_ && asked_.of.has(next.topic_hash)
            && asked_.ours.denies(next.version.stamp)) {
            made_.dead.push_back(next);
        }
    }
    [[nodiscard]] bool is_wanted(const placed_row& each) {
        passed_ = each.topic_hash;
        const retained_version mine = retained_version_of(rows_[each.row]->header());
        if (!here_.believes(mine.stamp)) {
            return false; // nor would they
        }
        if (has_known() && next_known_->topic_hash == each.topic_hash) {
            return next_known_->version < mine;
        }
        return !asked_.theirs.denies(mine.stamp);
    }
    /// False if the answer is full. Never between two rows of the same place.
    [[nodiscard]] bool take(const placed_row& each) {
        const message_ref& row = rows_[each.row];
        const bool is_full =
            made_.rows.size() >= asked_.rows_max || bytes_ + row->weight() > asked_.bytes_max;
        if (!made_.rows.empty() && is_full && each.topic_hash != last_taken_) {
            return false;
        }
        last_taken_ = each.topic_hash;
        bytes_ += row->weight();
        made_.rows.push_back(
            {.what = row->is_shared() ? row : message::copy_of(row->view(), message::reach::shared),
             .expires = expires_on_the_wall(row->header().expires)});
        return true;
    }
    [[nodiscard]] wall_time expires_on_the_wall(time_point expires) const {
        return expires == never
                   ? never_expires
                   : at_.wall + std::chrono::duration_cast<wall_time::duration>(expires - at_.now);
    }

    const retained_question& asked_;
    const retained_table::tables& here_;
    const row_slab& rows_;
    retained_clocks at_;
    std::vector<retained_entry>::const_iterator next_known_;
    retained_answer made_;
    std::size_t bytes_ = 0;
    std::uint64_t passed_ = 0;
    std::uint64_t last_taken_ = 0;
};

} // namespace

publication publication_of(const retained_row& row, const retained_clocks& at) {
    publication what = row.what->view();
    what.header.retain = true;
    what.header.expires = never;
    if (row.expires != never_expires) {
        const auto expires = std::clamp(row.expires, at.wall - left_max, at.wall + left_max);
        what.header.expires = at.now + std::chrono::duration_cast<duration>(expires - at.wall);
    }
    if (row.expires <= at.wall) {
        what.payload = {};
        what.properties = {};
    }
    return what;
}

hybrid_time death_of(const envelope& header, const retained_clocks& at) {
    if (header.expires == never) {
        return header.stamp;
    }
    const auto wall =
        at.wall + std::chrono::duration_cast<wall_time::duration>(header.expires - at.now);
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(wall.time_since_epoch()).count();
    return std::max(header.stamp,
                    hybrid_time{static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 0)) << 16});
}

retained_entries retained_table::entries(const retained_range& of, std::size_t entries_max) const {
    const tables& here = *tables_;
    retained_entries found{.entries = {}, .until = of.until};
    for (const placed_row& each : rows_of(of, here.buckets[of.bucket.value], here.rows)) {
        if (found.entries.size() >= entries_max
            && found.entries.back().topic_hash != each.topic_hash) {
            found.until = each.topic_hash - 1;
            break;
        }
        const retained_version version = retained_version_of(here.rows[each.row]->header());
        found.entries.push_back(
            {each.topic_hash, here.believes(version.stamp) ? version : retained_version{}});
    }
    std::ranges::sort(found.entries); // also two topics of one hash
    return found;
}

retained_answer retained_table::answer(const retained_question& asked,
                                       const retained_clocks& at) const {
    const tables& here = *tables_;
    return answer_builder(asked, here, at)
        .build(rows_of(asked.of, here.buckets[asked.of.bucket.value], here.rows));
}

bool retained_table::drop(const retained_entry& dead) {
    tables& here = *tables_;
    for (const row_index row : here.buckets[retained_bucket_of(dead.topic_hash).value]) {
        if (entry_of(*here.rows[row]) == dead && !is_tombstone(*here.rows[row])) {
            here.expire(row);
            return true;
        }
    }
    return false;
}

void retained_table::set_claim(const retained_claim& claim) {
    tables_->claim = claim;
    tables_->graves.rewind();
}

const retained_claim& retained_table::claim() const noexcept { return tables_->claim; }

bool retained_table::collect_tombstones(std::size_t visits_max, const retained_clocks& at) {
    tables& here = *tables_;
    return here.graves.visit(visits_max, [&](row_index row) {
        const message_ref& each = here.rows[row];
        if (!each || !is_tombstone(*each)) {
            return false;
        }
        if (death_of(each->header(), at) > here.claim.to) {
            return true;
        }
        here.age(row);
        return false;
    });
}

} // namespace gv::router
