// SPDX-License-Identifier: Apache-2.0
#include "cluster/route_index.hpp"

#include "base/assert.hpp"

#include <algorithm>

namespace gv::cluster {

namespace {
/// As many as fit into the bits of a row.
constexpr std::uint8_t pass_max = 127;
constexpr std::size_t sets_max = 65'536;
} // namespace

route_index::route_index() = default;

auto route_index::open(route_destination of) -> slot {
    auto free = std::ranges::find_if(sets_, [](const auto& set) { return !set->is_open; });
    if (free == sets_.end()) {
        BROKER_ASSERT(sets_.size() < sets_max, "more streams of routes than nodes can be");
        sets_.push_back(std::make_unique<row_set>());
        free = sets_.end() - 1;
    }
    **free = row_set{.of = of, .is_open = true};
    (*free)->first.fill(none);
    return static_cast<slot>(free - sets_.begin());
}

void route_index::close(slot which) {
    BROKER_ASSERT(at(which).rows == 0, "a set of routes is closed with rows in it");
    at(which).is_open = false;
}

std::string_view route_index::group_of(const row& each) const noexcept {
    return each.group == none ? std::string_view() : groups_[each.group].name.view();
}

route_value route_index::value_of(const row& each) const noexcept {
    route_value value{.quality = static_cast<std::uint8_t>(each.quality),
                      .no_local_only = each.no_local_only != 0};
    if (each.group != none) {
        value.online = groups_[each.group].online;
        value.total = groups_[each.group].total;
    }
    return value;
}

void route_index::set_value(row& each, const route_value& value) {
    each.quality = value.quality & 3u;
    each.no_local_only = value.no_local_only ? 1u : 0u;
    if (each.group != none) {
        groups_[each.group].online = value.online;
        groups_[each.group].total = value.total;
    }
}

auto route_index::find(std::uint32_t filter, slot in, std::string_view group) const -> row_index {
    row_index here = tree_[filter].first;
    while (here != none && (rows_[here].set != in || group_of(rows_[here]) != group)) {
        here = rows_[here].next_of_filter;
    }
    return here;
}

auto route_index::make(slot in, std::uint32_t filter, std::uint64_t hash, std::string_view group)
    -> row_index {
    const row_index made = rows_.make();
    row& each = rows_[made];
    row_set& set = at(in);
    each.filter = filter;
    each.set = in;
    each.bucket = bucket_of(hash) & 63u;
    if (!group.empty()) {
        each.group = groups_.make();
        groups_[each.group].name = small_text(group);
    }
    each.next_of_filter = std::exchange(tree_[filter].first, made);
    each.next = std::exchange(set.first[each.bucket], made);
    if (each.next != none) {
        rows_[each.next].previous = made;
    }
    ++set.rows;
    return made;
}

void route_index::put(slot into, const route_key& key, std::uint64_t hash, const route_value& value,
                      route_listener& listener) {
    row_set& set = at(into);
    const std::uint32_t filter = tree_.put(key.filter);
    row_index found = find(filter, into, key.group);
    const bool is_new = found == none;
    if (is_new) {
        found = make(into, filter, hash, key.group);
    } else if (is_fresh(rows_[found])) {
        set.digest.take_out(hash, value_of(rows_[found]));
    }
    row& each = rows_[found];
    const bool is_news = is_new || value_of(each) != value;
    set_value(each, value);
    each.pass = set.pass[each.bucket] & 127u;
    set.digest.add(hash, value);
    if (is_news && !set.is_hidden) {
        listener.filter_changed(key.filter);
    }
    if (is_news && set.of.kind == destination_kind::kept) {
        listener.kept_row_put(node_id{set.of.number}, key, value);
    }
}

void route_index::erase(slot from, const route_key& key, std::uint64_t hash,
                        route_listener& listener) {
    const std::uint32_t filter = tree_.place_of(key.filter);
    const row_index found = filter == tree_.nowhere ? none : find(filter, from, key.group);
    if (found == none) {
        return;
    }
    if (is_fresh(rows_[found])) {
        at(from).digest.take_out(hash, value_of(rows_[found]));
    }
    remove(found, key.filter, listener);
}

void route_index::unlink_from_filter(row_index gone) {
    row_index* link = &tree_[rows_[gone].filter].first;
    while (*link != gone) {
        link = &rows_[*link].next_of_filter;
    }
    *link = rows_[gone].next_of_filter;
}

void route_index::unlink_from_bucket(row_index gone) {
    const row& each = rows_[gone];
    if (each.next != none) {
        rows_[each.next].previous = each.previous;
    }
    if (each.previous != none) {
        rows_[each.previous].next = each.next;
    } else {
        sets_[each.set]->first[each.bucket] = each.next;
    }
}

void route_index::remove(row_index gone, std::string_view filter, route_listener& listener) {
    const row& each = rows_[gone];
    row_set& set = *sets_[each.set];
    if (set.of.kind == destination_kind::kept) {
        listener.kept_row_erased(node_id{set.of.number}, {filter, group_of(each)});
    }
    unlink_from_filter(gone);
    unlink_from_bucket(gone);
    if (tree_[each.filter].first == none) {
        tree_.erase_at(each.filter);
    }
    if (each.group != none) {
        groups_.drop(each.group);
    }
    rows_.drop(gone);
    --set.rows;
    if (!set.is_hidden) {
        listener.filter_changed(filter);
    }
}

void route_index::begin_pass(slot which, bucket_set buckets) {
    row_set& set = at(which);
    for (std::size_t bucket = 0; bucket < bucket_count; ++bucket) {
        if ((buckets & bit_of(bucket)) == 0) {
            continue;
        }
        if (set.pass[bucket] == pass_max) {
            forget_passes(which, bucket);
        }
        ++set.pass[bucket];
        set.digest.clear(bucket);
    }
}

/// All rows of the bucket are stale from pass 0.
void route_index::forget_passes(slot which, std::size_t bucket) {
    for (row_index here = at(which).first[bucket]; here != none; here = rows_[here].next) {
        rows_[here].pass = 0;
    }
    at(which).pass[bucket] = 0;
}

std::size_t route_index::sweep(slot which, std::size_t bucket, route_listener& listener) {
    std::size_t seen = 0;
    for (row_index here = at(which).first[bucket]; here != none; ++seen) {
        const row_index next = rows_[here].next;
        if (!is_fresh(rows_[here])) {
            remove(here, tree_.filter_of(rows_[here].filter), listener);
        }
        here = next;
    }
    return seen;
}

void route_index::show(slot which, visibility how, route_listener& listener) {
    const bool hide = how == visibility::hidden;
    if (at(which).is_hidden != hide) {
        at(which).is_hidden = hide;
        listener.all_changed();
    }
}

/// Puts together what hangs on the filters that match.
class route_index::matcher {
  public:
    matcher(const route_index& index, route_matches& into) : index_(index), into_(into) {
        into_.found.assign(index_.sets_.size(), none);
    }

    void add(const filter_rows& rows) {
        for (row_index here = rows.first; here != none; here = index_.rows_[here].next_of_filter) {
            const row& each = index_.rows_[here];
            const row_set& set = *index_.sets_[each.set];
            if (set.is_hidden) {
                continue;
            }
            each.group == none ? add_target(each, set) : add_to_group(each, set);
        }
    }

  private:
    void add_target(const row& each, const row_set& set) {
        std::uint32_t& found = into_.found[each.set];
        if (found == none) {
            found = static_cast<std::uint32_t>(into_.targets.size());
            into_.targets.push_back({.to = set.of,
                                     .quality = static_cast<std::uint8_t>(each.quality),
                                     .no_local_only = each.no_local_only != 0});
            if (set.of.kind == destination_kind::partition) {
                into_.partitions.set(set.of.number);
            }
            return;
        }
        route_target& target = into_.targets[found];
        target.quality = std::max(target.quality, static_cast<std::uint8_t>(each.quality));
        target.no_local_only = target.no_local_only && each.no_local_only != 0;
    }

    /// The rows of one filter come together, so the groups of this filter are at the end.
    void add_to_group(const row& each, const row_set& set) {
        const std::string_view name = index_.group_of(each);
        if (each.filter != filter_) {
            filter_ = each.filter;
            first_of_filter_ = into_.groups.size();
        }
        auto found = into_.groups.begin() + static_cast<std::ptrdiff_t>(first_of_filter_);
        while (found != into_.groups.end() && found->name != name) {
            ++found;
        }
        if (found == into_.groups.end()) {
            into_.groups.push_back(
                {.name = std::string(name), .filter = index_.tree_.filter_of(filter_)});
            found = into_.groups.end() - 1;
        }
        found->places.push_back({.at = set.of, .value = index_.value_of(each)});
    }

    const route_index& index_;
    route_matches& into_;
    std::uint32_t filter_ = none;
    std::size_t first_of_filter_ = 0;
};

void route_index::match(std::string_view topic, route_matches& into) const {
    into.targets.clear();
    into.partitions.reset();
    into.groups.clear();
    matcher found(*this, into);
    tree_.match(topic, into.walk, [&found](const filter_rows& rows) { found.add(rows); });
}

} // namespace gv::cluster
