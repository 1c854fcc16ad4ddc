// SPDX-License-Identifier: Apache-2.0
#include "broker/server/load.hpp"

#include "broker/server/config_file.hpp"
#include "broker/server/environment.hpp"
#include "broker/server/validate.hpp"

#include <string>

namespace gv::server {

namespace {

constexpr std::uint16_t default_port = 1883;

void add_loopback(loaded_options& into, std::uint16_t port, const std::string& place) {
    for (const std::string_view address : {"127.0.0.1", "::1"}) {
        const std::string path =
            "listeners." + std::to_string(into.values.listeners.items.size()) + ".";
        listener_options& made = into.values.listeners.items.emplace_back();
        made.bind = std::string(address);
        made.port = port;
        made.is_optional = address == "::1";
        if (!place.empty()) {
            into.origins[path + "bind"] = place;
            into.origins[path + "port"] = place;
        }
    }
}

void add_implied_listeners(const command_line& flags, loaded_options& into) {
    into.values.storage.is_port_of_flag =
        into.values.listeners.items.empty() && !flags.ports.empty();
    for (const std::uint16_t port : flags.ports) {
        add_loopback(into, port, "-p");
    }
    if (into.values.listeners.items.empty()) {
        into.is_local_only = true;
        add_loopback(into, default_port, "");
    }
}

/// Nobody sees the standard error of a daemon; Mosquitto does the same.
void send_daemon_log_to_syslog(const command_line& flags, loaded_options& into) {
    if (flags.is_daemon && !into.origins.contains("log.destination")) {
        into.values.log.destination = "syslog";
        into.origins["log.destination"] = "-d";
    }
}

} // namespace

loaded_options load_options(const command_line& flags,
                            const std::vector<std::string_view>& environment,
                            const profile_chooser& choose) {
    loaded_options loaded;
    loaded.problems = flags.problems;
    std::vector<assignment> given;
    const std::string file =
        flags.config_file.empty() ? config_file_in(environment) : flags.config_file;
    if (!file.empty()) {
        given = read_config_file(file, loaded.problems);
    }
    // One list, so that a listener may be made in the file and changed by a flag.
    for (const std::vector<assignment>& more :
         {read_environment(environment, loaded.problems), flags.assignments}) {
        given.insert(given.end(), more.begin(), more.end());
    }
    const path_set refused = apply(given, loaded.values, loaded.origins, loaded.problems);
    add_implied_listeners(flags, loaded);
    send_daemon_log_to_syslog(flags, loaded);
    loaded.profile =
        choose ? choose(loaded.values) : choose_profile(*loaded.values.storage.profile, {});
    take_profile(loaded.profile, loaded.values, loaded.origins);
    for (problem& wrong : validate(loaded.values, loaded.origins, refused)) {
        loaded.problems.push_back(std::move(wrong));
    }
    return loaded;
}

} // namespace gv::server
