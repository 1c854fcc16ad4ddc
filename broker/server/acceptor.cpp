// SPDX-License-Identifier: Apache-2.0
#include "broker/server/acceptor.hpp"

#include "base/log.hpp"

namespace gv::server {

acceptor::acceptor(std::span<const std::unique_ptr<shard::event_loop>> loops,
                   transport::listener_options where, std::string name)
    : loops_(loops), name_(std::move(name)), next_(loops.size()),
      listener_(loops.front()->context(), where, *this) {}

acceptor::refusal acceptor::refusal_now() const noexcept {
    const shard::listener_profile& profile = *rules_->profile;
    if (rules_->connections_max != 0 && profile.open->load() >= rules_->connections_max) {
        return {"connections_max of this listener is reached",
                "raise listeners.connections_max if more clients are expected"};
    }
    if (rules_->connections_max_total == 0
        || profile.open_total->load() < rules_->connections_max_total) {
        return {};
    }
    return rules_->is_total_by_descriptors
               ? refusal{"the limit of file descriptors leaves room for no more connections",
                         "raise it (ulimit -n, LimitNOFILE=) and restart"}
               : refusal{"limits.connections_max is reached",
                         "raise limits.connections_max if more clients are expected"};
}

void acceptor::post_to(shard_id shard, std::vector<transport::accepted_socket> sockets) {
    std::vector<transport::accepted_socket> admitted;
    for (transport::accepted_socket& each : sockets) {
        if (const refusal full = refusal_now(); !full.why.empty()) {
            ++loops_.front()->refused_connections;
            log::warn("connection_refused", {{"listener", name_},
                                             {"from", each.peer.text()},
                                             {"why", full.why},
                                             {"remedy", full.remedy}});
            continue;
        }
        rules_->profile->open->fetch_add(1, std::memory_order_relaxed);
        rules_->profile->open_total->fetch_add(1, std::memory_order_relaxed);
        admitted.push_back(std::move(each));
    }
    shard::event_loop& loop = *loops_[shard.value];
    auto take = [&loop, rules = rules_, admitted = std::move(admitted)]() mutable {
        for (transport::accepted_socket& each : admitted) {
            loop.accept(transport::make_stream(loop.context(), std::move(each), rules->stream),
                        rules->profile);
        }
    };
    if (shard.value == 0) {
        loop.begin_turn();
        take();
        loop.end_turn_soon(0);
    } else {
        loop.post(std::move(take));
    }
}

void acceptor::on_accept_paused(boost::system::error_code why, std::chrono::milliseconds pause) {
    ++loops_.front()->accept_pauses;
    log::error("accepting_paused",
               {{"listener", name_},
                {"error", why.message()},
                {"pause_ms", pause.count()},
                {"remedy", "raise the descriptor limit (ulimit -n, LimitNOFILE=)"}});
}

void acceptor::on_accepting_again() { log::info("accepting_again", {{"listener", name_}}); }

} // namespace gv::server
