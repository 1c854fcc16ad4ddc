// SPDX-License-Identifier: Apache-2.0
// Membership: is it there. Probes, their relays, and redialling.
#include "cluster/membership.hpp"

#include <algorithm>

namespace gv::cluster {

void membership::begin_round(moment at) {
    if (at.now < next_round_) {
        return;
    }
    next_round_ = at.now + awareness_.scaled(options_.probe_period);
    std::vector<node_id> targets = table_.live_nodes();
    if (live_nodes() > options_.probe_all_max) {
        const auto next = order_.next(targets, random_);
        // Whom this node accuses gets every chance to refute.
        std::erase_if(targets, [&](node_id node) {
            const member_row& row = table_.find(node)->row;
            return node != next && (row.state == member_state::alive || row.accuser != self_.node);
        });
    }
    for (const node_id target : targets) {
        if (!probes_.is_probing(target)) {
            begin_probe(*table_.find(target), at);
        }
    }
}

// A node that is not alive is not asked for by others: its silence is no news. Of a suspect this
// node asks as often as can be, however little it trusts itself: the time to refute does not wait.
void membership::begin_probe(const member& target, moment at) {
    const std::uint64_t sequence = ++sequence_;
    const bool is_redial = !target.is_live();
    const bool is_suspect = target.row.state == member_state::suspect;
    const auto patience = [&](duration span) {
        return is_suspect ? span : awareness_.scaled(span);
    };
    probes_.own[sequence] = {.target = target.row.node,
                             .boot = target.row.boot,
                             .sent = at.now,
                             .others_at =
                                 is_redial ? never : at.now + patience(options_.probe_timeout),
                             .ends = at.now + patience(options_.probe_period),
                             .is_redial = is_redial};
    metrics_.probes.add();
    send_to(target.row.node, probe{sequence}, at, target.hearsay ? &*target.hearsay : nullptr);
}

// Told by the others at once, believed by this node when it had no answer itself. The probe tells
// the accused of what, and its answer is the refutation.
void membership::check_hearsay(member& which, const member_row& row, moment at) {
    if (which.hearsay) {
        return;
    }
    spread(row, at.now);
    which.hearsay = row;
    if (!probes_.is_probing(row.node)) {
        begin_probe(which, at);
        probes_.own[sequence_].is_check = true;
    }
}

void membership::believe_hearsay(node_id node, moment at) {
    member* const which = table_.find(node);
    if (which != nullptr && which->hearsay) {
        const member_row row = *which->hearsay;
        which->hearsay.reset();
        if (supersedes(row, which->row)) {
            adopt(*which, row, at);
        }
    }
}

void membership::redial_members(moment at) {
    const std::size_t away =
        table_.count(member_state::dead) + table_.count(member_state::remembered);
    for (auto& [node, each] : table_) {
        if (at.now < each.next_try.due()) {
            continue;
        }
        each.next_try.again(at.now, options_.redial, away, random_);
        if (!probes_.is_probing(node)) {
            begin_probe(each, at);
        }
    }
}

void membership::continue_probes(moment at) {
    std::vector<open_probe> failed;
    for (auto& [sequence, each] : probes_.own) {
        if (at.now >= each.others_at && at.now < each.ends) {
            ask_others(sequence, each, at);
        }
        if (at.now >= each.ends && !each.is_redial) {
            failed.push_back(each);
        }
    }
    std::erase_if(probes_.own, [&](const auto& each) { return at.now >= each.second.ends; });
    for (const open_probe& each : failed) {
        on_probe_failed(each, at);
    }
}

void membership::ask_others(std::uint64_t sequence, open_probe& probe, moment at) {
    probe.others_at = never;
    believe_hearsay(probe.target, at);
    if (probe.is_check) {
        return;
    }
    const auto others = table_.some_alive(options_.indirect_probes, probe.target, random_);
    probe.asked = others.size();
    for (const node_id other : others) {
        metrics_.indirect_probes.add();
        send_to(other, probe_request{sequence, probe.target}, at);
    }
}

// Nobody listens there, and all who were asked could not reach it either: why wait.
void membership::fail_if_hopeless(std::uint64_t sequence, moment at) {
    const auto found = probes_.own.find(sequence);
    if (found == probes_.own.end() || !found->second.was_refused
        || found->second.nacks < found->second.asked) {
        return;
    }
    const open_probe probe = found->second;
    probes_.own.erase(found);
    if (!probe.is_redial) {
        on_probe_failed(probe, at);
    }
}

// Whoever was asked and did not even say no makes this node doubt itself, not the target. If there
// was nobody to ask, each failure does; but not if the target's machine answered that nobody
// listens.
void membership::on_probe_failed(const open_probe& probe, moment at) {
    metrics_.failures.add();
    const std::size_t silent = probe.asked - std::min(probe.nacks, probe.asked);
    if (probe.asked > 0) {
        awareness_.add(static_cast<int>(silent));
    } else if (!probe.was_refused && !probe.is_check) {
        awareness_.add(1);
    }
    member* const target = table_.find(probe.target);
    if (target != nullptr && target->is_live() && target->row.boot == probe.boot) {
        target->was_refused = probe.was_refused;
        accuse(*target, at);
        // Where nobody listens it would be refused again at once; the next round will do.
        if (target->row.accuser == self_.node && !probe.was_refused) {
            begin_probe(*target, at);
        }
    }
}

void membership::on_refused(node_id node, moment at) {
    note_refusal(node);
    fail_probes_of(node, at);
}

// Of the life that was asked: a probe may have been on its way while another began.
void membership::note_refusal(node_id node) {
    member* const target = table_.find(node);
    const bool was_asked =
        target != nullptr && std::ranges::any_of(probes_.own, [target](const auto& each) {
            return each.second.target == target->row.node && each.second.boot == target->row.boot;
        });
    if (!was_asked || target->refused == target->row.boot) {
        return;
    }
    target->refused = target->row.boot;
    if (target->row.state == member_state::dead && target->told == target->row.boot) {
        effects_.member_changed(*target, member_change::ended);
    }
}

void membership::fail_probes_of(node_id node, moment at) {
    std::vector<std::uint64_t> refused;
    for (auto& [sequence, each] : probes_.own) {
        if (each.target != node || each.was_refused) {
            continue;
        }
        each.was_refused = true;
        if (each.others_at != never) {
            ask_others(sequence, each, at);
        }
        refused.push_back(sequence);
    }
    for (auto& [sequence, each] : probes_.relayed) {
        each.nack_at = each.target == node ? at.now : each.nack_at;
    }
    answer_askers(at);
    for (const std::uint64_t sequence : refused) {
        fail_if_hopeless(sequence, at);
    }
    show_gauges();
}

void membership::on_body(const envelope& message, const probe& body, moment at) {
    const member* const sender = table_.find(message.from);
    const bool is_stranger = sender == nullptr || sender->row.boot != message.boot
                             || sender->row.state == member_state::remembered;
    send_to(message.from, ack{body.sequence, self_.node, is_stranger}, at);
}

// Yes or no, before the time of the asker is over, so that it knows that this node is well.
void membership::on_body(const envelope& message, const probe_request& body, moment at) {
    const member* const target = table_.find(body.target);
    if (is_leaving_ || target == nullptr || probes_.relayed.size() >= options_.relayed_max) {
        send_to(message.from, nack{body.sequence}, at);
        return;
    }
    const std::uint64_t sequence = ++sequence_;
    probes_.relayed[sequence] = {.target = body.target,
                                 .asker = message.from,
                                 .sequence = body.sequence,
                                 .nack_at = at.now + options_.probe_timeout * 4 / 5};
    metrics_.relayed_probes.add();
    send_to(body.target, probe{sequence}, at);
}

void membership::answer_askers(moment at) {
    for (auto each = probes_.relayed.begin(); each != probes_.relayed.end();) {
        if (at.now < each->second.nack_at) {
            ++each;
            continue;
        }
        send_to(each->second.asker, nack{each->second.sequence}, at);
        each = probes_.relayed.erase(each);
    }
}

void membership::on_body(const envelope& message, const ack& body, moment at) {
    if (member* const sender = table_.find(message.from);
        sender != nullptr && body.subject == message.from && sender->row.boot == message.boot) {
        sender->answered = at.now;
        sender->was_refused = false;
        sender->refused = {};
        sender->hearsay.reset();
    }
    if (const auto found = probes_.relayed.find(body.sequence);
        found != probes_.relayed.end() && found->second.target == message.from) {
        send_to(found->second.asker, ack{found->second.sequence, message.from}, at);
        probes_.relayed.erase(found);
        return;
    }
    const auto found = probes_.own.find(body.sequence);
    if (found == probes_.own.end() || found->second.target != body.subject) {
        return;
    }
    const open_probe answered = found->second;
    probes_.own.erase(found);
    metrics_.acks.add();
    awareness_.add(-1);
    member* const target = table_.find(answered.target);
    if (target != nullptr && target->doubt) {
        target->doubt->restart(at.now);
    }
    if (target != nullptr && answered.target == message.from) {
        target->round_trip = at.now - answered.sent;
    }
    if (target != nullptr && body.subject == message.from
        && (body.wants_state || answered.is_redial)) {
        exchange_with(*target, at);
    }
}

void membership::on_body(const envelope&, const nack& body, moment at) {
    const auto found = probes_.own.find(body.sequence);
    if (found == probes_.own.end()) {
        return;
    }
    metrics_.nacks.add();
    ++found->second.nacks;
    fail_if_hopeless(body.sequence, at);
}

} // namespace gv::cluster
