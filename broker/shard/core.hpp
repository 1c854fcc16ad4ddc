// SPDX-License-Identifier: Apache-2.0
// The shard without its sockets: fronts, homes, router, retained messages and timers of one core,
// joined together. Pure in the sense of the layers below: bytes, batches from other shards and time
// go in; bytes in outputs and batches for other shards come out. The broker drives it from an
// io_context, the tests from a script with a virtual clock.
//
// A turn: set_time(), then any inputs, then end_turn(), which hands out batches and names the
// clients that have something to send. Routes and clients live at least to the end of the turn.
#pragma once

#include "base/buffer_pool.hpp"
#include "base/timer_wheel.hpp"
#include "broker/router/retained.hpp"
#include "broker/router/router.hpp"
#include "broker/shard/bodies.hpp"
#include "broker/shard/client.hpp"
#include "broker/shard/flap_guard.hpp"
#include "broker/shard/handover.hpp"
#include "broker/shard/home_entry.hpp"
#include "broker/shard/journal.hpp"
#include "broker/shard/messages.hpp"
#include "broker/shard/peer_lanes.hpp"
#include "broker/shard/referrals.hpp"
#include "broker/shard/stamp_clock.hpp"

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include <bitset>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace gv::shard {

/// When publishers wait for subscribers, and when a subscriber is given up on.
struct pressure_options {
    /// A full subscriber whose socket took nothing for so long is slow.
    duration progress_window = 100ms;
    /// A subscriber that stays full for so long is slow.
    duration hold_max = 1s;
    /// A publisher is held if more than this share of the takers of its message are full.
    double full_share = 0.5;
    /// Bytes on their way to one other shard; beyond, the publishers of that traffic are held.
    std::size_t credit_bytes_max = std::size_t{8} << 20;
};

/// Whether the disk has room for what would have to be kept.
enum class store_room : std::uint8_t {
    plenty,
    scarce, ///< no new messages of QoS 1 and 2 for kept sessions, no new retained ones
    none    ///< no new sessions that are kept either
};

/// Where the sessions of each partition live: a number of a shard stands for this node, whichever
/// shard it is (home_shard() tells), others for the node of that party_of().
using partition_homes = std::array<shard_id, partition_count>;
/// Nobody knows yet.
inline constexpr shard_id home_unknown{0xffff};

/// What a client gets whose home cannot be reached, if its session would outlive the connection.
enum class when_home_is_away : std::uint8_t { refuse, fresh };

/// How messages to topics that match a filter are kept, whoever publishes them.
struct topic_rule {
    std::string filter;              ///< valid
    std::optional<durability> level; ///< else that of the listener
    bool newest_only = false;
};

struct core_options {
    shard_id me;
    std::size_t shards = 1;
    node_id node;
    std::uint64_t id_salt = 0; ///< makes assigned client identifiers unlike those of other starts
    session::session_limits limits;
    router::router_options routing;
    router::retained_options retained;
    pressure_options pressure;
    std::shared_ptr<const auth::authoriser> authoriser; ///< null: everything is allowed
    storage::store* store = nullptr;                    ///< null: nothing outlives the process
    durability level = durability::fsync;               ///< of what the broker itself publishes
    std::vector<topic_rule> topics;                     ///< before the listeners; first match
    boot_id boot;
    std::shared_ptr<shard::referrals>
        referrals;                        ///< of all shards; null: nobody is referred to its home
    std::shared_ptr<user_accounts> users; ///< of all shards; null: no limit by user
    bool has_group_queues = false; ///< persistent members of a shared group have one in common
    bool shares_sessions = false;  ///< homes may be on other nodes, and fronts of homes here
    when_home_is_away away = when_home_is_away::refuse;
    duration will_grace = 2s; ///< least wait of a will when the node of its client has ended
    duration will_on_partition = 60s; ///< the same when that node may only be cut off
    handover_options handovers;
    bool is_clustered = false; ///< there may be other nodes; routing.peers knows them
    cluster::lane_sender_options lane_sender;
    cluster::lane_receiver_options lane_receiver;
};

/// Other nodes tell kept sessions, for which messages wait while this node is away, from others.
enum class taker_kind : std::uint8_t { not_kept, kept };

/// What other nodes must know of the filters and groups of a shard, each kind of subscribers apart.
enum class route_news : std::uint8_t {
    first,        ///< the filter got its first subscriber on this shard
    again,        ///< it got another one, and the first may not be known everywhere yet
    last,         ///< it lost its last
    joined,       ///< the group got a member
    left,         ///< it lost one
    went_online,  ///< one of its members did
    went_offline, ///< the same
};
struct route_word {
    std::string_view filter;
    route_news news{};
    taker_kind kind = taker_kind::not_kept; ///< of the subscriber; of a group: kept is its queue
    std::string_view group = {};
    bool is_online = true; ///< whoever joined or left
};

/// A retained replay goes on while less than this waits in the client's output.
inline constexpr std::size_t replay_output_bytes = std::size_t{128} << 10;
/// Rows of one page of a replay.
inline constexpr std::size_t replay_rows_max = 256;

/// What the core needs of whoever drives it.
class core_driver {
  public:
    /// Hands a batch to another shard. `batch` is not empty.
    virtual void send(shard_id to, std::vector<shard_message> batch) = 0;
    /// A completion that any thread may call and that leads to core::on_verdict.
    [[nodiscard]] virtual auth::completion verdict_for(std::uint64_t connection) = 0;
    /// Tells the cluster. If `operation` is not 0, core::on_applied() follows. Only if the options
    /// say that there is one.
    virtual void tell_cluster(const route_word& what, std::uint64_t operation) {
        static_cast<void>(what);
        static_cast<void>(operation);
    }
    /// All of the sessions of a partition is at that node, and the row of the table that says so is
    /// on disk: it is to be told, and core::set_homes() follows.
    virtual void partition_arrived(partition_id which, node_id at) {
        static_cast<void>(which);
        static_cast<void>(at);
    }

  protected:
    ~core_driver() = default;
};

/// Upper ends of the ranges in which the time to a CONNACK is counted, in nanoseconds.
inline constexpr std::array<std::uint64_t, 11> connect_time_bounds{
    100'000,    250'000,     500'000,     1'000'000,     5'000'000,     10'000'000,
    50'000'000, 100'000'000, 500'000'000, 1'000'000'000, 10'000'000'000};

/// Numbers that the core keeps of itself.
struct core_counts {
    std::uint64_t connected = 0; ///< clients with a CONNACK
    std::uint64_t connects = 0;  ///< since the start
    std::uint64_t takeovers = 0;
    std::uint64_t referred = 0;     ///< clients told to connect to the home of their session
    std::uint64_t flaps = 0;        ///< of these, of identifiers that are taken over too often
    std::uint64_t holds = 0;        ///< times a publisher was held back
    std::uint64_t credit_holds = 0; ///< of these, because another shard was full
    std::uint64_t lane_holds = 0;   ///< because too much waits for another node
    duration held{};                ///< time publishers were held, summed
    std::uint64_t slow_readers = 0; ///< times a client was found slow
    std::uint64_t wills = 0;
    std::uint64_t retained_sent = 0;    ///< rows of replays
    std::uint64_t retained_refused = 0; ///< over a limit of the table
    std::uint64_t group_resends = 0;    ///< groups for which another node was chosen again
    std::uint64_t dated_anew = 0;       ///< messages of other nodes with a stamp of the future
    std::uint64_t group_drops = 0;      ///< messages for groups that had no member any more
    std::uint64_t batches_to_shards = 0;
    std::uint64_t messages_to_shards = 0;
    std::uint64_t sessions_ended = 0;
    std::uint64_t sessions_expired = 0;
    std::uint64_t publishes_forbidden = 0;     ///< by access rules
    std::uint64_t subscriptions_forbidden = 0; ///< by access rules
    // What became of authentications.
    std::uint64_t let_in = 0;
    std::uint64_t let_in_anonymous = 0;
    std::uint64_t turned_away = 0;
    std::uint64_t turned_away_busy = 0;
    std::array<std::uint64_t, 16> closed{};        ///< by close_cause: clients that were in
    std::array<std::uint64_t, 16> never_in{};      ///< by close_cause: the others
    std::array<std::uint64_t, 256> refused{};      ///< of these, by the reason code of CONNACK
    std::array<std::uint64_t, 3> accepted{};       ///< publishes at QoS 1 and 2, by durability
    std::array<std::uint64_t, 12> connect_times{}; ///< by connect_time_bounds, then what is above
    duration connect_time{};                       ///< summed
};

/// What a core still waits for or owes; all zero once everybody has gone and all is quiet.
struct core_debts {
    std::size_t takes = 0;       ///< messages of which another shard has not said that it took them
    std::size_t operations = 0;  ///< that other shards have not applied
    std::size_t credit_used = 0; ///< bytes on their way to other shards
    std::size_t credit_owed = 0; ///< bytes of other shards not given back
    std::size_t full_clients = 0;
    std::size_t held_publishers = 0;
    std::size_t homes_to_bury = 0; ///< ended, kept to the end of the turn
    std::size_t group_waits = 0;   ///< messages for groups that other nodes have not taken
    std::size_t leavers = 0;       ///< connections whose homes elsewhere do not know of their end

    [[nodiscard]] bool none() const noexcept {
        return leavers + group_waits + takes + operations + credit_used + credit_owed + full_clients
                   + held_publishers + homes_to_bury
               == 0;
    }
};

class core final : private session::front_effects,
                   private session::home_effects,
                   private lane_spool {
  public:
    core(core_options options, core_driver& driver, time_point now, wall_time wall);
    core(const core&) = delete;
    core& operator=(const core&) = delete;
    ~core();

    void set_time(time_point now, wall_time wall) noexcept {
        turn_ = {.now = now, .wall = floor_.correct(now, wall)};
        clock_.set_time(now, turn_.wall);
    }
    [[nodiscard]] time_point now() const noexcept { return turn_.now; }
    [[nodiscard]] shard_id shard() const noexcept { return options_.me; }

    // Clients. The driver owns them; one that ended may be destroyed after end_turn().

    /// Takes whole frames from the front of `bytes`. Returns how many bytes were used up: the rest
    /// is a part of a frame, or must wait for client::resume_input().
    [[nodiscard]] std::size_t on_input(client& from, std::string_view bytes);
    /// Whether input of this client is wanted now. If not, resume_input() is called when it is.
    [[nodiscard]] static bool takes_input(client& from) noexcept;
    /// The transport took `bytes` of the output.
    void on_sent(client& to, std::size_t bytes);
    /// The transport is gone. No effect if the core ended the client itself.
    void on_lost(client& gone, session::close_cause cause);
    void on_verdict(std::uint64_t connection, auth::verdict verdict);

    // What was stored. Before any client, on every shard, then end_turn() on every shard.

    /// `counts_bodies`: no row of another shard refers to the same buckets.
    void restore(storage::stored_session session, bool counts_bodies);
    /// A session that had not arrived from another node, which has it still: erases its rows.
    void discard(const storage::stored_session& left);
    /// Lifetime: the views are valid during the call.
    void restore_retained(std::string_view topic, std::string_view message);
    /// After all retained messages: what was claimed for them. Nothing: what came before this
    /// moment is not known.
    void restore_claim(const std::optional<retained_claim>& claim);
    /// After all sessions: no row refers to it.
    void remove_bucket(const storage::bucket& unused) { erase_bucket(unused); }
    void remove_stray(storage::table where, std::string_view key) { journal_.erase(where, key); }
    /// Writes down what is no matter of this shard, in its order. Nobody waits for it: it is synced
    /// with what comes next, or soon. False: the disk is full, and enough waits for it; nothing of
    /// these will be written.
    [[nodiscard]] bool keep_rows(const storage::batch& rows);
    /// Messages for another node wait there. This shard carries them, whatever the number of the
    /// lane.
    void restore_spool(const storage::spool_left& left);
    /// A will that another process was publishing when it ended: is published once all is back.
    void restore_will(std::string_view key, const storage::will_record& found);
    /// Until begin_serving(), what is due of sessions (their wills and their ends) waits: those
    /// whom it concerns may be at other nodes, of which nothing is known yet.
    void hold_sessions() noexcept { are_sessions_held_ = true; }
    void begin_serving();
    /// Which shard keeps the retained message of a topic.
    [[nodiscard]] static shard_id retained_owner(std::string_view topic,
                                                 std::size_t shards) noexcept;
    /// No stamp in the store is newer. Deadlines go on from there if the clock is behind.
    void restore_clock(hybrid_time last) noexcept {
        clock_.absorb(last);
        clock_.absorb_name(last);
        floor_.set(turn_.now, wall_of(last));
        turn_.wall = floor_.correct(turn_.now, turn_.wall);
        clock_.set_time(turn_.now, turn_.wall);
    }
    /// Word from the store.
    void on_progress(const storage::progress& word);
    void on_rows(const storage::read_answer& answer);
    /// Hands everything over that was not yet; nothing more will come.
    void flush_journal() { journal_.end_turn(true); }

    /// What is kept already can be delivered, acknowledged and erased whatever it says.
    void set_store_room(store_room now) noexcept { disk_room_ = now; }
    /// This node is about to leave its cluster, or its table: a client that would have a new kept
    /// session here is refused, and no message is acknowledged because it waits here for another
    /// node.
    void set_leaving(bool is_leaving) noexcept { is_leaving_ = is_leaving; }

    // Retained messages, the same on every node of a cluster; see also retained().

    /// Takes a message or tombstone of another node, if it is newer than what is here. It is given
    /// to no subscriber.
    router::put_outcome retain_row(const retained_row& row);
    /// Of a message that another node claims was removed. False if it is not there any more.
    bool drop_retained(const retained_entry& dead) { return retained_.drop(dead); }
    [[nodiscard]] retained_answer answer_retained(const retained_question& asked) const {
        return retained_.answer(asked, retained_clocks());
    }
    /// What is missing here of the claim was removed. Written down, after all rows before it.
    void claim_retained(const retained_claim& claim);
    /// After that, until it returns true: erases tombstones that are needless now.
    bool collect_retained(std::size_t visits_max) {
        return retained_.collect_tombstones(visits_max, retained_clocks());
    }

    // Other shards and time.

    void on_batch(shard_id from, std::vector<shard_message>& batch);
    void on_tick();
    [[nodiscard]] std::optional<time_point> next_deadline() noexcept;
    /// Whatever another party was asked to apply is in force there.
    void on_applied(std::uint64_t operation);
    /// Ends the turn. `flush(client&)` is called for each client with new output.
    template <typename Flush>
    void end_turn(Flush&& flush) {
        hear_own_words();
        resume_held();
        for (std::size_t i = 0; i < dirty_.size(); ++i) {
            dirty_[i]->is_dirty_ = false;
            flush(*dirty_[i]);
        }
        dirty_.clear();
        settle_turn();
    }
    [[nodiscard]] bool has_work() const noexcept {
        return !own_words_.empty() || !reopened_.empty() || !freed_.empty() || !relieved_.empty()
               || !dirty_.empty();
    }

    // Other nodes; forward.cpp. Only if the options say that there may be some.

    void on_peer(const peer_standing& now);
    /// Those to that node, each of which has a link of its own.
    [[nodiscard]] std::vector<lane_key> lanes_to(peer_slot slot) const;
    /// For a new link, which carries frames of that lane.
    [[nodiscard]] cluster::lane_hello hello_of(lane_key lane);
    /// False here and below: the link is to be closed.
    [[nodiscard]] bool on_welcome(lane_key lane, const cluster::lane_welcome& welcome);
    [[nodiscard]] bool on_reply(lane_key lane, const cluster::lane_reply& reply);
    void on_link_lost(lane_key lane);
    /// To be called when the link has written the one before.
    [[nodiscard]] std::optional<cluster::lane_frame> take_frame(lane_key lane);
    /// Lanes that may have a frame since this was called last.
    [[nodiscard]] std::vector<lane_key> take_dirty_lanes();

    struct arrival {
        incoming_lane_id lane;
        cluster::lane_welcome welcome;
    };
    /// A lane of another node ends here. Nothing: refuse it.
    [[nodiscard]] std::optional<arrival> on_hello(const cluster::lane_hello& hello);
    [[nodiscard]] bool on_frame(incoming_lane_id from, const cluster::lane_frame& frame);
    void on_arriving_lost(incoming_lane_id from);
    [[nodiscard]] std::optional<cluster::lane_reply> take_reply(incoming_lane_id from);
    [[nodiscard]] std::vector<incoming_lane_id> take_dirty_replies();
    /// A stamp that a peer has given: no later one of this node is older.
    void absorb(hybrid_time seen) noexcept { clock_.absorb(seen); }
    /// Nothing is dated so or earlier from now on.
    void stay_after(hybrid_time told) noexcept { clock_.stay_after(told); }
    /// What is taken is dated by that clock from now on. Nothing: by this node's own.
    void agree_on_clock(const std::optional<cluster::agreed_time>& on) noexcept {
        clock_.agree(on);
        clock_.set_time(turn_.now, turn_.wall);
    }
    /// Where the sessions of each partition live from now on. Whoever has a connection here and a
    /// home elsewhere than before is asked to come again, or registered there. Until it is called,
    /// all live here.
    void set_homes(const partition_homes& now);
    /// Of these partitions, those of which this shard is home and keeps no session: they have no
    /// home until set_homes() names one.
    [[nodiscard]] std::vector<partition_id> release(std::span<const partition_id> wanted);
    /// Partitions of this shard with sessions that other nodes are to have: in place of those said
    /// before. Each is handed over as soon as all nodes are there;
    /// core_driver::partition_arrived().
    void hand_over(std::vector<handover_order> wanted);
    [[nodiscard]] handover_counts handed_over() const noexcept {
        return moves_ ? moves_->counts : handover_counts{};
    }
    /// To and from whom sessions go, and are to go.
    [[nodiscard]] handover_state handovers_now() const;
    /// Partitions that are on their way from this shard to other nodes.
    [[nodiscard]] std::size_t departing() const noexcept {
        return moves_ ? moves_->departures.size() : 0;
    }
    /// Kept here, while the home of their clients is another node.
    [[nodiscard]] std::size_t misplaced_sessions() const noexcept;
    /// Ends all that are kept here, as an operator wants; clients are asked to come again, and no
    /// will is published. Returns how many there were.
    std::size_t discard_sessions();
    /// Whether ends of sessions are not on disk yet.
    [[nodiscard]] bool has_open_ends();
    /// The disk writes no more.
    [[nodiscard]] bool is_store_lost() const noexcept { return journal_.is_lost(); }
    /// Null where there is no cluster.
    [[nodiscard]] const peer_lanes* lanes() const noexcept { return lanes_.get(); }

    // The broker itself.

    /// Publishes in the broker's own name, as for $SYS.
    void publish(publication what) { publish(std::move(what), {}); }
    /// Tells every client that the broker stops; each is ended.
    void shut_down(mqtt::reason_code reason);
    /// Tells so many clients that they should go to another node; each is ended. Returns how many
    /// there were.
    std::size_t send_away(std::size_t clients_max);
    /// New limits and rules: limits hold for new connections, access rules at once.
    void reload(session::session_limits limits, std::shared_ptr<const auth::authoriser> authoriser);
    /// New rules for who waits for whom, from now on.
    void reload(const pressure_options& pressure);

    [[nodiscard]] const session::traffic& traffic() const noexcept { return traffic_; }
    [[nodiscard]] const core_counts& counts() const noexcept { return counts_; }
    [[nodiscard]] const router::router& routing() const noexcept { return router_; }
    [[nodiscard]] const router::retained_table& retained() const noexcept { return retained_; }
    [[nodiscard]] std::size_t sessions() const noexcept { return homes_.size(); }
    [[nodiscard]] std::size_t stored_sessions() const noexcept { return stored_sessions_; }
    [[nodiscard]] std::size_t clients() const noexcept { return clients_.size(); }
    [[nodiscard]] std::size_t held_publishers() const noexcept { return held_now_; }
    [[nodiscard]] std::size_t slow_clients() const noexcept { return slow_clients_; }
    [[nodiscard]] std::size_t shared_subscriptions() const noexcept {
        return shared_subscriptions_;
    }
    [[nodiscard]] core_debts debts() const noexcept;
    /// Time publishers were held back since the start, summed, those held now included.
    [[nodiscard]] duration held_time() noexcept {
        count_held_time();
        return counts_.held;
    }
    [[nodiscard]] buffer_pool& pool() noexcept { return pool_; }
    /// What waits for clients and what is in flight to them.
    [[nodiscard]] session::queue_account queues() const noexcept {
        return {.bytes = queued_.bytes + queued_in_memory_.bytes,
                .messages = queued_.messages + queued_in_memory_.messages,
                .in_flight = queued_.in_flight + queued_in_memory_.in_flight};
    }

  private:
    friend class client;
    friend class home_entry;

    /// A message of which somebody waits to hear that it was taken: a client of this shard, or
    /// another shard.
    struct asker {
        std::uint64_t connection = 0; ///< 0: the shard, or the lane
        session::route_token token;
        shard_id shard;
        take_token take;
        incoming_lane_id lane; ///< 0: none
        cluster::lane_seq lane_seq = 0;
        bool wants_answer = false;
    };
    struct pending_take {
        asker who;
        std::uint32_t remaining = 0;
        mqtt::reason_code reason = mqtt::reason_code::no_matching_subscribers;
    };
    /// A message while it is given out: whom to answer, and how much there is to wait for.
    struct giving_out {
        asker who;
        session::front* front = nullptr; ///< who.connection's
        take_token take{};               ///< once there is something to wait for
        durability level = durability::fsync;
        bool is_part = false;          ///< of a transaction, which ends with it
        bool is_refused = false;       ///< by somebody who cannot keep it
        bool is_for_kept_only = false; ///< it is old: those who came since do not take it
    };
    /// Something that other shards must apply before it is answered.
    struct operation {
        std::size_t remaining = 0;
        // The answer: to a SUBSCRIBE, to the shard whose member joined a group here, to a QoS 2
        // message of the client, or to a CONNECT.
        session::front_address front;
        packet_id id;
        std::uint64_t holder = 0;
        std::vector<mqtt::reason_code> reasons;
        session::announcements replays{};
        std::optional<session::inbound_ack> confirms;
        std::optional<session::attached> attaches; ///< holder is the home
        std::optional<partition_id> arriving;      ///< its sessions are subscribed
        std::optional<queue_join> joins;           ///< the queue that is the holder
        std::optional<shard_id> joiner;
        std::uint64_t joiner_operation = 0;
        bool is_removal = false;

        /// Whether another subscription of its filter must wait as well.
        [[nodiscard]] bool is_subscription() const noexcept {
            return !confirms && !attaches && !is_removal;
        }
    };
    /// How many of the takers of one message are full.
    struct takers {
        std::size_t all = 0;
        std::size_t full = 0;
        waiting_publishers* one_full = nullptr; ///< who waits for one of them
    };

    // core.cpp
    void register_client(client& born);
    void unregister_client(client& gone) noexcept;
    void touch(client& changed);
    void finish(client& ended, session::close_cause cause, mqtt::reason_code reason,
                std::string_view detail);
    void leave(client& ended, session::close_cause cause);
    void count_end(const client& ended, session::close_cause cause, mqtt::reason_code reason);
    void count_connect(const client& born);
    void arm(client& whose);
    void after_input(client& from);
    void give_home_room(client& to);
    void relieve(client& choked, std::size_t bytes);
    /// An answer came that the client's input waited for.
    void resume_unless_in_input(client& waiting);
    void settle_turn();
    void on_timer(timer& fired);
    [[nodiscard]] client* find_client(std::uint64_t number) noexcept;
    [[nodiscard]] client& owner_of(session::front& whose) const noexcept {
        return static_cast<client&>(whose.owner());
    }
    [[nodiscard]] static home_entry& entry_of(const session::home& whose) noexcept {
        return static_cast<home_entry&>(whose.owner());
    }

    // authentication.cpp: front_effects
    void authenticate(session::front& who, session::credential_check kind,
                      std::optional<std::string_view> password, std::string_view data) override;
    void run_exchange(client& who, session::credential_check kind, std::string_view data);
    void accept(client& who, const auth::identity& identity, std::string data);
    [[nodiscard]] std::string assign_client_id() override;
    [[nodiscard]] session::permission may_publish(const session::front& who,
                                                  std::string_view topic) override;
    [[nodiscard]] static session::permission may_publish_sys(const session::front& who,
                                                             std::string_view topic);
    [[nodiscard]] session::permission may_subscribe(const session::front& who,
                                                    std::string_view filter) override;
    void denied(const session::front& who, std::string_view topic, mqtt::reason_code reason,
                std::string_view rule) override;
    [[nodiscard]] std::shared_ptr<const auth::access_view>
    access_of(std::string_view client_id, std::optional<std::string_view> username) const;

    // publish.cpp
    void route(session::front& who, const publication& what, session::route_token token,
               packet_id inbound) override;
    [[nodiscard]] hybrid_time next_stamp() override { return clock_.next(); }
    struct reach {
        std::uint64_t shards = 0; ///< who else must take it
        bool is_matched = false;
        bool is_over_limit = false;
        const std::vector<router::peer_want>* peers = nullptr; ///< other nodes that want it
        peer_lane* full_lane = nullptr;                        ///< to one of them
    };
    enum class audience : std::uint8_t { outsiders, everybody }; ///< without groups, or with them
    [[nodiscard]] reach distribute_here(const publication& what, audience whom,
                                        bool is_for_retained);
    /// Returns false where a limit of the table is reached.
    [[nodiscard]] bool retain(const publication& what);
    /// Whether the message given out is refused if it would have to be kept. What nobody can be
    /// told about, such as a will, is kept as long as that is possible.
    [[nodiscard]] bool refuses_to_keep() const noexcept {
        return journal_.is_lost()
               || (room_to_keep() != store_room::plenty && given_out_->who.wants_answer);
    }
    /// The same for what would have to wait for another node; nor does it wait on a node that
    /// leaves, which nobody asks any more.
    [[nodiscard]] bool refuses_to_spool() const noexcept {
        return is_leaving_ || refuses_to_keep();
    }
    /// For what would have to be kept.
    [[nodiscard]] store_room room_to_keep() const noexcept {
        return !journal_.is_on()       ? store_room::plenty
               : journal_.is_stalled() ? store_room::none
                                       : disk_room_;
    }
    [[nodiscard]] bool is_small_enough_to_retain(const publication& what) const noexcept;
    [[nodiscard]] reach retain_at_owner(const publication& what);
    void distribute_there(const publication& what, audience whom, const reach& where);
    // spread.cpp
    /// A message of QoS 1 or 2 that was given to a group on another node, until that has taken it.
    struct group_wait {
        message_ref what;
        take_token take; ///< of whoever waits; 0: nobody
        std::string name;
        std::string filter;
        std::vector<peer_slot> tried; ///< those that have answered; the last one is asked
        bool is_passed_on = false;    ///< for another node, which chooses again
    };
    /// A connection that is gone and whose messages are still on their way: its home hears that it
    /// has left when these are taken.
    struct leaver {
        shard_id party;
        shard::detach word;
        std::size_t under_way = 0;
        std::map<session::route_token, packet_id> held; ///< of QoS 2, by the home
        unsigned more_waits = 0;                        ///< when it is due
    };
    /// Whether a node is asked only if it takes messages now, or also if they have to wait for it.
    enum class patience : std::uint8_t { none, spooled };
    void deliver_to_spread(const router::spread_group& group, const publication& what,
                           reach& where);
    [[nodiscard]] std::optional<std::size_t> choose_node(const router::spread_group& group,
                                                         const publication& what,
                                                         std::span<const peer_slot> tried);
    [[nodiscard]] std::optional<std::size_t> choose_node(const router::spread_group& group,
                                                         const publication& what,
                                                         std::span<const peer_slot> tried,
                                                         patience allowed);
    void forward_to_group(peer_lane& to, const publication& what, group_wait wait);
    /// Whether one waits for a group: then the rest is its place in group_waits_.
    [[nodiscard]] static constexpr bool is_of_group(cluster::lane_waiter waiter) noexcept {
        return (waiter & group_waiter) != 0;
    }
    static constexpr cluster::lane_waiter group_waiter = 0x8000'0000;
    [[nodiscard]] group_wait take_group_wait(cluster::lane_waiter waiter);
    [[nodiscard]] take_token stop_group_wait(cluster::lane_waiter waiter);
    void on_group_answer(const peer_lane::answer& answer);
    void take_back_from_suspect(peer_lane& suspect);
    [[nodiscard]] bool has_other_choice(const group_wait& wait);
    [[nodiscard]] bool choose_again(group_wait& wait, bool was_lost);
    void deliver_again(const group_wait& wait, const publication& what, router::group& here);
    void on_forwarded_to_group(incoming_lane_id from, const publication& what,
                               const cluster::forward_flags& flags, cluster::lane_seq seq);
    void on_group_errand(shard_id from, const group_errand& message);
    [[nodiscard]] bool pass_on_to_queue(const publication& what, std::string_view name,
                                        std::string_view filter);
    [[nodiscard]] peer_lane* lane_to_queue(std::string_view name, std::string_view filter);
    [[nodiscard]] bool pass_on_again(group_wait& wait);
    [[nodiscard]] bool deliver_to_own_group(const publication& what, std::string_view name,
                                            std::string_view filter);
    // forward.cpp
    void distribute_to_peers(const publication& what, reach& where);
    void forward(const router::peer_want& to, const publication& what, cluster::forward_flags flags,
                 reach& where);
    void on_forwarded(incoming_lane_id from, const publication& what,
                      const cluster::forward_flags& flags, cluster::lane_seq seq);
    void give_out_forwarded(incoming_lane_id from, const publication& what,
                            const cluster::forward_flags& flags, cluster::lane_seq seq);
    void touch(peer_lane& changed);
    void touch(incoming_lane_id changed);
    void settle_lane(peer_lane& lane);
    void give_answers(peer_lane& lane);
    // spool.cpp: lane_spool
    void spool_put(peer_lane& lane, cluster::lane_seq seq, std::string_view bytes,
                   cluster::lane_waiter waiter) override;
    void spool_read(peer_lane& lane) override;
    void spool_erase(peer_lane& lane, cluster::lane_seq first, cluster::lane_seq last) override;
    void on_spool_rows(const storage::read_answer& answer);
    [[nodiscard]] static bool note_fault(const result<void, cluster::lane_fault>& done,
                                         std::string_view where);
    void on_routed(shard_id from, const routed& message);
    void on_taken(const taken& answer);
    /// One more to wait for before the message now given out counts as taken.
    [[nodiscard]] take_token await_one();
    void begin_giving_out(giving_out& given, const storage::branch& part_of);
    void end_giving_out(const reach& where);
    void finish_take(std::uint32_t index);
    void refuse_take(std::uint32_t index);
    void refuse_operation(std::uint64_t number);
    void answer(const asker& who, mqtt::reason_code reason);
    [[nodiscard]] shard_id retained_owner(std::string_view topic) const noexcept {
        return retained_owner(topic, options_.shards);
    }
    // pressure.cpp
    void became_full(session::front& who) override;
    void hold_if_takers_are_full(std::uint64_t publisher, std::uint64_t shards,
                                 peer_lane* full_lane = nullptr);
    void hold(std::uint64_t publisher, waiting_publishers& waiters);
    [[nodiscard]] bool begin_hold(client& publisher, ring<client*>& waiters);
    void on_publisher_hold(const publisher_hold& word);
    void resume(client* held);
    void set_free(waiting_publishers& waiters);
    void set_free_elsewhere(waiting_publishers& waiters);
    [[nodiscard]] bool most_takers_are_full() const noexcept;
    [[nodiscard]] std::uint32_t open_takers() const noexcept {
        return static_cast<std::uint32_t>(takers_.all - takers_.full);
    }
    void forget_pressure(client& ended);
    void count_held_time() noexcept;
    void check_pressure();
    void reopen_if_drained(client& full);
    void resume_held();
    void note_taker(client& to) noexcept;
    void note_taker(home_entry& to) noexcept;
    void tell_home(const client& who, bool is_full);
    void on_front_load(shard_id from, const front_load& word);
    void open_home(home_entry& home);

    // attach.cpp
    void attach(session::front& who, session::attach_request request) override;
    void acknowledge(session::front& who, const session::delivery_ack& ack) override;
    void set_keeping(session::front& who, std::string_view topic, envelope& header) override;
    void set_keeping(std::string_view topic, durability otherwise, envelope& header) const;
    void hold_inbound(session::front& who, packet_id id) override;
    void release_inbound(session::front& who, packet_id id) override;
    void confirm(session::front& who, const session::inbound_ack& what) override;
    void on_confirm(session::front_address from, const session::inbound_ack& what);
    void answer_confirm(session::front_address to, const session::inbound_ack& what);
    void close(session::front& who, session::close_cause cause, mqtt::reason_code reason,
               std::string_view detail) override;
    void detach_home(client& from, session::close_cause cause);
    void on_attach(session::front_address from, std::optional<std::string_view> username,
                   session::attach_request request);
    void attach_now(home_entry& home, session::front_address from,
                    std::optional<std::string_view> username, session::attach_request request);
    void on_attached(std::uint64_t connection, shard_id home_shard, std::uint64_t home,
                     session::attached answer);
    void on_detach(const shard::detach& word);
    void forget_unrouted(home_entry& home);
    void refuse_while_leaving(session::front_address from);
    void await_succession(home_entry& home, home_entry::successor next);
    void wake_home(home_entry& home);
    void settle_home(home_entry& home);
    void do_what_is_due(home_entry& home);
    static void log_connected(const client& born, bool is_clean, bool is_present);
    void on_home_ack(home_entry& home, session::front_address from,
                     const session::delivery_ack& ack);
    void change_inbound(client& from, packet_id id, bool is_held);
    void on_inbound_change(home_entry& home, packet_id id, bool is_held, durability level);
    void note_unrouted(home_entry& home, shard_id from, packet_id id, bool is_held);
    void note_routed(home_entry& home, packet_id id);
    void note_all_routed(home_entry& home);
    [[nodiscard]] bool is_going_on(const storage::unrouted_record& life) const;
    void settle_unrouted(home_entry& home);
    [[nodiscard]] home_entry* find_home(std::uint64_t number) noexcept;
    /// Null as well if another connection is attached, or none.
    [[nodiscard]] home_entry* find_home(std::uint64_t number,
                                        session::front_address front) noexcept;
    /// A shard of this node, or another node.
    [[nodiscard]] shard_id home_of(std::uint64_t client_hash) const noexcept;
    // remote.cpp: homes and fronts on other nodes
    [[nodiscard]] bool knows(const cluster::lane_identity& lane);
    void post_to_node(shard_id to, const shard_message& word);
    void on_errand(incoming_lane_id from, const publication& what, std::string_view bytes);
    [[nodiscard]] bool hand_on(shard_id party, boot_id boot, shard_message word);
    void on_word_of_node(const word_of_node& word);
    void hear_early_words();
    void on_detached_all(shard_id party, shard_id home_shard);
    void attach_at_node(client& from, std::optional<std::string_view> username,
                        session::attach_request request);
    void admit_or_refuse(client& from);
    void register_late(client& in);
    void on_registered(client& in, shard_id party, std::uint64_t home,
                       const session::attached& answer);
    void lose_home(client& in);
    void lose_party(shard_id party, const session::detach_notice& how);
    void lose_fronts_of(shard_id party, const session::detach_notice& how);
    void hurry_wills_of(shard_id party);
    void return_of(shard_id party);
    void note_parties(const peer_standing& now, bool was_live, bool is_reborn);
    [[nodiscard]] bool refer_to_home(client& from);
    void refuse_late_attaches();
    void leave_unregistered(client& from, session::close_cause cause);
    void give_up_unknown(shard_id party, const shard::kick& word, const client* connected);
    void publish_own_will(client& from, session::close_cause cause);
    void open_homes_at(shard_id party);
    void look_for_misplaced();
    void move_volatile(client& in, shard_id home);
    [[nodiscard]] bool is_live(shard_id party) const noexcept;
    void leave_home(client& from, const shard::detach& word);
    void say_detached(shard_id home_shard, const shard::detach& word);
    void on_leaver_taken(std::uint64_t connection, session::route_token token,
                         mqtt::reason_code reason);
    void release_at_home(std::uint64_t connection, const leaver& gone, packet_id id);
    void end_leaver(std::uint64_t connection);
    void release_late_leavers();
    [[nodiscard]] std::vector<client*> clients_of(shard_id party);
    // handover_out.cpp: sessions that go to other nodes
    [[nodiscard]] std::bitset<partition_count> partitions_of_waiting_wills() const;
    [[nodiscard]] bool are_all_nodes_live();
    [[nodiscard]] node_id node_of(shard_id party) const;
    void begin_departures();
    [[nodiscard]] bool is_paused(node_id new_home) const;
    void pause_after(const departing_partition& stopped);
    void answer_if_erased(shard_id new_home, const handover& word);
    [[nodiscard]] std::vector<home_entry*> homes_of(partition_id which);
    void begin_departure(const handover_order& order, bool is_misplaced);
    void park(std::vector<parked_attach>& parked, session::front_address from,
              std::optional<std::string> username, session::attach_request request);
    [[nodiscard]] std::vector<parked_attach>* parking_for(partition_id which,
                                                          std::string_view client_id);
    void attach_parked(std::vector<parked_attach> parked);
    void attach_elsewhere(std::vector<parked_attach> parked);
    void attach_early();
    void forget_parked_of(shard_id party);
    void refuse_late_parked(std::vector<parked_attach>& parked);
    void progress(departing_partition& of) const;
    void say_step(const departing_partition& of, handover::step what);
    void stop_departure(partition_id which, std::string_view why);
    void stop_departures(std::string_view why);
    void look_at_handovers();
    [[nodiscard]] time_point next_page_at() const noexcept;
    void look_if_clear(partition_id which);
    void write_all(departing_partition& of, departing_partition::phase then);
    void on_departure_written(std::uint64_t write);
    void on_written(departing_partition& of);
    void begin_pages(departing_partition& of, std::size_t table_at);
    void read_page(departing_partition& of);
    [[nodiscard]] bool is_row_due(departing_partition& of, std::string_view key,
                                  std::string_view row) const;
    void on_partition_rows(const storage::read_answer& answer);
    void go_on_sending(departing_partition& of);
    void draw_cut(departing_partition& of);
    void ask_for_fence(departing_partition& of);
    void on_fenced(shard_id from, const fenced& word);
    void on_answer_of_new_home(shard_id from, const handover& word);
    void decide(departing_partition& of);
    void await_new_home(departing_partition& of);
    void follow(departing_partition& of);
    void leave_groups(home_entry& home, departing_partition& of);
    void follow_table();
    void end_departure(departing_partition& of);
    std::size_t erase_departed(partition_id which);
    void erase_sessions_of(partition_id which);
    // handover_in.cpp: sessions that come from other nodes
    void on_handover(shard_id from, const handover& word);
    [[nodiscard]] arriving_partition* find_arrival(shard_id from, partition_id which,
                                                   std::uint64_t number);
    void answer(const arriving_partition& of, handover::step what);
    void on_offer(shard_id from, const handover& word);
    void on_handover_rows(shard_id from, const handover_rows& word);
    [[nodiscard]] bool take_session(arriving_partition& to, std::string_view key,
                                    std::string_view value);
    [[nodiscard]] bool take_filter(arriving_partition& to, std::string_view key,
                                   std::string_view value);
    [[nodiscard]] bool take_row(arriving_partition& to, storage::table where, std::string_view key,
                                std::string_view value, bool is_late);
    void log_arriving(const arriving_partition& of, std::string_view session);
    void give(const arriving_session& to, const kept_delivery& what);
    void on_joined(partition_id which);
    void finish_arrival(arriving_partition& of);
    void write_all(arriving_partition& of, arriving_partition::phase then);
    void on_arrival_written(std::uint64_t write);
    void on_written(arriving_partition& of);
    void look_if_home(arriving_partition& of);
    void on_sessions_loaded(const storage::read_answer& answer);
    void tell_of_groups(std::string_view client_id, std::uint64_t number);
    void forget_volatile(std::string_view client_id);
    void move_in(const arriving_partition& of, const std::string& key, arriving_session& which);
    void note_if_later(arriving_session& which, const storage::session_record& record);
    void unite(const arriving_partition& of, const arriving_session& which);
    void unsubscribe_all(arriving_session& which);
    void close_arrival(arriving_partition& of);
    void forget_arrival(arriving_partition& of);
    void discard_arrival(partition_id which);
    void erase_session(std::string_view key, std::string_view client_id);
    void lose_arrivals(shard_id party);
    void look_at_arrivals();
    [[nodiscard]] bool is_being_read(partition_id which) const;
    // handover_fence.cpp
    void on_fence(shard_id from, const fence& word);
    void on_flush(shard_id from, const flush& word);
    void look_at_fence(std::uint64_t number);
    void watch_lanes_to(node_id home, fence_watch& watch);
    void look_at_fences();
    void forget_fences(shard_id party);
    /// The next few are free as well. Unlike those of earlier lives of this node.
    [[nodiscard]] std::uint64_t next_handover_number() noexcept {
        constexpr std::uint64_t apart = 4;
        constexpr unsigned boot_at = 32;
        moves_->last_number += apart;
        return (std::uint64_t{options_.boot.value} << boot_at) | moves_->last_number;
    }
    // attach.cpp: home_effects
    void answer_attach(session::home& from, session::front_address to,
                       session::attached answer) override;
    void forget_durable_ends();
    void complete_attach(operation done);
    void send_attach_answer(session::front_address to, std::uint64_t home,
                            session::attached answer);
    void kick(session::home& from, session::front_address to, session::close_cause cause,
              mqtt::reason_code reason, std::string_view why) override;
    void refuse(session::front_address to, session::close_cause cause, mqtt::reason_code reason,
                std::string_view why);
    void send_kick(shard_id to, shard::kick word);
    void on_kick(shard_id from, const shard::kick& word);
    void push(session::home& from, session::front_address to, const publication& what,
              const session::delivery& how) override;
    void push_pubrel(session::home& from, session::front_address to, packet_id id) override;
    [[nodiscard]] bool has_room(const session::home& from,
                                session::front_address to) const override;
    void publish_will(session::home& from, const publication& what) override;
    void session_ended(session::home& from, session::session_state& state) override;
    void dropped(session::drop_reason reason) override {
        ++traffic_.dropped[static_cast<std::size_t>(reason)];
    }

    // persist.cpp: what is written down
    [[nodiscard]] static router::subscription_options
    router_options_of(const session::subscription& wanted);
    void log_session(home_entry& home);
    void log_inbound(const home_entry& home, packet_id id, bool is_held, durability level);
    void log_subscription(const home_entry& home, const session::subscription& wanted);
    void log_unsubscription(const home_entry& home, std::string_view filter);
    void log_retained(const publication& what, bool is_removed);
    /// `due_will`: key of the row that goes with the last that the message leaves behind; or empty.
    void publish(publication what, std::string_view due_will);
    void log_due_will(const storage::due_will_key& key, const publication& what);
    void publish_restored_wills();
    session::commit_mark log_queue(const storage::session_key& session,
                                   const storage::queue_record& record);
    void forget_session(home_entry& home, session::session_state& state);
    void forget_body(bodies::index in);
    void erase_bucket(const storage::bucket& gone);
    void bury_retained(const publication& tombstone);
    void begin_claim(const retained_claim& claim);
    [[nodiscard]] router::retained_clocks retained_clocks() const noexcept {
        return {.now = turn_.now, .wall = turn_.wall};
    }
    [[nodiscard]] router::retained_options retained_options_of(const core_options& given);
    [[nodiscard]] static session::subscription
    subscription_of(std::string_view filter, const storage::subscription_record& record);
    void resubscribe(home_entry& home, session::subscription wanted);
    void restore_queue(session::outbound& out, const storage::stored_session& found,
                       bool counts_bodies);
    [[nodiscard]] session::written_row log_row(const storage::session_key& session,
                                               std::uint64_t sequence, const publication& what,
                                               const session::delivery& how);
    [[nodiscard]] storage::moment moment() const noexcept {
        return {.now = turn_.now, .wall = turn_.wall};
    }

    // subscribe.cpp
    void subscribe(session::front& who, packet_id id,
                   std::vector<session::subscription> filters) override;
    void unsubscribe(session::front& who, packet_id id, std::vector<std::string> filters) override;
    void on_home_subscribe(std::uint64_t number, session::front_address from, packet_id id,
                           std::vector<session::subscription> filters);
    void on_home_unsubscribe(std::uint64_t number, session::front_address from, packet_id id,
                             std::span<const std::string> filters);
    void subscribe_for(router::subscriber& who, std::uint64_t number, session::session_state& state,
                       session::front_address front, packet_id id,
                       std::vector<session::subscription> filters);
    mqtt::reason_code add_subscription(router::subscriber& who, std::uint64_t number,
                                       session::session_state& state, session::subscription wanted,
                                       std::uint64_t operation_number, operation& begun);
    std::vector<mqtt::reason_code> remove_subscriptions(router::subscriber& who,
                                                        std::uint64_t number,
                                                        session::session_state& state,
                                                        std::span<const std::string> filters);
    void withdraw(router::subscriber& who, std::uint64_t number, std::string_view filter);
    void withdraw_all(router::subscriber& who, std::uint64_t number, session::session_state& state);
    void on_route_change(shard_id from, const route_change& change);
    void await_journal(operation& begun, std::uint64_t operation_number);
    /// Answers it when there is nothing more to wait for.
    void begin(std::uint64_t number, operation begun);
    [[nodiscard]] operation end_operation(std::uint64_t number);
    void complete(operation done);
    void answer_subscribe(session::front_address to, packet_id id, bool is_removal,
                          std::vector<mqtt::reason_code> reasons);
    /// Whether some filter's first subscription is not in force everywhere yet: then another one of
    /// that filter must wait as well, so all are told again.
    [[nodiscard]] bool may_be_unapplied() const noexcept { return subscribing_ > 0; }
    /// Each returns how many answers to wait for. A filter may have got a subscriber.
    std::size_t tell_added(std::string_view filter, taker_kind kind,
                           const router::router::added& how, std::uint64_t operation_number);
    void tell_removed(std::string_view filter, taker_kind kind, const router::router::removed& how);
    std::size_t tell_shards(std::string_view filter, bool is_wanted,
                            std::uint64_t operation_number);
    std::size_t tell_nodes(const route_word& what, std::uint64_t operation_number);
    [[nodiscard]] static taker_kind kind_of(const router::subscriber& who) {
        return who.is_kept() ? taker_kind::kept : taker_kind::not_kept;
    }
    [[nodiscard]] shard_id group_owner(std::string_view group,
                                       std::string_view filter) const noexcept {
        return router::group_owner(group, filter, options_.shards);
    }

    // groups.cpp
    std::size_t join_group(group_change join, shard_id from);
    void on_group_change(shard_id from, group_change change);
    void leave_group(const group_change& leave, router::member_id member);
    void set_online_in_groups(router::member_id member, bool is_online);
    void set_member_online(std::uint64_t number, const session::session_state& state,
                           bool is_online);
    void group_settled(session::front& who, session::group_origin group) override {
        settle_in_group(owner_of(who).number_, group);
    }
    void group_settled(session::home& from, session::group_origin group) override {
        if (is_loan(group)) {
            end_loan(entry_of(from), group, group_outcome::kind::taken);
        } else {
            settle_in_group(entry_of(from).number(), group);
        }
    }
    void settle_in_group(std::uint64_t member, session::group_origin group);
    void deliver_to_group(router::group& group, const publication& what);
    void deliver_to_member(std::uint64_t subscriber, const publication& what,
                           const router::grant& how);
    void on_group_delivery(shard_id from, const group_delivery& message);

    // group_queues.cpp: queues of shared groups that live here
    void on_member_change(shard_id from, const member_change& word);
    void on_join(const queue_join& asked, const std::string& name);
    void complete_join(const operation& done);
    void tell_unknown(const member_address& who, std::uint64_t queue, std::uint64_t join);
    [[nodiscard]] home_entry* make_queue(const std::string& name);
    void attach_queue(home_entry& queue);
    void detach_queue(home_entry& queue);
    void close_queue(home_entry& queue);
    void end_queue(home_entry& queue);
    void settle_queue(home_entry& queue);
    void push_to_member(home_entry& queue, const publication& what, const session::delivery& how);
    void give_waiting(home_entry& queue);
    void on_group_outcome(shard_id from, const group_outcome& word);
    void end_branch(const storage::branch& of);
    void settle_loan(home_entry& queue, const member_address& who, const group_outcome& word);
    void erase_from(home_entry& queue, packet_id id, bool is_once);
    /// `shard_there`: those on one shard of that node alone.
    void lose_members_of(shard_id party, const std::optional<shard_id>& shard_there = {});
    void look_at_groups();
    // group_members.cpp: sessions here that are members of such groups
    enum class joining : std::uint8_t {
        asked,
        known,  ///< there is nothing to wait for
        refused ///< nobody can be asked now
    };
    [[nodiscard]] joining join_queue(home_entry& home, std::string_view filter, std::uint64_t asked,
                                     std::uint16_t index);
    [[nodiscard]] joining join_again(home_entry& home, queue_membership& which, std::uint64_t asked,
                                     std::uint16_t index);
    [[nodiscard]] static queue_membership* new_membership(home_entry& home);
    void leave_queue(home_entry& home, std::string_view filter);
    void end_membership(home_entry& home, queue_membership& which);
    void end_memberships(home_entry& home);
    void tell_queues(home_entry& home, bool is_online);
    void tell_queue(home_entry& home, const queue_membership& which, bool is_online);
    void ask_queue(home_entry& home, queue_membership& which);
    void ask_queues();
    void follow_queues();
    void lose_queues_of(shard_id party, const std::optional<shard_id>& shard_there = {});
    void on_member_known(shard_id from, const member_known& word);
    void note_answer(home_entry& home, queue_membership& which, const member_known& word);
    /// A SUBSCRIBE that waits for a queue.
    struct waiting_subscribe {
        std::uint64_t operation = 0; ///< 0: none does
        std::uint16_t index = 0;     ///< of the filter there
    };
    [[nodiscard]] static waiting_subscribe wait_of(queue_membership& which);
    void answer_join(const waiting_subscribe& who, mqtt::reason_code reason);
    void refuse_join(home_entry& home, queue_membership& which, mqtt::reason_code reason);
    void on_group_push(shard_id from, const group_push& word);
    [[nodiscard]] std::optional<group_outcome::kind>
    take_loan(home_entry& home, queue_membership& which, const group_push& word);
    void keep_loan(home_entry& home, const queue_membership& which, const publication& what,
                   session::delivery how);
    void end_loan(home_entry& home, session::group_origin loan, group_outcome::kind how);
    void loan_kept(session::home& from, session::group_origin loan) override {
        end_loan(entry_of(from), loan, group_outcome::kind::kept);
    }
    void loan_returned(session::home& from, session::group_origin loan) override {
        end_loan(entry_of(from), loan, group_outcome::kind::returned);
    }
    void tell_room(home_entry& home);

    // replay.cpp
    void pump_replay(std::uint64_t subscriber);
    void on_page_request(shard_id from, const page_request& request);
    void on_page(const page_answer& answer);
    void deliver_page(replay_holder& holder, const page_answer& answer);
    void ask_for_page(std::uint64_t subscriber, session::replay_list& replays, std::size_t rows);
    void request_page(std::uint64_t subscriber, const session::replay& current,
                      std::uint32_t request, std::size_t rows);
    void on_replay_errand(const replay_errand& errand);
    void advance_replay(session::session_state& state);
    [[nodiscard]] replay_holder* find_holder(std::uint64_t subscriber) noexcept;

    // dispatch.cpp
    void on_message(shard_id from, shard_message& message);
    void on_rare(shard_id from, rare& message);
    [[nodiscard]] client* find_held(std::uint64_t connection, shard_id home) noexcept;
    void on_push(shard_id home, const shard::push& message);
    void on_credit(shard_id from, std::size_t bytes);
    void post(shard_id to, shard_message message) {
        if (is_node(to)) [[unlikely]] {
            post_to_node(to, message);
        } else {
            outboxes_[to.value].push_back(std::move(message));
        }
    }
    void post_rare(shard_id to, rare message) {
        post(to, std::make_unique<rare>(std::move(message)));
    }
    [[nodiscard]] bool is_mine(shard_id shard) const noexcept { return shard == options_.me; }
    /// The same, and to this shard too, which hears it at the end of the turn.
    void say(shard_id to, shard_message word) {
        if (is_mine(to)) {
            own_words_.push_back(std::move(word));
        } else {
            post(to, std::move(word));
        }
    }
    void say_rare(shard_id to, rare word) { say(to, std::make_unique<rare>(std::move(word))); }
    void hear_own_words();
    /// Whether shared subscriptions of this session are those of queues.
    [[nodiscard]] bool has_queues(const home_entry& home) const noexcept {
        return options_.has_group_queues && !home.group_;
    }

    core_options options_;
    core_driver* driver_;
    session::turn turn_;
    wall_floor floor_;
    session::traffic traffic_;
    core_counts counts_;
    session::queue_account queued_;           ///< of sessions that have a home
    session::queue_account queued_in_memory_; ///< of the others
    session::front_context front_context_;
    session::home_context home_context_;
    session::session_limits queue_limits_; ///< of queues of groups
    session::home_context queue_context_;
    buffer_pool pool_;
    timer_wheel wheel_;
    stamp_clock clock_;
    journal journal_;
    bodies bodies_;
    router::router router_;
    router::retained_table retained_;
    boost::unordered_flat_map<std::uint64_t, client*> clients_;
    boost::unordered_flat_map<std::uint64_t, home_entry*> homes_by_number_;
    boost::unordered_flat_set<home_entry*, home_hash, home_equal> homes_; ///< owned
    std::array<std::uint32_t, partition_count> stored_in_{}; ///< kept sessions by partition
    std::vector<std::unique_ptr<home_entry>> gone_homes_;    ///< until the turn ends
    std::vector<client*> dirty_;
    std::vector<client*> full_;
    std::vector<std::pair<std::string, session::will_message>> restored_wills_; ///< by key
    bool are_sessions_held_ = false;
    std::vector<client*> reopened_; ///< were full; their waiters may go on
    std::vector<client*> relieved_; ///< their own output was in the way of their input
    ring<client*> freed_;           ///< publishers that wait for nobody any more
    ring<client*> held_elsewhere_;  ///< empty: where those are that others hold
    std::vector<waiting_publishers> credit_waiters_; ///< they wait for credit of a shard
    waiting_publishers journal_waiters_;             ///< they wait for the disk
    std::size_t held_now_ = 0;
    std::vector<pending_take> takes_;
    std::vector<std::uint32_t> free_takes_;
    giving_out* given_out_ = nullptr; ///< the message under way
    session::commit_mark last_end_;   ///< of the last end of a stored session
    /// Ends that were not durable when last looked at, by client. A disk that is full may keep one
    /// waiting for long, and clients without a session shall not wait with it.
    boost::unordered_flat_map<std::string, session::commit_mark> ends_;
    /// Whether that message may have several takers here, and where its body is then.
    bool shares_body_ = false;
    std::optional<bodies::place> body_;
    std::string scratch_; ///< value of a row being written down
    boost::unordered_flat_map<std::uint64_t, operation> operations_;
    std::size_t subscribing_ = 0; ///< of these, subscriptions
    std::vector<std::vector<shard_message>> outboxes_;
    std::vector<shard_message> own_words_;
    /// Numbers of homes of members that wait for their queues, or whose queues wait for room.
    boost::unordered_flat_set<std::uint64_t> restless_;
    boost::unordered_flat_set<home_entry*> group_homes_; ///< of queues
    time_point members_changed_at_; ///< when a node may last have lacked, or got, members
    std::vector<group_wait> group_waits_;
    std::vector<std::uint32_t> free_group_waits_;
    std::uint64_t group_turn_ = 0;                    ///< of router::spread_key_of
    std::vector<router::group_candidate> candidates_; ///< kept for its memory
    std::unique_ptr<peer_lanes> lanes_;               ///< null: there are no other nodes
    std::unique_ptr<handovers> moves_;                ///< null: sessions stay where they were made
    partition_homes homes_at_{};
    /// Who waits for an answer of another node, or is waited for, and how long, in that order.
    struct waiting_connection {
        time_point due;
        std::uint64_t connection = 0;
    };
    ring<waiting_connection> attaching_;
    ring<waiting_connection> leaving_;
    boost::unordered_flat_map<std::uint64_t, leaver> leavers_;
    /// Of lives of nodes that this shard has not been told of yet.
    std::vector<word_of_node> early_words_;
    std::vector<lane_key> dirty_lanes_;
    std::vector<incoming_lane_id> dirty_replies_;
    std::vector<std::size_t> credit_used_;
    std::vector<std::size_t> credit_owed_; ///< to give back to each shard
    client_timer housekeeping_;
    flap_guard flap_guard_;
    takers takers_;
    std::uint64_t onward_ = 0;         ///< shards to which a message given out here went on
    std::uint64_t publisher_ = 0;      ///< number of the client whose message is given out; 0: none
    const client* in_input_ = nullptr; ///< whose input is being taken
    std::uint64_t next_number_ = 0;
    std::uint64_t next_join_ = 0;
    std::uint64_t next_operation_ = 0;
    store_room disk_room_ = store_room::plenty;
    bool is_leaving_ = false;
    std::size_t stored_sessions_ = 0;
    std::size_t misplaced_ = 0; ///< of these, sessions whose home is another node
    std::size_t slow_clients_ = 0;
    std::size_t shared_subscriptions_ = 0;
    time_point held_counted_to_{};
};

} // namespace gv::shard
