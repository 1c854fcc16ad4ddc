// SPDX-License-Identifier: Apache-2.0
#include "broker/router/shared_groups.hpp"

#include "base/hash.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <utility>

namespace gv::router {

struct member_state {
    bool is_online = false;
    std::uint32_t in_flight = 0;
    /// Its groups, and its row in each: joining and leaving cost the same in any number of groups.
    boost::unordered_flat_map<group*, std::size_t> places;
};

namespace {

std::uint64_t mixed(member_id id) noexcept {
    return mix64(id.subscriber ^ mix64(std::uint64_t{id.shard.value} + 1));
}

} // namespace

shard_id group_owner(std::string_view name, std::string_view filter, std::size_t shards) noexcept {
    return shard_id{
        static_cast<std::uint16_t>((table_hash(name) ^ table_hash(filter) * 3) % shards)};
}

group::group(std::string_view name, std::string_view filter, group_strategy strategy)
    : name_(name), filter_(filter), strategy_(strategy) {}

const group_member* group::pick(std::uint64_t publisher, std::string_view topic) {
    if (rows_.empty()) {
        return nullptr;
    }
    const std::size_t candidates = online_ > 0 ? online_ : rows_.size();
    switch (strategy_) {
    case group_strategy::round_robin:
        return &next_in_turn(candidates).member;
    case group_strategy::least_in_flight:
        return &least_loaded(candidates).member;
    case group_strategy::sticky:
        return &current(candidates).member;
    case group_strategy::hash_publisher:
        return &by_hash(candidates, publisher).member;
    case group_strategy::hash_topic:
        return &by_hash(candidates, table_hash(topic)).member;
    }
    return nullptr;
}

const group::row& group::next_in_turn(std::size_t candidates) {
    turn_ = turn_ + 1 < candidates ? turn_ + 1 : 0;
    return rows_[turn_];
}

/// Equals take turns, and the first idle member ends the search.
const group::row& group::least_loaded(std::size_t candidates) {
    const row* best = &next_in_turn(candidates);
    for (std::size_t step = 1; step < candidates && best->state->in_flight > 0; ++step) {
        const std::size_t at = turn_ + step < candidates ? turn_ + step : turn_ + step - candidates;
        if (rows_[at].state->in_flight < best->state->in_flight) {
            best = &rows_[at];
        }
    }
    turn_ = static_cast<std::size_t>(best - rows_.data());
    return *best;
}

/// A new one is chosen by hash, so that many groups of the same members do not all choose one.
const group::row& group::current(std::size_t candidates) {
    if (current_ == nullptr || (online_ > 0 && !current_->is_online)) {
        const row& chosen = by_hash(candidates, table_hash(name_) + table_hash(filter_));
        current_ = chosen.state;
        return chosen;
    }
    return rows_[current_->places.at(this)];
}

/// Highest random weight: a member that comes or goes moves only its own share. Source: Thaler and
/// Ravishankar, "A Name-Based Mapping Scheme for Rendezvous" (1996).
const group::row& group::by_hash(std::size_t candidates, std::uint64_t key) const {
    const row* best = nullptr;
    std::uint64_t best_score = 0;
    for (std::size_t at = 0; at < candidates; ++at) {
        const std::uint64_t score = mix64(key ^ rows_[at].mixed_id);
        if (best == nullptr || score > best_score) {
            best = &rows_[at];
            best_score = score;
        }
    }
    return *best;
}

void group::add(const group_member& member, member_state& state) {
    state.places.emplace(this, rows_.size());
    rows_.push_back({.member = member, .state = &state, .mixed_id = mixed(member.id)});
    if (state.is_online) {
        set_online(rows_.size() - 1, true);
    }
}

void group::remove(member_state& state) {
    const std::size_t at = state.places.at(this);
    if (at < online_) {
        set_online(at, false);
    }
    swap_rows(state.places.at(this), rows_.size() - 1);
    rows_.pop_back();
    state.places.erase(this);
    if (current_ == &state) {
        current_ = nullptr;
    }
}

void group::set_online(std::size_t at, bool is_online) {
    if (is_online) {
        swap_rows(at, online_++);
    } else {
        swap_rows(at, --online_);
    }
}

void group::swap_rows(std::size_t a, std::size_t b) {
    std::swap(rows_[a], rows_[b]);
    rows_[a].state->places.at(this) = a;
    rows_[b].state->places.at(this) = b;
}

namespace {

/// Unambiguous, since the name of a group holds no '/'.
std::string key_of(std::string_view name, std::string_view filter) {
    std::string key;
    key.reserve(name.size() + filter.size() + 1);
    return key.append(name).append("/").append(filter);
}

struct member_hasher {
    std::size_t operator()(const member_id& id) const noexcept { return mixed(id); }
};

} // namespace

struct group_table::tables {
    boost::unordered_flat_map<std::string, std::unique_ptr<group>, string_hash> groups;
    boost::unordered_flat_map<member_id, std::unique_ptr<member_state>, member_hasher> members;

    member_state* find(member_id who) const {
        const auto found = members.find(who);
        return found == members.end() ? nullptr : found->second.get();
    }
};

group_table::group_table(group_strategy strategy)
    : tables_(std::make_unique<tables>()), strategy_(strategy) {}

group_table::~group_table() = default;

std::size_t group_table::size() const noexcept { return tables_->groups.size(); }

auto group_table::join(std::string_view name, std::string_view filter, const group_member& member,
                       bool is_online) -> joined {
    joined outcome;
    std::unique_ptr<group>& place = tables_->groups[key_of(name, filter)];
    if (!place) {
        place = std::make_unique<group>(name, filter, strategy_);
        outcome.is_new_group = true;
    }
    outcome.where = place.get();
    std::unique_ptr<member_state>& state = tables_->members[member.id];
    if (!state) {
        state = std::make_unique<member_state>();
        state->is_online = is_online;
    }
    if (const auto found = state->places.find(outcome.where); found != state->places.end()) {
        outcome.where->rows_[found->second].member.options = member.options;
    } else {
        outcome.where->add(member, *state);
        outcome.is_new_member = true;
    }
    outcome.is_online = state->is_online;
    return outcome;
}

auto group_table::leave(std::string_view name, std::string_view filter, member_id who) -> left {
    const auto place = tables_->groups.find(key_of(name, filter));
    member_state* state = tables_->find(who);
    if (place == tables_->groups.end() || state == nullptr
        || !state->places.contains(place->second.get())) {
        return {};
    }
    left outcome{.existed = true, .was_online = state->is_online, .ended = nullptr};
    place->second->remove(*state);
    if (state->places.empty()) {
        tables_->members.erase(who);
    }
    if (place->second->size() == 0) {
        outcome.ended = std::move(place->second);
        tables_->groups.erase(place);
    }
    return outcome;
}

std::vector<const group*> group_table::set_online(member_id who, bool is_online) {
    member_state* state = tables_->find(who);
    if (state == nullptr || state->is_online == is_online) {
        return {};
    }
    state->is_online = is_online;
    if (!is_online) {
        state->in_flight = 0;
    }
    std::vector<const group*> changed;
    for (auto& [where, at] : state->places) {
        where->set_online(at, is_online);
        changed.push_back(where);
    }
    return changed;
}

group* group_table::find(std::string_view name, std::string_view filter) noexcept {
    const auto found = tables_->groups.find(key_of(name, filter));
    return found == tables_->groups.end() ? nullptr : found->second.get();
}

void group_table::taken(member_id who) {
    if (member_state* state = tables_->find(who); state != nullptr) {
        ++state->in_flight;
    }
}

void group_table::acknowledged(member_id who) {
    member_state* state = tables_->find(who);
    if (state != nullptr && state->in_flight > 0) {
        --state->in_flight;
    }
}

} // namespace gv::router
