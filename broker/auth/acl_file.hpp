// SPDX-License-Identifier: Apache-2.0
// The ACL file, in Mosquitto's format. Grammar, a line each; words are parted by blanks or tabs:
//
//   line     = [ rule | user | comment ] [ CR ]
//   comment  = "#" anything
//   user     = "user" name                    the name runs to the end of the line
//   rule     = ( "topic" | "pattern" ) [ access ] filter
//   access   = "read" | "write" | "readwrite" | "deny"         none: readwrite
//   filter   = topic filter                   with an access before it, it may hold blanks
//
// "topic" rules belong to the user named last; those before the first "user" line to anonymous
// clients. "pattern" rules belong to everybody; in them %u is the username and %c the client id.
// A file with a mistake is refused whole, since a lost "deny" would open what was closed.
#pragma once

#include "base/hash.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gv::auth {

enum class access : std::uint8_t { deny = 0, read = 1, write = 2, readwrite = 3 };

struct acl_rule {
    std::string filter; ///< of a pattern: with its place holders
    access grants = access::readwrite;
    std::string text; ///< "acl.conf:12 topic deny secret/#"
};

/// Rules that are looked at together: first whether one denies, then whether one grants.
struct acl_section {
    std::vector<acl_rule> denials;
    std::vector<acl_rule> grants;
};

/// All that one file says. Immutable once parsed.
struct acl_table {
    std::string no_rule; ///< "acl.conf: no rule allows it"
    acl_section anonymous;
    std::unordered_map<std::string, acl_section, string_hash, std::equal_to<>> users;
    acl_section patterns;
};

struct acl_load {
    std::shared_ptr<const acl_table> table; ///< null if there is any problem
    std::vector<problem> problems;
};

/// Reads the text of an ACL file; `place` names the file in rules and problems.
[[nodiscard]] acl_load parse_acl_file(std::string_view text, std::string_view place);

/// Reads an ACL file. Blocks on the disk: for start-up and reload.
[[nodiscard]] acl_load load_acl_file(const std::string& path);

/// What a pattern becomes for a client: each %u and %c replaced, once, from left to right. Nothing
/// if it needs a username and there is none.
[[nodiscard]] std::optional<std::string> expand_pattern(std::string_view pattern,
                                                        std::string_view client_id,
                                                        std::optional<std::string_view> username);

} // namespace gv::auth
