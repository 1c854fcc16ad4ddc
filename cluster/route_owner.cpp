// SPDX-License-Identifier: Apache-2.0
#include "cluster/route_owner.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <utility>

namespace gv::cluster {

namespace {

bool is_group(const route_value& value) noexcept { return value.total > 0; }

/// A group that nobody takes for any more: what comes meanwhile would be lost, not just for
/// nothing.
bool goes_offline(const route_value& told, const route_value& wanted) noexcept {
    return is_group(told) && wanted.online == 0 && (told.online > 0 || wanted.total == 0);
}

/// The least that keeps every promise of both.
route_value widest(const route_value& told, const route_value& wanted) noexcept {
    route_value both = wanted;
    both.quality = std::max(told.quality, wanted.quality);
    both.no_local_only = told.no_local_only && wanted.no_local_only;
    const bool comes_online = told.online == 0 && wanted.online > 0;
    if (is_group(told) && !comes_online) {
        both.online = told.online;
        both.total = told.total;
    }
    return both;
}

} // namespace

route_owner::route_owner(route_destination stream, route_generation of,
                         const route_owner_options& options)
    : stream_(stream), generation_(of), options_(options), by_key_(0, hasher{this}, equal{this}),
      ring_(options.ring) {}

void route_owner::start() {
    BROKER_ASSERT(!is_serving(), "a stream of routes is started once");
    seq_ = 1;
    ring_.start_after(seq_);
    for (index at = 0; at < rows_.end(); ++at) {
        rows_[at].widened = rows_[at].is_told ? seq_ : 0;
    }
}

bool route_owner::equal::operator()(const lookup& a, index b) const noexcept {
    const row& at = self->rows_[b];
    const route_key key = key_of(at);
    return a.hash == at.hash && a.key.filter == key.filter && a.key.group == key.group;
}

route_key route_owner::key_of(const row& of) noexcept {
    const std::string_view text = of.text.view();
    return {.filter = text.substr(0, of.filter_size), .group = text.substr(of.filter_size)};
}

std::uint32_t route_owner::total_of(const row& of) noexcept {
    return of.by_quality[0] + of.by_quality[1] + of.by_quality[2];
}

route_value route_owner::value_of(const row& of) noexcept {
    const std::uint32_t total = total_of(of);
    const bool has_group = of.text.view().size() > of.filter_size;
    return {.quality = static_cast<std::uint8_t>(of.by_quality[2] > 0   ? 2
                                                 : of.by_quality[1] > 0 ? 1
                                                                        : 0),
            .no_local_only = !has_group && total > 0 && of.no_local == total,
            .online = has_group ? of.online : 0,
            .total = has_group ? total : 0};
}

auto route_owner::find(const route_key& key) const -> index {
    const auto found = by_key_.find(lookup{key, hash_of(key)});
    return found == by_key_.end() ? none : *found;
}

bool route_owner::has(const route_key& key) const {
    const index found = find(key);
    return found != none && total_of(rows_[found]) > 0;
}

auto route_owner::find_or_make(const route_key& key) -> index {
    if (const index found = find(key); found != none) {
        return found;
    }
    const index made = rows_.make();
    std::string text(key.filter);
    text += key.group;
    rows_[made].text = small_text(text);
    rows_[made].filter_size = static_cast<std::uint32_t>(key.filter.size());
    rows_[made].hash = hash_of(key);
    by_key_.insert(made);
    return made;
}

result<route_seq, route_fault> route_owner::add(const route_subscription& what, time_point now) {
    if (const auto fine = check(what.key, options_.limits); !fine) {
        return failure(fine.error());
    }
    if (what.quality > 2) {
        return failure(route_fault::value_invalid);
    }
    if (rows_.size() >= options_.limits.rows_max && find(what.key) == none) {
        return failure(route_fault::too_many_rows);
    }
    const index at = find_or_make(what.key);
    ++rows_[at].by_quality[what.quality];
    rows_[at].no_local += what.no_local ? 1 : 0;
    rows_[at].online += what.is_online ? 1 : 0;
    settle(at, now);
    return rows_[at].widened;
}

void route_owner::remove(const route_subscription& what, time_point now) {
    const index at = find(what.key);
    BROKER_ASSERT(at != none && rows_[at].by_quality[what.quality] > 0,
                  "a subscription is taken out that was never put in");
    --rows_[at].by_quality[what.quality];
    rows_[at].no_local -= what.no_local ? 1 : 0;
    rows_[at].online -= what.is_online ? 1 : 0;
    settle(at, now);
}

void route_owner::set_online(const route_key& key, bool is_online, time_point now) {
    const index at = find(key);
    BROKER_ASSERT(at != none, "a member of no group comes or goes");
    rows_[at].online += is_online ? 1u : ~0u;
    settle(at, now);
}

/// After the counts of a row have changed: tells now what widens, and later what narrows.
void route_owner::settle(index which, time_point now) {
    row& at = rows_[which];
    const route_value wanted = value_of(at);
    if (!is_serving()) {
        // Nobody knows anything of it yet.
        untell(at);
        total_of(at) > 0 ? tell(at, wanted) : drop(which);
        return;
    }
    const bool is_wanted = total_of(at) > 0;
    if (is_wanted) {
        const route_value wide = at.is_told ? widest(at.told, wanted) : wanted;
        if (!at.is_told || wide != at.told) {
            untell(at);
            tell(at, wide);
            record(at, false);
            at.widened = seq_;
        }
    }
    if (is_wanted && at.told == wanted) {
        at.narrow_at = never;
    } else if (goes_offline(at.told, wanted)) {
        narrow(which);
    } else if (at.narrow_at == never) {
        at.narrow_at = now + options_.linger;
        lingering_.push_back({.until = at.narrow_at, .which = which});
    }
}

void route_owner::on_deadline(time_point now) {
    while (!lingering_.empty() && lingering_.front().until <= now) {
        const lingerer next = lingering_.front();
        lingering_.pop_front();
        // Else it was wanted again, and perhaps its place is another's by now.
        if (rows_[next.which].narrow_at == next.until) {
            narrow(next.which);
        }
    }
}

void route_owner::narrow(index which) {
    row& at = rows_[which];
    at.narrow_at = never;
    untell(at);
    if (total_of(at) == 0) {
        record(at, true);
        drop(which);
        return;
    }
    tell(at, value_of(at));
    record(at, false);
}

void route_owner::tell(row& of, const route_value& value) {
    of.told = value;
    of.is_told = true;
    digest_.add(of.hash, value);
}

void route_owner::untell(row& of) {
    if (of.is_told) {
        digest_.take_out(of.hash, of.told);
        of.is_told = false;
    }
}

void route_owner::record(const row& of, bool is_removal) {
    const route_key key = key_of(of);
    pending_.push_back({.filter = std::string(key.filter),
                        .group = std::string(key.group),
                        .value = is_removal ? route_value{} : of.told,
                        .is_removal = is_removal});
    pending_bytes_ += bytes_of(pending_.back());
    ++seq_;
}

void route_owner::drop(index which) {
    by_key_.erase(which);
    rows_.drop(which);
}

route_deltas route_owner::flush() {
    pending_bytes_ = 0;
    return {.stream = stream_,
            .of = generation_,
            .first_seq = seq_ - pending_.size() + 1,
            .latest_seq = seq_,
            .changes = std::exchange(pending_, {})};
}

stream_digest route_owner::digest() const {
    return {.stream = stream_,
            .of = generation_,
            .seq = seq_,
            .hash = digest_.hash(),
            .count = digest_.count()};
}

stream_hashes route_owner::hashes() const {
    return {.stream = stream_, .of = generation_, .seq = seq_, .hashes = digest_.hashes()};
}

std::optional<route_deltas> route_owner::resend(route_seq after, std::size_t bytes_max) const {
    if (!ring_.covers(after)) {
        return std::nullopt;
    }
    route_deltas again{
        .stream = stream_, .of = generation_, .first_seq = after + 1, .latest_seq = seq_};
    if (after < seq_) {
        again.changes = ring_.after(after, bytes_max);
    }
    return again;
}

/// The cursor is an index of rows. A row that is made behind the cursor is not in the pages, but it
/// is a change with a higher number than theirs; a row stays where it is as long as it is there.
route_page route_owner::page(const page_request& wanted, std::size_t bytes_max) const {
    route_page made{.stream = stream_, .of = generation_, .number = wanted.number, .seq = seq_};
    index at = wanted.cursor;
    std::size_t bytes = 0;
    for (std::uint32_t visits = 0; at < rows_.end() && visits < options_.page_visits_max;
         ++at, ++visits) {
        const row& each = rows_[at];
        if (!each.is_told || (wanted.buckets & bit_of(bucket_of(each.hash))) == 0) {
            continue;
        }
        const std::size_t size = each.text.view().size() + 8;
        if (!made.rows.empty() && bytes + size > bytes_max) {
            break;
        }
        bytes += size;
        const route_key key = key_of(each);
        made.rows.push_back({.filter = std::string(key.filter),
                             .group = std::string(key.group),
                             .value = each.told});
    }
    made.next_cursor = at;
    made.is_last = at >= rows_.end();
    return made;
}

} // namespace gv::cluster
