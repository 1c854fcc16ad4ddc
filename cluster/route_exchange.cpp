// SPDX-License-Identifier: Apache-2.0
// This node's own streams, membership and time; messages are in route_exchange_messages.cpp.
#include "cluster/route_exchange.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace gv::cluster {

route_exchange::route_exchange(const identity& self, const route_options& options, time_point now)
    : self_(self), options_(options), digests_at_(now + options.digest_interval),
      next_(digests_at_), numbers_(std::uint64_t{self.boot.value} << 32) {
    const route_destination mine(self.node);
    const route_generation life{.author = self.node, .boot = self.boot};
    own_[mine] = std::make_unique<own_stream>(mine, life, options_.owner);
    own_[mine]->routes.start();
}

auto route_exchange::own(route_destination stream) -> own_stream* {
    const auto found = own_.find(stream);
    return found == own_.end() ? nullptr : found->second.get();
}

const route_owner* route_exchange::owner(route_destination stream) const {
    const auto found = own_.find(stream);
    return found == own_.end() ? nullptr : &found->second->routes;
}

const route_replica* route_exchange::replica(route_destination stream) const {
    const auto found = replicas_.find(stream);
    return found == replicas_.end() ? nullptr : found->second.get();
}

route_replica& route_exchange::replica_of(route_destination stream) {
    auto& found = replicas_[stream];
    if (!found) {
        found = std::make_unique<route_replica>(stream, index_, options_.replica, numbers_);
    }
    return *found;
}

bool route_exchange::is_served_here(route_destination stream) const {
    const route_owner* mine = owner(stream);
    return mine != nullptr && mine->is_serving();
}

bool route_exchange::is_alive(node_id node) const {
    const auto found = peers_.find(node);
    return found != peers_.end() && found->second.state == peer_state::alive;
}

// --- own subscriptions

result<route_seq, route_fault> route_exchange::subscribe(route_destination to,
                                                         const route_subscription& what,
                                                         time_point now, route_effects& out) {
    own_stream* stream = own(to);
    if (stream == nullptr) {
        return failure(route_fault::unknown_stream);
    }
    const auto change = stream->routes.add(what, now);
    push_if_due(*stream, now, out);
    return change;
}

void route_exchange::unsubscribe(route_destination to, const route_subscription& what,
                                 time_point now, route_effects& out) {
    own_stream* stream = own(to);
    BROKER_ASSERT(stream != nullptr, "a route is taken out of a stream of another node");
    stream->routes.remove(what, now);
    push_if_due(*stream, now, out);
}

void route_exchange::set_online(route_destination to, const route_key& key, bool is_online,
                                time_point now, route_effects& out) {
    own_stream* stream = own(to);
    BROKER_ASSERT(stream != nullptr, "a group's member belongs to a stream of another node");
    stream->routes.set_online(key, is_online, now);
    push_if_due(*stream, now, out);
}

void route_exchange::await_known(route_destination to, route_seq change, wait_token who,
                                 time_point now, route_effects& out) {
    own_stream* stream = own(to);
    BROKER_ASSERT(stream != nullptr, "nobody tells of this stream's changes here");
    ++counts_.waits;
    stream->waits.add(change, who, now + options_.known_within);
    wake_at(now + options_.known_within);
    confirm(*stream, out);
}

void route_exchange::push_if_due(own_stream& stream, time_point now, route_effects& out) {
    const route_owner& routes = stream.routes;
    if (routes.pending() >= options_.push_changes_max
        || routes.pending_bytes() >= options_.push_bytes_max) {
        push(stream, out);
    } else if (routes.pending() > 0) {
        stream.push_at = std::min(stream.push_at, now + options_.push_delay);
        wake_at(stream.push_at);
    }
    wake_at(routes.next_deadline());
}

void route_exchange::push(own_stream& stream, route_effects& out) {
    stream.push_at = never;
    if (stream.routes.pending() == 0) {
        return;
    }
    route_message message = stream.routes.flush();
    counts_.bytes_sent += bytes_of(message);
    if (!alive_.empty()) {
        out.send(alive_, message);
    }
    stream.routes.keep(std::move(std::get<route_deltas>(message)));
}

void route_exchange::tell(node_id to, const route_message& message, route_effects& out) {
    counts_.bytes_sent += bytes_of(message);
    out.send({&to, 1}, message);
}

// --- who has what

route_seq route_exchange::unconfirmed() const noexcept {
    route_seq most = 0;
    for (const auto& [name, stream] : own_) {
        for (const node_id node : alive_) {
            const peer& each = peers_.at(node);
            const auto found = each.positions.find(name);
            const bool is_known =
                found != each.positions.end() && found->second.of == stream->routes.of();
            const route_seq seq = stream->routes.seq();
            most = std::max(most, seq - (is_known ? std::min(seq, found->second.applied) : 0));
        }
    }
    return most;
}

/// A change is known to a peer that has applied it, unless it lies in what the peer still fetches.
/// A suspect is waited for as well: it may be well, and its clients publish.
void route_exchange::confirm(own_stream& stream, route_effects& out) {
    if (stream.waits.empty()) {
        return;
    }
    route_seq since = 0;
    route_seq applied = std::numeric_limits<route_seq>::max();
    for (const node_id node : alive_) {
        const peer& each = peers_.at(node);
        const auto found = each.positions.find(stream.routes.stream());
        const bool is_known =
            found != each.positions.end() && found->second.of == stream.routes.of();
        since = std::max(since, is_known ? found->second.since : 0);
        applied = std::min(applied, is_known ? found->second.applied : 0);
    }
    for (const wait_token who : stream.waits.confirm(since, applied)) {
        out.on_known(who, route_known::everywhere);
    }
}

void route_exchange::confirm_all(route_effects& out) {
    for (const auto& [name, stream] : own_) {
        confirm(*stream, out);
    }
}

// --- kept sessions

result<void, route_fault> route_exchange::restore_kept(node_id author, const route_key& key,
                                                       const route_value& value) {
    if (!peers_.contains(author)) {
        return failure(route_fault::unknown_peer);
    }
    if (const auto fine = check(key, value, options_.replica.limits); !fine) {
        return fine;
    }
    if (!replica_of(route_destination::kept_of(author)).restore(key, value)) {
        return failure(route_fault::too_many_rows);
    }
    return {};
}

void route_exchange::open_kept() {
    const auto stream = route_destination::kept_of(self_.node);
    BROKER_ASSERT(own(stream) == nullptr, "the stream of kept sessions is opened twice");
    const route_generation life{.author = self_.node, .boot = self_.boot};
    own_[stream] = std::make_unique<own_stream>(stream, life, options_.owner);
}

void route_exchange::start_kept(route_effects& out) {
    own_stream* opened = own(route_destination::kept_of(self_.node));
    BROKER_ASSERT(opened != nullptr, "kept sessions are told of before their stream is open");
    if (!opened->routes.is_serving()) {
        opened->routes.start();
        announce(*opened, out);
    }
}

// --- partitions

void route_exchange::open_partition(partition_id which, std::uint64_t epoch) {
    const route_destination stream(which);
    BROKER_ASSERT(own(stream) == nullptr, "a partition is opened twice");
    route_owner_options options = options_.owner;
    options.ring.bytes_max = options_.partition_ring_bytes_max;
    const route_generation of{.epoch = epoch, .author = self_.node, .boot = self_.boot};
    own_[stream] = std::make_unique<own_stream>(stream, of, options);
}

void route_exchange::start_partition(partition_id which, time_point now, route_effects& out) {
    const route_destination stream(which);
    own_stream* opened = own(stream);
    BROKER_ASSERT(opened != nullptr, "a partition is started that was not opened");
    opened->routes.start();
    // What is matched here now needs no copy.
    if (const auto copy = replicas_.find(stream); copy != replicas_.end()) {
        copy->second->leave(out);
        wake_at(now);
    }
    announce(*opened, out);
}

void route_exchange::announce(const own_stream& started, route_effects& out) {
    if (!alive_.empty()) {
        route_digests news{.boot = self_.boot, .streams = {started.routes.digest()}};
        news.streams.front().wants_position = true;
        counts_.bytes_sent += bytes_of(news);
        out.send(alive_, news);
    }
}

void route_exchange::release_partition(partition_id which, time_point now, route_effects& out) {
    const route_destination stream(which);
    own_stream* opened = own(stream);
    BROKER_ASSERT(opened != nullptr, "a partition is released that was not opened");
    push(*opened, out);
    const std::unique_ptr<own_stream> released = std::move(own_.extract(stream).mapped());
    for (const wait_token who : released->waits.expire(never)) {
        ++counts_.waits_timed_out;
        out.on_known(who, route_known::timed_out);
    }
    if (released->routes.is_serving()) {
        replica_of(stream).take_over(released->routes, out);
        wake_at(now);
    }
}

// --- other nodes

void route_exchange::on_peer(const identity& who, peer_state state, time_point now,
                             route_effects& out) {
    if (who.node == self_.node) {
        return;
    }
    if (state == peer_state::gone) {
        forget_peer(who.node, now, out);
        return;
    }
    peer& known = peers_[who.node];
    if (who.boot < known.boot) {
        return;
    }
    const bool is_new_life = who.boot > known.boot;
    const bool was_alive = known.state == peer_state::alive;
    if (is_new_life) {
        known.positions.clear();
        known.has_told = false;
        known.has.clear();
    }
    known.boot = who.boot;
    known.state = state;
    const bool is_alive = state == peer_state::alive;
    std::erase(alive_, who.node);
    if (is_alive) {
        alive_.push_back(who.node);
    }
    if (const auto copy = replicas_.find(route_destination(who.node));
        copy != replicas_.end() && !copy->second->is_leaving()) {
        index_.show(copy->second->slot(),
                    is_alive ? route_index::visibility::shown : route_index::visibility::hidden,
                    out);
    }
    if (is_alive && (is_new_life || !was_alive)) {
        tell_digests(who.node, known, out);
    }
    if (!is_alive) {
        for (const auto& [name, copy] : replicas_) {
            if (copy->of().author == who.node || copy->asked() == who.node) {
                copy->on_author_away();
            }
        }
    }
    confirm_all(out);
    look_if_ready(out);
}

void route_exchange::on_link(node_id to, route_effects& out) {
    if (const auto known = peers_.find(to); known != peers_.end() && is_alive(to)) {
        tell_digests(to, known->second, out);
    }
}

void route_exchange::forget_peer(node_id node, time_point now, route_effects& out) {
    peers_.erase(node);
    std::erase(alive_, node);
    for (const auto& stream : {route_destination(node), route_destination::kept_of(node)}) {
        if (const auto copy = replicas_.find(stream); copy != replicas_.end()) {
            copy->second->leave(out);
            wake_at(now);
        }
    }
    confirm_all(out);
    look_if_ready(out);
}

void route_exchange::tell_digests(node_id to, peer& whom, route_effects& out) {
    route_digests all{
        .boot = self_.boot, .lists_all = true, .wants_them = !whom.has_told, .streams = {}};
    for (const auto& [name, stream] : own_) {
        if (stream->routes.is_serving()) {
            push(*stream, out);
            all.streams.push_back(stream->routes.digest());
            all.streams.back().wants_position = !has(whom, stream->routes, stream->routes.seq());
        }
    }
    tell(to, all, out);
}

// --- time

void route_exchange::on_deadline(time_point now, route_effects& out) {
    for (const auto& [name, stream] : own_) {
        stream->routes.on_deadline(now);
        push_if_due(*stream, now, out);
        if (stream->push_at <= now) {
            push(*stream, out);
        }
        for (const wait_token who : stream->waits.expire(now)) {
            ++counts_.waits_timed_out;
            out.on_known(who, route_known::timed_out);
        }
    }
    if (digests_at_ <= now) {
        digests_at_ = now + options_.digest_interval;
        for (const node_id node : alive_) {
            tell_digests(node, peers_.at(node), out);
        }
    }
    for (const auto& [name, copy] : replicas_) {
        copy->on_deadline(now);
        if (copy->next_deadline() <= now || copy->wants_page()) {
            settle(*copy, now, out);
        }
    }
    sweep(out);
    find_next_deadline();
}

/// A little at a time: what is stale does no harm meanwhile.
void route_exchange::sweep(route_effects& out) {
    std::size_t visits = options_.sweep_visits_max;
    for (auto at = replicas_.begin(); at != replicas_.end() && visits > 0;) {
        route_replica& copy = *at->second;
        copy.sweep(visits, out);
        if (copy.is_over()) {
            index_.close(copy.slot());
            at = replicas_.erase(at);
        } else {
            ++at;
        }
    }
}

void route_exchange::find_next_deadline() {
    next_ = digests_at_;
    for (const auto& [name, stream] : own_) {
        wake_at(stream->push_at);
        wake_at(stream->routes.next_deadline());
        wake_at(stream->waits.next_deadline());
    }
    for (const auto& [name, copy] : replicas_) {
        wake_at(copy->is_to_be_swept() ? time_point::min() : copy->next_deadline());
    }
}

bool route_exchange::is_busy() const {
    for (const auto& [name, stream] : own_) {
        if (stream->routes.pending() > 0 || stream->routes.next_deadline() != never
            || !stream->waits.empty()) {
            return true;
        }
    }
    return std::ranges::any_of(replicas_, [](const auto& each) {
        const route_replica& copy = *each.second;
        return copy.is_to_be_swept() || !copy.is_complete() || copy.next_deadline() != never;
    });
}

route_counts route_exchange::counted() const {
    route_counts sum = counts_;
    for (const auto& [name, copy] : replicas_) {
        sum.received.gaps += copy->counted().gaps;
        sum.received.mismatches += copy->counted().mismatches;
        sum.received.passes += copy->counted().passes;
        sum.received.pages += copy->counted().pages;
    }
    return sum;
}

} // namespace gv::cluster
