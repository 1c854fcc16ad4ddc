// SPDX-License-Identifier: Apache-2.0
#include "cluster/route_replica.hpp"

#include "base/assert.hpp"

#include <algorithm>

namespace gv::cluster {

route_replica::route_replica(route_destination stream, route_index& index,
                             const route_replica_options& options, std::uint64_t& numbers)
    : stream_(stream), index_(index), options_(options), slot_(index.open(stream)),
      numbers_(numbers) {}

void route_replica::adopt(const route_generation& of, route_seq seq) {
    current_ = wanted_ = of;
    applied_ = seq;
    newest_ = seq;
    complete();
}

namespace {

/// Who restores knows already.
class nobody final : public route_listener {
  public:
    void filter_changed(std::string_view) override {}
    void all_changed() override {}
};

} // namespace

bool route_replica::restore(const route_key& key, const route_value& value) {
    BROKER_DEBUG_ASSERT(phase_ == phase::unknown, "what the author says is newer");
    if (index_.size(slot_) >= options_.limits.rows_max) {
        return false;
    }
    nobody listener;
    index_.put(slot_, key, hash_of(key), value, listener);
    return true;
}

void route_replica::take_over(const route_owner& before, route_listener& listener) {
    stay(listener);
    index_.begin_pass(slot_, all_buckets);
    unswept_ = all_buckets;
    before.for_each([&](const route_key& key, std::uint64_t hash, const route_value& value) {
        index_.put(slot_, key, hash, value, listener);
    });
    need_ = need::nothing;
    adopt(before.of(), before.seq());
    has_news_ = false; // nobody else to tell
}

/// Of two needs the hashes are the greater. What is asked already is not asked anew.
void route_replica::wish(need what) {
    if (what > need_) {
        need_ = what;
        ask_at_ = time_point::min();
    }
}

void route_replica::on_newer(const route_generation& heard) {
    if (heard > wanted_) {
        wanted_ = heard;
        need_ = need::nothing; // asked of another
    }
    if (heard == wanted_) {
        wish(need::hashes);
    }
}

void route_replica::complete() {
    phase_ = phase::complete;
    missing_ = 0;
    since_ = 0;
    has_news_ = true;
    drop_page();
}

void route_replica::drop_page() noexcept {
    page_until_ = never;
    page_number_ = 0;
    touched_.clear();
}

/// It is heard of again.
void route_replica::stay(route_listener& listener) {
    if (is_leaving_) {
        is_leaving_ = false;
        index_.show(slot_, route_index::visibility::shown, listener);
    }
}

/// The owner keeps to the limit too; what it told in between may come twice, so there is some room.
/// Stale rows of a generation before are no more than it was allowed.
bool route_replica::has_room_for(const std::vector<route_change>& rows) const {
    const auto added =
        static_cast<std::size_t>(std::ranges::count(rows, false, &route_change::is_removal));
    const std::size_t most = options_.limits.rows_max + options_.limits.message_rows_max;
    return added == 0
           || (index_.digest(slot_).count() + added <= most
               && index_.size(slot_) + added <= 2 * most);
}

void route_replica::on_digest(const stream_digest& told, route_listener& listener) {
    if (told.of < current_ || told.of < wanted_) {
        return;
    }
    stay(listener);
    const route_digest& here = index_.digest(slot_);
    const bool is_same = here.hash() == told.hash && here.count() == told.count;
    if (told.of > current_ || phase_ == phase::unknown) {
        if (!is_same) {
            on_newer(told.of);
            return;
        }
        adopt(told.of, told.seq);
        need_ = need::nothing;
    } else if (told.seq > applied_) {
        ++counts_.gaps;
        wish(need::changes);
    } else if (told.seq == applied_ && newest_ <= applied_ && phase_ == phase::complete) {
        has_news_ = has_news_ || told.wants_position;
        if (!is_same) {
            ++counts_.mismatches;
            wish(need::hashes);
        }
    }
}

auto route_replica::on_deltas(const route_deltas& told, route_listener& listener) -> taken {
    if (told.of != current_ || phase_ == phase::unknown) {
        if (told.of > current_) {
            stay(listener);
            on_newer(told.of);
        }
        return {};
    }
    const route_seq last = told.first_seq + told.changes.size() - 1;
    if (told.first_seq > applied_ + 1) {
        ++counts_.gaps;
        wish(need::changes);
        return {};
    }
    if (last <= applied_) {
        return {};
    }
    if (!has_room_for(told.changes)) {
        return failure(route_fault::too_many_rows);
    }
    while (applied_ < last) {
        ++applied_;
        apply(told.changes[applied_ - told.first_seq], listener);
    }
    has_news_ = true;
    if (need_ == need::changes) {
        need_ = need::nothing;
    }
    if (told.latest_seq > applied_) {
        wish(need::changes);
    }
    return {};
}

void route_replica::apply(const route_change& change, route_listener& listener) {
    const std::uint64_t hash = hash_of(change.key());
    touch(hash, applied_);
    if (change.is_removal) {
        index_.erase(slot_, change.key(), hash, listener);
    } else {
        index_.put(slot_, change.key(), hash, change.value, listener);
    }
}

void route_replica::touch(std::uint64_t key_hash, route_seq seq) {
    if (page_number_ == 0) {
        return;
    }
    touched_[key_hash] = seq;
    if (touched_.size() > options_.touched_max) {
        drop_page();
    }
}

bool route_replica::is_newer_here(std::uint64_t key_hash, route_seq seq) const {
    const auto found = touched_.find(key_hash);
    return found != touched_.end() && found->second > seq;
}

void route_replica::on_hashes(const stream_hashes& told) {
    const bool is_old = told.of < current_ || (told.of == current_ && told.seq < applied_);
    if (need_ == need::nothing || told.of < wanted_ || is_old) {
        return;
    }
    const bucket_set differing = index_.digest(slot_).differing(told.hashes);
    index_.begin_pass(slot_, differing);
    unswept_ |= differing;
    newest_ = told.of == current_ ? std::max(newest_, told.seq) : told.seq;
    current_ = wanted_ = told.of;
    applied_ = told.seq;
    need_ = need::nothing;
    drop_page();
    if (differing == 0) {
        complete();
        return;
    }
    ++counts_.passes;
    phase_ = phase::fetching;
    missing_ = differing;
    since_ = told.seq;
    cursor_ = 0;
}

auto route_replica::on_page(const route_page& told, route_listener& listener) -> taken {
    if (phase_ != phase::fetching || page_number_ == 0 || told.number != page_number_
        || told.of != current_ || told.seq < since_) {
        return {};
    }
    if (told.next_cursor < cursor_ || (!told.is_last && told.next_cursor == cursor_)) {
        return failure(route_fault::numbers_invalid);
    }
    if (!has_room_for(told.rows)) {
        return failure(route_fault::too_many_rows);
    }
    for (const route_change& row : told.rows) {
        const std::uint64_t hash = hash_of(row.key());
        if (!is_newer_here(hash, told.seq)) {
            index_.put(slot_, row.key(), hash, row.value, listener);
        }
    }
    ++counts_.pages;
    newest_ = std::max(newest_, told.seq);
    cursor_ = told.next_cursor;
    if (told.is_last) {
        complete();
    } else {
        drop_page();
    }
    return {};
}

void route_replica::on_author_away() {
    need_ = need::nothing;
    page_until_ = never;
}

void route_replica::leave(route_listener& listener) {
    index_.show(slot_, route_index::visibility::hidden, listener);
    index_.begin_pass(slot_, all_buckets);
    unswept_ = all_buckets;
    current_ = wanted_ = route_generation();
    applied_ = since_ = 0;
    phase_ = phase::unknown;
    need_ = need::nothing;
    is_leaving_ = true;
    drop_page();
}

std::optional<route_message> route_replica::question(time_point now) {
    if (need_ == need::nothing || now < ask_at_) {
        return std::nullopt;
    }
    ask_at_ = now + options_.ask_again;
    if (need_ == need::hashes) {
        return hashes_request{.stream = stream_};
    }
    return resend_request{.stream = stream_, .of = current_, .after = applied_};
}

page_request route_replica::ask_for_page(time_point now) {
    // Asked again, the number stays: an answer to the first question is as good as to the second,
    // and what was touched since the first still counts.
    if (page_number_ == 0) {
        page_number_ = ++numbers_;
    }
    page_until_ = now + options_.ask_again;
    return {.stream = stream_,
            .of = current_,
            .number = page_number_,
            .buckets = missing_,
            .cursor = cursor_,
            .bytes_max = options_.page_bytes};
}

void route_replica::on_deadline(time_point now) {
    if (page_until_ <= now) {
        page_until_ = never;
    }
}

std::optional<stream_position> route_replica::position_news() {
    if (!has_news_) {
        return std::nullopt;
    }
    has_news_ = false;
    return stream_position{.stream = stream_, .of = current_, .since = since_, .applied = applied_};
}

void route_replica::sweep(std::size_t& visits, route_listener& listener) {
    for (std::size_t bucket = 0; bucket < bucket_count && visits > 0; ++bucket) {
        if (is_to_be_swept() && (unswept_ & bit_of(bucket)) != 0) {
            visits -= std::min(visits, index_.sweep(slot_, bucket, listener));
            unswept_ &= ~bit_of(bucket);
        }
    }
}

} // namespace gv::cluster
