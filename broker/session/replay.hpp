// SPDX-License-Identifier: Apache-2.0
// Retained messages on their way to new subscriptions: for each a cursor over the store, read page
// by page as the client takes them, never cut by a queue limit. While a replay is announced or
// open, the stamps of live retained messages that were delivered meanwhile are remembered, so that
// an older row of a page under way is dropped: what a subscriber sees of a topic never goes back.
//
// Of a filter there is at most one replay, so there are no more than subscriptions. Stamps beyond
// `stamps_max` are forgotten while no page is under way; from then on the list is `forgetful`, and
// before a page is asked for all messages seen so far must be in the store it is read from. What is
// remembered is then what came since the page was asked for, which the client cannot draw out.
#pragma once

#include "base/hash.hpp"
#include "base/message.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace gv::session {

struct replay {
    std::string filter; ///< not a shared one
    std::string after;  ///< last topic read; empty: from the start
    std::uint32_t subscription_id = 0;
    std::uint16_t shard = 0; ///< whose rows are being read
    qos quality = qos::at_most_once;
    bool no_local = false; ///< leave out what this client published [MQTT-3.8.3-3]
};

/// Announcements from `first` up to, without, `end`.
struct announcements {
    std::uint64_t first = 0;
    std::uint64_t end = 0;
};

class replay_list {
  public:
    static constexpr std::size_t stamps_max = 4'096;

    /// Whether none is open.
    [[nodiscard]] bool empty() const noexcept { return !work_ || work_->open.empty(); }
    /// Open ones and announced ones.
    [[nodiscard]] std::size_t size() const noexcept { return work_ ? work_->by_filter.size() : 0; }
    [[nodiscard]] std::size_t stamps() const noexcept { return work_ ? work_->stamps.size() : 0; }

    /// The replay will open once all shards know the subscription; stamps are remembered from now
    /// on. An unfinished one of the same filter ends.
    void announce(replay wanted);
    [[nodiscard]] std::uint64_t next_announcement() const noexcept { return announced_; }
    /// Opens those of these announcements that have not ended.
    void open(const announcements& which);
    /// The subscription has new options, and what is left of its replay, if there is one, too.
    void change(const replay& options);
    /// Ends the replay of this filter, if there is one.
    void end(std::string_view filter);

    /// Requires: not empty().
    [[nodiscard]] replay& current() noexcept { return work_->open.front().what; }
    void finish_current() { end(std::string(current().filter)); }

    /// Whether a page was asked for and has not come yet.
    [[nodiscard]] bool is_waiting() const noexcept { return is_waiting_; }
    /// Whether stamps were forgotten.
    [[nodiscard]] bool is_forgetful() const noexcept { return work_ && work_->is_forgetful; }
    /// A page is asked for, after `errands` others have been answered; all answers carry the number
    /// returned.
    [[nodiscard]] std::uint32_t ask(std::size_t errands) noexcept {
        is_waiting_ = true;
        errands_ = errands;
        return ++request_;
    }
    /// Whether an answer to an errand is the last that was waited for.
    [[nodiscard]] bool finish_errand(std::uint32_t request) noexcept {
        return is_waiting_ && request == request_ && errands_ > 0 && --errands_ == 0;
    }
    /// Whether a page is the one that is waited for.
    [[nodiscard]] bool awaits(std::uint32_t request) const noexcept {
        return is_waiting_ && request == request_;
    }
    /// The same once its rows are delivered; then the waiting is over.
    [[nodiscard]] bool accept(std::uint32_t request) noexcept {
        return request == request_ && std::exchange(is_waiting_, false);
    }
    /// The page asked for is not wanted any more, and will be asked for again.
    void give_up_page() noexcept { is_waiting_ = false; }

    void note_live(const publication& what) {
        if (work_ && what.header.retain) {
            remember(what);
        }
    }
    [[nodiscard]] bool is_stale(const message& row) const {
        if (!work_) {
            return false;
        }
        const auto live = work_->stamps.find(table_hash(row.topic()));
        return live != work_->stamps.end() && row.header().stamp <= live->second;
    }

  private:
    struct entry {
        replay what;
        std::uint64_t number = 0;
        bool is_open = false;
    };
    struct work {
        std::list<entry> announced;
        std::list<entry> open;
        /// The keys are the entries' own.
        boost::unordered_flat_map<std::string_view, std::list<entry>::iterator, string_hash>
            by_filter;
        boost::unordered_flat_map<std::uint64_t, hybrid_time> stamps; ///< by table_hash of topics
        bool is_forgetful = false;
    };

    void erase(std::string_view filter);
    void remember(const publication& what);

    std::unique_ptr<work> work_; ///< null: nothing is open or announced
    std::uint64_t announced_ = 0;
    std::size_t errands_ = 0;
    std::uint32_t request_ = 0; ///< the latest
    bool is_waiting_ = false;
};

} // namespace gv::session
