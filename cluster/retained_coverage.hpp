// SPDX-License-Identifier: Apache-2.0
// How far every member has what every other member wrote, as far as this node knows, and what
// follows from it: up to which stamp removals may be forgotten.
//
// *covered(A, B) = s*: all that was written at B with a stamp up to s is at A, or something newer
// of the same topic. It rises when A has compared equal with B, or has fetched all in which they
// differed: then A has what B had, also of third nodes. A write is in the table of the node where
// it was made before it is anywhere else; so what is still on its way to A does not matter, only
// that B's own writes up to s were in B's table when B spoke, for which B says s with a margin.
//
// The *low-water mark* is the least covered(A, B) of all registered A and B, dead ones too.
#pragma once

#include "base/retained.hpp"

#include <map>
#include <optional>
#include <set>
#include <vector>

namespace gv::cluster {

struct retained_collecting {
    /// Removals are remembered for so long at least. More than clocks differ and than it takes to
    /// find all rows that have expired.
    duration age_min = 1h;
    /// A member that was away for longer than this is no longer waited for, by a majority: what
    /// only it has from before is dropped when it returns. Larger: more memory for removals while
    /// somebody is away. Smaller: members must return earlier.
    duration age_max = 24h * 7;
    /// Only who has compared with a majority in this time decides that. Larger: may decide while
    /// links are bad. Smaller: a message that spreads late is less likely to be dropped.
    duration contact = 2min;
    /// Claims end at multiples of this, so that nodes make the same ones.
    duration step = 60s;
    /// From its stamp to the table of its own node no message takes longer; also more than clocks
    /// may differ.
    duration settling = 10s;
};

[[nodiscard]] hybrid_time stamp_of(wall_time wall) noexcept;
/// The last multiple of `step` that is not after.
[[nodiscard]] hybrid_time floor_to(duration step, hybrid_time stamp) noexcept;

class retained_coverage {
  public:
    using covered = std::map<node_id, hybrid_time>;

    retained_coverage(node_id self, const retained_claim& claim, const retained_collecting& options,
                      wall_time now);

    /// `is_new_life`: what it had is not known any more.
    void on_member(node_id node, bool is_alive, bool is_new_life);
    void forget(node_id node);

    /// What this node says of itself.
    [[nodiscard]] const covered& own(wall_time now);
    [[nodiscard]] hybrid_time present_since() const noexcept { return present_since_; }
    [[nodiscard]] const retained_claim& claim() const noexcept { return claim_; }
    [[nodiscard]] hybrid_time low_water() const;

    /// `node` says so of itself. What it has of this node's was told in an earlier life; it may not
    /// say so of the future, after `latest`.
    void hear(node_id node, const covered& told, hybrid_time latest);
    /// What was told of this node itself, in this life and, as far as is known, in earlier ones.
    [[nodiscard]] hybrid_time own_until() const;
    /// This node has all that `node` had when it said this.
    void has_all_of(node_id node, const covered& told, hybrid_time present_since, wall_time now);
    /// Whether somebody of whom this is known has everything up to there.
    [[nodiscard]] bool is_complete(const covered& has, hybrid_time until) const {
        return least_of(has) >= until;
    }
    [[nodiscard]] bool is_complete_here(hybrid_time until) const { return least_of(own_) >= until; }

    /// The claim of this node once it has all that one with that claim has.
    [[nodiscard]] retained_claim merged(const retained_claim& other) const noexcept;
    /// A claim that ends later than the present one and is true, if there is one.
    [[nodiscard]] std::optional<retained_claim> next_claim(wall_time now) const;
    void set_claim(const retained_claim& claim) noexcept { claim_ = claim; }

  private:
    struct member {
        covered has; ///< as it said last
        bool is_alive = false;
    };
    [[nodiscard]] hybrid_time least_of(const covered& has) const;
    [[nodiscard]] hybrid_time agreed(wall_time now) const;
    [[nodiscard]] hybrid_time capped(wall_time now) const;

    node_id self_;
    retained_claim claim_;
    retained_collecting options_;
    hybrid_time present_since_;
    covered own_;
    std::map<node_id, member> members_; ///< registered, without this node
};

} // namespace gv::cluster
