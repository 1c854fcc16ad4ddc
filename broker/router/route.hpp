// SPDX-License-Identifier: Apache-2.0
// Everybody who takes the messages of one topic, as the router answers it.
#pragma once

#include "broker/router/group_spread.hpp"
#include "broker/router/peer_routes.hpp"
#include "broker/router/shared_groups.hpp"
#include "broker/router/subscriber.hpp"

#include <cstdint>
#include <vector>

namespace gv::router {

/// One subscriber that takes the messages of a topic. Overlapping filters are merged: the highest
/// QoS, Retain As Published if any of them asked for it, all subscription ids in ascending order.
struct target {
    subscriber* who = nullptr;
    grant how;
    std::int32_t own = -1; ///< see route::grant_for
    bool has_no_local = false;
};

/// Everybody who takes the messages of one topic. Those whose access rules forbid the topic are
/// left out.
struct route {
    std::vector<target> targets;
    std::vector<group*> groups;       ///< with members on this node alone
    std::vector<spread_group> spread; ///< with members on other nodes; this shard chooses
    std::vector<peer_want> peers;     ///< other nodes that want it
    std::uint64_t remote = 0;         ///< bit n: shard n wants it
    std::uint64_t spread_shards = 0;  ///< bit n: shard n chooses for a group with members elsewhere

    [[nodiscard]] bool is_empty() const noexcept { return !has_outsiders() && !has_groups(); }
    /// Subscribers on this node, and whoever other shards have.
    [[nodiscard]] bool has_outsiders() const noexcept {
        return !targets.empty() || remote != 0 || !peers.empty();
    }
    [[nodiscard]] bool has_groups() const noexcept {
        return !groups.empty() || !spread.empty() || spread_shards != 0;
    }

    /// What `to`, one of `targets`, may have of a message of `publisher`; null for nothing. Only
    /// with No Local and for the publisher itself is it not simply `to.how`: then the filters
    /// without No Local count alone. Lifetime: as the route.
    [[nodiscard]] const grant* grant_for(const target& to, std::uint64_t publisher) const {
        if (!to.has_no_local || to.who->client_hash() != publisher) [[likely]] {
            return &to.how;
        }
        return to.own < 0 ? nullptr : &own_grants[static_cast<std::size_t>(to.own)];
    }

    std::vector<grant> own_grants;               ///< what grant_for gives to publishers
    std::vector<std::uint32_t> subscription_ids; ///< what the grants point into
};

} // namespace gv::router
