// SPDX-License-Identifier: Apache-2.0
// The sending half of a session at QoS 1 and 2: what waits, what is in flight and under which
// packet identifier (MQTT 5, 4.3, 4.4, 4.9). Used by the front of a volatile client, which keeps no
// copy of what is in flight since nothing is ever sent again, and by the home of a persistent
// session, which does.
//
//   state        input                 next           sends
//   queued       window and room       sent           PUBLISH
//   sent, QoS 1  PUBACK                gone
//   sent, QoS 2  PUBREC                released       PUBREL
//   sent, QoS 2  PUBREC with an error  gone
//   released     PUBCOMP               gone
//   sent         resume                sent           PUBLISH with DUP and its first identifier
//   released     resume                released       PUBREL
#pragma once

#include "base/ids.hpp"
#include "base/message.hpp"
#include "base/ring.hpp"
#include "broker/mqtt/packet.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace gv::session {

/// How one message goes to one client.
struct delivery {
    qos quality = qos::at_most_once;
    bool retain = false; ///< RETAIN flag that the client sees
    bool dup = false;
    packet_id id{}; ///< 0 at QoS 0
    std::span<const std::uint32_t> subscription_ids{};
};

enum class queue_policy : std::uint8_t { drop_newest, drop_oldest, disconnect };

enum class drop_reason : std::uint8_t {
    queue_full,
    slow_reader,
    expired,
    packet_too_large,
    client_offline
};

/// Where an `outbound` puts what it sends.
class outbound_sink {
  public:
    virtual void transmit(const publication& what, const delivery& how) = 0;
    virtual void transmit_pubrel(packet_id id) = 0;
    /// Whether the client's output takes more now.
    [[nodiscard]] virtual bool has_room() const = 0;
    virtual void dropped(drop_reason reason) = 0;

  protected:
    ~outbound_sink() = default;
};

/// What waits in all queues of a shard, and what is in flight from it.
struct queue_account {
    std::size_t bytes = 0;
    std::size_t messages = 0;
    std::size_t in_flight = 0;
};

struct outbound_limits {
    std::size_t queue_bytes_max = std::size_t{64} << 20; ///< of one session
    std::size_t total_bytes_max = std::size_t{1} << 30;  ///< of all sessions of the shard
    std::uint16_t in_flight_max = 1000; ///< ours; the client's Receive Maximum may be lower
    queue_policy policy = queue_policy::drop_newest;
};

class outbound {
  public:
    enum class keeps : std::uint8_t { nothing, messages };
    enum class ack : std::uint8_t { done, unknown, out_of_state };
    enum class queueing : std::uint8_t { limited, unlimited };

    /// Lifetime: `limits` and `total` outlive it.
    outbound(const outbound_limits& limits, queue_account& total, keeps what) noexcept
        : limits_(&limits), total_(&total), keeps_(what) {}
    outbound(const outbound&) = delete;
    outbound& operator=(const outbound&) = delete;
    ~outbound() {
        total_->bytes -= queued_bytes_;
        total_->messages -= queue_.size();
        total_->in_flight -= in_flight_;
    }

    /// Begins a connection: the window is the lower of the client's Receive Maximum and ours. What
    /// was in flight is sent again by pump(), PUBRELs first, then messages in their first order.
    void attach(std::uint16_t receive_maximum);
    /// Ends it: nothing is sent until the next attach().
    void detach() noexcept;

    /// Sends at QoS 1 or 2, or queues. `unlimited` is for the replay of retained messages, which no
    /// queue limit may cut. Returns false if the policy is to disconnect the client.
    bool deliver(const publication& what, const delivery& how, queueing limit, time_point now,
                 outbound_sink& to);
    /// Sends what the window and the room allow. Acknowledgements that come out of the sink while
    /// it does (of what cannot be sent) are worked off by the same call, not by one within it.
    void pump(time_point now, outbound_sink& to);

    ack on_puback(packet_id id, outbound_sink& to, time_point now);
    /// `unknown`: the caller answers PUBREL with 0x92.
    ack on_pubrec(packet_id id, bool is_error, outbound_sink& to, time_point now);
    ack on_pubcomp(packet_id id, outbound_sink& to, time_point now);

    /// Frees the place of a message that was handed to the sink and could not be sent.
    void forget(packet_id id) noexcept;

    [[nodiscard]] std::size_t queued() const noexcept { return queue_.size(); }
    [[nodiscard]] std::size_t queued_bytes() const noexcept { return queued_bytes_; }
    [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }
    /// Messages that may still be sent before the client must acknowledge one.
    [[nodiscard]] std::size_t window() const noexcept { return quota_; }

  private:
    enum class state : std::uint8_t { free, sent, released };
    struct slot {
        message_ref content;
        std::vector<std::uint32_t> subscription_ids;
        std::uint64_t sequence = 0; ///< order of first sending
        std::uint16_t id = 0;
        state now = state::free;
        qos quality = qos::at_least_once;
        bool retain = false;
        bool is_resend_due = false;
    };
    struct waiting {
        message_ref content;
        std::vector<std::uint32_t> subscription_ids;
        qos quality = qos::at_least_once;
        bool retain = false;
    };

    bool enqueue(const publication& what, const delivery& how, queueing limit, outbound_sink& to);
    void send(const publication& what, delivery how, outbound_sink& to);
    void resend(time_point now, outbound_sink& to);
    [[nodiscard]] slot* find(std::uint16_t id) noexcept;
    slot& occupy_free();
    void widen();
    void free_slot(slot& done) noexcept;
    void give_back_quota() noexcept;

    [[nodiscard]] waiting take_oldest();
    [[nodiscard]] bool make_queue_room(std::size_t weight, outbound_sink& to);
    [[nodiscard]] bool has_queue_room(std::size_t weight) const noexcept {
        return queued_bytes_ + weight <= limits_->queue_bytes_max
               && total_->bytes + weight <= limits_->total_bytes_max;
    }

    const outbound_limits* limits_;
    queue_account* total_;
    ring<waiting> queue_;
    std::size_t queued_bytes_ = 0;
    std::unique_ptr<slot[]> slots_; ///< hashed by packet identifier, no two in one place
    std::uint32_t slot_count_ = 0;
    std::uint32_t in_flight_ = 0;
    std::uint64_t sequence_ = 0;
    std::uint16_t quota_ = 0;
    std::uint16_t receive_maximum_ = 0;
    keeps keeps_;
    bool is_attached_ = false;
    bool has_resends_ = false;
    bool is_pumping_ = false;
};

} // namespace gv::session
