// SPDX-License-Identifier: Apache-2.0
#include "bench/load/socket.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace gv::load {

namespace {

constexpr unsigned connections_per_source = 5'000;
constexpr std::uint32_t loopback_net = 127;

[[noreturn]] void fail(const char* what, int error) {
    throw std::system_error(error, std::generic_category(), what);
}

void set_option(int socket, int level, int name) {
    const int on = 1;
    if (setsockopt(socket, level, name, &on, sizeof(on)) != 0) {
        fail("setsockopt", errno);
    }
}

void bind_source(int socket, unsigned index) {
    sockaddr_in source{};
    source.sin_family = AF_INET;
    source.sin_addr.s_addr = htonl((loopback_net << 24) + 1 + index / connections_per_source);
    set_option(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
    if (bind(socket, reinterpret_cast<const sockaddr*>(&source), sizeof(source)) != 0) {
        fail("bind to a source address", errno);
    }
}

} // namespace

unique_socket::~unique_socket() {
    if (descriptor_ >= 0) {
        close(descriptor_);
    }
}

broker_address::broker_address(const std::string& host, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0) {
        throw std::runtime_error("--host " + host + ": " + gai_strerror(error));
    }
    target_ = *reinterpret_cast<const sockaddr_in*>(found->ai_addr);
    target_.sin_port = htons(port);
    freeaddrinfo(found);
}

unique_socket broker_address::start_connect(unsigned index) const {
    unique_socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (socket.get() < 0) {
        fail("socket", errno);
    }
    set_option(socket.get(), IPPROTO_TCP, TCP_NODELAY);
    if (index >= connections_per_source && ntohl(target_.sin_addr.s_addr) >> 24 == loopback_net) {
        bind_source(socket.get(), index);
    }
    const auto* address = reinterpret_cast<const sockaddr*>(&target_);
    if (::connect(socket.get(), address, sizeof(target_)) != 0 && errno != EINPROGRESS) {
        fail("connect to the broker", errno);
    }
    return socket;
}

unique_socket broker_address::connect(unsigned index) const {
    constexpr int patience_ms = 10'000;
    unique_socket socket = start_connect(index);
    pollfd wait{.fd = socket.get(), .events = POLLOUT, .revents = 0};
    if (poll(&wait, 1, patience_ms) != 1) {
        fail("connect to the broker", ETIMEDOUT);
    }
    if (const int error = connect_error(socket.get()); error != 0) {
        fail("connect to the broker", error);
    }
    return socket;
}

int connect_error(int socket) noexcept {
    int error = 0;
    socklen_t size = sizeof(error);
    return getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

void require_descriptors(unsigned wanted) {
    constexpr unsigned reserve = 16;
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    if (wanted + reserve <= limit.rlim_cur) {
        return;
    }
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max;
    if (wanted + reserve > limit.rlim_max || setrlimit(RLIMIT_NOFILE, &raised) != 0) {
        throw std::runtime_error(std::to_string(wanted) + " connections need more descriptors than "
                                 + "the limit of " + std::to_string(limit.rlim_max)
                                 + ": ask for fewer, or raise it (ulimit -n)");
    }
}

} // namespace gv::load
