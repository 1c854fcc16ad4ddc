// SPDX-License-Identifier: Apache-2.0
#include "bench/load/connection.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace gv::load {

namespace {

constexpr std::uint16_t keep_alive_seconds = 600;
constexpr int patience_ms = 10'000;

[[nodiscard]] bool would_block(int error) noexcept {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

} // namespace

std::size_t connection::read_some(char* into, std::size_t size, int flags) {
    const ssize_t got = recv(socket_.get(), into, size, flags);
    if (got > 0) {
        return static_cast<std::size_t>(got);
    }
    if (got < 0 && would_block(errno)) {
        return 0;
    }
    const std::string why = got == 0 ? "end of stream" : std::generic_category().message(errno);
    throw std::runtime_error("the broker closed the connection of " + name_ + ": " + why);
}

std::size_t connection::write_some(std::string_view bytes) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
        return static_cast<std::size_t>(sent);
    }
    if (would_block(errno)) {
        return 0;
    }
    throw std::runtime_error("the broker closed the connection of " + name_ + ": "
                             + std::generic_category().message(errno));
}

void connection::send(std::string_view bytes) {
    if (is_blocked()) {
        unsent_.append(bytes);
        return;
    }
    const std::size_t sent = write_some(bytes);
    if (sent < bytes.size()) {
        unsent_.assign(bytes.substr(sent));
        if (loop_ != nullptr) {
            loop_->change(socket_.get(), *owner_, interest::reading_and_writing);
        }
    }
}

void connection::on_writable() {
    unsent_.erase(0, write_some(unsent_));
    if (unsent_.empty() && loop_ != nullptr) {
        loop_->change(socket_.get(), *owner_, interest::reading);
    }
}

void connection::keep_rest(std::string_view rest) {
    if (rest.size() > io_scratch::packet_room) {
        throw std::runtime_error(name_ + " got a packet of over 256 KiB: was it sent by this run?");
    }
    rest_.assign(rest);
}

void connection::attach(event_loop& loop, endpoint& owner) {
    loop_ = &loop;
    owner_ = &owner;
    loop.add(socket_.get(), owner,
             is_blocked() ? interest::reading_and_writing : interest::reading);
}

std::string connection::await_packet(packet type) {
    char buffer[4'096];
    for (;;) {
        const frame_split split = split_frame(rest_.data(), rest_.data() + rest_.size());
        if (split.header != 0 && split.total() <= rest_.size()) {
            if (split.value.type() != type) {
                throw std::runtime_error(name_ + " got a packet it did not expect");
            }
            std::string body(split.value.body, split.value.size);
            rest_.erase(0, split.total());
            return body;
        }
        const short events = is_blocked() ? POLLIN | POLLOUT : POLLIN;
        pollfd wait{.fd = socket_.get(), .events = events, .revents = 0};
        if (poll(&wait, 1, patience_ms) != 1) {
            throw std::runtime_error("the broker did not answer " + name_ + " within 10 s");
        }
        if (is_blocked()) {
            on_writable();
        }
        rest_.append(buffer, read_some(buffer, sizeof(buffer), 0));
    }
}

bool connection::handshake(std::string_view client_id, bool is_clean) {
    send(encode_connect(client_id, keep_alive_seconds, is_clean));
    const std::string answer = await_packet(packet::connack);
    if (answer.size() != 2 || answer[1] != 0) {
        throw std::runtime_error("the broker refused " + name_
                                 + ": does it allow anonymous clients?");
    }
    return answer[0] != 0;
}

void connection::leave() {
    send(encode_bare(packet::disconnect));
    char buffer[64];
    pollfd wait{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    while (poll(&wait, 1, patience_ms) == 1) {
        if (recv(socket_.get(), buffer, sizeof(buffer), 0) <= 0) {
            return;
        }
    }
    throw std::runtime_error("the broker did not close the connection of " + name_
                             + " within 10 s");
}

void connection::subscribe(std::span<const std::string> filters, unsigned qos) {
    send(encode_subscribe(1, filters, qos));
    const std::string answer = await_packet(packet::suback);
    if (answer != std::string("\0\1", 2) + std::string(filters.size(), static_cast<char>(qos))) {
        throw std::runtime_error("the broker did not grant the subscriptions of " + name_);
    }
}

} // namespace gv::load
