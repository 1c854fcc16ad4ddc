// SPDX-License-Identifier: Apache-2.0
// News on its way through the cluster: at most one row a node, each handed out a limited number of
// times, what was told least first. What is lost or comes late is made up for by push_pull.
#pragma once

#include "cluster/member.hpp"

#include <cstdint>
#include <map>
#include <vector>

namespace gv::cluster {

/// How often a row is told: enough for all of `nodes` to have heard it with high probability.
[[nodiscard]] std::size_t transmissions_for(std::size_t nodes, std::size_t factor) noexcept;

class gossip_queue {
  public:
    explicit gossip_queue(std::size_t rows_max) noexcept : max_(rows_max) {}

    /// Instead of what is there about the node, and told anew as often. If there is no room, what
    /// was told most goes.
    void put(const member_row& row);
    void clear() { waiting_.clear(); }
    [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }

    struct allowance {
        std::size_t bytes = 0;         ///< of rows
        std::size_t transmissions = 0; ///< after which a row is done
    };
    /// Appends rows for `recipient` to `rows`; none about itself.
    void take(const allowance& room, node_id recipient, std::vector<member_row>& rows);

  private:
    struct entry {
        member_row row;
        std::size_t told = 0;
        std::uint64_t order = 0;
    };

    std::map<node_id, entry> waiting_;
    std::uint64_t order_ = 0;
    std::size_t max_;
};

} // namespace gv::cluster
