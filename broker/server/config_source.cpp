// SPDX-License-Identifier: Apache-2.0
#include "broker/server/config_source.hpp"

#include "broker/server/option_table.hpp"

#include <charconv>
#include <optional>
#include <set>
#include <utility>

namespace gv::server {

namespace {

/// "listeners.3.port" in parts; without a number the index is missing.
struct list_path {
    std::string_view section;
    std::optional<std::size_t> index;
    std::string_view key;
};

list_path split_path(std::string_view path) {
    list_path parts;
    const std::size_t first = path.find('.');
    parts.section = path.substr(0, first);
    std::string_view rest = first == std::string_view::npos ? "" : path.substr(first + 1);
    const std::size_t second = rest.find('.');
    if (second != std::string_view::npos) {
        const std::string_view digits = rest.substr(0, second);
        std::size_t index = 0;
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), index);
        if (error == std::errc{} && end == digits.data() + digits.size()) {
            parts.index = index;
            rest.remove_prefix(second + 1);
        }
    }
    parts.key = rest;
    return parts;
}

bool is_known(std::string_view name) {
    for (const std::string_view known : option_names()) {
        if (known == name) {
            return true;
        }
    }
    return false;
}

std::string name_without_index(const list_path& parts) {
    const std::string section(parts.section);
    return parts.key.empty() ? section : section + "." + std::string(parts.key);
}

/// What is wrong with the path, if anything.
std::optional<problem> check_path(const assignment& each) {
    const list_path parts = split_path(each.path);
    const bool is_list = is_list_section(parts.section);
    if (!is_known(name_without_index(parts)) || (parts.index && !is_list)) {
        return unknown_option(each.path, each.place);
    }
    if (is_list && !parts.index) {
        return problem{each.place,
                       each.path + ": which of the " + std::string(parts.section)
                           + " is meant is not said",
                       "put its number before the name, from 0: " + std::string(parts.section)
                           + ".0." + std::string(parts.key)};
    }
    return std::nullopt;
}

option_ref* find_option(const std::vector<section_ref>& table, std::string_view path) {
    for (const section_ref& section : table) {
        for (const auto& each : section.options) {
            if (each->path() == path) {
                return each.get();
            }
        }
    }
    return nullptr;
}

} // namespace

void apply(const std::vector<assignment>& given, options& all, origin_map& origins,
           std::vector<problem>& problems) {
    std::vector<const assignment*> known;
    std::set<std::pair<std::string_view, std::size_t>> items; ///< of which list, in order
    for (const assignment& each : given) {
        if (auto wrong = check_path(each)) {
            problems.push_back(std::move(*wrong));
            continue;
        }
        known.push_back(&each);
        if (const list_path parts = split_path(each.path); parts.index) {
            items.emplace(parts.section, *parts.index);
        }
    }
    for (const auto& [section, index] : items) {
        add_item(all, section, index); // stops at the first gap
    }
    const std::vector<section_ref> table = sections(all);
    for (const assignment* each : known) {
        option_ref* const target = find_option(table, each->path);
        if (target == nullptr) {
            const std::string list(split_path(each->path).section);
            problems.push_back({each->place, each->path + ": there is no entry before this one",
                                "number the " + list + " from 0 without gaps"});
        } else if (auto wrong = target->read(each->value)) {
            problems.push_back({each->place, each->path + ": " + wrong->what, wrong->remedy});
        } else {
            origins[each->path] = each->place;
        }
    }
}

problem unknown_option(std::string_view path, std::string_view place) {
    const list_path parts = split_path(path);
    const std::string hint = did_you_mean(name_without_index(parts), option_names());
    return {std::string(place), std::string(path) + " is not an option",
            hint.empty() ? "see --help for all options" : hint};
}

std::string to_line(const problem& wrong) {
    std::string line = wrong.place + ": " + wrong.what;
    return wrong.remedy.empty() ? line : line + "; " + wrong.remedy;
}

} // namespace gv::server
