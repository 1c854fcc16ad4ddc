// SPDX-License-Identifier: Apache-2.0
// Takes this node out of its cluster for good, unless there is something that it alone has: kept
// sessions, messages for nodes that are away, retained messages. Or stops it as a member that will
// be back. Where sessions follow their clients they are handed over to the other nodes first.
#pragma once

#include "broker/server/cluster_service.hpp"
#include "broker/server/shard_sums.hpp"
#include "cluster/operator_answers.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace gv::server {

/// What ends a node. Called on the control thread.
struct node_end {
    /// No client comes in any more; says so, on the control thread, when that is true.
    std::function<void(std::function<void()>)> close_listeners;
    /// Stops the process, once the cluster was told that this node leaves.
    std::function<void()> end_process;
};

/// Lives on the control thread.
class cluster_leave {
  public:
    using reply = cluster::operator_listener::reply<cluster::operator_leave>;

    /// Lifetime: all but `end` outlive it.
    cluster_leave(const options& all, cluster_service& cluster,
                  const std::vector<std::unique_ptr<shard::event_loop>>& loops,
                  boost::asio::io_context& control, node_end end);

    /// For good: once sessions have been handed over, and until it is refused, no shard takes a new
    /// kept session.
    void begin(cluster::operator_leave_request asked, reply answer);
    [[nodiscard]] bool is_under_way() const noexcept { return static_cast<bool>(answer_); }
    /// The process ends for another reason: what has not been told to the others is not done.
    void stop();

  private:
    enum class retained_at : std::uint8_t { others, this_node_alone, not_known };

    void look();
    void look_later();
    void pause_and(void (cluster_leave::*then)());
    void set_home(bool would_be);
    void judge(const shard_sums& now);
    [[nodiscard]] bool waits_for_sessions(const shard_sums& now);
    [[nodiscard]] bool waits_for_spool(const shard_sums& now) const;
    void close_listeners();
    void send_clients_away();
    void end_drain();
    [[nodiscard]] cluster::operator_leave end_of_drain() const;
    void compare_retained(const shard_sums& now);
    void on_compared(const shard_sums& now, retained_at where);
    void refuse(problem why);
    void go();
    void tell_all(const cluster::cluster_node& node, std::function<void()> told);
    void finish(cluster::operator_leave left);

    const options options_; ///< as at the start
    cluster_service& cluster_;
    const std::vector<std::unique_ptr<shard::event_loop>>& loops_;
    boost::asio::io_context& control_;
    node_end end_;
    reply answer_; ///< empty: nobody waits, so nothing is under way
    cluster::operator_leave_request asked_;
    bool is_stopped_ = false;
    bool is_marked_ = false;
    bool is_refusing_ = false; ///< shards take nothing more that would be on this node alone
    int times_clear_ = 0;      ///< looked in turn and found nothing that speaks against it
    time_point until_{};
    std::uint64_t sessions_left_ = 0; ///< when they were last fewer than before
    std::uint64_t partitions_left_ = 0;
    /// Of which this node is home, as the thread of the cluster last said.
    std::uint64_t partitions_ = 0;
    boost::asio::steady_timer pause_;
};

} // namespace gv::server
