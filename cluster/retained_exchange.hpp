// SPDX-License-Identifier: Apache-2.0
// The same retained messages on every node: compares with other nodes and fetches what is missing
// here. One for each node, on its control thread; the rows are on the shards.
//
// Pure: messages of peers, answers of shards, news of membership and time go in; calls on effects
// come out. docs/cluster-protocol-retained.md tells the protocol.
#pragma once

#include "cluster/peer_state.hpp"
#include "cluster/retained_coverage.hpp"
#include "cluster/retained_effects.hpp"
#include "cluster/retained_pass.hpp"

#include <map>
#include <optional>
#include <random>
#include <set>
#include <vector>

namespace gv::cluster {

struct retained_exchange_options {
    /// How often this node compares with another. Larger: less traffic at rest. Smaller: a lost
    /// message is noticed earlier.
    duration compare_interval = 5s;
    /// After this a question is asked again, at most `asks_max` times in all.
    duration ask_again = 1s;
    std::size_t asks_max = 5;
    /// Buckets asked for at a time. Larger: faster over long links. Smaller: less memory at both
    /// ends.
    std::size_t questions_max = 16;
    /// Bytes fetched a second, once this node is ready; and while it joins. 0: no limit.
    std::size_t bytes_per_second = 5u << 20;
    std::size_t joining_bytes_per_second = 64u << 20;
    /// Questions of peers that wait for a shard; beyond, they have to ask again.
    std::size_t answers_max = 256;
    retained_collecting collecting;
    retained_limits limits;
};

/// The clocks of one moment.
struct retained_moment {
    time_point now;
    wall_time wall;
    /// A stamp after this is of a clock that is not to be believed.
    hybrid_time latest;
};

struct retained_counts {
    std::uint64_t compares = 0;    ///< roots of peers seen
    std::uint64_t differences = 0; ///< of these, with another hash
    std::uint64_t passes = 0;      ///< fetching all that differs: begun
    std::uint64_t passes_done = 0;
    std::uint64_t buckets = 0; ///< that differed
    std::uint64_t rows_sent = 0;
    std::uint64_t rows_received = 0;
    std::uint64_t rows_applied = 0;
    std::uint64_t rows_refused = 0;    ///< by the limits of the table
    std::uint64_t rows_distrusted = 0; ///< with a stamp of the future
    std::uint64_t dropped = 0;         ///< removed elsewhere, longer ago than tombstones are kept
    std::uint64_t collections = 0;
    std::uint64_t bytes_sent = 0;
    std::uint64_t bytes_received = 0;
    std::uint64_t refused = 0; ///< messages with a fault
    std::uint64_t answers_dropped = 0;
};

class retained_exchange {
  public:
    struct identity {
        node_id node;
        boot_id boot;
        std::uint64_t seed = 0; ///< of the choice of peers
    };
    /// `claim`: as it was written down by collect(); of a node that has none, empty, and from the
    /// time of its first start as a member. Lifetime: `digest` outlives this.
    retained_exchange(const identity& self, const retained_digest& digest,
                      const retained_claim& claim, const retained_exchange_options& options,
                      const retained_moment& at);

    // --- membership

    /// News of membership. A higher boot is a new life. Every member that is registered must be
    /// told, dead ones too, before on_members_known().
    void on_peer(node_id node, boot_id boot, peer_state state, const retained_moment& at,
                 retained_effects& out);
    /// Membership is settled: whoever is registered was told. Until then no claim is made, and
    /// on_retained_ready() is not reported.
    void on_members_known(const retained_moment& at, retained_effects& out);

    // --- peers

    /// Asks all that are there what they have, without waiting for the next comparison.
    void ask_all(const retained_moment& at, retained_effects& out);
    /// Messages to that node may arrive from now on, and those before may not have: it is asked at
    /// once what it has.
    void on_link(node_id to, const retained_moment& at, retained_effects& out);
    /// Errors: the message has a fault, and nothing of it was applied. The link is to be closed.
    [[nodiscard]] result<void, retained_fault> on_message(node_id from, retained_message&& message,
                                                          const retained_moment& at,
                                                          retained_effects& out);

    // --- answers to effects

    void on_entries(retained_ticket ticket, retained_entries&& found, const retained_moment& at,
                    retained_effects& out);
    void on_rows(retained_ticket ticket, retained_answer&& found, const retained_moment& at,
                 retained_effects& out);
    void on_applied(retained_ticket ticket, const retained_applied& done, const retained_moment& at,
                    retained_effects& out);
    void on_collected(const retained_moment& at, retained_effects& out);

    // --- time

    void on_deadline(const retained_moment& at, retained_effects& out);
    /// Never too late; may be too early.
    [[nodiscard]] time_point next_deadline() const noexcept { return next_; }

    // --- what is known

    [[nodiscard]] const retained_claim& claim() const noexcept { return coverage_.claim(); }
    /// Every registered member is known to have all writes up to this stamp.
    [[nodiscard]] hybrid_time low_water() const { return coverage_.low_water(); }
    [[nodiscard]] const retained_counts& counted() const noexcept { return counts_; }
    /// Whether something is fetched or collected.
    [[nodiscard]] bool is_busy() const noexcept { return pass_.has_value() || is_collecting_; }
    [[nodiscard]] bool is_ready() const noexcept { return is_ready_; }
    /// Buckets in which that node was last seen to differ; 0 if it has the same, 1 if it is not
    /// known how many. Nothing if there was no comparison in this life of it.
    [[nodiscard]] std::optional<std::size_t> differences(node_id node) const;
    /// Whether a node that is there has said that it has all rows that this one has now.
    [[nodiscard]] bool is_held_elsewhere() const;

  private:
    struct peer {
        boot_id boot;
        bool is_alive = false;
        bool has_exchanged = false; ///< in this life
        time_point ask_at = never;  ///< for a root, besides the regular ones
        /// Of all that it has, as it said last while it was there.
        std::optional<std::uint64_t> hash;
        /// The last root that differed, until its turn comes.
        std::optional<retained_root> differs;
    };
    struct waiting_answer {
        node_id to;
        std::uint64_t number = 0;
        retained_claim claim;
    };
    struct on_message_of;
    void stay_after_told(retained_effects& out);
    class pass_actions;

    void send(node_id to, const retained_message& message, retained_effects& out);
    void send_root(node_id to, bool wants_answer, const retained_moment& at, retained_effects& out);
    void change_peer(node_id node, boot_id boot, bool is_alive, const retained_moment& at,
                     retained_effects& out);
    void forget(node_id node);
    void take_root(node_id from, peer& sender, const retained_root& told, const retained_moment& at,
                   retained_effects& out);
    void settle_with(node_id with, const retained_root& told, const retained_moment& at,
                     retained_effects& out);
    [[nodiscard]] std::map<node_id, peer>::iterator next_that_differs();
    void begin_next_pass(const retained_moment& at, retained_effects& out);
    void end_pass(const retained_moment& at, retained_effects& out);
    void leave_pass();
    void go_on(const retained_moment& at, retained_effects& out);
    void collect_if_due(const retained_moment& at, retained_effects& out);
    void set_claim(const retained_claim& claim, retained_effects& out);
    void compare_with_somebody(const retained_moment& at, retained_effects& out);
    void ask_for_roots(const retained_moment& at, retained_effects& out);
    void look_if_ready(retained_effects& out);
    void find_next_deadline();

    identity self_;
    const retained_digest* digest_;
    retained_exchange_options options_;
    retained_coverage coverage_;
    std::map<node_id, peer> peers_;
    std::optional<retained_pass> pass_;
    byte_budget budget_;
    std::map<retained_ticket, waiting_answer> answers_;
    std::minstd_rand random_;
    std::uint64_t tickets_ = 0;
    std::uint64_t numbers_; ///< of questions
    time_point compare_at_;
    time_point next_;
    node_id last_pass_with_;
    bool are_members_known_ = false;
    bool is_ready_ = false;
    bool is_collecting_ = false;
    retained_claim next_claim_; ///< while collecting
    hybrid_time stays_after_{};
    retained_counts counts_;
};

} // namespace gv::cluster
