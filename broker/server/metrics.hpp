// SPDX-License-Identifier: Apache-2.0
// Every metric of the broker, each declared once: its field is its row. Each shard owns one block
// and is its only writer; the scraper sums the blocks (broker/server/metric_table.hpp). Labels come
// from closed sets, never from a client. docs/metrics.md is generated from here.
#pragma once

#include "base/metric.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace gv::mqtt {
enum class packet_type : std::uint8_t;
enum class qos : std::uint8_t;
} // namespace gv::mqtt

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
    using key = mqtt::qos;
    static constexpr std::string_view name = "qos";
    static constexpr std::array<std::string_view, 3> values{"0", "1", "2"};
};

/// Why a connection was turned away before or at its CONNECT.
enum class refusal : std::uint8_t {
    connections_max,
    descriptors,
    not_authorized,
    bad_credentials,
    server_busy,
    protocol_version,
    client_id,
    protocol_error,
    tls_handshake,
    websocket_handshake,
    connect_timeout,
    shutting_down
};
struct refusal_labels {
    using key = refusal;
    static constexpr std::string_view name = "reason";
    static constexpr std::array<std::string_view, 12> values{
        "connections_max", "descriptors",         "not_authorized",  "bad_credentials",
        "server_busy",     "protocol_version",    "client_id",       "protocol_error",
        "tls_handshake",   "websocket_handshake", "connect_timeout", "shutting_down"};
};

/// Why a connection of a client that was in has ended.
enum class closing : std::uint8_t {
    client_disconnect,
    client_disconnect_with_will,
    connection_lost,
    keep_alive_timeout,
    session_taken_over,
    protocol_violation,
    packet_too_large,
    receive_maximum_exceeded,
    quota_exceeded,
    not_authorized,
    slow_reader,
    administrative,
    server_shutdown,
    no_memory
};
struct closing_labels {
    using key = closing;
    static constexpr std::string_view name = "reason";
    static constexpr std::array<std::string_view, 14> values{
        "client_disconnect",  "client_disconnect_with_will",
        "connection_lost",    "keep_alive_timeout",
        "session_taken_over", "protocol_violation",
        "packet_too_large",   "receive_maximum_exceeded",
        "quota_exceeded",     "not_authorized",
        "slow_reader",        "administrative",
        "server_shutdown",    "no_memory"};
};

/// Why a message did not reach a client, or was not taken from one.
enum class drop_reason : std::uint8_t {
    queue_full,
    slow_reader,
    expired,
    acl_denied,
    too_large,
    no_memory,
    not_connected,
    session_expired,
    retain_limit,
    no_route_credit
};
struct drop_labels {
    using key = drop_reason;
    static constexpr std::string_view name = "reason";
    static constexpr std::array<std::string_view, 10> values{
        "queue_full", "slow_reader",   "expired",         "acl_denied",   "too_large",
        "no_memory",  "not_connected", "session_expired", "retain_limit", "no_route_credit"};
};

enum class auth_outcome : std::uint8_t {
    accepted,
    anonymous,
    by_certificate,
    bad_credentials,
    not_authorized,
    busy,
    failed
};
struct auth_labels {
    using key = auth_outcome;
    static constexpr std::string_view name = "outcome";
    static constexpr std::array<std::string_view, 7> values{
        "accepted",       "anonymous", "by_certificate", "bad_credentials",
        "not_authorized", "busy",      "failed"};
};

enum class acl_action : std::uint8_t { publish, subscribe, receive };
struct acl_labels {
    using key = acl_action;
    static constexpr std::string_view name = "action";
    static constexpr std::array<std::string_view, 3> values{"publish", "subscribe", "receive"};
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

struct fan_out_buckets {
    static constexpr std::array<std::uint64_t, 9> bounds{0,   1,     2,      5,      10,
                                                         100, 1'000, 10'000, 100'000};
    static constexpr double scale = 1;
};

/// What one shard counts. Shard-local for writing, readable by any thread.
struct alignas(64) shard_metrics {
    // What every message touches stands together.
    labelled_counter<packet_labels, "grapevine_packets_received_total",
                     "MQTT control packets received, by type.">
        packets_received;
    labelled_counter<packet_labels, "grapevine_packets_sent_total",
                     "MQTT control packets sent, by type.">
        packets_sent;
    labelled_counter<qos_labels, "grapevine_messages_received_total",
                     "Messages taken from publishers, by the QoS they were published with.">
        messages_received;
    labelled_counter<qos_labels, "grapevine_messages_sent_total",
                     "Messages sent to subscribers, by the QoS they were sent with.">
        messages_sent;
    counter<"grapevine_received_bytes_total", "Bytes read from clients, after TLS and WebSocket.">
        bytes_received;
    counter<"grapevine_sent_bytes_total", "Bytes written to clients, before TLS and WebSocket.">
        bytes_sent;
    counter<"grapevine_payload_received_bytes_total", "Bytes of payload taken from publishers.">
        payload_bytes_received;
    counter<"grapevine_payload_sent_bytes_total", "Bytes of payload sent to subscribers.">
        payload_bytes_sent;
    counter<"grapevine_reads_total", "System calls that read from clients."> reads;
    counter<"grapevine_writes_total", "System calls that wrote to clients."> writes;
    counter<"grapevine_turns_total", "Turns of the event loops."> turns;
    seconds_counter<"grapevine_busy_seconds_total", "Time the event loops spent working."> busy;
    histogram<fan_out_buckets, "grapevine_fan_out", "Subscribers that a published message matched.">
        fan_out;
    counter<"grapevine_route_lookups_total",
            "Topics whose subscribers were looked up, as they were not remembered.">
        route_lookups;

    labelled_counter<drop_labels, "grapevine_messages_dropped_total",
                     "Deliveries that did not take place, by reason.">
        messages_dropped;
    counter<"grapevine_messages_retransmitted_total",
            "Messages sent again with DUP after a reconnect.">
        messages_retransmitted;
    counter<"grapevine_held_total",
            "Times a publisher was held back because subscribers were full.">
        holds;
    gauge<"grapevine_held_publishers", "Publishers that are held back now."> held_publishers;
    seconds_counter<"grapevine_held_seconds_total", "Time publishers were held back, summed."> held;
    gauge<"grapevine_slow_clients", "Connected clients that stopped reading and lose messages.">
        slow_clients;
    gauge<"grapevine_output_buffered_bytes", "Bytes that wait for the sockets of clients.">
        output_buffered_bytes;

    counter<"grapevine_connections_accepted_total", "Connections accepted by the listeners.">
        connections_accepted;
    labelled_counter<refusal_labels, "grapevine_connections_refused_total",
                     "Connections ended before their session began, by reason.">
        connections_refused;
    labelled_counter<closing_labels, "grapevine_connections_closed_total",
                     "Connections of clients that were in, ended, by reason.">
        connections_closed;
    gauge<"grapevine_connections", "Open connections, with or without a session."> connections;
    gauge<"grapevine_clients_connected", "Clients that are connected."> clients_connected;
    histogram<time_buckets, "grapevine_connect_seconds",
              "Time from accepting a connection to its CONNACK.">
        connect_time;
    labelled_counter<reason_code_labels, "grapevine_protocol_violations_total",
                     "Times a client broke the protocol, by the reason code it was or would have "
                     "been told.">
        protocol_violations;
    labelled_counter<auth_labels, "grapevine_authentications_total",
                     "Clients that were let in or turned away, by outcome.">
        authentications;
    labelled_counter<acl_labels, "grapevine_acl_denials_total",
                     "Publishes, subscriptions and deliveries denied by the access rules.">
        acl_denials;

    gauge<"grapevine_sessions", "Sessions, connected or not."> sessions;
    gauge<"grapevine_sessions_persistent", "Sessions that outlive their connection.">
        sessions_persistent;
    counter<"grapevine_sessions_expired_total", "Sessions that ended because their time was over.">
        sessions_expired;
    counter<"grapevine_sessions_taken_over_total",
            "Sessions whose client connected anew while still connected.">
        sessions_taken_over;
    gauge<"grapevine_subscriptions", "Subscriptions of all sessions."> subscriptions;
    gauge<"grapevine_subscriptions_shared", "Shared subscriptions among them.">
        subscriptions_shared;
    gauge<"grapevine_queued_messages", "Messages that wait in sessions."> queued_messages;
    gauge<"grapevine_queued_bytes", "Bytes of messages that wait in sessions."> queued_bytes;
    gauge<"grapevine_in_flight_messages", "Messages sent to clients and not yet acknowledged.">
        in_flight_messages;
    counter<"grapevine_wills_published_total", "Wills published."> wills_published;

    gauge<"grapevine_retained_messages", "Retained messages."> retained_messages;
    gauge<"grapevine_retained_bytes", "Bytes of retained messages, topics included.">
        retained_bytes;
    counter<"grapevine_retained_sent_total", "Retained messages sent to new subscriptions.">
        retained_sent;

    counter<"grapevine_shard_batches_sent_total", "Batches handed over to other shards.">
        shard_batches_sent;
    counter<"grapevine_shard_messages_sent_total", "Messages in them."> shard_messages_sent;
    counter<"grapevine_shard_credit_stalls_total",
            "Times a shard stopped reading because another had not taken its batches.">
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
};

} // namespace gv::server
