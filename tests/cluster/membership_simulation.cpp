// SPDX-License-Identifier: Apache-2.0
#include "tests/cluster/membership_simulation.hpp"

#include "tests/cluster/simulated_members.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <sstream>

namespace gv::cluster {

namespace {

using index = simulated_members::index;

/// Redialling takes 30 s at most, if nothing is lost.
constexpr duration reunion = 40s;
constexpr duration reunion_lossy = 180s;

class run {
  public:
    run(std::uint64_t seed, tracing how)
        : chance_(seed ^ 0x9e3779b97f4a7c15U), world_(node_count(), seed),
          is_traced_(how == tracing::on),
          disturbed_(world_.size(), std::vector<time_point>(world_.size(), world_.network.now())),
          known_(world_.size()), own_(world_.size()) {
        begin_ = world_.network.now();
    }

    simulation_outcome operator()();

  private:
    [[nodiscard]] std::uint64_t below(std::uint64_t end) { return chance_() % end; }
    [[nodiscard]] std::size_t node_count() {
        constexpr std::array<std::size_t, 8> counts{2, 3, 3, 4, 5, 7, 10, 30};
        const std::size_t most = counts[below(counts.size())];
        return most == 10 ? 6 + below(10) : most;
    }
    [[nodiscard]] index any() { return below(world_.size()); }
    void start();
    void fault();
    void kill_or_start(index which);
    void part(index which);
    void split_by_lot();
    void depart(index which);
    void forget_someone(index by);
    void disturb_links();
    void start_the_seeds();
    void calm_down();
    void watch(duration span);
    void look();
    void look_at_pair(index observer, index subject, bool is_lossy);
    void look_at_numbers(index which);
    void note(const std::string& what);
    void complain(const std::string& what);
    [[nodiscard]] bool is_troubled(index left, index right) const;

    std::mt19937_64 chance_;
    simulated_members world_;
    bool is_traced_;
    time_point begin_;
    std::vector<std::vector<time_point>> disturbed_; ///< when the pair was last not connected
    /// Of each observer's life: the precedence of what it held of each node.
    std::vector<std::map<node_id, member_row>> known_;
    std::vector<std::pair<boot_id, incarnation_number>> own_;
    std::vector<bool> is_forgotten_ = std::vector<bool>(world_.size());
    std::size_t traced_events_ = 0;
    simulation_outcome out_;
};

simulation_outcome run::operator()() {
    start();
    const std::uint64_t faults = 6 + below(20);
    for (std::uint64_t i = 0; i < faults; ++i) {
        fault();
        ++out_.faults;
        watch(std::chrono::milliseconds(200 + below(below(4) == 0 ? 60'000 : 9'000)));
    }
    calm_down();
    out_.nodes = world_.size();
    out_.simulated = world_.network.now() - begin_;
    out_.messages = world_.messages_sent;
    out_.suspected = world_.count(member_change::suspected);
    out_.refuted = world_.count(member_change::refuted);
    out_.died = world_.count(member_change::died);
    out_.joined = world_.count(member_change::joined);
    out_.left = world_.count(member_change::left);
    out_.gone = world_.count(member_change::gone);
    out_.forgotten = world_.forgotten;
    for (index i = 0; i < world_.size(); ++i) {
        out_.stalls += world_.is_up(i) ? world_.metrics(i).stalls.get() : 0;
        out_.contested += world_.is_up(i) ? world_.metrics(i).contested.get() : 0;
    }
    out_.clock_alarms = static_cast<std::size_t>(
        std::ranges::count(world_.alarms, alarm_kind::clock_far_ahead, &membership_alarm::kind));
    out_.complaints.insert(out_.complaints.end(), world_.complaints.begin(),
                           world_.complaints.end());
    return out_;
}

// Any one address that leads on is enough; some know more.
void run::start() {
    std::vector<index> order(world_.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::shuffle(order, chance_);
    for (std::size_t i = 0; i < order.size(); ++i) {
        std::vector<index> seeds;
        if (i > 0) {
            seeds.push_back(order[below(i)]);
        }
        while (below(2) == 0) {
            seeds.push_back(any());
        }
        world_.start(order[i], seeds);
        watch(std::chrono::milliseconds(below(3'000)));
    }
}

void run::fault() {
    const index which = any();
    const std::uint64_t what = below(100);
    if (what < 30) {
        kill_or_start(which);
    } else if (what < 48) {
        part(which);
    } else if (what < 56) {
        split_by_lot();
    } else if (what < 68) {
        note("all links mended");
        world_.mend_all();
    } else if (what < 76) {
        disturb_links();
    } else if (what < 83) {
        world_.network.set_loss(which, below(2) == 0 ? 0 : 0.3);
        note("loss at " + std::to_string(which));
    } else if (what < 90) {
        world_.freeze(which, std::chrono::milliseconds(500 + below(30'000)));
        note(std::to_string(which) + " is frozen");
    } else if (what < 93) {
        world_.set_clock(which, std::chrono::seconds(below(40)) - 20s);
        note("clock of " + std::to_string(which) + " jumps");
    } else if (what < 97) {
        depart(which);
    } else {
        forget_someone(which);
    }
}

void run::kill_or_start(index which) {
    if (!world_.is_up(which)) {
        note(std::to_string(which) + " starts again");
        world_.restart(which);
        is_forgotten_[which] = false;
    } else if (below(3) == 0) {
        note(std::to_string(which) + " is killed and starts again");
        world_.crash(which);
        watch(std::chrono::milliseconds(below(2'000)));
        world_.restart(which);
        is_forgotten_[which] = false;
    } else {
        const bool is_process = below(2) == 0;
        note(std::to_string(which) + (is_process ? " is killed" : " loses power"));
        world_.crash(which, is_process ? simulated_members::end::process
                                       : simulated_members::end::machine);
    }
}

void run::part(index which) {
    const index other = any();
    const std::uint64_t how = below(4);
    if (how == 0) {
        note(std::to_string(which) + " is cut off");
        world_.isolate(which);
    } else if (how == 1 && other != which) {
        note("cut " + std::to_string(which) + " -> " + std::to_string(other));
        world_.network.cut(which, other);
    } else if (other != which) {
        note("cut " + std::to_string(which) + " <-> " + std::to_string(other));
        world_.cut_both(which, other);
    }
}

void run::split_by_lot() {
    std::vector<std::vector<index>> groups(2 + below(2));
    for (index i = 0; i < world_.size(); ++i) {
        groups[below(groups.size())].push_back(i);
    }
    note("split into " + std::to_string(groups.size()));
    world_.split(groups);
}

void run::disturb_links() {
    support::link_faults faults;
    if (below(3) != 0) {
        faults.loss = static_cast<double>(below(20)) / 100;
        faults.duplicated = static_cast<double>(below(20)) / 100;
        faults.delay_max = std::chrono::milliseconds(1 + below(150));
    }
    note("loss of " + std::to_string(faults.loss) + " everywhere");
    world_.network.set_faults(faults);
}

void run::depart(index which) {
    if (!world_.is_up(which) || world_.is_frozen(which)) {
        return;
    }
    const auto how = below(2) == 0 ? departure::restart : departure::for_good;
    note(std::to_string(which) + (how == departure::restart ? " goes down" : " leaves"));
    world_.leave(which, how);
    watch(std::chrono::milliseconds(below(1'000)));
    world_.crash(which);
}

void run::forget_someone(index by) {
    const index whom = any();
    if (!world_.is_up(by) || by == whom
        || !world_.at(by).forget(world_.id_of(whom), world_.time_of(by))) {
        return;
    }
    note(std::to_string(by) + " forgets " + std::to_string(whom));
    is_forgotten_[whom] = true;
}

// Who never met anybody, and whose seeds are all down, is alone with good reason.
void run::start_the_seeds() {
    for (bool is_closed = false; !is_closed;) {
        is_closed = true;
        for (index i = 0; i < world_.size(); ++i) {
            for (const index each : world_.seeds_of(i)) {
                if (world_.is_up(i) && !world_.is_up(each)) {
                    world_.restart(each);
                    is_forgotten_[each] = false;
                    is_closed = false;
                }
            }
        }
    }
}

// Half of what is down stays down.
void run::calm_down() {
    note("calm");
    world_.mend_all();
    world_.network.set_faults({});
    for (index i = 0; i < world_.size(); ++i) {
        world_.network.set_loss(i, 0);
        world_.set_clock(i, 0s);
        if (!world_.is_up(i) && below(2) == 0) {
            world_.restart(i);
            is_forgotten_[i] = false;
        }
    }
    start_the_seeds();
    watch(30s); // what is frozen wakes
    for (index i = 0; i < world_.size(); ++i) {
        if (world_.is_up(i) && world_.at(i).is_forgotten()) {
            world_.restart(i);
        }
    }
    watch(75s);
    // A node that was forgotten may hear so only now.
    for (index i = 0; i < world_.size(); ++i) {
        if (world_.is_up(i) && world_.at(i).is_forgotten()) {
            world_.restart(i);
            watch(45s);
        }
    }
    if (!world_.is_whole()) {
        complain("not everybody sees everybody");
    }
    if (const std::string difference = world_.difference(); !difference.empty()) {
        complain(difference);
    }
}

void run::watch(duration span) {
    const time_point end = world_.network.now() + span;
    while (world_.network.now() < end) {
        world_.network.run_until(std::min(end, world_.network.now() + 1s));
        look();
    }
}

void run::look() {
    for (; is_traced_ && traced_events_ < world_.events.size(); ++traced_events_) {
        const auto& each = world_.events[traced_events_];
        note("  " + std::to_string(each.observer) + ": " + std::to_string(each.subject) + " "
             + std::string(member_change_names[static_cast<std::size_t>(each.change)]));
    }
    bool is_lossy = world_.network.faults().loss > 0;
    for (index i = 0; i < world_.size(); ++i) {
        is_lossy = is_lossy || world_.network.loss_of(i) > 0;
    }
    for (index i = 0; i < world_.size(); ++i) {
        if (world_.is_up(i)) {
            look_at_numbers(i);
        }
        for (index j = 0; j < world_.size(); ++j) {
            if (is_troubled(i, j)) {
                disturbed_[i][j] = world_.network.now();
            } else if (i != j) {
                look_at_pair(i, j, is_lossy);
            }
        }
    }
}

bool run::is_troubled(index left, index right) const {
    const auto is_off = [&](index each) {
        return !world_.is_up(each) || world_.is_frozen(each) || is_forgotten_[each]
               || world_.network.loss_of(each) > 0 || world_.at(each).is_forgotten();
    };
    return is_off(left) || is_off(right) || world_.network.is_cut(left, right)
           || world_.network.is_cut(right, left);
}

// No node that was connected for so long has been dead for so long in the eyes of the other.
void run::look_at_pair(index observer, index subject, bool is_lossy) {
    const member* const known = world_.view(observer, subject);
    const duration patience = is_lossy ? reunion_lossy : reunion;
    if (known == nullptr || world_.network.now() < disturbed_[observer][subject] + patience
        || world_.at(subject).self().state != member_state::alive) {
        return;
    }
    if (!known->is_live() && world_.network.now() >= known->since + patience) {
        complain("node " + std::to_string(observer) + " holds " + std::to_string(subject) + " for "
                 + std::string(member_state_names[static_cast<std::size_t>(known->row.state)])
                 + " though they are connected");
        disturbed_[observer][subject] = world_.network.now(); // once is enough
    }
}

// Nothing goes back, and nothing grows without limit.
void run::look_at_numbers(index which) {
    const membership& machine = world_.at(which);
    auto& [boot, incarnation] = own_[which];
    if (boot != machine.self().boot) {
        known_[which].clear();
    } else if (machine.self().incarnation < incarnation) {
        complain("an incarnation went back");
    }
    boot = machine.self().boot;
    incarnation = machine.self().incarnation;
    for (const auto& [id, each] : machine.members()) {
        member_row& before = known_[which].try_emplace(id, each.row).first->second;
        if (precedence(each.row) < precedence(before)) {
            complain("a row went back");
        }
        before = each.row;
        if (each.doubt.has_value() != (each.row.state == member_state::suspect)) {
            complain("a suspicion without its timer, or the other way round");
        }
    }
    if (machine.members().size() >= world_.size() || machine.gossip_waiting() > world_.size()
        || machine.probes_open() > world_.options.relayed_max + 2 * world_.size()) {
        complain("something grows without limit");
    }
    // Head and probe, 1 KiB of gossip.
    if (world_.message_bytes_max > 1'024 + 128) {
        complain("a message of " + std::to_string(world_.message_bytes_max) + " bytes");
    }
}

void run::note(const std::string& what) {
    if (is_traced_) {
        std::ostringstream line;
        line << std::chrono::duration<double>(world_.network.now() - begin_).count() << " " << what;
        out_.trace.push_back(line.str());
    }
}

void run::complain(const std::string& what) {
    note("COMPLAINT " + what);
    out_.complaints.push_back(what);
}

} // namespace

simulation_outcome simulate_membership(std::uint64_t seed, tracing how) { return run(seed, how)(); }

} // namespace gv::cluster
