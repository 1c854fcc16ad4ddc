// SPDX-License-Identifier: Apache-2.0
#include "broker/server/cluster_status.hpp"

#include <algorithm>
#include <cstdio>

namespace gv::server {

namespace {

using cluster::member_row;
using cluster::member_state;

[[nodiscard]] std::uint32_t partitions_of(const cluster::cluster_node& node, node_id home) {
    return static_cast<std::uint32_t>(node.partitions().table().count(home));
}

[[nodiscard]] cluster::operator_member member_of(const cluster::cluster_node& node,
                                                 const cluster::member& of,
                                                 const status_sources& from, time_point now) {
    const bool is_live = of.is_live();
    const auto lanes = from.lanes.find(of.row.node);
    cluster::operator_member made{
        .row = of.row,
        .is_self = false,
        .since = now - of.since,
        .round_trip = is_live ? of.round_trip : std::nullopt,
        .clock_ahead = is_live ? std::optional(of.clock_ahead) : std::nullopt,
        .is_linked = is_live && from.is_linked(of.row.node),
        .routes = node.routes_of(of.row.node),
        .partitions = partitions_of(node, of.row.node),
        .has_another_table = node.partitions().goes_by_another(of.row.node),
        .lanes = lanes != from.lanes.end() ? lanes->second : cluster::lane_summary{},
        .retained_differences = {}};
    if (is_live) {
        made.retained_differences = node.retained().differences(of.row.node);
    }
    return made;
}

[[nodiscard]] std::string described(const member_row& row) {
    return hex(row.node) + " (" + row.profile.peer_address + ")";
}

[[nodiscard]] problem live_problem(const member_row& row) {
    return {.place = row.profile.name,
            .what = "the node " + described(row) + " is "
                    + std::string(cluster::member_state_names[static_cast<std::size_t>(row.state)]),
            .remedy = "only a node that is not there any more can be forgotten: stop it, or let it "
                      "leave with `grapevine cluster leave` on its machine"};
}

[[nodiscard]] problem several_problem(const std::string& which,
                                      const std::vector<member_row>& all) {
    std::string ids;
    for (const member_row& each : all) {
        ids += (ids.empty() ? "" : ", ") + described(each);
    }
    return {.place = which,
            .what = "several nodes that are not there have this name: " + ids,
            .remedy = "give the node id"};
}

} // namespace

std::string hex(node_id node) {
    char text[17] = {};
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(node.value));
    return text;
}

std::vector<cluster::operator_member> members_of(const cluster::cluster_node& node,
                                                 const status_sources& from, time_point now) {
    std::vector<cluster::operator_member> all;
    for (const auto& [id, each] : node.members().members()) {
        if (each.row.state != member_state::gone) {
            all.push_back(member_of(node, each, from, now));
        }
    }
    std::ranges::sort(all, {}, [](const cluster::operator_member& each) {
        return std::pair(each.row.profile.name, each.row.node);
    });
    const member_row& self = node.members().self();
    all.insert(all.begin(), {.row = self,
                             .is_self = true,
                             .since = {},
                             .round_trip = {},
                             .clock_ahead = {},
                             .is_linked = false,
                             .routes = node.routes_of(self.node),
                             .partitions = partitions_of(node, self.node),
                             .has_another_table = false,
                             .lanes = {},
                             .retained_differences = {}});
    return all;
}

std::string members_away(const cluster::membership& members) {
    std::string names;
    for (const auto& [id, each] : members.members()) {
        const member_state state = each.row.state;
        if (cluster::is_registered(state) && state != member_state::alive) {
            names += (names.empty() ? "" : ", ") + each.row.profile.name + " ("
                     + std::string(cluster::member_state_names[static_cast<std::size_t>(state)])
                     + ")";
        }
    }
    return names;
}

void add_handovers(const cluster::cluster_node& node, const shard::handover_state& now,
                   cluster::operator_status& to) {
    std::size_t left = 0;
    for (const auto& [id, each] : now.by_node) {
        const cluster::member* known = node.members().members().find(id);
        left += each.waiting + each.under_way;
        to.handovers.push_back({.node = id,
                                .name = known != nullptr ? known->row.profile.name : hex(id),
                                .waiting = static_cast<std::uint32_t>(each.waiting),
                                .under_way = static_cast<std::uint32_t>(each.under_way),
                                .arriving = static_cast<std::uint32_t>(each.arriving),
                                .sessions_left = each.sessions,
                                .gone = each.done.handed_over,
                                .sessions_gone = each.done.sessions,
                                .bytes_gone = each.done.bytes});
    }
    const std::string away = members_away(node.members());
    if (left > 0 && !away.empty()) {
        to.held_up = "not all members are alive: " + away;
    } else if (left > 0 && !now.stopped.empty()) {
        to.held_up = "the last one was stopped, and is begun anew: " + now.stopped;
    }
    const cluster::partition_table& table = node.partitions().table();
    if (table.founding().is_there()) {
        for (std::uint16_t each = 0; each < partition_count; ++each) {
            to.homes.push_back(table.at(partition_id{each}).home);
        }
    }
}

result<member_row, problem> find_to_forget(const cluster::membership& members,
                                           const std::string& which) {
    const member_row& self = members.self();
    if (which == hex(self.node)) {
        return failure(problem{.place = which,
                               .what = "that is this node itself",
                               .remedy = "use `grapevine cluster leave`"});
    }
    std::vector<member_row> live;
    std::vector<member_row> away;
    std::vector<member_row> forgotten;
    for (const auto& [id, each] : members.members()) {
        if (which == hex(id) || which == each.row.profile.name) {
            (each.is_live()                         ? live
             : each.row.state == member_state::gone ? forgotten
                                                    : away)
                .push_back(each.row);
        }
    }
    if (away.size() == 1) {
        return away.front();
    }
    if (!away.empty()) {
        return failure(several_problem(which, away));
    }
    if (!live.empty()) {
        return failure(live_problem(live.front()));
    }
    if (which == self.profile.name) {
        return failure(problem{.place = which,
                               .what = "that is this node itself",
                               .remedy = "use `grapevine cluster leave`"});
    }
    if (!forgotten.empty()) {
        return forgotten.front();
    }
    return failure(problem{.place = which,
                           .what = "no member has this name or node id",
                           .remedy = "see `grapevine cluster status`"});
}

} // namespace gv::server
