// SPDX-License-Identifier: Apache-2.0
// Who is in the cluster and who of them is alive: SWIM with Lifeguard, as a pure machine. Messages
// of other nodes and time go in; messages, changes and alarms come out through membership_effects.
// It has no clock, no thread and no socket. The states of a member and how rows about it are merged
// are in cluster/member.hpp, what is said in cluster/membership_message.hpp.
//
//   input                     what follows
//   each probe period         probes: everybody, or in a larger cluster the next in a random order
//   no ack within a timeout   probe_request to some others
//   refused                   the same, at once; and half the time to refute; who is dead has ended
//   no ack within the period  suspect, by the word of this node
//   suspicion runs out        dead
//   a row                     believed if it supersedes what is known, except:
//     about this node         refuted with a higher incarnation
//     suspect                 not if the node answers this one: it is probed, and told of it
//     dead, not its own word  the same, unless it was suspect here for a while already
//   a newer boot              the old one is dead at once
//   push_pull period          push_pull with a random node
//   redial is due             a probe of a dead or remembered node; if it answers, a push_pull
//   a deadline seen late      this node did not run: open probes count for nothing, suspicions wait
//
// Sources: Das, Gupta, Motivala, "SWIM" (2002); Dadgar, Phillips, Currey, "Lifeguard" (2018).
#pragma once

#include "cluster/agreed_clock.hpp"
#include "cluster/alarm_gate.hpp"
#include "cluster/awareness.hpp"
#include "cluster/gossip_queue.hpp"
#include "cluster/membership_effects.hpp"
#include "cluster/membership_metrics.hpp"
#include "cluster/membership_options.hpp"
#include "cluster/probe_table.hpp"
#include "cluster/seed_list.hpp"

#include <random>
#include <span>

namespace gv::cluster {

/// When an input comes, by both clocks.
struct moment {
    time_point now;
    wall_time wall;
};

/// This node, as it starts.
struct own_identity {
    node_id node; ///< not 0
    boot_id boot; ///< not 0; higher than ever before, and on disk already
    member_profile profile;
    std::uint64_t chance; ///< seed of all that is drawn by lot
};

enum class departure : std::uint8_t {
    restart, ///< comes back: taken for dead at once, and redialled
    for_good ///< no longer a member
};

enum class forget_failure : std::uint8_t { unknown, is_live };

class membership {
  public:
    /// `remembered` is the snapshot() of the life before.
    /// Requires: profile and cluster name pass check(); boot and node are not 0.
    membership(const membership_options& options, const own_identity& self,
               std::span<const member_row> remembered, membership_effects& effects,
               membership_metrics& metrics, moment at);

    // Inputs. Each may be called with any time not before that of the input before.

    /// Looks for the cluster at these addresses too, each until it has answered once. May be called
    /// again, as when names were resolved anew: while a member is away, or nobody is there, those
    /// that have answered are tried again, since another node may have the address now.
    void join(std::span<const std::string> addresses, moment at);
    /// What to ask at an address that is not to be tried again and again: all that this node knows.
    /// The answer is for on_message().
    [[nodiscard]] envelope join_question(moment at);
    /// Requires: the transport has checked that the message comes from the node it names.
    /// Errors: the message is malformed; nothing of it was used.
    result<void, message_fault> on_message(const envelope& message, moment at);
    /// Rows that came with something else from a member. Errors: as on_message().
    result<void, message_fault> on_gossip(node_id from, std::span<const member_row> rows,
                                          moment at);
    /// At the address of that node nobody listens.
    void on_refused(node_id node, moment at);
    /// To be called when next_deadline() has come; earlier it does nothing.
    void on_deadline(moment at);
    /// Says goodbye to all. The machine answers on, and does nothing else by itself.
    void leave(departure how, moment at);
    /// Errors: no such node; it is live and would have to leave itself. Nothing has changed then.
    result<void, forget_failure> forget(node_id node, moment at);
    /// Requires: it passes check().
    void set_profile(const member_profile& profile, moment at);

    // Answers.

    /// By most clocks; see clock_agreed().
    [[nodiscard]] const agreed_clock& clock() const noexcept { return clock_; }
    [[nodiscard]] time_point next_deadline() const noexcept;
    /// Up to `bytes_max` of news for something else that is sent to `to`.
    [[nodiscard]] std::vector<member_row> take_gossip(node_id to, std::size_t bytes_max);
    /// What has to be kept on disk: all other nodes ever met, as far as not forgotten.
    [[nodiscard]] std::vector<member_row> snapshot() const;
    [[nodiscard]] const member_row& self() const noexcept { return self_; }
    [[nodiscard]] const member_table& members() const noexcept { return table_; }
    [[nodiscard]] int awareness_score() const noexcept { return awareness_.score(); }
    [[nodiscard]] bool is_forgotten() const noexcept { return is_forgotten_; }
    /// Nodes that count, this one included.
    [[nodiscard]] std::size_t live_nodes() const noexcept { return table_.live() + 1; }
    /// Of this node and all that are registered: who is away comes back.
    [[nodiscard]] const wire_levels& levels() const noexcept { return levels_; }
    [[nodiscard]] std::size_t gossip_waiting() const noexcept { return gossip_.size(); }
    [[nodiscard]] std::size_t probes_open() const noexcept {
        return probes_.own.size() + probes_.relayed.size();
    }

  private:
    // membership.cpp: what all inputs share
    void notice_stall(time_point now);
    void show_gauges() noexcept;
    void look_at_levels();
    [[nodiscard]] bool is_quiet() const noexcept { return is_leaving_ || is_forgotten_; }
    [[nodiscard]] bool is_for_us(const envelope& message, moment at);
    void hear_of_self(const envelope& message, moment at);
    [[nodiscard]] bool hear(const envelope& message, moment at);
    void check_clock(member& sender, hybrid_time sent_at, moment at);
    void agree_on_clock(moment at);
    void refuse(const envelope& message, refusal_cause cause, moment at);
    void on_refusal(const envelope& message, const refusal& what, moment at);
    void raise(membership_alarm what, time_point now);
    void raise_refusal(alarm_kind kind, refusal_cause cause, const envelope& message,
                       time_point now);
    [[nodiscard]] envelope make(node_id to, message_body body, moment at,
                                const member_row* about = nullptr);
    void send(const destination& to, const envelope& message);
    void send_to(node_id node, message_body body, moment at, const member_row* about = nullptr);

    // membership_probing.cpp: is it there
    void begin_round(moment at);
    void begin_probe(const member& target, moment at);
    void check_hearsay(member& which, const member_row& row, moment at);
    void believe_hearsay(node_id node, moment at);
    void continue_probes(moment at);
    void ask_others(std::uint64_t sequence, open_probe& probe, moment at);
    void note_refusal(node_id node);
    void fail_probes_of(node_id node, moment at);
    void fail_if_hopeless(std::uint64_t sequence, moment at);
    void on_probe_failed(const open_probe& probe, moment at);
    void answer_askers(moment at);
    void on_body(const envelope& message, const probe& body, moment at);
    void on_body(const envelope& message, const probe_request& body, moment at);
    void on_body(const envelope& message, const ack& body, moment at);
    void on_body(const envelope& message, const nack& body, moment at);
    void redial_members(moment at);

    // membership_news.cpp: what is said of nodes
    void take_rows(std::span<const member_row> rows, node_id from, moment at);
    void take_row(const member_row& row, node_id from, moment at);
    void take_row_of_self(const member_row& row, node_id from, moment at);
    void take_new(const member_row& row, moment at);
    void weigh(member& which, const member_row& row, moment at);
    [[nodiscard]] bool is_contested(const member& which, time_point now) const noexcept;
    void confirm(member& which, node_id accuser, time_point now);
    void look_who_is_replaced(member& changed, moment at);
    void adopt(member& which, const member_row& row, moment at);
    void settle(member& which, bool is_another_life, time_point now);
    void tell_changes(member& which, const member_row& before);
    void tell_life(member& which, const member_row& before);
    void tell_death(member& which);
    void accuse(member& which, moment at);
    void declare(member& which, member_state state, moment at);
    void refute(incarnation_number above, node_id from, moment at);
    void spread(const member_row& row, time_point now);
    void end_suspicions(moment at);
    void forget_the_long_dead(moment at);
    [[nodiscard]] suspicion_bounds bounds_of_suspicion() const noexcept;

    // membership_exchange.cpp: all that is known
    void try_seeds(moment at);
    void exchange_at_random(moment at);
    void exchange_with(member& which, moment at);
    void gossip_round(moment at);
    [[nodiscard]] std::vector<member_row> all_rows() const;
    void on_body(const envelope& message, const push_pull& body, moment at);
    void on_body(const envelope& message, const push_pull_answer& body, moment at);
    void on_body(const envelope&, const notice&, moment) {}
    void on_body(const envelope&, const refusal&, moment) {}

    const membership_options options_;
    member_row self_;
    membership_effects& effects_;
    membership_metrics& metrics_;
    std::mt19937_64 random_;
    member_table table_;
    gossip_queue gossip_;
    probe_table probes_;
    probe_order order_;
    seed_list seeds_;
    awareness awareness_;
    agreed_clock clock_;
    alarm_gate alarms_;
    wire_levels levels_;
    std::uint64_t sequence_ = 0;
    time_point next_round_;
    time_point next_exchange_;
    time_point next_gossip_ = never;
    time_point last_input_;
    std::optional<time_point> last_exchange_;
    bool is_leaving_ = false;
    bool is_forgotten_ = false;
};

} // namespace gv::cluster
