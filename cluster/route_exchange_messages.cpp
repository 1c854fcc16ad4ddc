// SPDX-License-Identifier: Apache-2.0
// What peers say, and what is said to that.
#include "cluster/route_exchange.hpp"

#include <algorithm>
#include <utility>

namespace gv::cluster {

/// One message: finds the stream that it is about, and hands on. A message about a stream that is
/// not, or not any more, where the sender thinks is ignored: digests tell it better.
struct route_exchange::on_message_of {
    using taken = result<void, route_fault>;

    route_exchange& self;
    node_id from;
    peer& sender;
    time_point now;
    route_effects& out;

    // --- from owners

    taken operator()(const route_digests& told) const {
        for (const stream_digest& each : told.streams) {
            if (self.is_served_here(each.stream)) {
                continue; // who is home is not decided here
            }
            route_replica& copy = self.replica_of(each.stream);
            copy.on_digest(each, out);
            hide_if_dead(copy);
            self.settle(copy, now, out);
        }
        if (told.lists_all && told.boot == sender.boot) {
            sender.has_told = true;
            self.look_if_ready(out);
        }
        if (told.wants_them && sender.state == peer_state::alive) {
            self.tell_digests(from, sender, out);
        }
        return {};
    }
    taken operator()(const route_deltas& told) const {
        return with_copy(told.stream,
                         [&](route_replica& copy) { return copy.on_deltas(told, out); });
    }
    taken operator()(const stream_hashes& told) const {
        return with_copy(told.stream, [&](route_replica& copy) {
            copy.on_hashes(told);
            return taken();
        });
    }
    taken operator()(const route_page& told) const {
        return with_copy(told.stream, [&](route_replica& copy) { return copy.on_page(told, out); });
    }

    // --- from replicas

    taken operator()(const route_applied& told) const {
        if (told.boot != sender.boot) {
            return {};
        }
        for (const stream_position& each : told.positions) {
            if (own_stream* stream = self.own(each.stream); stream != nullptr) {
                sender.positions[each.stream] = each;
                self.confirm(*stream, out);
            }
        }
        self.look_if_ready(out);
        return {};
    }
    taken operator()(const resend_request& wanted) const {
        own_stream* stream = serving(wanted.stream);
        if (stream == nullptr) {
            return {};
        }
        if (wanted.of != stream->routes.of()) {
            tell_digest(*stream);
            return {};
        }
        if (const auto again = stream->routes.resend(wanted.after, self.options_.resend_bytes_max);
            !again) {
            ++self.counts_.ring_misses;
            self.tell(from, stream->routes.hashes(), out);
        } else if (!again->changes.empty()) {
            ++self.counts_.resends;
            self.tell(from, *again, out);
        }
        return {};
    }
    taken operator()(const hashes_request& wanted) const {
        if (own_stream* stream = serving(wanted.stream); stream != nullptr) {
            self.tell(from, stream->routes.hashes(), out);
        }
        return {};
    }
    taken operator()(const page_request& wanted) const {
        own_stream* stream = serving(wanted.stream);
        if (stream == nullptr) {
            return {};
        }
        if (wanted.of != stream->routes.of()) {
            tell_digest(*stream);
            return {};
        }
        const std::size_t most =
            std::min<std::size_t>(wanted.bytes_max, self.options_.replica.page_bytes);
        ++self.counts_.pages_sent;
        self.tell(from, stream->routes.page(wanted, most), out);
        return {};
    }

  private:
    /// What is told of a stream is told of all its changes so far.
    own_stream* serving(route_destination name) const {
        own_stream* stream = self.own(name);
        if (stream == nullptr || !stream->routes.is_serving()) {
            return nullptr;
        }
        self.push(*stream, out);
        return stream;
    }
    void tell_digest(const own_stream& stream) const {
        self.tell(from, route_digests{.boot = self.self_.boot, .streams = {stream.routes.digest()}},
                  out);
    }
    /// A node that is held for dead may speak: it is believed, but gets nothing until membership
    /// says otherwise.
    void hide_if_dead(const route_replica& copy) const {
        if (sender.state == peer_state::dead && copy.stream() == route_destination(from)) {
            self.index_.show(copy.slot(), route_index::visibility::hidden, out);
        }
    }
    template <typename Input>
    taken with_copy(route_destination stream, Input&& input) const {
        if (self.is_served_here(stream)) {
            return {};
        }
        route_replica& copy = self.replica_of(stream);
        taken done = input(copy);
        hide_if_dead(copy);
        self.settle(copy, now, out);
        self.ask_for_pages(from, now, out); // a page that came makes room for another stream's
        return done;
    }
};

result<void, route_fault> route_exchange::on_message(node_id from, const route_message& message,
                                                     time_point now, route_effects& out) {
    const auto sender = peers_.find(from);
    if (sender == peers_.end()) {
        return failure(route_fault::unknown_peer); // which is no fault of it
    }
    auto done = check(message, from, options_.replica.limits);
    if (done) {
        done = std::visit(
            on_message_of{
                .self = *this, .from = from, .sender = sender->second, .now = now, .out = out},
            message);
    }
    counts_.refused += done ? 0 : 1;
    return done;
}

void route_exchange::settle(route_replica& of, time_point now, route_effects& out) {
    if (!is_alive(of.asked())) {
        of.on_author_away();
    }
    if (const auto question = of.question(now); question) {
        tell(of.asked(), *question, out);
    }
    // While its author is held for dead, what it told may be hidden: that is not to have it.
    if (is_alive(of.of().author)) {
        if (const auto position = of.position_news(); position) {
            tell(position->of.author, route_applied{.boot = self_.boot, .positions = {*position}},
                 out);
        }
    }
    if (of.wants_page()) {
        ask_for_pages(of.of().author, now, out);
    }
    wake_at(of.is_to_be_swept() ? now : of.next_deadline());
    look_if_ready(out);
}

/// As many as the peer may have under way, so that neither end holds more than that.
void route_exchange::ask_for_pages(node_id of, time_point now, route_effects& out) {
    const auto is_of = [of](const route_replica& copy) {
        return copy.is_fetching() && copy.of().author == of;
    };
    if (!is_alive(of)) {
        return;
    }
    std::size_t on_their_way = 0;
    for (const auto& [name, copy] : replicas_) {
        on_their_way += is_of(*copy) && copy->awaits_page() ? 1 : 0;
    }
    for (const auto& [name, copy] : replicas_) {
        if (on_their_way >= options_.pages_per_peer_max) {
            return;
        }
        if (is_of(*copy) && copy->wants_page()) {
            tell(of, copy->ask_for_page(now), out);
            wake_at(copy->next_deadline());
            ++on_their_way;
        }
    }
}

} // namespace gv::cluster
