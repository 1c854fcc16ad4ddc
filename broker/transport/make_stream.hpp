// SPDX-License-Identifier: Apache-2.0
// From an accepted socket to the stream that its listener speaks.
#pragma once

#include "broker/transport/socket.hpp"
#include "broker/transport/tls.hpp"
#include "broker/transport/websocket.hpp"

#include <memory>

namespace gv::transport {

/// What a listener speaks. Immutable; thread-safe. A reload makes a new one for the connections
/// that come after it.
struct stream_profile {
    stream_kind kind = stream_kind::tcp;
    std::shared_ptr<const tls_context> tls;             ///< for tls and secure_websocket
    std::shared_ptr<const websocket_options> websocket; ///< for websocket and secure_websocket
};

/// Registers the socket with `context`, on whose thread this is called and where the stream stays.
/// Requires: what `profile.kind` needs is set.
[[nodiscard]] stream_ptr make_stream(boost::asio::io_context& context, accepted_socket from,
                                     const stream_profile& profile);

} // namespace gv::transport
