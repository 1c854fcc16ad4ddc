// SPDX-License-Identifier: Apache-2.0
// What the routers of all shards must know of other nodes: which of them want a topic. One for the
// process, made by whoever knows the cluster; null where there is none.
//
// Routers remember the answer. The thread that learns of a change counts it here, after the change
// is in force and before anybody is told that it is: so a router that reads an unmoved sum may go
// on using what it remembers.
#pragma once

#include "base/ids.hpp"
#include "broker/router/change_counters.hpp"
#include "broker/router/group_spread.hpp"

#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

namespace gv::router {

/// Another node that wants a topic.
struct peer_want {
    peer_slot slot;
    bool for_volatile = false; ///< for subscribers that are connected there now
    bool for_kept = false;     ///< for sessions that are kept there, also while it is away
    friend bool operator==(const peer_want&, const peer_want&) = default;
};

class peer_routes {
  public:
    peer_routes() = default;
    peer_routes(const peer_routes&) = delete;
    peer_routes& operator=(const peer_routes&) = delete;
    virtual ~peer_routes() = default;

    /// Adds the nodes, other than this one, that want messages of this topic, each once, and the
    /// groups of it with members there, with nobody in `here`. Thread-safe.
    virtual void who_wants(std::string_view topic, std::vector<peer_want>& into,
                           std::vector<spread_group>& groups) const = 0;

    /// Grows with every change that may concern the topic. Thread-safe.
    [[nodiscard]] std::uint64_t changes(change_places topic, std::uint64_t hash) const noexcept {
        return counters_.sum(topic) + exact_[hash % exact_count];
    }

  protected:
    /// One thread at a time.
    void count_change(std::string_view filter) noexcept {
        if (has_wildcard(filter)) {
            counters_.count_change(filter);
        } else {
            ++exact_[table_hash(filter) % exact_count];
        }
    }
    void count_change_of_all() noexcept { counters_.count_change_of_all(); }

  private:
    /// Filters without wildcard come and go in masses and concern one topic each.
    static constexpr std::size_t exact_count = 8'192;

    basic_change_counters<std::atomic<std::uint64_t>> counters_;
    std::array<std::atomic<std::uint64_t>, exact_count> exact_{};
};

} // namespace gv::router
