// SPDX-License-Identifier: Apache-2.0
// What the broker says of itself without being asked: $SYS topics, losses in the log, and log lines
// that were suppressed; and every 10 s, whether the heap holds more than it needs. Lives on the
// control thread, which it wakes once a second.
#pragma once

#include "broker/server/figure_sums.hpp"
#include "broker/server/heap_watch.hpp"
#include "broker/server/loss_report.hpp"
#include "broker/server/metric_board.hpp"
#include "broker/server/own_figures.hpp"
#include "broker/server/sys_topics.hpp"
#include "broker/shard/event_loop.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace gv::server {

class observer {
  public:
    /// Lifetime: all three outlive it; so does `control` the threads of the shards. `publisher`
    /// takes the $SYS topics.
    observer(boost::asio::io_context& control, metric_board& board, shard::event_loop& publisher);

    /// Other nodes are told what this one counts, and $SYS topics are those of all. Before start().
    /// Lifetime: outlives it.
    void watch_cluster(cluster_service& cluster) noexcept { cluster_ = &cluster; }
    /// Begins. The first $SYS topics are posted to the publisher before this returns: who connects
    /// afterwards finds them. `sys_interval` 0: none.
    void start(std::chrono::milliseconds sys_interval);
    /// The new interval holds at once; 0 removes the $SYS topics.
    void set_interval(std::chrono::milliseconds sys_interval);
    /// Nothing is published or logged any more.
    void stop();

  private:
    void wait_for_second();
    void wait_for_sys();
    void on_second();
    void look_at_heap();
    void gather_sys();
    void publish_sys();
    void publish_of_all(const cluster::node_figures& own, time_point now);
    void publish_of_nodes(std::span<const peer_figures> nodes, time_point now);
    void remove_all_but(const std::map<node_id, std::string>& names);
    [[nodiscard]] sys_topics& topics_of(const peer_figures& node, const std::string& name);
    void remove(sys_topics& topics);
    [[nodiscard]] cluster::node_figures read_figures();
    void publish(std::vector<sys_value> values);
    /// Brings the board up to date, then calls `next` on the control thread.
    template <typename Next>
    void refresh(Next next);

    boost::asio::io_context& control_;
    metric_board& board_;
    shard::event_loop& publisher_;
    boost::asio::steady_timer second_;
    boost::asio::steady_timer sys_;
    std::chrono::milliseconds sys_interval_{0};
    own_figures own_;
    sys_topics topics_;
    cluster_service* cluster_ = nullptr; ///< null: this node is alone
    figure_sums sums_;
    /// Topics of one node of the cluster.
    struct node_topics {
        std::string name;
        boot_id boot;
        sys_topics topics;
    };
    std::map<node_id, node_topics> nodes_;
    loss_report losses_;
    heap_watch heap_;
    unsigned seconds_ = 0;
    bool is_gathering_ = false;
    bool is_stopped_ = false;
};

} // namespace gv::server
