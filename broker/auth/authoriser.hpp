// SPDX-License-Identifier: Apache-2.0
// The seam that says what a client may do once it is in. An authoriser makes one access_view for
// each connection; the view holds only the rules that concern that client and answers each
// publish, delivery and subscribe from memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace gv::auth {

/// Whom the rules are asked about. Lifetime: views, valid for the call they are passed to.
struct subject {
    std::string_view client_id;
    std::optional<std::string_view> username; ///< proven; none: anonymous
};

enum class action : std::uint8_t {
    publish,   ///< the topic name of a PUBLISH from the client
    receive,   ///< the topic name of a message about to be delivered to it
    subscribe, ///< a topic filter, `$share/group/…` included
};

/// One decision on one action.
struct permission {
    bool allowed = false;
    /// Which rule decided: "acl.conf:12 topic deny secret/#". Lifetime: that of the access_view.
    std::string_view rule;
};

/// The rights of one subject. Immutable.
class access_view {
  public:
    virtual ~access_view() = default;
    access_view() = default;
    access_view(const access_view&) = delete;
    access_view& operator=(const access_view&) = delete;

    /// Decides. Requires: `topic` is a valid topic name (publish, receive) or filter (subscribe).
    [[nodiscard]] virtual permission check(action what, std::string_view topic) const noexcept = 0;
    /// True if check() allows everything, so that callers may leave it out.
    [[nodiscard]] virtual bool allows_everything() const noexcept { return false; }
};

/// Makes views. Thread-safe: one instance serves all shards. A reload makes a new authoriser, and
/// connections ask it for a new view; a view stays valid after its authoriser is gone.
class authoriser {
  public:
    virtual ~authoriser() = default;
    authoriser() = default;
    authoriser(const authoriser&) = delete;
    authoriser& operator=(const authoriser&) = delete;

    /// The rights of `who`. Never null. Subjects with the same rights may share one view.
    [[nodiscard]] virtual std::shared_ptr<const access_view> view_of(const subject& who) const = 0;
};

/// Without an ACL file: whoever came in may do everything.
class open_authoriser final : public authoriser {
  public:
    open_authoriser();
    [[nodiscard]] std::shared_ptr<const access_view> view_of(const subject& who) const override;

  private:
    std::shared_ptr<const access_view> view_;
};

} // namespace gv::auth
