// SPDX-License-Identifier: Apache-2.0
// What hangs on one topic filter: its subscribers on this shard, its shared groups, and the other
// shards that want it. Most filters have one subscriber and nothing else, which fits into the row's
// 64 bytes.
#pragma once

#include "broker/router/shared_groups.hpp"
#include "broker/router/subscriber.hpp"

#include <boost/container/small_vector.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace gv::router {

/// One subscription.
struct taker {
    subscriber* who;
    subscription_options options;
};

class filter_row {
  public:
    enum class change : std::uint8_t { none, replaced, added };

    /// Adds a subscription or replaces its options.
    change put(subscriber& who, const subscription_options& options);
    /// True if it was there.
    bool drop(subscriber& who);

    void add_group(group& made);
    /// Requires: it was added.
    void drop_group(group& ended);

    /// True if the shard was not, or was, in the set.
    bool add_remote(shard_id shard) noexcept;
    bool drop_remote(shard_id shard) noexcept;

    [[nodiscard]] std::span<const taker> takers() const noexcept {
        return {takers_.data(), takers_.size()};
    }
    [[nodiscard]] std::span<group* const> groups() const noexcept {
        return wide_ ? std::span<group* const>(wide_->groups) : std::span<group* const>();
    }
    [[nodiscard]] std::uint64_t remote() const noexcept { return remote_; }
    /// Takers that are kept sessions, and the others.
    [[nodiscard]] std::size_t kept() const noexcept { return kept_; }
    [[nodiscard]] std::size_t not_kept() const noexcept { return takers_.size() - kept_; }
    [[nodiscard]] bool has_local() const noexcept { return !takers_.empty() || !groups().empty(); }
    [[nodiscard]] bool is_empty() const noexcept { return !has_local() && remote_ == 0; }

  private:
    /// What few filters need.
    struct wide_part {
        /// Place of each subscriber, once there are many; empty until then.
        boost::unordered_flat_map<const subscriber*, std::uint32_t> places;
        std::vector<group*> groups;
    };
    [[nodiscard]] wide_part& wide();
    [[nodiscard]] bool is_indexed() const noexcept { return wide_ && !wide_->places.empty(); }
    [[nodiscard]] std::size_t place_of(const subscriber& who) const;
    void build_index();

    std::uint64_t remote_ = 0; ///< bit n: shard n
    std::size_t kept_ = 0;     ///< of takers_
    boost::container::small_vector<taker, 1> takers_;
    std::unique_ptr<wide_part> wide_;
};

} // namespace gv::router
