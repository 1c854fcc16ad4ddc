// SPDX-License-Identifier: Apache-2.0
// The start of a node: when it takes clients, and what it still learns afterwards.
#include "cluster/cluster_node.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace gv::cluster {
namespace {

/// Nobody is there: what is asked stays without an answer until the test gives one.
class silent_network final : public peer_transport {
  public:
    void ask(std::string address, const envelope& question) override {
        static_cast<void>(question);
        asked.push_back(std::move(address));
    }
    void dial_again(const std::string&) override {}
    void answer(question_id, const envelope*) override {}
    void open_control(peer_identity, std::string, std::uint64_t) override {}
    void close_control(node_id) override {}
    void send(node_id, const control_message&) override {}
    std::unique_ptr<lane_link> open_lane(node_id, std::string, const lane_hello&,
                                         lane_link_listener&) override {
        return nullptr;
    }
    void shut_down() override {}

    std::vector<std::string> asked;
};

/// Notes when the node was ready.
class noting_broker final : public cluster_effects {
  public:
    void keep_members(std::vector<member_row>) override {}
    void peer_changed(const peer_view& now) override { peers.insert(now.slot); }
    void member_changed(const member&, member_change) override {}
    void route_changed(std::string_view) override {}
    void all_routes_changed() override {}
    void known(wait_token, route_known) override {}
    void keep_route(node_id, const route_key&, const route_value&) override {}
    void drop_route(node_id, const route_key&) override {}
    void table_founded(const partition_founding& founding) override {
        foundings.push_back(founding);
    }
    void partition_changed(partition_id, const partition_row&) override {}
    void tables_differ(node_id, const partition_founding&) override {}
    void read_entries(retained_ticket, const retained_range&, std::size_t) override {}
    void read_rows(retained_ticket, retained_question&&) override {}
    void apply(retained_ticket, retained_bucket, std::vector<retained_row>&&,
               std::vector<retained_entry>&&) override {}
    void collect(const retained_claim&) override {}
    void stay_after(hybrid_time) override {}
    void ready(bool is_complete) override { readiness.push_back(is_complete); }
    void absorb(hybrid_time) override {}
    void clock_agreed(const std::optional<agreed_time>&, duration) override {}
    void alarm(const membership_alarm& what) override { alarms.push_back(what); }
    void levels_changed(const wire_levels&) override {}
    void forgotten() override {}

    std::vector<bool> readiness;
    std::vector<partition_founding> foundings;
    std::set<peer_slot> peers; ///< those that were ever told of
    std::vector<membership_alarm> alarms;
};

class cluster_node_start : public ::testing::Test {
  protected:
    [[nodiscard]] moment at() const { return {now_, wall_ + (now_ - begin_)}; }

    void pass(duration time) {
        const time_point until = now_ + time;
        while (node.next_deadline() <= until) {
            now_ = std::max(now_, node.next_deadline());
            node.on_deadline(at());
        }
        now_ = until;
    }

    /// A peer tells of so many nodes, from that id on.
    void tell(member_state state, std::uint64_t first, std::uint64_t count) {
        push_pull_answer rows;
        for (std::uint64_t each = first; each < first + count; ++each) {
            const std::string name = "node-" + std::to_string(each);
            rows.rows.push_back({.node = node_id{each},
                                 .boot = boot_id{1},
                                 .state = state,
                                 .profile = {.name = name, .peer_address = name + ":7883"}});
        }
        node.on_answer({.cluster = "garden",
                        .from = node_id{2},
                        .boot = boot_id{1},
                        .to = node_id{1},
                        .gossip = {},
                        .body = rows},
                       at());
    }

    static constexpr time_point begin_{1'000s};
    static constexpr wall_time wall_{std::chrono::sys_days(std::chrono::year(2030) / 1 / 1)};
    time_point now_ = begin_;
    retained_digest digest;
    silent_network network;
    noting_broker broker;
    cluster_node node{cluster_node_options{.membership = {.cluster = "garden"},
                                           .routes = {},
                                           .retained = {},
                                           .ready_within = 10s,
                                           .peers_max = 100},
                      own_identity{.node = node_id{1},
                                   .boot = boot_id{1},
                                   .profile = {.name = "node-1", .peer_address = "node-1:7883"},
                                   .chance = 1},
                      {},
                      retained_start{.digest = &digest, .claim = {}},
                      partition_start{},
                      network,
                      broker,
                      at()};
};

TEST_F(cluster_node_start, with_nobody_to_ask_is_over_at_once) {
    node.join({}, at());
    EXPECT_EQ(broker.readiness, std::vector<bool>{true});
    ASSERT_EQ(broker.foundings.size(), 1U);
    EXPECT_EQ(broker.foundings.front().by, node_id{1});
}

TEST_F(cluster_node_start, waits_for_who_does_not_answer_no_longer_than_it_may) {
    const std::vector<std::string> seeds{"node-2:7883"};
    node.join(seeds, at());
    pass(9s);
    EXPECT_THAT(network.asked, ::testing::Contains("node-2:7883"));
    EXPECT_TRUE(broker.readiness.empty());
    pass(1s);
    EXPECT_EQ(broker.readiness, std::vector<bool>{false});
}

TEST_F(cluster_node_start, is_over_when_all_addresses_have_refused) {
    const std::vector<std::string> seeds{"node-2:7883", "node-3:7883"};
    node.join(seeds, at());
    node.on_refused({}, "node-2:7883", at());
    EXPECT_TRUE(broker.readiness.empty());
    node.on_refused({}, "node-3:7883", at());
    EXPECT_EQ(broker.readiness, std::vector<bool>{true});
}

// It serves since its time was over, and learns all the same who is there.
TEST_F(cluster_node_start, ends_even_after_its_time_was_over) {
    const std::vector<std::string> seeds{"node-2:7883"};
    node.join(seeds, at());
    pass(11s);
    ASSERT_TRUE(node.start_progress().is_ready);
    EXPECT_FALSE(node.start_progress().has_routes);
    node.on_refused({}, "node-2:7883", at());
    EXPECT_TRUE(node.start_progress().has_routes);
    EXPECT_TRUE(node.start_progress().has_retained);
    EXPECT_EQ(broker.readiness, std::vector<bool>{false});
}

// A node without a store is another one at each start, and a peer may name whom it likes.
TEST_F(cluster_node_start, more_nodes_than_there_are_places_for_are_left_out) {
    node.join({}, at());
    constexpr std::uint64_t at_once = 30;
    for (std::uint64_t first = 10; first < 150; first += at_once) {
        tell(member_state::alive, first, at_once);
        tell(member_state::left, first, at_once);
    }
    EXPECT_EQ(broker.peers.size(), 100U);
    EXPECT_FALSE(broker.alarms.empty());
    EXPECT_EQ(broker.alarms.front().kind, alarm_kind::members_full);
}

TEST_F(cluster_node_start, who_was_never_here_takes_no_place_when_it_is_gone) {
    node.join({}, at());
    tell(member_state::left, 7, 1);
    EXPECT_TRUE(broker.peers.empty());
}

} // namespace
} // namespace gv::cluster
