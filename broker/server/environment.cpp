// SPDX-License-Identifier: Apache-2.0
#include "broker/server/environment.hpp"

#include "broker/server/option_table.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace gv::server {

namespace {

constexpr std::string_view prefix = "GRAPEVINE_";
constexpr std::string_view config_file_entry = "GRAPEVINE_CONFIG=";

std::string path_of(std::string_view variable) {
    std::string path;
    variable.remove_prefix(prefix.size());
    while (!variable.empty()) {
        if (variable.starts_with("__")) {
            path.push_back('.');
            variable.remove_prefix(2);
            continue;
        }
        const char c = variable.front();
        path.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
        variable.remove_prefix(1);
    }
    return path;
}

std::string with_underscores(std::string_view path) {
    std::string text(path);
    std::ranges::replace(text, '.', '_');
    return text;
}

/// "0_" at the start of `text`, if a number is there.
std::string_view leading_number(std::string_view text) {
    const std::size_t end = text.find_first_not_of("0123456789");
    return end == std::string_view::npos || end == 0 || text[end] != '_' ? std::string_view()
                                                                         : text.substr(0, end);
}

/// The variable that `name`, without "__", must have been meant for; empty: none of ours.
std::string meant_variable(std::string_view name) {
    const std::string given = path_of(name); // "auth_acl_file", "listeners_0_port"
    for (const std::string_view option : option_names()) {
        const std::string_view section = option.substr(0, option.find('.'));
        const std::string_view key = option.substr(section.size() + 1);
        if (given == with_underscores(option)) {
            const bool is_list = is_list_section(section);
            return variable_name(is_list ? std::string(section) + ".0." + std::string(key)
                                         : std::string(option));
        }
        if (!is_list_section(section) || !given.starts_with(std::string(section) + "_")) {
            continue;
        }
        const std::string_view rest = std::string_view(given).substr(section.size() + 1);
        const std::string_view number = leading_number(rest);
        if (!number.empty() && rest.substr(number.size() + 1) == key) {
            return variable_name(std::string(section) + "." + std::string(number) + "."
                                 + std::string(key));
        }
    }
    return {};
}

/// GRAPEVINE_ADMIN_PORT is what Kubernetes sets for a service grapevine-admin: an address.
bool is_of_kubernetes(std::string_view value) {
    return value.starts_with("tcp://") || value.starts_with("udp://")
           || value.starts_with("sctp://");
}

void report_if_meant(std::string_view name, std::string_view value,
                     std::vector<problem>& problems) {
    const std::string meant = is_of_kubernetes(value) ? std::string() : meant_variable(name);
    if (!meant.empty()) {
        problems.push_back({std::string(name), "sets no option: two underscores stand for a dot",
                            "did you mean " + meant + "?"});
    }
}

} // namespace

std::vector<assignment> read_environment(const std::vector<std::string_view>& entries,
                                         std::vector<problem>& problems) {
    std::vector<assignment> given;
    for (const std::string_view entry : entries) {
        const std::size_t equals = entry.find('=');
        const std::string_view name = entry.substr(0, equals);
        if (equals == std::string_view::npos || !name.starts_with(prefix)) {
            continue;
        }
        if (name.find("__", prefix.size()) == std::string_view::npos) {
            report_if_meant(name, entry.substr(equals + 1), problems);
            continue;
        }
        given.push_back({.path = path_of(name),
                         .value = {.text = std::string(entry.substr(equals + 1)), .items = {}},
                         .place = std::string(name)});
    }
    return given;
}

std::vector<std::string_view> process_environment() {
    std::vector<std::string_view> entries;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        entries.emplace_back(*entry);
    }
    return entries;
}

std::string config_file_in(const std::vector<std::string_view>& entries) {
    for (const std::string_view entry : entries) {
        if (entry.starts_with(config_file_entry)) {
            return std::string(entry.substr(config_file_entry.size()));
        }
    }
    return {};
}

std::string variable_name(std::string_view path) {
    std::string name(prefix);
    for (const char c : path) {
        if (c == '.') {
            name.append("__");
        } else {
            name.push_back(c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
        }
    }
    return name;
}

} // namespace gv::server
