// SPDX-License-Identifier: Apache-2.0
// Nodes with nothing but the exchange of the table of partitions, over a simulated network: started
// at once or late, killed, cut off, and handing over what is theirs. Everything comes from one
// seed.
#pragma once

#include "cluster/partition_exchange.hpp"
#include "tests/cluster/simulated_network.hpp"

#include <memory>
#include <set>
#include <string>
#include <vector>

namespace gv::cluster::testing {

class partition_world {
  public:
    explicit partition_world(std::uint64_t seed);

    /// Does random things for a while, lets all come to rest, and compares.
    void run();

    std::vector<std::string> complaints;
    std::uint64_t hand_overs = 0;
    std::uint64_t foundings = 0; ///< tables that a node has made
    std::uint64_t messages = 0;
    std::uint64_t unions = 0; ///< tables that a person had given up

  private:
    using index = std::size_t;
    struct effects final : partition_effects {
        partition_world* world = nullptr;
        index self = 0;
        void send(node_id to, const partition_message& message) override;
        void table_founded(const partition_founding& founding) override;
        void partition_changed(partition_id which, const partition_row& now) override;
        void tables_differ(node_id with, const partition_founding& theirs) override;
    };
    struct node {
        std::unique_ptr<partition_exchange> exchange; ///< none: down
        effects out;
        partition_table kept; ///< on its disk
        std::set<index> met;
        std::set<index> alive; ///< in its view
        time_point wakes_at = never;
        std::uint64_t life = 0;
        bool has_sessions = false;
        bool has_conflict = false;
        bool gives_up = false; ///< its table, as a person wants
    };

    [[nodiscard]] std::size_t below(std::size_t end);
    [[nodiscard]] static node_id id_of(index which) { return node_id{100 + which * 7 % 31}; }
    [[nodiscard]] index index_of(node_id id) const;
    [[nodiscard]] hybrid_time stamp_of(index which) const;
    void start(index which);
    void crash(index which);
    void act();
    void hand_over();
    void change_links();
    void believe(index who, index of, peer_state state, duration latest);
    void arm(index which);
    void after_input(index which);
    void check();
    void unite();
    void complain(const std::string& line) { complaints.push_back(line); }

    support::simulated_network<partition_message> network_;
    std::vector<node> nodes_;
};

} // namespace gv::cluster::testing
