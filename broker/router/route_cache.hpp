// SPDX-License-Identifier: Apache-2.0
// Routes by topic, bounded in number and bytes. Owned by the router.
//
// Staleness. A change of a filter without wildcard drops the one entry of that topic. A change of
// one with a wildcard may concern any number of entries, so it only counts up
// (change_counters.hpp). An entry remembers the sum of the counters that its topic answers to. So a
// subscription to `home/kitchen/+` leaves the entries of other rooms as they are. What other nodes
// want changes on another thread, and is counted in peer_routes.
//
// Eviction. A hand goes round (CLOCK): an entry used a second time has seven lives, each use gives
// all of them back, and the hand takes one or, where there is none, the entry. So topics that are
// seen once push each other out, and not those in use.
//
// Turns. What a route or entry held during the current turn is set aside until end_turn().
#pragma once

#include "broker/router/peer_routes.hpp"
#include "broker/router/route.hpp"

#include <boost/unordered/unordered_flat_set.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gv::router {

struct cached_route : route {
    std::string topic;
    std::uint64_t hash = 0;
    std::uint64_t sum = 0;       ///< of the change counters when it was made
    std::uint64_t peer_sum = 0;  ///< those of other nodes, before they were asked
    std::uint64_t last_turn = 0; ///< in which it was handed out
    std::size_t place = 0;       ///< in the cache's list
    std::size_t bytes = 0;       ///< counted for it
    change_places counters;
    std::uint8_t lives = 0;
};

class route_cache {
  public:
    struct limits {
        std::size_t routes_max;
        std::size_t bytes_max;
    };
    /// `peers` may be null. Lifetime: it outlives this.
    explicit route_cache(limits most, const peer_routes* peers = nullptr) noexcept
        : limits_(most), peers_(peers) {}

    /// The fresh route of a topic, or null. Lifetime: until end_turn().
    [[nodiscard]] const route* find(std::string_view topic);

    /// An empty route for a topic, in or out of date or not there, to be filled by the caller, who
    /// then calls settle(). Only called after find() gave null.
    [[nodiscard]] cached_route& renew(std::string_view topic);
    void settle(cached_route& filled);

    void filter_changed(std::string_view filter);
    void all_changed() noexcept { counters_.count_change_of_all(); }
    void end_turn();

    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    /// Set aside in this turn.
    [[nodiscard]] std::size_t retired() const noexcept { return retired_.size(); }

  private:
    struct topic_key {
        std::string_view topic;
        std::uint64_t hash;
    };
    struct hasher {
        using is_transparent = void;
        using is_avalanching = void;
        std::size_t operator()(const topic_key& key) const noexcept { return key.hash; }
        std::size_t operator()(const cached_route* entry) const noexcept { return entry->hash; }
    };
    struct equal {
        using is_transparent = void;
        bool operator()(const topic_key& key, const cached_route* entry) const noexcept {
            return key.hash == entry->hash && key.topic == entry->topic;
        }
        bool operator()(const cached_route* entry, const topic_key& key) const noexcept {
            return (*this)(key, entry);
        }
        bool operator()(const cached_route* a, const cached_route* b) const noexcept {
            return a == b;
        }
    };

    [[nodiscard]] bool is_fresh(const cached_route& entry) const noexcept {
        return entry.sum == counters_.sum(entry.counters)
               && (peers_ == nullptr
                   || entry.peer_sum == peers_->changes(entry.counters, entry.hash));
    }
    const route* hand_out(cached_route& entry) noexcept;
    [[nodiscard]] std::unique_ptr<cached_route> unlist(cached_route& entry);
    void drop(cached_route& entry);
    void evict_one();
    [[nodiscard]] std::unique_ptr<cached_route> fresh_entry();

    limits limits_;
    std::uint64_t turn_ = 1;
    cached_route* last_ = nullptr; ///< handed out last: most packets of a read share a topic
    boost::unordered_flat_set<cached_route*, hasher, equal> by_topic_;
    std::vector<std::unique_ptr<cached_route>> entries_;
    std::size_t hand_ = 0;
    std::size_t bytes_ = 0;
    std::unique_ptr<cached_route> spare_; ///< kept for its memory
    std::vector<std::unique_ptr<cached_route>> retired_;
    basic_change_counters<std::uint64_t> counters_;
    const peer_routes* peers_;
};

} // namespace gv::router
