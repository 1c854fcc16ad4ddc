// SPDX-License-Identifier: Apache-2.0
// A node without sockets, threads or clocks: one or several cores in one thread, on a virtual
// clock, with mailboxes between them that keep the order of each pair and delay each batch by a
// seeded chance. What the broker does on an io_context, this does on run() and advance(). It may
// also be several nodes with lanes between them, whose shards have one number after the other: what
// holds on one node is to hold on all of them.
#pragma once

#include "broker/shard/core.hpp"
#include "tests/support/pure_routes.hpp"

#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace gv::support {

class pure_node;

/// A connection in memory. Owned by the node and by the test together; one that is over is
/// destroyed when the test lets go of it, so that whoever still points to it is found out.
class pure_peer final : public shard::client {
  public:
    pure_peer(shard::core& core, std::size_t shard,
              std::shared_ptr<const shard::listener_profile> profile);

    // What the client's side does.

    /// Bytes arrive. What the broker sends in return is there after pure_node::run().
    void write(std::string_view bytes);
    /// Takes all that the broker has sent.
    [[nodiscard]] std::string take();
    /// The broker has closed, and all it sent is in take().
    [[nodiscard]] bool is_closed() const noexcept { return is_closed_; }
    /// The connection breaks.
    void cut();
    /// How many bytes the socket still takes before it is full; unlimited at first.
    std::size_t socket_room = static_cast<std::size_t>(-1);

    /// Of the broker's side.
    [[nodiscard]] std::size_t unread_input() const noexcept { return pending_.size(); }
    [[nodiscard]] std::size_t shard() const noexcept { return shard_; }

    // shard::client
    void resume_input() override;
    void end() override;
    [[nodiscard]] std::string peer_text() const override { return "pure:1"; }

  private:
    friend class pure_node;
    void feed();
    void flush();

    shard::core* core_;
    std::size_t shard_;
    std::string pending_;
    std::string received_;
    bool is_ending_ = false;
    bool is_closed_ = false;
    bool is_blocked_ = false; ///< output waits for room in the socket
};

struct node_options {
    std::size_t shards = 1;
    /// With `shards` each.
    std::size_t nodes = 1;
    shard::core_options core{};
    std::uint64_t seed = 1;
    /// Batches between shards take up to so long. With 0 they arrive within run(), pairs in a
    /// seeded order.
    duration mail_delay_max{0};
    /// What the node keeps its state in; null: nowhere. Word of it comes with run(), as a turn of
    /// the shard.
    storage::store* store = nullptr;
    /// The same, by node, if there are several. None: nowhere.
    std::vector<storage::store*> stores{};
};

class pure_node {
  public:
    explicit pure_node(const node_options& options = {});
    ~pure_node();
    pure_node(const pure_node&) = delete;
    pure_node& operator=(const pure_node&) = delete;

    /// A new connection to a shard of this node.
    [[nodiscard]] std::shared_ptr<pure_peer>
    open(std::size_t shard = 0, std::shared_ptr<const shard::listener_profile> profile = {});
    /// Lets all shards work until they rest, without moving the clock.
    void run();
    /// Called by run() when nothing else is to be done: lets the store work on, and returns whether
    /// it had anything to do. None: the store stands still.
    std::function<bool()> disk;
    /// As `disk`, but called before anything else is done.
    std::function<bool()> quick_disk;
    /// Hears what the node tells the cluster. What was asked is applied with run(). Only if the
    /// options say that there is one.
    std::function<void(const shard::route_word&)> told;
    /// The process dies, and another begins: with what `options.store` holds, and clocks that know
    /// nothing of those before, but for the time of day. Requires: nobody holds a connection.
    void restart(const node_options& options);
    /// Time passes, in steps no longer than to the next deadline or batch.
    void advance(duration time);

    [[nodiscard]] shard::core& core(std::size_t shard) { return *sides_[shard]->core; }
    [[nodiscard]] std::size_t shards() const noexcept { return sides_.size(); }
    /// Two nodes hold each other for dead, and nothing comes through between them; or it is over,
    /// and what was sent comes.
    void split(std::size_t a, std::size_t b);
    void heal(std::size_t a, std::size_t b);
    /// One node alone holds another for that; its own lanes to it are closed or open accordingly.
    void see(std::size_t node, std::size_t other, shard::peer_presence presence);
    /// The process of one of several nodes dies, with all that it knew, and another begins. Those
    /// who are given hear of its new life now, the others with tell_of_life(). Requires: nobody
    /// holds a connection to it.
    void reboot(std::size_t node, const std::vector<std::size_t>& shards_told);
    /// What the next process of that node keeps its state in.
    void set_store(std::size_t node, storage::store& store) { options_.stores[node] = &store; }
    /// The home of a partition is to be that node; it hears so with run().
    void hand_over(partition_id which, std::size_t to);
    [[nodiscard]] std::size_t home_node_of(partition_id which) const;
    /// All nodes hear that it is home, whatever is where: as after two tables became one.
    void appoint(partition_id which, std::size_t home);
    /// The table as that node has it.
    [[nodiscard]] shard::partition_homes homes_at(std::size_t node) const;
    void tell_of_life(std::size_t node, std::size_t shard);
    /// What is said from one node to another waits, or is not held back any longer.
    void hold_frames(std::size_t from, std::size_t to, bool is_held);
    /// Node and shard of the home of a client identifier, if there are several nodes.
    [[nodiscard]] std::size_t home_node_of(std::string_view client_id) const;
    [[nodiscard]] time_point now() const noexcept { return now_; }
    [[nodiscard]] wall_time wall() const noexcept { return wall_; }
    /// What the clock shows the next process.
    void set_wall(wall_time shown) noexcept { wall_ = shown; }
    [[nodiscard]] bool has_mail() const noexcept;
    /// The shard on which the home of a client identifier is.
    [[nodiscard]] std::size_t home_of(std::string_view client_id) const;
    /// Batches from one shard to another are kept back, or delivered again.
    void block_mail(std::size_t from, std::size_t to, bool is_blocked);

    // Sums over all shards.
    [[nodiscard]] std::size_t bytes_in_use();
    [[nodiscard]] session::queue_account queues();
    [[nodiscard]] std::uint64_t dropped(session::drop_reason reason);

  private:
    friend class pure_peer;
    struct letter {
        time_point due;
        std::vector<shard::shard_message> batch;
    };
    struct side final : shard::core_driver {
        void send(shard_id to, std::vector<shard::shard_message> batch) override;
        auth::completion verdict_for(std::uint64_t connection) override;
        void tell_cluster(const shard::route_word& what, std::uint64_t operation) override;
        void partition_arrived(partition_id which, node_id at) override;

        pure_node* node = nullptr;
        std::size_t me = 0; ///< counted over all nodes
        std::unique_ptr<shard::core> core;
        std::deque<std::pair<std::uint64_t, auth::verdict>> verdicts;
        std::deque<storage::progress> words;
        std::deque<storage::read_answer> pages;
        std::deque<std::uint64_t> applied; ///< by the cluster
    };
    struct lane {
        std::deque<letter> letters;
        bool is_blocked = false;
    };
    /// A lane between two nodes.
    struct link {
        std::size_t from = 0; ///< shard, counted over all nodes
        std::size_t to = 0;   ///< the same
        std::size_t from_node = 0;
        std::size_t to_node = 0;
        shard::lane_key key;
        shard::incoming_lane_id arriving;
        bool is_up = false;
        bool is_held = false;

        [[nodiscard]] bool is_between(std::size_t a, std::size_t b) const noexcept {
            return (from_node == a && to_node == b) || (from_node == b && to_node == a);
        }
    };

    void begin(const node_options& options);
    void join_nodes();
    void meet(std::size_t node, std::size_t other, shard::peer_presence presence);
    void meet_at(std::size_t shard, std::size_t other, shard::peer_presence presence);
    [[nodiscard]] std::unique_ptr<side> make_side(std::size_t number);
    void break_links(const std::function<bool(const link&)>& which);
    bool connect(link& made);
    void connect_all(const std::function<bool(const link&)>& which);
    bool deliver_one_frame();
    void tell_orders(std::size_t shard);
    bool deliver_tables();
    void restore(std::size_t node, storage::store& from);
    [[nodiscard]] std::size_t nodes() const noexcept { return peers_of_.size(); }
    void restore(storage::store& from);
    bool deliver_words();
    void set_time(time_point now);
    bool deliver_verdicts();
    bool deliver_one_batch();
    bool end_turns();
    void reap();
    [[nodiscard]] time_point next_event();
    [[nodiscard]] lane& between(std::size_t from, std::size_t to) {
        return lanes_[from * sides_.size() + to];
    }

    time_point now_{1'000'000s};
    wall_time wall_{std::chrono::seconds(1'700'000'000)};
    std::mt19937_64 chance_;
    duration mail_delay_max_;
    std::vector<std::unique_ptr<side>> sides_;
    std::vector<lane> lanes_;
    std::size_t shards_each_ = 1;
    node_options options_;             ///< of all nodes, if there are several
    std::vector<std::uint32_t> boots_; ///< by node, if there are several
    directory known_;
    std::vector<std::unique_ptr<peers_of>> peers_of_; ///< by node, if there are several
    std::vector<link> links_;
    std::array<std::size_t, partition_count> home_nodes_{}; ///< if there are several
    std::map<partition_id, std::size_t> wanted_homes_;
    std::vector<std::size_t> to_hear_table_; ///< nodes
    std::vector<std::shared_ptr<pure_peer>> peers_;
    std::shared_ptr<const shard::listener_profile> open_to_all_;
};

} // namespace gv::support
