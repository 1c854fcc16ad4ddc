// SPDX-License-Identifier: Apache-2.0
// Beast's AsyncStream over our seam: what a WebSocket stream has beneath it. At most one read and
// one write at a time, as Beast promises. The handlers run on the one thread of the io_context.
#pragma once

#include "broker/transport/transport.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/role.hpp>

#include <array>
#include <functional>
#include <string>
#include <utility>

namespace gv::transport {

class websocket_carrier {
  public:
    using executor_type = boost::asio::io_context::executor_type;

    websocket_carrier(stream& beneath, executor_type executor)
        : beneath_(beneath), executor_(executor) {}

    [[nodiscard]] executor_type get_executor() const noexcept { return executor_; }

    /// Bytes that were read too far, to be read again first.
    void unread(std::string bytes) { unread_ = std::move(bytes); }

    template <typename Buffers, typename Token>
    auto async_read_some(const Buffers& into, Token&& token) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
            [this](auto handler, const Buffers& buffers) {
                const boost::asio::mutable_buffer first = first_of(buffers);
                read_into_ = {static_cast<char*>(first.data()), first.size()};
                read_handler_ = std::move(handler);
                start(read(), read_handler_);
            },
            token, into);
    }

    template <typename Buffers, typename Token>
    auto async_write_some(const Buffers& from, Token&& token) {
        return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
            [this](auto handler, const Buffers& buffers) {
                gather(buffers);
                write_handler_ = std::move(handler);
                start(write(), write_handler_);
            },
            token, from);
    }

    /// Goes on with the operation that waited for the stream beneath. The handler is called from
    /// within, and may end everything.
    void on_readable() { resume(read_handler_, &websocket_carrier::read); }
    void on_writable() { resume(write_handler_, &websocket_carrier::write); }

    /// Ends what is outstanding with operation_aborted, from the io_context.
    void abort() {
        for (auto* handler : {&read_handler_, &write_handler_}) {
            if (*handler) {
                finish_later(std::exchange(*handler, nullptr),
                             {boost::asio::error::operation_aborted, 0});
            }
        }
    }

    friend void beast_close_socket(websocket_carrier& gone) { gone.beneath_.close(); }

    template <typename Handler>
    friend void async_teardown(boost::beast::role_type, websocket_carrier& gone,
                               Handler&& handler) {
        gone.beneath_.shutdown();
        boost::asio::post(gone.executor_, [h = std::forward<Handler>(handler)]() mutable {
            h(boost::system::error_code());
        });
    }

  private:
    using completion = std::move_only_function<void(boost::system::error_code, std::size_t)>;
    struct outcome {
        boost::system::error_code error;
        std::size_t bytes;
    };
    static constexpr std::size_t iovec_max = 8;

    template <typename Buffers>
    static boost::asio::mutable_buffer first_of(const Buffers& buffers) {
        for (auto at = boost::asio::buffer_sequence_begin(buffers);
             at != boost::asio::buffer_sequence_end(buffers); ++at) {
            const boost::asio::mutable_buffer each = *at;
            if (each.size() > 0) {
                return each;
            }
        }
        return {};
    }

    template <typename Buffers>
    void gather(const Buffers& buffers) {
        write_count_ = 0;
        for (auto at = boost::asio::buffer_sequence_begin(buffers);
             at != boost::asio::buffer_sequence_end(buffers) && write_count_ < iovec_max; ++at) {
            const boost::asio::const_buffer each = *at;
            if (each.size() > 0) {
                write_from_[write_count_++] = {const_cast<void*>(each.data()), each.size()};
            }
        }
    }

    /// Nothing: it would block, and the wait has begun.
    std::optional<outcome> read() {
        if (read_into_.empty()) {
            return outcome{{}, 0};
        }
        if (!unread_.empty()) {
            const auto count = unread_.copy(read_into_.data(), read_into_.size());
            unread_.erase(0, count);
            return outcome{{}, count};
        }
        const auto done = beneath_.read(read_into_);
        if (done.state == io_state::would_block) {
            beneath_.wait_readable();
            return std::nullopt;
        }
        return done.state == io_state::closed ? outcome{boost::asio::error::eof, 0}
                                              : outcome{done.error, done.bytes};
    }

    std::optional<outcome> write() {
        if (write_count_ == 0) {
            return outcome{{}, 0};
        }
        const auto done = beneath_.write({write_from_.data(), write_count_});
        if (done.state == io_state::would_block) {
            beneath_.wait_writable();
            return std::nullopt;
        }
        return outcome{done.error, done.bytes};
    }

    /// An operation that ends at once must still not call its handler from where it was started.
    void start(std::optional<outcome> done, completion& handler) {
        if (done) {
            finish_later(std::exchange(handler, nullptr), *done);
        }
    }

    void finish_later(completion handler, outcome done) {
        boost::asio::post(executor_,
                          [h = std::move(handler), done]() mutable { h(done.error, done.bytes); });
    }

    void resume(completion& handler, std::optional<outcome> (websocket_carrier::*attempt)()) {
        if (!handler) {
            return;
        }
        if (const auto done = (this->*attempt)()) {
            std::exchange(handler, nullptr)(done->error, done->bytes);
        }
    }

    stream& beneath_;
    executor_type executor_;
    completion read_handler_;
    completion write_handler_;
    std::span<char> read_into_;
    std::array<iovec, iovec_max> write_from_{};
    std::size_t write_count_ = 0;
    std::string unread_;
};

} // namespace gv::transport
