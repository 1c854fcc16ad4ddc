// SPDX-License-Identifier: Apache-2.0
// What TCP and TLS streams share: a connected socket, registered once with the io_context, and its
// two waits. Reading and writing the descriptor is done with plain system calls; Asio only tells
// when to try.
#pragma once

#include "base/assert.hpp"
#include "broker/transport/transport.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace gv::transport {

/// Owns a file descriptor.
class unique_fd {
  public:
    unique_fd() = default;
    explicit unique_fd(int fd) noexcept : fd_(fd) {}
    unique_fd(unique_fd&& other) noexcept : fd_(other.release()) {}
    unique_fd& operator=(unique_fd&& other) noexcept {
        unique_fd old(std::exchange(fd_, other.release()));
        return *this;
    }
    ~unique_fd();

    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

  private:
    int fd_ = -1;
};

/// A connection that no io_context knows yet, so that it may still go to any shard. Its socket has
/// TCP_NODELAY from its listener.
struct accepted_socket {
    unique_fd fd;
    endpoint peer;
};

[[nodiscard]] inline io_result failed_with(int error) noexcept {
    return {.state = io_state::failed,
            .bytes = 0,
            .error = boost::system::error_code(error, boost::system::system_category())};
}

[[nodiscard]] inline io_result would_block() noexcept {
    return {.state = io_state::would_block, .bytes = 0, .error = {}};
}

[[nodiscard]] inline io_result moved(std::size_t bytes) noexcept {
    return {.state = io_state::ok, .bytes = bytes, .error = {}};
}

[[nodiscard]] inline io_result ended() noexcept {
    return {.state = io_state::closed, .bytes = 0, .error = {}};
}

/// Base of the streams that own a socket. Lifetime: an outstanding wait keeps the object, not the
/// socket, alive after release().
class socket_stream : public stream {
  public:
    void wait_readable() override;
    void wait_writable() override;
    void close() noexcept override;

    [[nodiscard]] endpoint peer() const noexcept override { return peer_; }
    [[nodiscard]] endpoint local() const noexcept override;
    [[nodiscard]] int native_handle() const noexcept override { return fd_; }
    [[nodiscard]] std::string failure_text() const override;

  protected:
    socket_stream(stream_kind kind, boost::asio::io_context& context, accepted_socket from);
    ~socket_stream() override = default;

    /// The socket may have input (or its end, or an error), or may take output.
    virtual void socket_readable() = 0;
    virtual void socket_writable() = 0;

    [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
    /// Calls socket_readable() later without waiting for the socket.
    void post_readable();
    void post_writable();
    /// Sends FIN after what the kernel holds.
    void end_output() noexcept;

    io_result receive(std::span<char> into) noexcept {
        while (true) {
            const auto count = ::recv(fd_, into.data(), into.size(), MSG_DONTWAIT);
            if (count > 0) {
                return moved(static_cast<std::size_t>(count));
            }
            if (count == 0) {
                return ended();
            }
            if (errno != EINTR) {
                return refused();
            }
        }
    }

    io_result send(std::span<const iovec> from) noexcept {
        while (true) {
            const auto count = from.size() == 1
                                   ? ::send(fd_, from[0].iov_base, from[0].iov_len, send_flags)
                                   : send_many(from);
            if (count >= 0) {
                return moved(static_cast<std::size_t>(count));
            }
            if (errno != EINTR) {
                return refused();
            }
        }
    }

  private:
    using descriptor =
        boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type>;
    enum class direction : std::uint8_t { read = 1, write = 2 };
    class wait_token;
    /// Where the operation of the outstanding read wait lives: every idle connection has one, and
    /// a heap block for it would cost more than the operation.
    struct operation_room {
        alignas(std::max_align_t) std::byte bytes[96];
    };

    static constexpr int send_flags = MSG_DONTWAIT | MSG_NOSIGNAL;

    void release() noexcept override;
    void wait(direction way);
    void post(direction way);
    void wait_over(direction way, const boost::system::error_code& error);
    void operation_gone(direction way) noexcept;
    [[nodiscard]] ssize_t send_many(std::span<const iovec> from) const noexcept;
    io_result refused() noexcept;
    void drain_input() const noexcept;

    [[nodiscard]] bool is_waiting(direction way) const noexcept {
        return (waiting_ & static_cast<unsigned>(way)) != 0;
    }

    descriptor descriptor_;
    endpoint peer_;
    int fd_;
    int error_ = 0; ///< of the system, once reading, writing or waiting has failed
    unsigned waiting_ : 2 = 0;
    unsigned is_dispatching_ : 1 = 0; ///< inside a call of the handler
    unsigned is_released_ : 1 = 0;
    unsigned output_ended_ : 1 = 0;
    operation_room room_;
};

} // namespace gv::transport
