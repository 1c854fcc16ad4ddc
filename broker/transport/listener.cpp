// SPDX-License-Identifier: Apache-2.0
#include "broker/transport/listener.hpp"

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cstring>

namespace gv::transport {

namespace {

enum class accept_outcome : std::uint8_t { taken, none_left, try_next, exhausted, broken };

/// What errno says after accept. Errors of a connection that died while it waited concern only
/// that one [accept(2), "Error handling"].
accept_outcome classify(int error) {
    switch (error) {
    case EAGAIN:
        return accept_outcome::none_left;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return accept_outcome::exhausted;
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
    case EOPNOTSUPP:
    case EFAULT:
        return accept_outcome::broken;
    default:
        return accept_outcome::try_next;
    }
}

std::string remedy_for(int error) {
    switch (error) {
    case EADDRINUSE:
        return "another process listens there: stop it or choose another port";
    case EADDRNOTAVAIL:
        return "use an address of this machine; see `ip address`";
    case EACCES:
        return "ports below 1024 need CAP_NET_BIND_SERVICE";
    case EAFNOSUPPORT:
        return "this machine has no IPv6: use an IPv4 address";
    default:
        return "see the system's message";
    }
}

} // namespace

/// Outlives the listener while a wait is outstanding; `is_stopped_` then says so.
class listener::core : public std::enable_shared_from_this<listener::core> {
  public:
    core(boost::asio::io_context& context, listener_options options, accept_handler& handler)
        : options_(std::move(options)), handler_(handler), socket_(context), pause_(context) {}

    result<void, problem> open();
    void wait();
    void stop() noexcept;
    [[nodiscard]] endpoint local() noexcept;

  private:
    [[nodiscard]] unique_fd bound_socket() const;
    [[nodiscard]] bool set(int fd, int level, int option, int value) const {
        return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
    }
    void accept_many();
    accept_outcome accept_one();
    void hand_over();
    void pause(int error);

    struct batch {
        shard_id shard;
        std::vector<accepted_socket> sockets;
    };

    listener_options options_;
    accept_handler& handler_;
    boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type> socket_;
    boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                      boost::asio::wait_traits<std::chrono::steady_clock>,
                                      boost::asio::io_context::executor_type>
        pause_;
    std::vector<batch> batches_;
    bool is_paused_ = false;
    bool is_stopped_ = false;
};

result<void, problem> listener::core::open() {
    unique_fd fd = bound_socket();
    boost::system::error_code error;
    if (!fd) {
        error.assign(errno, boost::system::system_category());
    } else {
        socket_.assign(fd.get(), error);
    }
    if (error) {
        return failure(problem{.place = options_.where.text(),
                               .what = "cannot listen: " + error.message(),
                               .remedy = remedy_for(error.value())});
    }
    static_cast<void>(fd.release());
    return {};
}

// Empty and errno on failure. TCP_NODELAY is set here because accepted sockets inherit it, which
// saves a system call each.
unique_fd listener::core::bound_socket() const {
    sockaddr_storage address;
    const auto size = to_sockaddr(options_.where, address);
    unique_fd fd(::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const bool is_v6 = address.ss_family == AF_INET6;
    const bool is_ready =
        fd && set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1)
        && set(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1)
        && (!options_.reuse_port || set(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1))
        && (!is_v6 || set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, options_.only_v6 ? 1 : 0))
        && ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0
        && ::listen(fd.get(), options_.backlog) == 0;
    if (is_ready) {
        return fd;
    }
    const int error = errno;
    fd = unique_fd();
    errno = error;
    return fd;
}

void listener::core::wait() {
    socket_.async_wait(socket_.wait_read,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                           if (!error && !self->is_stopped_) {
                               self->accept_many();
                           }
                       });
}

void listener::core::accept_many() {
    auto outcome = accept_outcome::taken;
    int error = 0;
    for (std::size_t tried = 0; tried < options_.accepts_max; ++tried) {
        outcome = accept_one();
        error = errno;
        if (outcome != accept_outcome::taken && outcome != accept_outcome::try_next) {
            break;
        }
    }
    hand_over();
    if (is_stopped_) {
        return;
    }
    if (outcome == accept_outcome::exhausted || outcome == accept_outcome::broken) {
        pause(error);
        return;
    }
    if (std::exchange(is_paused_, false)) {
        handler_.on_accepting_again();
    }
    if (!is_stopped_) {
        wait();
    }
}

accept_outcome listener::core::accept_one() {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    // Not SOCK_NONBLOCK: all I/O says MSG_DONTWAIT, and Asio sets the flag at its first wait.
    unique_fd fd(::accept4(socket_.native_handle(), reinterpret_cast<sockaddr*>(&address), &size,
                           SOCK_CLOEXEC));
    if (!fd) {
        return classify(errno);
    }
    const auto shard = handler_.choose_shard();
    auto batch_of_shard = std::ranges::find(batches_, shard, &batch::shard);
    if (batch_of_shard == batches_.end()) {
        batch_of_shard = batches_.insert(batches_.end(), {.shard = shard, .sockets = {}});
    }
    batch_of_shard->sockets.push_back({.fd = std::move(fd), .peer = from_sockaddr(address)});
    return accept_outcome::taken;
}

void listener::core::hand_over() {
    for (auto& each : std::exchange(batches_, {})) {
        handler_.post_to(each.shard, std::move(each.sockets));
        if (is_stopped_) {
            return;
        }
    }
}

// The connections wait in the backlog, and the kernel goes on saying that the listener is
// readable: waiting for that would spin.
void listener::core::pause(int error) {
    pause_.expires_after(options_.pause);
    pause_.async_wait([self = shared_from_this()](const boost::system::error_code& cancelled) {
        if (!cancelled && !self->is_stopped_) {
            self->accept_many();
        }
    });
    if (!std::exchange(is_paused_, true)) {
        handler_.on_accept_paused({error, boost::system::system_category()}, options_.pause);
    }
}

void listener::core::stop() noexcept {
    is_stopped_ = true;
    pause_.cancel();
    boost::system::error_code ignored;
    socket_.close(ignored);
}

endpoint listener::core::local() noexcept {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    ::getsockname(socket_.native_handle(), reinterpret_cast<sockaddr*>(&address), &size);
    return from_sockaddr(address);
}

listener::listener(boost::asio::io_context& context, listener_options options,
                   accept_handler& handler)
    : core_(std::make_shared<core>(context, std::move(options), handler)) {}

listener::~listener() { stop(); }

result<void, problem> listener::open() { return core_->open(); }

void listener::start() { core_->wait(); }

void listener::stop() noexcept { core_->stop(); }

endpoint listener::local() const noexcept { return core_->local(); }

} // namespace gv::transport
