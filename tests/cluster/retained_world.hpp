// SPDX-License-Identifier: Apache-2.0
// Nodes with a table of retained messages, a disk, and an exchange, over a simulated network, and
// beside them all that was ever set and cleared. Forwarded messages get lost or come late, nodes
// crash and lose the end of what they wrote, links are cut, somebody is away for longer than
// removals are kept, and clocks differ. Everything comes from one seed.
#pragma once

#include "broker/router/retained.hpp"
#include "broker/shard/stamp_clock.hpp"
#include "cluster/retained_exchange.hpp"
#include "tests/cluster/simulated_network.hpp"

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace gv::cluster::testing {

enum class wrong_clocks : std::uint8_t { none, one };

/// What goes over the wire: about retained messages, or such a message itself, forwarded.
using retained_wire = std::variant<retained_message, retained_row>;

class retained_world {
  public:
    /// With `one`, there are three nodes at least, and one of them dates what it takes by a clock
    /// that jumps by ten minutes, for a while after each jump or start.
    explicit retained_world(std::uint64_t seed, bool is_tracing = false,
                            wrong_clocks wrong = wrong_clocks::none);

    /// Does random things for a while, lets all come to rest, and compares.
    void run();

    std::vector<std::string> complaints;
    std::vector<std::string> trace;
    retained_counts counts; ///< of all lives that ended by a crash or at the end
    std::uint64_t writes = 0;
    std::uint64_t doubtful = 0; ///< writes that nobody promises to keep
    std::uint64_t long_absences = 0;
    std::uint64_t dated_wrong = 0; ///< writes with a stamp of the future
    std::uint64_t dated_anew = 0;  ///< these, where they came
    std::uint64_t taken_back = 0;  ///< rows of the future that one of the present has replaced
    std::uint64_t messages = 0;

  private:
    using index = std::size_t;

    struct effects final : retained_effects {
        retained_world* world = nullptr;
        index self = 0;
        void send(node_id to, const retained_message& message) override;
        void read_entries(retained_ticket ticket, const retained_range& of,
                          std::size_t entries_max) override;
        void read_rows(retained_ticket ticket, retained_question&& question) override;
        void apply(retained_ticket ticket, retained_bucket bucket, std::vector<retained_row>&& rows,
                   std::vector<retained_entry>&& dead) override;
        void collect(const retained_claim& claim) override;
        void stay_after(hybrid_time told) override;
        void on_retained_ready() override;
    };
    /// What was written to a disk, in order; the last of it may not be there after a crash.
    struct disk_operation {
        time_point when;
        std::string topic;
        std::optional<retained_row> row;     ///< none: erased
        std::optional<retained_claim> claim; ///< then nothing else
    };
    struct disk {
        std::map<std::string, retained_row> rows;
        std::optional<retained_claim> claim;
        std::vector<disk_operation> tail;
    };
    struct node {
        std::unique_ptr<retained_digest> digest;
        std::unique_ptr<router::retained_table> table;
        std::unique_ptr<retained_exchange> exchange; ///< none: down
        effects out;
        disk stored;
        boot_id boot;
        shard::stamp_clock clock;
        duration skew{};
        duration jump{};              ///< of what its stamps go by
        time_point knows_better_at{}; ///< from then on they go by the agreed clock
        std::set<index> believes_alive;
        std::map<std::string, retained_version> newest; ///< that was ever here, in this life
        bool is_ready = false;
        bool is_away = false; ///< for long: left alone
        time_point wakes_at = never;
        std::uint64_t life = 0;
    };
    struct write {
        retained_version version;
        bool is_clear = false;
        bool is_doubtful = false;
        wall_time expires = never_expires;
    };

    // --- drawing
    [[nodiscard]] std::size_t below(std::size_t end);
    [[nodiscard]] bool chance(double share) { return network_.chance(share); }
    [[nodiscard]] duration between(duration least, duration most);
    [[nodiscard]] std::string some_topic();
    [[nodiscard]] retained_exchange_options some_options();

    // --- what happens
    void act();
    void publish(index at);
    void publish_at(index at, const std::string& topic, bool is_clear);
    void crash(index which);
    void start(index which);
    void jump();
    void set_right();
    void change_links();
    void change_faults();
    void go_away();
    void come_back(index which);
    void come_to_rest();

    // --- around the machines
    void say(const std::string& line);
    void complain(const std::string& line);
    void arrive(index from, index to, const retained_wire& message);
    void after_input(index which);
    void wake(index which);
    void sweep(index which);
    void collect_on(index which);
    void believe(index who, index of, peer_state state);
    void tell_of(index of, peer_state state, duration latest);
    /// Later, if the node still lives this life.
    void soon(index which, duration latest, std::function<void(node&)> what);
    router::put_outcome take(index which, const retained_row& given, bool is_forwarded);
    void write_down(node& at, disk_operation operation);
    static void settle_disk(disk& of, std::size_t count);
    void lose_tail(index which);
    [[nodiscard]] bool drop(index which, const retained_entry& dead);
    [[nodiscard]] time_point now() const { return network_.now(); }
    void set_clock(node& at) const;
    [[nodiscard]] retained_row dated_anew_at(index which, const retained_row& row);
    [[nodiscard]] wall_time wall_of_node(const node& at) const;
    [[nodiscard]] retained_moment moment(const node& at) const;
    [[nodiscard]] router::retained_clocks clocks(const node& at) const;
    [[nodiscard]] static node_id id_of(index which) { return node_id{100 + which}; }
    [[nodiscard]] static index index_of(node_id node) { return node.value - 100; }

    // --- promises
    /// The version that a node has of a topic, on its shard or, if it is down, on its disk.
    [[nodiscard]] std::optional<retained_version> version_at(index which,
                                                             const std::string& topic) const;
    [[nodiscard]] bool expires_now(const std::string& topic, const retained_version& version) const;
    void doubt(const std::string& topic, const retained_version& version);
    void doubt_what_is_away();
    void doubt_if_only_there(index which, const std::string& topic);
    void note_newest(index which, const retained_row& row);
    void check_topic(const std::string& topic);
    void check_equal(const std::string& when);
    void check_tombstones();
    void check_quiet();
    [[nodiscard]] std::map<std::string, retained_version> visible(index which) const;

    support::simulated_network<retained_wire> network_;
    retained_exchange_options options_;
    std::vector<node> nodes_;
    std::map<std::string, std::vector<write>> writes_; ///< by topic, by time of publishing
    std::uint64_t questions_ = 0;                      ///< messages that are not roots
    wrong_clocks wrong_;
    index odd_ = 0;                  ///< whose clock is wrong
    std::set<std::string> misdated_; ///< topics with a write of the future
    bool is_tracing_;
};

} // namespace gv::cluster::testing
