// SPDX-License-Identifier: Apache-2.0
// Removals of retained messages of one node, remembered for a while: a message that was published
// earlier but comes later, by a longer way, must not bring its topic back.
#pragma once

#include "base/hash.hpp"
#include "base/message.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <compare>
#include <deque>
#include <string_view>

namespace gv::router {

/// What decides which of two retained messages of a topic is newer.
struct version {
    hybrid_time stamp;
    node_id origin;
    friend auto operator<=>(const version&, const version&) = default;
};

[[nodiscard]] inline version order_of_stamp(const envelope& header) noexcept {
    return {.stamp = header.stamp, .origin = header.origin};
}

/// The newest removal of each topic, for the last so many. Topics are told apart by 64-bit hash.
class removal_memory {
  public:
    explicit removal_memory(std::size_t most) noexcept : most_(most) {}

    void add(std::string_view topic, version removed) {
        const std::uint64_t key = table_hash(topic);
        version& known = removals_[key];
        known = std::max(known, removed);
        order_.push_back({key, known});
        while (order_.size() > most_) {
            drop_oldest();
        }
    }
    [[nodiscard]] bool forbid(std::string_view topic, version stored) const {
        const auto found = removals_.empty() ? removals_.end() : removals_.find(table_hash(topic));
        return found != removals_.end() && stored < found->second;
    }

  private:
    struct removal {
        std::uint64_t key;
        version when;
    };
    void drop_oldest() {
        const auto found = removals_.find(order_.front().key);
        if (found != removals_.end() && found->second == order_.front().when) {
            removals_.erase(found);
        }
        order_.pop_front();
    }

    std::size_t most_;
    boost::unordered_flat_map<std::uint64_t, version> removals_;
    std::deque<removal> order_;
};

} // namespace gv::router
