// SPDX-License-Identifier: Apache-2.0
// What shards of a node say to each other. What fronts and homes say is said between nodes, too
// (errand.hpp). Every batch
// keeps the order in which it was filled, so that between two shards what was said first arrives
// first: a route change before the messages that rely on it, a push before the PUBREL behind it.
#pragma once

#include "base/ids.hpp"
#include "base/message.hpp"
#include "broker/router/retained.hpp"
#include "broker/router/subscriber.hpp"
#include "broker/session/home.hpp"
#include "storage/store.hpp"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace gv::shard {

/// Numbers of clients and homes are unique on the node: the shard is in the upper bits.
inline constexpr unsigned shard_bits = 48;
/// Whether a home with this number is on that shard; any, if none is named.
[[nodiscard]] constexpr bool is_on(const std::optional<shard_id>& shard,
                                   std::uint64_t home) noexcept {
    return !shard || home >> shard_bits == shard->value;
}

/// Names a message of which the sender awaits that it was taken; 0: nobody waits.
using take_token = strong_id<struct take_token_tag, std::uint32_t>;

/// A message for the receiver's own subscribers, for its retained table, or both.
struct routed {
    message_ref what;              ///< shared
    std::uint64_t publisher = 0;   ///< number of the client to be held for it; 0: nobody
    std::uint32_t open_takers = 0; ///< on the sender
    take_token take;
    storage::branch branch{}; ///< of the transaction that what is written down for it is a part of
    bool is_for_subscribers = false;
    bool is_for_groups = false;
    bool is_for_retained = false;
    bool is_for_kept_only = false; ///< of the subscribers
};

/// A message for one member of a shared group.
struct group_delivery {
    message_ref what;
    std::uint64_t publisher = 0; ///< as in routed
    std::uint32_t open_takers = 0;
    take_token take;
    storage::branch branch{};
    std::uint64_t subscriber = 0;
    std::uint32_t subscription_id = 0;
    qos quality = qos::at_most_once;
    bool retain = false;
};

/// A message of `take` was taken (or its PUBACK reason is to be this).
struct taken {
    take_token take;
    mqtt::reason_code reason = mqtt::reason_code::success;
};

/// Bytes of routed messages that the receiver has worked off.
struct credit {
    std::size_t bytes = 0;
};

/// To the shard of a publisher: somebody here is full of its messages, or is no more. For each of
/// them that it is to wait for, it is told once, and once that it need not any longer.
struct publisher_hold {
    std::uint64_t publisher = 0;
    bool is_held = false;
};

/// Home to front.
struct push {
    std::uint64_t connection = 0;
    message_ref what;
    std::unique_ptr<std::vector<std::uint32_t>> subscription_ids;
    packet_id id;
    qos quality = qos::at_most_once;
    bool retain = false;
    bool dup = false;
    bool wants_room = false; ///< tell the home when the output is empty
};
struct push_pubrel {
    std::uint64_t connection = 0;
    packet_id id;
};
struct kick {
    std::uint64_t connection = 0;
    std::uint64_t home = 0; ///< 0: the connection is not attached
    attach_epoch epoch;
    session::close_cause cause{};
    mqtt::reason_code reason{};
    std::string why;
};
struct attach_answer {
    std::uint64_t connection = 0;
    std::uint64_t home = 0;
    session::attached answer;
};
struct confirmed {
    std::uint64_t connection = 0;
    session::inbound_ack what;
};
struct settled {
    std::uint64_t connection = 0;
    session::delivery_ack ack;
    session::outbound::ack outcome{};
};

/// Front to home.
struct attach {
    std::uint64_t connection = 0;
    std::optional<std::string> username;
    session::attach_request request;
};
struct detach {
    std::uint64_t home = 0;
    attach_epoch epoch;
    session::detach_notice notice;
    bool is_early = false; ///< something that it gave out may not have been taken yet
};
struct home_ack {
    std::uint64_t home = 0;
    std::uint64_t connection = 0;
    session::delivery_ack ack;
};
struct inbound_change {
    std::uint64_t home = 0;
    std::uint64_t connection = 0;
    storage::branch branch{};
    packet_id id;
    durability level = durability::fsync;
    bool is_held = false;
};
struct confirm {
    std::uint64_t home = 0;
    std::uint64_t connection = 0;
    session::inbound_ack what;
};
struct room {
    std::uint64_t home = 0;
    std::uint64_t connection = 0;
};
/// The client became full, or is so no longer.
struct front_load {
    std::uint64_t home = 0;
    std::uint64_t connection = 0;
    bool is_full = false;
};
struct subscribe {
    std::uint64_t home = 0;
    std::uint64_t connection = 0;
    packet_id id;
    std::vector<session::subscription> filters;
};
struct unsubscribe {
    std::uint64_t home = 0;
    std::uint64_t connection = 0;
    packet_id id;
    std::vector<std::string> filters;
};
struct subscribed {
    std::uint64_t connection = 0;
    packet_id id;
    bool is_removal = false;
    std::vector<mqtt::reason_code> reasons;
};

/// To a home that counts a connection as attached which is not, or has no right to a will there.
[[nodiscard]] detach given_up(std::uint64_t home, attach_epoch epoch);

/// A node to another that it has held for dead: whatever was attached from there to homes on that
/// shard of the sender is not any more.
struct detached_all {
    shard_id home_shard;
};
/// What another node says, from the shard where it came to the one that it is for.
struct word_of_node {
    shard_id party; ///< who says it
    boot_id boot;   ///< in which life
    std::shared_ptr<struct boxed_word> what;
};

/// Of the sessions of a partition that go over from one node to another, said by the shards that
/// have them and will have them. handover.hpp tells the order.
struct handover {
    enum class step : std::uint8_t {
        // old home to new
        offer,  ///< sessions and subscriptions follow
        join,   ///< these were all
        finish, ///< the others were all: what is dated up to `cut` is there
        late,   ///< so are further messages
        stop,   ///< it does not take place
        erased, ///< nothing is left at the old home
        // new home to old
        more,    ///< the rows are taken
        joined,  ///< all nodes know what the sessions want here
        arrived, ///< all is on disk
        here,    ///< the sessions are; all nodes know of its members of groups
        taken,   ///< the sessions are at home
        refused,
    };
    partition_id which;
    std::uint64_t number = 0; ///< of the old home, for this time
    step what{};
    hybrid_time cut{};
};
/// Rows of these sessions, old home to new.
struct handover_rows {
    partition_id which;
    std::uint64_t number = 0;
    bool are_late = false;
    /// *(table:u8 key:text value_length:u32 value)
    std::string rows;
};
/// To all shards of a node: date nothing up to `after` any more, and say when what you gave out
/// until now was taken by both homes.
struct fence {
    partition_id which;
    std::uint64_t number = 0;
    hybrid_time after{};
    std::array<node_id, 2> homes{};
};
struct fenced {
    partition_id which;
    std::uint64_t number = 0;
    shard_id shard; ///< who says it
    std::uint16_t shards = 1;
    hybrid_time at{}; ///< it has dated nothing later
};
/// Between shards of a node: comes back when all that was said before is heard.
struct flush {
    std::uint64_t fence = 0;
    bool is_back = false;
};

/// A filter got its first taker on the sender, or lost its last.
struct route_change {
    std::string filter;
    std::uint64_t operation = 0; ///< 0: no answer wanted
    bool is_wanted = false;
};
/// The route changes of an operation, or the joining of a group, are in force.
struct applied {
    std::uint64_t operation = 0;
};
/// A member joins, leaves, goes online or offline; said to the shard that owns the group.
struct group_change {
    enum class kind : std::uint8_t { join, leave, online, offline };
    kind what{};
    bool is_online = true;
    bool is_queue = false; ///< the member is the queue of the group
    std::uint64_t subscriber = 0;
    std::uint64_t operation = 0;
    std::string group;
    std::string filter;
    router::subscription_options options;
};
/// A message that another node gave to a group which the receiver owns. Is answered as not taken if
/// the group has no member.
struct group_errand {
    message_ref what; ///< shared
    take_token take;
    storage::branch branch{};
    std::string group;
    std::string filter;
};
/// The member acknowledged a message of its group (for least_in_flight).
struct group_ack {
    std::uint64_t subscriber = 0;
};

/// Of a shared subscription of a kept session, to the home of the group's queue (group_queue.hpp).
struct member_change {
    enum class kind : std::uint8_t {
        join,   ///< by name
        online, ///< by number of the queue, here and below
        room,   ///< it takes messages again
        offline,
        leave,
        move, ///< the session goes over to another node, and says so itself
    };
    kind what{};
    std::uint64_t member = 0; ///< number of the member's home
    std::uint64_t queue = 0;  ///< of join: its number, for the answer
    std::uint16_t window = 0; ///< messages that it may have at once; of online
    std::string name;         ///< "$share/group/filter"; of join
};
/// Answer to a join, or to a word for a queue that does not know the member.
struct member_known {
    enum class kind : std::uint8_t {
        known,
        unknown, ///< ask again
        refused  ///< there is no room on the disk
    };
    kind what{};
    std::uint64_t member = 0;
    std::uint64_t queue = 0;
    std::uint64_t join = 0; ///< number of the join that it answers; 0: it answers something else
    std::string name;       ///< of an answer to join
};
/// A message of a queue for one of its members.
struct group_push {
    std::uint64_t member = 0;
    std::uint64_t queue = 0;
    message_ref what; ///< shared
    packet_id id;     ///< of the queue; 0 at QoS 0
    bool retain = false;
};
/// What became of it.
struct group_outcome {
    enum class kind : std::uint8_t {
        taken,
        kept,     ///< QoS 2: it is the member's alone, but its client has not acknowledged it yet
        done,     ///< it has acknowledged one that was kept
        returned, ///< the member has left, or gone offline, before
        full      ///< it takes nothing until it says that it has room
    };
    std::uint64_t queue = 0;
    std::uint64_t member = 0;
    packet_id id;
    kind what{};
    storage::branch branch{}; ///< of the transaction that the erasure from the queue is a part of
};

/// A page of a replay, asked for and given. `request` is the subscriber's own number of it.
struct page_request {
    std::uint64_t subscriber = 0;
    std::uint32_t request = 0;
    std::string filter;
    std::string after;
    router::page_limits limits;
};
struct page_answer {
    std::uint64_t subscriber = 0;
    std::uint32_t request = 0;
    router::retained_page page; ///< of shared messages
};
/// Goes to a third shard, from there to the store that a page is to be read from, and home again.
struct replay_errand {
    std::uint64_t subscriber = 0;
    std::uint32_t request = 0;
    shard_id home;
    shard_id store;
};

/// What is said seldom travels in a box, so that the frequent messages stay small.
using rare = std::variant<kick, attach_answer, settled, confirmed, attach, detach, inbound_change,
                          confirm, room, subscribe, unsubscribe, subscribed, route_change, applied,
                          group_change, page_request, page_answer, replay_errand, publisher_hold,
                          front_load, group_errand, detached_all, word_of_node, handover,
                          handover_rows, fence, fenced, flush, member_change, member_known>;
using shard_message =
    std::variant<routed, group_delivery, taken, credit, push, push_pubrel, home_ack, group_ack,
                 group_push, group_outcome, std::unique_ptr<rare>>;
struct boxed_word {
    shard_message what;
};

} // namespace gv::shard
