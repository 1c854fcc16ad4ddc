// SPDX-License-Identifier: Apache-2.0
// peer_transport on gRPC's callback API; docs/cluster-protocol-wire.md tells what goes over the
// wire. Questions, control streams and lanes have connections of their own. It starts no thread:
// listeners are called by gRPC's, of which there are two to sixteen.
#pragma once

#include "base/time.hpp"
#include "cluster/peer_transport.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace gv::cluster {

class admission_desk;
class node_trust;
class grpc_security;

/// To whom a node without a certificate may speak.
enum class plain_text : std::uint8_t { anybody, this_machine };

/// How nodes prove who they are: by certificates, or, without `trust`, not at all.
struct transport_security {
    std::shared_ptr<node_trust> trust;
    plain_text plain = plain_text::anybody;
    /// Lets in who has a token; null: nobody is let in. Not without `trust`.
    std::shared_ptr<admission_desk> desk = nullptr;
    /// Set by the transport.
    std::shared_ptr<grpc_security> made = nullptr;
};

/// A connection on which nothing was heard for `after` is pinged, and given up if nothing is heard
/// within `within` then, or if the system has sent so long without an answer.
struct keep_alive {
    duration after;
    duration within;
};

enum class lane_connections : std::uint8_t {
    one_each, ///< no lane waits behind another's bytes; more sockets
    one_a_node
};

struct grpc_transport_options {
    std::string cluster; ///< name; nodes of another are refused
    wire_range wire;
    peer_identity self;

    /// Name or address of this machine, and port; 0: any free one.
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;
    transport_security security;
    lane_connections lanes = lane_connections::one_each;

    /// How long answers are waited for: to probes and requests to probe, to what carries all rows,
    /// to notices. Longer: slow nodes are still heard. Shorter: less waits for those that hang.
    duration probe_within = 500ms;
    duration rows_within = 10s;
    duration notice_within = 1s;

    /// Of questions and control streams, on which a ping has little to wait behind. Shorter: cut
    /// links are found sooner. Longer: less traffic, and more patience with nodes that stand still.
    keep_alive few_bytes{.after = 2s, .within = 1500ms};
    /// Of lanes, which may be full of bytes on a slow link; and of whatever others have opened.
    keep_alive many_bytes{.after = 10s, .within = 5s};
    /// A stream that another node has opened without saying who it is ends after this.
    duration hello_within = 5s;
    /// An attempt to connect ends after this. Longer: works over links that lose packets. Shorter:
    /// a new attempt comes sooner when a cut link is back.
    duration connect_within = 2s;
    /// Pauses between attempts to connect.
    duration redial_shortest = 100ms;
    duration redial_longest = 1s;
    /// Pauses before a broken control stream is opened again, with jitter.
    duration reopen_shortest = 100ms;
    duration reopen_longest = 2s;
    /// Without a direct control stream for so long, one by way of a neighbour is opened. Shorter:
    /// traffic goes on sooner after a link is cut, and short breaks cause more of it. What
    /// keep_alive needs to notice comes before: together 5 s.
    duration relay_after = 1500ms;

    /// Largest message accepted.
    std::size_t receive_bytes_max = 17u << 20;
    /// Sent ahead of what is read, for each stream: what a reader that stops costs at most, beside
    /// one message. Larger: faster over long links. Smaller: less memory at risk.
    std::size_t window_bytes = 1u << 20;
    /// Waiting to be written to one control stream; beyond, messages are dropped.
    std::size_t control_queue_bytes_max = 8u << 20;
    /// Replies of one lane that wait because the peer does not read them; beyond, it is closed.
    std::size_t reply_queue_bytes_max = 4u << 20;
    /// Questions of others without an answer yet, and of this node; beyond, refused or dropped.
    std::size_t questions_max = 1'024;
    /// Streams that others have opened to this node.
    std::size_t incoming_streams_max = 4'096;
    /// Of these, those that are passed on to a neighbour: each may hold a window and two messages.
    /// A pair of nodes that cannot reach each other has `2 * (1 + shards)` of them: 28 pairs with 8
    /// shards, 3 with 64. Larger: more pairs by the same neighbour. Smaller: less memory at risk.
    std::size_t relay_streams_max = 512;

    message_limits members;
    route_limits routes;
};

/// What came of a hail: the answer (of a node that gives none, or of this one itself, empty), or
/// why there is none, for a person.
using hail_outcome = result<std::optional<envelope>, std::string>;

/// What happened since the start.
struct grpc_transport_counts {
    std::uint64_t questions_sent = 0;
    std::uint64_t questions_unanswered = 0; ///< late, refused, failed, or without an answer
    std::uint64_t questions_dropped = 0;    ///< too many open, of this node or of others
    std::uint64_t malformed = 0;            ///< messages of peers that were refused
    std::uint64_t control_sent = 0;
    std::uint64_t control_dropped_closed = 0; ///< the stream was not open
    std::uint64_t control_dropped_full = 0;   ///< too much waited
    std::uint64_t control_lost = 0;           ///< streams broken, or attempts that failed
    std::uint64_t hellos_refused = 0;         ///< of peers, by this node
    std::uint64_t distrusted = 0;             ///< connections and calls; see peer_distrust
    std::uint64_t lanes_relayed = 0;          ///< now: lanes of this node by way of a neighbour
    std::uint64_t relay_streams = 0;          ///< now: streams that this node passes on
    std::uint64_t relay_frames = 0;           ///< passed on, both ways
    std::uint64_t relay_bytes = 0;            ///< of these
    std::uint64_t relays_refused = 0;         ///< streams that this node did not pass on
};

/// Thread-safe.
class grpc_transport final : public peer_transport {
  public:
    /// Listens, and calls `listener` from now on, even before it returns. Errors: the port is
    /// taken, or the address is not of this machine. Lifetime: the listener must outlive
    /// shut_down().
    [[nodiscard]] static result<std::unique_ptr<grpc_transport>, problem>
    start(grpc_transport_options options, peer_listener& listener);
    ~grpc_transport() override;
    grpc_transport(const grpc_transport&) = delete;
    grpc_transport& operator=(const grpc_transport&) = delete;

    [[nodiscard]] std::uint16_t port() const noexcept;
    [[nodiscard]] grpc_transport_counts counts() const noexcept;

    void ask(std::string address, const envelope& question) override;
    void dial_again(const std::string& address) override;
    void answer(question_id which, const envelope* answer) override;
    void open_control(peer_identity to, std::string address, std::uint64_t features) override;
    void close_control(node_id to) override;
    void send(node_id to, const control_message& message) override;
    [[nodiscard]] std::unique_ptr<lane_link> open_lane(node_id to, std::string address,
                                                       const lane_hello& hello,
                                                       lane_link_listener& listener) override;
    void shut_down() override;

    /// Whether the control stream to that node is open, directly or by way of another.
    [[nodiscard]] bool has_control(node_id to) const;
    /// A question to whoever has that address, beside all others: `done` is called once, by a
    /// thread of gRPC, and must only post. Not after shut_down().
    void hail(const std::string& address, const envelope& question,
              std::function<void(hail_outcome)> done);

  private:
    class parts;
    explicit grpc_transport(std::unique_ptr<parts> made) noexcept;
    std::unique_ptr<parts> parts_;
};

} // namespace gv::cluster
