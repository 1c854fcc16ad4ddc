// SPDX-License-Identifier: Apache-2.0
// The queue of a shared group with persistent members (MQTT 5, 4.8.2). It is a kept session of its
// own, named as the subscription is ("$share/group/filter"), which lives at the home of its
// partition as any other does, and is itself a member of the group (shared_groups.hpp), the only
// one that is kept. In place of a client it has the sessions of the persistent members, wherever
// their homes are: to each it gives as much as that can send to its client at once, so that nothing
// waits with a member that is slow or away.
//
//   member's home                             queue's home
//   join                  ->                  makes the queue, or finds it
//                         <-                  known: it is in force everywhere
//   online                ->
//                         <-                  push: a message; it stays in the queue
//   taken, kept           ->                  erased from the queue
//   done                  ->                  has acknowledged what was kept
//   returned, full        ->                  given to another member; after full to this one again
//   room                  ->                  once it says room
//   offline, leave        ->
//
// A member takes a message of QoS 1 when its client has acknowledged it, and holds it in memory
// only until then; what is not acknowledged when the connection ends is returned. One of QoS 2 is
// kept: within a node it is written down with the session and erased from the queue in one
// transaction; between nodes it is erased once it is on disk with the session and goes out.
#pragma once

#include "base/ids.hpp"
#include "base/message.hpp"
#include "broker/router/shared_groups.hpp"
#include "broker/session/outbound_log.hpp"
#include "broker/shard/messages.hpp"

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gv::shard {

/// The home of a member's session.
struct member_address {
    shard_id party; ///< a shard of this node, or another node
    std::uint64_t home = 0;
    friend bool operator==(const member_address&, const member_address&) = default;
};

/// It asks to be known to a queue.
struct queue_join {
    member_address who;
    std::uint64_t number = 0; ///< among the joins of its shard
};

/// What the home of a queue knows beside its session. Shard-local; the core moves what it says.
class group_queue {
  public:
    explicit group_queue(router::group_strategy strategy) noexcept : strategy_(strategy) {}

    /// A message that is in flight from the queue.
    struct loan {
        message_ref what;
        qos quality = qos::at_least_once;
        bool retain = false;
        std::uint64_t order = 0;          ///< of first giving
        std::optional<member_address> to; ///< nothing: it waits for a member
    };
    enum class standing : std::uint8_t { offline, full, open };

    /// Offline; what it had been given waits for another. No effect (false) if a later join of it
    /// is known.
    bool add(const queue_join& asked);
    /// What it has been given waits for another. False if it is not known.
    bool remove(const member_address& who);
    /// The same for all that are there, or on one shard of that node.
    void remove_all_of(shard_id party, const std::optional<shard_id>& shard_there);
    /// `window`: messages that it may have at once. False if it is not known.
    bool set(const member_address& who, standing now, std::uint16_t window);
    bool set(const member_address& who, standing now);

    /// Who takes this message now, by the strategy of groups. Nothing: nobody, or who should take
    /// it has no room.
    [[nodiscard]] std::optional<member_address> next(const publication& what);
    /// The same for what is not counted: full or not.
    [[nodiscard]] std::optional<member_address> next_online(const publication& what);
    /// Whether some message would be taken.
    [[nodiscard]] bool takes_more() const noexcept;
    [[nodiscard]] bool has_online() const noexcept;
    [[nodiscard]] bool is_empty() const noexcept { return members_.empty(); }

    /// Of a packet identifier that is not lent.
    loan& lend(packet_id id, loan made);
    void give(loan& what, const member_address& to);
    /// A message that the member kept is in flight to it no more.
    void done(const member_address& by);
    /// The member has done with it, and it waits. Null: the member was not given it, or it was
    /// taken back.
    [[nodiscard]] loan* take_back(packet_id id, const member_address& from);
    /// It has been taken. Requires: it waits.
    void forget(packet_id id) {
        waiting_.erase(loans_.at(id.value).order);
        loans_.erase(id.value);
    }
    /// The same, and it counts as in flight to the member until done().
    void keep(packet_id id, const member_address& by);
    void forget_all();
    /// The oldest that waits for a member; nothing: none does.
    [[nodiscard]] std::optional<packet_id> oldest_waiting() const;
    [[nodiscard]] loan& at(packet_id id) { return loans_.at(id.value); }
    [[nodiscard]] bool has_given() const noexcept { return loans_.size() > waiting_.size(); }
    [[nodiscard]] bool knows(const member_address& who) noexcept { return find(who) != nullptr; }
    /// Whether something is given that may not be given twice.
    [[nodiscard]] bool has_given_once() const;

    time_point empty_since = never; ///< it has no member, and all nodes are there
    bool is_closing = false;        ///< it goes to another home once it may

  private:
    struct member {
        member_address address;
        std::uint64_t join = 0;  ///< number of the last
        std::uint64_t mixed = 0; ///< its part of a rendezvous score
        standing now = standing::offline;
        std::uint16_t window = 0;
        std::uint16_t given = 0;
    };
    [[nodiscard]] static bool is_open(const member& each) noexcept {
        return each.now == standing::open && each.given < each.window;
    }
    [[nodiscard]] static bool is_online(const member& each) noexcept {
        return each.now != standing::offline;
    }
    [[nodiscard]] member* find(const member_address& who) noexcept;
    [[nodiscard]] member* choose(const publication& what, bool (*takes)(const member&) noexcept);
    [[nodiscard]] member* in_turn(bool (*takes)(const member&) noexcept);
    [[nodiscard]] member* by_hash(std::uint64_t key);
    void take_all_from(const member_address& who);

    router::group_strategy strategy_;
    std::vector<member> members_;
    boost::unordered_flat_map<std::uint16_t, loan> loans_; ///< by packet identifier of the queue
    std::map<std::uint64_t, std::uint16_t> waiting_;       ///< for a member, by order
    std::size_t turn_ = 0;
    std::uint64_t orders_ = 0;
};

/// What a member's home knows of a queue.
struct queue_membership {
    std::string filter;          ///< as the client wrote it; empty: this place is free
    std::string name;            ///< of the queue
    shard_id party{};            ///< of the queue's home
    std::uint64_t queue = 0;     ///< 0: it does not know of this member yet
    std::uint64_t join = 0;      ///< number of the join asked last; what answers another is stale
    std::uint64_t operation = 0; ///< a SUBSCRIBE that waits for it; 0: none
    std::uint16_t index = 0;     ///< of the filter there
    bool is_new = false;         ///< the subscription was not there before that
    bool is_asked = false;       ///< it will answer, or be lost
    bool owes_room = false;
    bool is_leaving = false;                       ///< as soon as nothing is lent any more
    boost::unordered_flat_set<std::uint16_t> lent; ///< packet identifiers of the queue
};

/// As the session of a group's queue is named, however clients write the subscription.
[[nodiscard]] inline std::string group_queue_name(std::string_view group, std::string_view filter) {
    return std::string("$share/").append(group).append("/").append(filter);
}
/// Session of a queue, not of a client.
[[nodiscard]] inline bool is_group_queue(std::string_view client_id) noexcept {
    return client_id.starts_with("$share/");
}

} // namespace gv::shard
