// SPDX-License-Identifier: Apache-2.0
// What the streams have in common that other nodes open to this one.
#pragma once

#include "cluster/grpc_calls.hpp"
#include "cluster/grpc_security.hpp"
#include "cluster/grpc_timer.hpp"
#include "cluster/wire_fault.hpp"
#include "cluster/wire_link.hpp"

#include <grpcpp/security/auth_context.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <memory>
#include <utility>

namespace gv::cluster {

[[nodiscard]] inline grpc::Status malformed(grpc_core& core, const decode_fault& fault) {
    add_one(core.counts.malformed);
    return {grpc::StatusCode::INVALID_ARGUMENT, std::string(text_of(fault))};
}

/// The status with which a caller is sent away, or OK.
[[nodiscard]] inline grpc::Status check(grpc_core& core, const link_hello& caller) {
    const auto accepted = accept(core.hello_to({}), caller);
    if (accepted) {
        return grpc::Status::OK;
    }
    add_one(core.counts.hellos_refused);
    return {grpc::StatusCode::FAILED_PRECONDITION, accepted.error()};
}

/// With which a caller is sent away whose certificate is that of another, or OK.
[[nodiscard]] inline grpc::Status check(grpc_core& core, const grpc::ServerContextBase& context,
                                        node_id caller) {
    if (core.options.security.made->is(context.auth_context().get(), caller, {})) {
        return grpc::Status::OK;
    }
    return {grpc::StatusCode::PERMISSION_DENIED,
            "the certificate of the caller is not that of node " + std::to_string(caller.value)};
}

/// Who is at the other end of the connection of a stream that begins with that hello: a neighbour
/// that passes it on vouches for who has called it.
[[nodiscard]] inline node_id voucher(const link_hello& hello) noexcept {
    return hello.hops == 0 ? hello.from.node : hello.via;
}

/// Who still may tell the reader of a stream what to do. The reader is there until it has ended.
template <typename Reader>
struct reader_state {
    std::mutex mutex;
    Reader* reader = nullptr;
    bool is_greeted = false; ///< it has said who it is
};

/// From now on the relay has the stream, and nobody tells the reader what to do. False: it has
/// ended before.
template <typename State, typename Relay>
[[nodiscard]] bool give_to(const std::shared_ptr<Relay>& relay, State& state,
                           std::shared_ptr<Relay>& kept) {
    const std::lock_guard lock(state.mutex);
    if (std::exchange(state.reader, nullptr) == nullptr) {
        return false;
    }
    kept = relay;
    return true;
}

/// Ends the stream if it has not said by then who it is.
template <typename State>
void expect_hello(grpc_core& core, const std::shared_ptr<State>& state) {
    call_later(core, core.options.hello_within, [state] {
        const std::lock_guard lock(state->mutex);
        if (state->reader != nullptr && !state->is_greeted) {
            state->reader->end_locked({grpc::StatusCode::DEADLINE_EXCEEDED, "no hello came"});
        }
    });
}

} // namespace gv::cluster
