// SPDX-License-Identifier: Apache-2.0
// What lets one node into a cluster, once and for some time. As text, in one word:
//
//   GV1.NUMBER.SECRET.AUTHORITY.UNTIL.ADDRESS
//
// number 16, secret 32, authority (its fingerprint) 64 and until (seconds since 1970) up to 16
// hexadecimal digits; address host:port of a node that admits.
#pragma once

#include "base/result.hpp"
#include "base/time.hpp"

#include <string>
#include <string_view>

namespace gv::cluster {

struct join_token {
    std::string number;
    std::string secret;
    std::string authority;
    wall_time until{};
    std::string address;
    friend bool operator==(const join_token&, const join_token&) = default;
};

/// With a number and a secret that nobody guesses.
[[nodiscard]] join_token make_join_token(const std::string& authority, wall_time until,
                                         const std::string& address);
[[nodiscard]] std::string text_of(const join_token& token);
/// Spaces around it are no harm. Errors: for a person.
[[nodiscard]] result<join_token, std::string> parse_join_token(std::string_view text);

} // namespace gv::cluster
