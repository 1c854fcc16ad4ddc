// SPDX-License-Identifier: Apache-2.0
#include "broker/server/cluster_unite.hpp"

#include "base/log.hpp"
#include "broker/server/cluster_status.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace gv::server {

namespace {

using cluster::own_sessions;

constexpr auto pause = std::chrono::milliseconds(200);
/// Nodes that have just met tell each other of their tables by then.
constexpr auto look_patience = std::chrono::seconds(5);
/// The other table is told by then, and what was erased is on disk.
constexpr auto step_patience = std::chrono::seconds(30);
/// For sessions, from when the last one of them has gone: one that is held up is tried again within
/// a minute.
constexpr auto handover_patience = std::chrono::seconds(90);

[[nodiscard]] std::string count_text(std::uint64_t count, const char* what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

} // namespace

cluster_unite::cluster_unite(cluster_service& cluster,
                             const std::vector<std::unique_ptr<shard::event_loop>>& loops,
                             boost::asio::io_context& control)
    : cluster_(cluster), loops_(loops), control_(control), pause_(control) {}

std::string cluster_unite::place() const {
    return is_discard() ? "join --discard" : "join --merge";
}

void cluster_unite::begin(own_sessions what, cluster::operator_join so_far, reply answer) {
    if (is_under_way()) {
        answer(failure(problem{.place = "join",
                               .what = "this node is about to go over to another table already",
                               .remedy = "wait for the command that was given before"}));
        return;
    }
    answer_ = std::move(answer);
    what_ = what;
    done_ = std::move(so_far);
    done_.sessions = done_.messages = 0;
    left_ = 0;
    if (is_stopped_) {
        refuse("this node is being stopped", "start it again and try then");
    } else if (!cluster_.shares_sessions()) {
        refuse("sessions stay on the node where they were made",
               "set sessions.follow_clients on all nodes");
    } else {
        go_to(phase::looking, look_patience);
        look();
    }
}

void cluster_unite::go_to(phase next, duration patience) {
    at_ = next;
    until_ = std::chrono::steady_clock::now() + patience;
}

bool cluster_unite::is_late() const { return std::chrono::steady_clock::now() >= until_; }

// The table first: what shards count after that is by this table, or a later one.
void cluster_unite::look() {
    std::vector<node_id> found;
    for (const cluster::operator_found& each : done_.found) {
        found.push_back(each.node);
    }
    cluster_.run([this, found](cluster::cluster_node& node, cluster::moment) {
        const cluster::partition_exchange& tables = node.partitions();
        view seen{.others = tables.table_of_others(found),
                  .own = tables.table().founding(),
                  .do_shards_know = cluster_.do_shards_know_homes(),
                  .is_alone = node.members().members().live() == 0,
                  .away = members_away(node.members())};
        sum_up(loops_, {}, [this, seen = std::move(seen)](const shard_sums& now) {
            boost::asio::post(control_, [this, seen, now] { judge(now, seen); });
        });
    });
}

void cluster_unite::look_later() {
    pause_.expires_after(pause);
    pause_.async_wait([this](const boost::system::error_code& error) {
        if (!error && answer_) {
            look();
        }
    });
}

void cluster_unite::judge(const shard_sums& now, const view& table) {
    if (!answer_) {
        return; // stopped meanwhile
    }
    switch (at_) {
    case phase::looking:
        on_looked(now, table);
        return;
    case phase::erasing:
        if (now.is_store_lost) {
            refuse("the disk does not write, and what was erased may be there again after a "
                   "restart",
                   "look at the log of this node");
        } else if (now.kept_sessions == 0 && !now.has_open_ends) {
            give_up();
        } else {
            look_later();
        }
        return;
    case phase::giving_up:
        if (table.own == wanted_ && table.do_shards_know) {
            on_given_up(now);
        } else if (is_late()) {
            refuse("no node with the other table tells it any more",
                   "look at `grapevine cluster status`, and try again"
                       + std::string(is_discard() ? "; the sessions of this node are erased" : ""));
        } else {
            look_later();
        }
        return;
    case phase::handing_over:
        wait_for_homes(now, table);
        return;
    }
}

void cluster_unite::on_looked(const shard_sums& now, const view& table) {
    done_.sessions = now.kept_sessions;
    if (table.others) {
        wanted_ = *table.others;
        is_discard() ? discard() : give_up();
    } else if (!is_discard() && now.misplaced_sessions > 0 && table.do_shards_know) {
        go_to(phase::handing_over, handover_patience); // of a time before
        wait_for_homes(now, table);
    } else if (!is_late()) {
        look_later();
    } else if (table.is_alone) {
        refuse("no other node is there",
               "start the others, or name one: grapevine cluster " + place() + " node2.home:7883");
    } else {
        refuse("there is nothing to do: no other node that is alive"
                   + std::string(done_.found.empty() ? "" : " at these places")
                   + " has sessions by another table than this one",
               "look at `grapevine cluster status`; run this on the node whose sessions are to go "
               "over, or are not wanted any more");
    }
}

// No shard takes a new one from now on, until the other table says where that would be.
void cluster_unite::discard() {
    go_to(phase::erasing, step_patience);
    sum_up(loops_, true, [this](const shard_sums& before) {
        boost::asio::post(control_, [this, messages = before.queued_messages] {
            if (!answer_) {
                return;
            }
            done_.sessions = 0;
            done_.messages = messages;
            const auto left = std::make_shared<std::size_t>(loops_.size());
            for (const auto& each : loops_) {
                each->post([this, &loop = *each, left] {
                    const std::size_t count = loop.logic().discard_sessions();
                    boost::asio::post(control_, [this, left, count] {
                        count_discarded(count);
                        if (--*left == 0 && answer_) {
                            log::warn("sessions_discarded",
                                      {{"sessions", done_.sessions}, {"messages", done_.messages}});
                            look();
                        }
                    });
                });
            }
        });
    });
}

void cluster_unite::count_discarded(std::size_t sessions) { done_.sessions += sessions; }

// Others hand nothing over to this node as long as its own sessions go: they might meet.
void cluster_unite::give_up() {
    go_to(phase::giving_up, step_patience);
    cluster_.run([wanted = wanted_](cluster::cluster_node& node, cluster::moment) {
        node.set_takes_more(false);
        node.give_up_table(wanted);
    });
    look_later();
}

void cluster_unite::on_given_up(const shard_sums& now) {
    log::info("table_given_up",
              {{"for_that_of", hex(wanted_.by)}, {"sessions", now.misplaced_sessions}});
    if (is_discard()) {
        finish();
    } else {
        go_to(phase::handing_over, handover_patience);
        look_later();
    }
}

void cluster_unite::wait_for_homes(const shard_sums& now, const view& table) {
    if (now.misplaced_sessions == 0) { // what is here now is at home
        done_.sessions -= std::min(done_.sessions, now.kept_sessions);
        finish();
        return;
    }
    if (left_ == 0 || now.misplaced_sessions < left_) {
        left_ = now.misplaced_sessions;
        go_to(phase::handing_over, handover_patience);
    }
    if (!is_late()) {
        look_later();
        return;
    }
    refuse(count_text(left_, "session") + " of this node have not gone to their homes for "
               + std::to_string(std::chrono::seconds(handover_patience).count()) + " s"
               + (table.away.empty() ? "" : ", as not all members are alive: " + table.away),
           "they go by themselves while all members are alive: start those that are not, or "
           "`grapevine cluster forget` them, and see `grapevine cluster status`");
}

// --- the end

/// As it was before, or would be with the other table.
void cluster_unite::restore_shards() {
    for (const auto& each : loops_) {
        each->post([&loop = *each] { loop.logic().set_leaving(false); });
    }
    cluster_.run([would_be = cluster_.may_be_home()](cluster::cluster_node& node, cluster::moment) {
        node.keep_table();
        node.set_takes_more(would_be);
    });
}

void cluster_unite::refuse(const std::string& what, const std::string& remedy) {
    if (at_ != phase::looking) {
        restore_shards();
    }
    std::exchange(answer_, {})(failure(problem{.place = place(), .what = what, .remedy = remedy}));
}

void cluster_unite::finish() {
    restore_shards();
    log::info("sessions_united", {{"sessions", done_.sessions}, {"discarded", is_discard()}});
    std::exchange(answer_, {})(done_);
}

void cluster_unite::stop() {
    is_stopped_ = true;
    pause_.cancel();
    if (answer_) {
        std::exchange(answer_, {})(
            failure(problem{.place = place(),
                            .what = "this node is being stopped",
                            .remedy = "start it again and try then: what was done stays done"}));
    }
}

} // namespace gv::server
