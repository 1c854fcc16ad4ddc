// SPDX-License-Identifier: Apache-2.0
// This node among others: joins the machines of membership, routes and retained messages to each
// other, to the network and to the broker. Lives on the control thread, which does nothing else and
// never waits for a disk; only who_wants() may be called by any thread.
//
// Pure but for its transport: words of peers and time go in, calls on cluster_effects and
// peer_transport come out.
#pragma once

#include "cluster/cluster_effects.hpp"
#include "cluster/membership.hpp"
#include "cluster/partition_exchange.hpp"
#include "cluster/question_table.hpp"
#include "cluster/retained_exchange.hpp"
#include "cluster/route_exchange.hpp"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <shared_mutex>
#include <string>
#include <vector>

namespace gv::cluster {

struct cluster_node_options {
    membership_options membership;
    route_options routes;
    retained_exchange_options retained;
    partition_options partitions;
    /// How long a starting node waits for the routes of the others at most. Larger: nothing is
    /// missed when the others are slow to answer. Smaller: earlier service without them.
    duration ready_within = 10s;
    /// How long a peer may wait for the answer to a question.
    duration question_patience = 2s;
    /// A stamp further ahead than this is not believed.
    duration stamp_ahead_max = 5s;
    /// Other nodes that may be met in this life, 65,536 at most. Each costs a lane on every shard.
    std::size_t peers_max = 65'536;
};

/// What this node had of retained messages when it started.
struct retained_start {
    const retained_digest* digest = nullptr; ///< outlives the node
    retained_claim claim;
};

/// What this node had of sessions when it started.
struct partition_start {
    partition_table table;     ///< of the life before
    bool has_sessions = false; ///< there are some on this node
    bool takes_more = true;    ///< it would be the home of more: what it keeps is there again later
};

/// A shared group of a topic with members on other nodes.
struct remote_group {
    struct place {
        peer_slot at;
        node_id node;
        std::uint32_t online = 0; ///< members
        std::uint32_t total = 0;
        bool is_kept = false; ///< takes messages also while the node is away
    };
    std::string name;
    std::string filter;
    std::vector<place> places;
};

class cluster_node final : private membership_effects,
                           private route_effects,
                           private retained_effects,
                           private partition_effects {
  public:
    /// `remembered` is what keep_members() was last given. See membership for what is required.
    cluster_node(const cluster_node_options& options, const own_identity& self,
                 std::span<const member_row> remembered, const retained_start& retained,
                 const partition_start& partitions, peer_transport& transport,
                 cluster_effects& effects, moment at);
    ~cluster_node();
    cluster_node(const cluster_node&) = delete;
    cluster_node& operator=(const cluster_node&) = delete;

    // Before join().

    /// Tells of the nodes that are remembered, as of nodes that are away: from the first client on
    /// what their kept sessions want is kept for them.
    void meet_remembered(moment at);
    /// What keep_route() was given last; after meet_remembered(). Errors: the row is to be erased:
    /// its node is no member any more, or it is damaged.
    [[nodiscard]] result<void, route_fault> restore_route(node_id author, const route_key& key,
                                                          const route_value& value);

    // Inputs.

    /// Begins to look for others there; ready() follows.
    void join(std::span<const std::string> seeds, moment at);
    /// See membership.
    [[nodiscard]] envelope join_question(moment at);
    void on_question(question_id which, const envelope& asked, moment at);
    void on_answer(const envelope& answer, moment at);
    void on_refused(node_id to, const std::string& address, moment at);
    void on_control(peer_identity from, control_message&& message, moment at);
    /// The control stream to that node is there.
    void on_control_open(node_id to, moment at);
    /// To be called when next_deadline() has come; earlier it does nothing.
    void on_deadline(moment at);
    void leave(departure how, moment at);
    [[nodiscard]] result<void, forget_failure> forget(node_id node, moment at);
    /// See retained_exchange::ask_all().
    void ask_what_is_retained(moment at);

    /// Whether there are sessions on this node that go by its table of partitions.
    void set_has_sessions(bool has) noexcept { partitions_.set_has_sessions(has); }
    /// Whether this node would be the home of partitions: else the others take them over.
    void set_takes_more(bool takes) { partitions_.set_takes_more(takes, *this); }
    /// See partition_exchange.
    void give_up_table(const partition_founding& for_that) {
        partitions_.give_up_table(for_that, *this);
    }
    void keep_table() noexcept { partitions_.keep_table(); }
    /// These are home of these from now on. Requires: this node was.
    void assign_homes(std::span<const std::pair<partition_id, node_id>> homes) {
        partitions_.assign(homes, *this);
    }
    /// As this process counts nodes; nothing of one that was not met.
    [[nodiscard]] std::optional<peer_slot> find_slot(node_id node) const {
        const auto known = slots_.find(node);
        return known == slots_.end() ? std::nullopt : std::optional(known->second);
    }

    // Answers of shards.

    void on_entries(retained_ticket ticket, retained_entries&& found, moment at);
    void on_rows(retained_ticket ticket, retained_answer&& found, moment at);
    void on_applied(retained_ticket ticket, const retained_applied& done, moment at);
    void on_collected(moment at);

    // This node's own subscribers.

    /// Something of this node wants what the filter matches; counted, volatile subscribers (`node`)
    /// and kept sessions (`kept`) apart. If `who` is not 0, known() follows for it. Errors: the
    /// filter is over a limit of routes; nobody else will know of it.
    result<void, route_fault> add_route(destination_kind kind, const route_subscription& what,
                                        wait_token who, moment at);
    /// known() follows when all have heard of whatever was added until now.
    void await_routes(destination_kind kind, wait_token who, moment at);
    void remove_route(destination_kind kind, const route_subscription& what, moment at);
    /// A member of a group that was added goes online or offline. Groups are told of in the stream
    /// `node`.
    void set_route_online(const route_key& group, bool is_online, moment at);

    // Answers.

    [[nodiscard]] time_point next_deadline() const noexcept;
    /// Calls `visit` for each node, other than this one, that wants messages of this topic: for
    /// volatile subscribers (`node`) and for kept sessions (`kept`) apart. Adds the groups of it
    /// with members there. Thread-safe.
    void who_wants(std::string_view topic,
                   const std::function<void(peer_slot, destination_kind)>& visit,
                   std::vector<remote_group>& groups) const;
    /// Calls `visit(author, key, value)` for all that keep_route() was given and drop_route() not.
    template <typename Visit>
    void for_each_kept_route(Visit&& visit) const {
        routes_->for_each_kept(visit);
    }
    [[nodiscard]] const membership& members() const noexcept { return *membership_; }
    [[nodiscard]] const membership_metrics& metrics() const noexcept { return metrics_; }
    [[nodiscard]] const route_exchange& routes() const noexcept { return *routes_; }
    /// How far the start is: what others want is known, what they retain, and clients may come.
    struct progress {
        bool has_routes = false;
        bool has_retained = false;
        bool is_ready = false;
    };
    [[nodiscard]] progress start_progress() const noexcept {
        return {.has_routes = has_routes_, .has_retained = has_retained_, .is_ready = is_ready_};
    }
    /// Filters that another node wants, or this one (then those of both its streams).
    [[nodiscard]] std::size_t routes_of(node_id node) const;
    [[nodiscard]] const retained_exchange& retained() const noexcept { return *retained_; }
    [[nodiscard]] const partition_exchange& partitions() const noexcept { return partitions_; }

  private:
    // membership_effects
    void send(const destination& to, const envelope& message) override;
    void member_changed(const member& now, member_change change) override;
    void snapshot_changed() override;
    void absorb(hybrid_time seen) override { effects_.absorb(seen); }
    void clock_agreed(const std::optional<agreed_time>& now) override {
        agreed_ = now;
        effects_.clock_agreed(now, membership_->clock().correction());
    }
    void alarm(const membership_alarm& what) override { effects_.alarm(what); }
    void levels_changed(const wire_levels& now) override { effects_.levels_changed(now); }
    void forgotten() override;
    // route_effects
    void send(std::span<const node_id> to, const route_message& message) override;
    void on_known(wait_token who, route_known how) override { effects_.known(who, how); }
    void on_routes_ready() override;
    void filter_changed(std::string_view filter) override { effects_.route_changed(filter); }
    void all_changed() override { effects_.all_routes_changed(); }
    void kept_row_put(node_id author, const route_key& key, const route_value& value) override {
        effects_.keep_route(author, key, value);
    }
    void kept_row_erased(node_id author, const route_key& key) override {
        effects_.drop_route(author, key);
    }
    // retained_effects
    void send(node_id to, const retained_message& message) override {
        transport_.send(to, message);
    }
    void read_entries(retained_ticket ticket, const retained_range& of,
                      std::size_t entries_max) override {
        effects_.read_entries(ticket, of, entries_max);
    }
    void read_rows(retained_ticket ticket, retained_question&& question) override {
        effects_.read_rows(ticket, std::move(question));
    }
    void apply(retained_ticket ticket, retained_bucket bucket, std::vector<retained_row>&& rows,
               std::vector<retained_entry>&& dead) override {
        effects_.apply(ticket, bucket, std::move(rows), std::move(dead));
    }
    void collect(const retained_claim& claim) override { effects_.collect(claim); }
    void stay_after(hybrid_time told) override { effects_.stay_after(told); }
    void on_retained_ready() override;
    // partition_effects
    void send(node_id to, const partition_message& message) override {
        transport_.send(to, message);
    }
    void table_founded(const partition_founding& founding) override {
        effects_.table_founded(founding);
    }
    void partition_changed(partition_id which, const partition_row& now) override {
        effects_.partition_changed(which, now);
    }
    void tables_differ(node_id with, const partition_founding& theirs) override {
        effects_.tables_differ(with, theirs);
    }

    void hear(const envelope& message, moment at);
    /// Routes and who sends get to know it. Nothing: there is no place for another node, or it was
    /// never here and is gone.
    std::optional<peer_view> meet(const member& now, peer_state state);
    void tell_partitions(const member& of, peer_state state);
    void after_input();
    void drop_late_questions(time_point now);
    void look_if_settled();
    void look_if_ready();
    void set_ready(bool is_complete);
    [[nodiscard]] retained_moment for_retained(moment at) const noexcept;
    /// Of this node, of now.
    [[nodiscard]] hybrid_time stamp_of(moment at) const noexcept;
    void take_control(peer_identity from, const route_message& message, moment at);
    void take_control(peer_identity from, retained_message&& message, moment at);
    void take_control(peer_identity from, const partition_message& message, moment at);
    /// They are for whoever shows them.
    static void take_control(peer_identity, const node_figures&, moment) {}
    void complain(node_id about, std::string_view fault);
    [[nodiscard]] route_destination own_stream(destination_kind kind) const noexcept;
    [[nodiscard]] std::optional<peer_slot> slot_of(node_id node, peer_state state);
    [[nodiscard]] std::optional<peer_slot> find_slot(const route_destination& to) const;
    [[nodiscard]] static peer_state state_of(const member& now, member_change change) noexcept;

    cluster_node_options options_;
    node_id self_;
    peer_transport& transport_;
    cluster_effects& effects_;
    membership_metrics metrics_;
    std::unique_ptr<membership> membership_;
    std::unique_ptr<route_exchange> routes_;
    std::unique_ptr<retained_exchange> retained_;
    partition_exchange partitions_;
    mutable std::shared_mutex routes_lock_; ///< of routes_ and slots_; held alone to change them
    std::map<node_id, peer_slot> slots_;
    question_table questions_;
    std::optional<question_table::question> in_question_; ///< the one being heard
    std::set<std::string> untried_; ///< addresses that have neither answered nor refused yet
    moment now_;                    ///< of the input under way
    std::optional<agreed_time> agreed_;
    time_point ready_until_ = never;
    bool has_exchanged_ = false; ///< somebody told all that is known
    bool has_joined_ = false;    ///< join() was called
    bool is_settled_ = false;
    bool has_routes_ = false;   ///< of all others
    bool has_retained_ = false; ///< the same
    bool is_ready_ = false;
    bool keeps_members_ = false; ///< after this input
};

} // namespace gv::cluster
