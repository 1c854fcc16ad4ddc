// SPDX-License-Identifier: Apache-2.0
// Two sets of sessions become one, as an operator wants: this node, which has sessions, goes over
// to the table of partitions of others, which have some too. Its own go over to their homes, or are
// erased first.
//
//   looking     another table is known            giving up, or for --discard: erasing
//   erasing     the ends of all are on disk       giving up
//   giving up   the other table is there, and     handing over, or for --discard: done
//               the shards know
//   handing     the last session is at its home   done
//   over
//
// Whatever ends in between leaves each session on one side at least: until the other table is on
// disk this node begins with its own again, and from then on its sessions are offered to their
// homes without being asked for (docs/cluster-protocol-sessions.md).
#pragma once

#include "broker/server/cluster_service.hpp"
#include "broker/server/shard_sums.hpp"
#include "cluster/operator_answers.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gv::server {

/// Lives on the control thread.
class cluster_unite {
  public:
    using reply = cluster::operator_listener::reply<cluster::operator_join>;

    /// Lifetime: all outlive it.
    cluster_unite(cluster_service& cluster,
                  const std::vector<std::unique_ptr<shard::event_loop>>& loops,
                  boost::asio::io_context& control);

    /// `so_far`: who was found at the places that were named, if some were; then it is the table
    /// of these that is wanted. `what` is not `stay`.
    void begin(cluster::own_sessions what, cluster::operator_join so_far, reply answer);
    [[nodiscard]] bool is_under_way() const noexcept { return static_cast<bool>(answer_); }
    /// The process ends.
    void stop();

  private:
    enum class phase : std::uint8_t { looking, erasing, giving_up, handing_over };
    /// What is known of the table, on the control thread.
    struct view {
        std::optional<cluster::partition_founding> others; ///< a table of others
        cluster::partition_founding own;                   ///< the one of this node
        bool do_shards_know = false;
        bool is_alone = false;
        std::string away; ///< members that are not alive
    };

    void look();
    void look_later();
    void judge(const shard_sums& now, const view& table);
    void on_looked(const shard_sums& now, const view& table);
    void discard();
    void count_discarded(std::size_t sessions);
    void give_up();
    void on_given_up(const shard_sums& now);
    void wait_for_homes(const shard_sums& now, const view& table);
    void go_to(phase next, duration patience);
    [[nodiscard]] bool is_late() const;
    [[nodiscard]] bool is_discard() const noexcept {
        return what_ == cluster::own_sessions::discard;
    }
    [[nodiscard]] std::string place() const;
    void refuse(const std::string& what, const std::string& remedy);
    void restore_shards();
    void finish();

    cluster_service& cluster_;
    const std::vector<std::unique_ptr<shard::event_loop>>& loops_;
    boost::asio::io_context& control_;
    boost::asio::steady_timer pause_;
    reply answer_; ///< empty: nothing is under way
    cluster::own_sessions what_{};
    cluster::operator_join done_;
    phase at_ = phase::looking;
    cluster::partition_founding wanted_;
    time_point until_{};
    std::uint64_t left_ = 0; ///< sessions, when they were last fewer than before
    bool is_stopped_ = false;
};

} // namespace gv::server
