// SPDX-License-Identifier: Apache-2.0
#include "cluster/grpc_connections.hpp"

#include "base/log.hpp"
#include "cluster/grpc_security.hpp"

#include <grpc/support/log.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mutex>
#include <system_error>

namespace gv::cluster {

namespace {

// Frames of lanes go in one piece, and are read in few: a tenth to a fifth less CPU for frames of
// 64 KiB than with gRPC's 16 KiB and 8 KiB (bench/lane_transport_bench.cpp).
constexpr int http2_frame_bytes_max = 1 << 20;
constexpr int read_bytes = 64 << 10;
constexpr const char* read_bytes_argument = "grpc.experimental.tcp_read_chunk_size";

[[nodiscard]] int milliseconds(duration time) {
    return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
}

[[nodiscard]] grpc::ChannelArguments channel_arguments(const grpc_transport_options& options,
                                                       const keep_alive& silence) {
    grpc::ChannelArguments with;
    with.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    // The second is also TCP_USER_TIMEOUT: without it the system sends into a cut link again after
    // ever longer pauses, and finds out two minutes late that the link is back.
    with.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, milliseconds(silence.after));
    with.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, milliseconds(silence.within));
    with.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    with.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    // Despite its name this one bounds an attempt, not the pause between two.
    with.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, milliseconds(options.connect_within));
    with.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, milliseconds(options.redial_shortest));
    with.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, milliseconds(options.redial_longest));
    // A name may mean another address after a restart; gRPC would ask again after 30 s.
    with.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, milliseconds(options.redial_longest));
    // What this process's environment and DNS say about proxies and retries is not for us.
    with.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    with.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    with.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    with.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    with.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, static_cast<int>(options.window_bytes));
    with.SetInt(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, http2_frame_bytes_max);
    with.SetInt(read_bytes_argument, read_bytes);
    return with;
}

void set_arguments(grpc::ServerBuilder& builder, const grpc_transport_options& options) {
    // Otherwise two processes may listen at the same port and share what comes.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, milliseconds(options.many_bytes.after));
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                               milliseconds(options.many_bytes.within));
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    // Pings of peers are welcome at any rate; else they get GOAWAY with too_many_pings.
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 0);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
    // A window that grows by measuring would let a reader that has stopped cost many MiB.
    builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES,
                               static_cast<int>(options.window_bytes));
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, http2_frame_bytes_max);
    builder.AddChannelArgument(read_bytes_argument, read_bytes);
    builder.SetMaxReceiveMessageSize(static_cast<int>(options.receive_bytes_max));
}

/// gRPC writes to stderr otherwise. What matters of it comes back as a status.
void take_over_log() {
    static std::once_flag once;
    std::call_once(once, [] {
        gpr_set_log_function([](gpr_log_func_args* line) {
            log::debug("grpc", {{"text", std::string_view(line->message)}});
        });
    });
}

[[nodiscard]] std::string text_of_errno(int error) {
    return std::error_code(error, std::system_category()).message();
}

/// gRPC does not tell why; asking the system the same question does.
[[nodiscard]] std::string why_not_bound(const grpc_transport_options& options) {
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    wanted.ai_flags = AI_PASSIVE;
    addrinfo* found = nullptr;
    const std::string port = std::to_string(options.port);
    if (const int error = getaddrinfo(options.host.c_str(), port.c_str(), &wanted, &found)) {
        return gai_strerror(error);
    }
    std::string why = "gRPC could not listen there";
    const int socket = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (socket < 0 || ::bind(socket, found->ai_addr, found->ai_addrlen) != 0
        || ::listen(socket, 1) != 0) {
        why = text_of_errno(errno);
    }
    ::close(socket);
    freeaddrinfo(found);
    return why;
}

[[nodiscard]] std::string bracketed(const std::string& host) {
    return host.contains(':') ? "[" + host + "]" : host;
}

} // namespace

std::shared_ptr<grpc::Channel> open_channel(const std::string& address,
                                            const grpc_transport_options& options,
                                            const keep_alive& silence,
                                            std::size_t receive_bytes_max) {
    grpc::ChannelArguments with = channel_arguments(options, silence);
    with.SetMaxReceiveMessageSize(static_cast<int>(receive_bytes_max));
    // With the scheme, so that no address of a peer means a socket of this machine ("unix:").
    // Without credentials every call fails.
    return grpc::CreateCustomChannel("dns:///" + address, options.security.made->channel(address),
                                     with);
}

result<listening_server, problem> listen(const grpc_transport_options& options,
                                         const std::vector<grpc::Service*>& services) {
    take_over_log();
    const std::string place = bracketed(options.host) + ":" + std::to_string(options.port);
    grpc::ServerBuilder builder;
    set_arguments(builder, options);
    int port = 0;
    builder.AddListeningPort("dns:///" + place, options.security.made->server(), &port);
    for (grpc::Service* const each : services) {
        builder.RegisterService(each);
    }
    auto server = builder.BuildAndStart();
    if (server == nullptr || port <= 0) {
        return failure(problem{.place = place,
                               .what = "cannot listen for other nodes: " + why_not_bound(options),
                               .remedy = "choose a free port and an address of this machine"});
    }
    return listening_server{.server = std::move(server), .port = static_cast<std::uint16_t>(port)};
}

bool is_refused(const grpc::Status& status) {
    return status.error_code() == grpc::StatusCode::UNAVAILABLE
           && status.error_message().contains("Connection refused");
}

std::string text_of(const grpc::Status& status) {
    if (status.ok()) {
        return "the peer ended it";
    }
    if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
        return "the peer does not speak this protocol";
    }
    return status.error_message().empty() ? "cancelled" : status.error_message();
}

} // namespace gv::cluster
