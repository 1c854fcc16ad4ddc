// SPDX-License-Identifier: Apache-2.0
// Plain TCP. Final and inline, so that a connection that asks kind() once pays no virtual call.
#pragma once

#include "broker/transport/socket.hpp"

namespace gv::transport {

class tcp_stream final : public socket_stream {
  public:
    tcp_stream(boost::asio::io_context& context, accepted_socket from)
        : socket_stream(stream_kind::tcp, context, std::move(from)) {}

    io_result read(std::span<char> into) override { return receive(into); }
    io_result write(std::span<const iovec> from) override { return send(from); }
    void shutdown() override { end_output(); }

  private:
    void socket_readable() override { handler().on_readable(); }
    void socket_writable() override { handler().on_writable(); }
};

/// As from.read(into), without the virtual call for plain TCP.
[[nodiscard]] inline io_result read_from(stream& from, std::span<char> into) {
    return from.kind() == stream_kind::tcp ? static_cast<tcp_stream&>(from).read(into)
                                           : from.read(into);
}

/// As to.write(from), without the virtual call for plain TCP.
[[nodiscard]] inline io_result write_to(stream& to, std::span<const iovec> from) {
    return to.kind() == stream_kind::tcp ? static_cast<tcp_stream&>(to).write(from)
                                         : to.write(from);
}

} // namespace gv::transport
