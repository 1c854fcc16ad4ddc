// SPDX-License-Identifier: Apache-2.0
// One publishing client. It may send while all of these hold: fewer than `undelivered` of its
// messages have yet to reach all their subscribers (closed loop), fewer than `window` await their
// last acknowledgement (QoS 1 and 2), and, if paced, the message is due. All that it may send in
// a turn goes out in one write.
#pragma once

#include "bench/load/connection.hpp"
#include "bench/load/frame_batch.hpp"
#include "bench/load/tally.hpp"
#include "bench/load/topic_walk.hpp"

#include <optional>
#include <vector>

namespace gv::load {

/// What all publishers of a run have in common.
struct publish_plan {
    unsigned qos = 0;
    std::uint32_t payload = 64;
    std::uint32_t undelivered = 0; ///< 0: open loop
    std::uint32_t window = 0;      ///< of QoS 1 and 2
    std::uint32_t refill = 1;      ///< fewer than this are not sent, unless paced
    std::uint32_t fan = 1;         ///< subscribers that each message reaches
    nanoseconds interval = 0;      ///< between two messages of a publisher; 0: not paced
    std::uint32_t run = 0;
};

class publisher;

/// What the publishers of a run share.
struct publisher_context {
    const publish_plan& plan;
    io_scratch& scratch;
    tally& counts;
    std::vector<publisher*> waiting; ///< may be able to send in this turn
};

class publisher final : public endpoint {
  public:
    publisher(connection link, publisher_context& context, std::uint32_t index,
              std::string_view topic);

    void attach(event_loop& loop) { link_.attach(loop, *this); }
    /// Each message goes to the next topic of `walk`.
    void follow(topic_walk walk) { walk_ = walk; }
    /// Message `n` is due at `first + n * interval`. Messages sent before are forgotten.
    void start_pace(nanoseconds first) noexcept { first_due_ = first - sent_ * plan_.interval; }
    void stop() noexcept { is_stopped_ = true; }

    void on_ready(std::uint32_t epoll_events, nanoseconds now) override;

    /// One more subscriber has message `number`.
    void on_delivered(std::uint32_t number) {
        if (plan_.fan == 1) {
            completed_ = std::max(completed_, number + 1);
        } else {
            count_delivery(number);
        }
        want_turn();
    }

    /// Sees to it that publish() is called in this turn.
    void want_turn() {
        if (!is_waiting_) {
            is_waiting_ = true;
            context_->waiting.push_back(this);
        }
    }

    /// Sends one batch of what may be sent. Called for each publisher of the waiting list, once it
    /// is off the list; puts itself back on it if there is more to send.
    void publish(frame_batch& batch, nanoseconds now);

    [[nodiscard]] std::uint32_t sent() const noexcept { return sent_; }
    /// Messages with a PUBACK or PUBREC.
    [[nodiscard]] std::uint32_t acknowledged() const noexcept { return acknowledged_; }
    [[nodiscard]] std::size_t frame_size() const noexcept { return template_.frame_size(); }
    /// Everything sent is acknowledged as its QoS wants it.
    [[nodiscard]] bool is_settled() const noexcept {
        return in_flight_ == 0 && !link_.is_blocked();
    }

  private:
    [[nodiscard]] std::uint32_t allowance(nanoseconds now) const noexcept;
    [[nodiscard]] stamp next_stamp(nanoseconds now) noexcept;
    [[nodiscard]] char* on_ack(const frame& ack, char* answers, nanoseconds now) noexcept;
    void on_finished(std::uint32_t number, nanoseconds now) noexcept;
    void count_delivery(std::uint32_t number) noexcept;
    void check_order(std::uint32_t& expected, std::uint16_t packet_id) noexcept;

    // What each delivery touches comes first, to lie in one cache line.
    const publish_plan& plan_;
    publisher_context* context_;
    std::uint32_t sent_ = 0;
    std::uint32_t completed_ = 0; ///< messages below this number have reached all subscribers
    std::uint32_t in_flight_ = 0;
    bool is_waiting_ = false;
    bool is_stopped_ = false;
    stamp stamp_;
    std::vector<std::uint32_t> deliveries_; ///< ring by number: how many subscribers have it
    std::uint32_t acknowledged_ = 0;        ///< PUBACK or PUBREC
    std::uint32_t finished_ = 0;            ///< PUBCOMP
    nanoseconds first_due_ = 0;
    frame_template template_;
    std::optional<topic_walk> walk_;
    connection link_;
};

} // namespace gv::load
