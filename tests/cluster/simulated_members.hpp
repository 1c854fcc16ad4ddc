// SPDX-License-Identifier: Apache-2.0
// Nodes that have nothing but membership, on a simulated network: started, killed, frozen, cut off
// and asked what they think of each other. A process that was killed is refused by its machine; a
// machine that is off is silent.
#pragma once

#include "cluster/membership.hpp"
#include "tests/cluster/simulated_network.hpp"

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace gv::cluster {

class simulated_members {
  public:
    using index = std::size_t;
    using message_pointer = std::shared_ptr<const envelope>;
    enum class end : std::uint8_t { process, machine };

    struct event {
        time_point when;
        index observer = 0;
        index subject = 0;
        member_change change = member_change::joined;
    };

    simulated_members(std::size_t nodes, std::uint64_t seed);
    ~simulated_members();

    /// Before nodes are started.
    membership_options options;
    support::simulated_network<message_pointer> network;

    void start(index which, const std::vector<index>& seeds);
    /// All, knowing `seeds`, each up to `within` later than the first.
    void start_all(const std::vector<index>& seeds, duration within = 0s);
    void crash(index which, end how = end::process);
    /// With a new boot, what it had kept, and the seeds of its first start.
    void restart(index which);
    void leave(index which, departure how);
    /// It does not run for so long; what it is sent waits.
    void freeze(index which, duration span);
    void set_clock(index which, duration ahead) { nodes_[which].clock_ahead = ahead; }
    void cut_both(index left, index right);
    /// What is in different groups cannot talk.
    void split(const std::vector<std::vector<index>>& groups);
    void isolate(index which);
    void mend_all() { network.mend_all(); }
    void run_for(duration span) { network.run_for(span); }
    /// Until `condition` holds, looked at every 20 ms, or `limit` has passed. The time it took.
    template <typename Condition>
    duration run_until(Condition condition, duration limit) {
        const time_point begin = network.now();
        while (!condition() && network.now() < begin + limit) {
            network.run_for(20ms);
        }
        return network.now() - begin;
    }

    [[nodiscard]] std::size_t size() const { return nodes_.size(); }
    [[nodiscard]] bool is_up(index which) const { return nodes_[which].machine != nullptr; }
    [[nodiscard]] bool is_frozen(index which) const {
        return network.now() < nodes_[which].frozen_until;
    }
    [[nodiscard]] const std::vector<index>& seeds_of(index which) const {
        return nodes_[which].seeds;
    }
    [[nodiscard]] bool has_left(index which) const { return nodes_[which].has_left; }
    [[nodiscard]] membership& at(index which) { return *nodes_[which].machine; }
    [[nodiscard]] const membership& at(index which) const { return *nodes_[which].machine; }
    [[nodiscard]] const membership_metrics& metrics(index which) const {
        return *nodes_[which].metrics;
    }
    [[nodiscard]] moment time_of(index which) const;
    [[nodiscard]] node_id id_of(index which) const { return nodes_[which].id; }
    [[nodiscard]] index index_of(node_id id) const;
    [[nodiscard]] std::string address_of(index which) const;
    /// Null if the observer never heard of it.
    [[nodiscard]] const member* view(index observer, index subject) const;
    [[nodiscard]] bool sees(index observer, index subject, member_state state) const;
    /// All nodes that are up see it so.
    [[nodiscard]] bool all_see(index subject, member_state state) const;
    /// All nodes that are up see each other alive, as they are.
    [[nodiscard]] bool is_whole() const;
    /// All nodes that are up take each other for live, in the boot that they are in.
    [[nodiscard]] bool is_connected() const;
    /// First difference between the views of the nodes that are up; empty if there is none.
    [[nodiscard]] std::string difference() const;

    /// What changed, since the last clear().
    std::vector<event> events;
    std::vector<membership_alarm> alarms;
    std::size_t forgotten = 0;
    std::uint64_t messages_sent = 0;
    std::uint64_t bytes_sent = 0;
    std::size_t message_bytes_max = 0; ///< of what carries gossip alone
    /// Changes that cannot follow each other.
    std::vector<std::string> complaints;

    [[nodiscard]] std::size_t count(member_change change) const;
    [[nodiscard]] std::size_t count(member_change change, index subject) const;
    /// Changes of `subject` in the eyes of `observer`.
    [[nodiscard]] std::size_t changes(index observer, index subject) const;

  private:
    class effects_of;
    struct node {
        node_id id;
        boot_id boot;
        std::unique_ptr<effects_of> effects;
        std::unique_ptr<membership_metrics> metrics;
        std::unique_ptr<membership> machine;
        std::vector<member_row> kept; ///< on its disk
        std::vector<index> seeds;
        duration clock_ahead{};
        time_point frozen_until{};
        time_point wake = never;
        bool is_machine_off = false;
        bool has_left = false;
    };

    void arrive(index from, index to, const message_pointer& message);
    void arm(index which);
    void wake(index which, time_point armed);
    void send(index from, const destination& to, const envelope& message);
    void note(index observer, const member& now, member_change change);

    std::vector<node> nodes_;
    std::map<node_id, index> by_id_;
    std::map<std::string, index, std::less<>> by_address_;
};

} // namespace gv::cluster
