// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/password_file.hpp"

#include "broker/auth/text_file.hpp"

#include <utility>

namespace gv::auth {

namespace {

constexpr std::size_t username_bytes_max = 65'535;

/// Turns lines into table rows and problems.
class parser {
  public:
    explicit parser(const std::string& place)
        : place_(place), table_(std::make_shared<password_table>(place)) {}

    void take(std::string_view line, std::uint32_t number) {
        if (line.starts_with('#') || trimmed(line).empty()) {
            return;
        }
        const std::size_t colon = line.find(':');
        const std::string_view username = trimmed(line.substr(0, colon));
        if (colon == std::string_view::npos || username.empty()
            || username.size() > username_bytes_max) {
            return complain(number, "is not \"username:hash\"",
                            "remove the line, or write it anew with \"grapevine passwd\"");
        }
        take_entry(username, trimmed(line.substr(colon + 1)), number);
    }

    password_load finish() && { return {std::move(table_), std::move(problems_)}; }

  private:
    void take_entry(std::string_view username, std::string_view text, std::uint32_t number) {
        auto kept = parse_credential(text);
        if (!kept) {
            return complain(number, kept.error(),
                            text.starts_with('$')
                                ? "set the password anew with \"grapevine passwd\""
                                : "hash the passwords of the file with \"grapevine passwd -U\"");
        }
        if (const auto earlier = table_->add(username, std::move(*kept), number)) {
            complain(number,
                     "the user already has such an entry in line " + std::to_string(earlier)
                         + ", which counts",
                     "remove one of the two lines");
        }
    }

    void complain(std::uint32_t number, std::string what, std::string remedy) {
        problems_.push_back({.place = place_of(place_, number),
                             .what = std::move(what),
                             .remedy = std::move(remedy)});
    }

    std::string place_;
    std::shared_ptr<password_table> table_;
    std::vector<problem> problems_;
};

} // namespace

const password_table::user* password_table::find(std::string_view username) const {
    const auto found = users_.find(username);
    return found == users_.end() ? nullptr : &found->second;
}

const password_hash* password_table::password_decoy(std::string_view username) const {
    return with_password_.empty()
               ? nullptr
               : &*with_password_[hash64(username) % with_password_.size()]->password;
}

const scram_credential* password_table::scram_decoy(std::string_view username) const {
    return with_scram_.empty() ? nullptr
                               : &*with_scram_[hash64(username) % with_scram_.size()]->scram;
}

std::uint32_t password_table::add(std::string_view username, credential kept, std::uint32_t line) {
    user& row = users_.try_emplace(std::string(username)).first->second;
    if (auto* password = std::get_if<password_hash>(&kept)) {
        if (row.password) {
            return row.password_line;
        }
        row.password = std::move(*password);
        row.password_line = line;
        with_password_.push_back(&row);
        return 0;
    }
    if (row.scram) {
        return row.scram_line;
    }
    row.scram = std::move(std::get<scram_credential>(kept));
    row.scram_line = line;
    with_scram_.push_back(&row);
    return 0;
}

password_load parse_password_file(std::string_view text, std::string place) {
    parser lines(place);
    for (line_reader reader(text); reader.advance();) {
        lines.take(reader.line(), reader.number());
    }
    return std::move(lines).finish();
}

password_load load_password_file(const std::string& path) {
    const auto text = read_text_file(path);
    if (!text) {
        return {.table = nullptr, .problems = {text.error()}};
    }
    return parse_password_file(*text, path);
}

} // namespace gv::auth
