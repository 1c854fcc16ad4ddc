// SPDX-License-Identifier: Apache-2.0
// The receiving end of a lane. Gives out each message once, in order, collects the owner's answers
// and gives credit back as the owner works off what it got. Owned by one shard of the receiving
// node, one for each lane of each origin. It has to live as long as its node, or until the origin
// has a higher boot: it alone knows what it had.
//
// Pure: frames, answers and time go in; messages and replies come out.
#pragma once

#include "base/assert.hpp"
#include "base/ring.hpp"
#include "cluster/lane_counts.hpp"
#include "cluster/lane_format.hpp"
#include "cluster/lane_options.hpp"

#include <optional>
#include <vector>

namespace gv::cluster {

class lane_receiver {
  public:
    /// `boot`: of the receiving node. `watermark`: what watermark() of an earlier life of this node
    /// said of the same lane, everything below being durable; what comes again of that is answered
    /// with success and not given out. 0: nothing is known.
    lane_receiver(const lane_identity& lane, boot_id boot, const lane_receiver_options& options,
                  lane_seq watermark = 0);

    // --- link

    /// A new link: the answer to its hello. Frames of an earlier one must not be given any longer.
    /// Answers that may have been lost are given again.
    /// Errors: the link is to be closed.
    [[nodiscard]] result<lane_welcome, lane_fault> on_hello(const lane_hello& hello);
    void on_disconnected();

    /// Calls visit(const publication&, forward_flags, lane_seq) for each message not had before,
    /// in order; the number is 0 for QoS 0. It may call answer() and release(), nothing else.
    /// Lifetime: of what is given out, the call of visit.
    /// Returns the bytes that the owner is to release() when it has worked them off.
    /// Errors: the link is to be closed. What was given out before is valid and to be answered, and
    /// nothing is to be released.
    template <typename Visit>
    [[nodiscard]] result<std::size_t, lane_fault> on_frame(const lane_frame& frame, time_point now,
                                                           Visit&& visit) {
        if (const auto fault = begin(frame)) {
            return fail(*fault);
        }
        publication seen;
        forward_flags flags;
        const message_reading reading{.lane_origin = lane_.origin,
                                      .now = now,
                                      .age_ms = frame.age_ms,
                                      .levels_max = options_.levels_max};
        piece_reader pieces(frame.bytes);
        lane_seq seq = frame.first;
        std::size_t given = 0;
        while (!pieces.at_end()) {
            const step found = next(pieces, seq, reading, seen, flags);
            if (found.what == step::kind::fault) {
                return fail(found.fault);
            }
            if (found.what == step::kind::message) {
                ++given;
                visit(static_cast<const publication&>(seen), flags, found.seq);
            }
        }
        return end(frame, given);
    }

    // --- what the owner did with it

    /// The message is taken. Requires: given out by on_frame(), not answered. Any time, in any
    /// order, linked or not.
    void answer(lane_seq seq, lane_reason reason);
    /// Bytes that on_frame() returned are worked off. Requires: not more than that.
    void release(std::size_t bytes);

    /// Whether a reply is due.
    [[nodiscard]] bool has_reply() const noexcept;
    /// What to write next, to be called when the write before is finished. Nothing if none is due.
    [[nodiscard]] std::optional<lane_reply> take_reply();

    // --- what is known

    /// Every counted message below was answered.
    [[nodiscard]] lane_seq watermark() const noexcept { return answered_to_; }
    [[nodiscard]] const lane_identity& lane() const noexcept { return lane_; }
    [[nodiscard]] lane_receiver_counts counted() const noexcept;

  private:
    /// What became of a number: a reason up to 0xff, or one of these.
    using answer_state = std::uint16_t;
    static constexpr answer_state is_waiting = 0x100;
    static constexpr answer_state is_skipped = 0x200; ///< the sender knows

    struct step {
        enum class kind : std::uint8_t { nothing, message, fault };
        kind what = kind::nothing;
        lane_fault fault{};
        lane_seq seq = 0;
    };

    [[nodiscard]] std::unexpected<lane_fault> fail(lane_fault fault);
    [[nodiscard]] std::optional<lane_fault> begin(const lane_frame& frame);
    [[nodiscard]] std::size_t end(const lane_frame& frame, std::size_t given);
    [[nodiscard]] step next(piece_reader& pieces, lane_seq& seq, const message_reading& reading,
                            publication& seen, forward_flags& flags);
    [[nodiscard]] step give(std::string_view message, lane_seq& seq, const message_reading& reading,
                            publication& seen, forward_flags& flags);
    [[nodiscard]] std::optional<lane_fault> assemble(const piece& part);
    [[nodiscard]] std::optional<lane_fault> skip(std::uint32_t count, lane_seq& seq);
    /// The sender knows the answers to all below.
    [[nodiscard]] std::optional<lane_fault> confirm(lane_seq oldest);
    void start_at(lane_seq oldest);
    void advance() noexcept;
    void collect(lane_seq seq, lane_reason reason);
    void collect_again();

    lane_identity lane_;
    boot_id boot_;
    lane_receiver_options options_;
    bool is_linked_ = false;
    bool is_started_ = false; ///< the first hello told where to begin

    lane_seq base_ = 1;         ///< all below are confirmed
    lane_seq expected_ = 1;     ///< the next number not had
    lane_seq answered_to_ = 1;  ///< all below are answered
    ring<answer_state> states_; ///< of base_ to expected_
    std::uint64_t unanswered_ = 0;
    std::vector<taken_run> answers_; ///< to be told
    bool answers_are_sorted_ = true;

    std::string assembly_;           ///< of a large message
    std::size_t assembly_total_ = 0; ///< 0: none has begun

    std::uint64_t allowed_bytes_ = 0; ///< may still be sent
    std::uint64_t held_bytes_ = 0;
    std::uint64_t freed_bytes_ = 0; ///< released, not told

    lane_receiver_counts counts_;
};

} // namespace gv::cluster
