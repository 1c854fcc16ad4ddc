// SPDX-License-Identifier: Apache-2.0
// The same table of partitions on every node. A node that has none takes that of the others; where
// nobody has one, the node with the lowest id founds it, with all partitions its own. Changes are
// told to all at once; a digest now and then finds what got lost. One for each node, on its control
// thread.
//
//   state      input                                      next
//   unfounded  a table is told                            founded
//   unfounded  all that live say that they have none,     founded (this node's)
//              and have higher ids; or nobody is there
//   founded    a table that holds against this node's is  founded (theirs)
//              told, no session here
//   founded    the same, sessions here                    founded, tables_differ()
//   founded    an operator wants the table of others,     founded (theirs)
//              and it is told, whatever is here
//
// Pure: messages of peers, news of membership and time go in; calls on effects come out.
// docs/cluster-protocol-sessions.md tells the protocol.
#pragma once

#include "base/result.hpp"
#include "base/time.hpp"
#include "cluster/partition_effects.hpp"
#include "cluster/peer_state.hpp"

#include <map>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <utility>
#include <vector>

namespace gv::cluster {

struct partition_options {
    /// How often a digest is told to one of the others. Larger: less traffic at rest. Smaller: what
    /// was lost is made up for earlier.
    duration compare_interval = 2s;
};

struct partition_counts {
    std::uint64_t changes = 0;     ///< of rows, since the start
    std::uint64_t compares = 0;    ///< digests of peers seen
    std::uint64_t differences = 0; ///< of these, of another table
    std::uint64_t refused = 0;     ///< messages with a fault
};

class partition_exchange {
  public:
    /// `kept` is the table of the life before, `seed` of the choice of peers.
    partition_exchange(node_id self, const partition_table& kept, const partition_options& options,
                       std::uint64_t seed, time_point now);

    /// Nodes that are registered but away are told of too. Partitions of one that is gone go to
    /// those that are there.
    void on_peer(node_id node, peer_state state, partition_effects& out);
    /// It takes no part in it, as one of an earlier version.
    void on_outsider(node_id node) { peers_.erase(node); }
    /// Membership is settled: whoever is there was told. Until then no table is founded. `stamp`
    /// here and below: of this node, of now.
    void on_settled(hybrid_time stamp, partition_effects& out);
    /// Messages to that node may arrive from now on, and those before may not have.
    void on_link(node_id to, partition_effects& out);
    /// Errors: the message has a fault, and nothing of it was applied.
    [[nodiscard]] result<void, partition_fault> on_message(node_id from,
                                                           const partition_message& message,
                                                           hybrid_time stamp,
                                                           partition_effects& out);
    void on_deadline(time_point now, hybrid_time stamp, partition_effects& out);
    [[nodiscard]] time_point next_deadline() const noexcept { return compare_at_; }

    /// Whether there are sessions on this node that go by its table.
    void set_has_sessions(bool has) noexcept { has_sessions_ = has; }
    /// Whether this node would be the home of more; at the start it would.
    void set_takes_more(bool takes, partition_effects& out);
    /// Another table than this node's by which there are sessions, of a node that lives: of several
    /// the oldest; of those that `of` go by, unless that is empty.
    [[nodiscard]] std::optional<partition_founding>
    table_of_others(std::span<const node_id> of) const;
    /// An operator gives this node's table up for that one, sessions or not: it is taken as soon as
    /// a node tells it, and this node does not go back to its own by itself.
    void give_up_table(const partition_founding& for_that, partition_effects& out);
    /// It stays with its table, if it has not taken the other one yet.
    void keep_table() noexcept { wanted_ = {}; }
    /// Whether that node has told, since it is alive, that it goes by another table than this one.
    [[nodiscard]] bool goes_by_another(node_id node) const;
    /// That node is the home from now on. Requires: this node is, or the home is forgotten.
    void assign(partition_id which, node_id home, partition_effects& out);
    /// The same for several.
    void assign(std::span<const std::pair<partition_id, node_id>> homes, partition_effects& out);
    /// Partitions of this node that another one, which is there, should have.
    [[nodiscard]] std::vector<partition_id> to_hand_over() const;

    /// Who should be the home of a partition, of all that take part and would have it. Nothing if
    /// there is nobody.
    [[nodiscard]] std::optional<node_id> proposal(partition_id which) const;
    [[nodiscard]] const partition_table& table() const noexcept { return table_; }
    [[nodiscard]] const partition_counts& counted() const noexcept { return counts_; }

  private:
    struct peer {
        peer_state state = peer_state::dead;
        bool has_told = false; ///< of its table, since it is alive
        partition_heading heading;
    };

    [[nodiscard]] partition_heading heading() const noexcept {
        return {.founding = table_.founding(),
                .has_sessions = table_has_sessions(),
                .takes_more = takes_more_};
    }
    [[nodiscard]] bool table_has_sessions() const noexcept;
    [[nodiscard]] bool holds_against_ours(const partition_heading& theirs) const;
    [[nodiscard]] bool has_another(const peer& other) const noexcept;
    void take(node_id from, const partition_rows& told, partition_effects& out);
    void take(node_id from, const partition_digest& told, partition_effects& out);
    void put(const std::vector<told_partition>& rows, partition_effects& out);
    void tell_all(node_id to, bool wants_answer, partition_effects& out);
    void tell_heading(partition_effects& out) const;
    void look_if_to_found(hybrid_time stamp, partition_effects& out);
    void adopt_orphans(partition_effects& out);
    enum class among : std::uint8_t { registered, alive };
    [[nodiscard]] std::optional<node_id> best_for(partition_id which, among whom) const;
    void begin(const partition_table& table, partition_effects& out);

    node_id self_;
    partition_options options_;
    partition_table table_;
    std::map<node_id, peer> peers_;
    std::set<node_id> gone_;                ///< as told in this life
    partition_founding wanted_;             ///< an operator wants that table in place of this one
    std::set<partition_founding> given_up_; ///< by an operator, in this life
    std::minstd_rand random_;
    time_point compare_at_;
    bool is_settled_ = false;
    bool has_sessions_ = false;
    bool takes_more_ = true;
    partition_counts counts_;
};

} // namespace gv::cluster
