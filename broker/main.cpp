// SPDX-License-Identifier: Apache-2.0
// grapevine: parse, check, run, wait.
#include "base/log.hpp"
#include "broker/auth/passwd_command.hpp"
#include "broker/server/check_files.hpp"
#include "broker/server/cluster_identity.hpp"
#include "broker/server/cluster_setup.hpp"
#include "broker/server/documents.hpp"
#include "broker/server/environment.hpp"
#include "broker/server/health_command.hpp"
#include "broker/server/load.hpp"
#include "broker/server/operate_command.hpp"
#include "broker/server/persistence.hpp"
#include "broker/server/process.hpp"
#include "broker/server/server.hpp"
#include "broker/server/store_command.hpp"

#include <cstdio>
#include <string_view>
#include <vector>

namespace {

using namespace gv;

int report(const std::vector<problem>& problems) {
    for (const problem& each : problems) {
        std::fprintf(stderr, "grapevine: %s: %s; %s\n", each.place.c_str(), each.what.c_str(),
                     each.remedy.c_str());
    }
    return problems.empty() ? 0 : 1;
}

int say(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
}

/// A warning hinders no start, so it does not fail the check.
int check(const server::loaded_options& loaded) {
    const server::file_check files = server::check_files(loaded);
    for (const problem& each : files.warnings) {
        std::fprintf(stderr, "grapevine: warning: %s\n", server::to_line(each).c_str());
    }
    std::vector<problem> problems = loaded.problems;
    problems.insert(problems.end(), files.errors.begin(), files.errors.end());
    return problems.empty() ? say("The configuration is good.\n") : report(problems);
}

int serve(server::loaded_options loaded, const server::command_line& flags) {
    server::background detached(flags.is_daemon);
    if (const auto wrong = server::configure_log(loaded.values); !wrong.empty()) {
        return report(wrong);
    }
    if (const auto wrong = server::join_at_start(loaded); !wrong.empty()) {
        return report(wrong);
    }
    if (loaded.is_local_only) {
        log::info("local_only", {{"note", server::local_only_note}});
    }
    int outcome = 1;
    {
        server::server broker(std::move(loaded), flags);
        outcome = report(broker.start());
        if (outcome == 0) {
            detached.listening();
            broker.run();
        }
    }
    log::shutdown();
    return outcome;
}

} // namespace

int main(int count, char** arguments) {
    const server::command_line flags = server::parse_command_line(count, arguments);
    const std::vector<std::string_view> rest(flags.rest.begin(), flags.rest.end());
    using action = server::command_line::action;
    switch (flags.wanted) {
    case action::help:
        return say(server::help_text());
    case action::version:
        return say("grapevine " + std::string(server::version()) + "\n");
    case action::passwd:
        return auth::passwd_main(rest);
    case action::store: {
        const int outcome = server::store_main(rest);
        log::shutdown();
        return outcome;
    }
    case action::cluster: {
        const int outcome = server::operate_main(rest);
        log::shutdown();
        return outcome;
    }
    case action::health:
        return server::health_main(rest);
    case action::run:
    case action::check_config:
    case action::print_config:
        break;
    }
    server::end_by_signals();
    server::loaded_options loaded =
        server::load_options(flags, server::process_environment(), server::profile_here);
    server::complete_cluster(loaded);
    if (flags.wanted == action::check_config) {
        return check(loaded);
    }
    if (!loaded.problems.empty()) {
        return report(loaded.problems);
    }
    if (flags.wanted == action::print_config) {
        return say(server::print_config(loaded.values, loaded.origins));
    }
    return serve(std::move(loaded), flags);
}
