// SPDX-License-Identifier: Apache-2.0
#include "broker/server/operate_text.hpp"

#include <gtest/gtest.h>

namespace gv::server {
namespace {

using cluster::member_state;
using cluster::operator_member;
using cluster::operator_status;

[[nodiscard]] operator_member member(std::uint64_t number, member_state state) {
    return {.row = {.node = node_id{number},
                    .boot = boot_id{2},
                    .incarnation = cluster::incarnation_number{3},
                    .state = state,
                    .accuser = {},
                    .profile = {.name = "node" + std::to_string(number),
                                .peer_address = "10.0.0." + std::to_string(number) + ":7883",
                                .client_address = {},
                                .wire = {}}},
            .is_self = number == 1,
            .since = 125s,
            .round_trip = {},
            .clock_ahead = {},
            .is_linked = false,
            .routes = 7,
            .partitions = 85,
            .lanes = {},
            .retained_differences = {}};
}

[[nodiscard]] operator_status status_with(std::vector<operator_member> members) {
    return {.cluster = "home",
            .wire = {},
            .is_ready = true,
            .has_routes = true,
            .has_retained = true,
            .is_leaving = false,
            .is_forgotten = false,
            .kept_sessions = 4,
            .queued_messages = 9,
            .members = std::move(members)};
}

TEST(OperateText, ATableHasAColumnForEachFigure) {
    operator_member other = member(2, member_state::alive);
    other.round_trip = 1'340us;
    other.clock_ahead = std::chrono::milliseconds(-12);
    other.is_linked = true;
    other.lanes = {.lanes = 2,
                   .linked = 1,
                   .state = cluster::lane_state::draining,
                   .queue_bytes = 0,
                   .spool_rows = 3,
                   .spool_bytes = 123'456};
    other.retained_differences = 0;
    operator_member dead = member(3, member_state::dead);
    dead.row.profile.name = "küche";
    EXPECT_EQ(
        status_text(status_with({member(1, member_state::alive), other, dead})),
        "cluster home: 2 of 3 members alive, wire 1 to 1\n"
        "this node: serving clients, 4 kept sessions, 9 queued messages\n"
        "\n"
        "NAME   NODE              STATE             ADDRESS        BOOT  LINK    ROUND TRIP  CLOCK"
        "   HOMES  ROUTES  LANES         SPOOL      RETAINED\n"
        "node1  0000000000000001  alive, this node  10.0.0.1:7883  2/3   -       -           -    "
        "   85     7       -             -          -\n"
        "node2  0000000000000002  alive 2 min       10.0.0.2:7883  2/3   open    1.3 ms      -12 ms"
        "  85     7       draining 1/2  3, 123 kB  same\n"
        "küche  0000000000000003  dead 2 min        10.0.0.3:7883  2/3   closed  -           -    "
        "   85     7       -             0          -\n");
}

TEST(OperateText, WhoHasAnotherTableIsNamedWithBothRemedies) {
    operator_member other = member(2, member_state::alive);
    operator_status status = status_with({member(1, member_state::alive), other});
    EXPECT_EQ(status_text(status).find("table"), std::string::npos);
    status.members.back().has_another_table = true;
    status.misplaced_sessions = 3;
    const std::string text = status_text(status);
    EXPECT_NE(text.find("Another table of partitions: node2."), std::string::npos) << text;
    EXPECT_NE(text.find("cluster join --merge"), std::string::npos);
    EXPECT_NE(text.find("cluster join --discard"), std::string::npos);
    EXPECT_NE(text.find("4 kept sessions, 3 of them not at home, 9 queued"), std::string::npos);
    EXPECT_NE(status_json(status).find("\"another_table\":true"), std::string::npos);
}

TEST(OperateText, WhatIsHandedOverHasALineForEachNode) {
    operator_status status = status_with({member(1, member_state::alive)});
    status.handovers = {{.node = node_id{2},
                         .name = "node2",
                         .waiting = 3,
                         .under_way = 1,
                         .arriving = 2,
                         .sessions_left = 40,
                         .gone = 12,
                         .sessions_gone = 1,
                         .bytes_gone = 123'456},
                        {.node = node_id{3}, .name = "node3", .gone = 9}};
    status.held_up = "not all members are alive: node4 (dead)";
    status.homes = {node_id{1}, node_id{}};
    const std::string text = status_text(status);
    EXPECT_EQ(text.substr(text.find("\n\nto ") + 1),
              "\nto node2: 4 partitions with 40 sessions, 1 on their way; gone since the start: "
              "12 partitions with 1 session, 123 kB\n"
              "from node2: 2 partitions on their way here\n"
              "held up: not all members are alive: node4 (dead)\n");
    const std::string json = status_json(status);
    EXPECT_NE(json.find(R"("handovers":[{"node":"0000000000000002","name":"node2",)"
                        R"("partitions_waiting":3,"partitions_under_way":1,"sessions_left":40,)"
                        R"("partitions_gone":12,"sessions_gone":1,"bytes_gone":123456,)"
                        R"("partitions_arriving":2},)"),
              std::string::npos)
        << json;
    EXPECT_NE(json.find(R"x("held_up":"not all members are alive: node4 (dead)",)x"
                        R"x("homes":["0000000000000001",null])x"),
              std::string::npos)
        << json;
}

TEST(OperateText, WhatBecameOfSessionsIsCounted) {
    EXPECT_EQ(discard_text(status_with({})),
              "Discarding 4 kept sessions of this node with 9 queued messages.\n");
    const cluster::operator_join done{.found = {}, .failed = {}, .sessions = 1, .messages = 2};
    EXPECT_EQ(united_text(done, cluster::own_sessions::discard),
              "This node goes by the table of the others: 1 session with 2 queued messages "
              "discarded.\n");
    EXPECT_EQ(united_text(done, cluster::own_sessions::merge),
              "This node goes by the table of the others: 1 session handed over.\n");
}

TEST(OperateText, WhatAnotherNodeSaysSteersNoTerminal) {
    EXPECT_EQ(printable("k\u00fcche \\ \u6f22"), "k\u00fcche \\ \u6f22");
    EXPECT_EQ(printable("\x1b[2J\n\x7f"), "\\u001b[2J\\u000a\\u007f");
    EXPECT_EQ(printable("\xc2\x9b"
                        "2J"),
              "\\u009b2J");
    EXPECT_EQ(printable("\x9b"
                        "2J\xc3"),
              "\\x9b2J\\xc3");
    operator_member rogue = member(2, member_state::alive);
    rogue.row.profile.name = "a\x1b[2Jb\xc2\x9b";
    rogue.row.profile.peer_address = "c\x07:1";
    operator_status status = status_with({member(1, member_state::alive), rogue});
    status.cluster = "d\x1b";
    const auto is_clean = [](const std::string& text) {
        return text.find_first_of("\x1b\x07") == std::string::npos
               && text.find("\xc2\x9b") == std::string::npos;
    };
    EXPECT_TRUE(is_clean(status_text(status))) << status_text(status);
    EXPECT_TRUE(is_clean(status_json(status))) << status_json(status);
    EXPECT_NE(status_json(status).find("a\\u001b[2Jb\\u009b"), std::string::npos);
    const std::string name = rogue.row.profile.name;
    EXPECT_TRUE(
        is_clean(found_text({.place = name, .address = name, .node = node_id{1}, .name = name})));
    EXPECT_TRUE(is_clean(forget_text({.node = node_id{1}, .name = name})));
    EXPECT_TRUE(is_clean(leave_text(
        {.node = node_id{1}, .name = name, .cluster = name, .process = 1, .mark = name})));
    EXPECT_EQ(problem_text({.place = "p\x1b", .what = "w\n", .remedy = "r"}),
              "p\\u001b: w\\u000a; r\n");
}

TEST(OperateText, WholeIsAClusterWhoseMembersAreAllAlive) {
    const operator_member self = member(1, member_state::alive);
    EXPECT_TRUE(is_whole(status_with({self, member(2, member_state::alive)})));
    EXPECT_TRUE(is_whole(status_with({self, member(2, member_state::left)})));
    for (const member_state state :
         {member_state::remembered, member_state::suspect, member_state::dead}) {
        EXPECT_FALSE(is_whole(status_with({self, member(2, state)})));
    }
    operator_status forgotten = status_with({self});
    forgotten.is_forgotten = true;
    EXPECT_FALSE(is_whole(forgotten));
    EXPECT_NE(status_text(forgotten).find("forgotten this life of this node"), std::string::npos);
}

TEST(OperateText, JsonLeavesOutWhatIsNotKnown) {
    operator_member other = member(2, member_state::suspect);
    other.retained_differences = 5;
    EXPECT_EQ(
        status_json(status_with({member(1, member_state::alive), other})),
        R"({"cluster":"home","whole":false,"wire_min":1,"wire_max":1,"ready":true,)"
        R"("routes_ready":true,"retained_ready":true,"leaving":false,"forgotten":false,)"
        R"("kept_sessions":4,"misplaced_sessions":0,"queued_messages":9,"members":[)"
        R"({"name":"node1","node":"0000000000000001","state":"alive","self":true,"boot":2,)"
        R"("incarnation":3,"address":"10.0.0.1:7883","client_address":"","wire_min":1,)"
        R"("wire_max":1,"partitions":85,"another_table":false,"routes":7},)"
        R"({"name":"node2","node":"0000000000000002","state":"suspect","self":false,"boot":2,)"
        R"("incarnation":3,"address":"10.0.0.2:7883","client_address":"","wire_min":1,)"
        R"("wire_max":1,"partitions":85,"another_table":false,"routes":7,"state_seconds":1.25E2,"linked":false,)"
        R"("lanes":{"state":"live","lanes":0,"linked":0,"queue_bytes":0,"spool_messages":0,)"
        R"("spool_bytes":0},"retained_differences":5}],"handovers":[]})"
        "\n");
}

TEST(OperateText, OutcomesAreSentences) {
    EXPECT_EQ(found_text({.place = "b:1",
                          .address = "10.0.0.2:1",
                          .node = node_id{2},
                          .name = "node2",
                          .is_known_already = false}),
              "b:1: found node2 (0000000000000002) at 10.0.0.2:1\n");
    EXPECT_EQ(forget_text({.node = node_id{2}, .name = "node2", .was_forgotten_already = true}),
              "node2 (0000000000000002) was forgotten already.\n");
    EXPECT_EQ(
        leave_text(
            {.node = node_id{2}, .name = "node2", .cluster = "home", .process = 1, .mark = {}}),
        "node2 (0000000000000002) has left the cluster home, and its process has ended.\n");
}

} // namespace
} // namespace gv::server
