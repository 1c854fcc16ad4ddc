// SPDX-License-Identifier: Apache-2.0
// All other nodes that this one knows of: the row that the cluster agrees on, and what this node
// alone knows beside it. Nothing leaves the table but the oldest of what has left or is gone, when
// there is no room for a new node.
#pragma once

#include "cluster/clock_check.hpp"
#include "cluster/member.hpp"
#include "cluster/redial.hpp"
#include "cluster/suspicion.hpp"

#include <map>
#include <optional>
#include <vector>

namespace gv::cluster {

struct member {
    member_row row;
    time_point since{};             ///< when it came to its state, seen from here
    boot_id told;                   ///< the boot in which the owner was last told that it is there
    bool is_told_live = false;      ///< and not yet that it is no more
    std::optional<suspicion> doubt; ///< while suspect
    std::optional<time_point> answered;  ///< when it last answered a probe of this node itself
    std::optional<duration> round_trip;  ///< of the last probe that it answered itself
    std::optional<member_row> hearsay;   ///< somebody suspects it; a probe will tell
    bool was_refused = false;            ///< nobody listened at the last try
    boot_id refused;                     ///< the life in which nobody listened, 0: in none; or it
                                         ///< has answered since
    redial next_try;                     ///< while remembered or dead
    std::optional<time_point> exchanged; ///< when a push_pull to it was last begun
    clock_standing clock = clock_standing::fine;
    std::chrono::milliseconds clock_ahead{}; ///< at its last message; negative: behind, or late

    [[nodiscard]] bool is_live() const noexcept { return cluster::is_live(row.state); }
    /// Its process is gone: its machine says that nobody listens where it did. A node that is cut
    /// off, or whose machine is gone as well, says nothing.
    [[nodiscard]] bool has_ended() const noexcept { return !is_live() && refused == row.boot; }
};

class member_table {
  public:
    explicit member_table(std::size_t members_max) noexcept : max_(members_max) {}

    /// Lifetime: until a node is added or forgotten.
    [[nodiscard]] member* find(node_id node) noexcept;
    [[nodiscard]] const member* find(node_id node) const noexcept;
    /// Null if there is no room. Requires: it is not there.
    [[nodiscard]] member* add(const member_row& row, time_point now);
    /// Requires: the row is about the same node.
    void set_row(member& which, const member_row& row, time_point now);

    [[nodiscard]] auto begin() noexcept { return members_.begin(); }
    [[nodiscard]] auto end() noexcept { return members_.end(); }
    [[nodiscard]] auto begin() const noexcept { return members_.begin(); }
    [[nodiscard]] auto end() const noexcept { return members_.end(); }
    [[nodiscard]] std::size_t size() const noexcept { return members_.size(); }
    [[nodiscard]] std::size_t count(member_state state) const noexcept {
        return counts_[static_cast<std::size_t>(state)];
    }
    /// Alive or suspect.
    [[nodiscard]] std::size_t live() const noexcept {
        return count(member_state::alive) + count(member_state::suspect);
    }
    [[nodiscard]] std::vector<node_id> live_nodes() const;
    /// Up to `count` different alive nodes by lot, not `except`.
    [[nodiscard]] std::vector<node_id> some_alive(std::size_t count, node_id except,
                                                  std::mt19937_64& random) const;
    /// The first suspicion to run out or node to redial.
    [[nodiscard]] time_point next_due() const noexcept;

  private:
    [[nodiscard]] bool make_room();

    std::map<node_id, member> members_;
    std::array<std::size_t, member_state_names.size()> counts_{};
    std::size_t max_;
};

} // namespace gv::cluster
