// SPDX-License-Identifier: Apache-2.0
#include "base/assert.hpp"
#include "broker/transport/socket.hpp"
#include "broker/transport/websocket_stream.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <cstring>

namespace gv::transport {

namespace websocket = boost::beast::websocket;
using boost::system::error_code;

namespace {

/// Room for what one read of Beast brings. It starts small, since an idle connection holds it, and
/// grows while reads fill it.
constexpr std::size_t input_room_min = 1024;
constexpr std::size_t input_room_max = 64 * 1024;

} // namespace

websocket_stream::websocket_stream(boost::asio::io_context& context, stream_ptr carrier,
                                   std::shared_ptr<const websocket_options> options)
    : stream(carrier->kind() == stream_kind::tls ? stream_kind::secure_websocket
                                                 : stream_kind::websocket),
      executor_(context.get_executor()), beneath_(std::move(carrier)),
      handshake_(std::make_unique<handshake>(executor_, std::move(options))) {
    beneath_->set_handler(*this);
}

void websocket_stream::release() noexcept {
    const operation keep(this);
    close();
    is_released_ = true;
}

void websocket_stream::forget_operation() noexcept {
    if (--operations_ == 0 && is_released_) {
        delete this;
    }
}

void websocket_stream::close() noexcept {
    forget_handler();
    state_ = state::ended;
    beneath_->close();
    if (handshake_ != nullptr) {
        handshake_->timer.cancel();
    }
    if (beast_) {
        beast().next_layer().abort();
    }
}

// Readiness of the stream beneath.

void websocket_stream::on_readable() {
    const operation keep(this);
    if (state_ == state::requesting) {
        read_request();
    } else if (beast_) {
        beast().next_layer().on_readable();
    }
}

void websocket_stream::on_writable() {
    const operation keep(this);
    if (beast_) {
        beast().next_layer().on_writable();
    }
}

// The upgrade.

void websocket_stream::begin() {
    if (handshake_->has_begun) {
        return;
    }
    handshake_->has_begun = true;
    handshake_->timer.expires_after(handshake_->options->handshake_timeout);
    handshake_->timer.async_wait([keep = operation(this)](const error_code& error) {
        if (!error && keep->handshake_ != nullptr && keep->state_ != state::ended) {
            keep->end_badly(ETIMEDOUT, "no WebSocket handshake in time");
        }
    });
    beneath_->wait_readable();
}

void websocket_stream::read_request() {
    std::array<char, 2048> bytes;
    while (state_ == state::requesting) {
        const auto done = beneath_->read(bytes);
        if (done.state == io_state::would_block) {
            beneath_->wait_readable();
            return;
        }
        if (done.state != io_state::ok) {
            const bool is_end = done.state == io_state::closed;
            end_badly(is_end ? ECONNRESET : done.error.value(),
                      is_end ? "the client closed the connection during the WebSocket handshake"
                             : beneath_->failure_text());
            return;
        }
        auto verdict = handshake_->reader.put({bytes.data(), done.bytes});
        if (verdict && *verdict) {
            accept(std::move(**verdict));
        } else if (verdict) {
            refuse(verdict->error());
        }
    }
}

void websocket_stream::accept(upgrade found) {
    state_ = state::accepting;
    if (found.real_peer) {
        real_peer_ = std::make_unique<endpoint>(*found.real_peer);
    }
    handshake_->request = std::move(found.request);
    beast_.emplace(*beneath_, executor_);
    beast().next_layer().unread(std::move(found.leftover));
    beast().binary(true);
    beast().auto_fragment(false);
    beast().read_message_max(0); // streamed, never gathered
    beast().set_option(websocket::stream_base::decorator(
        [subprotocol = std::move(found.subprotocol)](websocket::response_type& answer) {
            answer.set(boost::beast::http::field::server, "grapevine");
            answer.set(boost::beast::http::field::sec_websocket_protocol, subprotocol);
        }));
    beast().async_accept(handshake_->request, [keep = operation(this)](const error_code& error) {
        keep->opened(error);
    });
}

void websocket_stream::refuse(const refusal& why) {
    if (!why.response.empty()) {
        const iovec answer{const_cast<char*>(why.response.data()), why.response.size()};
        // A fresh socket takes a few hundred bytes at once.
        static_cast<void>(beneath_->write({&answer, 1}));
    }
    end_badly(EPROTO, why.reason);
}

void websocket_stream::opened(const error_code& error) {
    if (state_ == state::ended) {
        return;
    }
    if (error) {
        end_badly(EPROTO, "WebSocket handshake refused: " + error.message());
        return;
    }
    beast().set_option(websocket::stream_base::decorator(
        [](websocket::response_type&) {})); // frees what the other one held
    handshake_.reset();
    state_ = state::open;
    if (wants_read_) {
        start_read();
    }
    notify();
}

// Reading.

io_result websocket_stream::read(std::span<char> into) {
    if (has_buffered_input()) {
        const auto count = std::min<std::size_t>(into.size(), input_size_ - input_at_);
        std::memcpy(into.data(), input_.get() + input_at_, count);
        input_at_ += static_cast<std::uint32_t>(count);
        return moved(count);
    }
    if (state_ == state::ended) {
        return error_ == 0 ? ended() : failed_with(error_);
    }
    return would_block();
}

void websocket_stream::wait_readable() {
    wants_read_ = true;
    if (state_ == state::requesting) {
        begin();
    } else if (state_ == state::ended || has_buffered_input()) {
        notify_later();
    } else if (state_ == state::open) {
        start_read();
    }
}

void websocket_stream::start_read() {
    if (is_reading_) {
        return;
    }
    const std::uint32_t wanted = input_room_ == 0 ? input_room_min
                                 : input_size_ == input_room_
                                     ? std::min<std::uint32_t>(input_room_ * 4, input_room_max)
                                 : input_size_ < input_room_min ? input_room_min
                                                                : input_room_;
    if (wanted != input_room_) {
        input_ = std::make_unique_for_overwrite<char[]>(wanted);
        input_room_ = wanted;
    }
    input_at_ = 0;
    input_size_ = 0;
    is_reading_ = true;
    beast().async_read_some(boost::asio::buffer(input_.get(), input_room_),
                            [keep = operation(this)](const error_code& error, std::size_t bytes) {
                                keep->read_done(error, bytes);
                            });
}

void websocket_stream::read_done(const error_code& error, std::size_t bytes) {
    is_reading_ = false;
    const bool closer_knows = error == boost::asio::error::operation_aborted && is_closing_;
    if (state_ == state::ended || closer_knows) {
        return;
    }
    const bool is_text = beast().got_text();
    if (is_text && (!error || error == websocket::error::bad_frame_payload)) {
        send_close(websocket::close_code::unknown_data);
        end_badly(EPROTO, "a WebSocket text frame; MQTT needs binary frames");
        return;
    }
    if (error) {
        end(error);
        return;
    }
    if (bytes == 0) {
        start_read(); // an empty frame
        return;
    }
    input_size_ = static_cast<std::uint32_t>(bytes);
    if (std::exchange(wants_read_, false)) {
        handler().on_readable();
    }
}

// Writing.

io_result websocket_stream::write(std::span<const iovec> from) {
    if (state_ == state::ended) {
        return failed_with(error_ == 0 ? EPIPE : error_);
    }
    const auto room = websocket_unsent_max - unsent();
    if (state_ != state::open || is_ending_ || room == 0) {
        return would_block();
    }
    std::size_t taken = 0;
    for (const auto& each : from) {
        const auto count = std::min(each.iov_len, room - taken);
        next_.append(static_cast<const char*>(each.iov_base), count);
        taken += count;
    }
    if (!is_writing_ && !next_.empty()) {
        start_write();
    }
    return moved(taken);
}

void websocket_stream::start_write() {
    flying_.swap(next_);
    is_writing_ = true;
    beast().async_write(boost::asio::buffer(flying_),
                        [keep = operation(this)](const error_code& error, std::size_t) {
                            keep->write_done(error);
                        });
}

void websocket_stream::write_done(const error_code& error) {
    is_writing_ = false;
    std::string().swap(flying_); // an idle connection holds no buffer
    if (state_ == state::ended) {
        return;
    }
    if (error) {
        end(error);
        return;
    }
    if (!next_.empty()) {
        start_write();
    } else if (is_ending_) {
        send_close(websocket::close_code::normal);
    }
    if (std::exchange(wants_write_, false)) {
        handler().on_writable();
    }
}

void websocket_stream::wait_writable() {
    wants_write_ = true;
    if (state_ == state::requesting) {
        begin();
    } else if (state_ == state::ended || (state_ == state::open && !is_writing_)) {
        notify_later();
    }
}

// Ending.

void websocket_stream::shutdown() {
    is_ending_ = true;
    if (state_ == state::open && !is_writing_) {
        send_close(websocket::close_code::normal);
    } else if (state_ != state::open) {
        beneath_->shutdown();
    }
}

void websocket_stream::send_close(websocket::close_code code) {
    if (close_sent_) {
        return;
    }
    close_sent_ = true;
    is_closing_ = true;
    beast().async_close(
        websocket::close_reason(code),
        [keep = operation(this)](const error_code& error) { keep->close_done(error); });
}

void websocket_stream::close_done(const error_code& error) {
    is_closing_ = false;
    // Beast tells the cause to one of its operations and "aborted" to the others.
    const bool reader_knows = error == boost::asio::error::operation_aborted && is_reading_;
    if (state_ != state::ended && !reader_knows) {
        end(error);
    }
}

/// As Beast tells. A FIN without a close frame is an end as good as any: MQTT frames itself.
void websocket_stream::end(const error_code& error) {
    if (!error || error == websocket::error::closed || error == boost::asio::error::eof) {
        state_ = state::ended;
        beneath_->shutdown();
        notify();
        return;
    }
    auto text = beneath_->failure_text();
    const bool is_of_system = error.category() == boost::system::system_category();
    end_badly(is_of_system ? error.value() : EPROTO, text.empty() ? error.message() : text);
}

void websocket_stream::end_badly(int error, std::string text) {
    state_ = state::ended;
    error_ = error;
    failure_ = std::move(text);
    if (handshake_ != nullptr) {
        handshake_->timer.cancel();
    }
    if (!close_sent_) {
        beneath_->shutdown();
    }
    notify();
}

void websocket_stream::notify_later() {
    boost::asio::post(executor_, [keep = operation(this)] { keep->notify(); });
}

/// Only what is true: input or the end to a reader, room or the end to a writer.
void websocket_stream::notify() {
    const bool is_over = state_ == state::ended;
    if (has_handler() && (is_over || has_buffered_input()) && std::exchange(wants_read_, false)) {
        handler().on_readable();
    }
    if (has_handler() && (is_over || state_ == state::open) && std::exchange(wants_write_, false)) {
        handler().on_writable();
    }
}

stream_ptr make_websocket_stream(boost::asio::io_context& context, stream_ptr carrier,
                                 std::shared_ptr<const websocket_options> options) {
    BROKER_ASSERT(carrier->kind() == stream_kind::tcp || carrier->kind() == stream_kind::tls,
                  "a WebSocket runs over TCP or TLS");
    return stream_ptr(new websocket_stream(context, std::move(carrier), std::move(options)));
}

} // namespace gv::transport
