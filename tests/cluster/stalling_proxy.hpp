// SPDX-License-Identifier: Apache-2.0
// A way between two nodes that can be cut without either being told: what comes in is kept and not
// passed on, as when a cable is pulled.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace gv::cluster {

class stalling_proxy {
  public:
    explicit stalling_proxy(std::uint16_t target) : target_(target) {
        sockaddr_in at = loopback(0);
        socklen_t size = sizeof at;
        ::bind(listener_, reinterpret_cast<sockaddr*>(&at), size);
        ::listen(listener_, 64);
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size);
        port_ = ntohs(at.sin_port);
        thread_ = std::thread([this] { run(); });
    }
    ~stalling_proxy() {
        ends_ = true;
        thread_.join();
        ::close(listener_);
        for (const pair& each : pairs_) {
            ::close(each[0]);
            ::close(each[1]);
        }
    }
    stalling_proxy(const stalling_proxy&) = delete;
    stalling_proxy& operator=(const stalling_proxy&) = delete;

    [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    /// New connections are accepted and get nothing either.
    void stall(bool now) { stalls_ = now; }

  private:
    using pair = std::array<int, 2>;

    static sockaddr_in loopback(std::uint16_t port) {
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_port = htons(port);
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return at;
    }
    void run() {
        while (!ends_) {
            if (stalls_) {
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            } else {
                turn();
            }
        }
    }
    void turn() {
        std::vector<pollfd> wanted{{.fd = listener_, .events = POLLIN, .revents = 0}};
        for (const pair& each : pairs_) {
            wanted.push_back({.fd = each[0], .events = POLLIN, .revents = 0});
            wanted.push_back({.fd = each[1], .events = POLLIN, .revents = 0});
        }
        ::poll(wanted.data(), wanted.size(), 5);
        const std::size_t known = pairs_.size();
        if (wanted[0].revents != 0) {
            accept();
        }
        for (std::size_t i = 0; i < known && !stalls_; ++i) {
            pass_on(wanted[1 + 2 * i].revents, pairs_[i][0], pairs_[i][1]);
            pass_on(wanted[2 + 2 * i].revents, pairs_[i][1], pairs_[i][0]);
        }
    }
    void accept() {
        const int from = ::accept(listener_, nullptr, nullptr);
        const int to = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const sockaddr_in at = loopback(target_);
        ::connect(to, reinterpret_cast<const sockaddr*>(&at), sizeof at);
        pairs_.push_back({from, to});
    }
    static void pass_on(short events, int from, int to) {
        if (events == 0) {
            return;
        }
        std::array<char, 16'384> buffer;
        const ssize_t got = ::recv(from, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got <= 0) {
            ::shutdown(from, SHUT_RDWR);
            ::shutdown(to, SHUT_RDWR);
            return;
        }
        ::send(to, buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL);
    }

    const std::uint16_t target_;
    std::uint16_t port_ = 0;
    int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::vector<pair> pairs_;
    std::atomic<bool> stalls_ = false;
    std::atomic<bool> ends_ = false;
    std::thread thread_;
};

} // namespace gv::cluster
