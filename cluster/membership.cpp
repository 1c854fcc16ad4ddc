// SPDX-License-Identifier: Apache-2.0
#include "cluster/membership.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <utility>

namespace gv::cluster {

namespace {

[[nodiscard]] hybrid_time stamp_of(wall_time wall) noexcept {
    const auto since_1970 =
        std::chrono::duration_cast<std::chrono::milliseconds>(wall.time_since_epoch());
    return {static_cast<std::uint64_t>(since_1970.count()) << 16};
}

/// In milliseconds since 1970: the year 2200.
constexpr std::uint64_t latest_date = 7'258'118'400'000;

[[nodiscard]] std::string text_of(std::chrono::milliseconds offset) {
    return std::to_string(offset.count()) + " ms ahead";
}

} // namespace

membership::membership(const membership_options& options, const own_identity& self,
                       std::span<const member_row> remembered, membership_effects& effects,
                       membership_metrics& metrics, moment at)
    : options_(options), self_{.node = self.node, .boot = self.boot, .profile = self.profile},
      effects_(effects), metrics_(metrics), random_(self.chance), table_(options.limits.rows_max),
      gossip_(options.limits.rows_max), seeds_(options.seeds_max),
      awareness_(options.awareness_max), clock_(options.agreed_clock, at.now),
      alarms_(options.alarm_again, options.alarms_max), next_round_(at.now), next_exchange_(at.now),
      last_input_(at.now) {
    BROKER_ASSERT(check(self_), "the owner has checked what this node is called");
    BROKER_ASSERT(is_plain_name(options_.cluster, cluster_name_bytes_max), "and its cluster");
    const auto some_of = [this](duration span) {
        return duration(std::uniform_int_distribution<duration::rep>(0, span.count())(random_));
    };
    next_round_ += some_of(options_.probe_period);
    next_exchange_ += some_of(options_.push_pull_period);
    for (member_row row : remembered) {
        if (row.node == self_.node || table_.find(row.node) != nullptr || !check(row)) {
            continue;
        }
        row.state = is_registered(row.state) ? member_state::remembered : row.state;
        if (member* const known = table_.add(row, at.now)) {
            settle(*known, true, at.now);
        }
    }
    look_at_levels();
    show_gauges();
}

time_point membership::next_deadline() const noexcept {
    if (is_forgotten_) {
        return never;
    }
    if (is_leaving_) {
        return next_gossip_;
    }
    time_point first = std::min({next_round_, next_exchange_, next_gossip_, probes_.next_due(),
                                 seeds_.next_due(), table_.next_due()});
    if (options_.forget_after && table_.count(member_state::dead) > 0) {
        for (const auto& [node, each] : table_) {
            if (each.row.state == member_state::dead) {
                first = std::min(first, each.since + *options_.forget_after);
            }
        }
    }
    return first;
}

void membership::on_deadline(moment at) {
    notice_stall(at.now);
    if (is_forgotten_) {
        return;
    }
    if (!is_leaving_) {
        continue_probes(at);
        answer_askers(at);
        end_suspicions(at);
        forget_the_long_dead(at);
        begin_round(at);
        redial_members(at);
        try_seeds(at);
        exchange_at_random(at);
    }
    gossip_round(at);
    agree_on_clock(at);
    show_gauges();
}

// What others did not answer while this node did not run says nothing about them; and what they
// answered may still be waiting to be read. So nobody is accused of it.
void membership::notice_stall(time_point now) {
    const time_point due = next_deadline();
    const time_point expected = std::max(due, std::exchange(last_input_, now));
    if (due == never || now <= expected + options_.stall) {
        return;
    }
    const duration span = now - expected;
    metrics_.stalls.add();
    awareness_.add(
        static_cast<int>(std::min<std::int64_t>(span / options_.stall, options_.awareness_max)));
    probes_.clear();
    clock_.begin_anew(now);
    for (auto& [node, each] : table_) {
        each.hearsay.reset();
        if (each.doubt) {
            each.doubt->postpone(span);
        }
    }
    next_round_ = now + options_.probe_period;
}

result<void, message_fault> membership::on_message(const envelope& message, moment at) {
    metrics_.received.add();
    notice_stall(at.now);
    if (auto sound = check(message, options_.limits); !sound) {
        metrics_.malformed.add();
        raise({.kind = alarm_kind::malformed,
               .node = message.from,
               .theirs = std::string(message_fault_texts[static_cast<std::size_t>(sound.error())])},
              at.now);
        return sound;
    }
    if (const auto* what = std::get_if<refusal>(&message.body)) {
        on_refusal(message, *what, at);
        return {};
    }
    if (is_forgotten_ || !is_for_us(message, at) || !hear(message, at)) {
        return {};
    }
    // First what is said of this node: the answer then carries the refutation.
    take_rows(message.gossip, message.from, at);
    std::visit([&](const auto& body) { on_body(message, body, at); }, message.body);
    show_gauges();
    return {};
}

result<void, message_fault> membership::on_gossip(node_id from, std::span<const member_row> rows,
                                                  moment at) {
    notice_stall(at.now);
    for (const member_row& row : rows) {
        if (auto sound = check(row); !sound) {
            metrics_.malformed.add();
            return sound;
        }
    }
    if (!is_forgotten_) {
        take_rows(rows, from, at);
        show_gauges();
    }
    return {};
}

bool membership::is_for_us(const envelope& message, moment at) {
    if (message.cluster != options_.cluster) {
        refuse(message, refusal_cause::other_cluster, at);
        return false;
    }
    if (!message.wire.overlaps(options_.wire)) {
        refuse(message, refusal_cause::wire_versions, at);
        return false;
    }
    if (message.from == self_.node) {
        hear_of_self(message, at);
        return false;
    }
    if (message.to != node_id{} && message.to != self_.node) {
        refuse(message, refusal_cause::other_node, at);
        return false;
    }
    return true;
}

// One of the seeds leads to this node; or somebody else has its identity.
void membership::hear_of_self(const envelope& message, moment at) {
    const auto* const own = std::get_if<push_pull>(&message.body);
    if (own == nullptr || own->rows.empty()) {
        return;
    }
    if (own->rows.front() == self_) {
        seeds_.on_answer(own->sequence);
    } else if (own->rows.front().node == self_.node) {
        raise({.kind = alarm_kind::identity_in_use,
               .node = self_.node,
               .ours = self_.profile.peer_address,
               .theirs = own->rows.front().profile.peer_address},
              at.now);
    }
}

// Whether the sender is in the life that it is known in, or a later one.
bool membership::hear(const envelope& message, moment at) {
    member* const sender = table_.find(message.from);
    if (sender == nullptr) {
        return true;
    }
    if (message.boot < sender->row.boot) {
        metrics_.stale.add();
        return false;
    }
    if (message.boot > sender->row.boot && is_live(sender->row.state)) {
        declare(*sender, member_state::dead, at);
    }
    check_clock(*sender, message.sent_at, at);
    return true;
}

void membership::check_clock(member& sender, hybrid_time sent_at, moment at) {
    sender.clock_ahead = clock_offset(sent_at, at.wall);
    const clock_standing before = sender.clock;
    sender.clock = judge_clock(sender.clock_ahead, options_.clock);
    if (sender.clock == clock_standing::fine) {
        effects_.absorb(sent_at);
    }
    if (sent_at.value >> 16 <= latest_date) { // what no clock shows cannot be reckoned with
        clock_.hear(sender.row.node, wall_of(sent_at), at.now);
    }
    if (sender.clock == before) {
        return;
    }
    constexpr std::array alarms{alarm_kind::clock_fine_again, alarm_kind::clock_ahead,
                                alarm_kind::clock_far_ahead};
    raise({.kind = alarms[static_cast<std::size_t>(sender.clock)],
           .node = sender.row.node,
           .theirs = text_of(sender.clock_ahead)},
          at.now);
}

void membership::agree_on_clock(moment at) {
    if (at.now < clock_.due()) {
        return;
    }
    const bool has_changed = clock_.judge(at.now, at.wall, table_.live_nodes());
    metrics_.clock_correction.set(
        std::chrono::round<std::chrono::seconds>(clock_.correction()).count());
    if (has_changed) {
        effects_.clock_agreed(clock_.told());
    }
}

void membership::refuse(const envelope& message, refusal_cause cause, moment at) {
    metrics_.refused.add();
    raise_refusal(alarm_kind::refused_peer, cause, message, at.now);
    envelope answer = make(message.from, refusal{cause, message.to}, at);
    answer.gossip.clear(); // it is none of theirs
    send({message.from, {}}, answer);
}

void membership::on_refusal(const envelope& message, const refusal& what, moment at) {
    metrics_.refused.add();
    if (what.cause == refusal_cause::other_node) {
        raise({.kind = alarm_kind::wrong_address, .node = what.meant}, at.now);
        fail_probes_of(what.meant, at); // whom we meant does not listen there
    } else {
        raise_refusal(alarm_kind::refused_by_peer, what.cause, message, at.now);
    }
}

// A peer that is refused knows nobody here; what it calls itself is in the first row of its own.
void membership::raise_refusal(alarm_kind kind, refusal_cause cause, const envelope& message,
                               time_point now) {
    membership_alarm what{.kind = kind, .node = message.from};
    if (cause == refusal_cause::other_cluster) {
        what.ours = "cluster " + options_.cluster;
        what.theirs = "cluster " + message.cluster;
        what.remedy = "give both nodes the same cluster.name, or take the one out of the "
                      "cluster.seeds of the other";
    } else if (cause == refusal_cause::wire_versions) {
        what.ours = text_of(options_.wire);
        what.theirs = text_of(message.wire);
        what.remedy = remedy_for(options_.wire, message.wire);
    } else {
        return; // who meant another will say so
    }
    const auto* const joining = std::get_if<push_pull>(&message.body);
    if (joining != nullptr && !joining->rows.empty()
        && joining->rows.front().node == message.from) {
        what.name = joining->rows.front().profile.name;
        what.address = joining->rows.front().profile.peer_address;
    }
    raise(std::move(what), now);
}

// That two nodes refuse each other is one thing to tell, not two.
void membership::raise(membership_alarm what, time_point now) {
    const bool is_refusal = what.kind == alarm_kind::refused_by_peer;
    const alarm_kind as = is_refusal ? alarm_kind::refused_peer : what.kind;
    if (!alarms_.passes(what.node, static_cast<std::uint8_t>(as), now)) {
        return;
    }
    const member* const known = table_.find(what.node);
    if (known != nullptr && what.name.empty()) {
        what.name = known->row.profile.name;
        what.address = known->row.profile.peer_address;
    }
    effects_.alarm(what);
}

// First what is held against the recipient, so that it can refute it: the buddy system.
envelope membership::make(node_id to, message_body body, moment at, const member_row* about) {
    envelope made{.cluster = options_.cluster,
                  .wire = options_.wire,
                  .from = self_.node,
                  .boot = self_.boot,
                  .to = to,
                  .sent_at = stamp_of(at.wall),
                  .gossip = {},
                  .body = std::move(body)};
    const member* const known = table_.find(to);
    std::size_t room = options_.limits.gossip_bytes_max;
    const auto put = [&](const member_row& row) {
        if (wire_bytes(row) <= room) {
            room -= wire_bytes(row);
            made.gossip.push_back(row);
        }
    };
    if (about != nullptr) {
        put(*about);
    } else if (known != nullptr && known->row.state > member_state::alive) {
        put(known->row);
    }
    if (is_leaving_ || (known != nullptr && !known->is_live())) {
        put(self_);
    }
    gossip_.take({room, transmissions_for(live_nodes(), options_.gossip_factor)}, to, made.gossip);
    return made;
}

std::vector<member_row> membership::take_gossip(node_id to, std::size_t bytes_max) {
    std::vector<member_row> rows;
    gossip_.take({bytes_max, transmissions_for(live_nodes(), options_.gossip_factor)}, to, rows);
    return rows;
}

void membership::send(const destination& to, const envelope& message) {
    metrics_.sent.add();
    effects_.send(to, message);
}

void membership::send_to(node_id node, message_body body, moment at, const member_row* about) {
    const member* const known = table_.find(node);
    const envelope message = make(node, std::move(body), at, about);
    send({node, known == nullptr ? std::string_view{} : known->row.profile.peer_address}, message);
}

void membership::look_at_levels() {
    const wire_range own = self_.profile.wire;
    wire_levels found = levels_of_one(own);
    for (const auto& [node, each] : table_) {
        if (is_registered(each.row.state)) {
            found = with_member(found, own, each.row.profile.wire);
        }
    }
    if (found == levels_) {
        return;
    }
    levels_ = found;
    metrics_.level.set(found.active);
    metrics_.lowest.set(found.lowest);
    metrics_.highest.set(found.highest);
    effects_.levels_changed(found);
}

std::vector<member_row> membership::snapshot() const {
    std::vector<member_row> rows;
    for (const auto& [node, each] : table_) {
        rows.push_back(each.row);
    }
    return rows;
}

void membership::show_gauges() noexcept {
    metrics_.alive.set(static_cast<std::int64_t>(table_.count(member_state::alive)));
    metrics_.suspect.set(static_cast<std::int64_t>(table_.count(member_state::suspect)));
    metrics_.dead.set(static_cast<std::int64_t>(table_.count(member_state::dead)
                                                + table_.count(member_state::remembered)));
    metrics_.awareness.set(awareness_.score());
    metrics_.gossip.set(static_cast<std::int64_t>(gossip_.size()));
}

} // namespace gv::cluster
