// SPDX-License-Identifier: Apache-2.0
// The sending end of a lane. Encodes messages into frames, keeps those of QoS 1 and 2 until the
// peer has taken them, sends them again after a break, and moves them to the owner's spool when the
// peer is away or slow. Owned by the shard whose messages it carries, one for each peer.
//
//   state      of QoS 1 and 2                            leaves for
//   live       new ones are sent from memory             spooling: no link, peer suspected, a
//                                                        message taken late, no credit for long
//   spooling   new ones go to the spool; what was sent   draining: linked, not suspected, with
//              may still be answered                     credit, what was late is answered or given
//                                                        time
//   draining   rows of the spool are sent, new ones go   live: all read, and the last ones were
//              to its end                                taken in time; spooling: no link,
//              suspected
//
// A message for a group is not moved to the spool: there may be members elsewhere. When the lane
// begins to spool, it is given back to the owner if it was not sent; if it was, when the peer says
// that it has not got it, begins a new life or is held for dead. The owner may take it back sooner.
// Only the owner puts some in the spool, by appending them while the lane is not live: where nobody
// else is.
//
// QoS 0 is never spooled: it is sent when there is a link, and dropped when there is none. So in
// spooling and draining it overtakes QoS 1 and 2; among themselves both keep their order.
//
// Pure: messages, replies, rows and time go in; frames and calls on effects come out.
#pragma once

#include "cluster/lane_block.hpp"
#include "cluster/lane_counts.hpp"
#include "cluster/lane_effects.hpp"
#include "cluster/lane_options.hpp"

#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace gv::cluster {

enum class lane_state : std::uint8_t { live, spooling, draining };

/// Rows that an earlier life of the node left in the spool of a lane.
struct lane_spool_left {
    lane_seq first = 0; ///< number of the first
    lane_seq last = 0;
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
};

/// A row of the spool, read back. Lifetime: of the bytes, the call.
struct lane_spool_row {
    lane_seq seq = 0;
    std::string_view bytes;
    duration age{}; ///< since it was put
    bool is_of_former_life =
        false; ///< the peer has begun a new life since: for kept sessions alone
};

class lane_sender {
  public:
    /// Has no link yet. The identity's boot must be higher than in every earlier life.
    lane_sender(const lane_identity& self, const lane_sender_options& options);
    /// Goes on with the numbers of rows that are there. They are sent flagged `maybe_dup`.
    /// Requires: the options have a spool.
    lane_sender(const lane_identity& self, const lane_sender_options& options,
                const lane_spool_left& left);

    // --- messages

    /// Takes a message, whatever its size; is_full() then tells whether its publisher is to be
    /// held. `waiter`: see lane_effects::taken; 0: nobody. QoS 0 has no waiter, and is dropped
    /// without a link, or when the queue is over its limit and it is the oldest.
    void append(const publication& what, const forward_flags& flags, lane_waiter waiter,
                time_point now, lane_effects& out);
    /// From over the limit of memory or spool until both are at half: has_room() then comes.
    [[nodiscard]] bool is_full() const noexcept { return is_full_; }

    // --- link

    /// What to say first on a new link.
    [[nodiscard]] lane_hello hello() const noexcept { return {self_, oldest_}; }
    /// The peer has answered the hello; frames may be taken. Requires: no link.
    /// Errors: the link is to be closed, nothing has changed.
    [[nodiscard]] result<void, lane_fault> on_connected(const lane_welcome& welcome, time_point now,
                                                        lane_effects& out);
    /// The link is gone, with all that was on its way. Nothing happens if there was none.
    void on_disconnected(time_point now, lane_effects& out);
    /// Errors: the link is to be closed; nothing of the reply was applied.
    [[nodiscard]] result<void, lane_fault> on_reply(const lane_reply& reply, time_point now,
                                                    lane_effects& out);

    /// Whether take_frame() may have something. To be asked after every input.
    [[nodiscard]] bool has_frame() const noexcept { return is_linked_ && !queue_.empty(); }
    /// What to write next, to be called when the write before is finished: the next frame gathers
    /// meanwhile. Nothing without a link, messages or credit.
    [[nodiscard]] std::optional<lane_frame> take_frame(time_point now, lane_effects& out);
    /// The memory of a frame that is written, to be used again. Only saves time.
    void give_back(std::string bytes);

    // --- peer, spool, time

    /// Membership suspects the peer, or does so no longer.
    void set_suspected(bool is_suspected, time_point now, lane_effects& out);
    [[nodiscard]] bool is_suspected() const noexcept { return is_suspected_; }
    /// Asks, for each message for a group that somebody waits for, whether it was given to another
    /// node meanwhile: then nobody waits for it any more. It may arrive nevertheless.
    void take_back(const std::function<bool(lane_waiter)>& is_given_to_another);
    /// The answer to lane_effects::spool_read(); empty if there are none. A row that cannot be
    /// decoded is counted and erased.
    void on_spool_rows(std::span<const lane_spool_row> rows, time_point now, lane_effects& out);
    /// The peer is held for dead: nobody waits any longer for what no kept session there wants, as
    /// far as it is in memory. What was for groups is given back.
    void give_up_volatile(lane_effects& out);
    /// The peer is forgotten: everybody who waits gets `reason`, the spool is erased, messages in
    /// memory are dropped. The lane then is as new, but for its numbers.
    void abandon(lane_reason reason, lane_effects& out);
    void on_deadline(time_point now, lane_effects& out);
    /// `never` if there is nothing to wait for. May be too early.
    [[nodiscard]] time_point next_deadline() const noexcept;

    // --- what is known

    [[nodiscard]] lane_state state() const noexcept { return state_; }
    [[nodiscard]] const lane_identity& identity() const noexcept { return self_; }
    [[nodiscard]] lane_sender_counts counted() const noexcept;
    /// Whether there is a link: without one, QoS 0 is dropped.
    [[nodiscard]] bool is_linked() const noexcept { return is_linked_; }
    /// Number of the next counted message.
    [[nodiscard]] lane_seq next() const noexcept { return next_; }
    /// All counted messages with lower numbers were taken.
    [[nodiscard]] lane_seq taken_until() const noexcept {
        return unanswered_ == 0 ? next_ : oldest_;
    }
    /// Whether every counted message was taken.
    [[nodiscard]] bool is_idle() const noexcept { return unanswered_ == 0 && queue_.empty(); }

  private:
    /// A counted message that is in memory or was sent.
    struct tracked {
        lane_waiter waiter = 0;
        std::uint32_t size : 29 = 0; ///< encoded
        std::uint32_t is_taken : 1 = 0;
        std::uint32_t is_spooled : 1 = 0;
        std::uint32_t is_for_group : 1 = 0; ///< and was not in the spool when it was appended
    };
    static constexpr std::uint32_t size_mask = 0x1fff'ffff;
    static constexpr std::size_t spares_max = 4;

    // --- appending
    void append_to_queue(const publication& what, const forward_flags& flags, lane_waiter waiter,
                         time_point now);
    void append_to_spool(const publication& what, const forward_flags& flags, lane_waiter waiter,
                         time_point now, lane_effects& out);
    /// The last in the queue, if it may still grow.
    [[nodiscard]] lane_block* open_block(bool is_spooled) noexcept;
    lane_block& new_block(bool is_spooled, time_point now);
    void note_queued(std::size_t bytes);
    void make_room();
    /// The oldest block of the queue with messages of QoS 0 that may go; end() if there is none.
    [[nodiscard]] std::deque<lane_block>::iterator droppable();
    void look_if_full() noexcept;
    void look_if_room(lane_effects& out);
    [[nodiscard]] std::string spare();

    // --- sending
    [[nodiscard]] bool may_send(const lane_block& block, time_point now) noexcept;
    [[nodiscard]] std::string bytes_of(lane_block& block);
    [[nodiscard]] std::string all_of(lane_block& block);
    [[nodiscard]] std::string next_chunk(lane_block& block);
    /// The pieces that are still to be sent, with others skipped.
    [[nodiscard]] std::string selected_of(lane_block& block);
    void skip_to(lane_seq seq, std::string& made);
    void retire_front(time_point now);
    void keep_again();
    void drop_link() noexcept;
    void drop_all_uncounted();
    void keep_for_kept_only();
    void leave_out_given_back();
    [[nodiscard]] bool is_in_chunks() const noexcept { return chunk_at_ > 0; }

    // --- answers
    [[nodiscard]] std::optional<lane_fault> check(const lane_reply& reply) const;
    void apply(const taken_run& run, lane_effects& out);
    void forget_taken();
    void look_at_probe(time_point now) noexcept;
    [[nodiscard]] tracked& at(lane_seq seq) noexcept { return tracked_[seq - oldest_]; }
    [[nodiscard]] bool is_taken(lane_seq seq) noexcept { return seq < oldest_ || at(seq).is_taken; }
    [[nodiscard]] lane_seq tracked_end() const noexcept { return oldest_ + tracked_.size(); }
    /// All from tracked_end() to `end` - 1 are taken.
    void track_as_taken(lane_seq end);
    void forget_from(lane_seq end);
    /// What was for groups, from that number on.
    void give_back_from(lane_seq first, lane_return why, lane_effects& out);

    // --- spool
    void enter_spool(time_point now, lane_effects& out);
    void put_in_spool(lane_block& block, time_point now, lane_effects& out);
    void leave_memory();
    void stop_draining(lane_effects& out);
    /// Looks whether the spool is to be drained, read further, or left.
    void settle(time_point now, lane_effects& out);
    void drain(time_point now, lane_effects& out);
    void load(const lane_spool_row& row, time_point now, lane_effects& out);
    void drop_row(const lane_spool_row& row, lane_effects& out);
    [[nodiscard]] lane_block& block_for_row(const lane_spool_row& row, time_point now);
    [[nodiscard]] bool may_track(lane_seq seq) const noexcept {
        return tracked_.empty() || seq - oldest_ < lane_unanswered_max / 2;
    }
    [[nodiscard]] bool is_in_time(time_point now) const noexcept;
    [[nodiscard]] time_point late_at() const noexcept;

    lane_identity self_;
    lane_sender_options options_;
    std::size_t block_bytes_max_; ///< of a frame, without what may be skipped before it
    lane_state state_;

    // Numbers: all below oldest_ are taken. [oldest_, tracked_end()) are in memory or were sent;
    // from there to next_ they are in the spool alone. In the state live there are none of these.
    lane_seq oldest_ = 1;
    lane_seq next_ = 1;
    lane_seq send_next_ = 1; ///< expected by the receiver, or lower
    lane_seq sent_end_ = 1;  ///< highest ever sent, and one
    lane_seq dup_below_ = 0; ///< flagged `maybe_dup` when they are sent
    std::deque<tracked> tracked_;
    std::uint64_t unanswered_ = 0;

    std::deque<lane_block> kept_;  ///< sent, not all taken
    std::deque<lane_block> queue_; ///< to be sent, in order
    std::size_t chunk_at_ = 0;     ///< of the first in the queue, if large: sent up to here
    std::size_t queue_bytes_ = 0;  ///< of both
    std::size_t unsent_bytes_ = 0; ///< of the queue
    std::uint64_t uncounted_ = 0;  ///< messages of QoS 0 in the queue
    bool is_full_ = false;
    std::vector<std::string> spares_;
    std::string scratch_;

    bool is_linked_ = false;
    bool is_suspected_ = false;
    boot_id peer_boot_{};
    std::uint64_t credit_ = 0;
    time_point starved_since_ = never;

    std::uint64_t spool_rows_ = 0;
    std::uint64_t spool_bytes_ = 0;
    lane_seq drain_next_ = 1; ///< the next row to be read
    lane_seq read_end_ = 0;   ///< what next_ was when the read under way was asked for
    bool is_reading_ = false;
    bool read_is_stale_ = false;
    time_point drain_at_{};
    lane_seq probe_ = 0; ///< sent at probe_at_, to know how long answers take; 0: none
    time_point probe_at_{};
    duration last_delay_{};

    lane_sender_counts counts_;
};

} // namespace gv::cluster
