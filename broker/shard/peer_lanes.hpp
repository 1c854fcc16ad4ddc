// SPDX-License-Identifier: Apache-2.0
// Lanes between this shard and other nodes: those that carry its messages there, by peer, and those
// of other nodes that end here. Pure; owned by the core.
#pragma once

#include "broker/shard/client.hpp"
#include "cluster/lane_receiver.hpp"
#include "cluster/lane_sender.hpp"
#include "storage/store.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace gv::shard {

struct peer_lanes_options {
    cluster::lane_identity self; ///< number of the lanes: the shard
    cluster::lane_sender_options sender;
    cluster::lane_receiver_options receiver;
    bool has_sessions = false; ///< there are lanes of sessions
};

/// Whether a peer takes messages.
enum class peer_presence : std::uint8_t {
    live,   ///< suspected ones too
    absent, ///< declared dead: whoever was connected there is not any more, kept sessions are
    gone    ///< forgotten
};

/// What is known of another node.
struct peer_standing {
    peer_slot slot;
    node_id node;
    boot_id boot;
    peer_presence presence = peer_presence::live;
    bool is_suspected = false;
    bool has_stopped = false; ///< it has said so itself
    bool has_ended = false;   ///< absent, and not only cut off, as far as can be known
};

/// Lanes of sessions, which carry errands between fronts and homes, have the numbers of the shards
/// after all that shards can have. They are never spooled: who is attached to a node that has ended
/// is attached no more.
inline constexpr std::uint16_t session_lanes_from = shards_max;
[[nodiscard]] constexpr bool is_for_sessions(shard_id lane) noexcept {
    return lane.value >= session_lanes_from;
}
[[nodiscard]] constexpr shard_id session_lane_of(shard_id shard) noexcept {
    return shard_id{static_cast<std::uint16_t>(session_lanes_from + shard.value)};
}

/// Names an outgoing lane on this shard. Beside the one of its own number and that of sessions it
/// carries those of shards that are not there any more, as long as something is in their spools.
struct lane_key {
    peer_slot slot;
    shard_id number;

    [[nodiscard]] constexpr std::uint64_t packed() const noexcept {
        return (std::uint64_t{slot.value} << 16) | number.value;
    }
    [[nodiscard]] static constexpr lane_key of(std::uint64_t packed) noexcept {
        return {peer_slot{static_cast<std::uint16_t>(packed >> 16)},
                shard_id{static_cast<std::uint16_t>(packed)}};
    }
    friend constexpr auto operator<=>(const lane_key&, const lane_key&) = default;
};

/// Where the messages of lanes are kept. Called in the middle of an input of the lane.
class lane_spool {
  public:
    /// Answers `waiter` when the row is as durable as the message wants.
    virtual void spool_put(class peer_lane& lane, cluster::lane_seq seq, std::string_view bytes,
                           cluster::lane_waiter waiter) = 0;
    /// What lane.wanted says; answered with peer_lane::on_rows().
    virtual void spool_read(peer_lane& lane) = 0;
    virtual void spool_erase(peer_lane& lane, cluster::lane_seq first, cluster::lane_seq last) = 0;

  protected:
    ~lane_spool() = default;
};

/// An outgoing lane.
class peer_lane final : private cluster::lane_effects {
  public:
    struct answer {
        cluster::lane_waiter waiter;
        cluster::lane_reason reason;
        std::optional<cluster::lane_return> returned{}; ///< then it is not the peer's answer
    };

    peer_lane(lane_key key, node_id node, const peer_lanes_options& options, lane_spool& spool)
        : peer_lane(key, node, spool,
                    cluster::lane_sender(identity_of(key, options), options.sender)) {}
    /// Requires: the options have a spool.
    peer_lane(lane_key key, node_id node, const peer_lanes_options& options, lane_spool& spool,
              const cluster::lane_spool_left& left)
        : peer_lane(key, node, spool,
                    cluster::lane_sender(identity_of(key, options), options.sender, left)) {}

    void append(const publication& what, const cluster::forward_flags& flags,
                cluster::lane_waiter waiter, time_point now) {
        sender.append(what, flags, waiter, now, *this);
    }
    [[nodiscard]] result<void, cluster::lane_fault> on_welcome(const cluster::lane_welcome& welcome,
                                                               time_point now) {
        note_life(welcome.boot);
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
    void on_rows(std::span<const cluster::lane_spool_row> rows, time_point now) {
        sender.on_spool_rows(rows, now, *this);
    }
    void on_standing(const peer_standing& standing, time_point now);

    /// What was said to an earlier life of the peer about sessions is over.
    void note_life(boot_id boot) {
        if (is_for_sessions(key_.number) && life.value != 0 && life < boot) {
            sender.abandon(0, *this);
        }
        life = std::max(life, boot);
    }

    [[nodiscard]] lane_key key() const noexcept { return key_; }
    [[nodiscard]] storage::spool_lane place() const noexcept { return {node_, key_.number}; }
    /// Whether a message of QoS 1 or 2 would go to the spool now.
    [[nodiscard]] bool is_spooling() const noexcept {
        return sender.state() != cluster::lane_state::live;
    }

    cluster::lane_sender sender;
    waiting_publishers waiters;  ///< held because the lane is full
    std::vector<answer> answers; ///< to be given out after the call that brought them
    bool has_room_again = false; ///< the same for those who wait
    peer_presence presence = peer_presence::absent;
    boot_id life{}; ///< the newest of the peer that is known
    struct {
        cluster::lane_seq from = 0;
        std::size_t bytes_max = 0;
    } wanted;              ///< of the spool
    bool is_dirty = false; ///< may have a frame

  private:
    void taken(cluster::lane_waiter waiter, cluster::lane_reason reason) override {
        answers.push_back({waiter, reason});
    }
    void given_back(cluster::lane_waiter waiter, cluster::lane_return why) override {
        answers.push_back({waiter, 0, why});
    }
    void has_room() override { has_room_again = true; }
    void spool_put(cluster::lane_seq seq, std::string_view bytes,
                   cluster::lane_waiter waiter) override {
        spool_.spool_put(*this, seq, bytes, waiter);
    }
    void spool_read(cluster::lane_seq from, std::size_t bytes_max) override {
        wanted = {.from = from, .bytes_max = bytes_max};
        spool_.spool_read(*this);
    }
    void spool_erase(cluster::lane_seq first, cluster::lane_seq last) override {
        spool_.spool_erase(*this, first, last);
    }

    peer_lane(lane_key key, node_id node, lane_spool& spool, cluster::lane_sender made)
        : sender(std::move(made)), key_(key), node_(node), spool_(spool) {}
    [[nodiscard]] static cluster::lane_identity identity_of(lane_key key,
                                                            const peer_lanes_options& options) {
        return {.origin = options.self.origin, .boot = options.self.boot, .shard = key.number};
    }

    lane_key key_;
    node_id node_;
    lane_spool& spool_;
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
    /// Lifetime: `spool` outlives this.
    peer_lanes(const peer_lanes_options& options, lane_spool& spool)
        : options_(options), spool_(spool) {}

    /// An earlier life left messages there, for a node that will be met.
    void restore(const storage::spool_left& left) { left_.push_back(left); }
    /// Makes the lanes to that node that are not there yet.
    void meet(const peer_standing& who);
    /// Requires: it was made. Lifetime: as this.
    [[nodiscard]] peer_lane& at(lane_key key) noexcept { return *find(key); }
    [[nodiscard]] peer_lane* find(lane_key key) noexcept;
    /// That of the shard's own number.
    [[nodiscard]] peer_lane* find(peer_slot slot) noexcept {
        return slot.value < outgoing_.size() ? outgoing_[slot.value].get() : nullptr;
    }
    /// That of sessions.
    [[nodiscard]] peer_lane* find_sessions(peer_slot slot) noexcept {
        return slot.value < sessions_.size() ? sessions_[slot.value].get() : nullptr;
    }
    /// The slot of a node that was met.
    [[nodiscard]] std::optional<peer_slot> slot_of(node_id node) const noexcept;
    /// All to that node.
    [[nodiscard]] std::vector<lane_key> lanes_to(peer_slot slot) const;
    /// Nodes that take messages now.
    [[nodiscard]] const std::vector<peer_slot>& live() const noexcept { return live_; }
    void set_live(peer_slot slot, bool is_live);

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
        for (const auto* const all : {&outgoing_, &sessions_}) {
            for (const auto& each : *all) {
                if (each) {
                    visit(*each);
                }
            }
        }
        for (const auto& each : further_) {
            visit(*each);
        }
    }
    template <typename Visit>
    void for_each_outgoing(Visit&& visit) const {
        for (const auto* const all : {&outgoing_, &sessions_}) {
            for (const auto& each : *all) {
                if (each) {
                    visit(std::as_const(*each));
                }
            }
        }
        for (const auto& each : further_) {
            visit(std::as_const(*each));
        }
    }
    /// What all incoming lanes have counted, those included that are no more.
    [[nodiscard]] cluster::lane_receiver_counts received() const noexcept;

  private:
    [[nodiscard]] std::unique_ptr<peer_lane> make(lane_key key, node_id node) const;

    peer_lanes_options options_;
    lane_spool& spool_;
    std::vector<std::unique_ptr<peer_lane>> outgoing_; ///< of the own number, by slot
    std::vector<std::unique_ptr<peer_lane>> sessions_; ///< by slot
    std::vector<std::unique_ptr<peer_lane>> further_;  ///< of numbers of shards that are gone
    std::vector<storage::spool_left> left_;            ///< of nodes that were not met yet
    std::vector<peer_slot> live_;
    std::vector<std::unique_ptr<arriving_lane>> arriving_;
    cluster::lane_receiver_counts past_; ///< totals of those that are no more
};

} // namespace gv::shard
