// SPDX-License-Identifier: Apache-2.0
// Retained messages on their way to a new subscription: a cursor over the store, read page by page
// as the client takes them, never cut by a queue limit. While a replay is announced or open, the
// stamps of live retained messages that were delivered meanwhile are remembered, so that an older
// row of a page under way is dropped: what a subscriber sees of a topic never goes back.
#pragma once

#include "base/hash.hpp"
#include "base/message.hpp"
#include "base/ring.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstdint>
#include <string>
#include <utility>

namespace gv::session {

struct replay {
    std::string filter; ///< without the prefix of a shared subscription
    std::string after;  ///< last topic read; empty: from the start
    std::uint32_t subscription_id = 0;
    std::uint16_t shard = 0; ///< whose rows are being read
    qos quality = qos::at_most_once;
    bool no_local = false; ///< leave out what this client published [MQTT-3.8.3-3]
};

class replay_list {
  public:
    [[nodiscard]] bool empty() const noexcept { return open_.empty(); }
    /// One will be added once all shards know the subscription; stamps are remembered from now on.
    void announce() { ++announced_; }
    /// Requires: it was announced.
    void add(replay begun) {
        --announced_;
        open_.push_back(std::move(begun));
    }
    /// Requires: not empty().
    [[nodiscard]] replay& current() noexcept { return open_.front(); }
    void finish_current() {
        open_.pop_front();
        if (open_.empty()) {
            open_.clear();
        }
        if (open_.empty() && announced_ == 0) {
            seen_.clear();
        }
    }

    /// Whether a page was asked for and has not come yet.
    [[nodiscard]] bool is_waiting() const noexcept { return is_waiting_; }
    /// A page is asked for; its answer carries the number returned.
    [[nodiscard]] std::uint32_t ask() noexcept {
        is_waiting_ = true;
        return ++request_;
    }
    /// Whether an answer is the one that is waited for; then the waiting is over.
    [[nodiscard]] bool accept(std::uint32_t request) noexcept {
        return request == request_ && std::exchange(is_waiting_, false);
    }
    /// The page asked for is not wanted any more, and will be asked for again.
    void give_up_page() noexcept { is_waiting_ = false; }

    void note_live(const publication& what) {
        if ((!open_.empty() || announced_ > 0) && what.header.retain) {
            seen_[table_hash(what.topic)] = what.header.stamp;
        }
    }
    [[nodiscard]] bool is_stale(const message& row) const {
        const auto live = seen_.find(table_hash(row.topic()));
        return live != seen_.end() && row.header().stamp <= live->second;
    }

  private:
    ring<replay> open_;
    std::size_t announced_ = 0;
    std::uint32_t request_ = 0; ///< the latest
    bool is_waiting_ = false;
    boost::unordered_flat_map<std::uint64_t, hybrid_time> seen_;
};

} // namespace gv::session
