// SPDX-License-Identifier: Apache-2.0
// Queues of shared groups that live on this shard (group_queue.hpp). Each is the session of a home
// like any other; in place of a front there are the members, to whom messages go by words.
#include "base/hash.hpp"
#include "broker/shard/core.hpp"

namespace gv::shard {

using standing = group_queue::standing;

namespace {

/// What stands for the front of a queue's home: no connection has this number.
constexpr std::uint64_t front_of_queue = ~std::uint64_t{0};
constexpr std::uint32_t never_expires = 0xffff'ffff;
/// A queue without members ends after so long, in which all nodes have been there and could have
/// said that they have one.
constexpr duration linger = 60s;

} // namespace

// --- members

void core::on_member_change(shard_id from, const member_change& word) {
    const member_address who{.party = from, .home = word.member};
    if (word.what == member_change::kind::join) {
        on_join({.who = who, .number = word.queue}, word.name);
        return;
    }
    home_entry* queue = find_home(word.queue);
    if (queue == nullptr || !queue->group_) {
        tell_unknown(who, word.queue, 0);
        return;
    }
    group_queue& group = *queue->group_;
    bool is_known = true;
    switch (word.what) {
    case member_change::kind::join:
        break;
    case member_change::kind::online:
        is_known = group.set(who, standing::open, word.window);
        break;
    case member_change::kind::room:
        is_known = group.set(who, standing::open);
        break;
    case member_change::kind::offline:
        is_known = group.set(who, standing::offline);
        break;
    case member_change::kind::leave:
    case member_change::kind::move:
        group.remove(who);
        break;
    }
    if (!is_known) {
        tell_unknown(who, word.queue, 0);
    }
    const bool is_over = word.what == member_change::kind::leave && group.is_empty()
                         && turn_.now - members_changed_at_ >= linger;
    if (is_over && !queue->is_moving_) {
        end_queue(*queue);
    } else {
        settle_queue(*queue);
    }
}

void core::tell_unknown(const member_address& who, std::uint64_t queue, std::uint64_t join) {
    say_rare(who.party, member_known{.what = member_known::kind::unknown,
                                     .member = who.home,
                                     .queue = queue,
                                     .join = join,
                                     .name = {}});
}

void core::on_join(const queue_join& asked, const std::string& name) {
    const member_address& who = asked.who;
    const bool is_known = homes_.contains(std::string_view(name));
    if (is_node(home_of(hash64(name))) || are_sessions_held_ || (is_leaving_ && !is_known)
        || parking_for(partition_of(name), name) != nullptr) {
        tell_unknown(who, 0, asked.number);
        return;
    }
    if (!is_known && room_to_keep() == store_room::none) {
        say_rare(who.party, member_known{.what = member_known::kind::refused,
                                         .member = who.home,
                                         .queue = 0,
                                         .join = asked.number,
                                         .name = name});
        return;
    }
    home_entry* queue = make_queue(name);
    operation begun{.holder = queue->number(), .joins = asked};
    const std::uint64_t number = ++next_operation_;
    journal_.set_mark({});
    // Again for each member: that of the one before may not be in force everywhere.
    begun.reasons.push_back(add_subscription(*queue, queue->number(), *queue->home_.session(),
                                             {.filter = name,
                                              .quality = qos::exactly_once,
                                              .retain_as_published = true,
                                              .handling = mqtt::retain_handling::never},
                                             number, begun));
    await_journal(begun, number);
    begin(number, std::move(begun));
}

home_entry* core::make_queue(const std::string& name) {
    auto found = homes_.find(std::string_view(name));
    if (found == homes_.end()) {
        auto made = std::make_unique<home_entry>(*this, home_context_, name, ++next_number_);
        homes_by_number_.emplace(made->number(), made.get());
        found = homes_.insert(made.release()).first;
    }
    if ((*found)->home_.session() == nullptr) {
        attach_queue(**found);
    }
    return *found;
}

void core::complete_join(const operation& done) {
    const member_address& who = done.joins->who;
    home_entry* queue = find_home(done.holder);
    if (queue == nullptr || !queue->group_ || queue->home_.session() == nullptr) {
        tell_unknown(who, 0, done.joins->number);
        return;
    }
    if (is_node(who.party) && !is_live(who.party)) {
        return; // it asks again when it is back
    }
    const bool is_refused = done.reasons.front() >= mqtt::reason_code::unspecified_error;
    if (!is_refused && !queue->group_->add(*done.joins)) {
        return; // it has asked again since, and was answered
    }
    say_rare(who.party, member_known{.what = is_refused ? member_known::kind::refused
                                                        : member_known::kind::known,
                                     .member = who.home,
                                     .queue = queue->number(),
                                     .join = done.joins->number,
                                     .name = queue->client_id()});
}

// What a member had been given and not taken goes to others; it may come twice.
void core::lose_members_of(shard_id party, const std::optional<shard_id>& shard_there) {
    members_changed_at_ = turn_.now;
    for (home_entry* each : std::vector<home_entry*>(group_homes_.begin(), group_homes_.end())) {
        each->group_->remove_all_of(party, shard_there);
        settle_queue(*each);
    }
}

// --- the queue as a session

void core::attach_queue(home_entry& queue) {
    attach_now(queue, {.shard = options_.me, .connection = front_of_queue}, std::nullopt,
               {.client_id = queue.client_id(),
                .will = std::nullopt,
                .connected_at = clock_.next(),
                .session_expiry = never_expires,
                .clean_start = false});
}

void core::detach_queue(home_entry& queue) {
    queue.group_->forget_all();
    on_detach({.home = queue.number(),
               .epoch = queue.home_.epoch(),
               .notice = {.cause = session::close_cause::client_disconnect, .session_expiry = {}}});
}

/// Its session goes over to another node, or is removed.
void core::close_queue(home_entry& queue) {
    if (!queue.home_.front()) {
        queue.group_->forget_all();
    } else if (queue.is_moving_) {
        queue.group_->is_closing = true;
        settle_queue(queue);
    }
}

void core::end_queue(home_entry& queue) {
    if (queue.home_.front()) {
        detach_queue(queue);
    }
    queue.home_.remove();
    settle_home(queue);
}

/// After anything that may have changed who takes its messages.
void core::settle_queue(home_entry& queue) {
    group_queue& group = *queue.group_;
    if (queue.home_.session() == nullptr) {
        return;
    }
    group.is_closing = group.is_closing && queue.is_moving_;
    if (group.is_closing) {
        // What may come once only is with a member, or is not: its home says so at once.
        if (queue.home_.front() && !group.has_given_once()) {
            detach_queue(queue);
        }
        return;
    }
    const bool is_here = !queue.is_moving_ && !is_node(home_of(queue.client_hash()));
    if (group.has_online() && is_here && !queue.home_.front()) {
        attach_queue(queue);
    }
    give_waiting(queue);
    queue.home_.on_room();
    if (queue.home_.front() && !group.has_online() && !group.has_given()) {
        detach_queue(queue);
    }
}

// --- messages

void core::push_to_member(home_entry& queue, const publication& what,
                          const session::delivery& how) {
    group_queue& group = *queue.group_;
    message_ref shared = what.held && what.held->is_shared()
                             ? what.held
                             : message::copy_of(what, message::reach::shared);
    if (how.quality != qos::at_most_once) {
        group.lend(how.id,
                   {.what = std::move(shared), .quality = how.quality, .retain = how.retain});
        give_waiting(queue);
    } else if (const auto to = group.next_online(what)) {
        say(to->party, group_push{.member = to->home,
                                  .queue = queue.number(),
                                  .what = std::move(shared),
                                  .id = {},
                                  .retain = how.retain});
    } else {
        dropped(session::drop_reason::client_offline);
    }
}

void core::give_waiting(home_entry& queue) {
    group_queue& group = *queue.group_;
    while (const auto id = group.oldest_waiting()) {
        group_queue::loan& due = group.at(*id);
        const auto to = group.next(message::view_of(due.what));
        if (!to) {
            return;
        }
        group.give(due, *to);
        say(to->party, group_push{.member = to->home,
                                  .queue = queue.number(),
                                  .what = due.what,
                                  .id = *id,
                                  .retain = due.retain});
    }
}

/// The handshake of QoS 2 is the member's: here the message is done with.
void core::erase_from(home_entry& queue, packet_id id, bool is_once) {
    queue.home_.on_ack({.id = id,
                        .type = is_once ? mqtt::packet_type::pubrec : mqtt::packet_type::puback,
                        .is_error = is_once});
}

void core::on_group_outcome(shard_id from, const group_outcome& word) {
    home_entry* queue = find_home(word.queue);
    if (queue == nullptr || !queue->group_) {
        end_branch(word.branch);
        return;
    }
    group_queue& group = *queue->group_;
    const member_address who{.party = from, .home = word.member};
    if (!group.knows(who)) {
        tell_unknown(who, word.queue, 0);
    }
    if (word.what == group_outcome::kind::done) {
        group.done(who);
        settle_queue(*queue);
        return;
    }
    const bool is_part = word.branch.transaction.value != 0;
    if (is_part) {
        journal_.begin_part(word.branch);
    }
    settle_loan(*queue, who, word);
    if (is_part) {
        journal_.end_part();
    }
    settle_queue(*queue);
}

/// Nothing is to be erased; the rest of the transaction waits for it.
void core::end_branch(const storage::branch& of) {
    if (of.transaction.value != 0) {
        journal_.begin_part(of);
        journal_.end_part();
    }
}

void core::settle_loan(home_entry& queue, const member_address& who, const group_outcome& word) {
    group_queue& group = *queue.group_;
    const group_queue::loan* back = group.take_back(word.id, who);
    if (back == nullptr) {
        return;
    }
    const bool is_once = back->quality == qos::exactly_once;
    switch (word.what) {
    case group_outcome::kind::taken:
        group.forget(word.id);
        erase_from(queue, word.id, is_once);
        break;
    case group_outcome::kind::kept:
        group.keep(word.id, who);
        erase_from(queue, word.id, is_once);
        break;
    case group_outcome::kind::done:
        break;
    case group_outcome::kind::returned:
        group.set(who, standing::offline);
        break;
    case group_outcome::kind::full:
        group.set(who, standing::full);
        break;
    }
}

// --- time

void core::look_at_groups() {
    if (!options_.has_group_queues) {
        return; // those that there are keep what they have
    }
    ask_queues();
    const bool are_all_here = !are_sessions_held_ && (!lanes_ || are_all_nodes_live());
    if (!are_all_here) {
        members_changed_at_ = turn_.now;
    }
    for (home_entry* each : std::vector<home_entry*>(group_homes_.begin(), group_homes_.end())) {
        settle_queue(*each);
        group_queue& group = *each->group_;
        if (!group.is_empty() || each->is_moving_ || is_node(home_of(each->client_hash()))) {
            group.empty_since = never;
        } else if (group.empty_since == never) {
            group.empty_since = turn_.now;
        } else if (turn_.now - std::max(group.empty_since, members_changed_at_) >= linger
                   && each->home_.session() != nullptr) {
            end_queue(*each);
        }
    }
}

} // namespace gv::shard
