// SPDX-License-Identifier: Apache-2.0
// A client on a real stream: reads what the socket has into the shard's scratch buffer, hands it to
// the core, and sends what the core left in the output, once a turn.
#pragma once

#include "broker/shard/client.hpp"
#include "broker/transport/transport.hpp"

#include <string>
#include <vector>

namespace gv::shard {

class event_loop;

class connection final : public client, private transport::readiness_handler {
  public:
    connection(event_loop& owner, core& core, transport::stream_ptr stream,
               std::shared_ptr<const listener_profile> profile);
    ~connection() override;

    /// Begins to read.
    void start();
    /// Sends as much of the output as the stream takes; ends the stream when it is to end and all
    /// is out.
    void flush();
    /// Gives up on a peer that does not end its side.
    void cut();

    // client
    void resume_input() override;
    void end() override;
    [[nodiscard]] std::string peer_text() const override { return stream_->peer().text(); }
    [[nodiscard]] std::optional<std::string> certificate_identity() const override;

  private:
    // transport::readiness_handler
    void on_readable() override;
    void on_writable() override;

    void read_some();
    void read_large();
    [[nodiscard]] bool take(std::span<char> bytes);
    void keep(std::string_view rest);
    void discard_input();
    void lose(const transport::io_result& result);
    void say_goodbye();

    event_loop* shard_;
    transport::stream_ptr stream_;
    /// Input not used up: part of a frame, or frames that must wait. Null: none.
    std::unique_ptr<std::string> pending_;
    bool is_writing_ = false; ///< waits for the socket to take more
    bool is_ending_ = false;  ///< closes once the output is out
    bool is_shut_ = false;    ///< our side has ended, the peer's has not
    bool is_gone_ = false;
};

} // namespace gv::shard
