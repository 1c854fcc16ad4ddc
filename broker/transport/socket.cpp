// SPDX-License-Identifier: Apache-2.0
#include "broker/transport/socket.hpp"

#include <boost/asio/post.hpp>

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <new>

namespace gv::transport {

unique_fd::~unique_fd() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

/// Completion of one operation. Whether it is called or only destroyed (as when the io_context
/// ends), the stream learns that the operation is gone.
class socket_stream::wait_token {
  public:
    /// Gives the read wait its room inside the stream, everything else the heap.
    template <typename T>
    class allocator {
      public:
        using value_type = T;
        allocator(socket_stream* owner, direction way) noexcept : owner_(owner), way_(way) {}
        template <typename U>
        allocator(const allocator<U>& other) noexcept : owner_(other.owner_), way_(other.way_) {}

        [[nodiscard]] T* allocate(std::size_t count) const {
            if (fits(count)) {
                return reinterpret_cast<T*>(owner_->room_.bytes);
            }
            return static_cast<T*>(::operator new(count * sizeof(T)));
        }
        void deallocate(T* at, std::size_t count) const noexcept {
            if (!fits(count)) {
                ::operator delete(at);
            }
        }
        template <typename U>
        bool operator==(const allocator<U>& other) const noexcept {
            return owner_ == other.owner_ && way_ == other.way_;
        }

      private:
        template <typename U>
        friend class allocator;
        [[nodiscard]] bool fits(std::size_t count) const noexcept {
            return way_ == direction::read && count * sizeof(T) <= sizeof(operation_room);
        }
        socket_stream* owner_;
        direction way_;
    };
    using allocator_type = allocator<void>;

    wait_token(socket_stream* owner, direction way) noexcept : owner_(owner), way_(way) {}
    wait_token(wait_token&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), way_(other.way_) {}
    wait_token& operator=(wait_token&&) = delete;
    ~wait_token() {
        if (owner_ != nullptr) {
            owner_->operation_gone(way_);
        }
    }

    void operator()(const boost::system::error_code& error = {}) {
        std::exchange(owner_, nullptr)->wait_over(way_, error);
    }
    [[nodiscard]] allocator_type get_allocator() const noexcept { return {owner_, way_}; }

  private:
    socket_stream* owner_;
    direction way_;
};

socket_stream::socket_stream(stream_kind kind, boost::asio::io_context& context,
                             accepted_socket from)
    : stream(kind), descriptor_(context.get_executor()), peer_(from.peer), fd_(from.fd.get()) {
    boost::system::error_code error;
    descriptor_.assign(fd_, error);
    if (error) {
        // Out of kernel memory for the registration. The first read tells.
        error_ = error.value();
        fd_ = -1;
        return;
    }
    static_cast<void>(from.fd.release());
}

void socket_stream::wait_readable() { wait(direction::read); }

void socket_stream::wait_writable() { wait(direction::write); }

void socket_stream::wait(direction way) {
    if (is_waiting(way)) {
        return;
    }
    if (!is_open()) {
        post(way);
        return;
    }
    waiting_ |= static_cast<unsigned>(way) & 3U;
    descriptor_.async_wait(way == direction::read ? descriptor::wait_read : descriptor::wait_write,
                           wait_token(this, way));
}

void socket_stream::post_readable() { post(direction::read); }

void socket_stream::post_writable() { post(direction::write); }

void socket_stream::post(direction way) {
    if (is_waiting(way)) {
        // The wait in progress must end now: it may be for input that is already here.
        boost::system::error_code ignored;
        descriptor_.cancel(ignored);
        return;
    }
    waiting_ |= static_cast<unsigned>(way) & 3U;
    boost::asio::post(descriptor_.get_executor(), wait_token(this, way));
}

void socket_stream::wait_over(direction way, const boost::system::error_code& error) {
    waiting_ &= ~static_cast<unsigned>(way) & 3U;
    if (is_released_ == 0 && has_handler()) {
        if (error && error != boost::asio::error::operation_aborted) {
            error_ = error.value();
        }
        is_dispatching_ = 1;
        way == direction::read ? socket_readable() : socket_writable();
        is_dispatching_ = 0;
    }
    if (is_released_ != 0 && waiting_ == 0) {
        delete this;
    }
}

void socket_stream::operation_gone(direction way) noexcept {
    waiting_ &= ~static_cast<unsigned>(way) & 3U;
    if (is_released_ != 0 && waiting_ == 0) {
        delete this;
    }
}

void socket_stream::release() noexcept {
    close();
    if (waiting_ == 0 && is_dispatching_ == 0) {
        delete this;
        return;
    }
    is_released_ = 1;
}

void socket_stream::close() noexcept {
    forget_handler();
    if (!is_open()) {
        return;
    }
    if (output_ended_ != 0) {
        drain_input();
    }
    fd_ = -1;
    boost::system::error_code ignored;
    descriptor_.close(ignored);
}

// Input that is unread at close makes the kernel answer with a reset, which may overtake our last
// words at the peer. Bounded, since the peer may go on sending.
void socket_stream::drain_input() const noexcept {
    constexpr std::size_t bytes_max = 1 << 20;
    constexpr int rounds_max = 16;
    for (int round = 0; round < rounds_max; ++round) {
        // MSG_TRUNC: TCP discards instead of copying.
        if (::recv(fd_, nullptr, bytes_max, MSG_DONTWAIT | MSG_TRUNC) <= 0) {
            return;
        }
    }
}

void socket_stream::end_output() noexcept {
    if (is_open() && output_ended_ == 0) {
        output_ended_ = 1;
        ::shutdown(fd_, SHUT_WR);
    }
}

endpoint socket_stream::local() const noexcept {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (!is_open() || ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        return {};
    }
    return from_sockaddr(address);
}

std::string socket_stream::failure_text() const {
    return error_ == 0 ? std::string() : boost::system::system_category().message(error_);
}

ssize_t socket_stream::send_many(std::span<const iovec> from) const noexcept {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(from.data());
    message.msg_iovlen = std::min<std::size_t>(from.size(), IOV_MAX);
    return ::sendmsg(fd_, &message, send_flags);
}

io_result socket_stream::refused() noexcept {
    if (error_ == 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return would_block();
    }
    if (error_ == 0) {
        error_ = errno;
    }
    return failed_with(error_);
}

} // namespace gv::transport
