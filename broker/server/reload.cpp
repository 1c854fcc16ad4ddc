// SPDX-License-Identifier: Apache-2.0
#include "broker/server/reload.hpp"

#include "broker/server/option_table.hpp"

#include <algorithm>

namespace gv::server {

namespace {

const section_ref* find_section(const std::vector<section_ref>& table, const section_ref& like) {
    const auto found = std::ranges::find_if(table, [&](const section_ref& each) {
        return each.row.name == like.row.name && each.index == like.index;
    });
    return found == table.end() ? nullptr : &*found;
}

/// What tells one item of a list from another, on one line: what differs from the defaults.
std::string summary(const section_ref& item) {
    std::string out;
    for (const auto& each : item.options) {
        if (!each->is_default() && !each->is_secret()) {
            out.append(out.empty() ? "" : ", ").append(each->key()).append(" = ");
            out.append(each->text());
        }
    }
    return out.empty() ? "defaults" : out;
}

std::string item_name(const section_ref& item) {
    return std::string(item.row.name) + "." + std::to_string(item.index.value_or(0));
}

void compare(const section_ref& before, const section_ref& after,
             std::vector<option_change>& changes) {
    for (std::size_t at = 0; at < before.options.size(); ++at) {
        const option_ref& left = *before.options[at];
        const option_ref& right = *after.options[at];
        if (left.text() == right.text()) {
            continue;
        }
        const bool is_hidden = left.is_secret();
        changes.push_back({.name = left.path(),
                           .before = is_hidden ? std::string(hidden_text) : left.text(),
                           .after = is_hidden ? std::string(hidden_text) : right.text(),
                           .applies = left.applies()});
    }
}

} // namespace

std::vector<option_change> diff(const std::vector<section_ref>& before,
                                const std::vector<section_ref>& after) {
    std::vector<option_change> changes;
    for (const section_ref& section : before) {
        if (const section_ref* same = find_section(after, section)) {
            compare(section, *same, changes);
        } else {
            changes.push_back({item_name(section), summary(section), "", reload::restart});
        }
    }
    for (const section_ref& section : after) {
        if (find_section(before, section) == nullptr) {
            changes.push_back({item_name(section), "", summary(section), reload::restart});
        }
    }
    return changes;
}

std::vector<option_change> diff(const options& before, const options& after) {
    options left = before;
    options right = after;
    return diff(sections(left), sections(right));
}

} // namespace gv::server
