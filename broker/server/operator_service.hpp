// SPDX-License-Identifier: Apache-2.0
// What this node does for its operator (`grapevine cluster`): tells how the cluster looks from
// here, looks for others, leaves, forgets. Gathers from the thread of the cluster and the shards.
#pragma once

#include "broker/server/cluster_service.hpp"
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
    /// `end` stops the process; called on the control thread, once the cluster was told that this
    /// node leaves. Lifetime: all but `end` outlive it.
    operator_service(const options& all, cluster_service& cluster,
                     const std::vector<std::unique_ptr<shard::event_loop>>& loops,
                     boost::asio::io_context& control, std::function<void()> end);
    ~operator_service();

    /// Opens the socket. One that was not asked for may be missing: the log tells. Errors: a
    /// problem for a person. The cluster must be open.
    [[nodiscard]] result<void, problem> start();
    /// No answer begins any more. Before cluster and shards end.
    void stop();

  private:
    struct gathering;
    using gathered = std::function<void(const gathering&)>;

    void on_status(reply<cluster::operator_status> answer) override;
    void on_join(std::vector<std::string> places, reply<cluster::operator_join> answer) override;
    void on_leave(bool is_forced, reply<cluster::operator_leave> answer) override;
    void on_forget(std::string which, reply<cluster::operator_forget> answer) override;

    void gather(gathered done);
    void tell_all(const cluster::cluster_node& node, std::function<void()> told);
    void finish_leaving(const cluster::cluster_node& node,
                        const reply<cluster::operator_leave>& answer);
    void leave(const gathering& what, bool is_forced, const reply<cluster::operator_leave>& answer);

    const options& options_;
    cluster_service& cluster_;
    const std::vector<std::unique_ptr<shard::event_loop>>& loops_;
    boost::asio::io_context& control_;
    std::function<void()> end_;
    std::unique_ptr<cluster::operator_server> door_;
};

} // namespace gv::server
