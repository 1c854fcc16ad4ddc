// SPDX-License-Identifier: Apache-2.0
// Membership: all that is known, against all that another knows; joining, leaving, gossip rounds.
#include "cluster/membership.hpp"

#include <algorithm>

namespace gv::cluster {

void membership::join(std::span<const std::string> addresses, moment at) {
    notice_stall(at.now);
    const std::size_t left_out = seeds_.add(addresses, at.now, options_.redial, random_);
    metrics_.left_out.add(left_out);
    const std::size_t away =
        table_.count(member_state::dead) + table_.count(member_state::remembered);
    if (away > 0 || table_.live() == 0) {
        seeds_.try_again(addresses, at.now, options_.redial, random_);
    }
}

envelope membership::join_question(moment at) {
    metrics_.push_pulls.add();
    return make(node_id{}, push_pull{++sequence_, all_rows()}, at);
}

void membership::try_seeds(moment at) {
    for (seed& each : seeds_) {
        if (at.now < each.next_try.due()) {
            continue;
        }
        each.next_try.again(at.now, options_.redial, seeds_.unanswered(), random_);
        each.sequence = ++sequence_;
        metrics_.push_pulls.add();
        send({node_id{}, each.address}, make(node_id{}, push_pull{each.sequence, all_rows()}, at));
    }
}

void membership::exchange_at_random(moment at) {
    if (at.now < next_exchange_) {
        return;
    }
    next_exchange_ = at.now + options_.push_pull_period;
    for (const node_id node : table_.some_alive(1, node_id{}, random_)) {
        exchange_with(*table_.find(node), at);
    }
}

// When the halves of a cluster come together many answer at once, and one exchange brings the news
// of them all.
void membership::exchange_with(member& which, moment at) {
    const time_point last = which.is_live() ? last_exchange_.value_or(time_point::min())
                                            : which.exchanged.value_or(time_point::min());
    if (last != time_point::min() && at.now < last + options_.probe_period) {
        return;
    }
    which.exchanged = last_exchange_ = at.now;
    metrics_.push_pulls.add();
    send_to(which.row.node, push_pull{++sequence_, all_rows()}, at);
}

void membership::on_body(const envelope& message, const push_pull& body, moment at) {
    take_rows(body.rows, message.from, at);
    if (!is_forgotten_) {
        send_to(message.from, push_pull_answer{body.sequence, all_rows()}, at);
    }
}

void membership::on_body(const envelope& message, const push_pull_answer& body, moment at) {
    seeds_.on_answer(body.sequence);
    take_rows(body.rows, message.from, at);
}

std::vector<member_row> membership::all_rows() const {
    std::vector<member_row> rows;
    rows.reserve(std::min(table_.size() + 1, options_.limits.rows_max));
    rows.push_back(self_);
    for (const auto& [node, each] : table_) {
        if (rows.size() < options_.limits.rows_max) {
            rows.push_back(each.row);
        }
    }
    return rows;
}

void membership::gossip_round(moment at) {
    if (at.now < next_gossip_) {
        return;
    }
    bool was_told = false;
    for (const node_id node : table_.some_alive(options_.gossip_fanout, node_id{}, random_)) {
        const envelope message = make(node, notice{}, at);
        if (!message.gossip.empty()) {
            was_told = true;
            send({node, table_.find(node)->row.profile.peer_address}, message);
        }
    }
    // With nobody left to tell, the next news or the next exchange will do.
    next_gossip_ = was_told && !gossip_.empty() ? at.now + options_.gossip_period : never;
}

void membership::leave(departure how, moment at) {
    if (is_quiet()) {
        return;
    }
    is_leaving_ = true;
    self_.state = how == departure::restart ? member_state::dead : member_state::left;
    self_.accuser = self_.node;
    probes_.clear();
    gossip_.clear();
    spread(self_, at.now);
    for (const node_id node : table_.live_nodes()) {
        send_to(node, notice{}, at);
    }
    show_gauges();
}

} // namespace gv::cluster
