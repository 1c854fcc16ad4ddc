// SPDX-License-Identifier: Apache-2.0
// Sessions of this shard that are members of shared groups: to each group's queue, wherever it
// lives (group_queue.hpp), they say whether their clients are there, and what became of messages.
#include "base/hash.hpp"
#include "base/topic.hpp"
#include "broker/shard/core.hpp"

#include <algorithm>

namespace gv::shard {

using mqtt::reason_code;

namespace {

/// Places keep their numbers, which loans have in them: one that is over has no filter.
[[nodiscard]] queue_membership* find_membership(std::vector<queue_membership>* all,
                                                std::string_view filter) {
    if (all == nullptr) {
        return nullptr;
    }
    const auto found = std::ranges::find(*all, filter, &queue_membership::filter);
    return found == all->end() ? nullptr : &*found;
}

} // namespace

// --- joining and leaving

/// `asked`: the SUBSCRIBE that waits for it; 0: none does.
core::joining core::join_queue(home_entry& home, std::string_view filter, std::uint64_t asked,
                               std::uint16_t index) {
    const shared_filter parts = *split_shared_filter(filter);
    std::string name = group_queue_name(parts.group, parts.filter);
    const shard_id party = home_of(hash64(name));
    queue_membership* which = find_membership(home.memberships_.get(), filter);
    if (which != nullptr && which->party == party && (which->queue != 0 || which->operation != 0)) {
        return join_again(home, *which, asked, index);
    }
    if (asked != 0 && is_node(party) && !is_live(party)) {
        return joining::refused;
    }
    if (which == nullptr) {
        which = new_membership(home);
        if (which == nullptr) {
            return joining::refused;
        }
        which->filter = filter;
        which->name = std::move(name);
        which->is_new = true;
    }
    which->is_leaving = false;
    which->party = party;
    which->operation = asked;
    which->index = index;
    ask_queue(home, *which);
    return joining::asked;
}

/// It is in force, or will be.
core::joining core::join_again(home_entry& home, queue_membership& which, std::uint64_t asked,
                               std::uint16_t index) {
    if (std::exchange(which.is_leaving, false) && which.queue != 0 && home.home_.front()) {
        tell_queue(home, which, true);
    }
    if (which.queue != 0 || which.operation == asked) {
        return joining::known;
    }
    const waiting_subscribe before = wait_of(which);
    which.operation = asked;
    which.index = index;
    answer_join(before, reason_code::success);
    return joining::asked;
}

/// A free place. While the client is connected loans may have the number of one that was free
/// before. Null: there are as many as have numbers.
queue_membership* core::new_membership(home_entry& home) {
    constexpr std::size_t places_max = 0x7ffe;
    if (!home.memberships_) {
        home.memberships_ = std::make_unique<std::vector<queue_membership>>();
    }
    queue_membership* free =
        home.home_.front() ? nullptr : find_membership(home.memberships_.get(), {});
    if (free != nullptr || home.memberships_->size() >= places_max) {
        return free;
    }
    return &home.memberships_->emplace_back();
}

void core::ask_queue(home_entry& home, queue_membership& which) {
    which.queue = 0;
    which.lent.clear();
    restless_.insert(home.number());
    which.is_asked = !is_node(which.party) || is_live(which.party);
    if (which.is_asked) {
        which.join = ++next_join_;
        say_rare(which.party, member_change{.what = member_change::kind::join,
                                            .member = home.number(),
                                            .queue = which.join,
                                            .name = which.name});
    }
}

void core::leave_queue(home_entry& home, std::string_view filter) {
    queue_membership* which = find_membership(home.memberships_.get(), filter);
    if (which == nullptr) {
        return;
    }
    const waiting_subscribe before = wait_of(*which);
    if (which->lent.empty()) {
        end_membership(home, *which);
    } else {
        which->is_leaving = true;
        say_rare(which->party, member_change{.what = member_change::kind::offline,
                                             .member = home.number(),
                                             .queue = which->queue,
                                             .name = {}});
    }
    answer_join(before, reason_code::success);
}

void core::end_membership(home_entry& home, queue_membership& which) {
    const bool is_last =
        std::ranges::none_of(*home.memberships_, [&which](const queue_membership& each) {
            return &each != &which && each.name == which.name && !each.is_leaving;
        });
    if (which.queue != 0 && is_last) {
        say_rare(which.party, member_change{.what = home.is_moving_ ? member_change::kind::move
                                                                    : member_change::kind::leave,
                                            .member = home.number(),
                                            .queue = which.queue,
                                            .name = {}});
    }
    which = {};
}

/// Its session ends: what it has not taken is for others.
void core::end_memberships(home_entry& home) {
    if (!home.memberships_) {
        return;
    }
    for (queue_membership& each : *home.memberships_) {
        for (const std::uint16_t id : std::exchange(each.lent, {})) {
            say(each.party, group_outcome{.queue = each.queue,
                                          .member = home.number(),
                                          .id = packet_id{id},
                                          .what = group_outcome::kind::returned});
        }
        if (each.is_leaving) {
            end_membership(home, each);
        }
    }
}

void core::tell_queues(home_entry& home, bool is_online) {
    if (!home.memberships_) {
        return;
    }
    for (const queue_membership& each : *home.memberships_) {
        if (each.queue != 0 && !each.is_leaving) {
            tell_queue(home, each, is_online);
        }
    }
}

void core::tell_queue(home_entry& home, const queue_membership& which, bool is_online) {
    say_rare(which.party, member_change{.what = is_online ? member_change::kind::online
                                                          : member_change::kind::offline,
                                        .member = home.number(),
                                        .queue = which.queue,
                                        .window = home.home_.session()->out.receive_maximum(),
                                        .name = {}});
}

// --- answers, and who is to be asked again

void core::on_member_known(shard_id from, const member_known& word) {
    home_entry* home = find_home(word.member);
    bool is_wanted = false;
    for (std::size_t i = 0; home != nullptr && home->memberships_ && i < home->memberships_->size();
         ++i) { // two, if the client has written one subscription in two ways
        queue_membership& each = (*home->memberships_)[i];
        if (each.party != from) {
            continue;
        }
        const bool is_it = word.join != 0 ? each.queue == 0 && each.join == word.join
                                          : each.queue != 0 && each.queue == word.queue;
        is_wanted = is_wanted || each.name == word.name;
        if (is_it) {
            note_answer(*home, each, word); // may change or end all of them
        }
    }
    if (!is_wanted && word.what == member_known::kind::known) { // it has gone meanwhile
        say_rare(from, member_change{.what = member_change::kind::leave,
                                     .member = word.member,
                                     .queue = word.queue,
                                     .name = {}});
    }
}

void core::note_answer(home_entry& home, queue_membership& which, const member_known& word) {
    waiting_subscribe before;
    switch (word.what) {
    case member_known::kind::known:
        which.is_asked = false;
        if (which.queue != word.queue) {
            which.lent.clear();
        }
        which.queue = word.queue;
        which.is_new = false;
        before = wait_of(which);
        if (which.is_leaving) {
            end_membership(home, which);
        } else if (home.home_.front()) {
            tell_queue(home, which, true);
        }
        answer_join(before, reason_code::success);
        return;
    case member_known::kind::unknown:
        which.is_asked = false;
        which.queue = 0;
        which.lent.clear();
        restless_.insert(home.number());
        return;
    case member_known::kind::refused:
        refuse_join(home, which, reason_code::quota_exceeded);
        return;
    }
}

/// It is answered now, or never.
core::waiting_subscribe core::wait_of(queue_membership& which) {
    return {.operation = std::exchange(which.operation, 0), .index = which.index};
}

// Comes last: the client is answered, goes on with its input, and may change its memberships.
void core::answer_join(const waiting_subscribe& who, reason_code reason) {
    const auto found = operations_.find(who.operation);
    if (who.operation == 0 || found == operations_.end()) {
        return;
    }
    if (reason >= reason_code::unspecified_error && who.index < found->second.reasons.size()) {
        found->second.reasons[who.index] = reason;
    }
    on_applied(who.operation);
}

/// A subscription that was not there before is not there.
void core::refuse_join(home_entry& home, queue_membership& which, reason_code reason) {
    const std::string filter = which.filter;
    const bool is_new = which.is_new && which.operation != 0;
    const waiting_subscribe before = wait_of(which);
    if (is_new && home.home_.session() != nullptr) {
        log_unsubscription(home, filter);
        remove_subscriptions(home, home.number(), *home.home_.session(), {&filter, 1});
    } else {
        restless_.insert(home.number());
    }
    answer_join(before, reason);
}

/// Those that do not know their members yet; and members that owe their queues a word.
void core::ask_queues() {
    const std::vector<std::uint64_t> all(restless_.begin(), restless_.end());
    restless_.clear();
    for (const std::uint64_t number : all) {
        home_entry* home = find_home(number);
        if (home == nullptr || !home->memberships_) {
            continue;
        }
        if (home->is_moving_ || is_node(home_of(home->client_hash()))) {
            restless_.insert(number);
            continue;
        }
        for (queue_membership& each : *home->memberships_) {
            if (!each.filter.empty() && each.queue == 0 && each.is_asked) {
                restless_.insert(number);
            } else if (!each.filter.empty() && each.queue == 0) {
                ask_queue(*home, each);
            }
        }
        tell_room(*home);
    }
}

/// Queues may live elsewhere than before.
void core::follow_queues() {
    members_changed_at_ = turn_.now;
    for (home_entry* home : homes_) {
        if (!home->memberships_) {
            continue;
        }
        for (queue_membership& each : *home->memberships_) {
            const shard_id party = each.filter.empty() ? each.party : home_of(hash64(each.name));
            if (party != each.party) {
                each.party = party;
                each.is_asked = false;
                each.queue = 0;
                each.lent.clear();
                restless_.insert(home->number());
            }
        }
    }
    ask_queues();
}

void core::lose_queues_of(shard_id party, const std::optional<shard_id>& shard_there) {
    std::vector<std::pair<std::uint64_t, std::string>> refused;
    for (home_entry* home : homes_) {
        if (!home->memberships_) {
            continue;
        }
        for (queue_membership& each : *home->memberships_) {
            if (!each.filter.empty() && each.party == party
                && (each.queue == 0 || is_on(shard_there, each.queue))) {
                each.is_asked = false;
                each.queue = 0;
                each.lent.clear();
                restless_.insert(home->number());
                if (each.operation != 0 && !shard_there) { // else it is asked again
                    refused.emplace_back(home->number(), each.filter);
                }
            }
        }
    }
    for (const auto& [number, filter] : refused) {
        home_entry* home = find_home(number);
        queue_membership* which =
            home == nullptr ? nullptr : find_membership(home->memberships_.get(), filter);
        if (which != nullptr) {
            refuse_join(*home, *which, reason_code::implementation_specific_error);
        }
    }
}

// --- messages

void core::on_group_push(shard_id from, const group_push& word) {
    home_entry* home = find_home(word.member);
    queue_membership* which = nullptr;
    if (home != nullptr && home->memberships_) {
        const auto found =
            std::ranges::find_if(*home->memberships_, [&](const queue_membership& each) {
                return each.party == from && each.queue == word.queue && !each.is_leaving;
            });
        which = found == home->memberships_->end() ? nullptr : &*found;
    }
    const std::optional<group_outcome::kind> outcome =
        which == nullptr ? group_outcome::kind::returned : take_loan(*home, *which, word);
    if (outcome && word.id.value != 0) {
        say(from, group_outcome{
                      .queue = word.queue, .member = word.member, .id = word.id, .what = *outcome});
    }
}

/// Nothing: it is told when it has been taken, or comes back.
std::optional<group_outcome::kind> core::take_loan(home_entry& home, queue_membership& which,
                                                   const group_push& word) {
    session::session_state* state = home.home_.session();
    if (state == nullptr || !home.home_.front() || which.is_leaving) {
        return group_outcome::kind::returned;
    }
    const auto wanted = state->subscriptions.find(which.filter);
    if (wanted == state->subscriptions.end()) {
        return group_outcome::kind::returned;
    }
    const publication what = message::view_of(word.what);
    if (!home.may_receive(what.topic)) {
        return group_outcome::kind::taken; // as it is for any subscription
    }
    const session::subscription& asked = wanted->second;
    const qos quality = lower(what.header.quality, asked.quality);
    session::delivery how{.quality = quality, .retain = asked.retain_as_published && word.retain};
    if (asked.subscription_id != 0) {
        how.subscription_ids = {&asked.subscription_id, 1};
    }
    if (quality != qos::at_most_once && !home.home_.takes_loan(quality)) {
        which.owes_room = true;
        restless_.insert(home.number());
        return group_outcome::kind::full;
    }
    if (quality == qos::at_most_once) {
        home.take_alone(what, how);
        return group_outcome::kind::taken;
    }
    const auto place = static_cast<std::uint32_t>(&which - home.memberships_->data());
    how.group = session::loan_of(place, word.id);
    if (quality == qos::exactly_once && !is_node(which.party)) {
        keep_loan(home, which, what, how);
        return std::nullopt;
    }
    which.lent.insert(word.id.value);
    home.take_alone(what, how);
    return std::nullopt;
}

/// In one transaction with the erasure from the queue.
void core::keep_loan(home_entry& home, const queue_membership& which, const publication& what,
                     session::delivery how) {
    const bool is_written = journal_.is_on();
    const shard_id party = which.party; // the session may end with its connection
    group_outcome word{.queue = which.queue,
                       .member = home.number(),
                       .id = session::id_of(how.group),
                       .what = group_outcome::kind::kept};
    how.group = session::kept(how.group);
    if (is_written) {
        journal_.begin_part(journal_.new_transaction());
    }
    home.take_alone(what, how);
    if (is_written) {
        word.branch = journal_.fork();
        journal_.end_part();
    }
    say(party, word);
}

void core::end_loan(home_entry& home, session::group_origin loan, group_outcome::kind how) {
    const std::uint32_t place = session::membership_of(loan);
    if (!home.memberships_ || place >= home.memberships_->size()) {
        return;
    }
    queue_membership& which = (*home.memberships_)[place];
    const packet_id id = session::id_of(loan);
    if (session::is_kept(loan)) {
        if (which.queue != 0) {
            say(which.party, group_outcome{.queue = which.queue,
                                           .member = home.number(),
                                           .id = id,
                                           .what = group_outcome::kind::done});
        }
        return;
    }
    if (which.lent.erase(id.value) == 0) {
        return; // of a queue that has gone elsewhere since
    }
    say(which.party,
        group_outcome{.queue = which.queue, .member = home.number(), .id = id, .what = how});
    if (which.is_leaving && which.lent.empty()) {
        end_membership(home, which);
    }
}

void core::tell_room(home_entry& home) {
    if (!home.memberships_ || !home.home_.takes_loan(qos::at_least_once)) {
        if (home.memberships_
            && std::ranges::any_of(*home.memberships_, &queue_membership::owes_room)) {
            restless_.insert(home.number());
        }
        return;
    }
    for (queue_membership& each : *home.memberships_) {
        if (std::exchange(each.owes_room, false) && each.queue != 0 && !each.is_leaving) {
            say_rare(each.party, member_change{.what = member_change::kind::room,
                                               .member = home.number(),
                                               .queue = each.queue,
                                               .name = {}});
        }
    }
}

} // namespace gv::shard
