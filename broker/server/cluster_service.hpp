// SPDX-License-Identifier: Apache-2.0
// The cluster in the process: a thread of its own for cluster_node, which waits for nothing else;
// names of seeds resolved; what it says brought to the shards, and what shards and peers say
// brought to it. Built and ended by the main thread.
#pragma once

#include "broker/router/peer_routes.hpp"
#include "broker/server/cluster_identity.hpp"
#include "broker/server/cluster_metrics.hpp"
#include "broker/server/figures_heard.hpp"
#include "broker/server/kept_partitions.hpp"
#include "broker/server/kept_routes.hpp"
#include "broker/server/member_file.hpp"
#include "broker/server/options.hpp"
#include "broker/server/persistence.hpp"
#include "broker/server/seed_search.hpp"
#include "broker/server/session_homes.hpp"
#include "broker/shard/event_loop.hpp"
#include "cluster/alarm_gate.hpp"
#include "cluster/cluster_node.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace gv::cluster {
class grpc_transport;
class node_trust;
} // namespace gv::cluster

namespace gv::server {

class cluster_service final : public shard::cluster_seat,
                              public router::peer_routes,
                              private cluster::peer_listener,
                              private cluster::cluster_effects {
  public:
    /// `control` is where files are written: that of the main thread. Lifetime: outlives this.
    cluster_service(const options& all, boost::asio::io_context& control);
    ~cluster_service() override;

    /// Opens the port for other nodes. `who`: this node, with a boot that it never had before.
    /// `loops` have that identity. `shown`: what it shows to others; nothing: plain text. Errors: a
    /// problem for a person. Before the shards start.
    [[nodiscard]] result<void, problem>
    open(const cluster::peer_identity& who,
         const std::vector<std::unique_ptr<shard::event_loop>>& loops,
         const std::optional<cluster_identity>& shown);
    /// From now on that is shown, to connections that begin. False: nothing has changed, since one
    /// of the two is plain text.
    [[nodiscard]] bool renew(const std::optional<cluster_identity>& shown);
    /// Looks for the others. `ready` is called once, on the control thread, when clients may come.
    void start(std::function<void()> ready);
    /// Tells the others that this node goes down. They no longer send.
    void say_goodbye();
    /// Waits until nothing of it runs any more. After the shards have ended.
    void stop();

    /// Calls `what` on the thread of the cluster.
    void run(std::function<void(cluster::cluster_node&, cluster::moment)> what);

    // On that thread, for what run() has called.

    [[nodiscard]] boost::asio::io_context& context() noexcept { return context_; }
    [[nodiscard]] seed_search& seeds() noexcept { return *seeds_; }
    /// Whether the control stream to that node is open, directly or by way of another.
    [[nodiscard]] bool has_link(node_id to) const;
    /// Whether what is posted to the shards from now on finds them with the table as it is.
    [[nodiscard]] bool do_shards_know_homes() const noexcept { return homes_.do_shards_know(); }
    /// What came of asking whoever has an address to join.
    struct hail_word {
        /// The answer, if there is one; or why nobody was reached, for a person.
        result<std::optional<cluster::envelope>, std::string> outcome;
        bool is_self = false;  ///< this node itself was asked
        bool was_live = false; ///< who answered was here already
        std::string own_cluster;
        cluster::wire_range own_wire;
    };
    /// Asks whoever has that address to join; an answer is taken before `done` is called.
    void hail(const std::string& address, std::function<void(const hail_word&)> done);

    /// Tells the others what this node counts.
    void tell_figures(cluster::node_figures figures);
    /// What the others have told. Thread-safe.
    [[nodiscard]] std::vector<peer_figures> figures() const { return figures_.all(); }
    /// What this node is called.
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// Who this node is. Once it is open.
    [[nodiscard]] node_id self() const noexcept { return self_; }
    /// For what the store has; before open().
    [[nodiscard]] kept_for_cluster kept_on_disk() noexcept {
        return {.routes = &routes_on_disk_, .partitions = &partitions_on_disk_};
    }
    /// For the tables of retained messages of all shards.
    [[nodiscard]] retained_digest& digest() noexcept { return digest_; }
    // Numbers; any thread may read them.

    [[nodiscard]] const cluster::membership_metrics& members() const noexcept {
        return node_->metrics();
    }
    [[nodiscard]] const exchange_metrics& exchange() const noexcept { return exchange_; }
    /// host:port that the port for other nodes got.
    [[nodiscard]] std::string local() const;

    /// Whether sessions follow their clients, so that they can be handed over.
    [[nodiscard]] bool shares_sessions() const;

    /// Who is told to connect to the home of its session. Null: nobody.
    [[nodiscard]] const std::shared_ptr<shard::referrals>& referrals() const noexcept {
        return referrals_;
    }
    /// Whether this node may be home of sessions: what it keeps is there again later.
    [[nodiscard]] bool may_be_home() const;

    // shard::cluster_seat
    void tell(shard_id from, const shard::route_word& what, std::uint64_t operation) override;
    void partition_arrived(partition_id which, node_id at) override;
    [[nodiscard]] cluster::peer_transport& transport() override;
    // router::peer_routes
    void who_wants(std::string_view topic, std::vector<router::peer_want>& into,
                   std::vector<router::spread_group>& groups) const override;

  private:
    // peer_listener: posts
    void on_question(cluster::question_id which, cluster::envelope asked) override;
    void on_answer(cluster::envelope answer) override;
    void on_refused(node_id to, std::string address) override;
    void on_control(cluster::peer_identity from, cluster::control_message message,
                    std::function<void()> taken) override;
    void on_control_open(node_id to, node_id via) override;
    void on_control_lost(node_id to, std::string why) override;
    void on_lane(std::unique_ptr<cluster::incoming_lane> lane, cluster::peer_identity from,
                 cluster::lane_hello hello) override;
    void on_distrusted(cluster::peer_distrust what) override;
    // cluster_effects
    void keep_members(std::vector<cluster::member_row> rows) override;
    void peer_changed(const cluster::peer_view& now) override;
    void member_changed(const cluster::member& now, cluster::member_change change) override;
    void route_changed(std::string_view filter) override { count_change(filter); }
    void all_routes_changed() override { count_change_of_all(); }
    void known(cluster::wait_token who, cluster::route_known how) override;
    void keep_route(node_id author, const cluster::route_key& key,
                    const cluster::route_value& value) override {
        routes_on_disk_.put(author, key, value);
    }
    void drop_route(node_id author, const cluster::route_key& key) override {
        routes_on_disk_.erase(author, key);
    }
    void table_founded(const cluster::partition_founding& founding) override;
    void partition_changed(partition_id which, const cluster::partition_row& now) override;
    void tables_differ(node_id with, const cluster::partition_founding& theirs) override;
    void read_entries(cluster::retained_ticket ticket, const retained_range& of,
                      std::size_t entries_max) override;
    void read_rows(cluster::retained_ticket ticket, retained_question&& question) override;
    void apply(cluster::retained_ticket ticket, retained_bucket bucket,
               std::vector<retained_row>&& rows, std::vector<retained_entry>&& dead) override;
    void collect(const retained_claim& claim) override;
    void stay_after(hybrid_time until) override;
    void ready(bool is_complete) override;
    void absorb(hybrid_time seen) override;
    void clock_agreed(const std::optional<cluster::agreed_time>& now, duration correction) override;
    void alarm(const cluster::membership_alarm& what) override;
    void levels_changed(const cluster::wire_levels& now) override;
    void forgotten() override;

    [[nodiscard]] shard::event_loop& loop_of(retained_bucket bucket) const {
        return *(*loops_)[retained_shard(bucket, loops_->size()).value];
    }
    void collect_on(shard::event_loop& loop);
    void tell_of_clock(duration correction);
    /// Calls `input(node, moment)` on the thread of the cluster.
    template <typename Input>
    void post(Input input);
    struct told;
    void on_told(cluster::cluster_node& node, const told& word, cluster::moment at);
    void add_route(cluster::cluster_node& node, const told& word,
                   const cluster::route_subscription& what, cluster::moment at);
    [[nodiscard]] cluster::wait_token wait_for(const told& word);
    void arm();
    void let_clients_in();
    void publish_exchange();
    void publish_relays();
    void look_at_expiry();
    void build_seeds();
    void note_own_question(const cluster::envelope& asked);
    [[nodiscard]] cluster::member_profile profile_of(std::uint16_t port) const;
    void write_members();
    void write_members_again();

    const options options_; ///< as at the start: what a reload changes is another thread's
    boost::asio::io_context& control_;
    std::string name_;
    std::shared_ptr<shard::referrals> referrals_; ///< null: nobody is referred to its home
    std::unique_ptr<member_file> file_;
    retained_digest digest_;
    kept_routes routes_on_disk_;
    kept_partitions partitions_on_disk_;
    std::shared_ptr<cluster::node_trust> trust_; ///< null: plain text
    std::atomic<wall_time> certified_until_{};
    std::unique_ptr<cluster::grpc_transport> transport_;
    const std::vector<std::unique_ptr<shard::event_loop>>* loops_ = nullptr;

    // Of its thread, once that runs.
    boost::asio::io_context context_{1};
    boost::asio::steady_timer timer_{context_};
    session_homes homes_{context_, [this](auto what) { run(std::move(what)); }};
    std::unique_ptr<seed_search> seeds_;
    std::unique_ptr<cluster::cluster_node> node_;
    node_id self_;
    figures_heard figures_;
    std::set<std::uint64_t> hails_; ///< under way, and not heard by this node itself
    exchange_metrics exchange_;
    time_point armed_for_ = never;
    duration clock_correction_{}; ///< as last told to a person
    std::size_t collecting_ = 0;  ///< shards that have not erased their tombstones yet
    std::function<void()> ready_;
    bool waits_for_table_ = false; ///< before clients may come
    boost::asio::steady_timer table_timer_{context_};
    struct waiter {
        shard_id shard;
        std::uint64_t operation = 0;
    };
    std::map<std::uint64_t, waiter> waiters_;
    std::uint64_t next_waiter_ = 0;
    std::map<node_id, node_id> ways_; ///< who passes on what goes there; 0: nobody
    std::set<node_id> differing_;     ///< go by another table of partitions, as told
    cluster::alarm_gate distrust_told_{std::chrono::minutes(1), 64};
    time_point expiry_looked_at_{};
    std::map<node_id, std::string> last_problem_; ///< of a control stream, so that it is told once

    std::mutex members_lock_;
    std::vector<cluster::member_row> members_; ///< to be written
    bool is_write_posted_ = false;
    boost::asio::steady_timer members_timer_{control_}; ///< until a failed write is tried again
    std::thread thread_;
};

} // namespace gv::server
