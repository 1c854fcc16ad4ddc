// SPDX-License-Identifier: Apache-2.0
#include "broker/transport/make_stream.hpp"

#include "broker/transport/tcp.hpp"

namespace gv::transport {

namespace {

stream_ptr make_tcp(boost::asio::io_context& context, accepted_socket from) {
    return stream_ptr(new tcp_stream(context, std::move(from)));
}

stream_ptr make_tls(boost::asio::io_context& context, accepted_socket from,
                    const stream_profile& profile) {
    BROKER_ASSERT(profile.tls != nullptr, "a TLS listener has certificates");
    return make_tls_stream(context, std::move(from), *profile.tls);
}

} // namespace

const char* to_string(stream_kind kind) noexcept {
    switch (kind) {
    case stream_kind::tcp:
        return "tcp";
    case stream_kind::tls:
        return "tls";
    case stream_kind::websocket:
        return "ws";
    case stream_kind::secure_websocket:
        return "wss";
    }
    return "unknown";
}

stream_ptr make_stream(boost::asio::io_context& context, accepted_socket from,
                       const stream_profile& profile) {
    switch (profile.kind) {
    case stream_kind::tcp:
        return make_tcp(context, std::move(from));
    case stream_kind::tls:
        return make_tls(context, std::move(from), profile);
    case stream_kind::websocket:
        return make_websocket_stream(context, make_tcp(context, std::move(from)),
                                     profile.websocket);
    case stream_kind::secure_websocket:
        return make_websocket_stream(context, make_tls(context, std::move(from), profile),
                                     profile.websocket);
    }
    return nullptr;
}

} // namespace gv::transport
