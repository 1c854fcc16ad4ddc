// SPDX-License-Identifier: Apache-2.0
// The password file, in Mosquitto's format with one addition. Grammar, a line each:
//
//   line       = [ entry | comment ] [ CR ]
//   comment    = "#" anything
//   entry      = username ":" credential         credential: see password_hash.hpp
//
// Blanks around the username and the credential do not count. A user has at most one password
// entry ($7$ or $6$) and at most one SCRAM entry, in any order. A line that is wrong is reported
// and left out; the others count.
#pragma once

#include "base/hash.hpp"
#include "base/result.hpp"
#include "broker/auth/password_hash.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gv::auth {

/// All that one file says. Immutable once parsed; a reload makes a new one.
class password_table {
  public:
    struct user {
        std::optional<password_hash> password;
        std::optional<scram_credential> scram;
        std::uint32_t password_line = 0; ///< from 1
        std::uint32_t scram_line = 0;
    };

    /// `place` names the file in rules and problems.
    explicit password_table(std::string place) : place_(std::move(place)) {}

    /// Null if there is no such user. Lifetime: that of the table.
    [[nodiscard]] const user* find(std::string_view username) const;

    /// Some user's hash to check a password against when there is no user of that name, so that
    /// the answer takes as long: always the same one for the same name. Null if nobody has one.
    [[nodiscard]] const password_hash* password_decoy(std::string_view username) const;
    [[nodiscard]] const scram_credential* scram_decoy(std::string_view username) const;

    [[nodiscard]] const std::string& place() const noexcept { return place_; }
    [[nodiscard]] std::size_t size() const noexcept { return users_.size(); }

    /// Adds an entry unless the user has one of that kind; then it returns the line of that one,
    /// else 0.
    std::uint32_t add(std::string_view username, credential kept, std::uint32_t line);

  private:
    std::string place_;
    // Nodes do not move, so the decoys may point into them.
    std::unordered_map<std::string, user, string_hash, std::equal_to<>> users_;
    std::vector<const user*> with_password_;
    std::vector<const user*> with_scram_;
};

struct password_load {
    std::shared_ptr<const password_table> table; ///< null only if the file could not be read
    std::vector<problem> problems;
};

/// Reads the text of a password file.
[[nodiscard]] password_load parse_password_file(std::string_view text, std::string place);

/// Reads a password file. Blocks on the disk: for start-up and reload.
[[nodiscard]] password_load load_password_file(const std::string& path);

} // namespace gv::auth
