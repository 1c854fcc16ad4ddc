// SPDX-License-Identifier: Apache-2.0
// The seam between a connection and what carries its bytes: TCP, TLS, WebSocket, secure WebSocket.
//
// Everything is non-blocking plus readiness. A connection reads until `would_block` or a short
// read, then asks to be told when there is more; it writes at once and asks to be told only when
// the peer does not take all of it. Handshakes (TLS, HTTP upgrade) happen inside: until they are
// done `read` and `write` say `would_block`, and readiness is signalled when they have ended,
// well or badly.
//
//   on_accepted(stream_ptr s)      s->set_handler(*this); s->wait_readable();
//   on_readable()                  do { r = s->read(scratch); … } while (full read, within bounds);
//                                  s->wait_readable();
//   to say good-bye                s->shutdown(); then go on reading until `closed` or `failed`,
//                                  or until a deadline of the connection's own; s.reset();
//
// A stream belongs to the io_context (one thread) that it was made for and never leaves it.
#pragma once

#include "broker/transport/endpoint.hpp"

#include <boost/system/error_code.hpp>

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace gv::transport {

enum class io_state : std::uint8_t {
    ok,          ///< `bytes` were moved, at least one
    would_block, ///< nothing now; wait
    closed,      ///< the peer ended in order: FIN, close_notify, WebSocket close; only from read
    failed       ///< the stream is of no more use; `error`, and in words `failure_text()`
};

struct io_result {
    io_state state = io_state::ok;
    std::size_t bytes = 0;
    boost::system::error_code error;
};

enum class stream_kind : std::uint8_t { tcp, tls, websocket, secure_websocket };

[[nodiscard]] const char* to_string(stream_kind kind) noexcept;

/// What the TLS handshake agreed on.
struct tls_info {
    std::string version;            ///< "TLSv1.3"
    std::string cipher;             ///< "TLS_AES_256_GCM_SHA384"
    std::string client_common_name; ///< CN of the verified client certificate; empty: none
    std::string client_subject;     ///< its subject, RFC 2253; empty: no client certificate
};

/// Whoever reads and writes a stream. Says only that it is worth trying; what happened is told by
/// the `read` or `write` that follows. A call may end the stream it came from.
class readiness_handler {
  public:
    virtual void on_readable() = 0;
    virtual void on_writable() = 0;

  protected:
    ~readiness_handler() = default;
};

/// Moves bytes between us and one peer.
class stream {
  public:
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;

    /// Whom to tell. Lifetime: `handler` lives until another is set or the stream is closed.
    void set_handler(readiness_handler& handler) noexcept { handler_ = &handler; }
    [[nodiscard]] stream_kind kind() const noexcept { return kind_; }

    /// Takes what is there, at most `into.size()` bytes. A short read means that asking again is
    /// not worth it, unless `has_buffered_input()`. Requires: `into` is not empty.
    virtual io_result read(std::span<char> into) = 0;

    /// Gives the bytes of `from` in order, as many as are taken now; fewer than offered means that
    /// the rest would block. What was taken goes out without another call. TLS and WebSocket may
    /// keep some of it for a while: see unsent().
    virtual io_result write(std::span<const iovec> from) = 0;

    /// Calls on_readable once: when there is input, the end, an error, or the handshake failed.
    /// Never calls it before returning. Waiting again while waiting changes nothing. Input that is
    /// already here counts: whoever stops after a full read to let others have their turn waits
    /// and goes on. Requires: a handler.
    virtual void wait_readable() = 0;

    /// Calls on_writable once, when a write may take bytes or fail; otherwise as wait_readable.
    virtual void wait_writable() = 0;

    /// Decrypted or unframed bytes are in memory, so that no readiness of the socket announces
    /// them: read again instead of waiting. (A wait would also find them.)
    [[nodiscard]] virtual bool has_buffered_input() const noexcept { return false; }

    /// Bytes that `write` took and that the socket has not taken yet: nothing for TCP, at most one
    /// record (16 KiB) for TLS, at most websocket_unsent_max for WebSocket.
    [[nodiscard]] virtual std::size_t unsent() const noexcept { return 0; }

    /// Begins the orderly end: what was written goes out, then FIN, close_notify or a WebSocket
    /// close frame (1000). Nothing may be written after. Reading goes on: input that nobody reads
    /// makes the kernel reset the connection at close, which may cost the peer our last words.
    virtual void shutdown() = 0;

    /// Ends at once. Waits are dropped: after this returns the handler is not called any more.
    virtual void close() noexcept = 0;

    [[nodiscard]] virtual endpoint peer() const noexcept = 0;
    /// Our side, as the kernel tells; `family::none` once closed.
    [[nodiscard]] virtual endpoint local() const noexcept = 0;
    /// Set once a TLS handshake is done; never for plain streams.
    [[nodiscard]] virtual std::optional<tls_info> tls() const { return std::nullopt; }
    /// For the log, after `failed`: what went wrong, with the likely cause where it is known
    /// ("plain MQTT on a TLS port"). Empty before.
    [[nodiscard]] virtual std::string failure_text() const = 0;
    /// The socket, for the socket options of a listener and for tests; -1 once closed.
    [[nodiscard]] virtual int native_handle() const noexcept = 0;

  protected:
    explicit stream(stream_kind kind) noexcept : kind_(kind) {}
    virtual ~stream() = default;
    [[nodiscard]] readiness_handler& handler() const noexcept { return *handler_; }
    void forget_handler() noexcept { handler_ = nullptr; }
    [[nodiscard]] bool has_handler() const noexcept { return handler_ != nullptr; }

  private:
    friend struct stream_release;
    /// Closes, and frees the stream as soon as none of its operations is left in the io_context.
    virtual void release() noexcept = 0;

    readiness_handler* handler_ = nullptr;
    stream_kind kind_;
};

struct stream_release {
    void operator()(stream* gone) const noexcept { gone->release(); }
};

/// Owns a stream. Giving it up closes the stream at once and is allowed inside the handler's calls.
using stream_ptr = std::unique_ptr<stream, stream_release>;

} // namespace gv::transport
