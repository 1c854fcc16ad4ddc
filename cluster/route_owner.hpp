// SPDX-License-Identifier: Apache-2.0
// What one destination of this node wants, and what the other nodes have been told of it. Counts
// subscriptions by filter (and group), and makes a change only where the sum of them differs.
//
// Widening (a first subscription, a higher QoS, the first without No Local, the first member of a
// group online) is told at once. Narrowing, and other changes in the numbers of a group's members,
// waits for `linger`, so that clients that come and go cost nothing; meanwhile messages come that
// nobody takes. Only that nobody of a group is online any more is told at once: a message that came
// for it would have to be sent elsewhere.
//
// loading ──start()──▶ serving. What is added while loading is the first state, number 1, and makes
// no changes. The truth is what is counted here, never what comes back from other nodes.
//
// Memory: 80 bytes a row, its key over 12 bytes, and about 6 for the table.
#pragma once

#include "base/slab.hpp"
#include "base/small_text.hpp"
#include "cluster/route_message.hpp"
#include "cluster/route_ring.hpp"

#include <boost/unordered/unordered_flat_set.hpp>

#include <array>
#include <deque>
#include <optional>
#include <vector>

namespace gv::cluster {

/// One subscription, as its destination counts it.
struct route_subscription {
    route_key key;
    std::uint8_t quality = 0;
    bool no_local = false;
    bool is_online = true; ///< counts for groups
};

struct route_owner_options {
    duration linger = 2s;
    /// Rows looked at for one page: bounds its time where few buckets of many rows are wanted.
    std::uint32_t page_visits_max = 131'072;
    route_ring::limits ring;
    route_limits limits;
};

class route_owner {
  public:
    route_owner(route_destination stream, route_generation of, const route_owner_options& options);
    route_owner(const route_owner&) = delete;
    route_owner& operator=(const route_owner&) = delete;

    /// From here on changes are told. Requires: not called before.
    void start();
    [[nodiscard]] bool is_serving() const noexcept { return seq_ > 0; }

    /// Counts a subscription. The result is the number of the change after which others send what
    /// it matches; 0 while loading. Errors: a key over the limits, or too many rows; then nothing
    /// has changed.
    [[nodiscard]] result<route_seq, route_fault> add(const route_subscription& what,
                                                     time_point now);
    /// Requires here and below: it was added with the same key, QoS and options.
    void remove(const route_subscription& what, time_point now);
    void set_online(const route_key& key, bool is_online, time_point now);

    /// Tells what has lingered long enough.
    void on_deadline(time_point now);
    [[nodiscard]] time_point next_deadline() const noexcept {
        return lingering_.empty() ? never : lingering_.front().until;
    }

    /// Changes that nobody has been told of.
    [[nodiscard]] std::size_t pending() const noexcept { return pending_.size(); }
    [[nodiscard]] std::size_t pending_bytes() const noexcept { return pending_bytes_; }
    /// Takes them out. Requires: there are some. They are to be given back with keep().
    [[nodiscard]] route_deltas flush();
    void keep(route_deltas flushed) { ring_.append(std::move(flushed.changes)); }

    /// Requires here and below: nothing is pending, and the stream is serving.
    [[nodiscard]] stream_digest digest() const;
    [[nodiscard]] stream_hashes hashes() const;
    /// Nothing if the changes are not kept any more; no changes if there are none.
    [[nodiscard]] std::optional<route_deltas> resend(route_seq after, std::size_t bytes_max) const;
    [[nodiscard]] route_page page(const page_request& wanted, std::size_t bytes_max) const;

    /// Calls `visit(key, hash, value)` for each row that others have been, or are about to be,
    /// told.
    template <typename Visit>
    void for_each(Visit&& visit) const {
        for (index at = 0; at < rows_.end(); ++at) {
            if (rows_[at].is_told) {
                visit(key_of(rows_[at]), rows_[at].hash, rows_[at].told);
            }
        }
    }

    [[nodiscard]] route_destination stream() const noexcept { return stream_; }
    [[nodiscard]] route_generation of() const noexcept { return generation_; }
    [[nodiscard]] route_seq seq() const noexcept { return seq_; }
    [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
    [[nodiscard]] bool has(const route_key& key) const;

  private:
    using index = std::uint32_t;
    static constexpr index none = 0xffff'ffff;

    struct row {
        std::uint64_t hash = 0; ///< of the key
        route_seq widened = 0;  ///< change that widened it last
        time_point narrow_at = never;
        small_text text; ///< filter and group, one after the other
        std::uint32_t filter_size = 0;
        std::array<std::uint32_t, 3> by_quality{};
        std::uint32_t no_local = 0;
        std::uint32_t online = 0;
        route_value told;
        bool is_told = false;
    };
    struct lookup {
        route_key key;
        std::uint64_t hash;
    };
    struct hasher {
        using is_transparent = void;
        using is_avalanching = void;
        const route_owner* self;
        std::size_t operator()(index at) const noexcept { return self->rows_[at].hash; }
        std::size_t operator()(const lookup& wanted) const noexcept { return wanted.hash; }
    };
    struct equal {
        using is_transparent = void;
        const route_owner* self;
        bool operator()(index a, index b) const noexcept { return a == b; }
        bool operator()(const lookup& a, index b) const noexcept;
        bool operator()(index a, const lookup& b) const noexcept { return (*this)(b, a); }
    };
    struct lingerer {
        time_point until;
        index which;
    };

    [[nodiscard]] static route_key key_of(const row& of) noexcept;
    [[nodiscard]] static route_value value_of(const row& of) noexcept;
    [[nodiscard]] static std::uint32_t total_of(const row& of) noexcept;
    [[nodiscard]] index find(const route_key& key) const;
    index find_or_make(const route_key& key);
    void settle(index which, time_point now);
    void narrow(index which);
    void tell(row& of, const route_value& value);
    void untell(row& of);
    void record(const row& of, bool is_removal);
    void drop(index which);

    route_destination stream_;
    route_generation generation_;
    route_owner_options options_;
    slab<row> rows_;
    boost::unordered_flat_set<index, hasher, equal> by_key_;
    route_digest digest_; ///< of what is told
    route_seq seq_ = 0;   ///< of the newest change, pending ones included; 0: loading
    std::vector<route_change> pending_;
    std::size_t pending_bytes_ = 0;
    route_ring ring_;
    std::deque<lingerer> lingering_; ///< outdated ones included: narrow_at tells
};

} // namespace gv::cluster
