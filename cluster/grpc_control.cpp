// SPDX-License-Identifier: Apache-2.0
// A link is a way to a peer, direct or by a neighbour; a stream is one attempt at it. A link has
// one stream, or a timer that will start the next. One lock holds all: a stream is told to write,
// and that it has ended, only under it, so that nothing is begun on one that has ended. Listeners
// are called without the lock.
//
// The direct link is tried for ever. If it is not there for `relay_after`, the relayed one is tried
// as well, one neighbour after the other, until the direct one is there again.
#include "cluster/grpc_control.hpp"

#include "cluster/grpc_connections.hpp"
#include "cluster/grpc_control_stream.hpp"
#include "cluster/grpc_message.hpp"
#include "cluster/grpc_timer.hpp"
#include "cluster/relay_order.hpp"
#include "cluster/wire_control.hpp"
#include "cluster/wire_link.hpp"

#include <proto/grapevine_cluster.pb.h>

#include <random>
#include <unordered_map>

namespace gv::cluster {

namespace {

namespace wire = grapevine::cluster::v1;

[[nodiscard]] grpc::ByteBuffer written(const link_hello& hello) {
    wire::ControlFrame frame;
    encode(hello, *frame.mutable_hello());
    return bytes_of(frame);
}

} // namespace

class control_links::table final : public stream_owner<control_stream> {
  public:
    explicit table(grpc_core& core) : core_(core) {}

    void tell_ways(way_listener to) { on_way_ = std::move(to); }

    void open(peer_identity to, std::string address, std::uint64_t features) {
        const std::lock_guard lock(mutex_);
        control_peer& peer = peers_[to.node];
        if (peer.to == to && peer.address == address) {
            peer.features = features;
            return;
        }
        peer.abandon();
        peer = {.to = to, .address = std::move(address), .features = features};
        peer.direct = new_link();
        peer.direct.channel = channel_to(peer.address);
        start_stream(peer, peer.direct);
        relay_later(peer);
    }
    void close(node_id to) {
        const std::lock_guard lock(mutex_);
        if (const auto found = peers_.find(to); found != peers_.end()) {
            found->second.abandon();
            peers_.erase(found);
        }
    }
    void send(node_id to, const control_message& message) {
        if (!is_open(to)) {
            return add_one(core_.counts.control_dropped_closed);
        }
        wire::ControlFrame frame;
        encode(message, frame);
        put(to, bytes_of(frame));
    }
    [[nodiscard]] bool is_open(node_id to) {
        const std::lock_guard lock(mutex_);
        const auto found = peers_.find(to);
        return found != peers_.end() && found->second.open_link() != nullptr;
    }
    [[nodiscard]] std::optional<std::string> direct_address(node_id to) {
        const std::lock_guard lock(mutex_);
        const auto found = peers_.find(to);
        return found != peers_.end() && found->second.direct.is_open
                   ? std::optional(found->second.address)
                   : std::nullopt;
    }
    [[nodiscard]] std::optional<relay_place> relay_to(node_id to) {
        const std::lock_guard lock(mutex_);
        const auto found = peers_.find(to);
        if (found == peers_.end() || found->second.open_link() != &found->second.relayed) {
            return std::nullopt;
        }
        const auto neighbour = peers_.find(found->second.relayed.via);
        return neighbour == peers_.end()
                   ? std::nullopt
                   : std::optional(relay_place{neighbour->first, neighbour->second.address});
    }
    void on_lane_refused(node_id to, node_id via) {
        const std::lock_guard lock(mutex_);
        const auto found = peers_.find(to);
        if (found != peers_.end() && found->second.relayed.is_open
            && found->second.relayed.via == via) {
            found->second.relayed.stream->cancel();
        }
    }

    void on_accepted(control_stream& stream) override {
        node_id via;
        {
            const std::lock_guard lock(mutex_);
            const auto [peer, link] = find(stream);
            // That it was accepted may be told after its end, when nothing may be written any more.
            if (link == nullptr || link->has_ended) {
                return;
            }
            link->is_open = true;
            link->opened_at = std::chrono::steady_clock::now();
            via = link->via;
            if (link == &peer->direct) {
                peer->relayed.abandon();
                peer->relayed = {};
            }
        }
        on_way_(stream.of().node, via);
        core_.listener.on_control_open(stream.of().node, via);
    }
    void on_written(control_stream& stream, bool is_fine) override {
        const std::lock_guard lock(mutex_);
        if (control_link* link = find(stream).link; link != nullptr && is_fine) {
            link->is_writing = false;
            link->write_next();
        }
    }
    void on_ended(control_stream& stream) override {
        const std::lock_guard lock(mutex_);
        if (control_link* link = find(stream).link) {
            link->is_open = false;
            link->has_ended = true;
        }
        stream.let_go();
    }
    void on_done(control_stream& stream, const grpc::Status& status) override {
        const link_name of = stream.of();
        const ended end = forget(stream);
        if (end.is_wanted) {
            add_one(core_.counts.control_lost);
        }
        if (end.is_told) {
            core_.listener.on_control_lost(of.node, text_of(status));
        }
        if (end.is_wanted) {
            reopen_later(of);
        }
        core_.calls.end(&stream);
    }

  private:
    struct place {
        control_peer* peer = nullptr;
        control_link* link = nullptr; ///< null: another took the place of that one, or none did
    };
    struct ended {
        bool is_wanted = false; ///< its link still is
        bool is_told = false;
    };

    void put(node_id to, grpc::ByteBuffer bytes) {
        const std::lock_guard lock(mutex_);
        const auto found = peers_.find(to);
        control_link* const link = found == peers_.end() ? nullptr : found->second.open_link();
        if (link == nullptr) {
            return add_one(core_.counts.control_dropped_closed);
        }
        // A message that is larger than the queue passes alone.
        if (link->queued_bytes > 0
            && link->queued_bytes + bytes.Length() > core_.options.control_queue_bytes_max) {
            return add_one(core_.counts.control_dropped_full);
        }
        add_one(core_.counts.control_sent);
        link->put(std::move(bytes));
    }
    [[nodiscard]] place find(link_name name) {
        const auto found = peers_.find(name.node);
        return found == peers_.end()
                   ? place{}
                   : place{&found->second, found->second.link_numbered(name.number)};
    }
    [[nodiscard]] place find(const control_stream& stream) {
        const place at = find(stream.of());
        return at.link != nullptr && at.link->stream == &stream ? at : place{};
    }
    [[nodiscard]] control_link new_link() {
        return {.number = ++last_number_, .pause = core_.options.reopen_shortest};
    }
    [[nodiscard]] std::shared_ptr<grpc::Channel> channel_to(const std::string& address) const {
        return open_channel(address, core_.options, core_.options.few_bytes, control_end_bytes_max);
    }
    void start_stream(control_peer& peer, control_link& link) {
        const node_id other = link.via == node_id{} ? peer.to.node : link.via;
        auto stream = std::make_unique<control_stream>(*this, *core_.options.security.made,
                                                       link_name{peer.to.node, link.number}, other,
                                                       peers_.at(other).address, link.channel);
        if (!core_.calls.enter(*stream)) {
            return;
        }
        link.is_writing = true; // the hello
        link.stream = stream.release();
        link_hello hello = core_.hello_to(peer.to.node, link.via);
        hello.number = ++last_begun_;
        link.stream->start(written(hello));
    }
    [[nodiscard]] ended forget(const control_stream& stream) {
        const std::lock_guard lock(mutex_);
        const auto [peer, link] = find(stream);
        if (link == nullptr) {
            return {};
        }
        link->forget_stream();
        const bool was_open = link->opened_at != time_point{};
        const bool is_direct = link == &peer->direct;
        if (was_open && is_direct) {
            ++peer->losses;
            relay_later(*peer);
        }
        return {.is_wanted = true, .is_told = was_open || is_direct};
    }
    void reopen_later(link_name name) {
        const std::lock_guard lock(mutex_);
        if (control_link* link = find(name).link) {
            reopen_later(name, *link);
        }
    }
    void reopen_later(link_name name, control_link& link) {
        call_later(core_, next_pause(link), [this, name] { reopen(name); });
    }
    void reopen(link_name name) {
        const std::lock_guard lock(mutex_);
        const auto [peer, link] = find(name);
        if (link == nullptr) {
            return;
        }
        link == &peer->direct ? start_stream(*peer, *link) : start_relayed(*peer);
    }
    /// Decorrelated jitter, as cluster/redial.hpp; short again after a stream that has lasted.
    [[nodiscard]] duration next_pause(control_link& link) {
        const duration shortest = core_.options.reopen_shortest;
        const duration longest = core_.options.reopen_longest;
        const bool has_lasted = link.opened_at != time_point{}
                                && std::chrono::steady_clock::now() - link.opened_at > longest;
        link.opened_at = {};
        link.pause = has_lasted ? shortest : link.pause;
        std::uniform_int_distribution<duration::rep> between(shortest.count(),
                                                             3 * link.pause.count());
        link.pause = std::min(longest, duration(between(random_)));
        return link.pause;
    }

    // --- by way of a neighbour

    void relay_later(const control_peer& peer) {
        const link_name direct{peer.to.node, peer.direct.number};
        call_later(core_, core_.options.relay_after,
                   [this, direct, losses = peer.losses] { begin_relay(direct, losses); });
    }
    void begin_relay(link_name direct, std::uint64_t losses) {
        const std::lock_guard lock(mutex_);
        const auto [peer, link] = find(direct);
        if (link == nullptr || link->is_open || peer->losses != losses
            || peer->relayed.number != 0) {
            return;
        }
        peer->relayed = new_link();
        start_relayed(*peer);
    }
    void start_relayed(control_peer& peer) {
        control_link& link = peer.relayed;
        const auto neighbours =
            relay_order(core_.options.self.node, peer.to.node, neighbours_but(peer.to.node));
        if (neighbours.empty()) {
            return reopen_later({peer.to.node, link.number}, link);
        }
        link.via = neighbours[peer.relays_tried++ % neighbours.size()];
        link.channel = channel_to(peers_.at(link.via).address);
        start_stream(peer, link);
    }
    /// Those that there is a link to, and that say that they pass streams on.
    [[nodiscard]] std::vector<node_id> neighbours_but(node_id except) const {
        std::vector<node_id> found;
        for (const auto& [node, each] : peers_) {
            if (node != except && each.direct.is_open && (each.features & feature_relay) != 0) {
                found.push_back(node);
            }
        }
        return found;
    }

    grpc_core& core_;
    way_listener on_way_;
    std::mutex mutex_;
    std::unordered_map<node_id, control_peer> peers_;
    std::uint64_t last_number_ = 0; ///< of a link
    std::uint64_t last_begun_ = 0;  ///< of a stream
    std::mt19937_64 random_{std::random_device{}()};
};

control_links::control_links(grpc_core& core) : table_(std::make_unique<table>(core)) {}

control_links::~control_links() = default;

void control_links::tell_ways(way_listener to) { table_->tell_ways(std::move(to)); }
void control_links::open(peer_identity to, std::string address, std::uint64_t features) {
    table_->open(to, std::move(address), features);
}
void control_links::close(node_id to) { table_->close(to); }
void control_links::send(node_id to, const control_message& message) { table_->send(to, message); }
bool control_links::is_open(node_id to) { return table_->is_open(to); }
std::optional<std::string> control_links::direct_address(node_id to) {
    return table_->direct_address(to);
}
std::optional<relay_place> control_links::relay_to(node_id to) { return table_->relay_to(to); }
void control_links::on_lane_refused(node_id to, node_id via) { table_->on_lane_refused(to, via); }

} // namespace gv::cluster
