// SPDX-License-Identifier: Apache-2.0
// What this node does for its operator (`grapevine cluster`): tells how the cluster looks from
// here, looks for others, leaves, forgets. Gathers from the thread of the cluster and the shards.
#pragma once

#include "broker/server/cluster_leave.hpp"
#include "broker/server/cluster_service.hpp"
#include "broker/server/cluster_unite.hpp"
#include "cluster/grpc_operator_server.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace gv::server {

/// Path of the socket that the options name or leave open; empty: there is none.
[[nodiscard]] std::string operator_socket(const options& all);

class operator_service final : private cluster::operator_listener {
  public:
    /// Lifetime: all but `end` outlive it.
    operator_service(const options& all, cluster_service& cluster,
                     const std::vector<std::unique_ptr<shard::event_loop>>& loops,
                     boost::asio::io_context& control, node_end end);
    ~operator_service();

    /// Opens the socket. One that was not asked for may be missing: the log tells. Errors: a
    /// problem for a person. The cluster must be open.
    [[nodiscard]] result<void, problem> start();
    /// No answer begins any more. Before cluster and shards end.
    void stop();

  private:
    void on_status(reply<cluster::operator_status> answer) override;
    void on_join(cluster::operator_join_request asked,
                 reply<cluster::operator_join> answer) override;
    void on_leave(cluster::operator_leave_request asked,
                  reply<cluster::operator_leave> answer) override;
    void on_forget(std::string which, reply<cluster::operator_forget> answer) override;

    void unite(cluster::own_sessions what, cluster::operator_join found,
               reply<cluster::operator_join> answer);
    static void forget(cluster::cluster_node& node, const std::string& which,
                       const reply<cluster::operator_forget>& answer, cluster::moment at);

    const options options_; ///< as at the start: what a reload changes is another thread's
    cluster_service& cluster_;
    const std::vector<std::unique_ptr<shard::event_loop>>& loops_;
    boost::asio::io_context& control_;
    cluster_leave leave_;
    cluster_unite unite_;
    std::unique_ptr<cluster::operator_server> door_;
};

} // namespace gv::server
