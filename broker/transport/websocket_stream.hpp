// SPDX-License-Identifier: Apache-2.0
// Inside of websocket.cpp: heavy, for no other file.
//
// States: requesting (reading the HTTP request) → accepting (Beast sends the answer) → open →
// ended. Every operation given to Beast, to a timer or to the io_context carries an `operation`,
// which keeps the stream in memory until the last of them is gone.
#pragma once

#include "broker/transport/websocket.hpp"
#include "broker/transport/websocket_carrier.hpp"
#include "broker/transport/websocket_handshake.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace gv::transport {

class websocket_stream final : public stream, private readiness_handler {
  public:
    websocket_stream(boost::asio::io_context& context, stream_ptr carrier,
                     std::shared_ptr<const websocket_options> options);

    io_result read(std::span<char> into) override;
    io_result write(std::span<const iovec> from) override;
    void wait_readable() override;
    void wait_writable() override;
    void shutdown() override;
    void close() noexcept override;

    [[nodiscard]] bool has_buffered_input() const noexcept override {
        return input_at_ < input_size_;
    }
    [[nodiscard]] std::size_t unsent() const noexcept override {
        return flying_.size() + next_.size();
    }
    [[nodiscard]] endpoint peer() const noexcept override {
        return real_peer_ != nullptr ? *real_peer_ : beneath_->peer();
    }
    [[nodiscard]] endpoint local() const noexcept override { return beneath_->local(); }
    [[nodiscard]] std::optional<tls_info> tls() const override { return beneath_->tls(); }
    [[nodiscard]] std::string failure_text() const override { return failure_; }
    [[nodiscard]] int native_handle() const noexcept override { return beneath_->native_handle(); }

  private:
    enum class state : std::uint8_t { requesting, accepting, open, ended };
    class operation;
    struct handshake;

    ~websocket_stream() override = default;
    void release() noexcept override;
    void forget_operation() noexcept;

    void on_readable() override;
    void on_writable() override;

    void begin();
    void read_request();
    void accept(upgrade request);
    void refuse(const refusal& why);
    void opened(const boost::system::error_code& error);

    void start_read();
    void read_done(const boost::system::error_code& error, std::size_t bytes);
    void start_write();
    void write_done(const boost::system::error_code& error);
    void send_close(boost::beast::websocket::close_code code);
    void close_done(const boost::system::error_code& error);

    void end(const boost::system::error_code& error);
    void end_badly(int error, std::string text);
    void notify_later();
    void notify();

    boost::beast::websocket::stream<websocket_carrier, false>& beast() noexcept { return *beast_; }

    boost::asio::io_context::executor_type executor_;
    stream_ptr beneath_;
    std::unique_ptr<handshake> handshake_;
    std::optional<boost::beast::websocket::stream<websocket_carrier, false>> beast_;
    std::unique_ptr<endpoint> real_peer_;
    std::unique_ptr<char[]> input_;
    std::uint32_t input_room_ = 0;
    std::uint32_t input_at_ = 0;
    std::uint32_t input_size_ = 0;
    std::string flying_; ///< being written
    std::string next_;   ///< gathered meanwhile
    std::string failure_;
    int error_ = 0; ///< of the end; 0: orderly
    unsigned operations_ = 0;
    state state_ = state::requesting;
    bool is_reading_ = false;
    bool is_writing_ = false;
    bool is_ending_ = false;
    bool close_sent_ = false;
    bool is_closing_ = false; ///< Beast is at it
    bool is_released_ = false;
    bool wants_read_ = false;
    bool wants_write_ = false;
};

class websocket_stream::operation {
  public:
    explicit operation(websocket_stream* of) noexcept : of_(of) { ++of_->operations_; }
    operation(operation&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    operation& operator=(operation&&) = delete;
    ~operation() {
        if (of_ != nullptr) {
            of_->forget_operation();
        }
    }
    websocket_stream* operator->() const noexcept { return of_; }

  private:
    websocket_stream* of_;
};

struct websocket_stream::handshake {
    handshake(const boost::asio::io_context::executor_type& executor,
              std::shared_ptr<const websocket_options> rules)
        : options(std::move(rules)), reader(*options), timer(executor) {}

    std::shared_ptr<const websocket_options> options;
    upgrade_reader reader;
    boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                      boost::asio::wait_traits<std::chrono::steady_clock>,
                                      boost::asio::io_context::executor_type>
        timer;
    upgrade_request request; ///< while Beast answers it
    bool has_begun = false;
};

} // namespace gv::transport
