// SPDX-License-Identifier: Apache-2.0
// A message on its way: to the subscribers of this shard, to other shards, into the retained table.
#include "broker/shard/core.hpp"

#include <bit>

namespace gv::shard {

using mqtt::reason_code;

// The hot path: one lookup, then each taker's output. Nothing here allocates unless the message
// must wait or leave the shard.
void core::route(session::front& who, const publication& what, session::route_token token) {
    client& from = owner_of(who);
    takers_ = {};
    const reach where = distribute_here(what, what.header.retain);
    const bool wants_ack = what.header.quality != qos::at_most_once;
    if (where.shards == 0) {
        if (wants_ack) {
            who.on_taken(token, where.is_over_limit ? reason_code::quota_exceeded
                                : where.is_matched  ? reason_code::success
                                                    : reason_code::no_matching_subscribers);
        }
    } else {
        take_token take{};
        if (wants_ack) {
            take =
                await_takes(from, token, static_cast<std::uint32_t>(std::popcount(where.shards)));
            takes_[take.value - 1].reason =
                where.is_matched ? reason_code::success : reason_code::no_matching_subscribers;
        }
        distribute_there(what, where, take);
    }
    hold_if_takers_are_full(from, where.shards);
}

core::reach core::distribute_here(const publication& what, bool is_for_retained) {
    const router::route& found = router_.lookup(what.topic);
    reach where{.shards = found.remote, .is_matched = !found.is_empty()};
    takers_.all += found.targets.size();
    for (const router::target& each : found.targets) {
        if (const router::grant* how = found.grant_for(each, what.header.publisher)) {
            each.who->deliver(what, *how);
        }
    }
    for (router::group* each : found.groups) {
        deliver_to_group(*each, what);
    }
    if (is_for_retained && is_small_enough_to_retain(what)) {
        const shard_id owner = retained_owner(what.topic);
        if (is_mine(owner)) {
            where.is_over_limit = !retain(what);
        } else {
            where.shards |= std::uint64_t{1} << owner.value;
        }
    }
    return where;
}

bool core::retain(const publication& what) {
    const bool is_over_limit = retained_.put(what) == router::put_outcome::over_limit;
    counts_.retained_refused += is_over_limit ? 1U : 0U;
    return !is_over_limit;
}

bool core::is_small_enough_to_retain(const publication& what) const noexcept {
    const std::size_t limit = options_.limits.retained_payload_max;
    return limit == 0 || what.payload.size() <= limit;
}

void core::distribute_there(const publication& what, const reach& where, take_token take) {
    const std::uint64_t subscribers = router_.lookup(what.topic).remote;
    const message_ref shared = what.held && what.held->is_shared()
                                   ? what.held
                                   : message::copy_of(what, message::reach::shared);
    const shard_id owner = retained_owner(what.topic);
    for (std::uint64_t left = where.shards; left != 0; left &= left - 1) {
        const auto shard = static_cast<std::uint16_t>(std::countr_zero(left));
        credit_used_[shard] += shared->weight();
        post(shard_id{shard}, routed{.what = shared,
                                     .take = take,
                                     .is_for_subscribers = ((subscribers >> shard) & 1) != 0,
                                     .is_for_retained = what.header.retain && owner.value == shard
                                                        && is_small_enough_to_retain(what)});
    }
}

void core::on_routed(shard_id from, const routed& message) {
    const publication what = message::view_of(message.what);
    credit_owed_[from.value] += message.what->weight();
    reach where;
    if (message.is_for_subscribers) {
        where = distribute_here(what, message.is_for_retained);
    } else if (message.is_for_retained) {
        where.is_over_limit = !retain(what);
    }
    if (message.take.value != 0) {
        post(from, taken{.take = message.take,
                         .reason = where.is_over_limit ? reason_code::quota_exceeded
                                   : where.is_matched  ? reason_code::success
                                                       : reason_code::no_matching_subscribers});
    }
}

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
        post(member->id.shard, group_delivery{.what = shared,
                                              .take = {},
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
                       .subscription_ids = {&id, id == 0 ? 0U : 1U}});
}

void core::deliver_to_member(std::uint64_t subscriber, const publication& what,
                             const router::grant& how) {
    ++takers_.all;
    if (client* volatile_member = find_client(subscriber)) {
        if (volatile_member->may_receive(what.topic)) {
            volatile_member->deliver(what, how);
        }
    } else if (home_entry* home = find_home(subscriber); home && home->may_receive(what.topic)) {
        home->deliver(what, how);
    }
}

void core::on_group_delivery(shard_id from, const group_delivery& message) {
    credit_owed_[from.value] += message.what->weight();
    const publication what = message::view_of(message.what);
    deliver_to_member(
        message.subscriber, what,
        {.quality = message.quality,
         .retain_as_published = message.retain,
         .subscription_ids = {&message.subscription_id, message.subscription_id == 0 ? 0U : 1U}});
}

take_token core::await_takes(const client& from, session::route_token token, std::uint32_t shards) {
    std::uint32_t index = 0;
    if (free_takes_.empty()) {
        index = static_cast<std::uint32_t>(takes_.size());
        takes_.emplace_back();
    } else {
        index = free_takes_.back();
        free_takes_.pop_back();
    }
    takes_[index] = {.connection = from.number(), .token = token, .remaining = shards};
    return take_token{index + 1};
}

void core::on_taken(const taken& answer) {
    const std::uint32_t index = answer.take.value - 1;
    pending_take& waiting = takes_[index];
    if (mqtt::is_error(answer.reason)
        || (answer.reason == reason_code::success && !mqtt::is_error(waiting.reason))) {
        waiting.reason = answer.reason;
    }
    if (--waiting.remaining > 0) {
        return;
    }
    const pending_take done = waiting;
    free_takes_.push_back(index);
    if (client* publisher = find_client(done.connection)) {
        publisher->front_.on_taken(done.token, done.reason);
        touch(*publisher);
    }
}

shard_id core::retained_owner(std::string_view topic) const noexcept {
    return shard_id{options_.shards == 1
                        ? std::uint16_t{0}
                        : static_cast<std::uint16_t>(table_hash(topic) % options_.shards)};
}

void core::publish(publication what) {
    what.header.stamp = clock_.next(turn_.wall);
    what.header.origin = options_.node;
    const reach where = distribute_here(what, what.header.retain);
    if (where.shards != 0) {
        distribute_there(what, where, {});
    }
}

void core::publish_will(const publication& what) {
    ++counts_.wills;
    publication due = what;
    publish(std::move(due));
}

} // namespace gv::shard
