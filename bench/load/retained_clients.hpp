// SPDX-License-Identifier: Apache-2.0
// The two clients of the scenario `retained`.
#pragma once

#include "bench/load/connection.hpp"
#include "bench/load/stamp.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace gv::load {

/// What both clients know.
struct retained_plan {
    std::uint32_t messages = 0;
    std::uint32_t payload = 0; ///< bytes; 0 removes what is stored
    std::uint32_t run = 0;
    unsigned qos = 0;        ///< of the writer, 0 or 1
    unsigned replay_qos = 0; ///< of the reader, 0 or 1
    std::uint32_t window = 0;
};

/// Sends a retained message to each topic, as fast as the broker takes them.
class retained_writer final : public endpoint {
  public:
    retained_writer(connection link, event_loop& loop, io_scratch& scratch);

    /// Begins to send. Requires: is_done().
    void start(const retained_plan& plan);
    void on_ready(std::uint32_t epoll_events, nanoseconds now) override;
    /// The broker has handled everything: it acknowledged each message, and answered a ping sent
    /// behind the last one.
    [[nodiscard]] bool is_done() const noexcept { return sent_ == plan_.messages && !awaits_ping_; }
    [[nodiscard]] std::uint32_t sent() const noexcept { return sent_; }

  private:
    void publish();
    void publish_batch(std::uint32_t count);
    void on_answer(const frame& answer) noexcept;

    retained_plan plan_;
    io_scratch& scratch_;
    std::uint32_t sent_ = 0;
    std::uint32_t in_flight_ = 0;
    bool awaits_ping_ = false;
    std::string frame_; ///< of one message
    std::string batch_;
    connection link_;
};

/// Subscribes to `#` and ticks off what comes.
class retained_reader final : public endpoint {
  public:
    retained_reader(connection link, event_loop& loop, io_scratch& scratch,
                    const retained_plan& plan);

    void start();
    void on_ready(std::uint32_t epoll_events, nanoseconds now) override;
    [[nodiscard]] bool is_done() const noexcept { return seen_ == plan_.messages; }
    [[nodiscard]] std::uint32_t seen() const noexcept { return seen_; }
    [[nodiscard]] std::uint32_t duplicates() const noexcept { return duplicates_; }
    /// Messages that other runs had stored, or that lack the retain flag.
    [[nodiscard]] std::uint32_t foreign() const noexcept { return foreign_; }

  private:
    void on_message(const frame& value, const publish_parts& message);

    retained_plan plan_;
    io_scratch& scratch_;
    std::vector<bool> has_;
    std::uint32_t seen_ = 0;
    std::uint32_t duplicates_ = 0;
    std::uint32_t foreign_ = 0;
    connection link_;
};

} // namespace gv::load
