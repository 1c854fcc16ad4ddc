// SPDX-License-Identifier: Apache-2.0
// Routes between nodes: the front door of this part. Holds the streams of which this node is the
// author (its own volatile subscribers, and each partition whose home it is), the copies of all
// others, and who is told what and when. One for each node, on its control thread.
//
// Pure: subscriptions, messages of peers, news of membership and time go in; calls on effects come
// out. docs/cluster-protocol-routes.md tells the protocol.
#pragma once

#include "cluster/peer_state.hpp"
#include "cluster/route_effects.hpp"
#include "cluster/route_owner.hpp"
#include "cluster/route_replica.hpp"

#include <map>
#include <memory>
#include <set>
#include <vector>

namespace gv::cluster {

struct route_options {
    /// Changes are gathered for this long before they are told. Larger: fewer messages. Smaller:
    /// faster SUBACKs.
    duration push_delay = 1ms;
    std::size_t push_changes_max = 1'000;
    std::size_t push_bytes_max = 64u << 10;
    /// How often every stream's digest is told. Smaller: a lost message is noticed earlier.
    duration digest_interval = 2s;
    /// How long a SUBACK waits for other nodes at most. Larger: what it promises holds over slower
    /// links. Smaller: less waiting while a node is silent and not dead yet.
    duration known_within = 250ms;
    std::size_t resend_bytes_max = 256u << 10;
    /// Pages on their way from one peer; with the bytes of a page the bound of what is in flight.
    /// Larger: faster joins over long links. Smaller: less memory at both ends.
    std::size_t pages_per_peer_max = 4;
    /// Rows looked at by one sweep between two inputs.
    std::size_t sweep_visits_max = 4'096;
    /// Memory of the latest changes of each partition; for the node itself see owner.ring.
    std::size_t partition_ring_bytes_max = 128u << 10;
    route_owner_options owner;
    route_replica_options replica;
};

struct route_counts {
    std::uint64_t waits = 0;
    std::uint64_t waits_timed_out = 0;
    std::uint64_t refused = 0;     ///< messages with a fault
    std::uint64_t resends = 0;     ///< answered from the ring
    std::uint64_t ring_misses = 0; ///< answered with hashes instead
    std::uint64_t pages_sent = 0;
    std::uint64_t bytes_sent = 0; ///< each message once, whatever the number of peers
    route_replica::counts received;
};

class route_exchange {
  public:
    struct identity {
        node_id node;
        boot_id boot; ///< higher than in every earlier life
    };
    route_exchange(const identity& self, const route_options& options, time_point now);

    // --- this node's own subscriptions

    /// Counts a subscription of this node, or of a partition that is open here. The result is to be
    /// given to await_known(). Errors: see route_owner::add; unknown_stream if it is not open here.
    [[nodiscard]] result<route_seq, route_fault> subscribe(route_destination to,
                                                           const route_subscription& what,
                                                           time_point now, route_effects& out);
    /// Requires here and below: it was subscribed.
    void unsubscribe(route_destination to, const route_subscription& what, time_point now,
                     route_effects& out);
    void set_online(route_destination to, const route_key& key, bool is_online, time_point now,
                    route_effects& out);
    /// on_known() follows for `who`, perhaps before this returns.
    void await_known(route_destination to, route_seq change, wait_token who, time_point now,
                     route_effects& out);

    // --- kept sessions

    /// What those of another node wanted by one key when it was written down in an earlier life of
    /// this node: holds, also while that node is away, until it speaks. Requires: on_peer() has
    /// told of the node, and it has not spoken yet. Errors: nothing has changed: it is no member,
    /// the row cannot be, or there are too many.
    [[nodiscard]] result<void, route_fault> restore_kept(node_id author, const route_key& key,
                                                         const route_value& value);

    /// From here on this node tells of them, in a stream that others go by also while it is away.
    /// Nothing is told before start_kept(): first what was stored is to be loaded.
    void open_kept();
    void start_kept(route_effects& out);

    // --- partitions whose home this node is

    /// From here on this node is the author. Nothing is told before start_partition(): first its
    /// subscriptions are to be loaded. Requires: not open; an epoch higher than any before, unless
    /// this node was the home already in an earlier life.
    void open_partition(partition_id which, std::uint64_t epoch);
    void start_partition(partition_id which, time_point now, route_effects& out);
    /// Another node is to be the home. What was told stays known here, until the other tells more.
    /// Requires: open.
    void release_partition(partition_id which, time_point now, route_effects& out);

    // --- other nodes

    /// News of membership. A higher boot is a new life, which knows nothing.
    void on_peer(const identity& peer, peer_state state, time_point now, route_effects& out);
    /// Messages to that node may arrive from now on, and those before may not have.
    void on_link(node_id to, route_effects& out);
    /// Membership is settled: report on_routes_ready() as soon as it is so.
    void report_when_ready(route_effects& out);
    /// Errors: the message has a fault, and nothing of it was applied. The link is to be closed.
    [[nodiscard]] result<void, route_fault> on_message(node_id from, const route_message& message,
                                                       time_point now, route_effects& out);

    // --- time

    void on_deadline(time_point now, route_effects& out);
    /// Never too late; may be too early.
    [[nodiscard]] time_point next_deadline() const noexcept { return next_; }

    // --- what is known

    /// What other nodes want of this topic.
    void match(std::string_view topic, route_matches& into) const { index_.match(topic, into); }
    [[nodiscard]] const route_index& index() const noexcept { return index_; }
    /// Calls `visit(author, key, value)` for each row of the kept sessions of other nodes.
    template <typename Visit>
    void for_each_kept(Visit&& visit) const {
        for (const auto& [stream, copy] : replicas_) {
            if (stream.kind == destination_kind::kept) {
                index_.for_each(copy->slot(), [&, author = node_id{stream.number}](
                                                  const route_key& key, const route_value& value) {
                    visit(author, key, value);
                });
            }
        }
    }
    /// Null if nothing was ever heard of it, or it is this node's own.
    [[nodiscard]] const route_replica* replica(route_destination stream) const;
    /// Null if this node is not the author.
    [[nodiscard]] const route_owner* owner(route_destination stream) const;
    [[nodiscard]] route_counts counted() const;
    /// Changes of this node's own streams that the last of the live nodes has not confirmed; of the
    /// stream where it is most.
    [[nodiscard]] route_seq unconfirmed() const noexcept;
    /// Whether something is still asked, fetched, lingering, awaited or to be swept.
    [[nodiscard]] bool is_busy() const;

  private:
    struct own_stream {
        own_stream(route_destination stream, route_generation of,
                   const route_owner_options& options)
            : routes(stream, of, options) {}
        route_owner routes;
        route_waits waits;
        time_point push_at = never;
        route_seq ready_at = 0; ///< what others are to have before this node is ready; 0: not set
    };
    struct peer {
        boot_id boot;
        peer_state state = peer_state::dead;
        bool has_told = false;           ///< which streams it has, in this life
        std::set<route_destination> has; ///< of this node's streams, what it is to have to be ready
        std::map<route_destination, stream_position> positions; ///< of this node's streams
    };
    struct on_message_of;

    [[nodiscard]] own_stream* own(route_destination stream);
    void announce(const own_stream& started, route_effects& out);
    [[nodiscard]] bool is_served_here(route_destination stream) const;
    [[nodiscard]] bool is_alive(node_id node) const;
    [[nodiscard]] route_replica& replica_of(route_destination stream);
    void tell(node_id to, const route_message& message, route_effects& out);
    void push(own_stream& stream, route_effects& out);
    void push_if_due(own_stream& stream, time_point now, route_effects& out);
    void tell_digests(node_id to, peer& whom, route_effects& out);
    [[nodiscard]] bool has(const peer& whom, const route_owner& routes, route_seq seq) const;
    [[nodiscard]] bool has_what_is_due(peer& whom) const;
    [[nodiscard]] bool was_complete(const route_replica& copy);
    void confirm(own_stream& stream, route_effects& out);
    void confirm_all(route_effects& out);
    void forget_peer(node_id node, time_point now, route_effects& out);
    /// After an input: asks what is to be asked, tells positions, and looks whether all is there.
    void settle(route_replica& of, time_point now, route_effects& out);
    void ask_for_pages(node_id of, time_point now, route_effects& out);
    void sweep(route_effects& out);
    void look_if_ready(route_effects& out);
    void wake_at(time_point when) noexcept { next_ = std::min(next_, when); }
    void find_next_deadline();

    identity self_;
    route_options options_;
    route_index index_;
    std::map<route_destination, std::unique_ptr<own_stream>> own_;
    std::map<route_destination, std::unique_ptr<route_replica>> replicas_;
    std::map<node_id, peer> peers_;
    std::vector<node_id> alive_;
    time_point digests_at_;
    time_point next_;
    std::uint64_t numbers_; ///< of requests
    bool wants_ready_ = false;
    std::map<route_destination, route_generation>
        complete_; ///< were so since then, perhaps not now
    route_counts counts_;
};

} // namespace gv::cluster
