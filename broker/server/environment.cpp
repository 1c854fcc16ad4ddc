// SPDX-License-Identifier: Apache-2.0
#include "broker/server/environment.hpp"

#include <unistd.h>

#include <utility>

namespace gv::server {

namespace {

constexpr std::string_view prefix = "GRAPEVINE_";

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

} // namespace

std::vector<assignment> read_environment(const std::vector<std::string_view>& entries) {
    std::vector<assignment> given;
    for (const std::string_view entry : entries) {
        const std::size_t equals = entry.find('=');
        const std::string_view name = entry.substr(0, equals);
        if (equals == std::string_view::npos || !name.starts_with(prefix)
            || name.find("__", prefix.size()) == std::string_view::npos) {
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
