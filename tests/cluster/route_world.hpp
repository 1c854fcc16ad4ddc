// SPDX-License-Identifier: Apache-2.0
// Nodes that tell each other their routes over a simulated network, and beside them what is true:
// who is subscribed to what. Nodes crash and come back in a new life, with what they had on disk at
// some moment after the last sync, links are cut, partitions move, and membership says what it says
// late and not always alike. Everything comes from one seed.
#pragma once

#include "cluster/route_exchange.hpp"
#include "tests/cluster/route_disk.hpp"
#include "tests/cluster/simulated_network.hpp"

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace gv::cluster::testing {

inline constexpr std::size_t partitions_used = 5;

/// A subscription that owns its text.
struct subscription {
    std::string filter;
    std::string group;
    std::uint8_t quality = 0;
    bool no_local = false;
    bool is_online = true;

    [[nodiscard]] route_subscription seen() const {
        return {.key = {filter, group},
                .quality = quality,
                .no_local = no_local,
                .is_online = is_online};
    }
};

/// Filter and group, and what follows from all subscriptions to them.
using route_rows = std::map<std::pair<std::string, std::string>, route_value>;
[[nodiscard]] route_rows rows_of(const std::vector<subscription>& all);

class route_world {
  public:
    explicit route_world(std::uint64_t seed, bool is_tracing = false);

    /// Does random things for a while, lets all come to rest, and compares.
    void run();

    std::vector<std::string> complaints;
    std::vector<std::string> trace;
    route_counts counts; ///< of all lives that ended by a crash or at the end
    std::uint64_t known = 0;
    std::uint64_t messages = 0;
    std::uint64_t kept_for_absent = 0; ///< promises that held before their author spoke

  private:
    using index = std::size_t;

    struct effects final : route_effects {
        route_world* world = nullptr;
        index self = 0;
        void send(std::span<const node_id> to, const route_message& message) override;
        void filter_changed(std::string_view filter) override;
        void all_changed() override;
        void kept_row_put(node_id author, const route_key& key, const route_value& value) override;
        void kept_row_erased(node_id author, const route_key& key) override;
        void on_known(wait_token who, route_known how) override;
        void on_routes_ready() override;
    };
    /// A node that knew it, and has written it down, goes on knowing it.
    struct promise {
        route_destination stream; ///< of kept sessions
        std::string filter;
        std::string group;
        std::size_t position = 0; ///< of the disk, behind the row
    };
    struct node {
        std::unique_ptr<route_exchange> routes; ///< none: down
        effects out;
        boot_id boot;
        std::vector<subscription> subscribers; ///< volatile
        std::vector<subscription> kept;        ///< on disk
        std::map<index, boot_id> met;          ///< on disk: members, in which life
        route_disk disk;
        std::vector<promise> promises;
        std::map<index, boot_id> believes_alive;       ///< and in which life
        std::map<std::string, std::string> remembered; ///< answers by topic
        std::set<route_destination> seen;              ///< whose steady filter was there
        bool is_ready = false;
        time_point wakes_at = never;
        std::uint64_t life = 0;
    };
    struct partition {
        index home = 0;
        std::uint64_t epoch = 1;
        std::vector<subscription> subscribers; ///< on disk
        bool is_frozen = false;                ///< on its way to another home
    };
    struct waiting {
        index node;
        route_destination stream;
        std::string filter;
        std::string group;
    };

    // --- drawing
    [[nodiscard]] std::size_t below(std::size_t end);
    [[nodiscard]] bool chance(double share) { return network_.chance(share); }
    [[nodiscard]] duration between(duration least, duration most);
    [[nodiscard]] std::string some_filter();
    [[nodiscard]] std::string some_topic();
    [[nodiscard]] subscription some_subscription();
    [[nodiscard]] route_options some_options();

    // --- what happens
    void act();
    void subscribe();
    void unsubscribe();
    void toggle_member();
    void crash(index which);
    void start(index which);
    void change_links();
    void change_faults();
    void move_partition();
    void take_partition();
    void open_partition(std::size_t which, index home);
    void open_kept(index which);
    void remember(index which);
    void damage(index which);
    void come_to_rest();

    // --- around the machines
    void say(const std::string& line);
    void complain(const std::string& line);
    void arrive(index from, index to, const route_message& message);
    void after_input(index which);
    void wake(index which);
    void believe(index who, index of, peer_state state);
    void tell_of(index of, peer_state state, duration latest);
    [[nodiscard]] time_point now() const { return network_.now(); }
    [[nodiscard]] static node_id id_of(index which) { return node_id{100 + which}; }
    [[nodiscard]] static index index_of(node_id node) { return node.value - 100; }
    [[nodiscard]] static partition_id id_of_partition(std::size_t which) {
        return partition_id{static_cast<std::uint16_t>(which * 51)};
    }
    /// Where a subscription may be put now, if anywhere.
    [[nodiscard]] std::vector<subscription>* subscribers_of(route_destination stream, index at);
    [[nodiscard]] std::vector<std::pair<index, route_destination>> streams_open() const;

    // --- promises
    void check_known(const waiting& who);
    void check_promises(index which);
    void check_disk(index which);
    void check_steady(index which);
    void check_remembered(index which);
    void check_rows(index which);
    void check_matches(index which);
    [[nodiscard]] std::string answer(index which, const std::string& topic) const;
    [[nodiscard]] bool matches(index which, const std::string& filter, const std::string& group,
                               route_destination to) const;

    support::simulated_network<route_message> network_;
    route_options options_;
    std::vector<node> nodes_;
    std::array<partition, partitions_used> partitions_;
    std::map<std::uint64_t, waiting> waiting_;
    std::uint64_t tokens_ = 0;
    bool is_tracing_;
};

} // namespace gv::cluster::testing
