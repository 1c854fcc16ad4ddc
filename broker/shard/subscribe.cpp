// SPDX-License-Identifier: Apache-2.0
// Subscriptions: into this shard's router, and what other shards must know of them. A SUBACK waits
// until every shard has applied what it means, and the retained replay begins after it: who has
// the SUBACK may tell a friend to publish.
#include "base/log.hpp"
#include "base/topic.hpp"
#include "broker/shard/core.hpp"

#include <algorithm>

namespace gv::shard {

using mqtt::reason_code;

router::subscription_options core::router_options_of(const session::subscription& wanted) {
    return {.quality = wanted.quality,
            .no_local = wanted.no_local,
            .retain_as_published = wanted.retain_as_published,
            .newest_only = wanted.newest_only,
            .subscription_id = wanted.subscription_id};
}

void core::subscribe(session::front& who, packet_id id,
                     std::vector<session::subscription> filters) {
    client& from = owner_of(who);
    const session::front_address address{.shard = options_.me, .connection = from.number_};
    for (const session::subscription& each : filters) {
        log::debug({.conn = from.number_, .client = who.client_id()}, "subscribe",
                   {{"filter", each.filter}, {"qos", static_cast<unsigned>(each.quality)}});
    }
    if (!who.is_held_by_home()) {
        subscribe_for(from, from.number_, who.make_own_session(), address, id, std::move(filters));
        return;
    }
    const shard_id home = from.home_at_;
    if (is_mine(home)) {
        on_home_subscribe(from.home_, address, id, std::move(filters));
    } else {
        post_rare(home, shard::subscribe{.home = from.home_,
                                         .connection = from.number_,
                                         .id = id,
                                         .filters = std::move(filters)});
    }
}

void core::on_home_subscribe(std::uint64_t number, session::front_address from, packet_id id,
                             std::vector<session::subscription> filters) {
    home_entry* home = find_home(number, from);
    if (home != nullptr && home->home_.session() != nullptr) {
        subscribe_for(*home, number, *home->home_.session(), from, id, std::move(filters));
    }
}

void core::subscribe_for(router::subscriber& who, std::uint64_t number,
                         session::session_state& state, session::front_address front, packet_id id,
                         std::vector<session::subscription> filters) {
    operation begun{.front = front, .id = id, .holder = number};
    begun.replays.first = state.replays.next_announcement();
    const std::uint64_t operation_number = ++next_operation_;
    journal_.set_mark({});
    for (session::subscription& each : filters) {
        begun.reasons.push_back(
            add_subscription(who, number, state, std::move(each), operation_number, begun));
    }
    begun.replays.end = state.replays.next_announcement();
    await_journal(begun, operation_number);
    begin(operation_number, std::move(begun));
}

reason_code core::add_subscription(router::subscriber& who, std::uint64_t number,
                                   session::session_state& state, session::subscription wanted,
                                   std::uint64_t operation_number, operation& begun) {
    const auto known = state.subscriptions.find(wanted.filter);
    const bool is_new = known == state.subscriptions.end();
    if (is_new && state.subscriptions.size() >= options_.limits.subscriptions_max) {
        return reason_code::quota_exceeded;
    }
    home_entry* const home = find_home(number);
    if (is_shared_filter(wanted.filter) && home != nullptr && has_queues(*home)) {
        const joining how = join_queue(*home, wanted.filter, operation_number,
                                       static_cast<std::uint16_t>(begun.reasons.size()));
        if (how == joining::refused) {
            return reason_code::implementation_specific_error;
        }
        begun.remaining += how == joining::asked ? 1U : 0U;
        state.shared_subscriptions += is_new ? 1 : 0;
        shared_subscriptions_ += is_new ? 1U : 0U;
    } else if (is_shared_filter(wanted.filter)) {
        const shared_filter parts = *split_shared_filter(wanted.filter);
        begun.remaining += join_group({.what = group_change::kind::join,
                                       .is_queue = home != nullptr && home->group_ != nullptr,
                                       .subscriber = number,
                                       .operation = operation_number,
                                       .group = std::string(parts.group),
                                       .filter = std::string(parts.filter),
                                       .options = router_options_of(wanted)},
                                      options_.me);
        state.shared_subscriptions += is_new ? 1 : 0;
        shared_subscriptions_ += is_new ? 1U : 0U;
    } else {
        begun.remaining += tell_added(
            wanted.filter, kind_of(who),
            router_.subscribe(who, wanted.filter, router_options_of(wanted)), operation_number);
        const bool wants_retained = wanted.handling == mqtt::retain_handling::always
                                    || (wanted.handling == mqtt::retain_handling::if_new && is_new);
        session::replay rows{.filter = wanted.filter,
                             .after = {},
                             .subscription_id = wanted.subscription_id,
                             .shard = has_wildcard(wanted.filter)
                                          ? std::uint16_t{0}
                                          : retained_owner(wanted.filter).value,
                             .quality = wanted.quality,
                             .no_local = wanted.no_local};
        if (wants_retained && options_.limits.retain_available) {
            state.replays.announce(std::move(rows));
        } else {
            state.replays.change(rows); // what the subscription before is owed [MQTT-3.8.4-4]
        }
    }
    if (home != nullptr) {
        log_subscription(*home, wanted);
    }
    const auto granted = static_cast<reason_code>(wanted.quality);
    std::string filter = wanted.filter;
    state.subscriptions.insert_or_assign(std::move(filter), std::move(wanted));
    return granted;
}

// What a SUBACK or UNSUBACK of a persistent session says is on disk.
void core::await_journal(operation& begun, std::uint64_t operation_number) {
    const session::commit_mark mark = journal_.last_mark();
    if (mark.value != 0 && journal_.is_lost()) {
        begun.reasons.assign(begun.reasons.size(), reason_code::quota_exceeded);
    } else if (mark.value != 0) {
        journal_.wait(mark, {.what = waiter::kind::operation, .number = operation_number});
        ++begun.remaining;
    }
}

std::size_t core::tell_added(std::string_view filter, taker_kind kind,
                             const router::router::added& how, std::uint64_t operation_number) {
    std::size_t told = 0;
    if (how.first || may_be_unapplied()) {
        told += tell_shards(filter, true, operation_number);
    }
    if (how.first_of_kind || may_be_unapplied()) {
        told += tell_nodes({.filter = filter,
                            .news = how.first_of_kind ? route_news::first : route_news::again,
                            .kind = kind},
                           operation_number);
    }
    return told;
}

void core::tell_removed(std::string_view filter, taker_kind kind,
                        const router::router::removed& how) {
    if (how.last) {
        tell_shards(filter, false, 0);
    }
    if (how.last_of_kind) {
        tell_nodes({.filter = filter, .news = route_news::last, .kind = kind}, 0);
    }
}

std::size_t core::tell_shards(std::string_view filter, bool is_wanted,
                              std::uint64_t operation_number) {
    std::size_t told = 0;
    for (std::uint16_t shard = 0; shard < options_.shards; ++shard) {
        if (shard != options_.me.value) {
            post_rare(shard_id{shard}, route_change{.filter = std::string(filter),
                                                    .operation = operation_number,
                                                    .is_wanted = is_wanted});
            ++told;
        }
    }
    return told;
}

std::size_t core::tell_nodes(const route_word& what, std::uint64_t operation_number) {
    if (!options_.is_clustered) {
        return 0;
    }
    driver_->tell_cluster(what, operation_number);
    return 1;
}

void core::on_route_change(shard_id from, const route_change& change) {
    if (change.is_wanted) {
        router_.add_remote(change.filter, from);
    } else {
        router_.remove_remote(change.filter, from);
    }
    if (change.operation != 0) {
        post_rare(from, applied{.operation = change.operation});
    }
}

// What the client asked for holds until the process ends, and not longer, so it is told no.
void core::refuse_operation(std::uint64_t number) {
    const auto found = operations_.find(number);
    if (found != operations_.end() && found->second.confirms) {
        static_cast<void>(end_operation(number)); // nothing is confirmed
    } else if (found != operations_.end()) {
        found->second.reasons.assign(found->second.reasons.size(), reason_code::quota_exceeded);
        on_applied(number);
    }
}

void core::on_applied(std::uint64_t number) {
    const auto found = operations_.find(number);
    if (found != operations_.end() && --found->second.remaining == 0) {
        complete(end_operation(number));
    }
}

void core::begin(std::uint64_t number, operation begun) {
    if (begun.remaining == 0) {
        complete(std::move(begun));
        return;
    }
    subscribing_ += begun.is_subscription() ? 1U : 0U;
    operations_.emplace(number, std::move(begun));
}

core::operation core::end_operation(std::uint64_t number) {
    const auto found = operations_.find(number);
    operation ended = std::move(found->second);
    operations_.erase(found);
    subscribing_ -= ended.is_subscription() ? 1U : 0U;
    return ended;
}

void core::complete(operation done) {
    if (done.joiner) {
        post_rare(*done.joiner, applied{.operation = done.joiner_operation});
        return;
    }
    if (done.confirms) {
        answer_confirm(done.front, *done.confirms);
        return;
    }
    if (done.attaches) {
        complete_attach(std::move(done));
        return;
    }
    if (done.arriving) {
        on_joined(*done.arriving);
        return;
    }
    if (done.joins) {
        complete_join(done);
        return;
    }
    answer_subscribe(done.front, done.id, done.is_removal, std::move(done.reasons));
    replay_holder* holder = find_holder(done.holder);
    session::session_state* state = holder != nullptr ? holder->replay_session() : nullptr;
    if (state == nullptr) {
        return;
    }
    state->replays.open(done.replays);
    pump_replay(done.holder);
}

void core::answer_subscribe(session::front_address to, packet_id id, bool is_removal,
                            std::vector<reason_code> reasons) {
    if (!is_mine(to.shard)) {
        post_rare(to.shard, subscribed{.connection = to.connection,
                                       .id = id,
                                       .is_removal = is_removal,
                                       .reasons = std::move(reasons)});
        return;
    }
    client* front = find_client(to.connection);
    if (front == nullptr) {
        return;
    }
    if (is_removal) {
        front->front_.on_unsubscribed(id, reasons);
    } else {
        front->front_.on_subscribed(id, reasons);
        resume_unless_in_input(*front);
    }
    touch(*front);
}

void core::unsubscribe(session::front& who, packet_id id, std::vector<std::string> filters) {
    client& from = owner_of(who);
    const session::front_address address{.shard = options_.me, .connection = from.number_};
    for (const std::string& each : filters) {
        log::debug({.conn = from.number_, .client = who.client_id()}, "unsubscribe",
                   {{"filter", each}});
    }
    if (!who.is_held_by_home()) {
        answer_subscribe(address, id, true,
                         remove_subscriptions(from, from.number_, who.make_own_session(), filters));
        return;
    }
    const shard_id home = from.home_at_;
    if (is_mine(home)) {
        on_home_unsubscribe(from.home_, address, id, filters);
    } else {
        post_rare(home, shard::unsubscribe{.home = from.home_,
                                           .connection = from.number_,
                                           .id = id,
                                           .filters = std::move(filters)});
    }
}

void core::on_home_unsubscribe(std::uint64_t number, session::front_address from, packet_id id,
                               std::span<const std::string> filters) {
    home_entry* home = find_home(number, from);
    if (home == nullptr || home->home_.session() == nullptr) {
        return;
    }
    operation begun{.front = from, .id = id, .holder = number, .is_removal = true};
    begun.reasons = remove_subscriptions(*home, number, *home->home_.session(), filters);
    if (!journal_.is_on()) {
        complete(std::move(begun));
        return;
    }
    for (const std::string& each : filters) {
        log_unsubscription(*home, each);
    }
    journal_.set_mark(journal_.open_mark());
    await_journal(begun, ++next_operation_);
    begin(next_operation_, std::move(begun));
}

std::vector<reason_code> core::remove_subscriptions(router::subscriber& who, std::uint64_t number,
                                                    session::session_state& state,
                                                    std::span<const std::string> filters) {
    std::vector<reason_code> reasons;
    for (const std::string& filter : filters) {
        const auto known = state.subscriptions.find(filter);
        if (known == state.subscriptions.end()) {
            reasons.push_back(reason_code::no_subscription_existed);
            continue;
        }
        state.subscriptions.erase(known);
        state.replays.end(filter); // [MQTT-3.10.4-2]
        state.shared_subscriptions -= is_shared_filter(filter) ? 1 : 0;
        shared_subscriptions_ -= is_shared_filter(filter) ? 1U : 0U;
        withdraw(who, number, filter);
        reasons.push_back(reason_code::success);
    }
    return reasons;
}

void core::withdraw(router::subscriber& who, std::uint64_t number, std::string_view filter) {
    if (!is_shared_filter(filter)) {
        tell_removed(filter, kind_of(who), router_.unsubscribe(who, filter));
        return;
    }
    home_entry* const home = find_home(number);
    if (home != nullptr && has_queues(*home)) {
        leave_queue(*home, filter);
        return;
    }
    const shared_filter parts = *split_shared_filter(filter);
    group_change leave{.what = group_change::kind::leave,
                       .is_queue = home != nullptr && home->group_ != nullptr,
                       .subscriber = number,
                       .group = std::string(parts.group),
                       .filter = std::string(parts.filter)};
    const shard_id owner = group_owner(parts.group, parts.filter);
    if (is_mine(owner)) {
        on_group_change(options_.me, std::move(leave));
    } else {
        post_rare(owner, std::move(leave));
    }
}

void core::withdraw_all(router::subscriber& who, std::uint64_t number,
                        session::session_state& state) {
    for (const auto& [filter, each] : state.subscriptions) {
        withdraw(who, number, filter);
    }
    state.subscriptions.clear();
    shared_subscriptions_ -= state.shared_subscriptions;
    state.shared_subscriptions = 0;
}

} // namespace gv::shard
