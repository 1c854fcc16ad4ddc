// SPDX-License-Identifier: Apache-2.0
#include "broker/router/filter_row.hpp"

#include <algorithm>

namespace gv::router {

namespace {

/// Up to here a subscription is found by looking at all of them: they fill four cache lines.
constexpr std::size_t searched_takers_max = 16;

constexpr std::uint64_t bit_of(shard_id shard) noexcept { return std::uint64_t{1} << shard.value; }

} // namespace

filter_row::wide_part& filter_row::wide() {
    if (!wide_) {
        wide_ = std::make_unique<wide_part>();
    }
    return *wide_;
}

/// Its place in takers_, or their number.
std::size_t filter_row::place_of(const subscriber& who) const {
    if (is_indexed()) {
        const auto found = wide_->places.find(&who);
        return found == wide_->places.end() ? takers_.size() : found->second;
    }
    const auto found = std::ranges::find(takers_, &who, &taker::who);
    return static_cast<std::size_t>(found - takers_.begin());
}

void filter_row::build_index() {
    for (std::uint32_t place = 0; place < takers_.size(); ++place) {
        wide().places.emplace(takers_[place].who, place);
    }
}

filter_row::change filter_row::put(subscriber& who, const subscription_options& options) {
    const std::size_t place = place_of(who);
    if (place < takers_.size()) {
        if (takers_[place].options == options) {
            return change::none;
        }
        takers_[place].options = options;
        return change::replaced;
    }
    takers_.push_back({.who = &who, .options = options});
    kept_ += who.is_kept() ? 1 : 0;
    if (is_indexed()) {
        wide_->places.emplace(&who, static_cast<std::uint32_t>(place));
    } else if (takers_.size() > searched_takers_max) {
        build_index();
    }
    return change::added;
}

bool filter_row::drop(subscriber& who) {
    const std::size_t place = place_of(who);
    if (place == takers_.size()) {
        return false;
    }
    kept_ -= who.is_kept() ? 1 : 0;
    takers_[place] = takers_.back();
    takers_.pop_back();
    if (is_indexed()) {
        if (place < takers_.size()) {
            wide_->places[takers_[place].who] = static_cast<std::uint32_t>(place);
        }
        wide_->places.erase(&who);
    }
    return true;
}

void filter_row::add_group(group& made) {
    made.place_in_row_ = wide().groups.size();
    wide().groups.push_back(&made);
}

void filter_row::drop_group(group& ended) {
    std::vector<group*>& groups = wide().groups;
    groups[ended.place_in_row_] = groups.back();
    groups[ended.place_in_row_]->place_in_row_ = ended.place_in_row_;
    groups.pop_back();
}

bool filter_row::add_remote(shard_id shard) noexcept {
    const bool is_news = (remote_ & bit_of(shard)) == 0;
    remote_ |= bit_of(shard);
    return is_news;
}

bool filter_row::drop_remote(shard_id shard) noexcept {
    const bool is_news = (remote_ & bit_of(shard)) != 0;
    remote_ &= ~bit_of(shard);
    return is_news;
}

} // namespace gv::router
