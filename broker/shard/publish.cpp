// SPDX-License-Identifier: Apache-2.0
// A message on its way: to the subscribers of this shard, to other shards, into the retained table.
#include "base/retained.hpp"
#include "base/topic.hpp"
#include "broker/shard/core.hpp"

#include <algorithm>
#include <bit>

namespace gv::shard {

using mqtt::reason_code;

// The hot path: one lookup, then each taker's output. Nothing here allocates unless the message
// must wait or leave the shard.
void core::route(session::front& who, const publication& what, session::route_token token,
                 packet_id inbound) {
    client& from = owner_of(who);
    takers_ = {};
    onward_ = 0;
    publisher_ = from.number_;
    const bool is_held = inbound.value != 0 && who.is_held_by_home();
    if (is_held && journal_.is_stalled()) {
        // Its identifier would have to be on disk before any answer, that it is refused included.
        who.on_taken(token, session::not_stored);
        return;
    }
    giving_out given{.who = {.connection = from.number_,
                             .token = token,
                             .wants_answer = what.header.quality != qos::at_most_once},
                     .front = &who,
                     .level = what.header.level};
    begin_giving_out(given,
                     is_held && journal_.is_on() && options_.shards > 1 && !is_node(from.home_at_)
                         ? journal_.new_transaction()
                         : storage::branch{});
    if (is_held) {
        change_inbound(from, inbound, true);
    }
    reach where = distribute_here(what, audience::everybody, what.header.retain);
    if (where.shards != 0) {
        distribute_there(what, audience::everybody, where);
    }
    if (lanes_) {
        distribute_to_peers(what, where);
    }
    end_giving_out(where);
    hold_if_takers_are_full(from.number_, where.shards | onward_, where.full_lane);
}

// While a message is given out, whatever must happen before it counts as taken adds to what is
// waited for: a shard that has to take it, a group's member elsewhere, a row that is not yet on
// disk. Most often there is nothing, and the answer is given at once.
void core::begin_giving_out(giving_out& given, const storage::branch& part_of) {
    given_out_ = &given;
    given.is_part = part_of.transaction.value != 0;
    journal_.set_mark({});
    if (given.is_part) {
        journal_.begin_part(part_of);
    }
}

take_token core::await_one() {
    giving_out& given = *given_out_;
    if (!given.who.wants_answer) {
        return {};
    }
    if (given.take.value == 0) {
        std::uint32_t index = 0;
        if (free_takes_.empty()) {
            index = static_cast<std::uint32_t>(takes_.size());
            takes_.emplace_back();
        } else {
            index = free_takes_.back();
            free_takes_.pop_back();
        }
        takes_[index] = {.who = given.who, .remaining = 1};
        given.take = take_token{index + 1};
    }
    ++takes_[given.take.value - 1].remaining;
    return given.take;
}

void core::end_giving_out(const reach& where) {
    giving_out& given = *given_out_;
    session::commit_mark mark = journal_.last_mark();
    if (given.is_part) {
        mark = journal_.part_mark();
        journal_.end_part();
    }
    // A part is waited for at every level: what follows it, such as the erasure of the identifier
    // that it holds, must not be written before it.
    if (mark.value != 0 && journal_.is_lost()) {
        given.is_refused = true;
    } else if (mark.value != 0 && given.who.wants_answer
               && (given.level != durability::memory || given.is_part)) {
        journal_.wait(mark, {.what = waiter::kind::take, .number = await_one().value}, given.level);
    }
    given_out_ = nullptr;
    const reason_code reason = given.is_refused      ? session::not_stored
                               : where.is_over_limit ? reason_code::quota_exceeded
                               : where.is_matched    ? reason_code::success
                                                     : reason_code::no_matching_subscribers;
    if (!given.who.wants_answer) {
        return;
    }
    if (given.front != nullptr) {
        ++counts_.accepted[static_cast<std::size_t>(given.level)];
    }
    if (given.take.value != 0) {
        pending_take& waiting = takes_[given.take.value - 1];
        waiting.reason = mqtt::is_error(waiting.reason) ? waiting.reason : reason;
        finish_take(given.take.value - 1);
    } else if (given.front != nullptr && !owner_of(*given.front).is_ended_) {
        given.front->on_taken(given.who.token, reason);
    } else {
        answer(given.who, reason);
    }
}

void core::set_keeping(session::front& who, std::string_view topic, envelope& header) {
    set_keeping(topic, owner_of(who).profile_->level, header);
}

void core::set_keeping(std::string_view topic, durability otherwise, envelope& header) const {
    const auto rule = std::ranges::find_if(
        options_.topics, [&](const topic_rule& each) { return topic_matches(each.filter, topic); });
    const bool is_found = rule != options_.topics.end();
    header.level = is_found ? rule->level.value_or(otherwise) : otherwise;
    header.newest_only = is_found && rule->newest_only;
}

void core::answer(const asker& who, reason_code reason) {
    if (who.lane.value != 0) {
        if (arriving_lane* lane = lanes_->from(who.lane)) {
            lane->receiver.answer(who.lane_seq, static_cast<cluster::lane_reason>(reason));
            touch(who.lane);
        }
    } else if (who.connection == 0 && is_mine(who.shard)) {
        on_taken({.take = who.take, .reason = reason});
    } else if (who.connection == 0) {
        post(who.shard, taken{.take = who.take, .reason = reason});
    } else if (client* publisher = find_client(who.connection)) {
        publisher->front_.on_taken(who.token, reason);
        touch(*publisher);
    } else if (!leavers_.empty()) {
        on_leaver_taken(who.connection, who.token, reason);
    }
}

core::reach core::distribute_here(const publication& what, audience whom, bool is_for_retained) {
    const router::route& found = router_.lookup(what.topic);
    const bool takes_groups = whom == audience::everybody && found.has_groups();
    // Whether a group with members elsewhere takes it, the answers tell.
    reach where{.shards = found.remote | (takes_groups ? found.spread_shards : 0),
                .is_matched = found.has_outsiders() || (takes_groups && !found.groups.empty()),
                .peers = &found.peers};
    takers_.all += found.targets.size();
    shares_body_ =
        journal_.is_on() && found.targets.size() + found.groups.size() + found.spread.size() > 1;
    body_.reset();
    const bool is_for_kept_only = given_out_->is_for_kept_only;
    for (const router::target& each : found.targets) {
        if (is_for_kept_only && !each.who->is_kept()) {
            continue;
        }
        if (const router::grant* how = found.grant_for(each, what.header.publisher)) {
            each.who->deliver(what, *how);
        }
    }
    if (takes_groups) {
        for (router::group* each : found.groups) {
            deliver_to_group(*each, what);
        }
        for (const router::spread_group& each : found.spread) {
            deliver_to_spread(each, what, where);
        }
    }
    shares_body_ = false;
    if (is_for_retained && is_small_enough_to_retain(what)) {
        const reach of_row = retain_at_owner(what);
        where.is_over_limit = of_row.is_over_limit;
        where.shards |= of_row.shards;
    }
    return where;
}

core::reach core::retain_at_owner(const publication& what) {
    const shard_id owner = retained_owner(what.topic);
    return is_mine(owner) ? reach{.is_over_limit = !retain(what)}
                          : reach{.shards = std::uint64_t{1} << owner.value};
}

bool core::retain(const publication& what) {
    if (refuses_to_keep() && what.header.quality != qos::at_most_once && !what.payload.empty()) {
        given_out_->is_refused = true;
        return true;
    }
    const router::put_outcome outcome = retained_.put(what);
    if (is_change(outcome, retained_.is_clustered())) {
        log_retained(what, what.payload.empty());
    }
    const bool is_over_limit = outcome == router::put_outcome::over_limit;
    counts_.retained_refused += is_over_limit ? 1U : 0U;
    return !is_over_limit;
}

bool core::is_small_enough_to_retain(const publication& what) const noexcept {
    const std::size_t limit = options_.limits.retained_payload_max;
    return limit == 0 || what.payload.size() <= limit;
}

void core::distribute_there(const publication& what, audience whom, const reach& where) {
    const router::route& found = router_.lookup(what.topic);
    const bool takes_groups = whom == audience::everybody;
    const std::uint64_t subscribers = found.remote | (takes_groups ? found.spread_shards : 0);
    const message_ref shared = what.held && what.held->is_shared()
                                   ? what.held
                                   : message::copy_of(what, message::reach::shared);
    const shard_id owner = retained_owner(what.topic);
    for (std::uint64_t left = where.shards; left != 0; left &= left - 1) {
        const auto shard = static_cast<std::uint16_t>(std::countr_zero(left));
        credit_used_[shard] += shared->weight();
        post(shard_id{shard}, routed{.what = shared,
                                     .publisher = publisher_,
                                     .open_takers = open_takers(),
                                     .take = await_one(),
                                     .branch = journal_.fork(),
                                     .is_for_subscribers = ((subscribers >> shard) & 1) != 0,
                                     .is_for_groups = takes_groups,
                                     .is_for_retained = what.header.retain && owner.value == shard
                                                        && is_small_enough_to_retain(what),
                                     .is_for_kept_only = given_out_->is_for_kept_only});
    }
}

void core::on_routed(shard_id from, const routed& message) {
    const publication what = message::view_of(message.what);
    credit_owed_[from.value] += message.what->weight();
    takers_ = {.all = message.open_takers};
    onward_ = 0;
    publisher_ = message.publisher;
    giving_out given{
        .who = {.shard = from, .take = message.take, .wants_answer = message.take.value != 0},
        .level = what.header.level,
        .is_for_kept_only = message.is_for_kept_only};
    begin_giving_out(given, message.branch);
    reach where;
    if (message.is_for_subscribers) {
        where =
            distribute_here(what, message.is_for_groups ? audience::everybody : audience::outsiders,
                            message.is_for_retained);
    } else if (message.is_for_retained) {
        where.is_over_limit = !retain(what);
    }
    end_giving_out(where);
    hold_if_takers_are_full(message.publisher, onward_, where.full_lane);
}

void core::on_taken(const taken& answer) {
    const std::uint32_t index = answer.take.value - 1;
    pending_take& waiting = takes_[index];
    if (mqtt::is_error(answer.reason)
        || (answer.reason == reason_code::success && !mqtt::is_error(waiting.reason))) {
        waiting.reason = answer.reason;
    }
    finish_take(index);
}

// What it waited for will never be on disk.
void core::refuse_take(std::uint32_t index) {
    takes_[index].reason = session::not_stored;
    finish_take(index);
}

void core::finish_take(std::uint32_t index) {
    if (--takes_[index].remaining > 0) {
        return;
    }
    const pending_take done = takes_[index];
    free_takes_.push_back(index);
    answer(done.who, done.reason);
}

shard_id core::retained_owner(std::string_view topic, std::size_t shards) noexcept {
    return shards == 1 ? shard_id{0}
                       : retained_shard(retained_bucket_of(retained_topic_hash(topic)), shards);
}

void core::publish(publication what, std::string_view due_will) {
    what.held = {}; // its header is of before: other shards would see no stamp
    what.header.stamp = clock_.next();
    what.header.origin = options_.node;
    set_keeping(what.topic, options_.level, what.header);
    // A will may be due while another message is given out: what that one waits for stays its own.
    giving_out* const outer = given_out_;
    const session::commit_mark outer_mark = journal_.last_mark();
    const bool outer_shares = shares_body_;
    const std::optional<bodies::place> outer_body = body_;
    const std::uint64_t outer_publisher = std::exchange(publisher_, 0);
    const auto outer_takers = std::exchange(takers_, {});
    const std::uint64_t outer_onward = std::exchange(onward_, 0);
    std::unique_ptr<storage::part> outer_part = journal_.leave_part();
    giving_out given{.level = what.header.level};
    begin_giving_out(given, due_will.empty() ? storage::branch{} : journal_.new_transaction());
    if (given.is_part) {
        journal_.erase_in_part(storage::table::small, due_will);
    }
    reach where = distribute_here(what, audience::everybody, what.header.retain);
    if (where.shards != 0) {
        distribute_there(what, audience::everybody, where);
    }
    if (lanes_) {
        distribute_to_peers(what, where);
    }
    if (given.is_part) {
        journal_.end_part();
        journal_.set_mark({});
    }
    journal_.return_to(std::move(outer_part));
    given_out_ = outer;
    publisher_ = outer_publisher;
    takers_ = outer_takers;
    onward_ = outer_onward;
    if (outer != nullptr) {
        journal_.set_mark(journal_.last_mark().value != 0 ? journal_.last_mark() : outer_mark);
    }
    shares_body_ = outer_shares;
    body_ = outer_body;
}

// The record of the session loses the will with this hand-over, and other shards may write down
// what came of it with later ones. Until then it has a row of its own, which goes with the last of
// them.
void core::publish_will(session::home& from, const publication& what) {
    ++counts_.wills;
    const bool is_in_record = journal_.is_on() && entry_of(from).session_id_.created.value != 0;
    if (!is_in_record || options_.shards == 1) {
        publish(what, {});
        return;
    }
    const storage::due_will_key key = storage::due_will_key_of(clock_.next_name(), options_.me);
    log_due_will(key, what);
    publish(what, key.view());
}

void core::publish_restored_wills() {
    for (const auto& [key, will] : std::exchange(restored_wills_, {})) {
        ++counts_.wills;
        publish(will.published_at(turn_.now), key);
    }
}

} // namespace gv::shard
