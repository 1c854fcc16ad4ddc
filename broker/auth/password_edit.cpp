// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/password_edit.hpp"

#include "broker/auth/password_hash.hpp"
#include "broker/auth/text_file.hpp"

#include <array>
#include <utility>

namespace gv::auth {

namespace {

/// A line as an entry; both parts are empty if it is a blank line or a comment.
struct entry_view {
    std::string_view username;
    std::string_view rest; ///< after the colon
    bool has_colon = false;
};

entry_view split_entry(std::string_view line) {
    if (line.starts_with('#')) {
        return {};
    }
    const std::size_t colon = line.find(':');
    const bool has_colon = colon != std::string_view::npos;
    return {.username = trimmed(line.substr(0, colon)),
            .rest = has_colon ? line.substr(colon + 1) : std::string_view(),
            .has_colon = has_colon};
}

/// Walks lines with their endings.
class raw_lines {
  public:
    explicit raw_lines(std::string_view text) : text_(text), reader_(text) {}

    bool advance() {
        const bool is_there = reader_.advance();
        const std::size_t end = std::min(text_.find('\n', begin_ + raw_.size()), text_.size());
        begin_ += raw_.size();
        raw_ = text_.substr(begin_, end == text_.size() ? end - begin_ : end - begin_ + 1);
        return is_there;
    }
    [[nodiscard]] std::string_view raw() const { return raw_; }
    [[nodiscard]] std::uint32_t number() const { return reader_.number(); }
    [[nodiscard]] entry_view entry() const { return split_entry(reader_.line()); }

  private:
    std::string_view text_;
    line_reader reader_;
    std::string_view raw_;
    std::size_t begin_ = 0;
};

void append_entries(std::string& text, std::string_view username,
                    const std::vector<std::string>& credentials) {
    if (!credentials.empty() && !text.empty() && text.back() != '\n') {
        text += '\n';
    }
    for (const auto& credential : credentials) {
        text.append(username).append(":").append(credential).append("\n");
    }
}

/// A plain password may begin with "$", but not like this.
bool looks_hashed(std::string_view text) {
    constexpr std::array<std::string_view, 3> beginnings{"$6$", "$7$", "$scram-sha-256$"};
    for (const auto beginning : beginnings) {
        if (trimmed(text).starts_with(beginning)) {
            return true;
        }
    }
    return false;
}

/// What is wrong with a line that cannot be upgraded; nothing if it can, or need not be.
std::string_view fault_of(const entry_view& entry) {
    if (entry.username.empty() && !entry.has_colon) {
        return {};
    }
    if (entry.username.empty() || !entry.has_colon || entry.rest.empty()) {
        return "is not \"username:password\"";
    }
    if (looks_hashed(entry.rest) && !parse_credential(trimmed(entry.rest))) {
        return "begins like a hash but is none";
    }
    return {};
}

} // namespace

std::string with_user(std::string_view text, std::string_view username,
                      const std::vector<std::string>& credentials) {
    std::string changed;
    bool is_written = false;
    for (raw_lines lines(text); lines.advance();) {
        if (lines.entry().username != username) {
            changed += lines.raw();
        } else if (!std::exchange(is_written, true)) {
            append_entries(changed, username, credentials);
        }
    }
    if (!is_written) {
        append_entries(changed, username, credentials);
    }
    return changed;
}

bool has_user(std::string_view text, std::string_view username) {
    for (raw_lines lines(text); lines.advance();) {
        if (lines.entry().username == username) {
            return true;
        }
    }
    return false;
}

bool has_scram_entry(std::string_view text, std::string_view username) {
    for (raw_lines lines(text); lines.advance();) {
        const auto entry = lines.entry();
        if (entry.username == username && trimmed(entry.rest).starts_with("$scram-")) {
            return true;
        }
    }
    return false;
}

result<std::string, std::vector<problem>> with_hashed_passwords(std::string_view text,
                                                                std::string_view place,
                                                                const password_hasher& hasher) {
    std::string changed;
    std::vector<problem> problems;
    for (raw_lines lines(text); lines.advance();) {
        const auto entry = lines.entry();
        if (const auto fault = fault_of(entry); !fault.empty()) {
            problems.push_back({.place = place_of(place, lines.number()),
                                .what = std::string(fault),
                                .remedy = "correct the line or remove it"});
        } else if (entry.username.empty() || looks_hashed(entry.rest)) {
            changed += lines.raw();
        } else if (problems.empty()) { // with a problem the work would be for nothing
            append_entries(changed, entry.username, hasher(entry.rest));
        }
    }
    if (!problems.empty()) {
        return failure(std::move(problems));
    }
    return changed;
}

} // namespace gv::auth
