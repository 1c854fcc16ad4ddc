// SPDX-License-Identifier: Apache-2.0
#include "base/topic.hpp"

#include <algorithm>

namespace gv {

namespace {
constexpr std::string_view share_prefix = "$share/";
constexpr std::string_view queue_prefix = "$queue/";
} // namespace

std::size_t count_levels(std::string_view topic) noexcept {
    return static_cast<std::size_t>(std::count(topic.begin(), topic.end(), '/')) + 1;
}

bool is_valid_topic_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= 65'535
           && name.find_first_of(std::string_view("+#\0", 3)) == std::string_view::npos;
}

bool is_valid_topic_filter(std::string_view filter) noexcept {
    if (filter.empty() || filter.size() > 65'535 || filter.find('\0') != std::string_view::npos) {
        return false;
    }
    for (topic_levels levels(filter); !levels.done();) {
        const std::string_view level = levels.next();
        if (!has_wildcard(level)) {
            continue;
        }
        if (level.size() != 1 || (level == "#" && !levels.done())) {
            return false;
        }
    }
    return true;
}

bool topic_matches(std::string_view filter, std::string_view name) noexcept {
    if (is_dollar_topic(name) && (filter.front() == '+' || filter.front() == '#')) {
        return false;
    }
    topic_levels wanted(filter);
    topic_levels given(name);
    while (!wanted.done()) {
        const std::string_view level = wanted.next();
        if (level == "#") {
            return true;
        }
        if (given.done()) {
            return false;
        }
        const std::string_view actual = given.next();
        if (level != "+" && level != actual) {
            return false;
        }
        // `a/#` matches `a` too [MQTT-4.7.1-2]: the parent of a trailing `#`.
        if (given.done() && !wanted.done()) {
            return wanted.next() == "#";
        }
    }
    return given.done();
}

bool is_shared_filter(std::string_view filter) noexcept {
    return filter.starts_with(share_prefix) || filter == "$share"
           || filter.starts_with(queue_prefix);
}

std::optional<shared_filter> split_shared_filter(std::string_view filter) noexcept {
    shared_filter parts;
    if (filter.starts_with(queue_prefix)) {
        parts = {.group = "$queue", .filter = filter.substr(queue_prefix.size())};
    } else if (filter.starts_with(share_prefix)) {
        filter.remove_prefix(share_prefix.size());
        const std::size_t slash = filter.find('/');
        if (slash == std::string_view::npos) {
            return std::nullopt;
        }
        parts = {.group = filter.substr(0, slash), .filter = filter.substr(slash + 1)};
        if (parts.group.empty() || has_wildcard(parts.group)) {
            return std::nullopt;
        }
    }
    if (!is_valid_topic_filter(parts.filter)) {
        return std::nullopt;
    }
    return parts;
}

} // namespace gv
