// SPDX-License-Identifier: Apache-2.0
#include "broker/server/operator_service.hpp"

#include "base/log.hpp"
#include "broker/server/cluster_join.hpp"
#include "broker/server/cluster_status.hpp"
#include "broker/server/persistence.hpp"
#include "broker/server/shard_sums.hpp"

#include <boost/asio/post.hpp>

namespace gv::server {

std::string operator_socket(const options& all) {
    if (!all.cluster.operator_socket->empty()) {
        return *all.cluster.operator_socket;
    }
    return *all.storage.enabled ? store_folder(all) + "/operate.sock" : std::string();
}

operator_service::operator_service(const options& all, cluster_service& cluster,
                                   const std::vector<std::unique_ptr<shard::event_loop>>& loops,
                                   boost::asio::io_context& control, node_end end)
    : options_(all), cluster_(cluster), loops_(loops), control_(control),
      leave_(all, cluster, loops, control, std::move(end)), unite_(cluster, loops, control) {}

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
    leave_.stop();
    unite_.stop();
    if (door_) {
        door_->stop();
    }
}

void operator_service::on_status(reply<cluster::operator_status> answer) {
    sum_up(loops_, {}, [this, answer = std::move(answer)](const shard_sums& sum) {
        cluster_.run([this, sum, answer](cluster::cluster_node& node, cluster::moment at) {
            const std::function<bool(node_id)> is_linked = [this](node_id to) {
                return cluster_.has_link(to);
            };
            const auto start = node.start_progress();
            const bool has_left = node.members().self().state != cluster::member_state::alive;
            cluster::operator_status status{
                .cluster = *options_.cluster.name,
                .wire = node.members().self().profile.wire,
                .is_ready = start.is_ready,
                .has_routes = start.has_routes,
                .has_retained = start.has_retained,
                .is_leaving = has_left,
                .is_forgotten = node.members().is_forgotten(),
                .kept_sessions = sum.kept_sessions,
                .misplaced_sessions = sum.misplaced_sessions,
                .queued_messages = sum.queued_messages,
                .members = members_of(node, {.lanes = sum.lanes, .is_linked = is_linked}, at.now)};
            add_handovers(node, sum.handovers, status);
            answer(std::move(status));
        });
    });
}

// Who is looked for is known by then, and sessions are not touched unless all were found.
void operator_service::on_join(cluster::operator_join_request asked,
                               reply<cluster::operator_join> answer) {
    if (asked.places.empty()) {
        unite(asked.sessions, {}, std::move(answer));
        return;
    }
    const auto found = [this, what = asked.sessions,
                        answer](result<cluster::operator_join, problem> outcome) {
        if (what == cluster::own_sessions::stay || !outcome || !outcome->failed.empty()) {
            answer(std::move(outcome));
        } else {
            unite(what, *std::move(outcome), answer);
        }
    };
    cluster_.run([this, places = std::move(asked.places), found](cluster::cluster_node&,
                                                                 cluster::moment) mutable {
        std::make_shared<cluster_join>(cluster_, std::move(places), found)->start();
    });
}

void operator_service::unite(cluster::own_sessions what, cluster::operator_join found,
                             reply<cluster::operator_join> answer) {
    boost::asio::post(
        control_, [this, what, found = std::move(found), answer = std::move(answer)]() mutable {
            if (leave_.is_under_way()) {
                answer(failure(problem{.place = "join",
                                       .what = "this node is about to leave",
                                       .remedy = "wait for the command that was given before"}));
                return;
            }
            unite_.begin(what, std::move(found), std::move(answer));
        });
}

void operator_service::on_leave(cluster::operator_leave_request asked,
                                reply<cluster::operator_leave> answer) {
    boost::asio::post(control_, [this, asked, answer = std::move(answer)]() mutable {
        if (unite_.is_under_way()) {
            answer(failure(problem{.place = "leave",
                                   .what = "this node is about to go over to another table",
                                   .remedy = "wait for the command that was given before"}));
            return;
        }
        leave_.begin(asked, std::move(answer));
    });
}

// Who is only remembered may be there all the same: right after a start this node has not met
// anybody. So it is asked, and what it answers is known before it is judged.
void operator_service::on_forget(std::string which, reply<cluster::operator_forget> answer) {
    cluster_.run([this, which = std::move(which),
                  answer = std::move(answer)](cluster::cluster_node& node, cluster::moment at) {
        const auto found = find_to_forget(node.members(), which);
        if (!found || found->state != cluster::member_state::remembered) {
            forget(node, which, answer, at);
            return;
        }
        cluster_.hail(
            found->profile.peer_address, [this, which, answer](const cluster_service::hail_word&) {
                cluster_.run([which, answer](cluster::cluster_node& then, cluster::moment later) {
                    forget(then, which, answer, later);
                });
            });
    });
}

void operator_service::forget(cluster::cluster_node& node, const std::string& which,
                              const reply<cluster::operator_forget>& answer, cluster::moment at) {
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
    answer(cluster::operator_forget{
        .node = found->node, .name = found->profile.name, .was_forgotten_already = was_forgotten});
}

} // namespace gv::server
