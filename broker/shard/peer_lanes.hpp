// SPDX-License-Identifier: Apache-2.0
// Lanes between this shard and other nodes: those that carry its messages there, by peer, and those
// of other nodes that end here. Pure; owned by the core.
#pragma once

#include "broker/shard/client.hpp"
#include "cluster/lane_receiver.hpp"
#include "cluster/lane_sender.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace gv::shard {

struct peer_lanes_options {
    cluster::lane_identity self; ///< number of the lanes: the shard
    cluster::lane_sender_options sender;
    cluster::lane_receiver_options receiver;
};

/// Whether a peer takes messages.
enum class peer_presence : std::uint8_t {
    live,   ///< suspected ones too
    absent, ///< declared dead: whoever was connected there is not any more
    gone    ///< forgotten
};

/// An outgoing lane.
class peer_lane final : private cluster::lane_effects {
  public:
    struct answer {
        cluster::lane_waiter waiter;
        cluster::lane_reason reason;
        bool is_lost; ///< not an answer: the peer is gone
    };

    peer_lane(peer_slot slot, const peer_lanes_options& options)
        : sender(options.self, options.sender), slot_(slot) {}

    void append(const publication& what, const cluster::forward_flags& flags,
                cluster::lane_waiter waiter, time_point now) {
        sender.append(what, flags, waiter, now, *this);
    }
    [[nodiscard]] result<void, cluster::lane_fault> on_welcome(const cluster::lane_welcome& welcome,
                                                               time_point now) {
        return sender.on_connected(welcome, now, *this);
    }
    [[nodiscard]] result<void, cluster::lane_fault> on_reply(const cluster::lane_reply& reply,
                                                             time_point now) {
        return sender.on_reply(reply, now, *this);
    }
    void on_lost(time_point now) { sender.on_disconnected(now, *this); }
    [[nodiscard]] std::optional<cluster::lane_frame> take_frame(time_point now) {
        return sender.take_frame(now, *this);
    }
    void on_deadline(time_point now) { sender.on_deadline(now, *this); }
    /// Nobody is there any more to take anything.
    void abandon() {
        is_abandoning_ = true;
        sender.abandon(0, *this);
        is_abandoning_ = false;
    }

    [[nodiscard]] peer_slot slot() const noexcept { return slot_; }

    cluster::lane_sender sender;
    waiting_publishers waiters;  ///< held because the lane is full
    std::vector<answer> answers; ///< to be given out after the call that brought them
    bool has_room_again = false; ///< the same for those who wait
    bool is_live = false;
    bool is_dirty = false; ///< may have a frame

  private:
    void taken(cluster::lane_waiter waiter, cluster::lane_reason reason) override {
        answers.push_back({waiter, reason, is_abandoning_});
    }
    void has_room() override { has_room_again = true; }
    // There is no spool: the options say so.
    void spool_put(cluster::lane_seq, std::string_view, cluster::lane_waiter) override;
    void spool_read(cluster::lane_seq, std::size_t) override;
    void spool_erase(cluster::lane_seq, cluster::lane_seq) override;

    peer_slot slot_;
    bool is_abandoning_ = false;
};

/// Names an incoming lane on this shard, for as long as the process lives; 0: none.
using incoming_lane_id = strong_id<struct incoming_lane_id_tag, std::uint32_t>;

/// A lane of another node.
struct arriving_lane {
    arriving_lane(const cluster::lane_identity& lane, const peer_lanes_options& options)
        : receiver(lane, options.self.boot, options.receiver) {}
    cluster::lane_receiver receiver;
    bool is_dirty = false; ///< may have a reply
};

class peer_lanes {
  public:
    explicit peer_lanes(const peer_lanes_options& options) : options_(options) {}

    /// Makes the lane where there is none. Lifetime: as this.
    [[nodiscard]] peer_lane& to(peer_slot slot);
    [[nodiscard]] peer_lane* find(peer_slot slot) noexcept {
        return slot.value < outgoing_.size() ? outgoing_[slot.value].get() : nullptr;
    }
    /// Nodes that take messages now.
    [[nodiscard]] const std::vector<peer_slot>& live() const noexcept { return live_; }
    void set_live(peer_lane& lane, bool is_live);

    /// The lane of that name, made where it is new; those of earlier lives of its node go. Nothing
    /// if the hello is of an earlier life itself.
    [[nodiscard]] std::optional<incoming_lane_id> arrive(const cluster::lane_identity& lane);
    /// Null if its node has begun a new life.
    [[nodiscard]] arriving_lane* from(incoming_lane_id which) noexcept {
        return which.value - 1 < arriving_.size() ? arriving_[which.value - 1].get() : nullptr;
    }

    [[nodiscard]] time_point next_deadline() const noexcept;
    template <typename Visit>
    void for_each_outgoing(Visit&& visit) {
        for (const auto& each : outgoing_) {
            if (each) {
                visit(*each);
            }
        }
    }
    template <typename Visit>
    void for_each_outgoing(Visit&& visit) const {
        for (const auto& each : outgoing_) {
            if (each) {
                visit(std::as_const(*each));
            }
        }
    }
    template <typename Visit>
    void for_each_arriving(Visit&& visit) const {
        for (const auto& each : arriving_) {
            if (each) {
                visit(std::as_const(*each));
            }
        }
    }

  private:
    peer_lanes_options options_;
    std::vector<std::unique_ptr<peer_lane>> outgoing_; ///< by slot
    std::vector<peer_slot> live_;
    std::vector<std::unique_ptr<arriving_lane>> arriving_;
};

} // namespace gv::shard
