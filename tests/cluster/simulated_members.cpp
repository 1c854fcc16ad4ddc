// SPDX-License-Identifier: Apache-2.0
#include "tests/cluster/simulated_members.hpp"

#include <algorithm>

namespace gv::cluster {

class simulated_members::effects_of final : public membership_effects {
  public:
    effects_of(simulated_members& world, index self) : world_(world), self_(self) {}

    void send(const destination& to, const envelope& message) override {
        world_.send(self_, to, message);
    }
    void member_changed(const member& now, member_change change) override {
        world_.note(self_, now, change);
    }
    // Read when it has settled, before anything else happens to the node.
    void snapshot_changed() override { is_snapshot_due_ = true; }
    void absorb(hybrid_time seen) override { absorbed_ = std::max(absorbed_, seen); }
    void clock_agreed(const std::optional<agreed_time>&) override {}
    void alarm(const membership_alarm& what) override { world_.alarms.push_back(what); }
    void levels_changed(const wire_levels&) override {}
    void forgotten() override { ++world_.forgotten; }

    void keep() {
        if (std::exchange(is_snapshot_due_, false)) {
            world_.nodes_[self_].kept = world_.at(self_).snapshot();
        }
    }
    /// What the last change of a member left it in; a change must fit it.
    std::map<node_id, std::pair<boot_id, member_change>> last;

  private:
    simulated_members& world_;
    index self_;
    bool is_snapshot_due_ = false;
    hybrid_time absorbed_;
};

simulated_members::simulated_members(std::size_t nodes, std::uint64_t seed)
    : network(seed), nodes_(nodes) {
    options.cluster = "garden";
    for (index i = 0; i < nodes; ++i) {
        nodes_[i].id = node_id{network.random()() | 1U};
        by_id_[nodes_[i].id] = i;
        by_address_[address_of(i)] = i;
    }
    network.on_arrival = [this](index from, index to, const message_pointer& message) {
        arrive(from, to, message);
    };
}

simulated_members::~simulated_members() = default;

std::string simulated_members::address_of(index which) const {
    return "node-" + std::to_string(which) + ".garden.example:7883";
}

moment simulated_members::time_of(index which) const {
    const auto since = network.now().time_since_epoch() + nodes_[which].clock_ahead;
    return {network.now(), wall_time(std::chrono::sys_days(std::chrono::year(2030) / 1 / 1))
                               + std::chrono::duration_cast<wall_time::duration>(since)};
}

void simulated_members::start(index which, const std::vector<index>& seeds) {
    node& self = nodes_[which];
    self.seeds = seeds;
    self.is_machine_off = false;
    network.restart(which);
    ++self.boot.value;
    self.wake = never;
    self.frozen_until = {};
    self.effects = std::make_unique<effects_of>(*this, which);
    self.metrics = std::make_unique<membership_metrics>();
    const own_identity identity{.node = self.id,
                                .boot = self.boot,
                                .profile = {.name = "node-" + std::to_string(which),
                                            .peer_address = address_of(which),
                                            .client_address = "10.0.0.1:1883"},
                                .chance = network.random()()};
    self.machine = std::make_unique<membership>(options, identity, self.kept, *self.effects,
                                                *self.metrics, time_of(which));
    std::vector<std::string> addresses;
    for (const index each : seeds) {
        addresses.push_back(address_of(each));
    }
    self.machine->join(addresses, time_of(which));
    arm(which);
}

void simulated_members::start_all(const std::vector<index>& seeds, duration within) {
    for (index i = 0; i < nodes_.size(); ++i) {
        const auto late = within.count() == 0
                              ? 0
                              : network.random()() % static_cast<std::uint64_t>(within.count());
        network.after(duration(static_cast<duration::rep>(late)),
                      [this, i, seeds] { start(i, seeds); });
    }
    network.run_for(within);
}

void simulated_members::crash(index which, end how) {
    network.crash(which);
    nodes_[which].machine.reset();
    nodes_[which].is_machine_off = how == end::machine;
}

void simulated_members::restart(index which) {
    if (is_up(which)) {
        crash(which);
    }
    nodes_[which].has_left = false;
    start(which, nodes_[which].seeds);
}

void simulated_members::leave(index which, departure how) {
    at(which).leave(how, time_of(which));
    nodes_[which].has_left = how == departure::for_good;
    arm(which);
}

void simulated_members::freeze(index which, duration span) {
    nodes_[which].frozen_until = network.now() + span;
}

void simulated_members::cut_both(index left, index right) {
    network.cut(left, right);
    network.cut(right, left);
}

void simulated_members::split(const std::vector<std::vector<index>>& groups) {
    for (const auto& one : groups) {
        for (const auto& other : groups) {
            for (const index left : one) {
                for (const index right : other) {
                    if (&one != &other) {
                        network.cut(left, right);
                    }
                }
            }
        }
    }
}

void simulated_members::isolate(index which) {
    for (index i = 0; i < nodes_.size(); ++i) {
        if (i != which) {
            cut_both(which, i);
        }
    }
}

void simulated_members::send(index from, const destination& to, const envelope& message) {
    const std::size_t bytes = wire_bytes(message);
    ++messages_sent;
    bytes_sent += bytes;
    if (!std::holds_alternative<push_pull>(message.body)
        && !std::holds_alternative<push_pull_answer>(message.body)) {
        message_bytes_max = std::max(message_bytes_max, bytes);
    }
    // Without an address it is an answer, and goes back the way the question came.
    const index target =
        to.address.empty() ? index_of(to.node) : by_address_.find(to.address)->second;
    if (!is_up(target) && !nodes_[target].is_machine_off && !network.is_cut(from, target)
        && !network.is_cut(target, from)) {
        network.after(1ms, [this, from, node = to.node, boot = nodes_[from].boot] {
            if (is_up(from) && nodes_[from].boot == boot && !is_frozen(from)) {
                at(from).on_refused(node, time_of(from));
                arm(from);
            }
        });
        return;
    }
    network.send(from, target, std::make_shared<const envelope>(message));
}

void simulated_members::arrive(index from, index to, const message_pointer& message) {
    if (!is_up(to)) {
        return;
    }
    if (is_frozen(to)) {
        network.at(nodes_[to].frozen_until,
                   [this, from, to, message] { arrive(from, to, message); });
        return;
    }
    if (auto sound = at(to).on_message(*message, time_of(to)); !sound) {
        complaints.emplace_back("a message was malformed");
    }
    arm(to);
}

void simulated_members::arm(index which) {
    node& self = nodes_[which];
    self.effects->keep();
    const time_point due = std::max(self.machine->next_deadline(), network.now());
    if (due < self.wake && due != never) {
        self.wake = due;
        network.at(due, [this, which, due] { wake(which, due); });
    }
}

void simulated_members::wake(index which, time_point armed) {
    node& self = nodes_[which];
    if (!is_up(which) || self.wake != armed) {
        return;
    }
    if (is_frozen(which)) {
        self.wake = self.frozen_until;
        network.at(self.wake, [this, which, due = self.wake] { wake(which, due); });
        return;
    }
    self.wake = never;
    self.machine->on_deadline(time_of(which));
    arm(which);
}

simulated_members::index simulated_members::index_of(node_id id) const { return by_id_.at(id); }

const member* simulated_members::view(index observer, index subject) const {
    return at(observer).members().find(id_of(subject));
}

bool simulated_members::sees(index observer, index subject, member_state state) const {
    const member* const known = view(observer, subject);
    return known != nullptr && known->row.state == state;
}

bool simulated_members::all_see(index subject, member_state state) const {
    for (index i = 0; i < nodes_.size(); ++i) {
        if (i != subject && is_up(i) && !sees(i, subject, state)) {
            return false;
        }
    }
    return true;
}

namespace {

template <typename Holds>
[[nodiscard]] bool holds_for_all_pairs(const simulated_members& world, Holds holds) {
    for (std::size_t i = 0; i < world.size(); ++i) {
        for (std::size_t j = 0; j < world.size(); ++j) {
            if (i != j && world.is_up(i) && world.is_up(j)) {
                const member* const known = world.view(i, j);
                if (known == nullptr || !holds(*known, world.at(j).self())) {
                    return false;
                }
            }
        }
    }
    return true;
}

} // namespace

bool simulated_members::is_whole() const {
    return holds_for_all_pairs(
        *this, [](const member& view, const member_row& self) { return view.row == self; });
}

bool simulated_members::is_connected() const {
    return holds_for_all_pairs(*this, [](const member& view, const member_row& self) {
        return view.is_live() && view.row.boot == self.boot;
    });
}

std::string simulated_members::difference() const {
    std::map<node_id, std::pair<index, member_row>> first;
    const auto text = [](const member_row& row) {
        return std::string(member_state_names[static_cast<std::size_t>(row.state)]) + " boot "
               + std::to_string(row.boot.value) + " incarnation "
               + std::to_string(row.incarnation.value);
    };
    for (index i = 0; i < nodes_.size(); ++i) {
        if (!is_up(i)) {
            continue;
        }
        std::vector<member_row> rows{at(i).self()};
        for (const auto& [id, each] : at(i).members()) {
            rows.push_back(each.row);
        }
        for (const member_row& row : rows) {
            const auto [place, is_new] = first.try_emplace(row.node, i, row);
            const member_row& before = place->second.second;
            if (!is_new
                && (precedence(before) != precedence(row) || before.profile != row.profile)) {
                return "of " + std::to_string(index_of(row.node)) + " node "
                       + std::to_string(place->second.first) + " thinks " + text(before) + ", node "
                       + std::to_string(i) + " thinks " + text(row);
            }
        }
        if (rows.size() < first.size()) {
            return "node " + std::to_string(i) + " knows " + std::to_string(rows.size()) + " of "
                   + std::to_string(first.size());
        }
    }
    return {};
}

namespace {

/// What may come after what, in the eyes of one node and about one life of another.
[[nodiscard]] bool may_follow(member_change before, member_change after) {
    const bool was_live = before == member_change::joined || before == member_change::updated
                          || before == member_change::refuted || before == member_change::suspected;
    switch (after) {
    case member_change::joined:
        return !was_live;
    case member_change::updated:
        return was_live;
    case member_change::suspected:
        return was_live && before != member_change::suspected;
    case member_change::refuted:
        return before == member_change::suspected || before == member_change::died
               || before == member_change::ended || before == member_change::updated;
    case member_change::died:
        return was_live;
    case member_change::ended:
        return before == member_change::died;
    case member_change::left:
    case member_change::gone:
        return before != after;
    }
    return false;
}

} // namespace

void simulated_members::note(index observer, const member& now, member_change change) {
    const index subject = index_of(now.row.node);
    events.push_back({network.now(), observer, subject, change});
    auto& last = nodes_[observer].effects->last;
    const auto found = last.find(now.row.node);
    if (found != last.end() && found->second.first == now.row.boot
        && !may_follow(found->second.second, change)) {
        complaints.push_back(
            "node " + std::to_string(observer) + " is told of " + std::to_string(subject) + ": "
            + std::string(member_change_names[static_cast<std::size_t>(change)]) + " after "
            + std::string(member_change_names[static_cast<std::size_t>(found->second.second)]));
    }
    last[now.row.node] = {now.row.boot, change};
}

std::size_t simulated_members::count(member_change change) const {
    return static_cast<std::size_t>(std::ranges::count(events, change, &event::change));
}

std::size_t simulated_members::count(member_change change, index subject) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        events, [&](const event& e) { return e.change == change && e.subject == subject; }));
}

std::size_t simulated_members::changes(index observer, index subject) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        events, [&](const event& e) { return e.observer == observer && e.subject == subject; }));
}

} // namespace gv::cluster
