// SPDX-License-Identifier: Apache-2.0
#include "broker/server/operator_service.hpp"

#include "base/log.hpp"
#include "broker/server/cluster_join.hpp"
#include "broker/server/cluster_status.hpp"
#include "broker/server/leave_mark.hpp"
#include "broker/server/persistence.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>

namespace gv::server {

using cluster::lane_state;
using cluster::lane_summary;

/// What the shards have.
struct operator_service::gathering {
    std::map<node_id, lane_summary> lanes;
    std::uint64_t kept_sessions = 0;
    std::uint64_t queued_messages = 0;

    [[nodiscard]] std::uint64_t spooled() const {
        std::uint64_t rows = 0;
        for (const auto& [node, each] : lanes) {
            rows += each.spool_rows;
        }
        return rows;
    }
};

namespace {

[[nodiscard]] lane_state worse(lane_state one, lane_state other) {
    const auto is_any = [&](lane_state what) { return one == what || other == what; };
    return is_any(lane_state::spooling)   ? lane_state::spooling
           : is_any(lane_state::draining) ? lane_state::draining
                                          : lane_state::live;
}

void add(const shard::peer_lane& lane, lane_summary& to) {
    const cluster::lane_sender_counts counted = lane.sender.counted();
    ++to.lanes;
    to.linked += lane.sender.is_linked() ? 1U : 0U;
    to.state = worse(to.state, lane.sender.state());
    to.queue_bytes += counted.queue_bytes;
    to.spool_rows += counted.spool_rows;
    to.spool_bytes += counted.spool_bytes;
}

[[nodiscard]] problem would_take_along(std::uint64_t sessions, std::uint64_t queued,
                                       std::uint64_t spooled) {
    std::string what = "on this node alone are ";
    what += std::to_string(sessions) + " kept sessions with " + std::to_string(queued)
            + " queued messages, and " + std::to_string(spooled)
            + " messages for nodes that are away or slow";
    return {.place = "leave",
            .what = std::move(what),
            .remedy = "let these clients end their sessions, or stop this node and take them to "
                      "another one with `grapevine store export` and `import`; --force leaves all "
                      "the same, and keeps them in storage.folder"};
}

} // namespace

std::string operator_socket(const options& all) {
    if (!all.cluster.operator_socket->empty()) {
        return *all.cluster.operator_socket;
    }
    return *all.storage.enabled ? store_folder(all) + "/operate.sock" : std::string();
}

operator_service::operator_service(const options& all, cluster_service& cluster,
                                   const std::vector<std::unique_ptr<shard::event_loop>>& loops,
                                   boost::asio::io_context& control, std::function<void()> end)
    : options_(all), cluster_(cluster), loops_(loops), control_(control), end_(std::move(end)) {}

operator_service::~operator_service() { stop(); }

result<void, problem> operator_service::start() {
    const std::string path = operator_socket(options_);
    if (path.empty()) {
        log::info("no_operator_socket",
                  {{"remedy", "nothing is kept on disk, so there is no folder for it: set "
                              "cluster.operator_socket to use `grapevine cluster`"}});
        return {};
    }
    auto opened = cluster::operator_server::start(path, *this);
    if (opened) {
        door_ = std::move(*opened);
        return {};
    }
    if (!options_.cluster.operator_socket->empty()) {
        return failure(opened.error());
    }
    log::warn("no_operator_socket", {{"place", opened.error().place},
                                     {"problem", opened.error().what},
                                     {"remedy", opened.error().remedy}});
    return {};
}

void operator_service::stop() {
    if (door_) {
        door_->stop();
    }
}

// Each shard adds its part when its turn comes; the last one tells.
void operator_service::gather(gathered done) {
    struct round {
        std::mutex lock;
        gathering sum;
        std::size_t left;
        gathered done;
    };
    auto all = std::make_shared<round>();
    all->left = loops_.size();
    all->done = std::move(done);
    for (const auto& each : loops_) {
        each->post([&loop = *each, all] {
            const std::scoped_lock adding(all->lock);
            const shard::core& logic = loop.logic();
            all->sum.kept_sessions += logic.stored_sessions();
            all->sum.queued_messages += logic.queues().messages;
            if (logic.lanes() != nullptr) {
                logic.lanes()->for_each_outgoing([&all](const shard::peer_lane& lane) {
                    add(lane, all->sum.lanes[lane.place().peer]);
                });
            }
            if (--all->left == 0) {
                all->done(all->sum);
            }
        });
    }
}

void operator_service::on_status(reply<cluster::operator_status> answer) {
    gather([this, answer = std::move(answer)](const gathering& sum) {
        cluster_.run([this, sum, answer](cluster::cluster_node& node, cluster::moment at) {
            const std::function<bool(node_id)> is_linked = [this](node_id to) {
                return cluster_.has_link(to);
            };
            const auto start = node.start_progress();
            const bool has_left = node.members().self().state != cluster::member_state::alive;
            answer(cluster::operator_status{
                .cluster = *options_.cluster.name,
                .wire = node.members().self().profile.wire,
                .is_ready = start.is_ready,
                .has_routes = start.has_routes,
                .has_retained = start.has_retained,
                .is_leaving = has_left,
                .is_forgotten = node.members().is_forgotten(),
                .kept_sessions = sum.kept_sessions,
                .queued_messages = sum.queued_messages,
                .members = members_of(node, {.lanes = sum.lanes, .is_linked = is_linked}, at.now)});
        });
    });
}

void operator_service::on_join(std::vector<std::string> places,
                               reply<cluster::operator_join> answer) {
    cluster_.run([this, places = std::move(places),
                  answer = std::move(answer)](cluster::cluster_node&, cluster::moment) mutable {
        std::make_shared<cluster_join>(cluster_, std::move(places), std::move(answer))->start();
    });
}

void operator_service::on_leave(bool is_forced, reply<cluster::operator_leave> answer) {
    gather([this, is_forced, answer = std::move(answer)](const gathering& sum) {
        // Files are written on the control thread.
        boost::asio::post(control_,
                          [this, sum, is_forced, answer] { leave(sum, is_forced, answer); });
    });
}

// The mark first: if the process ends in between, the others see it dead, and it does not come back
// by itself.
void operator_service::leave(const gathering& what, bool is_forced,
                             const reply<cluster::operator_leave>& answer) {
    const std::uint64_t spooled = what.spooled();
    if (!is_forced && (what.kept_sessions > 0 || spooled > 0)) {
        answer(failure(would_take_along(what.kept_sessions, what.queued_messages, spooled)));
        return;
    }
    if (const auto marked = write_leave_mark(options_, cluster_.self()); !marked) {
        answer(failure(marked.error()));
        return;
    }
    cluster_.run([this, answer](cluster::cluster_node& node, cluster::moment at) {
        node.leave(cluster::departure::for_good, at);
        tell_all(node, [this, &node, answer] { finish_leaving(node, answer); });
    });
}

// The word that membership sends is not waited for, and would be lost with a process that ends at
// once. So each is asked to answer it, with all that there is to tell.
void operator_service::tell_all(const cluster::cluster_node& node, std::function<void()> told) {
    auto waiting = std::make_shared<std::size_t>(1);
    const auto one_less = [waiting, told = std::move(told)] {
        if (--*waiting == 0) {
            told();
        }
    };
    std::vector<std::string> others;
    for (const auto& [to, each] : node.members().members()) {
        if (each.is_live()) {
            others.push_back(each.row.profile.peer_address);
        }
    }
    *waiting += others.size();
    for (const std::string& each : others) {
        cluster_.hail(each, [one_less](const cluster_service::hail_word&) { one_less(); });
    }
    one_less();
}

void operator_service::finish_leaving(const cluster::cluster_node& node,
                                      const reply<cluster::operator_leave>& answer) {
    answer(cluster::operator_leave{.node = node.members().self().node,
                                   .name = node.members().self().profile.name,
                                   .cluster = *options_.cluster.name,
                                   .process = ::getpid(),
                                   .mark = leave_mark_path(options_)});
    log::info("left_the_cluster", {{"cluster", *options_.cluster.name}});
    boost::asio::post(control_, end_);
}

void operator_service::on_forget(std::string which, reply<cluster::operator_forget> answer) {
    cluster_.run([which = std::move(which), answer = std::move(answer)](cluster::cluster_node& node,
                                                                        cluster::moment at) {
        const auto found = find_to_forget(node.members(), which);
        if (!found) {
            answer(failure(found.error()));
            return;
        }
        const bool was_forgotten = found->state == cluster::member_state::gone;
        if (const auto done = node.forget(found->node, at); !done) {
            answer(failure(problem{.place = which,
                                   .what = "the node has just come back",
                                   .remedy = "see `grapevine cluster status`"}));
            return;
        }
        answer(cluster::operator_forget{.node = found->node,
                                        .name = found->profile.name,
                                        .was_forgotten_already = was_forgotten});
    });
}

} // namespace gv::server
