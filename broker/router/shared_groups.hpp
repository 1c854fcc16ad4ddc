// SPDX-License-Identifier: Apache-2.0
// Shared subscriptions (MQTT 5, 4.8.2): groups of members of which one takes each message. A group
// lives on one shard, chosen by the shard layer; its members may be on any. Owned by the router.
#pragma once

#include "broker/router/subscriber.hpp"

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

/// The shard of a node on which a group of it lives.
[[nodiscard]] shard_id group_owner(std::string_view name, std::string_view filter,
                                   std::size_t shards) noexcept;

/// What is known of a member in all its groups; see shared_groups.cpp.
struct member_state;

/// Members that share one filter under one group name. Shard-local.
class group {
  public:
    group(std::string_view name, std::string_view filter, group_strategy strategy);

    [[nodiscard]] std::string_view name() const noexcept { return name_; }
    [[nodiscard]] std::string_view filter() const noexcept { return filter_; }
    /// Members that are offline too.
    [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
    [[nodiscard]] std::size_t online() const noexcept { return online_; }

    /// The member that takes this message, by the group's strategy, among those online; among all
    /// if none is. Nothing only if the group lost its last member during this turn. Lifetime:
    /// until the members of the group change.
    [[nodiscard]] const group_member* pick(std::uint64_t publisher, std::string_view topic);

  private:
    friend class group_table;
    friend class filter_row;
    struct row {
        group_member member;
        member_state* state;
        std::uint64_t mixed_id; ///< the member's part of a rendezvous score
    };

    const row& next_in_turn(std::size_t candidates);
    const row& least_loaded(std::size_t candidates);
    const row& current(std::size_t candidates);
    [[nodiscard]] const row& by_hash(std::size_t candidates, std::uint64_t key) const;

    void add(const group_member& member, member_state& state);
    void remove(member_state& state);
    void set_online(std::size_t at, bool is_online);
    void swap_rows(std::size_t a, std::size_t b);

    std::string name_;
    std::string filter_;
    std::vector<row> rows_; ///< those online come first
    std::size_t online_ = 0;
    std::size_t turn_ = 0;
    const member_state* current_ = nullptr;
    std::size_t place_in_row_ = 0; ///< kept by its filter's row
    group_strategy strategy_;
};

/// All groups of a shard and their members.
class group_table {
  public:
    explicit group_table(group_strategy strategy);
    ~group_table();
    group_table(const group_table&) = delete;
    group_table& operator=(const group_table&) = delete;

    struct joined {
        group* where = nullptr;
        bool is_new_member = false;
        bool is_new_group = false;
        bool is_online = false; ///< the member
    };
    struct left {
        bool existed = false;
        bool was_online = false;
        std::unique_ptr<group> ended; ///< the group, if it was the last member
    };

    /// See router::join and the following.
    joined join(std::string_view name, std::string_view filter, const group_member& member,
                bool is_online);
    left leave(std::string_view name, std::string_view filter, member_id who);
    std::vector<const group*> set_online(member_id who, bool is_online);
    void taken(member_id who);
    void acknowledged(member_id who);
    [[nodiscard]] group* find(std::string_view name, std::string_view filter) noexcept;

    [[nodiscard]] std::size_t size() const noexcept;

  private:
    struct tables;
    std::unique_ptr<tables> tables_;
    group_strategy strategy_;
};

} // namespace gv::router
