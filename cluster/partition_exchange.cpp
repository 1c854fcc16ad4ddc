// SPDX-License-Identifier: Apache-2.0
#include "cluster/partition_exchange.hpp"

#include "base/assert.hpp"

#include <algorithm>
#include <utility>

namespace gv::cluster {

partition_exchange::partition_exchange(node_id self, const partition_table& kept,
                                       const partition_options& options, std::uint64_t seed,
                                       time_point now)
    : self_(self), options_(options), table_(kept),
      random_(static_cast<std::minstd_rand::result_type>(seed ^ (seed >> 32))),
      compare_at_(now + options.compare_interval) {}

// --- other nodes

void partition_exchange::on_peer(node_id node, peer_state state, partition_effects& out) {
    if (state == peer_state::gone) {
        peers_.erase(node);
        gone_.insert(node);
        adopt_orphans(out);
        return;
    }
    gone_.erase(node);
    peer& known = peers_[node];
    known.state = state;
    known.has_told = known.has_told && state == peer_state::alive;
}

void partition_exchange::on_settled(hybrid_time stamp, partition_effects& out) {
    is_settled_ = true;
    look_if_to_found(stamp, out);
    adopt_orphans(out);
}

void partition_exchange::on_link(node_id to, partition_effects& out) {
    if (peers_.contains(to)) {
        tell_all(to, true, out);
    }
}

result<void, partition_fault> partition_exchange::on_message(node_id from,
                                                             const partition_message& message,
                                                             hybrid_time stamp,
                                                             partition_effects& out) {
    const auto sender = peers_.find(from);
    if (sender == peers_.end()) {
        return failure(partition_fault::unknown_peer);
    }
    if (const auto fault = fault_of(message)) {
        ++counts_.refused;
        return failure(*fault);
    }
    sender->second.heading = std::visit([](const auto& told) { return told.heading; }, message);
    sender->second.has_told |= std::holds_alternative<partition_rows>(message);
    std::visit([&](const auto& told) { take(from, told, out); }, message);
    look_if_to_found(stamp, out);
    return {};
}

bool partition_exchange::table_has_sessions() const noexcept {
    return has_sessions_ || std::ranges::any_of(peers_, [this](const auto& each) {
               const partition_heading& told = each.second.heading;
               return told.has_sessions && told.founding == table_.founding();
           });
}

// Age alone says little: a machine without a clock chip founds in the past.
bool partition_exchange::holds_against_ours(const partition_heading& theirs) const {
    if (!theirs.founding.is_there() || !table_.founding().is_there()) {
        return theirs.founding.is_there();
    }
    if (wanted_.is_there() || given_up_.contains(theirs.founding)) {
        return theirs.founding == wanted_;
    }
    const bool has_ours = table_has_sessions();
    return theirs.has_sessions != has_ours ? theirs.has_sessions
                                           : theirs.founding < table_.founding();
}

void partition_exchange::take(node_id from, const partition_rows& told, partition_effects& out) {
    const partition_founding& theirs = told.heading.founding;
    const partition_founding ours = table_.founding();
    const std::uint64_t before = table_.hash();
    if (theirs.is_there() && theirs == ours) {
        put(told.rows, out);
    } else if (holds_against_ours(told.heading)) {
        if (has_sessions_ && theirs != wanted_) {
            if (ours.is_there()) {
                out.tables_differ(from, theirs);
            }
            return;
        }
        if (std::exchange(wanted_, {}).is_there()) {
            given_up_.insert(ours);
            given_up_.erase(theirs);
        }
        begin(partition_table(theirs), out);
        put(told.rows, out);
        if (told.rows.size() < partition_count) {
            tell_all(from, true, out);
            return;
        }
        tell_heading(out); // whoever would hand partitions over to this node waits for it
    }
    if (told.wants_answer
        && (!ours.is_there() || table_.hash() != before || theirs != ours
            || told.rows.size() < partition_count)) {
        tell_all(from, false, out);
    }
}

void partition_exchange::take(node_id from, const partition_digest& told, partition_effects& out) {
    ++counts_.compares;
    if (told.hash == table_.hash()) {
        return;
    }
    ++counts_.differences;
    tell_all(from, true, out);
}

void partition_exchange::put(const std::vector<told_partition>& rows, partition_effects& out) {
    for (const told_partition& each : rows) {
        if (table_.put(each.which, each.row)) {
            ++counts_.changes;
            out.partition_changed(each.which, each.row);
        }
    }
}

void partition_exchange::tell_all(node_id to, bool wants_answer, partition_effects& out) {
    partition_rows all{.heading = heading(), .wants_answer = wants_answer, .rows = {}};
    for (std::uint16_t number = 0; number < partition_count; ++number) {
        const partition_id which{number};
        if (table_.at(which).epoch != 0) {
            all.rows.push_back({.which = which, .row = table_.at(which)});
        }
    }
    out.send(to, all);
}

// --- changes

// Whoever lives and has not said that it has no table may have one. But who has sessions, of a life
// outside the cluster, goes by a table of its own in any case.
void partition_exchange::look_if_to_found(hybrid_time stamp, partition_effects& out) {
    if (!is_settled_ || !takes_more_ || table_.founding().is_there()) {
        return;
    }
    const bool is_somebody_elses =
        !has_sessions_ && std::ranges::any_of(peers_, [this](const auto& each) {
            const auto& [node, other] = each;
            return other.state == peer_state::alive
                   && (!other.has_told || (node < self_ && other.heading.takes_more));
        });
    if (!is_somebody_elses) {
        begin(partition_table({.at = stamp, .by = self_}, self_), out);
        for (const auto& [node, each] : peers_) {
            if (each.state == peer_state::alive) {
                tell_all(node, false, out);
            }
        }
    }
}

void partition_exchange::begin(const partition_table& table, partition_effects& out) {
    table_ = table;
    out.table_founded(table_.founding());
    for (std::uint16_t number = 0; number < partition_count; ++number) {
        const partition_row& row = table_.at(partition_id{number});
        if (row.epoch != 0) {
            ++counts_.changes;
            out.partition_changed(partition_id{number}, row);
        }
    }
}

void partition_exchange::set_takes_more(bool takes, partition_effects& out) {
    takes_more_ = takes;
    tell_heading(out);
}

void partition_exchange::tell_heading(partition_effects& out) const {
    for (const auto& [node, each] : peers_) {
        if (each.state == peer_state::alive) {
            out.send(node, partition_digest{.heading = heading(), .hash = table_.hash()});
        }
    }
}

void partition_exchange::assign(partition_id which, node_id home, partition_effects& out) {
    const std::pair one{which, home};
    assign(std::span(&one, 1), out);
}

void partition_exchange::assign(std::span<const std::pair<partition_id, node_id>> homes,
                                partition_effects& out) {
    partition_rows told{.heading = heading(), .wants_answer = false, .rows = {}};
    for (const auto& [which, home] : homes) {
        const partition_row row{.home = home, .epoch = table_.at(which).epoch + 1};
        BROKER_ASSERT(table_.put(which, row), "a row of a higher epoch holds");
        ++counts_.changes;
        out.partition_changed(which, row);
        told.rows.push_back({.which = which, .row = row});
    }
    for (const auto& [node, each] : peers_) {
        if (each.state == peer_state::alive && !told.rows.empty()) {
            out.send(node, told);
        }
    }
}

bool partition_exchange::has_another(const peer& other) const noexcept {
    return other.state == peer_state::alive && other.has_told && other.heading.founding.is_there()
           && other.heading.founding != table_.founding();
}

bool partition_exchange::goes_by_another(node_id node) const {
    const auto known = peers_.find(node);
    return known != peers_.end() && has_another(known->second);
}

std::optional<partition_founding>
partition_exchange::table_of_others(std::span<const node_id> of) const {
    std::optional<partition_founding> found;
    for (const auto& [node, each] : peers_) {
        const bool is_asked = of.empty() || std::ranges::find(of, node) != of.end();
        if (is_asked && has_another(each) && each.heading.has_sessions
            && (!found || each.heading.founding < *found)) {
            found = each.heading.founding;
        }
    }
    return found;
}

void partition_exchange::give_up_table(const partition_founding& for_that, partition_effects& out) {
    wanted_ = for_that;
    for (const auto& [node, each] : peers_) {
        if (has_another(each) && each.heading.founding == wanted_) {
            tell_all(node, true, out);
        }
    }
}

std::vector<partition_id> partition_exchange::to_hand_over() const {
    std::vector<partition_id> found;
    for (std::uint16_t number = 0; number < partition_count; ++number) {
        const partition_id which{number};
        const auto better = table_.at(which).home == self_ ? proposal(which) : std::nullopt;
        const auto known = better ? peers_.find(*better) : peers_.end();
        if (known != peers_.end() && known->second.state == peer_state::alive
            && known->second.heading.founding == table_.founding()) {
            found.push_back(which);
        }
    }
    return found;
}

void partition_exchange::on_deadline(time_point now, hybrid_time stamp, partition_effects& out) {
    if (now < compare_at_) {
        return;
    }
    compare_at_ = now + options_.compare_interval;
    look_if_to_found(stamp, out);
    adopt_orphans(out);
    std::vector<node_id> alive;
    for (const auto& [node, each] : peers_) {
        if (each.state == peer_state::alive) {
            alive.push_back(node);
        }
    }
    if (!alive.empty()) {
        std::uniform_int_distribution<std::size_t> choice(0, alive.size() - 1);
        out.send(alive[choice(random_)],
                 partition_digest{.heading = heading(), .hash = table_.hash()});
    }
}

std::optional<node_id> partition_exchange::proposal(partition_id which) const {
    return best_for(which, among::registered);
}

std::optional<node_id> partition_exchange::best_for(partition_id which, among whom) const {
    std::optional<node_id> best;
    const auto consider = [&](node_id node) {
        if (!best || partition_weight(which, node) > partition_weight(which, *best)) {
            best = node;
        }
    };
    if (takes_more_) {
        consider(self_);
    }
    for (const auto& [node, each] : peers_) {
        if (each.heading.takes_more
            && (whom == among::registered || each.state == peer_state::alive)) {
            consider(node);
        }
    }
    return best;
}

// Each takes those of which it is the best one alive. Who sees others alive may take the same ones:
// of two rows of one epoch one holds.
void partition_exchange::adopt_orphans(partition_effects& out) {
    if (!is_settled_ || gone_.empty() || !table_.founding().is_there()) {
        return;
    }
    std::vector<std::pair<partition_id, node_id>> adopted;
    for (std::uint16_t number = 0; number < partition_count; ++number) {
        const partition_id which{number};
        if (gone_.contains(table_.at(which).home) && best_for(which, among::alive) == self_) {
            adopted.emplace_back(which, self_);
        }
    }
    assign(adopted, out);
}

} // namespace gv::cluster
