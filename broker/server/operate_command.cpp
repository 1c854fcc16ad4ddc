// SPDX-License-Identifier: Apache-2.0
#include "broker/server/operate_command.hpp"

#include "broker/server/cluster_identity.hpp"
#include "broker/server/cluster_setup.hpp"
#include "broker/server/environment.hpp"
#include "broker/server/load.hpp"
#include "broker/server/operate_options.hpp"
#include "broker/server/operate_text.hpp"
#include "broker/server/operator_service.hpp"
#include "broker/server/persistence.hpp"
#include "cluster/grpc_operator_client.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <future>

namespace gv::server {

namespace {

constexpr int done = 0;
constexpr int failed = 1;
constexpr int misused = 2;
constexpr int not_found = 3;
/// A node that has left gives its clients some seconds to read their good-bye.
constexpr int end_patience_ms = 30'000;

void say(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void report(const problem& wrong) {
    std::fprintf(stderr, "grapevine cluster: %s", problem_text(wrong).c_str());
}

int report(const cluster::operator_failure& wrong) {
    report(wrong.what);
    return wrong.is_absent ? not_found : failed;
}

/// Waits until it has ended, whether or not its parent has noticed. Returns whether it has.
[[nodiscard]] bool has_ended(std::int64_t process) {
    const int descriptor =
        static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(process), 0U));
    if (descriptor < 0) {
        return errno == ESRCH;
    }
    pollfd end{.fd = descriptor, .events = POLLIN, .revents = 0};
    const bool is_over = ::poll(&end, 1, end_patience_ms) == 1;
    ::close(descriptor);
    return is_over;
}

int status(const std::string& socket, const operate_options& wanted) {
    const auto answer = cluster::ask_status(socket);
    if (!answer) {
        return report(answer.error());
    }
    say(wanted.as_json ? status_json(*answer) : status_text(*answer));
    return is_whole(*answer) ? done : failed;
}

/// While the answer is awaited: what `count` says of the node, when it has changed.
template <typename Answer>
void tell_progress(const std::string& socket, const std::future<Answer>& answer, const char* what,
                   std::uint64_t cluster::operator_status::* count) {
    std::uint64_t told = 0;
    while (answer.wait_for(std::chrono::seconds(1)) != std::future_status::ready) {
        const auto now = cluster::ask_status(socket);
        if (now && (*now).*count != told && (*now).*count > 0) {
            told = (*now).*count;
            std::fprintf(stderr, "%llu %s\n", static_cast<unsigned long long>(told), what);
        }
    }
}

int join(const std::string& socket, const operate_options& wanted) {
    if (wanted.sessions == cluster::own_sessions::discard) {
        const auto before = cluster::ask_status(socket);
        if (!before) {
            return report(before.error());
        }
        std::fprintf(stderr, "%s", discard_text(*before).c_str());
    }
    auto asked = std::async(std::launch::async, [&] {
        return cluster::ask_join(socket, {.places = wanted.places, .sessions = wanted.sessions});
    });
    tell_progress(socket, asked, "sessions to be handed over",
                  &cluster::operator_status::misplaced_sessions);
    const auto answer = asked.get();
    if (!answer) {
        return report(answer.error());
    }
    for (const cluster::operator_found& each : answer->found) {
        say(found_text(each));
    }
    for (const problem& each : answer->failed) {
        report(each);
    }
    if (answer->failed.empty() && wanted.sessions != cluster::own_sessions::stay) {
        say(united_text(*answer, wanted.sessions));
    }
    return answer->failed.empty() ? done : failed;
}

int leave(const std::string& socket, const operate_options& wanted) {
    const bool is_drain = wanted.task == operate_task::drain;
    auto asked = std::async(std::launch::async, [&] {
        return cluster::ask_leave(socket, {.is_forced = wanted.is_forced, .is_drain = is_drain});
    });
    tell_progress(socket, asked, "kept sessions to be handed over",
                  &cluster::operator_status::kept_sessions);
    const auto answer = asked.get();
    if (!answer) {
        return report(answer.error());
    }
    if (!has_ended(answer->process)) {
        report({.place = answer->name,
                .what = std::string(is_drain ? "it is drained" : "it has left")
                        + ", but its process " + std::to_string(answer->process) + " still runs",
                .remedy = "look at its log"});
        return failed;
    }
    say(is_drain ? drain_text(*answer) : leave_text(*answer));
    return done;
}

int forget(const std::string& socket, const operate_options& wanted) {
    const auto answer = cluster::ask_forget(socket, wanted.which);
    if (!answer) {
        return report(answer.error());
    }
    say(forget_text(*answer));
    return done;
}

/// Empty: it was told what is wrong.
[[nodiscard]] std::string find_socket(const operate_options& wanted) {
    if (!wanted.socket.empty()) {
        return wanted.socket;
    }
    const loaded_options loaded = load_options(wanted.broker, process_environment(), profile_here);
    for (const problem& each : loaded.problems) {
        report(each);
    }
    if (!loaded.problems.empty()) {
        return {};
    }
    std::string path = operator_socket(loaded.values);
    if (path.empty()) {
        report({.place = "storage.enabled",
                .what = "a broker that keeps nothing has no folder for a socket",
                .remedy = "set cluster.operator_socket, for the broker and for this command"});
    }
    return path;
}

[[nodiscard]] bool is_setup(operate_task task) noexcept {
    return task == operate_task::init || task == operate_task::renew || task == operate_task::token
           || task == operate_task::join_by_token;
}

int tell(const result<cluster_setup, problem>& made, std::string_view what, std::string_view next) {
    if (!made) {
        report(made.error());
        return failed;
    }
    say(setup_text(*made, what, next));
    return done;
}

/// The token alone on standard output, so that it can be passed on.
int token(const options& all, const operate_options& wanted) {
    const auto made = make_token(all, wanted.address, wanted.good_for);
    if (!made) {
        report(made.error());
        return failed;
    }
    say(cluster::text_of(*made) + "\n");
    std::fprintf(stderr, "%s", token_hint(*made).c_str());
    return done;
}

/// Without the broker; what it is told is in files.
int set_up(const operate_options& wanted) {
    loaded_options loaded = load_options(wanted.broker, process_environment(), profile_here);
    for (const problem& each : loaded.problems) {
        report(each);
    }
    if (!loaded.problems.empty()) {
        return misused;
    }
    const bool is_new = !find_identity(loaded.values);
    complete_cluster(loaded); // plain text is no problem here
    const options& all = loaded.values;
    switch (wanted.task) {
    case operate_task::init:
        return tell(
            init_cluster(all, wanted.cluster), "is the first node of the cluster",
            "Start the broker with cluster.bind set to an address that others reach. For "
            "each other node\nrun `grapevine cluster token` here, and `grapevine cluster "
            "join --token TOKEN` there.\nKeep a copy of ca.key in a safe place: whoever has "
            "it can make nodes of this cluster.\n");
    case operate_task::renew:
        return tell(renew_certificate(all), "has a new certificate in the cluster",
                    "A running broker uses it after SIGHUP.\n");
    case operate_task::join_by_token:
        return tell(join_by_token(all, wanted.token, std::chrono::seconds(0)),
                    is_new ? "may join the cluster" : "has a new certificate in the cluster",
                    is_new ? "Start the broker; it finds the others by itself.\n"
                           : "A running broker uses it after SIGHUP.\n");
    case operate_task::token:
        return token(all, wanted);
    case operate_task::status:
    case operate_task::join:
    case operate_task::leave:
    case operate_task::drain:
    case operate_task::forget:
    case operate_task::help:
        break;
    }
    return misused;
}

} // namespace

int operate_main(std::span<const std::string_view> args) {
    const auto wanted = parse_operate_options(args);
    if (!wanted) {
        std::fprintf(stderr, "grapevine cluster: %s\n", wanted.error().c_str());
        return misused;
    }
    if (wanted->task == operate_task::help) {
        say(operate_usage());
        return done;
    }
    if (is_setup(wanted->task)) {
        return set_up(*wanted);
    }
    const std::string socket = find_socket(*wanted);
    if (socket.empty()) {
        return misused;
    }
    switch (wanted->task) {
    case operate_task::status:
        return status(socket, *wanted);
    case operate_task::join:
        return join(socket, *wanted);
    case operate_task::leave:
    case operate_task::drain:
        return leave(socket, *wanted);
    case operate_task::forget:
        return forget(socket, *wanted);
    case operate_task::init:
    case operate_task::renew:
    case operate_task::token:
    case operate_task::join_by_token:
    case operate_task::help:
        break;
    }
    return done;
}

} // namespace gv::server
