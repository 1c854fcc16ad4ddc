// SPDX-License-Identifier: Apache-2.0
#include "broker/server/session_homes.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace gv::server {

namespace {

constexpr auto interval = std::chrono::seconds(1);

} // namespace

/// What the shards say, gathered on the thread of the cluster.
struct session_homes::round {
    std::size_t answers_missing = 0;
    std::size_t sessions = 0;
    std::vector<partition_id> released;
};

session_homes::session_homes(boost::asio::io_context& context, runner run)
    : timer_(context), run_(std::move(run)) {}

void session_homes::start(node_id self, const loops& all) {
    self_ = self;
    loops_ = &all;
    wait();
}

void session_homes::wait() {
    timer_.expires_after(interval);
    timer_.async_wait([this](const boost::system::error_code& cancelled) {
        if (!cancelled) {
            run_([this](cluster::cluster_node& node, cluster::moment) { look(node); });
        }
    });
}

void session_homes::tell_shards(const cluster::cluster_node& node) {
    const cluster::partition_table& table = node.partitions().table();
    if (!is_changed_ || is_releasing_ || loops_ == nullptr || !table.founding().is_there()) {
        return;
    }
    is_changed_ = false;
    shard::partition_homes homes{};
    for (std::uint16_t number = 0; number < partition_count; ++number) {
        const node_id home = table.at(partition_id{number}).home;
        const auto slot = home == self_ ? std::nullopt : node.find_slot(home);
        homes[number] = home == self_ ? shard_id{0} : slot ? party_of(*slot) : shard::home_unknown;
    }
    if (told_ != homes) {
        told_ = homes;
        for (const auto& each : *loops_) {
            each->post([&loop = *each, homes] { loop.logic().set_homes(homes); });
        }
    }
}

std::vector<shard::handover_order> session_homes::orders_for(const cluster::cluster_node& node,
                                                             std::span<const partition_id> wanted) {
    const cluster::partition_table& table = node.partitions().table();
    std::vector<shard::handover_order> orders;
    for (const partition_id each : wanted) {
        const node_id to = *node.partitions().proposal(each);
        if (const auto slot = node.find_slot(to)) {
            orders.push_back({.which = each,
                              .to = party_of(*slot),
                              .to_node = to,
                              .row = {.of = {.at = table.founding().at, .by = table.founding().by},
                                      .home = to,
                                      .epoch = table.at(each).epoch + 1}});
        }
    }
    return orders;
}

void session_homes::arrived(partition_id which, node_id at, cluster::cluster_node& node) {
    if (node.partitions().table().at(which).home == self_) {
        const std::pair one{which, at};
        node.assign_homes(std::span(&one, 1));
    }
    told_.reset(); // whoever handed it over waits for word
    is_changed_ = true;
}

// Each shard says whether it has sessions, and lets go of what others should have.
void session_homes::look(cluster::cluster_node& node) {
    const std::vector<partition_id> wanted = node.partitions().to_hand_over();
    const std::vector<shard::handover_order> orders = orders_for(node, wanted);
    const auto gathered = std::make_shared<round>();
    gathered->answers_missing = loops_->size();
    is_releasing_ = true;
    for (const auto& each : *loops_) {
        each->post([this, &loop = *each, wanted, orders, gathered] {
            std::vector<shard::handover_order> mine;
            std::ranges::copy_if(
                orders, std::back_inserter(mine), [&](const shard::handover_order& order) {
                    return home_shard(order.which, loops_->size()) == loop.logic().shard();
                });
            loop.logic().hand_over(std::move(mine));
            run_([this, gathered, sessions = loop.logic().stored_sessions(),
                  released = loop.logic().release(wanted)](cluster::cluster_node& of,
                                                           cluster::moment) {
                gathered->sessions += sessions;
                gathered->released.insert(gathered->released.end(), released.begin(),
                                          released.end());
                if (--gathered->answers_missing == 0) {
                    end(of, *gathered);
                }
            });
        });
    }
}

void session_homes::end(cluster::cluster_node& node, const round& done) {
    is_releasing_ = false;
    node.set_has_sessions(done.sessions > 0);
    const std::vector<partition_id> wanted = node.partitions().to_hand_over(); // by now
    std::vector<std::pair<partition_id, node_id>> homes;
    for (const partition_id each : done.released) {
        if (std::ranges::find(wanted, each) != wanted.end()) {
            homes.emplace_back(each, *node.partitions().proposal(each));
        }
    }
    if (!homes.empty()) {
        log::info("partitions_handed_over", {{"count", homes.size()}});
        node.assign_homes(homes);
    }
    if (!done.released.empty()) {
        told_.reset(); // what was released and not handed over is here again
        is_changed_ = true;
    }
    wait();
}

} // namespace gv::server
