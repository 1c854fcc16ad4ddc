// SPDX-License-Identifier: Apache-2.0
#include "cluster/grpc_operator_client.hpp"

#include "cluster/grpc_unix_path.hpp"
#include "cluster/wire_operator.hpp"

#include <grpc/support/log.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <proto/grapevine_operator.grpc.pb.h>
#include <unistd.h>

namespace gv::cluster {

namespace {

namespace wire = grapevine::operate::v1;

/// A node that does not answer by then hangs. Who joins, leaves or forgets waits for others.
constexpr auto patience = std::chrono::seconds(10);
constexpr auto join_patience = std::chrono::seconds(60);
/// Sessions may be handed over first; the node says when nothing goes on any more.
constexpr auto leave_patience = std::chrono::hours(24);

[[nodiscard]] operator_failure absent(const std::string& path, const std::string& what) {
    return {.is_absent = true,
            .what = {.place = path,
                     .what = what,
                     .remedy = "run this on the machine of a running broker that has a "
                               "cluster.name, with its -c FILE, or name its socket with --socket"}};
}

[[nodiscard]] operator_failure failed(const std::string& path, const grpc::Status& status) {
    return {.is_absent = false,
            .what = {.place = path,
                     .what = "the broker does not answer: " + status.error_message(),
                     .remedy = status.error_code() == grpc::StatusCode::UNIMPLEMENTED
                                   ? "it is older than this command: use that of its version"
                                   : "look at its log"}};
}

template <typename Answer, typename Request, typename Out>
[[nodiscard]] operator_result<Answer>
ask(const std::string& path, const Request& request, std::chrono::seconds within,
    grpc::Status (wire::Operate::Stub::*call)(grpc::ClientContext*, const Request&, Out*)) {
    gpr_set_log_function([](gpr_log_func_args*) {}); // it comes back as a status
    const split_path parts = split(path);
    const auto folder = open_folder::open(parts.folder);
    if (!folder) {
        return failure(absent(path, folder.error()));
    }
    if (::access(path.c_str(), F_OK) != 0) {
        return failure(absent(path, "there is no socket of a broker"));
    }
    if (!is_listening(path)) {
        return failure(absent(path, ::access(path.c_str(), W_OK) != 0
                                        ? "you may not use the socket of the broker"
                                        : "no broker listens at its socket"));
    }
    grpc::ChannelArguments with;
    with.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    wire::Operate::Stub stub(grpc::CreateCustomChannel("unix:" + folder->path_to(parts.name),
                                                       grpc::InsecureChannelCredentials(), with));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + within);
    Out answer;
    if (const grpc::Status status = (stub.*call)(&context, request, &answer); !status.ok()) {
        return failure(failed(path, status));
    }
    auto decoded = decode(answer);
    if (!decoded) {
        return failure(operator_failure{.is_absent = false, .what = decoded.error()});
    }
    return *std::move(decoded);
}

} // namespace

operator_result<operator_status> ask_status(const std::string& path) {
    return ask<operator_status>(path, wire::StatusRequest(), patience,
                                &wire::Operate::Stub::Status);
}

operator_result<operator_join> ask_join(const std::string& path,
                                        const operator_join_request& asked) {
    wire::JoinRequest request;
    encode(asked, request);
    const bool has_time = asked.sessions != own_sessions::stay;
    return ask<operator_join>(path, request, has_time ? leave_patience : join_patience,
                              &wire::Operate::Stub::Join);
}

operator_result<operator_leave> ask_leave(const std::string& path,
                                          const operator_leave_request& asked) {
    wire::LeaveRequest request;
    request.set_is_forced(asked.is_forced);
    request.set_is_drain(asked.is_drain);
    return ask<operator_leave>(path, request, leave_patience, &wire::Operate::Stub::Leave);
}

operator_result<operator_forget> ask_forget(const std::string& path, const std::string& which) {
    wire::ForgetRequest request;
    request.set_which(which);
    return ask<operator_forget>(path, request, patience, &wire::Operate::Stub::Forget);
}

} // namespace gv::cluster
