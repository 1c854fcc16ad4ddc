// SPDX-License-Identifier: Apache-2.0
#include "broker/router/route_cache.hpp"

#include "base/hash.hpp"
#include "base/topic.hpp"

#include <utility>

namespace gv::router {

namespace {

/// How many entries in use the hand passes over before it takes one anyway: no eviction walks the
/// whole cache.
constexpr int passed_over_max = 64;
constexpr std::uint8_t lives_max = 7;
/// A spare entry keeps the memory of its vectors up to this size.
constexpr std::size_t spare_bytes_max = 1'024;
/// An entry in the list and in the table.
constexpr std::size_t bookkeeping_bytes = 32;

template <typename T>
std::size_t bytes_of(const std::vector<T>& values) noexcept {
    return values.capacity() * sizeof(T);
}

std::size_t bytes_of(const std::vector<spread_group>& groups) noexcept {
    std::size_t all = groups.capacity() * sizeof(spread_group);
    for (const spread_group& each : groups) {
        all += each.name.capacity() + each.filter.capacity() + bytes_of(each.elsewhere);
    }
    return all;
}

std::size_t bytes_of(const cached_route& entry) noexcept {
    return sizeof entry + bookkeeping_bytes + entry.topic.capacity() + bytes_of(entry.targets)
           + bytes_of(entry.groups) + bytes_of(entry.spread) + bytes_of(entry.peers)
           + bytes_of(entry.own_grants) + bytes_of(entry.subscription_ids);
}

void clear(route& old) noexcept {
    old.targets.clear();
    old.groups.clear();
    old.spread.clear();
    old.peers.clear();
    old.remote = 0;
    old.spread_shards = 0;
    old.own_grants.clear();
    old.subscription_ids.clear();
}

} // namespace

inline const route* route_cache::hand_out(cached_route& entry) noexcept {
    entry.last_turn = turn_;
    entry.lives = lives_max;
    last_ = &entry;
    return &entry;
}

const route* route_cache::find(std::string_view topic) {
    if (last_ != nullptr && last_->topic == topic && is_fresh(*last_)) {
        return hand_out(*last_);
    }
    const auto found = by_topic_.find(topic_key{topic, table_hash(topic)});
    return found != by_topic_.end() && is_fresh(**found) ? hand_out(**found) : nullptr;
}

cached_route& route_cache::renew(std::string_view topic) {
    const std::uint64_t hash = table_hash(topic);
    if (const auto found = by_topic_.find(topic_key{topic, hash}); found != by_topic_.end()) {
        drop(**found);
    }
    while (!entries_.empty()
           && (entries_.size() >= limits_.routes_max || bytes_ >= limits_.bytes_max)) {
        evict_one();
    }
    std::unique_ptr<cached_route> made = fresh_entry();
    made->topic = topic;
    made->hash = hash;
    made->counters = change_places_of(topic);
    made->peer_sum = peers_ == nullptr ? 0 : peers_->changes(made->counters, hash);
    made->place = entries_.size();
    made->last_turn = turn_;
    made->lives = 0;
    by_topic_.insert(made.get());
    entries_.push_back(std::move(made));
    return *entries_.back();
}

void route_cache::settle(cached_route& filled) {
    filled.sum = counters_.sum(filled.counters);
    filled.bytes = bytes_of(filled);
    bytes_ += filled.bytes;
    last_ = &filled;
}

std::unique_ptr<cached_route> route_cache::fresh_entry() {
    return spare_ ? std::move(spare_) : std::make_unique<cached_route>();
}

std::unique_ptr<cached_route> route_cache::unlist(cached_route& entry) {
    by_topic_.erase(&entry);
    bytes_ -= entry.bytes;
    const std::size_t place = entry.place;
    std::swap(entries_[place], entries_.back());
    entries_[place]->place = place;
    std::unique_ptr<cached_route> gone = std::move(entries_.back());
    entries_.pop_back();
    if (last_ == gone.get()) {
        last_ = nullptr;
    }
    return gone;
}

/// What was handed out in this turn may still be walked by a caller.
void route_cache::drop(cached_route& entry) {
    std::unique_ptr<cached_route> gone = unlist(entry);
    if (gone->last_turn == turn_) {
        retired_.push_back(std::move(gone));
    } else if (gone->bytes <= spare_bytes_max) {
        clear(*gone);
        gone->bytes = 0;
        spare_ = std::move(gone);
    }
}

void route_cache::evict_one() {
    for (int passed = 0; passed < passed_over_max; ++passed) {
        hand_ = hand_ + 1 < entries_.size() ? hand_ + 1 : 0;
        if (entries_[hand_]->lives == 0) {
            break;
        }
        --entries_[hand_]->lives;
    }
    drop(*entries_[hand_]);
}

void route_cache::filter_changed(std::string_view filter) {
    if (has_wildcard(filter)) {
        counters_.count_change(filter);
        return;
    }
    const auto found = by_topic_.find(topic_key{filter, table_hash(filter)});
    if (found != by_topic_.end()) {
        drop(**found);
    }
}

void route_cache::end_turn() {
    ++turn_;
    retired_.clear();
}

} // namespace gv::router
