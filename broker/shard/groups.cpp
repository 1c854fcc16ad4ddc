// SPDX-License-Identifier: Apache-2.0
// Shared groups on this node: who joins and leaves, and a message for one of the members. A group
// lives on one shard, its members on any. Groups with members on other nodes: spread.cpp.
#include "broker/shard/core.hpp"

namespace gv::shard {

namespace {

/// For least_in_flight; what wants no acknowledgement is not counted.
[[nodiscard]] std::uint8_t origin_of(shard_id group, qos quality) {
    return quality == qos::at_most_once ? std::uint8_t{0}
                                        : static_cast<std::uint8_t>(group.value + 1);
}

/// The group has its queue here, also while this node is away. Whether somebody is online is told
/// of it as of any member.
[[nodiscard]] route_word word_of_queue(const group_change& of, route_news news) {
    return {.filter = of.filter,
            .news = news,
            .kind = taker_kind::kept,
            .group = of.group,
            .is_online = false};
}

} // namespace

// --- members

// Joins a group that lives here, or asks its owner. Returns how many answers to wait for.
std::size_t core::join_group(group_change join, shard_id from) {
    const shard_id owner = group_owner(join.group, join.filter);
    if (!is_mine(owner)) {
        post_rare(owner, std::move(join));
        return 1;
    }
    const router::router::added added =
        router_.join(join.group, join.filter, {.shard = from, .subscriber = join.subscriber},
                     join.options, join.is_online);
    std::size_t told = 0;
    if (added.first || may_be_unapplied()) {
        told += tell_shards(join.filter, true, join.operation);
    }
    if (added.is_new || may_be_unapplied()) {
        told += tell_nodes({.filter = join.filter,
                            .news = added.is_new ? route_news::joined : route_news::again,
                            .group = join.group,
                            .is_online = added.is_online},
                           join.operation);
        if (join.is_queue) {
            told += tell_nodes(
                word_of_queue(join, added.is_new ? route_news::joined : route_news::again),
                join.operation);
        }
    }
    return told;
}

void core::on_group_change(shard_id from, group_change change) {
    const router::member_id member{.shard = from, .subscriber = change.subscriber};
    switch (change.what) {
    case group_change::kind::join: {
        // The filter may be new to the other shards: they answer first, then the member's shard is.
        const std::uint64_t asked = change.operation;
        change.operation = ++next_operation_;
        const std::uint64_t own = change.operation;
        operation begun{.joiner = from, .joiner_operation = asked};
        begun.remaining = join_group(std::move(change), from);
        begin(own, std::move(begun));
        return;
    }
    case group_change::kind::leave:
        leave_group(change, member);
        return;
    case group_change::kind::online:
        set_online_in_groups(member, true);
        return;
    case group_change::kind::offline:
        set_online_in_groups(member, false);
        return;
    }
}

void core::leave_group(const group_change& leave, router::member_id member) {
    const router::router::removed removed = router_.leave(leave.group, leave.filter, member);
    if (removed.existed) {
        tell_nodes({.filter = leave.filter,
                    .news = route_news::left,
                    .group = leave.group,
                    .is_online = removed.was_online},
                   0);
        if (leave.is_queue) {
            tell_nodes(word_of_queue(leave, route_news::left), 0);
        }
    }
    if (removed.last) {
        tell_shards(leave.filter, false, 0);
    }
}

void core::set_online_in_groups(router::member_id member, bool is_online) {
    for (const router::group* each : router_.set_online(member, is_online)) {
        tell_nodes({.filter = each->filter(),
                    .news = is_online ? route_news::went_online : route_news::went_offline,
                    .group = each->name()},
                   0);
    }
}

void core::set_member_online(std::uint64_t number, const session::session_state& state,
                             bool is_online) {
    if (state.shared_subscriptions == 0) {
        return;
    }
    if (home_entry* home = find_home(number); home != nullptr && has_queues(*home)) {
        tell_queues(*home, is_online);
        return;
    }
    const auto what = is_online ? group_change::kind::online : group_change::kind::offline;
    for (std::uint16_t shard = 0; shard < options_.shards; ++shard) {
        group_change change{.what = what, .subscriber = number};
        if (shard == options_.me.value) {
            on_group_change(options_.me, std::move(change));
        } else {
            post_rare(shard_id{shard}, std::move(change));
        }
    }
}

// A message that the group's owner counted as in flight to this member is so no more.
void core::settle_in_group(std::uint64_t member, session::group_origin group) {
    if (group.value == 0) {
        return;
    }
    const shard_id owner{static_cast<std::uint16_t>(group.value - 1)};
    if (is_mine(owner)) {
        router_.acknowledged({.shard = options_.me, .subscriber = member});
    } else {
        post(owner, group_ack{.subscriber = member});
    }
}

// --- messages

void core::deliver_to_group(router::group& group, const publication& what) {
    const router::group_member* member = group.pick(what.header.publisher, what.topic);
    if (member == nullptr) {
        return;
    }
    const qos quality = lower(what.header.quality, member->options.quality);
    if (quality != qos::at_most_once) {
        router_.taken(member->id);
    }
    if (!is_mine(member->id.shard)) {
        const message_ref shared = what.held && what.held->is_shared()
                                       ? what.held
                                       : message::copy_of(what, message::reach::shared);
        credit_used_[member->id.shard.value] += shared->weight();
        onward_ |= std::uint64_t{1} << member->id.shard.value;
        post(member->id.shard, group_delivery{.what = shared,
                                              .publisher = publisher_,
                                              .open_takers = open_takers(),
                                              .take = await_one(),
                                              .branch = journal_.fork(),
                                              .subscriber = member->id.subscriber,
                                              .subscription_id = member->options.subscription_id,
                                              .quality = member->options.quality,
                                              .retain = member->options.retain_as_published});
        return;
    }
    const std::uint32_t id = member->options.subscription_id;
    deliver_to_member(member->id.subscriber, what,
                      {.quality = member->options.quality,
                       .retain_as_published = member->options.retain_as_published,
                       .subscription_ids = {&id, id == 0 ? 0U : 1U},
                       .group = origin_of(options_.me, quality)});
}

void core::deliver_to_member(std::uint64_t subscriber, const publication& what,
                             const router::grant& how) {
    ++takers_.all;
    client* volatile_member = find_client(subscriber);
    home_entry* home = volatile_member == nullptr ? find_home(subscriber) : nullptr;
    router::subscriber* member = volatile_member;
    if (home != nullptr) {
        member = home;
    }
    if (member != nullptr && member->may_receive(what.topic)) {
        member->deliver(what, how);
    } else {
        settle_in_group(subscriber, session::group_origin{how.group});
    }
}

void core::on_group_delivery(shard_id from, const group_delivery& message) {
    credit_owed_[from.value] += message.what->weight();
    const publication what = message::view_of(message.what);
    takers_ = {.all = message.open_takers};
    onward_ = 0;
    publisher_ = message.publisher;
    giving_out given{
        .who = {.shard = from, .take = message.take, .wants_answer = message.take.value != 0},
        .level = what.header.level};
    begin_giving_out(given, message.branch);
    deliver_to_member(
        message.subscriber, what,
        {.quality = message.quality,
         .retain_as_published = message.retain,
         .subscription_ids = {&message.subscription_id, message.subscription_id == 0 ? 0U : 1U},
         .group = origin_of(from, lower(what.header.quality, message.quality))});
    end_giving_out({.is_matched = true});
    hold_if_takers_are_full(message.publisher, onward_);
}

} // namespace gv::shard
