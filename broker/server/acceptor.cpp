// SPDX-License-Identifier: Apache-2.0
#include "broker/server/acceptor.hpp"

#include "base/log.hpp"

namespace gv::server {

acceptor::acceptor(std::span<const std::unique_ptr<shard::event_loop>> loops,
                   transport::listener_options where, std::string name)
    : loops_(loops), name_(std::move(name)), next_(loops.size()),
      listener_(loops.front()->context(), where, *this) {}

bool acceptor::is_full() const noexcept {
    const shard::listener_profile& profile = *rules_->profile;
    return (rules_->connections_max != 0 && profile.open->load() >= rules_->connections_max)
           || (rules_->connections_max_total != 0
               && profile.open_total->load() >= rules_->connections_max_total);
}

void acceptor::post_to(shard_id shard, std::vector<transport::accepted_socket> sockets) {
    std::vector<transport::accepted_socket> admitted;
    for (transport::accepted_socket& each : sockets) {
        if (is_full()) {
            ++loops_.front()->refused_connections;
            log::warn("connection_refused", {{"listener", name_},
                                             {"from", each.peer.text()},
                                             {"why", "connections_max is reached"}});
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
