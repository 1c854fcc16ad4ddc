// SPDX-License-Identifier: Apache-2.0
// MQTT over WebSocket (MQTT 5, section 6), plain or secure: frames by Boost.Beast over any other
// stream. MQTT packets may span frames and share them; what we send is one binary message a write.
#pragma once

#include "broker/transport/transport.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace gv::transport {

/// Most bytes that a WebSocket stream takes before the socket has taken them.
inline constexpr std::size_t websocket_unsent_max = 64 * 1024;

struct websocket_options {
    /// Origins that may connect, as browsers send them ("https://example.org"). Empty: all.
    /// Clients that are no browsers send none and may always connect.
    std::vector<std::string> origins;
    /// Largest HTTP request. Larger: room for big cookies. Smaller: less memory before the upgrade.
    std::size_t header_bytes_max = 8 * 1024;
    /// From the first wait to the end of the upgrade.
    std::chrono::milliseconds handshake_timeout{10'000};
    /// Take the peer's address from X-Real-IP or the last entry of X-Forwarded-For. Only behind a
    /// proxy that sets them: anybody else could claim any address.
    bool trusts_forwarded = false;
};

/// The server side of WebSocket over `carrier`, which must be plain TCP or TLS of `context`. The
/// handshake begins with the first wait_readable().
[[nodiscard]] stream_ptr make_websocket_stream(boost::asio::io_context& context, stream_ptr carrier,
                                               std::shared_ptr<const websocket_options> options);

} // namespace gv::transport
