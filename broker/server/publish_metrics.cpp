// SPDX-License-Identifier: Apache-2.0
#include "broker/server/publish_metrics.hpp"

#include <time.h>

#include <algorithm>

namespace gv::server {

namespace {

using session::close_cause;

static_assert(time_buckets::bounds == shard::connect_time_bounds);
// The labels of drops are the reasons of the sessions, in their order.
static_assert(static_cast<int>(drop_reason::queue_full)
              == static_cast<int>(session::drop_reason::queue_full));
static_assert(static_cast<int>(drop_reason::slow_reader)
              == static_cast<int>(session::drop_reason::slow_reader));
static_assert(static_cast<int>(drop_reason::expired)
              == static_cast<int>(session::drop_reason::expired));
static_assert(static_cast<int>(drop_reason::packet_too_large)
              == static_cast<int>(session::drop_reason::packet_too_large));
static_assert(static_cast<int>(drop_reason::client_offline)
              == static_cast<int>(session::drop_reason::client_offline));
static_assert(static_cast<int>(drop_reason::superseded)
              == static_cast<int>(session::drop_reason::superseded));

/// As the labels of a metric, index by index.
template <typename Counts, typename Metric>
void copy_each(const Counts& from, Metric& into) {
    static_assert(std::tuple_size_v<Counts> == std::tuple_size_v<decltype(into.values)>);
    for (std::size_t at = 0; at < from.size(); ++at) {
        into.values[at].set(from[at]);
    }
}

[[nodiscard]] std::uint64_t nanoseconds(duration span) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(span).count());
}

[[nodiscard]] std::uint64_t cpu_of_this_thread() {
    timespec used{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return static_cast<std::uint64_t>(used.tv_sec) * 1'000'000'000
           + static_cast<std::uint64_t>(used.tv_nsec);
}

void publish_traffic(const session::traffic& from, shard_metrics& into) {
    copy_each(from.packets_received, into.packets_received);
    copy_each(from.packets_sent, into.packets_sent);
    // Messages are counted by QoS alone on their way.
    const std::uint64_t publishes =
        from.messages_sent[0] + from.messages_sent[1] + from.messages_sent[2];
    into.packets_sent.set(mqtt::packet_type::publish, publishes);
    copy_each(from.messages_received, into.messages_received);
    copy_each(from.messages_sent, into.messages_sent);
    // What is for a group with no member was not yet a client's to lose: publish_counts() has it.
    static_assert(std::tuple_size_v<decltype(from.dropped)> == drop_labels::values.size() - 1);
    for (std::size_t at = 0; at < from.dropped.size(); ++at) {
        into.messages_dropped.values[at].set(from.dropped[at]);
    }
    copy_each(from.violations, into.protocol_violations);
    into.payload_bytes_received.set(from.payload_bytes_received);
    into.payload_bytes_sent.set(from.payload_bytes_sent);
    into.messages_retransmitted.set(from.retransmitted);
    into.publishes_rejected.set(from.publishes_denied);
}

void publish_loop(const shard::event_loop& from, shard_metrics& into) {
    into.bytes_received.set(from.bytes_received());
    into.bytes_sent.set(from.bytes_sent());
    into.reads.set(from.reads());
    into.writes.set(from.writes());
    into.turns.set(from.turns());
    into.busy.set(cpu_of_this_thread());
    into.connections_accepted.set(from.accepted());
    into.accept_pauses.set(from.accept_pauses);
    into.connections.set(static_cast<std::int64_t>(from.connections()));
}

void publish_closings(const shard::core_counts& from, shard_metrics& into) {
    const auto set = [&](closing why, close_cause cause) {
        into.connections_closed.set(why, from.closed[static_cast<std::size_t>(cause)]);
    };
    set(closing::client_disconnect, close_cause::client_disconnect);
    set(closing::client_disconnect_with_will, close_cause::client_disconnect_with_will);
    set(closing::connection_lost, close_cause::connection_lost);
    set(closing::keep_alive_timeout, close_cause::keep_alive_timeout);
    set(closing::protocol_violation, close_cause::protocol_violation);
    set(closing::session_taken_over, close_cause::taken_over);
    set(closing::server_shutdown, close_cause::server_shutdown);
    set(closing::slow_reader, close_cause::slow_reader);
    set(closing::administrative, close_cause::administrative);
}

[[nodiscard]] refusal refusal_of(mqtt::reason_code reason) {
    switch (static_cast<std::uint8_t>(reason)) {
    case 0x84:
        return refusal::protocol_version;
    case 0x85:
        return refusal::client_id;
    case 0x86:
        return refusal::bad_credentials;
    case 0x87:
    case 0x8c:
        return refusal::not_authorized;
    case 0x88:
    case 0x89:
        return refusal::server_busy;
    case 0x8b:
        return refusal::shutting_down;
    default:
        return refusal::protocol_error;
    }
}

void publish_refusals(const shard::event_loop& loop, const shard::core_counts& from,
                      shard_metrics& into) {
    const auto never_in = [&](close_cause cause) {
        return from.never_in[static_cast<std::size_t>(cause)];
    };
    std::array<std::uint64_t, refusal_labels::values.size()> totals{};
    const auto add = [&](refusal why, std::uint64_t count) {
        totals[static_cast<std::size_t>(why)] += count;
    };
    add(refusal::connections_max, loop.refused_connections);
    add(refusal::handshake, loop.failed_handshakes);
    add(refusal::connect_timeout, never_in(close_cause::connect_timeout));
    // To the core a failed handshake is a connection that was lost.
    add(refusal::connection_lost,
        never_in(close_cause::connection_lost)
            - std::min(never_in(close_cause::connection_lost), loop.failed_handshakes));
    add(refusal::protocol_error, never_in(close_cause::protocol_violation));
    add(refusal::shutting_down, never_in(close_cause::server_shutdown));
    for (std::size_t reason = 0; reason < from.refused.size(); ++reason) {
        add(refusal_of(static_cast<mqtt::reason_code>(reason)), from.refused[reason]);
    }
    copy_each(totals, into.connections_refused);
}

void publish_handovers(const shard::core& from, shard_metrics& into) {
    const shard::handover_counts counts = from.handed_over();
    into.session_handovers.set(counts.handed_over);
    into.session_handovers_stopped.set(counts.stopped);
    into.sessions_handed_over.set(counts.sessions);
    into.session_handover_bytes.set(counts.bytes);
    into.session_partitions_taken.set(counts.taken);
    into.session_handovers_under_way.set(static_cast<std::int64_t>(from.departing()));
}

void publish_counts(const shard::core_counts& from, shard_metrics& into) {
    into.clients_connected.set(static_cast<std::int64_t>(from.connected));
    into.sessions_taken_over.set(from.takeovers);
    into.sessions_flapping.set(from.flaps);
    into.sessions_referred.set(from.referred);
    into.sessions_ended.set(from.sessions_ended);
    into.sessions_expired.set(from.sessions_expired);
    into.holds.set(from.holds);
    into.shard_credit_stalls.set(from.credit_holds);
    into.slow_readers.set(from.slow_readers);
    into.wills_published.set(from.wills);
    into.retained_sent.set(from.retained_sent);
    into.retained_refused.set(from.retained_refused);
    into.messages_dropped.set(drop_reason::group_empty, from.group_drops);
    into.shard_batches_sent.set(from.batches_to_shards);
    into.shard_messages_sent.set(from.messages_to_shards);
    into.acl_denials.set(acl_action::publish, from.publishes_forbidden);
    into.acl_denials.set(acl_action::subscribe, from.subscriptions_forbidden);
    copy_each(from.accepted, into.publishes_accepted);
    into.authentications.set(auth_outcome::accepted, from.let_in);
    into.authentications.set(auth_outcome::anonymous, from.let_in_anonymous);
    into.authentications.set(auth_outcome::refused, from.turned_away);
    into.authentications.set(auth_outcome::busy, from.turned_away_busy);
    for (std::size_t at = 0; at < from.connect_times.size(); ++at) {
        into.connect_time.counts[at].set(from.connect_times[at]);
    }
    into.connect_time.sum.set(nanoseconds(from.connect_time));
}

void publish_state(shard::core& from, shard_metrics& into) {
    const auto set = [](auto& gauge, std::size_t value) {
        gauge.set(static_cast<std::int64_t>(value));
    };
    set(into.held_publishers, from.held_publishers());
    into.held.set(nanoseconds(from.held_time()));
    set(into.slow_clients, from.slow_clients());
    set(into.output_buffer_bytes, from.pool().bytes_in_use());
    set(into.sessions, from.sessions());
    set(into.sessions_persistent, from.stored_sessions());
    set(into.subscriptions, from.routing().subscriptions() + from.shared_subscriptions());
    set(into.subscriptions_shared, from.shared_subscriptions());
    set(into.queued_messages, from.queues().messages);
    set(into.queued_bytes, from.queues().bytes);
    set(into.in_flight_messages, from.queues().in_flight);
    set(into.retained_messages, from.retained().count());
    set(into.retained_bytes, from.retained().bytes());
    into.route_lookups.set(from.routing().cache_misses());
}

} // namespace

void publish_metrics(shard::event_loop& shard, shard_metrics& into) {
    shard::core& core = shard.logic();
    publish_traffic(core.traffic(), into);
    publish_loop(shard, into);
    publish_counts(core.counts(), into);
    publish_handovers(core, into);
    publish_closings(core.counts(), into);
    publish_refusals(shard, core.counts(), into);
    publish_state(core, into);
}

void publish_metrics(const shard::core& shard, lane_metrics& into) {
    const shard::peer_lanes* lanes = shard.lanes();
    if (lanes == nullptr) {
        return;
    }
    cluster::lane_sender_counts sent;
    std::int64_t spooling = 0;
    lanes->for_each_outgoing([&sent, &spooling](const shard::peer_lane& lane) {
        const cluster::lane_sender_counts one = lane.sender.counted();
        sent.messages += one.messages;
        sent.resent += one.resent;
        sent.frames += one.frames;
        sent.bytes += one.bytes;
        sent.dropped_full += one.dropped_full;
        sent.dropped_disconnected += one.dropped_disconnected;
        sent.faults += one.faults;
        sent.unanswered += one.unanswered;
        sent.queue_bytes += one.queue_bytes;
        sent.credit_bytes += one.credit_bytes;
        sent.spools_begun += one.spools_begun;
        sent.spool_rows += one.spool_rows;
        sent.spool_bytes += one.spool_bytes;
        sent.rows_unreadable += one.rows_unreadable;
        spooling += lane.sender.state() == cluster::lane_state::live ? 0 : 1;
    });
    const cluster::lane_receiver_counts received = lanes->received();
    into.messages_sent.set(sent.messages);
    into.messages_resent.set(sent.resent);
    into.frames_sent.set(sent.frames);
    into.bytes_sent.set(sent.bytes);
    into.dropped_full.set(sent.dropped_full);
    into.dropped_unlinked.set(sent.dropped_disconnected);
    into.faults.set(sent.faults + received.faults);
    into.unanswered.set(static_cast<std::int64_t>(sent.unanswered));
    into.queue_bytes.set(static_cast<std::int64_t>(sent.queue_bytes));
    into.credit_bytes.set(static_cast<std::int64_t>(sent.credit_bytes));
    into.lanes_spooling.set(spooling);
    into.spools_begun.set(sent.spools_begun);
    into.spool_messages.set(static_cast<std::int64_t>(sent.spool_rows));
    into.spool_bytes.set(static_cast<std::int64_t>(sent.spool_bytes));
    into.spool_unreadable.set(sent.rows_unreadable);
    into.held_bytes.set(static_cast<std::int64_t>(received.held_bytes));
    into.messages_received.set(received.messages);
    into.duplicates.set(received.duplicates);
    into.redated.set(shard.counts().dated_anew);
    into.frames_received.set(received.frames);
    into.bytes_received.set(received.bytes);
    into.holds.set(shard.counts().lane_holds);
}

void publish_metrics(const storage::store_counts& from, process_metrics& into) {
    into.store_writable.set(from.is_writable ? 1 : 0);
    into.store_resumes.set(from.resumes);
    into.store_stalled_time.set(from.stalled_nanoseconds);
    into.store_groups.set(from.groups);
    into.store_operations.set(from.operations);
    into.store_bytes.set(from.bytes);
    into.store_syncs.set(from.syncs);
    into.store_sync_time.set(from.sync_nanoseconds);
    into.store_rows_read.set(from.rows_read);
    into.store_damaged_files.set(static_cast<std::int64_t>(from.damaged_files));
    into.store_verified_files.set(from.files_verified);
    into.store_rotten_files.set(static_cast<std::int64_t>(from.files_rotten));
    into.store_lost_operations.set(static_cast<std::int64_t>(from.lost_operations));
    into.store_lost_rows.set(static_cast<std::int64_t>(from.rows_lost));
}

} // namespace gv::server
