// SPDX-License-Identifier: Apache-2.0
#include "broker/server/cluster_leave.hpp"

#include "base/log.hpp"
#include "broker/server/leave_mark.hpp"

#include <boost/asio/post.hpp>

#include <unistd.h>

#include <utility>

namespace gv::server {

namespace {

/// How long others may take to fetch what they lack of retained messages.
constexpr auto patience = std::chrono::seconds(5);
constexpr auto pause = std::chrono::milliseconds(200);
/// The same for partitions and their sessions, from when the last one of them has gone.
constexpr auto handover_patience = std::chrono::seconds(30);
/// Clients that are sent away are told so in such steps.
constexpr std::size_t clients_a_step = 100;
/// The second look sees what was under way at the first, when shards began to refuse sessions.
constexpr int looks = 2;

[[nodiscard]] problem would_take_along(const shard_sums& what) {
    return {.place = "leave",
            .what = "on this node alone are " + std::to_string(what.kept_sessions)
                    + " kept sessions with " + std::to_string(what.queued_messages)
                    + " queued messages, and " + std::to_string(what.spooled())
                    + " messages for nodes that are away or slow",
            .remedy = "let these clients end their sessions, or stop this node and take them to "
                      "another one with `grapevine store export` and `import`; --force leaves all "
                      "the same, and keeps them in storage.folder"};
}

[[nodiscard]] problem would_keep_sessions(const shard_sums& what, std::uint64_t partitions) {
    return {.place = "leave",
            .what = "no other node has taken over the last " + std::to_string(partitions)
                    + " partitions with " + std::to_string(what.kept_sessions)
                    + " kept sessions for " + std::to_string(handover_patience.count()) + " s",
            .remedy = "look at `grapevine cluster status`: sessions are handed over while all "
                      "members are alive; start those that are not, or `grapevine cluster forget` "
                      "them. What was handed over stays there; --force leaves all the same, and "
                      "keeps the rest in storage.folder"};
}

[[nodiscard]] problem would_take_retained(const shard_sums& what, bool is_alone) {
    const std::string count = std::to_string(what.retained_messages) + " retained messages";
    if (is_alone) {
        return {.place = "leave",
                .what = count + " are on this node, and no other member is there to have them",
                .remedy = "start another member and try again; --force leaves all the same, and "
                          "keeps them in storage.folder"};
    }
    return {.place = "leave",
            .what = "no other member has confirmed to have the same " + count + " and "
                    + std::to_string(what.retained_removals) + " removals as this node",
            .remedy = "try again when `grapevine cluster status` says under RETAINED that one has "
                      "the same; --force leaves all the same, and keeps them in storage.folder"};
}

[[nodiscard]] problem being_stopped() {
    return {.place = "leave",
            .what = "this node is being stopped, and remains a member",
            .remedy = "start it again and let it leave then, or `grapevine cluster forget` it on "
                      "another node"};
}

[[nodiscard]] problem stopped_halfway() {
    return {.place = "leave",
            .what = "this node was stopped while it told the others that it leaves; it does not "
                    "join again",
            .remedy = "look at `grapevine cluster status` on another node: where this one is dead "
                      "instead of left, `grapevine cluster forget` it"};
}

} // namespace

cluster_leave::cluster_leave(const options& all, cluster_service& cluster,
                             const std::vector<std::unique_ptr<shard::event_loop>>& loops,
                             boost::asio::io_context& control, node_end end)
    : options_(all), cluster_(cluster), loops_(loops), control_(control), end_(std::move(end)),
      pause_(control) {}

void cluster_leave::begin(cluster::operator_leave_request asked, reply answer) {
    if (is_stopped_) {
        answer(failure(being_stopped()));
        return;
    }
    if (answer_) {
        answer(failure(problem{.place = "leave",
                               .what = "this node is about to leave already",
                               .remedy = "wait for the command that was given before"}));
        return;
    }
    if (asked.is_drain && asked.is_forced) {
        answer(failure(problem{.place = "drain",
                               .what = "a drain hands everything over, or does not end",
                               .remedy = "leave out --force"}));
        return;
    }
    if (asked.is_drain && !cluster_.shares_sessions()) {
        answer(failure(problem{.place = "drain",
                               .what = "sessions stay on the node where they were made",
                               .remedy = "set sessions.follow_clients on all nodes"}));
        return;
    }
    answer_ = std::move(answer);
    asked_ = asked;
    times_clear_ = 0;
    until_ = std::chrono::steady_clock::now() + patience;
    sessions_left_ = partitions_left_ = 0;
    is_refusing_ = !cluster_.shares_sessions() || asked_.is_forced;
    if (cluster_.shares_sessions()) {
        until_ = std::chrono::steady_clock::now() + handover_patience;
        set_home(false);
    }
    look();
}

void cluster_leave::set_home(bool would_be) {
    cluster_.run([would_be](cluster::cluster_node& node, cluster::moment) {
        node.set_takes_more(would_be);
    });
}

void cluster_leave::look() {
    sum_up(loops_, is_refusing_ ? std::optional(true) : std::nullopt,
           [this](const shard_sums& now) {
               if (!cluster_.shares_sessions()) {
                   boost::asio::post(control_, [this, now] { judge(now); });
                   return;
               }
               cluster_.run([this, now](cluster::cluster_node& node, cluster::moment) {
                   const bool is_alone = node.members().members().live() == 0;
                   const std::uint64_t left =
                       is_alone ? 0 : node.partitions().table().count(cluster_.self());
                   boost::asio::post(control_, [this, now, left] {
                       partitions_ = left;
                       judge(now);
                   });
               });
           });
}

void cluster_leave::look_later() {
    times_clear_ = 0;
    pause_and(&cluster_leave::look);
}

void cluster_leave::pause_and(void (cluster_leave::*then)()) {
    pause_.expires_after(pause);
    pause_.async_wait([this, then](const boost::system::error_code& error) {
        if (!error && answer_) {
            (this->*then)();
        }
    });
}

/// Whether some are still on their way to other nodes.
bool cluster_leave::waits_for_sessions(const shard_sums& now) {
    if (!cluster_.shares_sessions() || (now.kept_sessions == 0 && partitions_ == 0)) {
        if (sessions_left_ + partitions_left_ > 0) { // what comes next has a time of its own
            sessions_left_ = partitions_left_ = 0;
            until_ = std::chrono::steady_clock::now() + patience;
        }
        return false;
    }
    const bool is_first = sessions_left_ == 0 && partitions_left_ == 0;
    if (is_first || now.kept_sessions < sessions_left_ || partitions_ < partitions_left_) {
        sessions_left_ = now.kept_sessions;
        partitions_left_ = partitions_;
        until_ = std::chrono::steady_clock::now() + handover_patience;
    }
    return std::chrono::steady_clock::now() < until_;
}

/// What was set aside for nodes that were slow goes to them now; no more is.
bool cluster_leave::waits_for_spool(const shard_sums& now) const {
    return cluster_.shares_sessions() && now.spooled() > 0
           && std::chrono::steady_clock::now() < until_;
}

void cluster_leave::judge(const shard_sums& now) {
    if (!answer_) {
        return; // stopped meanwhile
    }
    if (asked_.is_forced) {
        go();
    } else if (waits_for_sessions(now)) {
        look_later();
    } else if (cluster_.shares_sessions() && now.kept_sessions + partitions_ > 0) {
        refuse(would_keep_sessions(now, partitions_));
    } else if (asked_.is_drain) {
        close_listeners();
    } else if (!is_refusing_) {
        // Not before: from then on a message for a node that is slow is refused, too.
        is_refusing_ = true;
        until_ = std::chrono::steady_clock::now() + patience;
        look();
    } else if (waits_for_spool(now)) {
        look_later();
    } else if (now.kept_sessions > 0 || now.spooled() > 0) {
        refuse(would_take_along(now));
    } else {
        compare_retained(now);
    }
}

void cluster_leave::compare_retained(const shard_sums& now) {
    cluster_.run([this, now](cluster::cluster_node& node, cluster::moment at) {
        const bool has_any = now.retained_messages + now.retained_removals > 0;
        const bool is_alone = node.members().members().live() == 0;
        const bool is_safe =
            is_alone ? now.retained_messages == 0 : !has_any || node.retained().is_held_elsewhere();
        if (!is_safe) {
            node.ask_what_is_retained(at);
        }
        const auto where = is_safe    ? retained_at::others
                           : is_alone ? retained_at::this_node_alone
                                      : retained_at::not_known;
        boost::asio::post(control_, [this, now, where] { on_compared(now, where); });
    });
}

void cluster_leave::on_compared(const shard_sums& now, retained_at where) {
    if (!answer_) {
        return;
    }
    const bool is_late = std::chrono::steady_clock::now() >= until_;
    if (where == retained_at::others) {
        ++times_clear_ < looks ? look() : go();
    } else if (where == retained_at::this_node_alone || is_late) {
        refuse(would_take_retained(now, where == retained_at::this_node_alone));
    } else {
        look_later();
    }
}

// First: before MQTT 5 a client cannot be told of another node, and would come back to this one for
// as long as it lets it in.
void cluster_leave::close_listeners() {
    end_.close_listeners([this] {
        if (answer_) {
            send_clients_away();
        }
    });
}

// Those who had been accepted before are sent away as soon as they are in. What clients had said is
// taken before the process ends: of QoS 2 it would come twice otherwise.
void cluster_leave::send_clients_away() {
    const auto left = std::make_shared<std::size_t>(loops_.size());
    const auto sent = std::make_shared<std::size_t>(0);
    for (const auto& each : loops_) {
        each->post([this, &loop = *each, left, sent] {
            const std::size_t count =
                loop.logic().send_away(clients_a_step) + loop.logic().debts().leavers;
            boost::asio::post(control_, [this, left, sent, count] {
                *sent += count;
                if (--*left > 0 || !answer_) {
                    return;
                }
                if (*sent == 0) {
                    until_ = std::chrono::steady_clock::now() + patience;
                    end_drain();
                } else {
                    pause_and(&cluster_leave::send_clients_away);
                }
            });
        });
    }
}

// What is in the spool for longer is sent when this node is back.
void cluster_leave::end_drain() {
    sum_up(loops_, {}, [this](const shard_sums& now) {
        boost::asio::post(control_, [this, now] {
            if (!answer_) {
                return;
            }
            if (waits_for_spool(now)) {
                pause_and(&cluster_leave::end_drain);
            } else {
                finish(end_of_drain());
            }
        });
    });
}

cluster::operator_leave cluster_leave::end_of_drain() const {
    return {.node = cluster_.self(),
            .name = *options_.node.name,
            .cluster = *options_.cluster.name,
            .process = ::getpid(),
            .mark = {}};
}

void cluster_leave::refuse(problem why) {
    for (const auto& each : loops_) {
        each->post([&loop = *each] { loop.logic().set_leaving(false); });
    }
    if (cluster_.shares_sessions()) {
        set_home(cluster_.may_be_home());
    }
    std::exchange(answer_, {})(failure(std::move(why)));
}

// The mark first: if the process ends in between, the others see it dead, and it does not come back
// by itself. Nothing of the control thread comes between the two: stop() is before or after both.
void cluster_leave::go() {
    if (auto marked = write_leave_mark(options_, cluster_.self()); !marked) {
        refuse(marked.error());
        return;
    }
    is_marked_ = true;
    cluster_.run([this](cluster::cluster_node& node, cluster::moment at) {
        node.leave(cluster::departure::for_good, at);
        tell_all(node, [this, &node] {
            const cluster::member_row& self = node.members().self();
            cluster::operator_leave left{.node = self.node,
                                         .name = self.profile.name,
                                         .cluster = *options_.cluster.name,
                                         .process = ::getpid(),
                                         .mark = leave_mark_path(options_)};
            boost::asio::post(
                control_, [this, left = std::move(left)]() mutable { finish(std::move(left)); });
        });
    });
}

// The word that membership sends is not waited for, and would be lost with a process that ends at
// once. So each is asked to answer it, with all that there is to tell.
void cluster_leave::tell_all(const cluster::cluster_node& node, std::function<void()> told) {
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

void cluster_leave::finish(cluster::operator_leave left) {
    if (!answer_) {
        return; // stopped meanwhile
    }
    std::exchange(answer_, {})(std::move(left));
    log::info(asked_.is_drain ? "drained" : "left_the_cluster",
              {{"cluster", *options_.cluster.name}});
    end_.end_process();
}

void cluster_leave::stop() {
    is_stopped_ = true;
    pause_.cancel();
    if (answer_) {
        std::exchange(answer_, {})(failure(is_marked_ ? stopped_halfway() : being_stopped()));
    }
}

} // namespace gv::server
