// SPDX-License-Identifier: Apache-2.0
// Who takes a message: the filters of this shard's subscribers, the shared groups it owns, and the
// other shards that want a filter. One router a shard. The answer for a topic is cached, so that a
// warm lookup is one hash and one comparison and allocates nothing.
//
// Memory: a filter takes 140 to 230 bytes with its first subscriber (the less it shares with
// others, the more), and 16 for each further one.
//
// Turns. A route and everything it points to stays as it is until end_turn(), even if
// subscriptions change, groups end or the cache is full meanwhile: what is replaced is set aside
// until then. So a route may be walked while deliveries close clients, under one rule: a
// subscriber that removed its subscriptions is kept until the turn ends, and ignores deliveries
// that it no longer wants. (A group's members do change at once: pick() sees them as they are.)
#pragma once

#include "broker/router/peer_routes.hpp"
#include "broker/router/route.hpp"
#include "broker/router/shared_groups.hpp"
#include "broker/router/subscriber.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

namespace gv::router {

struct router_options {
    /// Topics whose route is remembered. Larger: fewer tree walks with many topics. Smaller: less
    /// memory. At least 1.
    std::size_t cached_routes_max = 65'536;
    /// Bytes of all remembered routes, which are over it by at most the newest one. A route takes
    /// about 280 bytes and 40 for each subscriber.
    std::size_t cached_bytes_max = 64u << 20;
    group_strategy strategy = group_strategy::round_robin;
    shard_id me; ///< which of the shards of the node this is
    std::size_t shards = 1;
    const peer_routes* peers = nullptr; ///< null: there are no other nodes. Outlives the router.
};

class router {
  public:
    explicit router(const router_options& options = {});
    ~router();
    router(const router&) = delete;
    router& operator=(const router&) = delete;

    struct added {
        bool is_new = false; ///< not a replacement of options
        bool first = false;  ///< the filter had no taker on this shard: tell the other shards
        bool first_of_kind = false; ///< none, but groups, that is kept, or is not, as this one:
                                    ///< tell the other nodes
        bool is_online = false;     ///< the member that joined
    };
    struct removed {
        bool existed = false;
        bool last = false; ///< the filter has no taker on this shard any more: tell the others
        bool last_of_kind = false; ///< none any more, but groups, that is kept, or is not, as this
                                   ///< one was: tell the other nodes
        bool was_online = false;   ///< the member that left
    };

    /// Subscribes, or replaces the options of a subscription. Requires: a valid topic filter (a
    /// shared one split first). Lifetime: `who` until it unsubscribes, and then to end_turn().
    added subscribe(subscriber& who, std::string_view filter, const subscription_options& options);
    removed unsubscribe(subscriber& who, std::string_view filter);

    /// Joins the group `name` of `filter`, or replaces the member's options. Called on the one
    /// shard that owns the group. A member's first join says whether it is online.
    added join(std::string_view name, std::string_view filter, member_id who,
               const subscription_options& options, bool is_online);
    removed leave(std::string_view name, std::string_view filter, member_id who);
    /// For all groups of the member. One that goes offline has nothing in flight any more. Returns
    /// the groups for which that is news.
    std::vector<const group*> set_online(member_id who, bool is_online);
    /// Null if it has no member. Lifetime: until the turn ends.
    [[nodiscard]] group* find_group(std::string_view name, std::string_view filter) noexcept;
    /// Counts for least_in_flight: a message that wants an acknowledgement went to the member, and
    /// it was acknowledged. No effect for a member of no group.
    void taken(member_id who);
    void acknowledged(member_id who);

    /// Another shard wants, or no longer wants, what `filter` matches. True if that is news.
    bool add_remote(std::string_view filter, shard_id shard);
    bool remove_remote(std::string_view filter, shard_id shard);

    /// Who takes the messages of this topic. Requires: a valid topic name. Lifetime: until
    /// end_turn().
    [[nodiscard]] const route& lookup(std::string_view topic);

    /// Asks may_receive() again for every topic: access rules have changed.
    void forget_verdicts();

    /// Frees what was replaced during the turn. To be called once a turn, when no route is held.
    void end_turn();

    [[nodiscard]] std::size_t subscriptions() const noexcept; ///< without members of groups
    [[nodiscard]] std::size_t filters() const noexcept;       ///< with a taker on this shard
    [[nodiscard]] std::size_t groups() const noexcept;
    [[nodiscard]] std::size_t cached_routes() const noexcept;
    [[nodiscard]] std::size_t cached_bytes() const noexcept;
    [[nodiscard]] std::uint64_t cache_misses() const noexcept; ///< since the start

    /// Calls `visit` for each filter with a taker on this shard: what a new peer must be told. The
    /// router must not be changed meanwhile.
    void for_each_filter(const std::function<void(std::string_view filter)>& visit) const;

  private:
    struct tables;
    std::unique_ptr<tables> tables_;
};

} // namespace gv::router
