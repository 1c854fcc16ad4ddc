// SPDX-License-Identifier: Apache-2.0
// Every option of the broker, each declared once: its field is its row. From these structs follow
// the reading of file, environment and command line, --help, --print-config, docs/configuration.md
// and the example file. Components do not see the whole; they are given small plain structs.
// Relations between options are checked by validate() (broker/server/validate.hpp).
// Immutable once read: a reload makes a new snapshot.
#pragma once

#include "base/option.hpp"
#include "base/time.hpp"
#include "broker/server/cluster_options.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gv::server {

using std::chrono::milliseconds;

// The choices of an option, in the order of the values of their enum.
using choice_names = std::span<const std::string_view>;

/// yes, no, or what the doc of the option says if nothing was said.
enum class tristate : std::uint8_t { automatic, yes, no };
inline constexpr std::array<std::string_view, 3> tristate_names{"auto", "true", "false"};
constexpr choice_names choices(tristate) { return tristate_names; }

enum class transport_kind : std::uint8_t { tcp, websocket };
inline constexpr std::array<std::string_view, 2> transport_names{"tcp", "websocket"};
constexpr choice_names choices(transport_kind) { return transport_names; }

enum class tls_version : std::uint8_t { tls_1_2, tls_1_3 };
inline constexpr std::array<std::string_view, 2> tls_version_names{"1.2", "1.3"};
constexpr choice_names choices(tls_version) { return tls_version_names; }

/// Which member of a shared subscription gets a message.
enum class share_strategy : std::uint8_t { round_robin, least_in_flight, sticky, hash };
inline constexpr std::array<std::string_view, 4> shared_strategy_names{
    "round_robin", "least_in_flight", "sticky", "hash"};
constexpr choice_names choices(share_strategy) { return shared_strategy_names; }

enum class queue_full_policy : std::uint8_t { drop_newest, drop_oldest, disconnect };
inline constexpr std::array<std::string_view, 3> queue_full_names{"drop_newest", "drop_oldest",
                                                                  "disconnect"};
constexpr choice_names choices(queue_full_policy) { return queue_full_names; }

/// As the enum of the shards, in its order.
enum class away_policy : std::uint8_t { refuse, fresh };
inline constexpr std::array<std::string_view, 2> away_names{"refuse", "fresh"};
constexpr choice_names choices(away_policy) { return away_names; }

enum class refer_policy : std::uint8_t { never, always };
inline constexpr std::array<std::string_view, 2> refer_names{"never", "always"};
constexpr choice_names choices(refer_policy) { return refer_names; }

enum class qos0_policy : std::uint8_t { hold, drop };
inline constexpr std::array<std::string_view, 2> qos0_names{"hold", "drop"};
constexpr choice_names choices(qos0_policy) { return qos0_names; }

/// As the enum of the messages, in its order.
enum class durability_level : std::uint8_t { fsync, interval, memory };
inline constexpr std::array<std::string_view, 3> durability_names{"fsync", "interval", "memory"};
constexpr choice_names choices(durability_level) { return durability_names; }

/// What a listener says of durability: nothing, or as the enum of that name.
enum class durability_choice : std::uint8_t { inherit, fsync, interval, memory };
inline constexpr std::array<std::string_view, 4> durability_choice_names{"inherit", "fsync",
                                                                         "interval", "memory"};
constexpr choice_names choices(durability_choice) { return durability_choice_names; }
enum class keep_rule : std::uint8_t { all, newest };
inline constexpr std::array<std::string_view, 2> keep_rule_names{"all", "newest"};
constexpr choice_names choices(keep_rule) { return keep_rule_names; }

enum class log_level : std::uint8_t { error, warn, info, debug, trace };
inline constexpr std::array<std::string_view, 5> log_level_names{"error", "warn", "info", "debug",
                                                                 "trace"};
constexpr choice_names choices(log_level) { return log_level_names; }

enum class log_format : std::uint8_t { text, json };
inline constexpr std::array<std::string_view, 2> log_format_names{"text", "json"};
constexpr choice_names choices(log_format) { return log_format_names; }

/// Which defaults hold: those for a small machine with a slow disk, or those for any other.
enum class storage_profile : std::uint8_t { automatic, pi, server };
inline constexpr std::array<std::string_view, 3> storage_profile_names{"auto", "pi", "server"};
constexpr choice_names choices(storage_profile) { return storage_profile_names; }

struct node_options {
    section about{{.name = "node", .doc = "The process and its place on the machine."}};
    option<std::string> name{
        {.name = "node.name",
         .doc = "Name of this node, on every line of the log. Empty: lines name none."}};
    option<std::string> user{
        {.name = "node.user",
         .doc = "User to become after the listeners are open, when started as root. Empty: stay.",
         .applies = reload::restart}};
    option<std::string> pid_file{
        {.name = "node.pid_file",
         .doc = "File that receives the process id once the broker listens. Empty: none. "
                "A relative path is relative to the working directory.",
         .applies = reload::restart}};
    option<std::string> ports_file{
        {.name = "node.ports_file",
         .doc = "File that receives the addresses listened on, one a line, once all are open: how "
                "tests and scripts learn a port that was given as 0. Empty: none. "
                "A relative path is relative to the working directory.",
         .applies = reload::restart}};
    option<milliseconds> sys_interval{
        {.name = "node.sys_interval",
         .doc = "Time between two publications of $SYS/broker/#. Larger: less work. Smaller: "
                "fresher figures. 0: no $SYS topics.",
         .def = 10s,
         .max = 24h}};
};

struct listener_options {
    section about{{.name = "listeners",
                   .doc = "Where clients connect: one table a listener, any number of them. With "
                          "none at all the broker listens on 127.0.0.1 and ::1, port 1883."}};
    option<std::string> name{{.name = "listeners.name",
                              .doc = "Name of the listener in logs. Empty: its address.",
                              .applies = reload::restart}};
    option<std::string> bind{
        {.name = "listeners.bind",
         .doc = "Address to listen on, as numbers: 127.0.0.1, ::1, 0.0.0.0 for all of IPv4, :: for "
                "all of IPv6 and IPv4. Any other than loopback needs authentication or "
                "allow_anonymous = true.",
         .def = "127.0.0.1",
         .applies = reload::restart}};
    option<std::uint16_t> port{
        {.name = "listeners.port",
         .doc = "TCP port. Customary: 1883 plain, 8883 TLS, 8083 WebSocket, 8084 secure WebSocket. "
                "0: any free port, written to node.ports_file.",
         .def = 1883,
         .applies = reload::restart}};
    option<transport_kind> transport{
        {.name = "listeners.transport",
         .doc = "tcp: MQTT directly. websocket: MQTT in binary WebSocket frames, any path.",
         .def = transport_kind::tcp,
         .applies = reload::restart}};
    option<std::string> tls_certificate{
        {.name = "listeners.tls_certificate",
         .doc = "PEM file with the certificate of the server and those between it and the "
                "authority. Setting it turns TLS on. "
                "A relative path is relative to the working directory.",
         .applies = reload::new_connections}};
    option<std::string> tls_key{{.name = "listeners.tls_key",
                                 .doc = "PEM file with the private key of tls_certificate. "
                                        "A relative path is relative to the working directory.",
                                 .applies = reload::new_connections}};
    option<std::string> tls_client_ca{
        {.name = "listeners.tls_client_ca",
         .doc = "PEM file with the authorities that may sign certificates of clients. Empty: "
                "clients are not asked for one. "
                "A relative path is relative to the working directory.",
         .applies = reload::new_connections}};
    option<tls_version> tls_min_version{
        {.name = "listeners.tls_min_version",
         .doc = "Oldest version of TLS accepted. 1.2: nearly every device. 1.3: only current ones.",
         .def = tls_version::tls_1_2,
         .applies = reload::new_connections}};
    option<bool> require_client_certificate{
        {.name = "listeners.require_client_certificate",
         .doc = "Refuse clients without a certificate signed by tls_client_ca.",
         .def = false,
         .applies = reload::new_connections}};
    option<bool> use_identity_as_username{
        {.name = "listeners.use_identity_as_username",
         .doc = "Take the common name of the client's certificate as its user name; no password "
                "is asked for. Needs require_client_certificate.",
         .def = false,
         .applies = reload::new_connections}};
    option<tristate> allow_anonymous{
        {.name = "listeners.allow_anonymous",
         .doc = "Whether clients without a user name may come in here. auto: as "
                "auth.allow_anonymous says.",
         .def = tristate::automatic,
         .applies = reload::new_connections}};
    option<std::uint32_t> connections_max{
        {.name = "listeners.connections_max",
         .doc = "Connections through this listener at one time; more are closed at once. 0: only "
                "limits.connections_max counts.",
         .applies = reload::new_connections}};
    option<durability_choice> durability{
        {.name = "listeners.durability",
         .doc = "What acknowledgements of messages that come in here wait for, see "
                "storage.durability. inherit: what that says.",
         .def = durability_choice::inherit,
         .applies = reload::new_connections}};
    option<std::uint32_t> backlog{
        {.name = "listeners.backlog",
         .doc = "Connections that may wait in the kernel to be accepted; the kernel lowers it to "
                "net.core.somaxconn. Larger: bursts of reconnects lose no handshake. Smaller: a "
                "flood is refused sooner.",
         .def = 4096,
         .min = 1,
         .max = 65'535,
         .applies = reload::restart}};
    /// Not an option: this listener follows from a default and may be left out where the machine
    /// has no such address (::1 without IPv6).
    bool is_optional = false;
};

struct auth_options {
    section about{{.name = "auth", .doc = "Who may come in, and what they may do."}};
    option<tristate> allow_anonymous{
        {.name = "auth.allow_anonymous",
         .doc = "Whether clients without a user name may come in. auto: yes on listeners bound to "
                "loopback as long as there is no password_file, no everywhere else.",
         .def = tristate::automatic,
         .applies = reload::new_connections}};
    option<std::string> password_file{
        {.name = "auth.password_file",
         .doc = "File of users and hashed passwords as mosquitto_passwd and `grapevine passwd` "
                "write it. Read again on SIGHUP. Empty: no passwords. "
                "A relative path is relative to the working directory.",
         .applies = reload::live}};
    option<std::string> acl_file{
        {.name = "auth.acl_file",
         .doc = "File of access rules in the format of Mosquitto (user, topic, pattern, %u, %c; "
                "deny wins). Read again on SIGHUP. Empty: whoever is in may do everything. "
                "A relative path is relative to the working directory.",
         .applies = reload::live}};
    option<std::uint16_t> hash_threads{
        {.name = "auth.hash_threads",
         .doc = "Threads that check passwords. Larger: more logins a second after an outage. "
                "Smaller: more of the machine left to traffic.",
         .def = 2,
         .min = 1,
         .max = 64,
         .applies = reload::restart}};
    option<std::uint32_t> pending_max{
        {.name = "auth.pending_max",
         .doc =
             "Password checks that may wait for a thread; clients beyond are refused as \"server "
             "busy\". Larger: a crowd waits longer but gets in. Smaller: it is told sooner.",
         .def = 10'000,
         .min = 1,
         .max = 1'000'000,
         .applies = reload::restart}};
};

struct mqtt_options {
    section about{{.name = "mqtt", .doc = "What a client may ask for."}};
    option<text_list> protocol_versions{{.name = "mqtt.protocol_versions",
                                         .doc = "Versions of MQTT accepted: 3.1, 3.1.1, 5.0.",
                                         .def = "3.1, 3.1.1, 5.0",
                                         .applies = reload::new_connections}};
    option<byte_size> packet_size_max{
        {.name = "mqtt.packet_size_max",
         .doc = "Largest packet accepted from a client. Larger: bigger payloads. Smaller: less "
                "memory at risk a connection.",
         .def = 16_MiB,
         .min = 128_B,
         .max = 256_MiB,
         .applies = reload::new_connections}};
    option<byte_size> connect_size_max{
        {.name = "mqtt.connect_size_max",
         .doc = "Largest packet accepted from a client that is not connected yet. Larger: bigger "
                "wills and credentials. Smaller: less memory for strangers.",
         .def = 256_KiB,
         .min = 128_B,
         .max = 256_MiB,
         .applies = reload::new_connections}};
    option<milliseconds> connect_timeout{
        {.name = "mqtt.connect_timeout",
         .doc = "Time from the opening of a connection (with TLS and WebSocket) to its CONNECT. "
                "Larger: slow links get in. Smaller: idle connections are shed sooner.",
         .def = 10s,
         .min = 100ms,
         .max = 10min,
         .applies = reload::new_connections}};
    option<std::uint16_t> keep_alive_max{
        {.name = "mqtt.keep_alive_max",
         .doc = "Largest keep alive in seconds; who asks for more, or for none, is held to this "
                "one, and told so if it speaks v5. 0: as asked.",
         .applies = reload::new_connections}};
    option<milliseconds> session_expiry_max{
        {.name = "mqtt.session_expiry_max",
         .doc = "Longest time a v5 session is kept without a connection. Larger: clients may be "
                "away longer. Smaller: sessions left behind free their memory sooner.",
         .def = 24h * 365,
         .applies = reload::new_connections}};
    option<milliseconds> session_expiry_v3{
        {.name = "mqtt.session_expiry_v3",
         .doc = "The same for sessions of 3.1 and 3.1.1 clients with clean session off, which "
                "cannot say for how long.",
         .def = 24h * 30,
         .applies = reload::new_connections}};
    option<std::uint16_t> in_flight_max_v3{
        {.name = "mqtt.in_flight_max_v3",
         .doc = "Messages of QoS 1 and 2 on the way to a 3.1 or 3.1.1 client at one time. Larger: "
                "more throughput on long links. Smaller: less burst for small devices. 1: strict "
                "order even across a reconnect.",
         .def = 100,
         .min = 1,
         .applies = reload::new_connections}};
    option<std::uint16_t> in_flight_max_v5{
        {.name = "mqtt.in_flight_max_v5",
         .doc = "The same for v5 clients, if their Receive Maximum is not smaller.",
         .def = 1'000,
         .min = 1,
         .applies = reload::new_connections}};
    option<std::uint16_t> receive_maximum{
        {.name = "mqtt.receive_maximum",
         .doc = "Messages of QoS 1 and 2 a v5 client may have on the way to the broker, announced "
                "in CONNACK. Larger: more throughput a publisher. Smaller: less to hold back.",
         .def = 1'000,
         .min = 1,
         .applies = reload::new_connections}};
    option<std::uint16_t> topic_alias_max_in{
        {.name = "mqtt.topic_alias_max_in",
         .doc = "Topic aliases a client may set up. Larger: shorter packets from clients with many "
                "topics. Smaller: less memory a connection. 0: none.",
         .def = 256,
         .applies = reload::new_connections}};
    option<std::uint16_t> topic_alias_max_out{
        {.name = "mqtt.topic_alias_max_out",
         .doc = "Topic aliases the broker sets up towards a client that allows them. Larger: "
                "shorter packets. Smaller: less memory a connection. 0: none.",
         .def = 16,
         .applies = reload::new_connections}};
    option<std::uint16_t> topic_levels_max{
        {.name = "mqtt.topic_levels_max",
         .doc = "Levels of a topic or filter. Larger: deeper hierarchies. Smaller: less work a "
                "hostile topic can cause.",
         .def = 128,
         .min = 1,
         .max = 32'768}};
    option<std::uint32_t> filter_length_max{
        {.name = "mqtt.filter_length_max",
         .doc = "Bytes of a topic filter; longer ones are refused.",
         .def = 65'535,
         .min = 1,
         .max = 65'535}};
    option<std::uint32_t> filters_per_subscribe_max{
        {.name = "mqtt.filters_per_subscribe_max",
         .doc = "Filters of one SUBSCRIBE; those beyond are refused with \"quota exceeded\". 0: as "
                "many as fit in a packet."}};
    option<std::uint32_t> subscriptions_per_client_max{
        {.name = "mqtt.subscriptions_per_client_max",
         .doc = "Subscriptions of one client; those beyond are refused with \"quota exceeded\". "
                "Larger: gateways with many topics. Smaller: less memory a client can take.",
         .def = 100'000,
         .min = 1}};
    option<std::uint16_t> client_id_length_max{
        {.name = "mqtt.client_id_length_max",
         .doc = "Bytes of a client identifier; longer ones are refused.",
         .def = 65'535,
         .min = 23,
         .applies = reload::new_connections}};
    option<std::uint16_t> qos_max{
        {.name = "mqtt.qos_max",
         .doc = "Highest QoS. Subscriptions are granted at most this; a v5 client that publishes "
                "above it breaks the protocol, others are taken lower.",
         .def = 2,
         .max = 2,
         .applies = reload::new_connections}};
    option<bool> retain_available{{.name = "mqtt.retain_available",
                                   .doc = "Whether messages may be retained.",
                                   .def = true,
                                   .applies = reload::new_connections}};
    option<bool> wildcards_available{{.name = "mqtt.wildcards_available",
                                      .doc = "Whether filters may hold + and #.",
                                      .def = true,
                                      .applies = reload::new_connections}};
    option<bool> subscription_ids_available{
        {.name = "mqtt.subscription_ids_available",
         .doc = "Whether v5 clients may give their subscriptions identifiers.",
         .def = true,
         .applies = reload::new_connections}};
    option<bool> shared_available{{.name = "mqtt.shared_available",
                                   .doc = "Whether clients may share subscriptions ($share/…).",
                                   .def = true,
                                   .applies = reload::new_connections}};
    option<share_strategy> shared_strategy{
        {.name = "mqtt.shared_strategy",
         .doc = "Which member of a shared subscription gets a message. round_robin: in turn. "
                "least_in_flight: the one with the fewest unacknowledged. sticky: one until it "
                "leaves. hash: by the topic, so that a topic stays with a member.",
         .def = share_strategy::round_robin,
         .applies = reload::restart}};
    option<bool> shared_queues{
        {.name = "mqtt.shared_queues",
         .doc = "Messages of a shared subscription wait with the group, in a queue that its "
                "persistent members have in common, and go to whoever can take them. false: each "
                "goes into the session of one member at once, and stays there while its client is "
                "away. The same on all nodes; where queues hold messages leave it as it is.",
         .def = true,
         .applies = reload::restart}};
    option<std::string> response_information{
        {.name = "mqtt.response_information",
         .doc = "Start of topics for responses, told to v5 clients that ask; %c is the client "
                "identifier. Empty: none is told.",
         .applies = reload::new_connections}};
    option<std::string> server_reference{
        {.name = "mqtt.server_reference",
         .doc = "Another server, told to v5 clients in CONNACK and DISCONNECT when this one turns "
                "them away as busy or shutting down. Empty: none.",
         .applies = reload::live}};
};

struct sessions_options {
    section about{{.name = "sessions", .doc = "Sessions that outlive their connections."}};
    option<bool> follow_clients{
        {.name = "sessions.follow_clients",
         .doc = "In a cluster: the session of a client lives on one node, its home, whichever node "
                "the client connects to, and a client identifier has one connection in the whole "
                "cluster. The same on all nodes. false: a session stays on the node where it was "
                "made, "
                "and each node ends only connections of its own.",
         .def = true,
         .applies = reload::restart}};
    option<byte_size> handover_rate{
        {.name = "sessions.handover_rate",
         .doc =
             "Bytes of sessions and their queues that this node sends a second to the nodes that "
             "are to have them, as when nodes join, leave or are drained. Larger: that is over "
             "sooner, and clients wait less. Smaller: less is taken from disk and network.",
         .def = 32_MiB,
         .min = 64_KiB,
         .applies = reload::restart}};
    option<away_policy> when_home_is_away{
        {.name = "sessions.when_home_is_away",
         .doc = "What a client with a persistent session gets while the home of that cannot be "
                "reached: refuse, it is told to try again (0x88; 3 before v5); or fresh, "
                "a session for this connection alone, without what waits for it, which is there "
                "again later. Others are let in in any case.",
         .def = away_policy::refuse,
         .applies = reload::restart}};
    option<refer_policy> refer_to_home{
        {.name = "sessions.refer_to_home",
         .doc = "With follow_clients: whether a v5 client with a persistent session that connects "
                "to another node than the home of that is told to connect there (CONNACK 0x9C with "
                "a Server Reference). always: messages then take no way between nodes, which is "
                "worth it for clients that get many. It needs cluster.client_address on the home, "
                "and clients that follow a reference; who comes again to the same node within a "
                "minute is served there, who waits longer is told again. never: all are served "
                "where they come.",
         .def = refer_policy::never,
         .applies = reload::restart}};
    option<milliseconds> will_grace{
        {.name = "sessions.will_grace",
         .doc =
             "With follow_clients: when the node of a client has ended, its will is published "
             "after its delay, and after so long at least, unless the client has connected again "
             "to another node. Larger: a client may take its time. Smaller: others hear of it "
             "sooner.",
         .def = 2s,
         .max = 24h,
         .applies = reload::restart}};
    option<milliseconds> will_on_partition{
        {.name = "sessions.will_on_partition",
         .doc =
             "The same when that node is silent, and nothing says that it has ended: it, or this "
             "node, may be cut off, and the client be connected there. A node has ended when its "
             "machine refuses connections to it or it has started again, and when an operator "
             "has it forgotten. Larger: longer cuts stay without wills. Smaller: others hear "
             "sooner of the clients of a machine without power.",
         .def = 60s,
         .max = 24h,
         .applies = reload::restart}};
};

struct limits_options {
    section about{{.name = "limits", .doc = "How much of the machine the broker may take."}};
    option<std::uint32_t> connections_max{
        {.name = "limits.connections_max",
         .doc = "Connections at one time; more are refused. 0: as many as file descriptors allow.",
         .applies = reload::new_connections}};
    option<byte_size> queue_bytes_per_session_max{
        {.name = "limits.queue_bytes_per_session_max",
         .doc = "Bytes of messages that wait for one client whose session outlives its connection: "
                "on disk, or in memory if storage is off. Larger: it may be away longer. Smaller: "
                "one absent client takes less.",
         .def = 1_GiB,
         .min = 1_KiB,
         .pi = 64_MiB}};
    option<std::uint32_t> queue_messages_per_session_max{
        {.name = "limits.queue_messages_per_session_max",
         .doc = "Messages that wait for one client, whatever their size. Larger: it may be away "
                "longer. Smaller: it comes back to less. 0: only their bytes count."}};
    option<byte_size> queue_bytes_per_user_max{
        {.name = "limits.queue_bytes_per_user_max",
         .doc = "The same over all clients of one user, kept or not; those without a user name are "
                "one user. Larger: a user may leave more behind. Smaller: one user leaves more to "
                "the others. 0: no limit.",
         .applies = reload::restart}};
    option<byte_size> queue_bytes_total_max{
        {.name = "limits.queue_bytes_total_max",
         .doc = "The same over all these clients. Larger: more absent clients. Smaller: less disk. "
                "0: half of what is free on the disk of the store when the broker starts, or "
                "1 GiB if storage is off."}};
    option<byte_size> queue_bytes_in_memory_max{
        {.name = "limits.queue_bytes_in_memory_max",
         .doc = "Bytes of messages that wait for one client whose session ends with its "
                "connection. Larger: slower readers lose less. Smaller: one of them takes less "
                "memory.",
         .def = 64_MiB,
         .min = 1_KiB}};
    option<byte_size> queue_bytes_in_memory_total_max{
        {.name = "limits.queue_bytes_in_memory_total_max",
         .doc = "The same over all these clients. Larger: more slow readers. Smaller: less memory. "
                "0: no limit.",
         .def = 1_GiB,
         .pi = 128_MiB}};
    option<queue_full_policy> queue_full{
        {.name = "limits.queue_full",
         .doc = "What to do when the queue of a session is full. drop_newest: keep what was "
                "acknowledged first. drop_oldest: keep what is fresh. disconnect: end the "
                "connection of the client, then drop_newest.",
         .def = queue_full_policy::drop_newest}};
    option<std::uint32_t> retained_messages_max{
        {.name = "limits.retained_messages_max",
         .doc = "Retained messages; on further topics they are not retained. 0: no limit by "
                "number.",
         .applies = reload::restart}};
    option<byte_size> retained_bytes_max{
        {.name = "limits.retained_bytes_max",
         .doc = "Bytes of retained messages, topics included. Larger: more topics. Smaller: less "
                "memory. 0: no limit.",
         .def = 1_GiB,
         .applies = reload::restart,
         .pi = 128_MiB}};
    option<byte_size> retained_payload_max{
        {.name = "limits.retained_payload_max",
         .doc = "Largest payload that is retained; larger ones are delivered but not kept. 0: as "
                "large as a packet."}};
};

struct flow_options {
    section about{{.name = "flow",
                   .doc = "Slow readers and fast publishers. A publisher is held back while its "
                          "subscribers are full but still reading; who stops reading is slow, and "
                          "its messages are dropped instead."}};
    option<byte_size> output_buffer_max{
        {.name = "flow.output_buffer_max",
         .doc = "Bytes that may wait for the socket of a client; then it is full. Larger: longer "
                "stalls go unnoticed. Smaller: less memory a slow client.",
         .def = 1_MiB,
         .min = 4_KiB,
         .max = 1_GiB,
         .applies = reload::new_connections}};
    option<byte_size> read_bytes_per_turn{
        {.name = "flow.read_bytes_per_turn",
         .doc = "Bytes read from one socket before the others have their turn. Larger: fewer "
                "system calls. Smaller: fairer between clients.",
         .def = 256_KiB,
         .min = 4_KiB,
         .max = 16_MiB,
         .applies = reload::restart}};
    option<milliseconds> progress_window{
        {.name = "flow.progress_window",
         .doc = "A full client whose socket took bytes within this time is still making progress. "
                "Larger: publishers wait for slower links. Smaller: slow readers are told apart "
                "sooner.",
         .def = 100ms,
         .min = 1ms,
         .max = 1min}};
    option<double> full_share{
        {.name = "flow.full_share",
         .doc = "Share of the deliveries of a turn that must be to full clients before publishers "
                "are held. Larger: slow readers are dropped sooner. Smaller: publishers are held "
                "for fewer of them.",
         .def = 0.5,
         .min = 0.0,
         .max = 1.0}};
    option<milliseconds> hold_max{
        {.name = "flow.hold_max",
         .doc =
             "Longest time a publisher is held at a stretch; then its full subscribers are slow. "
             "Larger: less is dropped. Smaller: publishers go on sooner. 0: never held.",
         .def = 1s,
         .max = 1min}};
    option<qos0_policy> qos0_when_full{
        {.name = "flow.qos0_when_full",
         .doc = "Publishes of QoS 0 to full clients. hold: as those of QoS 1 and 2, nothing is "
                "lost while subscribers keep reading. drop: at once, publishers are never held.",
         .def = qos0_policy::hold}};
};

struct shards_options {
    section about{{.name = "shards", .doc = "How the work is spread over the cores."}};
    option<std::uint16_t> threads{
        {.name = "shards.threads",
         .doc = "Threads that serve clients. Larger: more cores used. Smaller: less handing over "
                "between them. 0: one a core.",
         .max = 64,
         .applies = reload::restart}};
    option<byte_size> credit_bytes{
        {.name = "shards.credit_bytes",
         .doc = "Bytes that may be on the way from one shard to another; without credit the "
                "sources of that traffic are not read. Larger: bursts pass. Smaller: less memory.",
         .def = 4_MiB,
         .min = 64_KiB,
         .max = 1_GiB,
         .applies = reload::restart}};
};

struct admin_options {
    section about{{.name = "admin", .doc = "HTTP for operators: /metrics, /livez, /readyz."}};
    option<bool> enabled{{.name = "admin.enabled",
                          .doc = "Whether there is an admin port.",
                          .def = true,
                          .applies = reload::restart}};
    option<std::string> bind{
        {.name = "admin.bind",
         .doc = "Address of the admin port. It asks for no password: bind it to other than "
                "loopback only where the network is yours.",
         .def = "127.0.0.1",
         .applies = reload::restart}};
    option<std::uint16_t> port{
        {.name = "admin.port",
         .doc = "Port of the admin endpoint. 0: any free port, written to node.ports_file. If this "
                "default is taken, as by a second broker on the machine, there is no admin port "
                "and the log says so; a port that was asked for must be free.",
         .def = 9883,
         .applies = reload::restart}};
};

struct log_options {
    section about{{.name = "log", .doc = "What is written where."}};
    option<log_level> level{
        {.name = "log.level",
         .doc = "error: a human must act; warn: and what is degraded; info: and the life cycle; "
                "debug: and each connection and subscription (-v); trace: and each packet.",
         .def = log_level::info}};
    option<log_format> format{{.name = "log.format",
                               .doc = "text: event key=value … json: one object a line.",
                               .def = log_format::text}};
    option<std::string> destination{
        {.name = "log.destination",
         .doc = "stderr, syslog, or the path of a file, opened again on SIGHUP. "
                "A relative path is relative to the working directory.",
         .def = "stderr"}};
    option<std::uint32_t> lines_per_second{
        {.name = "log.lines_per_second",
         .doc = "Lines of one event in a second; more are counted and reported as one. Larger: "
                "nothing is missed. Smaller: a flood fills no disk. 0: no limit.",
         .def = 100}};
};

struct storage_options {
    section about{{.name = "storage",
                   .doc = "What outlives the process: persistent sessions with their queues, and "
                          "retained messages. An acknowledgement of QoS 1 or 2 is sent when what "
                          "it promises is on disk."}};
    option<bool> enabled{
        {.name = "storage.enabled",
         .doc = "Whether anything is kept on disk. Without, sessions and retained messages end "
                "with the process, whatever was acknowledged.",
         .def = true,
         .applies = reload::restart}};
    option<std::string> folder{
        {.name = "storage.folder",
         .doc = "Folder of the store; one broker at a time uses it. Empty: /var/lib/grapevine if "
                "that can be written to, or /var/lib/grapevine/PORT if the first listener comes "
                "from -p PORT other than 1883, so that a second broker has a store of its own; "
                "else $XDG_STATE_HOME/grapevine/PORT (or ~/.local/state/grapevine/PORT) with the "
                "port of the first listener. A relative path is relative to the working directory.",
         .applies = reload::restart}};
    option<storage_profile> profile{
        {.name = "storage.profile",
         .doc = "Which machine the defaults are for. pi: at most 1 GiB of memory, or a store on an "
                "SD card, eMMC or a slow USB disk: little memory, few and slow writes in the "
                "background. server: any other. auto: as the memory that the process may have and "
                "the disk of the store say; the log tells at the start. Options whose default "
                "depends on it say so; one that is set counts whatever the profile.",
         .def = storage_profile::automatic,
         .applies = reload::restart}};
    option<bool> salvage{
        {.name = "storage.salvage",
         .doc = "Whether a damaged store is made usable at start: what can be read is taken over, "
                "and all of it is kept as it was in the folder quarantine-TIME beside it. Without, "
                "the broker refuses to start on it.",
         .def = true,
         .applies = reload::restart}};
    option<byte_size> cache{
        {.name = "storage.cache",
         .doc = "Memory for what is read from the store again. Larger: fewer reads where queues "
                "are longer than memory. Smaller: less memory.",
         .def = 32_MiB,
         .min = 1_MiB,
         .applies = reload::restart,
         .pi = 12_MiB}};
    option<byte_size> write_buffer{
        {.name = "storage.write_buffer",
         .doc = "Memory for rows that are in the write-ahead log and not yet in a table file. "
                "Larger: short-lived rows never reach a table file. Smaller: less memory, more "
                "flushes. Tables of queues, bodies and retained messages are flushed at a quarter "
                "of it, the others at a sixteenth.",
         .def = 64_MiB,
         .min = 1_MiB,
         .applies = reload::restart,
         .pi = 12_MiB}};
    option<byte_size> file_size{
        {.name = "storage.file_size",
         .doc = "Size of a table file; the first level of them is four times as large. Larger: "
                "fewer files. Smaller: shorter compactions, and less is lost with a file.",
         .def = 64_MiB,
         .min = 1_MiB,
         .max = 1_GiB,
         .applies = reload::restart,
         .pi = 8_MiB}};
    option<std::uint32_t> open_files_max{
        {.name = "storage.open_files_max",
         .doc = "Files of the store kept open; a sixteenth of the descriptors that the process may "
                "have, if that is less. Larger: fewer openings where the store is large. Smaller: "
                "less memory, more descriptors for connections.",
         .def = 512,
         .min = 48,
         .max = 1'000'000,
         .applies = reload::restart,
         .pi = 128}};
    option<std::uint16_t> background_threads{
        {.name = "storage.background_threads",
         .doc = "Threads that flush and compact. Larger: a busy store falls behind later. Smaller: "
                "more of the machine left to traffic. 0: half of the cores, 2 to 8.",
         .max = 64,
         .applies = reload::restart,
         .pi = 2}};
    option<byte_size> background_rate{
        {.name = "storage.background_rate",
         .doc = "Bytes a second that flushes and compactions write at most. Larger: a busy store "
                "falls behind later. Smaller: syncs are not held up by them. 0: no limit.",
         .applies = reload::restart,
         .pi = 16_MiB}};
    option<bool> preallocate{
        {.name = "storage.preallocate",
         .doc = "Whether files get their room before they are written. true: faster syncs. false: "
                "what is free on a small disk is free.",
         .def = true,
         .applies = reload::restart,
         .pi = false}};
    option<durability_level> durability{
        {.name = "storage.durability",
         .doc = "What PUBACK and PUBREC of a message wait for. fsync: it is on disk, and "
                "survives a power cut. interval: it is written, and survives the end of the "
                "process; a power cut can lose the last sync_interval. memory: nothing; it is "
                "written soon, and a crash can lose it. Listeners and topics may say otherwise; "
                "sessions, subscriptions, the handshakes of subscribers and PUBCOMP are always "
                "synced.",
         .def = durability_level::fsync,
         .applies = reload::restart}};
    option<milliseconds> sync_interval{
        {.name = "storage.sync_interval",
         .doc = "Longest time from the writing of a message of durability = interval to its sync. "
                "Larger: less wear of flash. Smaller: less is lost in a power cut.",
         .def = 1s,
         .min = 1ms,
         .max = 1h,
         .applies = reload::restart}};
    option<milliseconds> scrub_interval{
        {.name = "storage.scrub_interval",
         .doc = "Time in which all files of tables are read again, slowly and in the background, "
                "to meet damage before it is needed. Larger: less is read. Smaller: damage is met "
                "sooner. 0: never.",
         .def = 24h * 7,
         .applies = reload::restart}};
    option<byte_size> ballast{
        {.name = "storage.ballast",
         .doc = "Disk kept in reserve, given up when the disk is full so that the store ends in "
                "order. Larger: a longer orderly end. Smaller: more room for data.",
         .def = 64_MiB,
         .max = 1_GiB,
         .applies = reload::restart,
         .pi = 8_MiB}};
    option<byte_size> free_min{
        {.name = "storage.free_min",
         .doc = "Free space of the disk below which nothing more is taken that would have to be "
                "kept: publishers at QoS 1 and 2 get 0x97 (MQTT 5) or no acknowledgement, the rest "
                "goes on, and all does when there is room again. 0: 8 % of the disk, at most "
                "1 GiB. Below three eighths of it new persistent sessions are refused too.",
         .def = 0_B,
         .applies = reload::restart}};
    option<byte_size> log_max{
        {.name = "storage.log_max",
         .doc = "Size of the write-ahead log beyond which what it covers is flushed. Larger: fewer "
                "flushes. Smaller: a faster start after a crash, less disk.",
         .def = 256_MiB,
         .min = 1_MiB,
         .applies = reload::restart,
         .pi = 32_MiB}};
    /// Not an option: the first listener is one of the flag -p, not of the configuration.
    bool is_port_of_flag = false;
};

struct topic_options {
    section about{{.name = "topics",
                   .doc =
                       "Rules for messages by topic: one table a rule. Of the rules whose filter "
                       "matches, the first counts, before what the listener says."}};
    option<std::string> filter{{.name = "topics.filter",
                                .doc = "Topic filter, as in a subscription.",
                                .def = "#",
                                .applies = reload::restart}};
    option<durability_choice> level{
        {.name = "topics.durability",
         .doc = "What acknowledgements of messages to these topics wait for, see "
                "storage.durability. inherit: what the listener says.",
         .def = durability_choice::inherit,
         .applies = reload::restart}};
    option<keep_rule> keep{
        {.name = "topics.keep",
         .doc = "What of them waits for a client that is away or behind. all: every message. "
                "newest: of each topic the last, as fits states; older ones are dropped and "
                "counted. A client of MQTT 5 says so for a subscription with the user property "
                "keep = newest in SUBSCRIBE.",
         .def = keep_rule::all,
         .applies = reload::restart}};
};

struct options {
    node_options node;
    option_list<listener_options> listeners;
    option_list<topic_options> topics;
    auth_options auth;
    mqtt_options mqtt;
    limits_options limits;
    flow_options flow;
    shards_options shards;
    storage_options storage;
    sessions_options sessions;
    cluster_options cluster;
    admin_options admin;
    log_options log;
};

} // namespace gv::server
