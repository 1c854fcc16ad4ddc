// SPDX-License-Identifier: Apache-2.0
#include "broker/server/option_table.hpp"

#include "broker/server/option_walk.hpp"

#include <algorithm>

namespace gv::server {

namespace {

/// Names live in static storage, so they outlive the options they are read from.
struct name_lists {
    std::vector<std::string_view> options;
    std::vector<std::string_view> sections;
    std::vector<std::string_view> lists;
};

name_lists collect_names() {
    name_lists names;
    options all = documented_options();
    for (const section_ref& section : sections(all)) {
        names.sections.push_back(section.row.name);
        if (section.index) {
            names.lists.push_back(section.row.name);
        }
        for (const auto& each : section.options) {
            names.options.push_back(each->name());
        }
    }
    return names;
}

const name_lists& names() {
    static const name_lists only = collect_names();
    return only;
}

} // namespace

std::optional<value_error> check_shape(value_kind kind, const raw_value& raw) {
    using shape = raw_value::shape;
    const bool wants_text = kind == value_kind::text;
    if (raw.form == shape::list && kind != value_kind::list) {
        return value_error{"one value is wanted, not a list", "leave the brackets away"};
    }
    if (wants_text && (raw.form == shape::number || raw.form == shape::boolean)) {
        return value_error{raw.text + " is not text", "put it in quotes: " + toml_quoted(raw.text)};
    }
    return std::nullopt;
}

std::string as_toml(value_kind kind, const std::string& text, const text_list* items) {
    if (items != nullptr) {
        std::string out = "[";
        for (const std::string& item : *items) {
            out.append(out.size() == 1 ? "" : ", ").append(toml_quoted(item));
        }
        return out + "]";
    }
    const bool is_word = text == "true" || text == "false";
    const bool is_digits =
        !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
    const bool stands_alone =
        kind == value_kind::fraction
        || (kind != value_kind::text && kind != value_kind::choice && is_digits)
        || (kind != value_kind::text && is_word);
    return stands_alone ? text : toml_quoted(text);
}

value_error out_of_range(std::string_view given, std::string_view range) {
    return {std::string(given) + " is out of range",
            "write a value in the range: " + std::string(range)};
}

std::vector<section_ref> sections(options& all) { return sections_of(all); }

void add_item(options& all, std::string_view section, std::size_t index) {
    for_each_field(all, [&](auto& group) {
        if constexpr (requires { group.items; }) {
            auto made = typename std::decay_t<decltype(group.items)>::value_type{};
            if (made.about.row().name == section && group.items.size() == index) {
                group.items.push_back(std::move(made));
            }
        }
    });
}

options documented_options() {
    options all;
    all.listeners.items.emplace_back();
    all.topics.items.emplace_back();
    return all;
}

const std::vector<std::string_view>& option_names() { return names().options; }

const std::vector<std::string_view>& section_names() { return names().sections; }

bool is_list_section(std::string_view section) {
    return std::ranges::find(names().lists, section) != names().lists.end();
}

} // namespace gv::server
