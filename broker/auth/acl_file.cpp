// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/acl_file.hpp"

#include "base/topic.hpp"
#include "broker/auth/text_file.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace gv::auth {

namespace {

constexpr std::string_view blanks = " \t";

struct access_word {
    std::string_view word;
    access grants;
};
constexpr std::array<access_word, 4> access_words{{{"read", access::read},
                                                   {"write", access::write},
                                                   {"readwrite", access::readwrite},
                                                   {"deny", access::deny}}};

/// Splits off the first word; `text` becomes what follows it.
std::string_view take_word(std::string_view& text) {
    const std::size_t end = std::min(text.find_first_of(blanks), text.size());
    const std::string_view word = text.substr(0, end);
    text = trimmed(text.substr(end));
    return word;
}

std::optional<access> access_named(std::string_view word) {
    for (const auto& [name, grants] : access_words) {
        if (name == word) {
            return grants;
        }
    }
    return std::nullopt;
}

class parser {
  public:
    explicit parser(std::string_view place)
        : place_(place), table_(std::make_shared<acl_table>()), section_(&table_->anonymous) {
        table_->no_rule = std::string(place) + ": no rule allows it";
    }

    void take(std::string_view line, std::uint32_t number) {
        number_ = number;
        std::string_view rest = trimmed(line);
        if (rest.empty() || rest.front() == '#') {
            return;
        }
        const std::string_view whole = rest;
        const std::string_view keyword = take_word(rest);
        if (keyword == "user") {
            take_user(rest);
        } else if (keyword == "topic") {
            take_rule(whole, rest, *section_, rest);
        } else if (keyword == "pattern") {
            take_pattern(whole, rest);
        } else {
            complain("\"" + std::string(keyword) + "\" is not a keyword",
                     "begin the line with user, topic, pattern or #");
        }
    }

    acl_load finish() && {
        if (!problems_.empty()) {
            table_ = nullptr;
        }
        return {std::move(table_), std::move(problems_)};
    }

  private:
    void take_user(std::string_view name) {
        if (name.empty()) {
            return complain("the username is missing", "write: user NAME");
        }
        section_ = &table_->users[std::string(name)];
    }

    void take_pattern(std::string_view whole, std::string_view rest) {
        // Whatever the values will be, the shape must be that of a filter: "x" stands for them.
        const std::string sample = expand_pattern(rest, "x", "x").value_or("");
        take_rule(whole, rest, table_->patterns, sample);
    }

    /// `sample` is `rest` or, for a pattern, an example of it.
    void take_rule(std::string_view whole, std::string_view rest, acl_section& section,
                   std::string_view sample) {
        access grants = access::readwrite;
        // A single word is the filter, even if it reads "deny".
        if (rest.find_first_of(blanks) != std::string_view::npos) {
            const std::string_view word = take_word(rest);
            const auto named = access_named(word);
            if (!named) {
                return complain("\"" + std::string(word) + "\" is not a kind of access",
                                "use read, write, readwrite or deny; a filter with blanks needs "
                                "one of them before it");
            }
            grants = *named;
            take_word(sample);
        }
        if (!is_valid_topic_filter(sample)) {
            return complain("\"" + std::string(rest) + "\" is not a topic filter",
                            "let + and # stand alone in a level, # in the last one");
        }
        auto& rules = grants == access::deny ? section.denials : section.grants;
        rules.push_back({.filter = std::string(rest),
                         .grants = grants,
                         .text = place_of(place_, number_) + " " + std::string(whole)});
    }

    void complain(std::string what, std::string remedy) {
        problems_.push_back({.place = place_of(place_, number_),
                             .what = std::move(what),
                             .remedy = std::move(remedy)});
    }

    std::string place_;
    std::shared_ptr<acl_table> table_;
    acl_section* section_;
    std::uint32_t number_ = 0;
    std::vector<problem> problems_;
};

} // namespace

acl_load parse_acl_file(std::string_view text, std::string_view place) {
    parser lines(place);
    for (line_reader reader(text); reader.advance();) {
        lines.take(reader.line(), reader.number());
    }
    return std::move(lines).finish();
}

acl_load load_acl_file(const std::string& path) {
    const auto text = read_text_file(path);
    if (!text) {
        return {.table = nullptr, .problems = {text.error()}};
    }
    return parse_acl_file(*text, path);
}

std::optional<std::string> expand_pattern(std::string_view pattern, std::string_view client_id,
                                          std::optional<std::string_view> username) {
    std::string filter;
    while (!pattern.empty()) {
        const bool is_client_id = pattern.starts_with("%c");
        const bool is_username = pattern.starts_with("%u");
        if (is_username && !username) {
            return std::nullopt;
        }
        if (is_client_id || is_username) {
            filter += is_client_id ? client_id : *username;
            pattern.remove_prefix(2);
        } else {
            filter += pattern.front();
            pattern.remove_prefix(1);
        }
    }
    return filter;
}

} // namespace gv::auth
