// SPDX-License-Identifier: Apache-2.0
// Membership, time and what is claimed; messages are in retained_exchange_messages.cpp.
#include "cluster/retained_exchange.hpp"

#include "cluster/retained_exchange_pass.hpp"

#include <algorithm>
#include <utility>

namespace gv::cluster {

retained_exchange::retained_exchange(const identity& self, const retained_digest& digest,
                                     const retained_claim& claim,
                                     const retained_exchange_options& options,
                                     const retained_moment& at)
    : self_(self), digest_(&digest), options_(options),
      coverage_(self.node, claim, options.collecting, at.wall),
      random_(static_cast<std::minstd_rand::result_type>(self.seed ^ self.node.value)),
      numbers_(std::uint64_t{self.boot.value} << 32),
      // Not all at the same time, though all may have started at the same time.
      compare_at_(at.now
                  + options.compare_interval * static_cast<duration::rep>(random_() % 16) / 16),
      next_(compare_at_) {
    budget_.set_rate(options.joining_bytes_per_second);
}

void retained_exchange::send(node_id to, const retained_message& message, retained_effects& out) {
    counts_.bytes_sent += bytes_of(message);
    out.send(to, message);
}

void retained_exchange::send_root(node_id to, bool wants_answer, const retained_moment& at,
                                  retained_effects& out) {
    retained_root told{.boot = self_.boot,
                       .hash = root_hash(*digest_),
                       .claim = coverage_.claim(),
                       .present_since = coverage_.present_since(),
                       .wants_answer = wants_answer,
                       .covered = {}};
    for (const auto& [node, until] : coverage_.own(at.wall)) {
        told.covered.push_back({.node = node, .until = until});
    }
    stay_after_told(out);
    send(to, told, out);
}

/// As often as a claim may end later by what is told.
void retained_exchange::stay_after_told(retained_effects& out) {
    const hybrid_time told = coverage_.own_until();
    const duration step = options_.collecting.step;
    if (floor_to(step, told) > floor_to(step, stays_after_)) {
        stays_after_ = told;
        out.stay_after(told);
    }
}

// --- membership

void retained_exchange::on_peer(node_id node, boot_id boot, peer_state state,
                                const retained_moment& at, retained_effects& out) {
    if (node == self_.node) {
        return;
    }
    if (state == peer_state::gone) {
        forget(node);
    } else {
        change_peer(node, boot, state == peer_state::alive, at, out);
    }
    go_on(at, out);
}

void retained_exchange::forget(node_id node) {
    peers_.erase(node);
    coverage_.forget(node);
    if (pass_ && pass_->with() == node) {
        leave_pass();
    }
}

void retained_exchange::change_peer(node_id node, boot_id boot, bool is_alive,
                                    const retained_moment& at, retained_effects& out) {
    peer& known = peers_[node];
    if (boot < known.boot) {
        return;
    }
    const bool is_new_life = boot > known.boot;
    const bool comes = is_alive && (is_new_life || !known.is_alive);
    coverage_.on_member(node, is_alive, is_new_life);
    known.boot = boot;
    known.is_alive = is_alive;
    known.has_exchanged = known.has_exchanged && !is_new_life;
    if ((is_new_life || !is_alive) && pass_ && pass_->with() == node) {
        leave_pass();
    }
    if (comes || !is_alive) {
        known.differs.reset();
        known.hash.reset();
        known.ask_at = is_alive ? at.now : never;
    }
    ask_for_roots(at, out);
}

// What was sent before went nowhere.
void retained_exchange::on_link(node_id to, const retained_moment& at, retained_effects& out) {
    if (const auto known = peers_.find(to); known != peers_.end() && known->second.is_alive) {
        known->second.ask_at = at.now;
        ask_for_roots(at, out);
        go_on(at, out);
    }
}

void retained_exchange::ask_all(const retained_moment& at, retained_effects& out) {
    for (auto& [node, each] : peers_) {
        each.ask_at = each.is_alive ? at.now : never;
    }
    ask_for_roots(at, out);
    go_on(at, out);
}

void retained_exchange::on_members_known(const retained_moment& at, retained_effects& out) {
    are_members_known_ = true;
    go_on(at, out);
}

void retained_exchange::look_if_ready(retained_effects& out) {
    const bool is_over =
        is_ready_ || !are_members_known_ || std::ranges::any_of(peers_, [](const auto& each) {
            return each.second.is_alive && !each.second.has_exchanged;
        });
    if (!is_over) {
        is_ready_ = true;
        budget_.set_rate(options_.bytes_per_second);
        out.on_retained_ready();
    }
}

// --- what is claimed

void retained_exchange::collect_if_due(const retained_moment& at, retained_effects& out) {
    if (!are_members_known_ || is_collecting_ || pass_) {
        return;
    }
    static_cast<void>(coverage_.own(at.wall));
    if (const auto next = coverage_.next_claim(at.wall)) {
        set_claim(*next, out);
    }
}

/// Told to others once it is true of every shard.
void retained_exchange::set_claim(const retained_claim& claim, retained_effects& out) {
    if (is_collecting_ || claim == coverage_.claim()) {
        return;
    }
    ++counts_.collections;
    is_collecting_ = true;
    next_claim_ = claim;
    out.collect(claim);
}

void retained_exchange::on_collected(const retained_moment& at, retained_effects& out) {
    is_collecting_ = false;
    coverage_.set_claim(next_claim_);
    ask_for_roots(at, out);
    go_on(at, out);
}

// --- passes

void retained_exchange::leave_pass() {
    numbers_ = pass_->numbers();
    pass_.reset();
}

std::optional<std::size_t> retained_exchange::differences(node_id node) const {
    const auto found = peers_.find(node);
    if (found == peers_.end() || !found->second.has_exchanged) {
        return std::nullopt;
    }
    if (pass_ && pass_->with() == node) {
        return std::max(std::size_t{1}, pass_->differing());
    }
    return found->second.differs ? 1 : 0;
}

bool retained_exchange::is_held_elsewhere() const {
    const std::uint64_t mine = root_hash(*digest_);
    return std::ranges::any_of(peers_, [mine](const auto& each) {
        return each.second.is_alive && each.second.hash == mine;
    });
}

/// Round and round, so that a peer that does not answer keeps no other waiting.
auto retained_exchange::next_that_differs() -> std::map<node_id, peer>::iterator {
    const auto differs = [](const auto& each) { return each.second.differs.has_value(); };
    const auto after = peers_.upper_bound(last_pass_with_);
    const auto found = std::find_if(after, peers_.end(), differs);
    if (found != peers_.end()) {
        return found;
    }
    const auto again = std::find_if(peers_.begin(), after, differs);
    return again == after ? peers_.end() : again;
}

void retained_exchange::begin_next_pass(const retained_moment& at, retained_effects& out) {
    while (!pass_ && !is_collecting_) {
        const auto next = next_that_differs();
        if (next == peers_.end()) {
            return;
        }
        auto& [node, whom] = *next;
        const retained_root told = *std::exchange(whom.differs, std::nullopt);
        last_pass_with_ = node;
        if (told.hash == root_hash(*digest_)) {
            settle_with(node, told, at, out); // what was fetched from another was all there was
            continue;
        }
        ++counts_.passes;
        pass_.emplace(node, told,
                      retained_pass::limits{.ask_again = options_.ask_again,
                                            .asks_max = options_.asks_max,
                                            .questions_max = options_.questions_max,
                                            .page_bytes_max = options_.limits.page_bytes_max},
                      numbers_);
    }
}

/// This node has all that the other had when it told its root.
void retained_exchange::settle_with(node_id with, const retained_root& told,
                                    const retained_moment& at, retained_effects& out) {
    coverage_.has_all_of(with, covered_by(told), told.present_since, at.wall);
    peers_.at(with).has_exchanged = true;
    set_claim(coverage_.merged(told.claim), out);
}

void retained_exchange::end_pass(const retained_moment& at, retained_effects& out) {
    const node_id with = pass_->with();
    peer& whom = peers_.at(with);
    if (pass_->has_all()) {
        ++counts_.passes_done;
        settle_with(with, pass_->told(), at, out);
    } else if (pass_->is_done()) {
        whom.has_exchanged = true; // there is no room for the rest
    } else if (!whom.has_exchanged) {
        whom.ask_at = at.now + options_.ask_again;
    }
    leave_pass();
}

/// After every input: one pass goes on, and when it is over the next begins.
void retained_exchange::go_on(const retained_moment& at, retained_effects& out) {
    pass_actions actions(*this, at, out);
    for (begin_next_pass(at, out); pass_; begin_next_pass(at, out)) {
        pass_->go_on(coverage_.claim(), at.now, budget_.free_at(), actions);
        if (!pass_->is_done() && !pass_->is_hopeless()) {
            break;
        }
        end_pass(at, out);
    }
    look_if_ready(out);
    find_next_deadline();
}

void retained_exchange::on_entries(retained_ticket ticket, retained_entries&& found,
                                   const retained_moment& at, retained_effects& out) {
    if (pass_) {
        pass_->on_entries(ticket, std::move(found));
    }
    go_on(at, out);
}

void retained_exchange::on_applied(retained_ticket ticket, const retained_applied& done,
                                   const retained_moment& at, retained_effects& out) {
    counts_.rows_applied += done.stored;
    counts_.rows_refused += done.refused;
    counts_.dropped += done.dropped;
    if (pass_) {
        pass_->on_applied(ticket, done);
    }
    go_on(at, out);
}

// --- time

void retained_exchange::on_deadline(const retained_moment& at, retained_effects& out) {
    if (compare_at_ <= at.now) {
        compare_at_ = at.now + options_.compare_interval;
        compare_with_somebody(at, out); // first: while it collects, it does not compare
        collect_if_due(at, out);
    }
    ask_for_roots(at, out);
    go_on(at, out);
}

void retained_exchange::compare_with_somebody(const retained_moment& at, retained_effects& out) {
    std::vector<node_id> alive;
    for (const auto& [node, each] : peers_) {
        if (each.is_alive) {
            alive.push_back(node);
        }
    }
    if (!alive.empty() && !is_collecting_) {
        send_root(alive[random_() % alive.size()], true, at, out);
    }
}

void retained_exchange::ask_for_roots(const retained_moment& at, retained_effects& out) {
    if (is_collecting_) {
        return;
    }
    for (auto& [node, each] : peers_) {
        if (each.ask_at <= at.now) {
            each.ask_at = at.now + options_.ask_again;
            send_root(node, true, at, out);
        }
    }
}

void retained_exchange::find_next_deadline() {
    next_ = compare_at_;
    for (const auto& [node, each] : peers_) {
        next_ = is_collecting_ ? next_ : std::min(next_, each.ask_at);
    }
    if (pass_) {
        next_ = std::min(next_, pass_->next_deadline());
        next_ = pass_->waits_to_ask() ? std::min(next_, budget_.free_at()) : next_;
    }
}

} // namespace gv::cluster
