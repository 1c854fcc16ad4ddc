// SPDX-License-Identifier: Apache-2.0
// Options of the cluster; a part of broker/server/options.hpp.
#pragma once

#include "base/option.hpp"
#include "base/time.hpp"

#include <cstdint>
#include <string>

namespace gv::server {

struct cluster_options {
    section about{{.name = "cluster",
                   .doc = "Several nodes as one broker: a client may connect to any of them. All "
                          "nodes have the same cluster.name, and each names some others in "
                          "cluster.seeds."}};
    option<std::string> name{
        {.name = "cluster.name",
         .doc = "Name of the cluster, up to 64 bytes. Nodes of another name are refused. Empty: "
                "that of this node's certificate; without one this node is alone, and opens no "
                "port for others.",
         .applies = reload::restart}};
    option<text_list> seeds{
        {.name = "cluster.seeds",
         .doc =
             "Where other nodes may be found: as host:port, where a name may stand for many "
             "addresses, or as a name for which DNS has hosts and ports (SRV), which begins with _ "
             "as in \"_cluster._tcp.grapevine.default.svc.cluster.local\", or with srv:. Names are "
             "looked up again and again. It is enough that one of them answers at some time, in "
             "whatever order the nodes start. The node itself may be among them.",
         .applies = reload::restart}};
    option<std::string> bind{
        {.name = "cluster.bind",
         .doc = "Address to listen on for other nodes, as numbers. Any other than loopback needs "
                "certificates (`grapevine cluster init`) or cluster.allow_plaintext = true.",
         .def = "127.0.0.1",
         .applies = reload::restart}};
    option<std::uint16_t> port{
        {.name = "cluster.port",
         .doc = "TCP port for other nodes. 0: any free one, written to node.ports_file.",
         .def = 7883,
         .applies = reload::restart}};
    option<std::string> advertise{
        {.name = "cluster.advertise",
         .doc = "host:port at which other nodes reach this one. Empty: cluster.bind and "
                "cluster.port, or the name of the machine if it listens on all addresses.",
         .applies = reload::restart}};
    option<std::string> client_address{
        {.name = "cluster.client_address",
         .doc = "host:port at which clients reach this node and no other. Other nodes refer "
                "clients to it whose sessions live here; see sessions.refer_to_home. Empty: none "
                "is told.",
         .applies = reload::restart}};
    option<std::string> tls_certificate{
        {.name = "cluster.tls_certificate",
         .doc = "PEM file with the certificate of this node and those between it and the "
                "authority. Nodes then speak TLS alone, and each proves by its certificate which "
                "node it is: it has the name grapevine://CLUSTER/NODE ID. Empty: node.pem in the "
                "folder cluster.tls of storage.folder if there is one, which `grapevine cluster "
                "init` and `grapevine cluster join --token` make.",
         .applies = reload::new_connections}};
    option<std::string> tls_key{
        {.name = "cluster.tls_key",
         .doc = "PEM file with the private key of cluster.tls_certificate. Empty: node.key beside "
                "node.pem.",
         .applies = reload::new_connections}};
    option<std::string> tls_ca{
        {.name = "cluster.tls_ca",
         .doc = "PEM file with the authorities whose certificates make a node of this cluster; "
                "several while one takes the place of another. Only for this cluster, never those "
                "of the web. Empty: ca.pem beside node.pem.",
         .applies = reload::new_connections}};
    option<std::string> join_token{
        {.name = "cluster.join_token",
         .doc = "A token (`grapevine cluster token` on a node of the cluster) by which a node "
                "without a certificate gets one at its start, once; then it is of no use any more, "
                "and may stay. For machines that nobody types on: give it by the environment. "
                "Elsewhere see `grapevine cluster join --token`.",
         .applies = reload::restart,
         .is_secret = true}};
    option<std::string> operator_socket{
        {.name = "cluster.operator_socket",
         .doc = "Path of the unix socket for `grapevine cluster`; whoever may open it may do all "
                "that this command does. Empty: operate.sock in storage.folder, or none if nothing "
                "is kept.",
         .applies = reload::restart}};
    option<bool> allow_plaintext{
        {.name = "cluster.allow_plaintext",
         .doc = "Whether other machines may be in the cluster without certificates. What nodes say "
                "to each other is then neither encrypted nor authenticated: whoever reaches the "
                "port may join, and read and publish everything. Only for a network that nobody "
                "else is in. Means nothing for a node that has a certificate.",
         .def = false,
         .applies = reload::restart}};
    option<std::chrono::milliseconds> ready_within{
        {.name = "cluster.ready_within",
         .doc = "How long a starting node waits for what the others know before it serves clients. "
                "Larger: nothing is missed when the others are slow. Smaller: earlier service "
                "without them.",
         .def = std::chrono::seconds(10),
         .min = std::chrono::milliseconds(0),
         .max = std::chrono::minutes(10),
         .applies = reload::restart}};
    option<byte_size> queue_max{
        {.name = "cluster.queue_max",
         .doc = "Bytes that may wait in memory for one other node; beyond, QoS 0 for it is dropped "
                "and publishers of QoS 1 and 2 wait. Larger: longer bursts over a slow link. "
                "Smaller: less memory.",
         .def = byte_size{std::uint64_t{64} << 20},
         .min = byte_size{std::uint64_t{1} << 20},
         .applies = reload::restart,
         .pi = byte_size{std::uint64_t{2} << 20}}};
    option<byte_size> spool_max{
        {.name = "cluster.spool_max",
         .doc = "Bytes that may wait in the store for one other node that is away or slow; beyond, "
                "publishers of QoS 1 and 2 wait. Larger: a longer absence is bridged. Smaller: "
                "less disk.",
         .def = byte_size{std::uint64_t{1} << 30},
         .min = byte_size{std::uint64_t{1} << 20},
         .applies = reload::restart,
         .pi = byte_size{std::uint64_t{64} << 20}}};
};

} // namespace gv::server
