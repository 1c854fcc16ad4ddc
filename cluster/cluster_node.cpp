// SPDX-License-Identifier: Apache-2.0
#include "cluster/cluster_node.hpp"

#include <algorithm>
#include <mutex>

namespace gv::cluster {

cluster_node::cluster_node(const cluster_node_options& options, const own_identity& self,
                           std::span<const member_row> remembered, const retained_start& retained,
                           const partition_start& partitions, peer_transport& transport,
                           cluster_effects& effects, moment at)
    : options_(options), self_(self.node), transport_(transport), effects_(effects),
      partitions_(self.node, partitions.table, options.partitions, self.chance, at.now), now_(at) {
    partitions_.set_has_sessions(partitions.has_sessions);
    partitions_.set_takes_more(partitions.takes_more, *this);
    routes_ = std::make_unique<route_exchange>(
        route_exchange::identity{.node = self.node, .boot = self.boot}, options.routes, at.now);
    retained_ = std::make_unique<retained_exchange>(
        retained_exchange::identity{.node = self.node, .boot = self.boot, .seed = self.chance},
        *retained.digest, retained.claim, options.retained, for_retained(at));
    routes_->open_kept();
    membership_effects& mine = *this;
    membership_ =
        std::make_unique<membership>(options.membership, self, remembered, mine, metrics_, at);
    for (const member_row& each : remembered) {
        if (is_registered(each.state)) {
            untried_.insert(each.profile.peer_address);
        }
    }
}

cluster_node::~cluster_node() = default;

// --- inputs

void cluster_node::join(std::span<const std::string> seeds, moment at) {
    now_ = at;
    has_joined_ = true;
    if (!is_ready_ && ready_until_ == never) {
        ready_until_ = at.now + options_.ready_within;
    }
    if (!is_settled_) {
        untried_.insert(seeds.begin(), seeds.end());
    }
    {
        const std::unique_lock changing(routes_lock_);
        routes_->start_kept(*this);
    }
    membership_->join(seeds, at);
    look_if_settled();
    after_input();
}

envelope cluster_node::join_question(moment at) { return membership_->join_question(at); }

void cluster_node::on_question(question_id which, const envelope& asked, moment at) {
    in_question_ = {.id = which,
                    .from = asked.from,
                    .sequence = sequence_of(asked.body),
                    .until = at.now + options_.question_patience};
    hear(asked, at);
    const auto unanswered = std::exchange(in_question_, std::nullopt);
    if (!unanswered) {
        return;
    }
    if (!std::holds_alternative<probe_request>(asked.body)) {
        transport_.answer(which, nullptr);
    } else if (const auto dropped = questions_.add(*unanswered)) {
        transport_.answer(*dropped, nullptr);
    }
}

void cluster_node::on_answer(const envelope& answer, moment at) {
    if (std::holds_alternative<push_pull_answer>(answer.body)) {
        has_exchanged_ = true;
    }
    hear(answer, at);
    look_if_settled();
    after_input();
}

// A message with a fault is counted by the machine, and an alarm told of it.
void cluster_node::hear(const envelope& message, moment at) {
    now_ = at;
    static_cast<void>(membership_->on_message(message, at));
    after_input();
}

void cluster_node::on_refused(node_id to, const std::string& address, moment at) {
    now_ = at;
    if (to.value != 0) {
        membership_->on_refused(to, at);
    }
    untried_.erase(address);
    look_if_settled();
    after_input();
}

void cluster_node::on_control(peer_identity from, control_message&& message, moment at) {
    now_ = at;
    std::visit([&](auto&& each) { take_control(from, std::move(each), at); }, std::move(message));
}

void cluster_node::take_control(peer_identity from, const route_message& message, moment at) {
    const std::unique_lock changing(routes_lock_);
    const auto done = routes_->on_message(from.node, message, at.now, *this);
    if (!done && done.error() != route_fault::unknown_peer) {
        complain(from.node, text_of(done.error()));
    }
}

void cluster_node::take_control(peer_identity from, retained_message&& message, moment at) {
    const auto done = retained_->on_message(from.node, std::move(message), for_retained(at), *this);
    if (!done && done.error() != retained_fault::unknown_peer) {
        complain(from.node, text_of(done.error()));
    }
}

void cluster_node::take_control(peer_identity from, const partition_message& message, moment at) {
    const auto done = partitions_.on_message(from.node, message, stamp_of(at), *this);
    if (!done && done.error() != partition_fault::unknown_peer) {
        complain(from.node, text_of(done.error()));
    }
}

// A peer says what no honest node says. Nothing of it was used.
void cluster_node::complain(node_id about, std::string_view fault) {
    effects_.alarm(
        {.kind = alarm_kind::malformed, .node = about, .ours = {}, .theirs = std::string(fault)});
}

retained_moment cluster_node::for_retained(moment at) const noexcept {
    const wall_time wall = agreed_ ? agreed_->on(at.now) : at.wall;
    const auto latest = std::chrono::duration_cast<std::chrono::milliseconds>(
        (wall + options_.stamp_ahead_max).time_since_epoch());
    return {.now = at.now,
            .wall = wall,
            .latest = {static_cast<std::uint64_t>(latest.count()) << 16 | 0xffff}};
}

hybrid_time cluster_node::stamp_of(moment at) const noexcept {
    const wall_time wall = agreed_ ? agreed_->on(at.now) : at.wall;
    const auto since =
        std::chrono::duration_cast<std::chrono::milliseconds>(wall.time_since_epoch());
    return {static_cast<std::uint64_t>(std::max(since.count(), decltype(since)::rep{1})) << 16};
}

void cluster_node::on_entries(retained_ticket ticket, retained_entries&& found, moment at) {
    retained_->on_entries(ticket, std::move(found), for_retained(at), *this);
}

void cluster_node::on_rows(retained_ticket ticket, retained_answer&& found, moment at) {
    retained_->on_rows(ticket, std::move(found), for_retained(at), *this);
}

void cluster_node::on_applied(retained_ticket ticket, const retained_applied& done, moment at) {
    retained_->on_applied(ticket, done, for_retained(at), *this);
}

void cluster_node::on_collected(moment at) { retained_->on_collected(for_retained(at), *this); }

void cluster_node::on_control_open(node_id to, moment at) {
    now_ = at;
    {
        const std::unique_lock changing(routes_lock_);
        routes_->on_link(to, *this);
    }
    retained_->on_link(to, for_retained(at), *this);
    partitions_.on_link(to, *this);
}

void cluster_node::on_deadline(moment at) {
    now_ = at;
    membership_->on_deadline(at);
    {
        const std::unique_lock changing(routes_lock_);
        routes_->on_deadline(at.now, *this);
    }
    retained_->on_deadline(for_retained(at), *this);
    partitions_.on_deadline(at.now, stamp_of(at), *this);
    drop_late_questions(at.now);
    if (at.now >= ready_until_) {
        set_ready(false);
    }
    after_input();
}

void cluster_node::leave(departure how, moment at) {
    now_ = at;
    membership_->leave(how, at);
    after_input();
}

result<void, forget_failure> cluster_node::forget(node_id node, moment at) {
    now_ = at;
    auto done = membership_->forget(node, at);
    look_if_settled(); // it may be the last that was looked for
    after_input();
    return done;
}

void cluster_node::ask_what_is_retained(moment at) {
    now_ = at;
    retained_->ask_all(for_retained(at), *this);
}

// --- this node's own subscribers

route_destination cluster_node::own_stream(destination_kind kind) const noexcept {
    return kind == destination_kind::kept ? route_destination::kept_of(self_)
                                          : route_destination(self_);
}

result<void, route_fault> cluster_node::add_route(destination_kind kind,
                                                  const route_subscription& what, wait_token who,
                                                  moment at) {
    const std::unique_lock changing(routes_lock_);
    const route_destination here = own_stream(kind);
    const auto change = routes_->subscribe(here, what, at.now, *this);
    if (!change) {
        return failure(change.error());
    }
    if (who.value != 0) {
        routes_->await_known(here, *change, who, at.now, *this);
    }
    return {};
}

void cluster_node::await_routes(destination_kind kind, wait_token who, moment at) {
    const std::unique_lock changing(routes_lock_);
    const route_destination here = own_stream(kind);
    routes_->await_known(here, routes_->owner(here)->seq(), who, at.now, *this);
}

void cluster_node::remove_route(destination_kind kind, const route_subscription& what, moment at) {
    const std::unique_lock changing(routes_lock_);
    const route_destination here = own_stream(kind);
    if (routes_->owner(here)->has(what.key)) { // else it was refused
        routes_->unsubscribe(here, what, at.now, *this);
    }
}

void cluster_node::set_route_online(const route_key& group, bool is_online, moment at) {
    const std::unique_lock changing(routes_lock_);
    const route_destination here(self_);
    if (routes_->owner(here)->has(group)) {
        routes_->set_online(here, group, is_online, at.now, *this);
    }
}

// --- answers

time_point cluster_node::next_deadline() const noexcept {
    return std::min({membership_->next_deadline(), routes_->next_deadline(),
                     retained_->next_deadline(), partitions_.next_deadline(), ready_until_});
}

namespace {

/// Members are told of in the stream of the node, kept sessions among them too; what waits for the
/// group while the node is away, in that of its kept sessions.
void add_place(std::vector<remote_group::place>& into, peer_slot slot,
               const matched_group::place& told) {
    auto known = std::ranges::find(into, slot, &remote_group::place::at);
    if (known == into.end()) {
        known = into.insert(known, {.at = slot, .node = node_id{told.at.number}});
    }
    if (told.at.kind == destination_kind::kept) {
        known->is_kept = true;
    } else {
        known->online = told.value.online;
        known->total = told.value.total;
    }
}

} // namespace

void cluster_node::who_wants(std::string_view topic,
                             const std::function<void(peer_slot, destination_kind)>& visit,
                             std::vector<remote_group>& groups) const {
    route_matches found;
    const std::shared_lock reading(routes_lock_);
    routes_->match(topic, found);
    for (const route_target& each : found.targets) {
        if (const auto slot = find_slot(each.to)) {
            visit(*slot, each.to.kind);
        }
    }
    for (matched_group& each : found.groups) {
        remote_group made{
            .name = std::move(each.name), .filter = std::move(each.filter), .places = {}};
        for (const matched_group::place& place : each.places) {
            if (const auto slot = find_slot(place.at)) {
                add_place(made.places, *slot, place);
            }
        }
        if (!made.places.empty()) {
            groups.push_back(std::move(made));
        }
    }
}

std::size_t cluster_node::routes_of(node_id node) const {
    std::size_t routes = 0;
    for (const route_destination stream :
         {route_destination(node), route_destination::kept_of(node)}) {
        const std::shared_lock reading(routes_lock_);
        if (const route_replica* const copy = routes_->replica(stream)) {
            routes += routes_->index().size(copy->slot());
        } else if (const route_owner* const own = routes_->owner(stream)) {
            routes += own->size();
        }
    }
    return routes;
}

std::optional<peer_slot> cluster_node::find_slot(const route_destination& to) const {
    const auto known = slots_.find(node_id{to.number});
    return to.kind == destination_kind::partition || known == slots_.end()
               ? std::nullopt
               : std::optional(known->second);
}

// --- what membership asks for

void cluster_node::send(const destination& to, const envelope& message) {
    if (!is_answer(message.body)) {
        if (!to.address.empty()) {
            transport_.ask(std::string(to.address), message);
        }
        return;
    }
    // A refusal names no question, but comes while it is heard.
    const std::uint64_t sequence = sequence_of(message.body);
    if (in_question_ && in_question_->from == to.node
        && (sequence == 0 || sequence == in_question_->sequence)) {
        transport_.answer(std::exchange(in_question_, std::nullopt)->id, &message);
    } else if (const auto asked = questions_.take(to.node, sequence)) {
        transport_.answer(*asked, &message);
    }
}

peer_state cluster_node::state_of(const member& now, member_change change) noexcept {
    if (change == member_change::left || change == member_change::gone) {
        return peer_state::gone;
    }
    return now.is_live() && change != member_change::died ? peer_state::alive : peer_state::dead;
}

void cluster_node::member_changed(const member& now, member_change change) {
    const peer_state state = state_of(now, change);
    untried_.erase(now.row.profile.peer_address);
    if (change == member_change::joined || change == member_change::refuted) {
        transport_.dial_again(now.row.profile.peer_address);
    }
    tell_partitions(now, state); // also of one that was never here and is gone
    if (const auto seen = meet(now, state)) {
        retained_->on_peer(seen->who.node, seen->who.boot, state, for_retained(now_), *this);
        if (state == peer_state::alive) {
            transport_.open_control(seen->who, seen->address, now.row.profile.features);
        } else {
            transport_.close_control(seen->who.node);
        }
        effects_.peer_changed(*seen);
    } else if (state == peer_state::alive) {
        effects_.alarm({.kind = alarm_kind::members_full,
                        .node = now.row.node,
                        .ours = std::to_string(slots_.size()) + " nodes met since the start",
                        .theirs = {},
                        .name = now.row.profile.name,
                        .address = now.row.profile.peer_address,
                        .remedy = "start this node again, and give nodes that start often a store, "
                                  "with which each remains the same node"});
    }
    effects_.member_changed(now, change);
}

// Those that take no part in it live without the table, and nobody waits for theirs.
void cluster_node::tell_partitions(const member& of, peer_state state) {
    const bool takes_part = (of.row.profile.features & feature_partitions) != 0;
    if (takes_part || state == peer_state::gone) {
        partitions_.on_peer(of.row.node, state, *this);
    } else {
        partitions_.on_outsider(of.row.node);
    }
}

// Those of nodes that are gone are not given again, since their lanes may not be at their end. Who
// was never here needs none to be gone.
std::optional<peer_slot> cluster_node::slot_of(node_id node, peer_state state) {
    if (const auto known = find_slot(node)) {
        return known;
    }
    if (state == peer_state::gone || slots_.size() >= options_.peers_max) {
        return std::nullopt;
    }
    const auto next = static_cast<std::uint16_t>(slots_.size());
    return slots_.emplace(node, peer_slot{next}).first->second;
}

// Several changes of one input are written down once.
void cluster_node::snapshot_changed() { keeps_members_ = true; }

void cluster_node::after_input() {
    if (std::exchange(keeps_members_, false)) {
        effects_.keep_members(membership_->snapshot());
    }
}

void cluster_node::forgotten() {
    set_ready(false);
    effects_.forgotten();
}

// --- what routes ask for

void cluster_node::send(std::span<const node_id> to, const route_message& message) {
    for (const node_id each : to) {
        transport_.send(each, message);
    }
}

void cluster_node::on_routes_ready() {
    has_routes_ = true;
    look_if_ready();
}

void cluster_node::on_retained_ready() {
    has_retained_ = true;
    look_if_ready();
}

void cluster_node::look_if_ready() {
    if (has_routes_ && has_retained_) {
        set_ready(true);
    }
}

// --- the start

// Settled: whoever is there is known. One answer with all rows tells of everybody; without any, all
// addresses have refused.
void cluster_node::look_if_settled() {
    if (is_settled_ || !has_joined_ || !(has_exchanged_ || untried_.empty())) {
        return;
    }
    is_settled_ = true;
    untried_.clear();
    for (const auto& [node, each] : membership_->members()) {
        if (is_registered(each.row.state)) {
            retained_->on_peer(node, each.row.boot,
                               each.is_live() ? peer_state::alive : peer_state::dead,
                               for_retained(now_), *this);
            tell_partitions(each, each.is_live() ? peer_state::alive : peer_state::dead);
        } else {
            tell_partitions(each, peer_state::gone);
        }
    }
    {
        const std::unique_lock changing(routes_lock_);
        routes_->report_when_ready(*this);
    }
    retained_->on_members_known(for_retained(now_), *this);
    partitions_.on_settled(stamp_of(now_), *this);
}

void cluster_node::set_ready(bool is_complete) {
    ready_until_ = never;
    if (!std::exchange(is_ready_, true)) {
        effects_.ready(is_complete);
    }
}

void cluster_node::drop_late_questions(time_point now) {
    while (const auto late = questions_.expire(now)) {
        transport_.answer(*late, nullptr);
    }
}

} // namespace gv::cluster
