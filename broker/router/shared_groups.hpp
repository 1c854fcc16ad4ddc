// SPDX-License-Identifier: Apache-2.0
// Shared subscriptions (MQTT 5, 4.8.2): groups of members of which one takes each message. A group
// lives on one shard, chosen by the shard layer; its members may be on any. Owned by the router.
#pragma once

#include "broker/router/subscriber.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gv::router {

/// How a group chooses the member that takes a message.
enum class group_strategy : std::uint8_t {
    round_robin,
    least_in_flight, ///< fewest messages taken and not yet acknowledged
    sticky,          ///< one member for as long as it is online
    hash_publisher,  ///< messages of one publisher stay with one member
    hash_topic       ///< messages of one topic stay with one member
};

/// A member of one group, with what it asked for.
struct group_member {
    member_id id;
    subscription_options options;
};

/// Members that share one filter under one group name. Shard-local.
class group {
  public:
    [[nodiscard]] std::string_view name() const noexcept;
    /// Members that are offline too.
    [[nodiscard]] std::size_t size() const noexcept;
    [[nodiscard]] std::size_t online() const noexcept;

    /// The member that takes this message, by the group's strategy, among those online; among all
    /// if none is. Nothing only if the group lost its last member during this turn. Lifetime:
    /// until the members of the group change.
    [[nodiscard]] const group_member* pick(std::uint64_t publisher, std::string_view topic);
};

} // namespace gv::router
