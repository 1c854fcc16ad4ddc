// SPDX-License-Identifier: Apache-2.0
// Shared groups with members on several nodes. Where a message comes from its publisher, the shard
// that would own the group on that node chooses: a member here, or a node where one is. What goes
// to another node names the group; that node chooses among its own members, or answers that there
// are none any more. Then, and when the message did not get there, or the node dies before it
// answers or (for QoS 1) is suspected, another one is chosen. Where a node is slow and has all
// members, the message waits in the spool of its lane. For a node that is dead nothing is kept, but
// for the queue of a group (group_queue.hpp).
#include "base/hash.hpp"
#include "broker/shard/core.hpp"

#include <algorithm>

namespace gv::shard {

using mqtt::reason_code;

namespace {

/// Nodes that are asked for one message, one after the other.
constexpr std::size_t tries_max = 8;

} // namespace

void core::deliver_to_spread(const router::spread_group& group, const publication& what,
                             reach& where) {
    const auto chosen = choose_node(group, what, {});
    if (!chosen) {
        // What the broker says of itself has nobody to go to where all members are elsewhere.
        counts_.group_drops += what.topic.starts_with("$SYS/") ? 0U : 1U;
        return;
    }
    if (*chosen == 0) {
        where.is_matched = true;
        deliver_to_group(*group.here, what);
        return;
    }
    peer_lane& lane = *lanes_->find(group.elsewhere[*chosen - 1].at);
    const bool is_counted = what.header.quality != qos::at_most_once;
    if (is_counted && lane.is_spooling() && refuses_to_spool()) {
        given_out_->is_refused = true;
        return;
    }
    where.is_matched = where.is_matched || (is_counted && lane.is_spooling());
    group_wait wait{
        .what = {}, .take = {}, .name = group.name, .filter = group.filter, .tried = {}};
    if (is_counted) {
        wait.what = what.hold();
        wait.take = await_one();
    }
    forward_to_group(lane, what, std::move(wait));
    if (lane.sender.is_full()) {
        where.full_lane = &lane;
    }
}

namespace {

// A suspect is passed over as one whose lane spools: it may be silent for seconds.
[[nodiscard]] bool is_reachable(const peer_lane& lane, qos quality, bool may_wait) {
    const bool is_well = may_wait || !lane.sender.is_suspected();
    return is_well
           && (quality == qos::at_most_once ? lane.sender.is_linked()
                                            : may_wait || !lane.is_spooling());
}

[[nodiscard]] const router::spread_group*
find_spread(const router::route& in, std::string_view name, std::string_view filter) {
    const auto found = std::ranges::find_if(in.spread, [&](const router::spread_group& each) {
        return each.name == name && each.filter == filter;
    });
    return found == in.spread.end() ? nullptr : &*found;
}

/// What is given out of `from` from now on says that a copy may have been taken before.
void mark_maybe_dup(message_ref& from) {
    publication marked = message::view_of(from);
    marked.header.maybe_dup = true;
    marked.held = {}; // its header is of before
    from = marked.hold();
}

} // namespace

// 0: here; else the place after it.
std::optional<std::size_t> core::choose_node(const router::spread_group& group,
                                             const publication& what,
                                             std::span<const peer_slot> tried) {
    const auto chosen = choose_node(group, what, tried, patience::none);
    return chosen ? chosen : choose_node(group, what, tried, patience::spooled);
}

// What the broker says of itself, each node says itself.
std::optional<std::size_t> core::choose_node(const router::spread_group& group,
                                             const publication& what,
                                             std::span<const peer_slot> tried, patience allowed) {
    candidates_.clear();
    router::group_candidate& here = candidates_.emplace_back();
    here.node = options_.node;
    if (group.here != nullptr) {
        here.online = static_cast<std::uint32_t>(group.here->online());
        here.total = static_cast<std::uint32_t>(group.here->size());
    }
    for (const router::group_place& each : group.elsewhere) {
        router::group_candidate& there = candidates_.emplace_back();
        there.node = each.node;
        const peer_lane* lane = lanes_ ? lanes_->find(each.at) : nullptr;
        if (lane == nullptr || std::ranges::find(tried, each.at) != tried.end()
            || what.topic.starts_with("$SYS/")) {
            continue;
        }
        if (lane->presence == peer_presence::live
            && is_reachable(*lane, what.header.quality, allowed == patience::spooled)) {
            there.online = each.online;
            there.total = each.total;
        }
        // Also when it is back, and has not told yet who its members are.
        if (lane->presence != peer_presence::gone && each.has_queue
            && what.header.quality != qos::at_most_once && allowed == patience::spooled) {
            there.total = std::max(there.total, 1U);
        }
    }
    const router::spread_key by = router::spread_key_of(
        options_.routing.strategy, group, what.header.publisher, what.topic, group_turn_);
    return router::choose_node(candidates_, by);
}

void core::forward_to_group(peer_lane& to, const publication& what, group_wait wait) {
    cluster::lane_waiter waiter = 0;
    wait.tried.push_back(to.key().slot);
    // The names are looked at when the message is encoded, which append() does.
    const std::string name = wait.name;
    const std::string filter = wait.filter;
    if (what.header.quality != qos::at_most_once) {
        if (free_group_waits_.empty()) {
            free_group_waits_.push_back(static_cast<std::uint32_t>(group_waits_.size()));
            group_waits_.emplace_back();
        }
        const std::uint32_t place = free_group_waits_.back();
        free_group_waits_.pop_back();
        group_waits_[place] = std::move(wait);
        waiter = group_waiter | place;
    }
    to.append(what, {.group = name, .filter = filter}, waiter, turn_.now);
    give_answers(to); // of this message, if it is in the spool and need not be on disk
    touch(to);
}

core::group_wait core::take_group_wait(cluster::lane_waiter waiter) {
    const std::uint32_t place = waiter & ~group_waiter;
    free_group_waits_.push_back(place);
    return std::exchange(group_waits_[place], {});
}

/// It waits for the group in the spool: no other node is asked. Returns who waits for that.
take_token core::stop_group_wait(cluster::lane_waiter waiter) {
    const take_token take = take_group_wait(waiter).take;
    if (take.value != 0 && !mqtt::is_error(takes_[take.value - 1].reason)) {
        takes_[take.value - 1].reason = reason_code::success;
    }
    return take;
}

void core::on_group_answer(const peer_lane::answer& answer) {
    group_wait wait = take_group_wait(answer.waiter);
    if (answer.returned) {
        wait.tried.pop_back(); // it has not answered
    }
    const bool is_taken = !answer.returned && answer.reason != cluster::lane_no_member;
    const bool was_lost = answer.returned == cluster::lane_return::unanswered;
    if (answer.returned && wait.is_passed_on && pass_on_again(wait)) {
        return;
    }
    if (!is_taken && !wait.is_passed_on && choose_again(wait, was_lost)) {
        return;
    }
    // Of what was passed on the node before chooses again, unless it was lost on its way.
    counts_.group_drops += is_taken || (wait.is_passed_on && !answer.returned) ? 0U : 1U;
    if (wait.take.value != 0) {
        on_taken({.take = wait.take,
                  .reason = is_taken ? static_cast<reason_code>(answer.reason)
                                     : reason_code::no_matching_subscribers});
    }
}

// Until a silent node is declared dead is too long for what others can take. They may take twice
// what is of QoS 1; of QoS 2 that is too high a price as long as the suspect may refute.
void core::take_back_from_suspect(peer_lane& suspect) {
    suspect.sender.take_back([&](cluster::lane_waiter waiter) {
        const group_wait& wait = group_waits_[waiter & ~group_waiter];
        const bool is_given =
            wait.what->header().quality == qos::at_least_once && has_other_choice(wait);
        if (is_given) {
            suspect.answers.push_back({waiter, 0, cluster::lane_return::unanswered});
        }
        return is_given;
    });
}

/// Whether anybody but the node that is asked could take it now.
bool core::has_other_choice(const group_wait& wait) {
    const publication what = message::view_of(wait.what);
    if (const auto* spread = find_spread(router_.lookup(what.topic), wait.name, wait.filter)) {
        const auto turn = group_turn_; // a question is nobody's turn
        const bool has_one = choose_node(*spread, what, wait.tried, patience::none).has_value();
        group_turn_ = turn;
        return has_one;
    }
    const router::group* here = router_.find_group(wait.name, wait.filter);
    return here != nullptr && here->size() > 0;
}

// Nobody who has answered is asked again, so this ends.
bool core::choose_again(group_wait& wait, bool was_lost) {
    if (wait.tried.size() >= tries_max) {
        return false;
    }
    if (was_lost) {
        mark_maybe_dup(wait.what);
    }
    const publication what = message::view_of(wait.what);
    const auto* spread = find_spread(router_.lookup(what.topic), wait.name, wait.filter);
    router::group* here = nullptr;
    if (spread != nullptr) {
        const auto chosen = choose_node(*spread, what, wait.tried);
        if (chosen && *chosen != 0) {
            ++counts_.group_resends;
            forward_to_group(*lanes_->find(spread->elsewhere[*chosen - 1].at), what,
                             std::move(wait));
            return true;
        }
        here = chosen ? spread->here : nullptr;
    } else {
        here = router_.find_group(wait.name, wait.filter);
    }
    if (here == nullptr || here->size() == 0) {
        return false;
    }
    ++counts_.group_resends;
    deliver_again(wait, what, *here);
    return true;
}

void core::deliver_again(const group_wait& wait, const publication& what, router::group& here) {
    takers_ = {};
    onward_ = 0;
    publisher_ = 0;
    giving_out given{
        .who = {.shard = options_.me, .take = wait.take, .wants_answer = wait.take.value != 0},
        .level = what.header.level};
    begin_giving_out(given, {});
    deliver_to_group(here, what);
    end_giving_out({.is_matched = true});
}

// --- on the node that was chosen

void core::on_forwarded_to_group(incoming_lane_id from, const publication& what,
                                 const cluster::forward_flags& flags, cluster::lane_seq seq) {
    giving_out given{.who = {.lane = from, .lane_seq = seq, .wants_answer = seq != 0},
                     .level = what.header.level};
    begin_giving_out(given, {});
    bool is_matched = false;
    const shard_id owner = group_owner(flags.group, flags.filter);
    if (is_mine(owner)) {
        is_matched = deliver_to_own_group(what, flags.group, flags.filter);
    } else {
        const message_ref shared = message::copy_of(what, message::reach::shared);
        credit_used_[owner.value] += shared->weight();
        post_rare(owner, group_errand{.what = shared,
                                      .take = await_one(),
                                      .branch = journal_.fork(),
                                      .group = std::string(flags.group),
                                      .filter = std::string(flags.filter)});
    }
    // If it is another shard's, whether there is a member is what that one says.
    end_giving_out({.is_matched = is_matched});
}

void core::on_group_errand(shard_id from, const group_errand& message) {
    const publication what = message::view_of(message.what);
    credit_owed_[from.value] += message.what->weight();
    takers_ = {};
    onward_ = 0;
    publisher_ = 0;
    giving_out given{
        .who = {.shard = from, .take = message.take, .wants_answer = message.take.value != 0},
        .level = what.header.level};
    begin_giving_out(given, message.branch);
    end_giving_out({.is_matched = deliver_to_own_group(what, message.group, message.filter)});
}

// The sender chooses again if it waits for an answer, and nobody does for what is of QoS 0.
bool core::deliver_to_own_group(const publication& what, std::string_view name,
                                std::string_view filter) {
    router::group* found = router_.find_group(name, filter);
    if (found == nullptr) {
        const bool is_passed_on = pass_on_to_queue(what, name, filter);
        counts_.group_drops += what.header.quality == qos::at_most_once && !is_passed_on ? 1U : 0U;
        return false;
    }
    deliver_to_group(*found, what);
    return true;
}

// A message for a queue that was here, and has gone: who sent it may not wait for an answer, since
// it has it in a spool. Where the queue is the table says, so it is not passed round.
bool core::pass_on_to_queue(const publication& what, std::string_view name,
                            std::string_view filter) {
    peer_lane* lane = lane_to_queue(name, filter);
    if (lane == nullptr) {
        return false;
    }
    group_wait wait{.what = {},
                    .take = {},
                    .name = std::string(name),
                    .filter = std::string(filter),
                    .tried = {},
                    .is_passed_on = true};
    if (what.header.quality != qos::at_most_once) {
        wait.what = what.hold();
        wait.take = await_one();
    }
    forward_to_group(*lane, what, std::move(wait));
    return true;
}

/// Null: the queue lives here, or is out of reach for good.
peer_lane* core::lane_to_queue(std::string_view name, std::string_view filter) {
    const shard_id home = home_of(hash64(group_queue_name(name, filter)));
    peer_lane* lane =
        is_node(home) && home != home_unknown && lanes_ ? lanes_->find(slot_of(home)) : nullptr;
    return lane == nullptr || lane->presence == peer_presence::gone ? nullptr : lane;
}

// The link broke, or the node has died: now it waits in the spool of this one.
bool core::pass_on_again(group_wait& wait) {
    peer_lane* lane = lane_to_queue(wait.name, wait.filter);
    if (lane == nullptr) {
        return false;
    }
    const publication what = message::view_of(wait.what);
    forward_to_group(*lane, what, std::move(wait));
    return true;
}

} // namespace gv::shard
