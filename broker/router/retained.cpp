// SPDX-License-Identifier: Apache-2.0
// What is kept and what is not; reading is in retained_read.cpp, the comparison with other nodes in
// retained_buckets.cpp.
#include "broker/router/retained.hpp"

#include "broker/router/retained_rows.hpp"

#include <algorithm>
#include <utility>

namespace gv::router {

namespace {

using order_of = retained_table::tables::order_of;

index_key key_of(std::string_view topic) noexcept {
    return {static_cast<std::uint32_t>(table_hash(topic)), topic};
}

/// What is left of a message: its topic and its version.
message_ref tombstone_of(const publication& what) {
    publication left{.header = what.header, .topic = what.topic};
    left.header.retain = true;
    return message::copy_of(left, message::reach::local);
}

std::size_t times(std::size_t limit, std::size_t factor) noexcept {
    return limit > std::numeric_limits<std::size_t>::max() / factor ? limit : limit * factor;
}

template <typename T>
order_of compare(const T& given, const T& known) noexcept {
    return given < known ? order_of::older : given == known ? order_of::same : order_of::newer;
}

message_ref copy_with_retain(const publication& what) {
    publication kept = what;
    kept.header.retain = true;
    return message::copy_of(kept, message::reach::local);
}

} // namespace

// --- rows

retained_table::tables::tables(const retained_options& given)
    : options(given), index(0, index_hasher{}, index_equal{{&rows}}), order({&rows}),
      removals(given.tombstones_max),
      buckets(given.digest == nullptr ? std::size_t{0} : retained_bucket_count) {}

auto retained_table::tables::find(std::string_view topic) const -> std::optional<row_index> {
    const auto found = index.find(key_of(topic));
    return found == index.end() ? std::nullopt : std::optional(found->row);
}

void retained_table::tables::count_in(const message& added) noexcept {
    if (is_tombstone(added)) {
        ++tombstone_count;
        return;
    }
    bytes += added.weight();
    expiring += added.header().expires == never ? 0 : 1;
}

void retained_table::tables::count_out(const message& gone) noexcept {
    if (is_tombstone(gone)) {
        --tombstone_count;
        return;
    }
    bytes -= gone.weight();
    expiring -= gone.header().expires == never ? 0 : 1;
}

void retained_table::tables::toggle(const message& row) noexcept {
    if (is_shared(row.topic())) {
        options.digest->toggle(entry_of(row));
    }
}

void retained_table::tables::set(std::optional<row_index> known, message_ref to) {
    known ? replace(*known, std::move(to)) : insert(std::move(to));
}

void retained_table::tables::insert(message_ref added) {
    const std::string_view topic = added->topic();
    count_in(*added);
    toggle(*added);
    const bool is_grave = is_tombstone(*added);
    const row_index row = rows.make();
    rows[row] = std::move(added);
    index.insert(index_entry{key_of(topic).hash, row});
    is_grave ? graves.add(row) : order.insert(topic, row);
    if (is_shared(topic)) {
        buckets[retained_bucket_of(retained_topic_hash(topic)).value].push_back(row);
    }
}

void retained_table::tables::replace(row_index row, message_ref by) {
    message_ref& at = rows[row];
    const bool was_grave = is_tombstone(*at);
    const bool is_grave = is_tombstone(*by);
    count_out(*at);
    toggle(*at);
    count_in(*by);
    toggle(*by);
    if (is_grave && !was_grave) {
        order.erase(at->topic());
        graves.add(row);
    }
    at = std::move(by);
    if (was_grave && !is_grave) {
        order.insert(at->topic(), row);
    }
}

void retained_table::tables::erase(row_index row) {
    const message_ref gone = rows[row]; // its topic is needed to the end
    count_out(*gone);
    toggle(*gone);
    if (!is_tombstone(*gone)) {
        order.erase(gone->topic());
    }
    if (is_shared(gone->topic())) {
        auto& listed = buckets[retained_bucket_of(retained_topic_hash(gone->topic())).value];
        *std::ranges::find(listed, row) = listed.back();
        listed.pop_back();
    }
    index.erase(index.find(key_of(gone->topic())));
    rows.drop(row);
}

/// Other nodes need not notice at the same time: what is left counts as the same row.
void retained_table::tables::expire(row_index row) {
    if (!is_shared(rows[row]->topic())) {
        age(row);
        return;
    }
    replace(row, tombstone_of(rows[row]->view()));
    if (options.on_aged) {
        options.on_aged(rows[row]->topic(), &*rows[row]);
    }
}

void retained_table::tables::age(row_index row) {
    if (options.on_aged) {
        options.on_aged(rows[row]->topic(), nullptr);
    }
    erase(row);
}

// --- what comes

auto retained_table::tables::judge(const publication& what, std::optional<row_index> known) const
    -> order_of {
    if (!is_shared(what.topic)) {
        const version given = order_of_stamp(what.header);
        const bool is_older = known ? given < order_of_stamp(rows[*known]->header())
                                    : removals.forbid(what.topic, given);
        return is_older ? order_of::older : order_of::newer;
    }
    if (known) {
        const retained_version given = retained_version_of(what.header);
        const retained_version there = retained_version_of(rows[*known]->header());
        const bool is_believed = believes(given.stamp);
        if (is_believed != believes(there.stamp)) {
            return is_believed ? order_of::newer : order_of::older;
        }
        return compare(given, there);
    }
    return claim.denies(what.header.stamp) ? order_of::older : order_of::newer;
}

bool retained_table::tables::has_room(const publication& what, std::optional<row_index> known,
                                      std::size_t factor) const noexcept {
    const bool adds = !known || is_tombstone(*rows[*known]);
    const std::size_t others = bytes - (adds ? 0 : rows[*known]->weight());
    const bool is_full = adds && rows.size() - tombstone_count >= times(options.rows_max, factor);
    return !is_full && others + what.weight() <= times(options.bytes_max, factor);
}

/// `death`: when what is there without payload can be needless at the earliest.
template <typename Keep>
put_outcome retained_table::tables::put(const publication& what, std::size_t factor,
                                        hybrid_time death, Keep keep) {
    const std::optional<row_index> known = find(what.topic);
    switch (judge(what, known)) {
    case order_of::older:
        return put_outcome::older_ignored;
    case order_of::same:
        return put_outcome::known;
    case order_of::newer:
        break;
    }
    if (what.payload.empty()) {
        return remove(what, death, known);
    }
    if (!has_room(what, known, factor)) {
        return put_outcome::over_limit;
    }
    const bool is_there = known && !is_tombstone(*rows[*known]);
    set(known, keep());
    return is_there ? put_outcome::replaced : put_outcome::stored;
}

put_outcome retained_table::tables::remove(const publication& what, hybrid_time death,
                                           std::optional<row_index> known) {
    const bool is_there = known && !is_tombstone(*rows[*known]);
    if (!is_shared(what.topic)) {
        removals.add(what.topic, order_of_stamp(what.header));
    }
    if (is_shared(what.topic) && death > claim.to) {
        set(known, tombstone_of(what));
    } else if (known) {
        erase(*known);
    }
    return is_there ? put_outcome::removed : put_outcome::absent;
}

// --- the front door

retained_table::retained_table(const retained_options& options)
    : tables_(std::make_unique<tables>(options)) {}

retained_table::~retained_table() = default;

std::size_t retained_table::count() const noexcept {
    return tables_->rows.size() - tables_->tombstone_count;
}
std::size_t retained_table::shared() const noexcept {
    std::size_t listed = 0;
    for (const auto& each : tables_->buckets) {
        listed += each.size();
    }
    return listed - std::min(listed, tables_->tombstone_count);
}
std::size_t retained_table::bytes() const noexcept { return tables_->bytes; }
std::size_t retained_table::tombstones() const noexcept { return tables_->tombstone_count; }
bool retained_table::is_clustered() const noexcept { return tables_->options.digest != nullptr; }

put_outcome retained_table::put(const publication& what) {
    if (what.payload.empty()) {
        publication removal = what; // it does not expire
        removal.header.expires = never;
        return tables_->put(removal, 1, removal.header.stamp, [] { return message_ref(); });
    }
    return tables_->put(what, 1, what.header.stamp, [&what] { return copy_with_retain(what); });
}

put_outcome retained_table::put(const message_ref& what) {
    if (what->payload().empty()) {
        return put(what->view());
    }
    return tables_->put(what->view(), 1, what->header().stamp, [&what] { return what; });
}

put_outcome retained_table::restore(const publication& what) {
    const hybrid_time late{std::numeric_limits<std::uint64_t>::max()}; // is looked at again
    const std::size_t factor = is_clustered() ? tables_->options.peers_factor : 1;
    return tables_->put(what, factor, late, [&what] { return copy_with_retain(what); });
}

put_outcome retained_table::put_row(const retained_row& row, const retained_clocks& at) {
    const publication what = publication_of(row, at);
    const envelope& given = row.what->header();
    const bool is_shareable = row.what->is_shared() && given.retain
                              && what.header.expires == given.expires
                              && what.payload.size() == row.what->payload().size();
    return tables_->put(what, tables_->options.peers_factor, death_of(what.header, at), [&] {
        return is_shareable ? row.what : message::copy_of(what, message::reach::local);
    });
}

message_ref retained_table::find(std::string_view topic, time_point now) const {
    const auto found = tables_->find(topic);
    if (!found) {
        return {};
    }
    const message_ref& row = tables_->rows[*found];
    return is_tombstone(*row) || has_expired(*row, now) ? message_ref() : row;
}

std::size_t retained_table::expire(time_point now, std::size_t rows_max) {
    tables& here = *tables_;
    if (here.expiring == 0) {
        return 0;
    }
    std::size_t expired = 0;
    for (std::size_t looked = std::min<std::size_t>(rows_max, here.rows.end()); looked > 0;
         --looked) {
        here.swept_to = here.swept_to < here.rows.end() ? here.swept_to : 0;
        const row_slab::index row = here.swept_to++;
        const message_ref& at = here.rows[row];
        if (at && !is_tombstone(*at) && has_expired(*at, now)) {
            here.expire(row);
            ++expired;
        }
    }
    return expired;
}

} // namespace gv::router
