// SPDX-License-Identifier: Apache-2.0
#include "broker/server/health_command.hpp"

#include "broker/admin/admin_client.hpp"
#include "broker/server/command_line.hpp"
#include "broker/server/config_source.hpp"
#include "broker/server/environment.hpp"
#include "broker/server/load.hpp"

#include <chrono>
#include <cstdio>
#include <string>

namespace gv::server {

namespace {

constexpr int healthy = 0;
constexpr int unhealthy = 1;
constexpr int misused = 2;
constexpr unsigned http_ok = 200;
constexpr std::chrono::milliseconds patience{3'000};

constexpr std::string_view usage =
    "Usage: grapevine health [flags]\n"
    "\n"
    "Asks the broker on this machine, at its admin port, whether it serves clients (/readyz), and\n"
    "says what it answers, within 3 s. The flags are those that the broker was started with; "
    "they,\n"
    "the configuration and the environment say where its admin port is.\n"
    "\n"
    "Exit code: 0 it serves clients; 1 it does not, or does not answer; 2 a command line without\n"
    "sense.\n";

void report(const problem& wrong) {
    std::fprintf(stderr, "grapevine health: %s\n", to_line(wrong).c_str());
}

int say(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return healthy;
}

[[nodiscard]] result<admin::admin_answer, problem> ask(const admin_options& all) {
    const auto where = health_endpoint(all);
    return where ? admin::ask_admin(*where, "/readyz", patience) : failure(where.error());
}

} // namespace

result<transport::endpoint, problem> health_endpoint(const admin_options& all) {
    if (!*all.enabled) {
        return failure(problem{.place = "admin.enabled",
                               .what = "the broker has no admin port to ask",
                               .remedy = "set it to true, or ask for no health"});
    }
    if (*all.port == 0) {
        return failure(problem{.place = "admin.port",
                               .what = "0 is any free port, and only the broker knows which",
                               .remedy = "give it a number"});
    }
    auto where = transport::parse_endpoint(*all.bind, *all.port);
    if (where && where->host() == "0.0.0.0") {
        return transport::parse_endpoint("127.0.0.1", *all.port);
    }
    if (where && where->host() == "::") {
        return transport::parse_endpoint("::1", *all.port);
    }
    return where;
}

int health_main(std::span<const std::string_view> args) {
    const command_line flags = parse_command_line(args);
    if (flags.wanted == command_line::action::help) {
        return say(std::string(usage));
    }
    for (const problem& each : flags.problems) {
        report(each);
    }
    if (!flags.problems.empty() || flags.wanted != command_line::action::run) {
        std::fputs("grapevine health: it takes flags of the broker alone; see --help\n", stderr);
        return misused;
    }
    // What is wrong in the configuration now says nothing of a broker that was started before: it
    // is asked all the same.
    const loaded_options loaded = load_options(flags, process_environment());
    const auto answer = ask(loaded.values.admin);
    if (answer && answer->status == http_ok) {
        return say(answer->text);
    }
    for (const problem& each : loaded.problems) {
        report(each);
    }
    if (answer) {
        std::fprintf(stderr, "grapevine health: %s", answer->text.c_str());
    } else {
        report(answer.error());
    }
    return unhealthy;
}

} // namespace gv::server
