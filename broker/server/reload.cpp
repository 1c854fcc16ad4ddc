// SPDX-License-Identifier: Apache-2.0
#include "broker/server/reload.hpp"

#include "broker/server/option_table.hpp"
#include "broker/server/validate.hpp"

#include <algorithm>
#include <span>

namespace gv::server {

namespace {

constexpr std::string_view listeners_section = "listeners";

const section_ref* find_section(const std::vector<section_ref>& table, std::string_view name,
                                std::optional<std::size_t> index) {
    const auto found = std::ranges::find_if(table, [&](const section_ref& each) {
        return each.row.name == name && each.index == index;
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
        changes.push_back({.name = right.path(),
                           .before = is_hidden ? std::string(hidden_text) : left.text(),
                           .after = is_hidden ? std::string(hidden_text) : right.text(),
                           .applies = left.applies()});
    }
}

/// `same` gives the section of `after` that one of `before` is to be compared with, or null.
template <typename Same>
std::vector<option_change> diff_by(const std::vector<section_ref>& before,
                                   const std::vector<section_ref>& after, Same same) {
    std::vector<option_change> changes;
    std::vector<const section_ref*> compared;
    for (const section_ref& section : before) {
        if (const section_ref* const other = same(section)) {
            compare(section, *other, changes);
            compared.push_back(other);
        } else {
            changes.push_back({item_name(section), summary(section), "", reload::restart});
        }
    }
    for (const section_ref& section : after) {
        if (std::ranges::find(compared, &section) == compared.end()) {
            changes.push_back({item_name(section), "", summary(section), reload::restart});
        }
    }
    return changes;
}

using numbers = std::vector<std::size_t>; ///< of listeners

bool has_same_socket(const listener_options& left, const listener_options& right) {
    return *left.port == *right.port && is_same_address(*left.bind, *right.bind);
}

/// Those of `all` that cannot be told from `like` by what they have open.
numbers alike(std::span<const listener_options> all, const listener_options& like) {
    numbers found;
    for (std::size_t at = 0; at < all.size(); ++at) {
        if (has_same_socket(all[at], like)) {
            found.push_back(at);
        }
    }
    return found;
}

numbers named(std::span<const listener_options> all, const numbers& among,
              const std::string& name) {
    numbers found;
    std::ranges::copy_if(among, std::back_inserter(found),
                         [&](std::size_t at) { return *all[at].name == name; });
    return found;
}

std::optional<std::size_t> counterpart(std::span<const listener_options> running, std::size_t which,
                                       std::span<const listener_options> fresh) {
    numbers before = alike(running, running[which]);
    numbers after = alike(fresh, running[which]);
    if (before.size() != 1 || after.size() != 1) {
        before = named(running, before, *running[which].name);
        after = named(fresh, after, *running[which].name);
    }
    if (before.size() != after.size()) {
        return std::nullopt; // which of them it is cannot be said
    }
    return after[static_cast<std::size_t>(std::ranges::find(before, which) - before.begin())];
}

std::vector<option_change> diff(const options& running, const options& fresh,
                                const std::vector<std::optional<std::size_t>>& listeners) {
    options left = running;
    options right = fresh;
    const std::vector<section_ref> before = sections(left);
    const std::vector<section_ref> after = sections(right);
    return diff_by(before, after, [&](const section_ref& section) -> const section_ref* {
        if (section.row.name != listeners_section) {
            return find_section(after, section.row.name, section.index);
        }
        const std::optional<std::size_t> number = listeners[*section.index];
        return number ? find_section(after, section.row.name, number) : nullptr;
    });
}

} // namespace

std::vector<option_change> diff(const std::vector<section_ref>& before,
                                const std::vector<section_ref>& after) {
    return diff_by(before, after, [&](const section_ref& section) {
        return find_section(after, section.row.name, section.index);
    });
}

std::vector<option_change> diff(const options& before, const options& after) {
    options left = before;
    options right = after;
    return diff(sections(left), sections(right));
}

reload_plan plan_reload(const options& running, const options& fresh) {
    reload_plan plan{.effective = fresh, .listeners = {}, .changes = {}};
    const std::vector<listener_options>& open = running.listeners.items;
    std::vector<listener_options>& kept = plan.effective.listeners.items;
    kept.clear();
    for (std::size_t at = 0; at < open.size(); ++at) {
        const auto number = counterpart(open, at, fresh.listeners.items);
        kept.push_back(number ? fresh.listeners.items[*number] : open[at]);
        plan.listeners.push_back(number);
    }
    plan.effective.topics = running.topics; // every option of theirs needs a restart
    keep_restart_values(plan.effective, running);
    plan.effective.storage.is_port_of_flag = running.storage.is_port_of_flag;
    plan.changes = diff(running, fresh, plan.listeners);
    return plan;
}

} // namespace gv::server
