// SPDX-License-Identifier: Apache-2.0
#include "broker/server/figure_sums.hpp"
#include "broker/server/figures_heard.hpp"

#include <gtest/gtest.h>

namespace gv::server {
namespace {

using cluster::node_figures;
using cluster::peer_state;

/// A node that has had so many packets and has so many clients.
[[nodiscard]] node_figures figures(std::uint64_t packets, std::uint64_t clients) {
    node_figures made{.version = "1", .counters = {}, .levels = {}};
    made.counters.packets_received = packets;
    made.levels.sessions = clients;
    made.levels.connected = clients;
    made.levels.retained_messages = 100;
    made.levels.heap_bytes = 1000;
    made.levels.uptime_s = packets;
    return made;
}

class FigureSums : public testing::Test {
  protected:
    void there(std::uint64_t node, std::uint32_t boot, const node_figures& told) {
        set({.node = node_id{node},
             .boot = boot_id{boot},
             .name = "n",
             .is_there = true,
             .figures = told});
    }
    void away(std::uint64_t node) { find(node)->is_there = false; }
    void forget(std::uint64_t node) { others.erase(find(node)); }
    std::vector<peer_figures>::iterator find(std::uint64_t node) {
        return std::ranges::find(others, node_id{node}, &peer_figures::node);
    }
    void set(peer_figures what) {
        const auto known = find(what.node.value);
        if (known == others.end()) {
            others.push_back(std::move(what));
        } else {
            *known = std::move(what);
        }
    }
    /// Packets shown, and by how much the load's number has grown since the last time.
    std::pair<std::uint64_t, std::uint64_t> packets(const node_figures& own) {
        sum = sums.add(own, others);
        const std::uint64_t now = sum.progress.packets_received;
        return {sum.shown.counters.packets_received, now - std::exchange(progress, now)};
    }
    using counted = std::pair<std::uint64_t, std::uint64_t>;

    figure_sums sums;
    std::vector<peer_figures> others;
    figure_sums::summed sum;
    std::uint64_t progress = 0;
};

TEST_F(FigureSums, AloneIsWhatTheNodeCounts) {
    EXPECT_EQ(packets(figures(10, 2)), counted(10, 10));
    EXPECT_EQ(sum.shown.levels.sessions, 2U);
    EXPECT_EQ(packets(figures(15, 2)), counted(15, 5));
}

TEST_F(FigureSums, LevelsAddUpButForWhatIsTheSameEverywhere) {
    there(2, 1, figures(100, 3));
    there(3, 1, figures(1000, 4));
    EXPECT_EQ(packets(figures(10, 2)).first, 1110U);
    EXPECT_EQ(sum.shown.levels.sessions, 9U);
    EXPECT_EQ(sum.shown.levels.connected, 9U);
    EXPECT_EQ(sum.shown.levels.heap_bytes, 3000U);
    EXPECT_EQ(sum.shown.levels.retained_messages, 100U);
    EXPECT_EQ(sum.shown.levels.uptime_s, 10U);
    EXPECT_EQ(packets(figures(10, 2)), counted(1110, 0)) << "nothing counts twice";
}

TEST_F(FigureSums, WhoDiesTakesItsClientsAlongAndNotWhatItHasCounted) {
    there(2, 1, figures(100, 3));
    EXPECT_EQ(packets(figures(10, 2)).first, 110U);
    away(2);
    EXPECT_EQ(packets(figures(11, 2)), counted(111, 1));
    EXPECT_EQ(sum.shown.levels.sessions, 2U);
    there(2, 1, figures(120, 1));
    EXPECT_EQ(packets(figures(11, 2)), counted(131, 20));
    EXPECT_EQ(sum.shown.levels.sessions, 3U);
}

TEST_F(FigureSums, ANewLifeGoesOnWhereTheLastOneEnded) {
    there(2, 1, figures(100, 3));
    EXPECT_EQ(packets(figures(10, 2)).first, 110U);
    there(2, 2, figures(5, 0));
    EXPECT_EQ(packets(figures(10, 2)), counted(115, 5));
    there(2, 3, figures(1, 0));
    EXPECT_EQ(packets(figures(10, 2)), counted(116, 1));
    forget(2);
    EXPECT_EQ(packets(figures(10, 2)), counted(116, 0)) << "a forgotten node has done what it has";
    there(2, 4, figures(7, 0));
    EXPECT_EQ(packets(figures(10, 2)).first, 123U);
}

TEST_F(FigureSums, WhatANodeHasDoneBeforeItComesIsNoLoadOfNow) {
    EXPECT_EQ(packets(figures(10, 2)), counted(10, 10));
    there(2, 1, figures(1'000'000, 3));
    EXPECT_EQ(packets(figures(10, 2)), counted(1'000'010, 0));
    there(2, 1, figures(1'000'050, 3));
    EXPECT_EQ(packets(figures(10, 2)), counted(1'000'060, 50));
}

TEST_F(FigureSums, ANumberThatGoesBackChangesNothing) {
    there(2, 2, figures(100, 3));
    EXPECT_EQ(packets(figures(10, 2)).first, 110U);
    there(2, 2, figures(90, 3));
    EXPECT_EQ(packets(figures(10, 2)), counted(110, 0));
    there(2, 1, figures(500, 3)); // of the life before
    EXPECT_EQ(packets(figures(10, 2)), counted(110, 0));
}

TEST(TopicNames, WhatHasAMeaningInTopicsIsEscaped) {
    const std::vector<std::pair<node_id, std::string>> nodes{{node_id{1}, "attic"},
                                                             {node_id{2}, "a/b+c#d%e"},
                                                             {node_id{3}, "k\xc3\xbc"},
                                                             {node_id{4}, "k\xc3"}};
    const auto names = topic_names(nodes);
    EXPECT_EQ(names.at(node_id{1}), "attic");
    EXPECT_EQ(names.at(node_id{2}), "a%2Fb%2Bc%23d%25e");
    EXPECT_EQ(names.at(node_id{3}), "k\xc3\xbc");
    EXPECT_EQ(names.at(node_id{4}), "k%C3");
}

TEST(TopicNames, ANameOfSeveralHasTheIdBehindIt) {
    const std::vector<std::pair<node_id, std::string>> nodes{
        {node_id{1}, "a"}, {node_id{2}, "a"}, {node_id{3}, "b"}};
    const auto names = topic_names(nodes);
    EXPECT_EQ(names.at(node_id{1}), "a@0000000000000001");
    EXPECT_EQ(names.at(node_id{2}), "a@0000000000000002");
    EXPECT_EQ(names.at(node_id{3}), "b");
}

class FiguresHeard : public testing::Test {
  protected:
    void peer(std::uint32_t boot, peer_state state) {
        heard.on_peer({.slot = {},
                       .who = {.node = node_id{2}, .boot = boot_id{boot}},
                       .state = state,
                       .is_suspected = false,
                       .name = "two",
                       .address = {}});
    }
    void hear(std::uint32_t boot, std::uint64_t packets) {
        heard.hear({.node = node_id{2}, .boot = boot_id{boot}}, figures(packets, 1));
    }
    figures_heard heard;
};

TEST_F(FiguresHeard, OfMembersAlone) {
    hear(1, 5);
    EXPECT_TRUE(heard.all().empty());
    peer(1, peer_state::alive);
    EXPECT_TRUE(heard.all().empty()) << "it has told nothing";
    hear(1, 5);
    ASSERT_EQ(heard.all().size(), 1U);
    EXPECT_TRUE(heard.all().front().is_there);
    EXPECT_EQ(heard.all().front().name, "two");
    peer(1, peer_state::gone);
    EXPECT_TRUE(heard.all().empty());
}

TEST_F(FiguresHeard, TheDeadAndTheNewbornAreNotThere) {
    peer(1, peer_state::alive);
    hear(1, 5);
    peer(1, peer_state::dead);
    hear(1, 6); // was on its way
    EXPECT_FALSE(heard.all().front().is_there);
    EXPECT_EQ(heard.all().front().figures.counters.packets_received, 6U);
    peer(2, peer_state::alive);
    EXPECT_FALSE(heard.all().front().is_there) << "what is known is of the life before";
    hear(2, 1);
    EXPECT_TRUE(heard.all().front().is_there);
    hear(1, 9);
    EXPECT_EQ(heard.all().front().figures.counters.packets_received, 1U);
}

} // namespace
} // namespace gv::server
