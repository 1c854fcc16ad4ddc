// SPDX-License-Identifier: Apache-2.0
// What the router knows of those who take messages: a volatile client's connection or the home of a
// persistent session, both on this shard; and members of shared groups, on any shard.
#pragma once

#include "base/ids.hpp"
#include "base/message.hpp"

#include <compare>
#include <cstdint>
#include <span>
#include <string_view>

namespace gv::router {

/// What a subscriber asked for with one filter (MQTT 5, 3.8.3.1).
struct subscription_options {
    qos quality = qos::at_most_once;
    bool no_local = false;
    bool retain_as_published = false;
    bool newest_only = false;          ///< of what waits, the newest of each topic
    std::uint32_t subscription_id = 0; ///< 0: none

    friend bool operator==(const subscription_options&, const subscription_options&) = default;
};

/// What one delivery of a message may use, merged over all filters of the subscriber that match.
struct grant {
    qos quality = qos::at_most_once;
    bool retain_as_published = false;
    bool newest_only = false;                        ///< every matching filter says so
    std::span<const std::uint32_t> subscription_ids; ///< of every matching filter that has one
    std::uint8_t group = 0; ///< shard of the group it comes through, plus 1; 0: none
};

/// Takes messages. Shard-local. The router holds plain pointers: a subscriber removes all its
/// subscriptions before it ends.
class subscriber {
  public:
    subscriber() = default;
    subscriber(const subscriber&) = delete;
    subscriber& operator=(const subscriber&) = delete;
    virtual ~subscriber() = default;

    /// Takes the message now or queues it within its own limits. Lifetime: both arguments are
    /// valid during the call.
    virtual void deliver(const publication& what, const grant& how) = 0;
    /// Whether its access rules let it read this topic; asked once per topic, then cached.
    [[nodiscard]] virtual bool may_receive(std::string_view topic) const = 0;
    /// Whether it is a session that is kept while its client is away. Always the same.
    [[nodiscard]] virtual bool is_kept() const { return false; }
    /// hash64 of its client id, compared with the publisher's for No Local.
    [[nodiscard]] virtual std::uint64_t client_hash() const = 0;
};

/// A member of a shared group, anywhere on this node.
struct member_id {
    shard_id shard;
    std::uint64_t subscriber = 0; ///< number that the member's shard gave it
    friend auto operator<=>(const member_id&, const member_id&) = default;
};

} // namespace gv::router
