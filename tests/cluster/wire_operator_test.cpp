// SPDX-License-Identifier: Apache-2.0
#include "cluster/wire_operator.hpp"

#include <gtest/gtest.h>
#include <proto/grapevine_operator.pb.h>

namespace gv::cluster {
namespace {

namespace wire = grapevine::operate::v1;

template <typename Out, typename Answer>
[[nodiscard]] result<Answer, problem> through(const result<Answer, problem>& answer) {
    Out out;
    encode(answer, out);
    Out read;
    EXPECT_TRUE(read.ParseFromString(out.SerializeAsString()));
    return decode(read);
}

const problem wrong{.place = "a", .what = "b", .remedy = "c"};

TEST(WireOperator, AStatusHasAllItsFields) {
    operator_member other{.row = {.node = node_id{~0ULL},
                                  .boot = boot_id{7},
                                  .incarnation = incarnation_number{8},
                                  .state = member_state::suspect,
                                  .accuser = {},
                                  .profile = {.name = "n",
                                              .peer_address = "p:1",
                                              .client_address = "c:2",
                                              .wire = {.min = 3, .max = 4}}},
                          .is_self = false,
                          .since = 1'500ms,
                          .round_trip = 250us,
                          .clock_ahead = std::chrono::milliseconds(-9),
                          .is_linked = true,
                          .routes = 11,
                          .partitions = 16,
                          .has_another_table = true,
                          .lanes = {.lanes = 4,
                                    .linked = 3,
                                    .state = lane_state::draining,
                                    .queue_bytes = 12,
                                    .spool_rows = 13,
                                    .spool_bytes = 14},
                          .retained_differences = 15};
    operator_member bare{.row = {}, .is_self = true};
    bare.row.state = member_state::remembered;
    const operator_status sent{.cluster = "home",
                               .wire = {.min = 1, .max = 2},
                               .is_ready = true,
                               .has_routes = true,
                               .has_retained = true,
                               .is_leaving = true,
                               .is_forgotten = true,
                               .kept_sessions = 5,
                               .misplaced_sessions = 4,
                               .queued_messages = 6,
                               .members = {other, bare},
                               .handovers = {{.node = node_id{5},
                                              .name = "h",
                                              .waiting = 1,
                                              .under_way = 2,
                                              .arriving = 3,
                                              .sessions_left = 4,
                                              .gone = 5,
                                              .sessions_gone = 6,
                                              .bytes_gone = 7}},
                               .held_up = "why",
                               .homes = {node_id{0}, node_id{~0ULL}}};
    const auto got = through<wire::StatusAnswer>(result<operator_status, problem>(sent));
    ASSERT_TRUE(got);
    EXPECT_EQ(got->cluster, "home");
    EXPECT_EQ(got->wire, sent.wire);
    EXPECT_TRUE(got->is_ready && got->has_routes && got->has_retained && got->is_leaving
                && got->is_forgotten);
    EXPECT_EQ(got->kept_sessions, 5U);
    EXPECT_EQ(got->misplaced_sessions, 4U);
    EXPECT_EQ(got->queued_messages, 6U);
    EXPECT_EQ(got->handovers, sent.handovers);
    EXPECT_EQ(got->held_up, "why");
    EXPECT_EQ(got->homes, sent.homes);
    ASSERT_EQ(got->members.size(), 2U);
    const operator_member& read = got->members.front();
    EXPECT_EQ(read.row, other.row);
    EXPECT_EQ(read.since, other.since);
    EXPECT_EQ(read.round_trip, other.round_trip);
    EXPECT_EQ(read.clock_ahead, other.clock_ahead);
    EXPECT_TRUE(read.is_linked);
    EXPECT_EQ(read.routes, 11U);
    EXPECT_EQ(read.partitions, 16U);
    EXPECT_TRUE(read.has_another_table && !got->members.back().has_another_table);
    EXPECT_EQ(read.lanes.lanes, 4U);
    EXPECT_EQ(read.lanes.linked, 3U);
    EXPECT_EQ(read.lanes.state, lane_state::draining);
    EXPECT_EQ(read.lanes.queue_bytes, 12U);
    EXPECT_EQ(read.lanes.spool_rows, 13U);
    EXPECT_EQ(read.lanes.spool_bytes, 14U);
    EXPECT_EQ(read.retained_differences, 15U);
    EXPECT_TRUE(got->members.back().is_self);
    EXPECT_FALSE(got->members.back().round_trip || got->members.back().clock_ahead
                 || got->members.back().retained_differences);
}

TEST(WireOperator, EveryStateIsReadAgain) {
    for (std::size_t state = 0; state < member_state_names.size(); ++state) {
        operator_member each;
        each.row.state = static_cast<member_state>(state);
        operator_status sent;
        sent.members = {each};
        const auto got = through<wire::StatusAnswer>(result<operator_status, problem>(sent));
        EXPECT_EQ(got.value().members.front().row.state, each.row.state);
    }
}

TEST(WireOperator, OutcomesAreReadAgain) {
    const auto joined = through<wire::JoinAnswer>(
        result<operator_join, problem>(operator_join{.found = {{.place = "p",
                                                                .address = "a",
                                                                .node = node_id{3},
                                                                .name = "n",
                                                                .is_known_already = true}},
                                                     .failed = {wrong},
                                                     .sessions = 8,
                                                     .messages = 9}));
    ASSERT_EQ(joined.value().found.size(), 1U);
    EXPECT_EQ(joined->found.front().place, "p");
    EXPECT_EQ(joined->found.front().address, "a");
    EXPECT_EQ(joined->found.front().node, node_id{3});
    EXPECT_TRUE(joined->found.front().is_known_already);
    EXPECT_EQ(joined->failed, std::vector{wrong});
    EXPECT_EQ(joined->sessions, 8U);
    EXPECT_EQ(joined->messages, 9U);
    const auto left = through<wire::LeaveAnswer>(result<operator_leave, problem>(operator_leave{
        .node = node_id{3}, .name = "n", .cluster = "c", .process = 77, .mark = "m"}));
    EXPECT_EQ(left.value().process, 77);
    EXPECT_EQ(left->mark, "m");
    const auto forgot = through<wire::ForgetAnswer>(result<operator_forget, problem>(
        operator_forget{.node = node_id{3}, .name = "n", .was_forgotten_already = true}));
    EXPECT_TRUE(forgot.value().was_forgotten_already);
}

TEST(WireOperator, WhatBecomesOfSessionsIsReadAgain) {
    for (const own_sessions each :
         {own_sessions::stay, own_sessions::merge, own_sessions::discard}) {
        wire::JoinRequest out;
        encode({.places = {"a:1", "b:2"}, .sessions = each}, out);
        const operator_join_request read = decode(out);
        EXPECT_EQ(read.sessions, each);
        EXPECT_EQ(read.places, (std::vector<std::string>{"a:1", "b:2"}));
    }
    wire::JoinRequest newer;
    newer.set_own_sessions(static_cast<wire::OwnSessions>(7));
    EXPECT_EQ(decode(newer).sessions, own_sessions::stay) << "what is not known destroys nothing";
}

TEST(WireOperator, AProblemIsOneToo) {
    EXPECT_EQ(through<wire::StatusAnswer>(result<operator_status, problem>(failure(wrong))).error(),
              wrong);
    EXPECT_EQ(through<wire::JoinAnswer>(result<operator_join, problem>(failure(wrong))).error(),
              wrong);
    EXPECT_EQ(through<wire::LeaveAnswer>(result<operator_leave, problem>(failure(wrong))).error(),
              wrong);
    EXPECT_EQ(through<wire::ForgetAnswer>(result<operator_forget, problem>(failure(wrong))).error(),
              wrong);
}

} // namespace
} // namespace gv::cluster
