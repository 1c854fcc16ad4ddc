// SPDX-License-Identifier: Apache-2.0
// One subscribing client: checks what comes, acknowledges it as its QoS wants, one write a turn,
// and tells the publisher.
#pragma once

#include "bench/load/connection.hpp"
#include "bench/load/publisher.hpp"
#include "bench/load/sequence_check.hpp"
#include "bench/load/tally.hpp"

#include <span>

namespace gv::load {

/// What the subscribers of a run share.
struct subscriber_context {
    std::span<publisher> publishers;
    std::uint32_t run;
    io_scratch& scratch;
    tally& counts;
};

/// The publishers that a subscriber hears: `count` of them from index `first` on.
struct publisher_range {
    std::uint32_t first = 0;
    std::uint32_t count = 1;
};

class subscriber final : public endpoint {
  public:
    subscriber(connection link, subscriber_context& context, publisher_range sources)
        : context_(&context), first_source_(sources.first), check_(sources.count),
          link_(std::move(link)) {}

    void attach(event_loop& loop) { link_.attach(loop, *this); }
    void on_ready(std::uint32_t epoll_events, nanoseconds now) override;

  private:
    [[nodiscard]] char* on_frame(const frame& value, nanoseconds now, char* answers);
    void on_message(const publish_parts& message, nanoseconds now);

    subscriber_context* context_;
    std::uint32_t first_source_;
    sequence_check check_;
    connection link_;
};

} // namespace gv::load
