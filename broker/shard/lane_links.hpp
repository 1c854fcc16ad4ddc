// SPDX-License-Identifier: Apache-2.0
// The network end of a shard's lanes: a link to every live peer, opened again when it breaks, and
// the lanes of other nodes that end on this shard. What links report on threads of the transport is
// posted here; what it means is the core's matter.
#pragma once

#include "broker/shard/core.hpp"
#include "cluster/peer_transport.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace gv::shard {

/// Another node, as a shard has to know it.
struct peer_place {
    peer_slot slot;
    node_id node;
    boot_id boot;
    std::string address; ///< host:port for other nodes
    std::string name;    ///< for the log
    peer_presence presence = peer_presence::live;
    bool is_suspected = false;
    bool has_stopped = false; ///< it has said so itself
    bool has_ended = false;   ///< see peer_standing
};

class lane_links {
  public:
    /// `run` calls what it is given as a turn of the shard, on its thread; thread-safe. Lifetime:
    /// all three as long as this.
    using runner = std::function<void(std::function<void()>)>;
    lane_links(boost::asio::io_context& context, core& logic, cluster::peer_transport& transport,
               runner run);
    ~lane_links();
    lane_links(const lane_links&) = delete;
    lane_links& operator=(const lane_links&) = delete;

    // Within a turn.

    void on_peer(const peer_place& now);
    void on_lane(std::unique_ptr<cluster::incoming_lane> lane, const cluster::lane_hello& hello);
    /// Writes what the turn has left for other nodes.
    void flush();

    /// Closes all links. To be called before the thread of the shard ends; waits for calls of the
    /// transport that are under way.
    void close();

  private:
    class hearing;
    struct outgoing;
    class arriving;

    void on_peer(lane_key lane, const peer_place& now);
    void open(outgoing& to);
    void write(outgoing& to);
    void lose(outgoing& from, const std::string& why);
    void reply(arriving& to);
    void drop(std::uint64_t number);
    [[nodiscard]] outgoing* find(lane_key lane, std::uint64_t number);
    [[nodiscard]] arriving* find(std::uint64_t number);
    [[nodiscard]] duration pause_after(int failures);

    boost::asio::io_context& context_;
    core& core_;
    cluster::peer_transport& transport_;
    runner run_;
    std::mt19937_64 random_;
    std::map<lane_key, std::unique_ptr<outgoing>> outgoing_;
    std::map<std::uint64_t, std::unique_ptr<arriving>> arriving_; ///< by number of the link
    std::map<incoming_lane_id, std::uint64_t> by_lane_;           ///< the newest link of each
    std::vector<std::uint64_t> worked_off_; ///< links whose frame was, and the next may come
    std::uint64_t next_number_ = 0;
};

} // namespace gv::shard
