// SPDX-License-Identifier: Apache-2.0
// States: handshaking → established → failed, the last from both. A BIO of our own stands between
// OpenSSL and the socket: it never raises SIGPIPE, and it knows when the socket is drained, which
// saves the receive that would only say so.
//
// Output: OpenSSL insists on finishing a record that the socket did not take. Since such a record
// is already encrypted, its bytes count as taken, and the stream itself finishes it when the
// socket is writable (`pending_`). One SSL_write makes exactly one record.
#include "broker/transport/tls.hpp"

#include "broker/transport/tls_records.hpp"
#include "broker/transport/tls_texts.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace gv::transport {

namespace {

class tls_stream final : public socket_stream {
  public:
    tls_stream(boost::asio::io_context& context, accepted_socket from, const tls_context& rules);

    io_result read(std::span<char> into) override;
    io_result write(std::span<const iovec> from) override;
    void wait_readable() override;
    void wait_writable() override;
    void shutdown() override;

    [[nodiscard]] bool has_buffered_input() const noexcept override {
        return may_have_more_ && SSL_has_pending(ssl_) != 0;
    }
    [[nodiscard]] std::size_t unsent() const noexcept override { return pending_; }
    [[nodiscard]] std::optional<tls_info> tls() const override;
    [[nodiscard]] std::string failure_text() const override;

  private:
    enum class state : std::uint8_t { handshaking, established, failed };

    ~tls_stream() override { SSL_free(ssl_); }
    void socket_readable() override;
    void socket_writable() override;

    static const BIO_METHOD* socket_method();
    int bio_read(BIO* bio, std::span<char> into);
    int bio_write(BIO* bio, std::span<const char> from);

    void advance_handshake();
    void established();
    bool finish_record();
    void send_close_notify();
    void fail(int code, const char* when);
    [[nodiscard]] std::string describe(int ssl_error, const char* when) const;
    [[nodiscard]] io_result failure_result() const noexcept { return failed_with(failed_errno_); }
    void wait_for_socket(int ssl_want);
    void tell_reader();
    void tell_writer();

    SSL* ssl_;
    std::unique_ptr<std::string> failure_;
    std::size_t pending_ = 0; ///< bytes of the record that the socket did not take
    int failed_errno_ = 0;
    int bio_error_ = 0;
    std::uint16_t record_size_ = 0;
    state state_ = state::handshaking;
    unsigned char first_byte_ = 0;
    bool has_first_byte_ = false;
    bool drained_ = false;       ///< the socket gave less than was asked; nothing is left in it
    bool may_have_more_ = false; ///< the last read did not take all that OpenSSL holds
    bool at_eof_ = false;
    bool wants_read_ = false;
    bool wants_write_ = false;
    bool is_ending_ = false;
};

tls_stream::tls_stream(boost::asio::io_context& context, accepted_socket from,
                       const tls_context& rules)
    : socket_stream(stream_kind::tls, context, std::move(from)), ssl_(SSL_new(rules.native())) {
    BROKER_ASSERT(ssl_ != nullptr, "out of memory for TLS");
    BIO* bio = BIO_new(socket_method());
    BROKER_ASSERT(bio != nullptr, "out of memory for TLS");
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_, bio, bio);
    SSL_set_accept_state(ssl_);
}

const BIO_METHOD* tls_stream::socket_method() {
    static const BIO_METHOD* const method = [] {
        BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
        BIO_meth_set_read(made, [](BIO* bio, char* into, int size) {
            return static_cast<tls_stream*>(BIO_get_data(bio))
                ->bio_read(bio, {into, static_cast<std::size_t>(size)});
        });
        BIO_meth_set_write(made, [](BIO* bio, const char* from, int size) {
            return static_cast<tls_stream*>(BIO_get_data(bio))
                ->bio_write(bio, {from, static_cast<std::size_t>(size)});
        });
        BIO_meth_set_ctrl(made, [](BIO* bio, int command, long, void*) -> long {
            if (command == BIO_CTRL_EOF) {
                return static_cast<tls_stream*>(BIO_get_data(bio))->at_eof_ ? 1 : 0;
            }
            return command == BIO_CTRL_FLUSH ? 1 : 0;
        });
        return made;
    }();
    return method;
}

int tls_stream::bio_read(BIO* bio, std::span<char> into) {
    BIO_clear_retry_flags(bio);
    if (drained_) {
        BIO_set_retry_read(bio);
        return -1;
    }
    const auto [what, count, error] = receive(into);
    if (what == io_state::ok) {
        drained_ = count < into.size();
        if (!has_first_byte_) {
            has_first_byte_ = true;
            first_byte_ = static_cast<unsigned char>(into.front());
        }
        return static_cast<int>(count);
    }
    if (what == io_state::would_block) {
        BIO_set_retry_read(bio);
        return -1;
    }
    at_eof_ = what == io_state::closed;
    bio_error_ = error.value();
    return at_eof_ ? 0 : -1;
}

int tls_stream::bio_write(BIO* bio, std::span<const char> from) {
    BIO_clear_retry_flags(bio);
    const iovec whole{const_cast<char*>(from.data()), from.size()};
    const auto [what, count, error] = send({&whole, 1});
    if (what == io_state::ok) {
        return static_cast<int>(count);
    }
    if (what == io_state::would_block) {
        BIO_set_retry_write(bio);
    }
    bio_error_ = error.value();
    return -1;
}

void tls_stream::advance_handshake() {
    drained_ = false;
    ERR_clear_error();
    const int code = SSL_do_handshake(ssl_);
    if (code == 1) {
        established();
        return;
    }
    const int error = SSL_get_error(ssl_, code);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
        fail(error, "during the TLS handshake");
    }
}

void tls_stream::established() {
    state_ = state::established;
    may_have_more_ = true;
    const auto fragment = SSL_SESSION_get_max_fragment_length(SSL_get0_session(ssl_));
    // RFC 6066, 4: 1 to 4 stand for 2^9 to 2^12.
    record_size_ = static_cast<std::uint16_t>(fragment == 0 ? record_max : 256UL << fragment);
}

io_result tls_stream::read(std::span<char> into) {
    if (state_ == state::handshaking) {
        advance_handshake();
    }
    if (state_ == state::handshaking) {
        return would_block();
    }
    drained_ = false;
    may_have_more_ = true;
    std::size_t filled = 0;
    while (state_ == state::established && filled < into.size()) {
        ERR_clear_error();
        std::size_t count = 0;
        const int code = SSL_read_ex(ssl_, into.data() + filled, into.size() - filled, &count);
        if (code == 1) {
            filled += count;
            continue;
        }
        may_have_more_ = false;
        const int error = SSL_get_error(ssl_, code);
        if (error == SSL_ERROR_WANT_WRITE) {
            socket_stream::wait_writable();
        } else if (error == SSL_ERROR_ZERO_RETURN && filled == 0) {
            return ended();
        } else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_ZERO_RETURN) {
            fail(error, "while reading");
        }
        break;
    }
    if (filled > 0) {
        return moved(filled);
    }
    return state_ == state::failed ? failure_result() : would_block();
}

io_result tls_stream::write(std::span<const iovec> from) {
    if (state_ == state::failed) {
        return failure_result();
    }
    if (state_ == state::handshaking || !finish_record()) {
        return state_ == state::failed ? failure_result() : would_block();
    }
    std::size_t taken = 0;
    record_source source(from);
    while (!source.at_end() && pending_ == 0) {
        const auto record = source.next(record_size_);
        ERR_clear_error();
        const int code = SSL_write(ssl_, record.data(), static_cast<int>(record.size()));
        if (code <= 0) {
            const int error = SSL_get_error(ssl_, code);
            if (error != SSL_ERROR_WANT_WRITE) {
                fail(error, "while writing");
                return failure_result();
            }
            pending_ = record.size();
            socket_stream::wait_writable();
        }
        taken += record.size();
    }
    return moved(taken);
}

/// False while a record is not out yet.
bool tls_stream::finish_record() {
    if (pending_ == 0) {
        return true;
    }
    // Only the size is looked at: the record was encrypted when it was taken.
    static constexpr std::array<char, record_max> no_bytes{};
    ERR_clear_error();
    const int code = SSL_write(ssl_, no_bytes.data(), static_cast<int>(pending_));
    if (code > 0) {
        pending_ = 0;
        return true;
    }
    const int error = SSL_get_error(ssl_, code);
    if (error == SSL_ERROR_WANT_WRITE) {
        socket_stream::wait_writable();
    } else {
        fail(error, "while writing");
    }
    return false;
}

void tls_stream::wait_readable() {
    wants_read_ = true;
    const bool is_known = state_ == state::failed || has_buffered_input()
                          || (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0;
    is_known ? post_readable() : socket_stream::wait_readable();
    if (state_ == state::handshaking && SSL_want(ssl_) == SSL_WRITING) {
        socket_stream::wait_writable();
    }
}

void tls_stream::wait_writable() {
    wants_write_ = true;
    switch (state_) {
    case state::handshaking:
        socket_stream::wait_readable();
        return;
    case state::established:
        socket_stream::wait_writable();
        return;
    case state::failed:
        post_writable();
        return;
    }
}

void tls_stream::wait_for_socket(int ssl_want) {
    ssl_want == SSL_WRITING ? socket_stream::wait_writable() : socket_stream::wait_readable();
}

void tls_stream::socket_readable() {
    const bool was_handshaking = state_ == state::handshaking;
    if (was_handshaking) {
        advance_handshake();
    }
    if (state_ == state::handshaking) {
        wait_for_socket(SSL_want(ssl_));
        return;
    }
    tell_reader();
    if (was_handshaking || state_ == state::failed) {
        tell_writer();
    }
}

void tls_stream::socket_writable() {
    if (state_ == state::handshaking) {
        socket_readable();
        return;
    }
    if (!finish_record() && state_ == state::established) {
        return;
    }
    if (is_ending_) {
        send_close_notify();
    }
    // A reader may have been held up by output that TLS itself had to make.
    tell_reader();
    tell_writer();
}

// Each may end the stream: only its handler may be asked after that.

void tls_stream::tell_reader() {
    if (has_handler() && std::exchange(wants_read_, false)) {
        handler().on_readable();
    }
}

void tls_stream::tell_writer() {
    if (has_handler() && std::exchange(wants_write_, false)) {
        handler().on_writable();
    }
}

void tls_stream::shutdown() {
    is_ending_ = true;
    if (state_ == state::established && pending_ == 0) {
        send_close_notify();
    } else if (state_ != state::established) {
        end_output();
    }
}

void tls_stream::send_close_notify() {
    if (state_ == state::established && (SSL_get_shutdown(ssl_) & SSL_SENT_SHUTDOWN) == 0) {
        ERR_clear_error();
        const int code = SSL_shutdown(ssl_);
        if (code < 0 && SSL_get_error(ssl_, code) == SSL_ERROR_WANT_WRITE) {
            socket_stream::wait_writable();
            return;
        }
        ERR_clear_error();
    }
    end_output();
}

void tls_stream::fail(int ssl_error, const char* when) {
    failure_ = std::make_unique<std::string>(describe(ssl_error, when));
    failed_errno_ = bio_error_ != 0 ? bio_error_ : at_eof_ ? ECONNRESET : EPROTO;
    state_ = state::failed;
    pending_ = 0;
    ERR_clear_error();
    end_output(); // behind the alert that OpenSSL has sent
}

std::string tls_stream::describe(int ssl_error, const char* when) const {
    if (bio_error_ != 0) {
        return boost::system::system_category().message(bio_error_) + " " + when;
    }
    const char* stranger =
        state_ == state::handshaking && has_first_byte_ ? tls_stranger(first_byte_) : nullptr;
    if (stranger != nullptr) {
        return stranger;
    }
    if (at_eof_) {
        return std::string("the client closed the connection ") + when;
    }
    const auto verdict = SSL_get_verify_result(ssl_);
    if (verdict != X509_V_OK) {
        return std::string("client certificate refused: ") + X509_verify_cert_error_string(verdict);
    }
    const auto code = ERR_peek_error();
    if (const char* known = tls_reason(ERR_GET_REASON(code))) {
        return known;
    }
    const char* reason = ERR_reason_error_string(code);
    return std::string(reason != nullptr ? reason : "TLS error " + std::to_string(ssl_error)) + " "
           + when;
}

std::string tls_stream::failure_text() const {
    return failure_ != nullptr ? *failure_ : socket_stream::failure_text();
}

std::optional<tls_info> tls_stream::tls() const {
    if (state_ != state::established) {
        return std::nullopt;
    }
    tls_info info{.version = SSL_get_version(ssl_),
                  .cipher = SSL_get_cipher_name(ssl_),
                  .client_common_name = {},
                  .client_subject = {}};
    if (const X509* peer = SSL_get0_peer_certificate(ssl_)) {
        auto* subject = X509_get_subject_name(peer);
        info.client_common_name = tls_common_name(subject);
        info.client_subject = tls_subject(subject);
    }
    return info;
}

} // namespace

stream_ptr make_tls_stream(boost::asio::io_context& context, accepted_socket from,
                           const tls_context& rules) {
    return stream_ptr(new tls_stream(context, std::move(from), rules));
}

} // namespace gv::transport
