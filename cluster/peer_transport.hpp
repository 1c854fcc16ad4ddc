// SPDX-License-Identifier: Apache-2.0
// The seam between the machines of the cluster and the network. Three kinds of traffic, so that
// none waits behind another, each on connections of its own:
//
//   questions  of membership: one answer each, or none; small, with a deadline
//   control    routes and retained messages: one ordered stream to each peer; what is lost by a
//              break is made up for by those who speak
//   lanes      messages: one stream to each peer for each shard, with replies
//
// Everything that a peer sends has been checked for its form when a listener sees it (lengths,
// enums, numbers in range), and comes from the node that it names as far as the link can tell.
// Listeners are *foreign*: called by threads of the transport, one call at a time for each stream,
// and must only post. The transport is thread-safe.
#pragma once

#include "cluster/membership_message.hpp"
#include "cluster/route_message.hpp"

#include <memory>
#include <string>
#include <variant>

namespace gv::cluster {

/// One life of a node.
struct peer_identity {
    node_id node;
    boot_id boot;
    friend bool operator==(const peer_identity&, const peer_identity&) = default;
};

/// What this node says of itself at the start of every stream.
struct link_hello {
    std::string cluster; ///< name; others are refused
    wire_range wire;
    peer_identity from;
    node_id to; ///< whoever else has the address refuses
};

using control_message = std::variant<route_message>;

/// Names a question of a peer until it is answered.
using question_id = strong_id<struct question_id_tag, std::uint64_t>;

class peer_listener {
  public:
    virtual ~peer_listener() = default;
    /// Each is to be given to peer_transport::answer() once.
    virtual void on_question(question_id which, envelope asked) = 0;
    virtual void on_answer(envelope answer) = 0;
    /// Nobody listens at that address; the question went to `to` (0: whoever is there).
    virtual void on_refused(node_id to, std::string address) = 0;
    virtual void on_control(peer_identity from, control_message message) = 0;
    /// The stream that this node opened to that one is there, or is lost.
    virtual void on_control_open(node_id to) = 0;
    virtual void on_control_lost(node_id to, std::string why) = 0;
};

class peer_transport {
  public:
    virtual ~peer_transport() = default;

    /// Sends a question or notice there. No answer within the deadline (half of the probe period
    /// for probes, more for what carries all rows): nothing follows.
    virtual void ask(std::string address, const envelope& question) = 0;
    /// Null: there is no answer, and who asked will see none.
    virtual void answer(question_id which, const envelope* answer) = 0;

    /// From now on there is a control stream to that node, opened again when it breaks, until
    /// close_control(). A new address or identity replaces the old.
    virtual void open_control(peer_identity to, std::string address) = 0;
    virtual void close_control(node_id to) = 0;
    /// Dropped if the stream is not open, or if more than the limit waits to be written.
    virtual void send(node_id to, const control_message& message) = 0;

    /// No listener is called after it returns.
    virtual void shut_down() = 0;
};

} // namespace gv::cluster
