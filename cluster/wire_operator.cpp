// SPDX-License-Identifier: Apache-2.0
#include "cluster/wire_operator.hpp"

#include <proto/grapevine_operator.pb.h>

namespace gv::cluster {

namespace wire = grapevine::operate::v1;

namespace {

void encode(const problem& what, wire::Problem& out) {
    out.set_place(what.place);
    out.set_what(what.what);
    out.set_remedy(what.remedy);
}

[[nodiscard]] problem decode(const wire::Problem& in) {
    return {.place = in.place(), .what = in.what(), .remedy = in.remedy()};
}

// The states of a row follow each other as those of the wire do, one further.
[[nodiscard]] wire::State state_of(member_state state) {
    return static_cast<wire::State>(static_cast<int>(state) + 1);
}

[[nodiscard]] member_state state_of(wire::State state) {
    return state > wire::STATE_UNSPECIFIED && state <= wire::STATE_GONE
               ? static_cast<member_state>(static_cast<int>(state) - 1)
               : member_state::remembered;
}

[[nodiscard]] wire_range range_of(std::uint32_t min, std::uint32_t max) {
    return {.min = static_cast<std::uint16_t>(min), .max = static_cast<std::uint16_t>(max)};
}

void encode(const lane_summary& lanes, wire::Member& out) {
    out.set_lanes(static_cast<wire::Lanes>(lanes.state));
    out.set_lane_count(static_cast<std::uint32_t>(lanes.lanes));
    out.set_lanes_linked(static_cast<std::uint32_t>(lanes.linked));
    out.set_queue_bytes(lanes.queue_bytes);
    out.set_spool_rows(lanes.spool_rows);
    out.set_spool_bytes(lanes.spool_bytes);
}

[[nodiscard]] lane_summary lanes_of(const wire::Member& in) {
    return {.lanes = in.lane_count(),
            .linked = in.lanes_linked(),
            .state = in.lanes() == wire::LANES_SPOOLING   ? lane_state::spooling
                     : in.lanes() == wire::LANES_DRAINING ? lane_state::draining
                                                          : lane_state::live,
            .queue_bytes = in.queue_bytes(),
            .spool_rows = in.spool_rows(),
            .spool_bytes = in.spool_bytes()};
}

void encode(const operator_member& each, wire::Member& out) {
    using namespace std::chrono;
    out.set_node(each.row.node.value);
    out.set_boot(each.row.boot.value);
    out.set_incarnation(each.row.incarnation.value);
    out.set_state(state_of(each.row.state));
    out.set_name(each.row.profile.name);
    out.set_address(each.row.profile.peer_address);
    out.set_client_address(each.row.profile.client_address);
    out.set_wire_min(each.row.profile.wire.min);
    out.set_wire_max(each.row.profile.wire.max);
    out.set_is_self(each.is_self);
    out.set_since_ms(static_cast<std::uint64_t>(duration_cast<milliseconds>(each.since).count()));
    if (each.round_trip) {
        out.set_round_trip_us(
            static_cast<std::uint64_t>(duration_cast<microseconds>(*each.round_trip).count()));
    }
    if (each.clock_ahead) {
        out.set_clock_ahead_ms(each.clock_ahead->count());
    }
    out.set_is_linked(each.is_linked);
    out.set_routes(each.routes);
    out.set_partitions(each.partitions);
    out.set_has_another_table(each.has_another_table);
    encode(each.lanes, out);
    if (each.retained_differences) {
        out.set_retained_differences(*each.retained_differences);
    }
}

[[nodiscard]] operator_member decode(const wire::Member& in) {
    using namespace std::chrono;
    operator_member made{.row = {.node = node_id{in.node()},
                                 .boot = boot_id{in.boot()},
                                 .incarnation = incarnation_number{in.incarnation()},
                                 .state = state_of(in.state()),
                                 .accuser = {},
                                 .profile = {.name = in.name(),
                                             .peer_address = in.address(),
                                             .client_address = in.client_address(),
                                             .wire = range_of(in.wire_min(), in.wire_max())}},
                         .is_self = in.is_self(),
                         .since = milliseconds(static_cast<std::int64_t>(in.since_ms())),
                         .round_trip = {},
                         .clock_ahead = {},
                         .is_linked = in.is_linked(),
                         .routes = in.routes(),
                         .partitions = in.partitions(),
                         .has_another_table = in.has_another_table(),
                         .lanes = lanes_of(in),
                         .retained_differences = {}};
    if (in.has_round_trip_us()) {
        made.round_trip = microseconds(static_cast<std::int64_t>(in.round_trip_us()));
    }
    if (in.has_clock_ahead_ms()) {
        made.clock_ahead = milliseconds(in.clock_ahead_ms());
    }
    if (in.has_retained_differences()) {
        made.retained_differences = in.retained_differences();
    }
    return made;
}

void encode(const operator_handover& each, wire::Handover& out) {
    out.set_node(each.node.value);
    out.set_name(each.name);
    out.set_waiting(each.waiting);
    out.set_under_way(each.under_way);
    out.set_arriving(each.arriving);
    out.set_sessions_left(each.sessions_left);
    out.set_gone(each.gone);
    out.set_sessions_gone(each.sessions_gone);
    out.set_bytes_gone(each.bytes_gone);
}

[[nodiscard]] operator_handover decode(const wire::Handover& in) {
    return {.node = node_id{in.node()},
            .name = in.name(),
            .waiting = in.waiting(),
            .under_way = in.under_way(),
            .arriving = in.arriving(),
            .sessions_left = in.sessions_left(),
            .gone = in.gone(),
            .sessions_gone = in.sessions_gone(),
            .bytes_gone = in.bytes_gone()};
}

/// Encodes what is wrong, if something is. Returns whether something is.
template <typename Answer, typename Out>
[[nodiscard]] bool encode_problem(const result<Answer, problem>& answer, Out& out) {
    if (!answer) {
        encode(answer.error(), *out.mutable_problem());
    }
    return !answer;
}

} // namespace

void encode(const result<operator_status, problem>& answer, wire::StatusAnswer& out) {
    if (encode_problem(answer, out)) {
        return;
    }
    out.set_cluster(answer->cluster);
    out.set_wire_min(answer->wire.min);
    out.set_wire_max(answer->wire.max);
    out.set_is_ready(answer->is_ready);
    out.set_has_routes(answer->has_routes);
    out.set_has_retained(answer->has_retained);
    out.set_is_leaving(answer->is_leaving);
    out.set_is_forgotten(answer->is_forgotten);
    out.set_kept_sessions(answer->kept_sessions);
    out.set_misplaced_sessions(answer->misplaced_sessions);
    out.set_queued_messages(answer->queued_messages);
    for (const operator_member& each : answer->members) {
        encode(each, *out.add_members());
    }
    for (const operator_handover& each : answer->handovers) {
        encode(each, *out.add_handovers());
    }
    out.set_held_up(answer->held_up);
    for (const node_id each : answer->homes) {
        out.add_homes(each.value);
    }
}

result<operator_status, problem> decode(const wire::StatusAnswer& in) {
    if (in.has_problem()) {
        return failure(decode(in.problem()));
    }
    operator_status made{.cluster = in.cluster(),
                         .wire = range_of(in.wire_min(), in.wire_max()),
                         .is_ready = in.is_ready(),
                         .has_routes = in.has_routes(),
                         .has_retained = in.has_retained(),
                         .is_leaving = in.is_leaving(),
                         .is_forgotten = in.is_forgotten(),
                         .kept_sessions = in.kept_sessions(),
                         .misplaced_sessions = in.misplaced_sessions(),
                         .queued_messages = in.queued_messages(),
                         .members = {},
                         .handovers = {},
                         .held_up = in.held_up(),
                         .homes = {}};
    for (const wire::Member& each : in.members()) {
        made.members.push_back(decode(each));
    }
    for (const wire::Handover& each : in.handovers()) {
        made.handovers.push_back(decode(each));
    }
    for (const std::uint64_t each : in.homes()) {
        made.homes.emplace_back(each);
    }
    return made;
}

void encode(const result<operator_join, problem>& answer, wire::JoinAnswer& out) {
    if (encode_problem(answer, out)) {
        return;
    }
    for (const operator_found& each : answer->found) {
        wire::Found& found = *out.add_found();
        found.set_place(each.place);
        found.set_address(each.address);
        found.set_node(each.node.value);
        found.set_name(each.name);
        found.set_is_known_already(each.is_known_already);
    }
    for (const problem& each : answer->failed) {
        encode(each, *out.add_failed());
    }
    out.set_sessions(answer->sessions);
    out.set_messages(answer->messages);
}

result<operator_join, problem> decode(const wire::JoinAnswer& in) {
    if (in.has_problem()) {
        return failure(decode(in.problem()));
    }
    operator_join made;
    for (const wire::Found& each : in.found()) {
        made.found.push_back({.place = each.place(),
                              .address = each.address(),
                              .node = node_id{each.node()},
                              .name = each.name(),
                              .is_known_already = each.is_known_already()});
    }
    for (const wire::Problem& each : in.failed()) {
        made.failed.push_back(decode(each));
    }
    made.sessions = in.sessions();
    made.messages = in.messages();
    return made;
}

// Both count alike.
void encode(const operator_join_request& asked, wire::JoinRequest& out) {
    for (const std::string& each : asked.places) {
        out.add_places(each);
    }
    out.set_own_sessions(static_cast<wire::OwnSessions>(asked.sessions));
}

operator_join_request decode(const wire::JoinRequest& in) {
    return {.places = {in.places().begin(), in.places().end()},
            .sessions = in.own_sessions() == wire::OWN_SESSIONS_MERGE     ? own_sessions::merge
                        : in.own_sessions() == wire::OWN_SESSIONS_DISCARD ? own_sessions::discard
                                                                          : own_sessions::stay};
}

void encode(const result<operator_leave, problem>& answer, wire::LeaveAnswer& out) {
    if (encode_problem(answer, out)) {
        return;
    }
    out.set_node(answer->node.value);
    out.set_name(answer->name);
    out.set_cluster(answer->cluster);
    out.set_process(answer->process);
    out.set_mark(answer->mark);
}

result<operator_leave, problem> decode(const wire::LeaveAnswer& in) {
    if (in.has_problem()) {
        return failure(decode(in.problem()));
    }
    return operator_leave{.node = node_id{in.node()},
                          .name = in.name(),
                          .cluster = in.cluster(),
                          .process = in.process(),
                          .mark = in.mark()};
}

void encode(const result<operator_forget, problem>& answer, wire::ForgetAnswer& out) {
    if (encode_problem(answer, out)) {
        return;
    }
    out.set_node(answer->node.value);
    out.set_name(answer->name);
    out.set_was_forgotten_already(answer->was_forgotten_already);
}

result<operator_forget, problem> decode(const wire::ForgetAnswer& in) {
    if (in.has_problem()) {
        return failure(decode(in.problem()));
    }
    return operator_forget{.node = node_id{in.node()},
                           .name = in.name(),
                           .was_forgotten_already = in.was_forgotten_already()};
}

} // namespace gv::cluster
