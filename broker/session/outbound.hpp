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
#include "broker/session/outbound_log.hpp"
#include "broker/session/row_queue.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace gv::session {

enum class queue_policy : std::uint8_t { drop_newest, drop_oldest, disconnect };

enum class drop_reason : std::uint8_t {
    queue_full,
    slow_reader,
    expired,
    packet_too_large,
    client_offline,
    superseded ///< by a newer one of the same topic, where only the newest is kept
};

/// Where an `outbound` puts what it sends.
class outbound_sink {
  public:
    virtual void transmit(const publication& what, const delivery& how) = 0;
    virtual void transmit_pubrel(packet_id id) = 0;
    /// Whether the client's output takes more now.
    [[nodiscard]] virtual bool has_room() const = 0;
    virtual void dropped(drop_reason reason) = 0;
    /// A message of a group is in flight no more: acknowledged, dropped, or on disk alone. A loan
    /// has been taken.
    virtual void group_settled(group_origin group) = 0;
    /// It goes out, and may not come twice: from now on the session alone has it.
    virtual void loan_kept(group_origin loan) { static_cast<void>(loan); }
    /// It has not been, and is not here any more.
    virtual void loan_returned(group_origin loan) { static_cast<void>(loan); }

  protected:
    ~outbound_sink() = default;
};

struct outbound_limits {
    std::size_t queue_bytes_max = std::size_t{64} << 20; ///< of one session
    std::size_t total_bytes_max = std::size_t{1} << 30;  ///< of all sessions of the shard
    std::size_t queue_messages_max = ~std::size_t{0};    ///< of one session
    std::size_t user_bytes_max = ~std::size_t{0};        ///< of all sessions of one user
    std::uint16_t in_flight_max = 1000; ///< ours; the client's Receive Maximum may be lower
    queue_policy policy = queue_policy::drop_newest;
};

class outbound {
  public:
    enum class keeps : std::uint8_t { nothing, messages };
    enum class ack : std::uint8_t { done, unknown, out_of_state };
    enum class queueing : std::uint8_t { limited, unlimited };
    /// Sequence numbers are reserved so many at a time.
    static constexpr std::uint64_t reservation = 4'096;

    /// Lifetime: `limits`, `total` and `log` outlive it. `log` is null if nothing is written down.
    outbound(const outbound_limits& limits, queue_account& total, keeps what,
             outbound_log* log = nullptr) noexcept
        : limits_(&limits), total_(&total), log_(log), queue_(total), keeps_(what) {}
    outbound(const outbound&) = delete;
    outbound& operator=(const outbound&) = delete;
    ~outbound() { total_->in_flight -= in_flight_; }

    /// Whose account its queue counts for from now on; null: nobody's.
    void set_user(std::shared_ptr<user_account> whose) noexcept {
        queue_.set_user(std::move(whose));
    }

    /// Begins a connection: the window is the lower of the client's Receive Maximum and ours. What
    /// was in flight is sent again by pump(), PUBRELs first, then messages in their first order.
    void attach(std::uint16_t receive_maximum);
    /// Ends it: nothing is sent until the next attach(). Loans that were not taken are returned.
    void detach(outbound_sink& to);
    /// Whether a loan would go out now. Others are not to be delivered.
    [[nodiscard]] bool takes_loan(qos quality, const outbound_sink& to) const {
        return is_attached_ && !has_resends_ && window() > 0
               && (quality == qos::exactly_once || queue_.empty()) && to.has_room();
    }

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

    /// What was asked of the log is durable: memory is given back, and what waited for it is sent.
    void on_durable(time_point now, outbound_sink& to);
    /// Rows that were asked for, in order; `read_until`: there are no others before.
    void on_page(std::vector<queued_row> rows, std::uint64_t read_until, time_point now,
                 outbound_sink& to);

    // A session as it was stored, before the first attach(): releases, then rows, each in order.

    void restore_release(std::uint64_t release, packet_id id);
    void restore_run(const stored_run& run) { queue_.restore(run); }
    /// A row among those of a run is the newest of its topic. `weight`: what it counts for there.
    void restore_newest(std::uint64_t topic, std::uint64_t sequence, const written_row& where,
                        std::size_t weight);
    /// Rows before `until`, and the oldest `rows` besides, may have been sent: they are sent with
    /// DUP.
    void restore_doubt(std::uint64_t until, std::uint32_t rows) noexcept {
        doubt_until_ = until;
        doubt_rows_ = rows;
    }
    void restore_reservation(std::uint64_t until) noexcept {
        sequence_ = reserved_until_ = restored_until_ = until;
    }
    /// Writes down that nothing of it is left; the session ends.
    void erase_all();
    /// Rows before this sequence have been sent; of those after it none has. Or in_doubt.
    [[nodiscard]] std::uint64_t sent_until() noexcept {
        if (is_attached_ || doubt_rows_ > 0) {
            return in_doubt;
        }
        return std::max(doubt_until_, queue_.empty() ? sequence_ : queue_.first_sequence());
    }
    [[nodiscard]] std::uint16_t receive_maximum() const noexcept { return receive_maximum_; }
    [[nodiscard]] std::uint64_t reserved_until() const noexcept { return reserved_until_; }

    /// Frees the place of a message that was handed to the sink and could not be sent.
    void forget(packet_id id, outbound_sink& to);

    [[nodiscard]] std::size_t queued() const noexcept { return queue_.rows(); }
    [[nodiscard]] std::size_t queued_bytes() const noexcept { return queue_.bytes(); }
    [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_; }
    /// Messages that may still be taken and sent before the client must acknowledge one.
    [[nodiscard]] std::size_t window() const noexcept {
        return quota_ - std::min<std::size_t>(quota_, queue_.rows());
    }

  private:
    enum class state : std::uint8_t { free, sent, released };
    struct slot {
        message_ref content;
        std::vector<std::uint32_t> subscription_ids;
        std::uint64_t sequence = 0; ///< order of first sending; of a release that of PUBREC
        written_row where;
        group_origin group{};
        std::uint16_t id = 0;
        state now : 2 = state::free;
        qos quality : 2 = qos::at_least_once;
        bool retain : 1 = false;
        bool is_resend_due : 1 = false;
    };
    /// A PUBREL that waits until its release is durable.
    struct pending_release {
        commit_mark mark;
        std::uint16_t id = 0;
    };

    /// The message that waits and is the newest of its topic.
    struct newest_row {
        std::uint64_t sequence = 0;
        written_row where;
        std::size_t weight = 0;
    };
    using newest_rows = boost::unordered_flat_map<std::uint64_t, newest_row>;

    /// Drops what waits of a topic. False if there is nothing, or it must stay.
    bool supersede(std::uint64_t topic, outbound_sink& to);
    void forget_dropped();
    void forget_newest(const queued_row& gone) noexcept;
    /// Returns false if the policy is to disconnect; `is_dropped` if it was not taken.
    bool make_room(std::size_t weight, queueing limit, bool& is_dropped, outbound_sink& to);
    void send(const publication& what, delivery how, std::uint64_t sequence,
              const written_row& where, outbound_sink& to);
    void resend(time_point now, outbound_sink& to);
    void send_releases(outbound_sink& to);
    void release(slot& taken);
    void send_release(const slot& released, outbound_sink& to);
    [[nodiscard]] std::uint64_t next_sequence();
    /// QoS 2 is sent once its row is durable: sent before, a crash would let the publisher send it
    /// again as another message. Asks to be woken if it is not.
    [[nodiscard]] bool may_send(qos quality, const written_row& where);
    void row_done(std::uint64_t sequence, const written_row& where) {
        if (log_ != nullptr) {
            log_->row_done(sequence, where);
        }
    }
    /// A loan of QoS 1 has no row here.
    void row_done(const slot& of) {
        if (!is_loan(of.group) || of.quality == qos::exactly_once) {
            row_done(of.sequence, of.where);
        }
    }
    void return_loans(outbound_sink& to);
    [[nodiscard]] slot* find(std::uint16_t id) noexcept;
    /// The identifier that a message of this sequence is sent under if it is sent now.
    [[nodiscard]] std::uint16_t free_id(std::uint64_t sequence) noexcept;
    void choose_id(queued_row& next);
    /// Whether a row that leaves the queue may have been sent before.
    [[nodiscard]] bool leaves_doubt(std::uint64_t sequence) noexcept;
    [[nodiscard]] bool is_in_doubt(std::uint64_t sequence) const noexcept {
        return sequence < (doubt_rows_ > 0 ? restored_until_ : doubt_until_);
    }
    slot& occupy(std::uint16_t id);
    [[nodiscard]] std::uint32_t free_place(std::uint16_t id) noexcept;
    void widen();
    [[nodiscard]] std::uint32_t place_of(std::uint16_t id) const noexcept {
        return id & (slot_count_ - 1);
    }
    [[nodiscard]] std::uint32_t next_place(std::uint32_t at) const noexcept {
        return (at + 1) & (slot_count_ - 1);
    }
    void free_slot(slot& done, outbound_sink& to);
    static void settle(group_origin group, outbound_sink& to);
    static void settle_all(std::span<const group_origin> groups, outbound_sink& to);
    void give_back_quota() noexcept;

    [[nodiscard]] bool drop_oldest(std::size_t weight, outbound_sink& to);
    void pump_queue(time_point now, outbound_sink& to);
    void read_ahead();
    /// Returns the groups of the messages that are on disk alone now.
    [[nodiscard]] std::vector<group_origin> spill();
    void forget_groups();
    /// Of a connected client's queue; beyond, what is on disk leaves memory.
    static constexpr std::size_t resident_bytes_max = std::size_t{512} << 10;
    [[nodiscard]] bool has_queue_room(std::size_t weight) const noexcept {
        // What the window takes and only waits for the disk is not in the client's way.
        const std::size_t in_window = is_attached_ && log_ != nullptr ? quota_ : 0;
        return queue_.rows() - std::min(queue_.rows(), in_window) < limits_->queue_messages_max
               && queue_.bytes() + weight <= limits_->queue_bytes_max
               && total_->bytes + weight <= limits_->total_bytes_max
               && queue_.user_bytes() + weight <= limits_->user_bytes_max;
    }

    const outbound_limits* limits_;
    queue_account* total_;
    outbound_log* log_;
    row_queue queue_;
    ring<pending_release> releases_;
    std::unique_ptr<newest_rows> newest_; ///< by hash of the topic; null: none
    std::uint64_t reserved_until_ = 0;
    std::uint64_t restored_until_ = 0; ///< rows before it are of an earlier process
    std::uint64_t doubt_until_ = 0;
    std::uint32_t doubt_rows_ = 0;  ///< of the oldest, may have been sent by an earlier process
    commit_mark sending_since_;     ///< the record that rows may have been sent
    std::unique_ptr<slot[]> slots_; ///< by packet identifier, each at or behind its place
    std::uint32_t slot_count_ = 0;
    std::uint32_t in_flight_ = 0;
    std::uint32_t displaced_ = 0; ///< messages behind their places
    std::uint64_t sequence_ = 0;
    std::uint16_t quota_ = 0;
    std::uint16_t receive_maximum_ = 0;
    keeps keeps_;
    bool is_attached_ = false;
    bool has_resends_ = false;
    bool is_pumping_ = false;
};

} // namespace gv::session
