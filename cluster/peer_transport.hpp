// SPDX-License-Identifier: Apache-2.0
// The seam between the machines of the cluster and the network. Three kinds of traffic, so that
// none waits behind another, each on connections of its own:
//
//   questions  of membership: one answer each, or none; small, with a deadline
//   control    routes, retained messages, partitions and figures: one ordered stream to each peer;
//              what is lost by a break is made up for by those who speak
//   lanes      messages: one stream to each peer for each shard, with replies
//
// When the link to a peer is cut, and the peer is there nevertheless, its control stream and the
// lanes to it go by way of another peer that has links to both: what they carry is the same, and
// comes from whom it came. They go back when a direct stream can be opened again. The transport
// chooses; who uses it sees streams that break and are there again.
//
// Everything that a peer sends has been checked for its form when a listener sees it (lengths,
// enums, numbers in range), and comes from the node that it names as far as the link can tell.
// Listeners are *foreign*: called by threads of the transport, one call at a time for each stream,
// and must only post. The transport is thread-safe.
#pragma once

#include "cluster/lane.hpp"
#include "cluster/membership_message.hpp"
#include "cluster/node_figures.hpp"
#include "cluster/partition_message.hpp"
#include "cluster/retained_message.hpp"
#include "cluster/route_message.hpp"

#include <functional>
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
    node_id to;               ///< whoever else has the address refuses
    node_id via;              ///< who passes the stream on to that node; 0: nobody
    std::uint8_t hops = 0;    ///< how often it was passed on
    std::uint64_t number = 0; ///< of control streams, as the caller began them; 0: not said
};

using control_message =
    std::variant<route_message, retained_message, partition_message, node_figures>;

/// Names a question of a peer until it is answered.
using question_id = strong_id<struct question_id_tag, std::uint64_t>;

/// Foreign: what becomes of one lane_link. on_lost() is the last call.
class lane_link_listener {
  public:
    virtual ~lane_link_listener() = default;
    /// First of all, unless it is lost before.
    virtual void on_welcome(lane_welcome welcome) = 0;
    /// The frame was given to the network, not more: write() may be called again.
    virtual void on_written() = 0;
    virtual void on_reply(lane_reply reply) = 0;
    /// Never there, refused, or broken; `why` is for a person. Opening another is the owner's
    /// matter.
    virtual void on_lost(std::string why) = 0;
};

/// The sender's end of one stream of a lane. Thread-safe.
class lane_link {
  public:
    /// Closes it at once; what was not written is lost. A call of the listener that is under way is
    /// waited for, none begins afterwards: so never destroy it within such a call, nor while
    /// holding a lock that the listener takes.
    virtual ~lane_link() = default;
    /// Requires: on_welcome() was called, and on_written() for the frame before. Dropped if the
    /// link is lost.
    virtual void write(lane_frame frame) = 0;
};

/// Foreign: what comes in by one incoming_lane. on_lost() is the last call.
class incoming_lane_listener {
  public:
    virtual ~incoming_lane_listener() = default;
    virtual void on_frame(lane_frame frame) = 0;
    virtual void on_lost() = 0;
};

/// The receiver's end of one stream of a lane. Thread-safe.
class incoming_lane {
  public:
    /// Closes it at once, as ~lane_link() does.
    virtual ~incoming_lane() = default;
    /// Accepts it; from now on the listener is called, from here already if the lane is lost.
    /// Requires: the first call, and only once.
    virtual void welcome(lane_welcome welcome, incoming_lane_listener& listener) = 0;
    /// The next frame is read, and given to on_frame(). Without it the network holds the sender.
    /// Requires: welcome() was called, and on_frame() since the call before.
    virtual void read_next() = 0;
    /// Waits behind the replies before. A peer that does not read its replies loses the lane.
    virtual void reply(lane_reply reply) = 0;
    /// Ends it: the sender sees why. The listener is not called any more, with the same wait and
    /// the same conditions as the destructor.
    virtual void refuse(std::string why) = 0;
};

/// Whoever is at the other end of a connection has not shown that it may be there.
struct peer_distrust {
    std::string address; ///< that this node has called; empty: it was called
    std::string what;    ///< for a person, as is the next
    std::string remedy;
};

class peer_listener {
  public:
    virtual ~peer_listener() = default;
    /// Each is to be given to peer_transport::answer() once.
    virtual void on_question(question_id which, envelope asked) = 0;
    virtual void on_answer(envelope answer) = 0;
    /// Nobody listens at that address; the question went to `to` (0: whoever is there).
    virtual void on_refused(node_id to, std::string address) = 0;
    /// `taken` is to be called, by any thread, when the message has been worked off: only then the
    /// next one of that stream is read, so that a peer cannot fill this node's memory.
    virtual void on_control(peer_identity from, control_message message,
                            std::function<void()> taken) = 0;
    /// The stream that this node opened to that one is there, by way of `via` if that is not 0; or
    /// is lost. Lost is also said of every direct attempt that fails, so it may come again without
    /// an open in between; not of a stream that was closed or replaced. A call may be under way
    /// when close_control() returns.
    virtual void on_control_open(node_id to, node_id via) = 0;
    virtual void on_control_lost(node_id to, std::string why) = 0;
    /// A peer opens a lane, by itself or by way of another: the network part of its hello is
    /// checked, the lane part only for its form. Its stream waits for welcome() or refuse().
    virtual void on_lane(std::unique_ptr<incoming_lane> lane, peer_identity from,
                         lane_hello hello) = 0;
    /// It is not spoken to. Comes again with each attempt.
    virtual void on_distrusted(peer_distrust what) = 0;
};

class peer_transport {
  public:
    virtual ~peer_transport() = default;

    /// Sends a question or notice there. No answer within the deadline (half of the probe period
    /// for probes, more for what carries all rows): nothing follows.
    virtual void ask(std::string address, const envelope& question) = 0;
    /// News has come that somebody is at that address now: that it was refused a moment ago is no
    /// answer to the next question.
    virtual void dial_again(const std::string& address) = 0;
    /// Null: there is no answer, and who asked will see none.
    virtual void answer(question_id which, const envelope* answer) = 0;

    /// From now on there is a control stream to that node, opened again when it breaks, until
    /// close_control(). A new address or identity replaces the old. `features`: bits of its
    /// profile.
    virtual void open_control(peer_identity to, std::string address, std::uint64_t features) = 0;
    virtual void close_control(node_id to) = 0;
    /// Dropped if the stream is not open, or if more than the limit waits to be written.
    virtual void send(node_id to, const control_message& message) = 0;

    /// A lane to the node `to`, which has that address; by the way that its control stream goes. It
    /// is lost when that way changes: it is to be opened again. The link may outlive the transport;
    /// it is lost when that is shut down. Lifetime: the listener must outlive the link.
    [[nodiscard]] virtual std::unique_ptr<lane_link> open_lane(node_id to, std::string address,
                                                               const lane_hello& hello,
                                                               lane_link_listener& listener) = 0;

    /// No listener is called after it returns. Not to be called by a listener.
    virtual void shut_down() = 0;
};

} // namespace gv::cluster
