// SPDX-License-Identifier: Apache-2.0
// The copy of one stream of another node: keeps a set of the index in line with what the owner
// tells. Pure: what it wants to ask is to be fetched after each input.
//
//   unknown   nothing is known of the stream
//   fetching  the hashes of the buckets came, and rows of those that differ are coming, page by
//   page complete  it has all, up to `applied`; stale rows may be swept
//
//   state     input                               → what follows
//   any       digest or deltas of an older        → nothing
//             generation
//   any       digest of a newer one: same hash    → complete, in the new generation
//             differs, or deltas of a newer one   → asks for hashes; goes on in the old generation
//   any       deltas that follow                  → applied, acknowledged
//             deltas or digest with a gap         → asks for changes
//   complete  digest, same number, other hash     → asks for hashes
//   asked     hashes                              → a pass over the buckets that differ: fetching
//   fetching  page                                → rows put; the last: complete, acknowledged
//
// A page tells rows as they were at its number or later. Changes that came between the question
// and the page may be newer than that: their keys are remembered, and their rows in the page are
// left out.
#pragma once

#include "cluster/route_index.hpp"
#include "cluster/route_message.hpp"
#include "cluster/route_owner.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <optional>

namespace gv::cluster {

struct route_replica_options {
    /// A question without answer is asked again after this.
    duration ask_again = 1s;
    std::uint32_t page_bytes = 256u << 10;
    /// Keys remembered during one page; over it the page is asked for again.
    std::size_t touched_max = 65'536;
    route_limits limits;
};

class route_replica {
  public:
    enum class phase : std::uint8_t { unknown, fetching, complete };
    struct counts {
        std::uint64_t gaps = 0;       ///< changes were missed
        std::uint64_t mismatches = 0; ///< other hash at the same number: somebody's mistake
        std::uint64_t passes = 0;     ///< with rows to fetch
        std::uint64_t pages = 0;
    };

    /// Opens a set of the index. `numbers` counts the requests of this node; no two lives of it
    /// may give out the same. Lifetime: index, options and numbers outlive it.
    route_replica(route_destination stream, route_index& index,
                  const route_replica_options& options, std::uint64_t& numbers);
    route_replica(const route_replica&) = delete;
    route_replica& operator=(const route_replica&) = delete;

    /// What an earlier life of this node knew of the stream: holds until its author speaks, as rows
    /// of a generation before all others. Requires: unknown; a checked row. False: the stream is
    /// full.
    [[nodiscard]] bool restore(const route_key& key, const route_value& value);

    /// This node was the author until now. Requires: a stream that is serving.
    void take_over(const route_owner& before, route_listener& listener);

    /// Requires: check()ed messages of this stream. Errors: too many rows, or a page that does not
    /// go on; nothing has changed then.
    using taken = result<void, route_fault>;
    void on_digest(const stream_digest& told, route_listener& listener);
    [[nodiscard]] taken on_deltas(const route_deltas& told, route_listener& listener);
    void on_hashes(const stream_hashes& told);
    [[nodiscard]] taken on_page(const route_page& told, route_listener& listener);

    /// Forgets what was asked: the one who was asked is away. Asked again when it speaks again.
    void on_author_away();
    /// All rows become stale, to be swept, unless the stream is heard of again before.
    void leave(route_listener& listener);

    /// A question that is due now; it is due again when `ask_again` is over.
    [[nodiscard]] std::optional<route_message> question(time_point now);
    /// Whom to ask it.
    [[nodiscard]] node_id asked() const noexcept {
        return need_ == need::hashes ? wanted_.author : current_.author;
    }
    /// Pages are asked for one by one; who gives out leave bounds how many streams do at once.
    [[nodiscard]] bool wants_page() const noexcept {
        return phase_ == phase::fetching && page_until_ == never;
    }
    [[nodiscard]] bool awaits_page() const noexcept { return page_until_ != never; }
    [[nodiscard]] bool is_fetching() const noexcept { return phase_ == phase::fetching; }
    [[nodiscard]] page_request ask_for_page(time_point now);
    /// Gives up the page that did not come in time; then wants_page() again.
    void on_deadline(time_point now);
    [[nodiscard]] time_point next_deadline() const noexcept {
        return std::min(page_until_, need_ == need::nothing ? never : ask_at_);
    }

    /// What the owner should be told, if there is news.
    [[nodiscard]] std::optional<stream_position> position_news();

    /// Sweeps stale rows, if it may, until `visits` are used up; at most one bucket too many.
    void sweep(std::size_t& visits, route_listener& listener);
    [[nodiscard]] bool is_to_be_swept() const noexcept {
        return unswept_ != 0 && (phase_ == phase::complete || is_leaving_);
    }
    /// Left, and swept: may be closed.
    [[nodiscard]] bool is_over() const noexcept { return is_leaving_ && unswept_ == 0; }

    [[nodiscard]] phase state() const noexcept { return phase_; }
    [[nodiscard]] bool is_complete() const noexcept {
        return phase_ == phase::complete && current_ == wanted_;
    }
    [[nodiscard]] bool is_leaving() const noexcept { return is_leaving_; }
    [[nodiscard]] route_generation of() const noexcept { return current_; }
    /// The newest generation heard of.
    [[nodiscard]] route_generation wanted() const noexcept { return wanted_; }
    [[nodiscard]] route_destination stream() const noexcept { return stream_; }
    [[nodiscard]] route_seq applied() const noexcept { return applied_; }
    [[nodiscard]] route_index::slot slot() const noexcept { return slot_; }
    [[nodiscard]] const counts& counted() const noexcept { return counts_; }

  private:
    enum class need : std::uint8_t { nothing, changes, hashes };

    void wish(need what);
    void on_newer(const route_generation& heard);
    void stay(route_listener& listener);
    [[nodiscard]] bool has_room_for(const std::vector<route_change>& rows) const;
    void adopt(const route_generation& of, route_seq seq);
    void complete();
    void apply(const route_change& change, route_listener& listener);
    void touch(std::uint64_t key_hash, route_seq seq);
    [[nodiscard]] bool is_newer_here(std::uint64_t key_hash, route_seq seq) const;
    void drop_page() noexcept;

    route_destination stream_;
    route_index& index_;
    const route_replica_options& options_;
    route_index::slot slot_;
    phase phase_ = phase::unknown;
    bool is_leaving_ = false;
    bool has_news_ = false;

    route_generation current_; ///< of the rows
    route_generation wanted_;  ///< the newest heard of
    route_seq applied_ = 0;
    route_seq since_ = 0;    ///< see stream_position
    route_seq newest_ = 0;   ///< rows of pages may be as new as this, before their changes came
    bucket_set missing_ = 0; ///< being fetched
    bucket_set unswept_ = 0; ///< may have stale rows

    need need_ = need::nothing;
    time_point ask_at_ = time_point::min();

    std::uint64_t& numbers_;
    std::uint64_t page_number_ = 0; ///< of the page asked for; 0: none
    std::uint32_t cursor_ = 0;
    time_point page_until_ = never; ///< of the page asked for
    boost::unordered_flat_map<std::uint64_t, route_seq> touched_;

    counts counts_;
};

} // namespace gv::cluster
