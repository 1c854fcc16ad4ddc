// SPDX-License-Identifier: Apache-2.0
// Every metric of the broker, each declared once: its field is its row. Each shard owns one block
// and is its only writer; the scraper sums the blocks (broker/server/metric_table.hpp). Labels come
// from closed sets, never from a client. docs/metrics.md is generated from here.
#pragma once

#include "base/metric.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace gv {
enum class qos : std::uint8_t;
enum class durability : std::uint8_t;
} // namespace gv
namespace gv::mqtt {
enum class packet_type : std::uint8_t;
}

namespace gv::server {

struct packet_labels {
    using key = mqtt::packet_type;
    static constexpr std::string_view name = "type";
    static constexpr std::array<std::string_view, 16> values{
        "",        "connect",  "connack",    "publish", "puback",      "pubrec",
        "pubrel",  "pubcomp",  "subscribe",  "suback",  "unsubscribe", "unsuback",
        "pingreq", "pingresp", "disconnect", "auth"};
};

struct qos_labels {
    using key = qos;
    static constexpr std::string_view name = "qos";
    static constexpr std::array<std::string_view, 3> values{"0", "1", "2"};
};

/// Why a connection ended before its client was in.
enum class refusal : std::uint8_t {
    connections_max,
    handshake,
    connect_timeout,
    connection_lost,
    protocol_error,
    protocol_version,
    client_id,
    bad_credentials,
    not_authorized,
    server_busy,
    shutting_down
};
struct refusal_labels {
    using key = refusal;
    static constexpr std::string_view name = "reason";
    static constexpr std::array<std::string_view, 11> values{
        "connections_max", "handshake",        "connect_timeout", "connection_lost",
        "protocol_error",  "protocol_version", "client_id",       "bad_credentials",
        "not_authorized",  "server_busy",      "shutting_down"};
};

/// Why the connection of a client that was in has ended.
enum class closing : std::uint8_t {
    client_disconnect,
    client_disconnect_with_will,
    connection_lost,
    keep_alive_timeout,
    protocol_violation,
    session_taken_over,
    server_shutdown,
    slow_reader,
    administrative
};
struct closing_labels {
    using key = closing;
    static constexpr std::string_view name = "reason";
    static constexpr std::array<std::string_view, 9> values{
        "client_disconnect",  "client_disconnect_with_will",
        "connection_lost",    "keep_alive_timeout",
        "protocol_violation", "session_taken_over",
        "server_shutdown",    "slow_reader",
        "administrative"};
};

/// Why a message did not reach a client.
enum class drop_reason : std::uint8_t {
    queue_full,
    slow_reader,
    expired,
    packet_too_large,
    client_offline,
    superseded,
    group_empty
};
struct drop_labels {
    using key = drop_reason;
    static constexpr std::string_view name = "reason";
    static constexpr std::array<std::string_view, 7> values{
        "queue_full",     "slow_reader", "expired",    "packet_too_large",
        "client_offline", "superseded",  "group_empty"};
};

/// What became of a client that said who it is, or did not.
enum class auth_outcome : std::uint8_t { accepted, anonymous, refused, busy };
struct auth_labels {
    using key = auth_outcome;
    static constexpr std::string_view name = "outcome";
    static constexpr std::array<std::string_view, 4> values{"accepted", "anonymous", "refused",
                                                            "busy"};
};

struct durability_labels {
    using key = durability;
    static constexpr std::string_view name = "durability";
    static constexpr std::array<std::string_view, 3> values{"fsync", "interval", "memory"};
};

enum class acl_action : std::uint8_t { publish, subscribe };
struct acl_labels {
    using key = acl_action;
    static constexpr std::string_view name = "action";
    static constexpr std::array<std::string_view, 2> values{"publish", "subscribe"};
};

/// Reason codes as MQTT 5 numbers them: "0x81".
struct reason_code_labels {
    using key = std::uint8_t;
    static constexpr std::string_view name = "reason_code";

  private:
    static constexpr auto texts = [] {
        std::array<std::array<char, 4>, 256> table{};
        constexpr std::string_view digits = "0123456789abcdef";
        for (std::size_t code = 0; code < table.size(); ++code) {
            table[code] = {'0', 'x', digits[code >> 4], digits[code & 15]};
        }
        return table;
    }();

  public:
    static constexpr auto values = [] {
        std::array<std::string_view, 256> table{};
        for (std::size_t code = 0; code < table.size(); ++code) {
            table[code] = {texts[code].data(), texts[code].size()};
        }
        return table;
    }();
};

/// Observed in nanoseconds.
struct time_buckets {
    static constexpr std::array<std::uint64_t, 11> bounds{
        100'000,    250'000,     500'000,     1'000'000,     5'000'000,     10'000'000,
        50'000'000, 100'000'000, 500'000'000, 1'000'000'000, 10'000'000'000};
    static constexpr double scale = 1e-9;
};

/// What one shard counts. Shard-local for writing, readable by any thread.
struct alignas(64) shard_metrics {
    labelled_counter<packet_labels, "grapevine_packets_received_total",
                     "MQTT control packets received, by type.">
        packets_received;
    labelled_counter<packet_labels, "grapevine_packets_sent_total",
                     "MQTT control packets sent, by type.">
        packets_sent;
    labelled_counter<qos_labels, "grapevine_messages_received_total",
                     "Messages received from publishers, by the QoS they were published with.">
        messages_received;
    labelled_counter<qos_labels, "grapevine_messages_sent_total",
                     "Messages sent to subscribers, by the QoS they were sent with.">
        messages_sent;
    counter<"grapevine_received_bytes_total", "Bytes read from clients, after TLS and WebSocket.">
        bytes_received;
    counter<"grapevine_sent_bytes_total", "Bytes written to clients, before TLS and WebSocket.">
        bytes_sent;
    counter<"grapevine_payload_received_bytes_total", "Bytes of payload received from publishers.">
        payload_bytes_received;
    counter<"grapevine_payload_sent_bytes_total", "Bytes of payload sent to subscribers.">
        payload_bytes_sent;
    counter<"grapevine_reads_total", "Reads from clients that brought something."> reads;
    counter<"grapevine_writes_total", "Writes to clients that took something."> writes;
    counter<"grapevine_turns_total", "Turns of the event loops."> turns;
    seconds_counter<"grapevine_busy_seconds_total", "CPU time that the shards used."> busy;
    counter<"grapevine_route_lookups_total",
            "Topics whose subscribers were looked up, as they were not remembered.">
        route_lookups;

    labelled_counter<durability_labels, "grapevine_publishes_accepted_total",
                     "Publishes at QoS 1 and 2 by what their acknowledgement waited for.">
        publishes_accepted;
    labelled_counter<drop_labels, "grapevine_messages_dropped_total",
                     "Messages that did not reach a subscriber, by reason.">
        messages_dropped;
    counter<"grapevine_messages_retransmitted_total",
            "Messages sent again with DUP after a reconnect.">
        messages_retransmitted;
    counter<"grapevine_publishes_rejected_total",
            "Publishes that access rules or limits kept from going any further.">
        publishes_rejected;
    counter<"grapevine_held_total",
            "Times a publisher was held back because subscribers or another shard were full.">
        holds;
    gauge<"grapevine_held_publishers", "Publishers that are held back now."> held_publishers;
    seconds_counter<"grapevine_held_seconds_total", "Time publishers were held back, summed."> held;
    counter<"grapevine_slow_clients_total", "Times a client was found to have stopped reading.">
        slow_readers;
    gauge<"grapevine_slow_clients", "Connected clients that stopped reading and lose messages.">
        slow_clients;
    gauge<"grapevine_output_buffer_bytes",
          "Memory of the output buffers in use, without large payloads that they refer to.">
        output_buffer_bytes;

    counter<"grapevine_connections_accepted_total", "Connections accepted by the listeners.">
        connections_accepted;
    labelled_counter<refusal_labels, "grapevine_connections_refused_total",
                     "Connections that ended before their client was in, by reason.">
        connections_refused;
    labelled_counter<closing_labels, "grapevine_connections_closed_total",
                     "Connections of clients that were in, ended, by reason.">
        connections_closed;
    counter<"grapevine_accept_pauses_total",
            "Times accepting stopped for want of file descriptors or memory.">
        accept_pauses;
    gauge<"grapevine_connections", "Open connections, with or without a client that is in.">
        connections;
    gauge<"grapevine_clients_connected", "Clients that are connected."> clients_connected;
    histogram<time_buckets, "grapevine_connect_seconds",
              "Time from accepting a connection to its CONNACK.">
        connect_time;
    labelled_counter<reason_code_labels, "grapevine_protocol_violations_total",
                     "Times a client broke the protocol, by the reason code it was or would have "
                     "been told.">
        protocol_violations;
    labelled_counter<auth_labels, "grapevine_authentications_total",
                     "Clients that were let in (with a user name, or anonymous) or turned away.">
        authentications;
    labelled_counter<acl_labels, "grapevine_acl_denials_total",
                     "Publishes and subscriptions denied by the access rules.">
        acl_denials;

    gauge<"grapevine_sessions", "Sessions, connected or not."> sessions;
    gauge<"grapevine_sessions_persistent", "Sessions that outlive their connection.">
        sessions_persistent;
    counter<"grapevine_sessions_ended_total",
            "Sessions that outlived their connection and then ended, for whatever reason.">
        sessions_ended;
    counter<"grapevine_sessions_expired_total", "Those among them whose time was over.">
        sessions_expired;
    counter<"grapevine_sessions_taken_over_total",
            "Sessions whose client connected anew while still connected.">
        sessions_taken_over;
    counter<"grapevine_sessions_flapping_total",
            "Takeovers among them of client identifiers that are taken over more than 5 times in "
            "10 s, as when two devices use one.">
        sessions_flapping;
    counter<"grapevine_sessions_referred_total",
            "Clients that were told to connect to the node where their session lives.">
        sessions_referred;
    counter<"grapevine_session_handovers_total",
            "Partitions with sessions that went over from this node to another.">
        session_handovers;
    counter<"grapevine_session_handovers_stopped_total",
            "Times such a hand-over was given up; it is begun anew.">
        session_handovers_stopped;
    counter<"grapevine_sessions_handed_over_total", "Sessions in these partitions.">
        sessions_handed_over;
    counter<"grapevine_session_handover_bytes_total", "Bytes of sessions and queues sent for it.">
        session_handover_bytes;
    counter<"grapevine_session_partitions_taken_total",
            "Partitions with sessions that came from other nodes.">
        session_partitions_taken;
    gauge<"grapevine_session_handovers_under_way", "Partitions that go over now.">
        session_handovers_under_way;
    gauge<"grapevine_subscriptions", "Subscriptions of all sessions."> subscriptions;
    gauge<"grapevine_subscriptions_shared", "Shared subscriptions among them.">
        subscriptions_shared;
    gauge<"grapevine_queued_messages", "Messages that wait in sessions."> queued_messages;
    gauge<"grapevine_queued_bytes", "Bytes of messages that wait in sessions, topics included.">
        queued_bytes;
    gauge<"grapevine_in_flight_messages", "Messages sent to clients and not yet acknowledged.">
        in_flight_messages;
    counter<"grapevine_wills_published_total", "Wills published."> wills_published;

    gauge<"grapevine_retained_messages", "Retained messages."> retained_messages;
    gauge<"grapevine_retained_bytes", "Bytes of retained messages, topics included.">
        retained_bytes;
    counter<"grapevine_retained_sent_total", "Retained messages given to new subscriptions.">
        retained_sent;
    counter<"grapevine_retained_refused_total",
            "Messages that were not retained because of limits.retained_messages_max or "
            "limits.retained_bytes_max.">
        retained_refused;

    counter<"grapevine_shard_batches_sent_total", "Batches handed over to other shards.">
        shard_batches_sent;
    counter<"grapevine_shard_messages_sent_total", "Messages in them."> shard_messages_sent;
    counter<"grapevine_shard_credit_stalls_total",
            "Times a publisher was held because another shard had not taken its batches.">
        shard_credit_stalls;
};

/// What is known of the process as a whole; written by whoever scrapes.
struct process_metrics {
    info_metric<"grapevine_build_info", "The running version.", "version"> build;
    gauge<"process_resident_memory_bytes", "Memory of the process that is in RAM."> resident_bytes;
    gauge<"process_virtual_memory_bytes", "Address space of the process."> virtual_bytes;
    gauge<"process_open_fds", "Open file descriptors."> open_descriptors;
    gauge<"process_max_fds", "File descriptors the process may open."> descriptors_max;
    gauge<"process_threads", "Threads of the process."> threads;
    seconds_counter<"process_cpu_seconds_total", "CPU time used, user and system."> cpu;
    gauge<"process_start_time_seconds", "When the process started, in seconds since 1970.">
        start_time;
    gauge<"grapevine_shards", "Shards, each a thread that serves clients."> shards;

    gauge<"grapevine_store_writable",
          "Whether acknowledged messages are kept: 0 while the disk is full, and after it failed. "
          "Not there if storage is switched off.">
        store_writable;
    counter<"grapevine_store_resumes_total",
            "Times the store went on by itself after the disk had been full.">
        store_resumes;
    seconds_counter<"grapevine_store_stalled_seconds_total",
                    "Time during which nothing was written because the disk was full.">
        store_stalled_time;
    gauge<"grapevine_store_free_bytes", "Free space of the disk that the store is on."> store_free;
    gauge<"grapevine_store_refusing",
          "What is refused for want of room on the disk: 0 nothing, 1 messages that would have to "
          "be kept, 2 new persistent sessions too.">
        store_refusing;
    counter<"grapevine_store_groups_total", "Writes to the store, each of many messages.">
        store_groups;
    counter<"grapevine_store_operations_total", "Rows put and erased in them."> store_operations;
    counter<"grapevine_store_written_bytes_total", "Bytes of keys and values in them."> store_bytes;
    counter<"grapevine_store_syncs_total", "Times the write-ahead log was synced."> store_syncs;
    seconds_counter<"grapevine_store_sync_seconds_total", "Time spent in these."> store_sync_time;
    counter<"grapevine_store_rows_read_total", "Queued messages read back from the store.">
        store_rows_read;
    gauge<"grapevine_store_damaged_files",
          "Files of the store that were damaged or missing when the broker started. What could be "
          "read was taken over; all of it is kept in a folder quarantine-TIME.">
        store_damaged_files;
    counter<"grapevine_store_verified_files_total",
            "Files of the store that were read again in the background and are whole.">
        store_verified_files;
    gauge<"grapevine_store_rotten_files",
          "Files of the store that were found damaged when they were read again in the background. "
          "The next start takes over what can be read of them.">
        store_rotten_files;
    gauge<"grapevine_store_lost_operations",
          "Acknowledged operations that were in no file of the store when the broker started.">
        store_lost_operations;
    gauge<"grapevine_store_lost_rows",
          "Rows of the store found unreadable or missing since the broker started, and when it "
          "did; at least.">
        store_lost_rows;
};

} // namespace gv::server
