// SPDX-License-Identifier: Apache-2.0
#include "broker/shard/group_queue.hpp"

#include "base/hash.hpp"

#include <algorithm>

namespace gv::shard {

bool group_queue::add(const queue_join& asked) {
    const member_address& who = asked.who;
    if (const member* known = find(who); known != nullptr && known->join > asked.number) {
        return false;
    }
    remove(who); // what it had is not known to it
    empty_since = never;
    members_.push_back(
        {.address = who, .join = asked.number, .mixed = mix64(who.home ^ who.party.value)});
    return true;
}

bool group_queue::remove(const member_address& who) {
    const auto found = std::ranges::find(members_, who, &member::address);
    if (found == members_.end()) {
        return false;
    }
    take_all_from(who);
    members_.erase(found);
    return true;
}

void group_queue::remove_all_of(shard_id party, const std::optional<shard_id>& shard_there) {
    std::vector<member_address> gone;
    for (const member& each : members_) {
        if (each.address.party == party && is_on(shard_there, each.address.home)) {
            gone.push_back(each.address);
        }
    }
    for (const member_address& each : gone) {
        remove(each);
    }
}

bool group_queue::set(const member_address& who, standing now, std::uint16_t window) {
    member* known = find(who);
    if (known == nullptr) {
        return false;
    }
    if (now == standing::offline) { // it counts nothing of what it keeps from here on
        known->given = static_cast<std::uint16_t>(std::ranges::count_if(
            loans_, [&who](const auto& each) { return each.second.to == who; }));
    }
    known->now = now;
    known->window = window;
    return true;
}

bool group_queue::set(const member_address& who, standing now) {
    const member* known = find(who);
    return known != nullptr && set(who, now, known->window);
}

std::optional<member_address> group_queue::next(const publication& what) {
    const member* chosen = choose(what, is_open);
    return chosen == nullptr ? std::nullopt : std::optional(chosen->address);
}

std::optional<member_address> group_queue::next_online(const publication& what) {
    const member* chosen = choose(what, is_online);
    return chosen == nullptr ? std::nullopt : std::optional(chosen->address);
}

group_queue::member* group_queue::choose(const publication& what,
                                         bool (*takes)(const member&) noexcept) {
    member* chosen = nullptr;
    switch (strategy_) {
    case router::group_strategy::round_robin:
        return in_turn(takes);
    case router::group_strategy::least_in_flight:
        for (std::size_t i = 0; i < members_.size(); ++i) {
            member* each = in_turn(takes);
            chosen = chosen == nullptr || (each != nullptr && each->given < chosen->given) ? each
                                                                                           : chosen;
        }
        turn_ = members_.empty() ? 0 : (turn_ + 1) % members_.size();
        return chosen;
    case router::group_strategy::sticky:
        chosen = by_hash(0);
        break;
    case router::group_strategy::hash_publisher:
        chosen = by_hash(what.header.publisher);
        break;
    case router::group_strategy::hash_topic:
        chosen = by_hash(hash64(what.topic));
        break;
    }
    return chosen != nullptr && takes(*chosen) ? chosen : nullptr;
}

group_queue::member* group_queue::in_turn(bool (*takes)(const member&) noexcept) {
    for (std::size_t i = 0; i < members_.size(); ++i) {
        turn_ = (turn_ + 1) % members_.size();
        if (takes(members_[turn_])) {
            return &members_[turn_];
        }
    }
    return nullptr;
}

/// Among those online the one with the highest score (rendezvous hashing).
group_queue::member* group_queue::by_hash(std::uint64_t key) {
    member* highest = nullptr;
    std::uint64_t score = 0;
    for (member& each : members_) {
        const std::uint64_t own = mix64(each.mixed ^ key);
        if (is_online(each) && (highest == nullptr || own > score)) {
            highest = &each;
            score = own;
        }
    }
    return highest;
}

bool group_queue::takes_more() const noexcept {
    return waiting_.empty() && std::ranges::any_of(members_, is_open);
}

bool group_queue::has_online() const noexcept { return std::ranges::any_of(members_, is_online); }

group_queue::loan& group_queue::lend(packet_id id, loan made) {
    made.order = ++orders_;
    waiting_.emplace(made.order, id.value);
    return loans_.insert_or_assign(id.value, std::move(made)).first->second;
}

void group_queue::give(loan& what, const member_address& to) {
    what.to = to;
    waiting_.erase(what.order);
    ++find(to)->given;
}

group_queue::loan* group_queue::take_back(packet_id id, const member_address& from) {
    const auto found = loans_.find(id.value);
    if (found == loans_.end() || found->second.to != from) {
        return nullptr;
    }
    found->second.to.reset();
    waiting_.emplace(found->second.order, id.value);
    done(from);
    return &found->second;
}

void group_queue::keep(packet_id id, const member_address& by) {
    forget(id);
    if (member* known = find(by)) {
        ++known->given;
    }
}

void group_queue::done(const member_address& by) {
    if (member* known = find(by); known != nullptr && known->given > 0) {
        --known->given;
    }
}

void group_queue::forget_all() {
    loans_.clear();
    waiting_.clear();
    for (member& each : members_) {
        each.given = 0;
    }
}

std::optional<packet_id> group_queue::oldest_waiting() const {
    return waiting_.empty() ? std::nullopt : std::optional(packet_id{waiting_.begin()->second});
}

bool group_queue::has_given_once() const {
    return std::ranges::any_of(loans_, [](const auto& each) {
        return each.second.to && each.second.quality == qos::exactly_once;
    });
}

group_queue::member* group_queue::find(const member_address& who) noexcept {
    const auto found = std::ranges::find(members_, who, &member::address);
    return found == members_.end() ? nullptr : &*found;
}

void group_queue::take_all_from(const member_address& who) {
    for (auto& [id, each] : loans_) {
        if (each.to == who) {
            each.to.reset();
            waiting_.emplace(each.order, id);
        }
    }
}

} // namespace gv::shard
