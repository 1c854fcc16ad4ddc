// SPDX-License-Identifier: Apache-2.0
// Decides by an ACL file as Mosquitto 2 does:
//
//   publish    needs "write" on the topic, at each PUBLISH
//   receive    needs "read" on the topic, at each delivery
//   subscribe  is granted, unless a "deny" covers the whole filter
//
// A denial that matches wins over every grant. Where no rule matches, publish and receive are
// denied. Rules whose first level is a wildcard do not reach topics that begin with `$`.
// What the values of %u and %c may not do is written at acl_authoriser.
#pragma once

#include "broker/auth/acl_file.hpp"
#include "broker/auth/authoriser.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace gv::auth {

/// Whether every topic that `filter` can match is matched by `denied` too. Requires: both are
/// valid topic filters, not shared ones.
[[nodiscard]] bool filter_covers(std::string_view denied, std::string_view filter) noexcept;

class acl_view;

/// Makes views from one ACL file. Values of clients cannot widen a pattern: a client whose id or
/// username holds `+` or `#` gets nothing by any pattern (as in Mosquitto 2); one whose value
/// holds `/`, or begins a topic with `$`, gets nothing by the patterns that use that value. Denying
/// patterns always hold.
class acl_authoriser final : public authoriser {
  public:
    /// Requires: `table` is not null.
    explicit acl_authoriser(std::shared_ptr<const acl_table> table);
    [[nodiscard]] std::shared_ptr<const access_view> view_of(const subject& who) const override;

  private:
    using view_pointer = std::shared_ptr<const acl_view>;

    [[nodiscard]] const view_pointer& base_of(std::optional<std::string_view> username) const;

    // The "topic" rules, made ready once and shared by all connections of a user.
    view_pointer anonymous_;
    view_pointer stranger_; ///< a user that the file does not name
    std::unordered_map<std::string, view_pointer, string_hash, std::equal_to<>> users_;
    bool has_patterns_;
};

} // namespace gv::auth
