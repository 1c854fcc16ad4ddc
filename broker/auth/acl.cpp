// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/acl.hpp"

#include "base/topic.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace gv::auth {

namespace {

/// A rule made ready for one subject. Points into the table, or into the view's expansions.
struct ready_rule {
    std::string_view filter;
    std::string_view text;
    std::uint32_t literal_bytes = 0; ///< before the first wildcard
    access grants = access::deny;

    [[nodiscard]] bool matches(std::string_view topic) const noexcept {
        if (literal_bytes == filter.size()) {
            return filter == topic;
        }
        // `a/#` also matches `a`, so the slash before the wildcard is not compared here.
        const std::size_t sure = literal_bytes == 0 ? 0 : literal_bytes - 1;
        return topic.substr(0, sure) == filter.substr(0, sure) && topic_matches(filter, topic);
    }
};

ready_rule make_ready(std::string_view filter, const acl_rule& rule) {
    const std::size_t wildcard = std::min(filter.find_first_of("+#"), filter.size());
    return {.filter = filter,
            .text = rule.text,
            .literal_bytes = static_cast<std::uint32_t>(wildcard),
            .grants = rule.grants};
}

bool holds(access granted, access needed) noexcept {
    return (static_cast<unsigned>(granted) & static_cast<unsigned>(needed)) != 0;
}

/// See the rule at acl_authoriser.
bool may_use_patterns(const subject& who) {
    return !has_wildcard(who.client_id) && !has_wildcard(who.username.value_or(""));
}

bool is_widened(std::string_view pattern, std::string_view filter, const subject& who) {
    const auto brings_slash = [&](std::string_view holder, std::string_view value) {
        return value.find('/') != std::string_view::npos
               && pattern.find(holder) != std::string_view::npos;
    };
    return brings_slash("%c", who.client_id) || brings_slash("%u", who.username.value_or(""))
           || (is_dollar_topic(filter) && !is_dollar_topic(pattern));
}

/// Rules made ready, and the order in which they are asked.
struct rule_set {
    std::vector<ready_rule> denials;
    std::vector<ready_rule> grants;

    [[nodiscard]] const ready_rule* denial_of(std::string_view topic) const noexcept {
        const auto found = std::ranges::find_if(
            denials, [&](const ready_rule& rule) { return rule.matches(topic); });
        return found == denials.end() ? nullptr : &*found;
    }
    [[nodiscard]] const ready_rule* grant_of(access needed, std::string_view topic) const noexcept {
        const auto found = std::ranges::find_if(grants, [&](const ready_rule& rule) {
            return holds(rule.grants, needed) && rule.matches(topic);
        });
        return found == grants.end() ? nullptr : &*found;
    }
    [[nodiscard]] const ready_rule* denial_covering(std::string_view filter) const noexcept {
        const auto found = std::ranges::find_if(
            denials, [&](const ready_rule& rule) { return filter_covers(rule.filter, filter); });
        return found == denials.end() ? nullptr : &*found;
    }
};

/// The "topic" rules of one user.
struct section_rules {
    section_rules(std::shared_ptr<const acl_table> from, const acl_section* section)
        : table(std::move(from)) {
        if (section != nullptr) {
            add(section->denials, rules.denials);
            add(section->grants, rules.grants);
        }
    }

    static void add(const std::vector<acl_rule>& from, std::vector<ready_rule>& to) {
        to.reserve(from.size());
        for (const auto& rule : from) {
            to.push_back(make_ready(rule.filter, rule));
        }
    }

    std::shared_ptr<const acl_table> table; ///< what the rules point into
    rule_set rules;
};

class open_view final : public access_view {
  public:
    [[nodiscard]] permission check(action, std::string_view) const noexcept override {
        return {.allowed = true, .rule = "no ACL file"};
    }
    [[nodiscard]] bool allows_everything() const noexcept override { return true; }
};

} // namespace

/// The rights of one client: the rules of its user, shared, and the patterns, expanded for it.
class acl_view final : public access_view {
  public:
    acl_view(std::shared_ptr<const acl_table> table, const acl_section* section)
        : own_(std::make_shared<section_rules>(std::move(table), section)) {}

    acl_view(const acl_view& base, const subject& who) : own_(base.own_) {
        const acl_section& patterns = own_->table->patterns;
        // Expansions must not move once rules point to them.
        expanded_.reserve(patterns.denials.size() + patterns.grants.size());
        for (const auto& rule : patterns.denials) {
            add_pattern(rule, who, patterns_.denials);
        }
        if (may_use_patterns(who)) {
            for (const auto& rule : patterns.grants) {
                add_pattern(rule, who, patterns_.grants);
            }
        }
    }

    [[nodiscard]] permission check(action what, std::string_view topic) const noexcept override {
        switch (what) {
        case action::publish:
            return check_name(access::write, topic);
        case action::receive:
            return check_name(access::read, topic);
        case action::subscribe:
            return check_filter(topic);
        }
        return {.allowed = false, .rule = own_->table->no_rule};
    }

  private:
    void add_pattern(const acl_rule& rule, const subject& who, std::vector<ready_rule>& to) {
        auto filter = expand_pattern(rule.filter, who.client_id, who.username);
        if (!filter || filter->empty()
            || (rule.grants != access::deny && is_widened(rule.filter, *filter, who))) {
            return;
        }
        to.push_back(make_ready(expanded_.emplace_back(std::move(*filter)), rule));
    }

    [[nodiscard]] permission check_name(access needed, std::string_view topic) const noexcept {
        for (const auto* rules : {&own_->rules, &patterns_}) {
            if (const auto* denial = rules->denial_of(topic)) {
                return {.allowed = false, .rule = denial->text};
            }
        }
        for (const auto* rules : {&own_->rules, &patterns_}) {
            if (const auto* grant = rules->grant_of(needed, topic)) {
                return {.allowed = true, .rule = grant->text};
            }
        }
        return {.allowed = false, .rule = own_->table->no_rule};
    }

    [[nodiscard]] permission check_filter(std::string_view filter) const noexcept {
        if (const auto shared = split_shared_filter(filter)) {
            filter = shared->filter;
        }
        for (const auto* rules : {&own_->rules, &patterns_}) {
            if (const auto* denial = rules->denial_covering(filter)) {
                return {.allowed = false, .rule = denial->text};
            }
        }
        return {.allowed = true, .rule = "no rule denies it"};
    }

    std::shared_ptr<const section_rules> own_;
    std::vector<std::string> expanded_;
    rule_set patterns_;
};

bool filter_covers(std::string_view denied, std::string_view filter) noexcept {
    if (is_dollar_topic(filter) && (denied.front() == '+' || denied.front() == '#')) {
        return false;
    }
    if (denied == "+/#") {
        denied = "#"; // every topic has a first level
    }
    topic_levels wide(denied);
    topic_levels narrow(filter);
    while (!wide.done()) {
        const std::string_view level = wide.next();
        if (level == "#") {
            return true;
        }
        if (narrow.done()) {
            return false;
        }
        const std::string_view inner = narrow.next();
        if (inner == "#" || (level != "+" && level != inner)) {
            return false;
        }
        if (narrow.done() && !wide.done()) {
            return wide.next() == "#"; // `a/#` covers `a`
        }
    }
    return narrow.done();
}

acl_authoriser::acl_authoriser(std::shared_ptr<const acl_table> table)
    : anonymous_(std::make_shared<acl_view>(table, &table->anonymous)),
      stranger_(std::make_shared<acl_view>(table, nullptr)),
      has_patterns_(!table->patterns.denials.empty() || !table->patterns.grants.empty()) {
    for (const auto& [name, section] : table->users) {
        users_.emplace(name, std::make_shared<acl_view>(table, &section));
    }
}

const acl_authoriser::view_pointer&
acl_authoriser::base_of(std::optional<std::string_view> username) const {
    if (!username) {
        return anonymous_;
    }
    const auto found = users_.find(*username);
    return found == users_.end() ? stranger_ : found->second;
}

std::shared_ptr<const access_view> acl_authoriser::view_of(const subject& who) const {
    const auto& base = base_of(who.username);
    return has_patterns_ ? std::make_shared<acl_view>(*base, who) : base;
}

open_authoriser::open_authoriser() : view_(std::make_shared<open_view>()) {}

std::shared_ptr<const access_view> open_authoriser::view_of(const subject&) const { return view_; }

} // namespace gv::auth
