// SPDX-License-Identifier: Apache-2.0
// One MQTT connection of the generator. Input is read into a scratch buffer that all connections
// share and parsed there; only an incomplete packet is kept. Output goes out at once; only what the
// socket does not take is kept. A large PUBLISH is not copied: once its head is there, the rest of
// it is discarded in the kernel (MSG_TRUNC), and it counts when its last byte has come.
#pragma once

#include "bench/load/event_loop.hpp"
#include "bench/load/socket.hpp"
#include "bench/load/wire.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

namespace gv::load {

/// Buffers of the one thread.
class io_scratch {
  public:
    static constexpr std::size_t read_size = 256 * 1024;
    static constexpr std::size_t packet_room = 256 * 1024;

    [[nodiscard]] char* input() noexcept { return input_.get(); }
    /// Room for the acknowledgements of everything one read can bring.
    [[nodiscard]] char* acks() noexcept { return acks_.get(); }

  private:
    std::unique_ptr<char[]> input_ = std::make_unique<char[]>(read_size + packet_room);
    std::unique_ptr<char[]> acks_ = std::make_unique<char[]>(read_size + packet_room);
};

class connection {
  public:
    connection(unique_socket socket, std::string name)
        : socket_(std::move(socket)), name_(std::move(name)) {}

    /// Sends CONNECT and waits for CONNACK. Errors: throws std::runtime_error if the broker
    /// refuses or does not answer within 10 s.
    /// Returns Session Present.
    bool handshake(std::string_view client_id, bool is_clean = true);
    /// Sends DISCONNECT and waits until the broker has closed the connection. Errors: as above.
    void leave();
    /// Subscribes to all of `filters` and waits for SUBACK; not after attach(). Errors: as above.
    void subscribe(std::span<const std::string> filters, unsigned qos);

    /// From now on `owner` is told when the socket is ready.
    void attach(event_loop& loop, endpoint& owner);
    /// Large packets are coming: read little at a time and skip the rest.
    void expect_large_packets() noexcept { read_limit_ = 2'048; }

    /// Reads once and hands each complete packet to `on_frame(const frame&)`.
    /// Errors: throws std::runtime_error when the broker has closed the connection.
    template <typename OnFrame>
    void receive(io_scratch& scratch, OnFrame&& on_frame);

    void send(std::string_view bytes);
    void on_writable();
    /// Something is still unsent.
    [[nodiscard]] bool is_blocked() const noexcept { return !unsent_.empty(); }

    /// Fixed header, topic and stamp are within this many bytes.
    static constexpr std::size_t head_size = 128;

  private:
    [[nodiscard]] std::size_t read_some(char* into, std::size_t size, int flags);
    [[nodiscard]] std::size_t write_some(std::string_view bytes);
    [[nodiscard]] std::string await_packet(packet type);
    void keep_rest(std::string_view rest);
    template <typename OnFrame>
    void continue_skip(io_scratch& scratch, OnFrame&& on_frame);

    unique_socket socket_;
    std::size_t read_limit_ = io_scratch::read_size;
    std::size_t skip_ = 0; ///< bytes still to come of the packet whose head is in rest_
    std::string rest_;
    std::string unsent_;
    event_loop* loop_ = nullptr;
    endpoint* owner_ = nullptr;
    std::string name_;
};

template <typename OnFrame>
void connection::continue_skip(io_scratch& scratch, OnFrame&& on_frame) {
    skip_ -= read_some(scratch.input(), std::min(skip_, io_scratch::read_size), MSG_TRUNC);
    if (skip_ == 0) {
        on_frame(split_frame(rest_.data(), rest_.data() + rest_.size()).value);
        rest_.clear();
    }
}

template <typename OnFrame>
void connection::receive(io_scratch& scratch, OnFrame&& on_frame) {
    if (skip_ > 0) {
        return continue_skip(scratch, on_frame);
    }
    const char* at = scratch.input();
    std::memcpy(scratch.input(), rest_.data(), rest_.size());
    const char* const end =
        at + rest_.size() + read_some(scratch.input() + rest_.size(), read_limit_, 0);
    frame_split next = split_frame(at, end);
    while (next.header != 0 && next.total() <= static_cast<std::size_t>(end - at)) {
        on_frame(next.value);
        at += next.total();
        next = split_frame(at, end);
    }
    const auto left = static_cast<std::size_t>(end - at);
    if (left >= head_size && next.total() - left > read_limit_) {
        skip_ = next.total() - left;
        rest_.assign(at, head_size);
    } else {
        keep_rest({at, left});
    }
}

} // namespace gv::load
