// SPDX-License-Identifier: Apache-2.0
#include "broker/server/operate_text.hpp"

#include "broker/mqtt/utf8.hpp"
#include "broker/server/cluster_status.hpp"
#include "broker/server/seed_place.hpp"
#include "broker/server/validate.hpp"
#include "broker/server/value_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <cstdio>

namespace gv::server {

namespace {

using cluster::lane_state;
using cluster::operator_member;
using cluster::operator_status;
using cells = std::vector<std::string>;

constexpr std::array<std::string_view, 3> lane_names{"live", "spooling", "draining"};

[[nodiscard]] std::string_view name_of(cluster::member_state state) {
    return cluster::member_state_names[static_cast<std::size_t>(state)];
}

[[nodiscard]] std::string_view name_of(lane_state state) {
    return lane_names[static_cast<std::size_t>(state)];
}

[[nodiscard]] double milliseconds(duration span) {
    return std::chrono::duration<double, std::milli>(span).count();
}

[[nodiscard]] std::string one_decimal(double number, const char* unit) {
    char text[64];
    std::snprintf(text, sizeof text, "%.1f%s", number, unit);
    return text;
}

/// A line of a person's age: "3 s", "12 min", "5 h", "9 d".
[[nodiscard]] std::string age_text(duration span) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(span).count();
    constexpr std::array<std::pair<std::int64_t, const char*>, 3> units{
        {{86'400, " d"}, {3'600, " h"}, {60, " min"}}};
    for (const auto& [size, unit] : units) {
        if (seconds >= 2 * size) {
            return std::to_string(seconds / size) + unit;
        }
    }
    return std::to_string(seconds) + " s";
}

[[nodiscard]] std::string count_of(std::uint64_t count, const char* what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

/// Who has another table, and what a person can do about it; or nothing.
[[nodiscard]] std::string tables_text(const operator_status& status) {
    std::string names;
    for (const operator_member& each : status.members) {
        if (each.has_another_table) {
            names += (names.empty() ? "" : ", ") + printable(each.row.profile.name);
        }
    }
    return names.empty() ? names
                         : "\nAnother table of partitions: " + names
                               + ". Sessions by one are not found by the other. On the node "
                                 "whose sessions\nare to go over to the others run `grapevine "
                                 "cluster join --merge`, or where they are to be\nerased "
                                 "`grapevine cluster join --discard`.\n";
}

[[nodiscard]] std::string bytes_text(std::uint64_t bytes) {
    return bytes < 10'000       ? std::to_string(bytes) + " B"
           : bytes < 10'000'000 ? std::to_string(bytes / 1'000) + " kB"
                                : std::to_string(bytes / 1'000'000) + " MB";
}

/// What is under way, a line for each other node, and what holds it up; or nothing.
[[nodiscard]] std::string handovers_text(const operator_status& status) {
    std::string text;
    for (const cluster::operator_handover& each : status.handovers) {
        if (each.waiting + each.under_way > 0) {
            text += "to " + printable(each.name) + ": "
                    + count_of(each.waiting + each.under_way, "partition") + " with "
                    + count_of(each.sessions_left, "session") + ", "
                    + std::to_string(each.under_way)
                    + " on their way; gone since the start: " + count_of(each.gone, "partition")
                    + " with " + count_of(each.sessions_gone, "session") + ", "
                    + bytes_text(each.bytes_gone) + "\n";
        }
        if (each.arriving > 0) {
            text += "from " + printable(each.name) + ": " + count_of(each.arriving, "partition")
                    + " on their way here\n";
        }
    }
    if (!status.held_up.empty()) {
        text += "held up: " + printable(status.held_up) + "\n";
    }
    return text.empty() ? text : "\n" + text;
}

[[nodiscard]] boost::json::object json_of(const cluster::operator_handover& each) {
    return {{"node", hex(each.node)},
            {"name", each.name},
            {"partitions_waiting", each.waiting},
            {"partitions_under_way", each.under_way},
            {"sessions_left", each.sessions_left},
            {"partitions_gone", each.gone},
            {"sessions_gone", each.sessions_gone},
            {"bytes_gone", each.bytes_gone},
            {"partitions_arriving", each.arriving}};
}

[[nodiscard]] std::string escaped(const char* kind, unsigned char byte) {
    char text[8];
    std::snprintf(text, sizeof text, "%s%02x", kind, byte);
    return text;
}

[[nodiscard]] std::string lanes_text(const cluster::lane_summary& lanes) {
    if (lanes.lanes == 0) {
        return "-";
    }
    return std::string(name_of(lanes.state)) + " " + std::to_string(lanes.linked) + "/"
           + std::to_string(lanes.lanes);
}

[[nodiscard]] std::string retained_text(const std::optional<std::uint64_t>& differences) {
    if (!differences) {
        return "-";
    }
    return *differences == 0 ? "same" : "differs";
}

[[nodiscard]] cells row_of(const operator_member& each) {
    if (each.is_self) {
        return {printable(each.row.profile.name),
                hex(each.row.node),
                std::string(name_of(each.row.state)) + ", this node",
                printable(each.row.profile.peer_address),
                std::to_string(each.row.boot.value) + "/"
                    + std::to_string(each.row.incarnation.value),
                "-",
                "-",
                "-",
                std::to_string(each.partitions),
                std::to_string(each.routes),
                "-",
                "-",
                "-"};
    }
    return {printable(each.row.profile.name),
            hex(each.row.node),
            std::string(name_of(each.row.state)) + " " + age_text(each.since),
            printable(each.row.profile.peer_address),
            std::to_string(each.row.boot.value) + "/" + std::to_string(each.row.incarnation.value),
            each.is_linked ? "open" : "closed",
            each.round_trip ? one_decimal(milliseconds(*each.round_trip), " ms") : "-",
            each.clock_ahead ? std::to_string(each.clock_ahead->count()) + " ms" : "-",
            std::to_string(each.partitions),
            std::to_string(each.routes),
            lanes_text(each.lanes),
            each.lanes.spool_rows == 0
                ? "0"
                : std::to_string(each.lanes.spool_rows) + ", " + bytes_text(each.lanes.spool_bytes),
            retained_text(each.retained_differences)};
}

/// Characters, not bytes; names may have others than ASCII.
[[nodiscard]] std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char each) { return (static_cast<unsigned char>(each) & 0xc0U) != 0x80U; }));
}

[[nodiscard]] std::string table_text(const std::vector<cells>& rows) {
    std::vector<std::size_t> widths(rows.front().size());
    for (const cells& row : rows) {
        for (std::size_t column = 0; column < row.size(); ++column) {
            widths[column] = std::max(widths[column], width_of(row[column]));
        }
    }
    std::string text;
    for (const cells& row : rows) {
        for (std::size_t column = 0; column < row.size(); ++column) {
            const bool is_last = column + 1 == row.size();
            text += row[column];
            text += is_last ? "\n" : std::string(widths[column] - width_of(row[column]) + 2, ' ');
        }
    }
    return text;
}

[[nodiscard]] std::string_view standing_of(const operator_status& status) {
    return status.is_forgotten ? "the cluster has forgotten this life of this node: restart it"
           : status.is_leaving ? "leaving"
           : !status.is_ready  ? "starting"
           : status.has_routes && status.has_retained
               ? "serving clients"
               : "serving clients, without all that others have";
}

[[nodiscard]] boost::json::object json_of(const operator_member& each) {
    boost::json::object made{{"name", each.row.profile.name},
                             {"node", hex(each.row.node)},
                             {"state", name_of(each.row.state)},
                             {"self", each.is_self},
                             {"boot", each.row.boot.value},
                             {"incarnation", each.row.incarnation.value},
                             {"address", each.row.profile.peer_address},
                             {"client_address", each.row.profile.client_address},
                             {"wire_min", each.row.profile.wire.min},
                             {"wire_max", each.row.profile.wire.max},
                             {"partitions", each.partitions},
                             {"another_table", each.has_another_table},
                             {"routes", each.routes}};
    if (each.is_self) {
        return made;
    }
    made["state_seconds"] = std::chrono::duration<double>(each.since).count();
    made["linked"] = each.is_linked;
    made["lanes"] = boost::json::object{{"state", name_of(each.lanes.state)},
                                        {"lanes", each.lanes.lanes},
                                        {"linked", each.lanes.linked},
                                        {"queue_bytes", each.lanes.queue_bytes},
                                        {"spool_messages", each.lanes.spool_rows},
                                        {"spool_bytes", each.lanes.spool_bytes}};
    if (each.round_trip) {
        made["round_trip_ms"] = milliseconds(*each.round_trip);
    }
    if (each.clock_ahead) {
        made["clock_ahead_ms"] = each.clock_ahead->count();
    }
    if (each.retained_differences) {
        made["retained_differences"] = *each.retained_differences;
    }
    return made;
}

} // namespace

std::string printable(std::string_view text) {
    const bool is_utf8 = mqtt::is_valid_utf8(text);
    std::string shown;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const auto byte = static_cast<unsigned char>(text[at]);
        const auto next = static_cast<unsigned char>(at + 1 < text.size() ? text[at + 1] : 0);
        if (byte < 0x20 || byte == 0x7f) {
            shown += escaped("\\u00", byte);
        } else if (is_utf8 && byte == 0xc2 && next < 0xa0) { // U+0080 to U+009F
            shown += escaped("\\u00", next);
            ++at;
        } else if (!is_utf8 && byte >= 0x80) {
            shown += escaped("\\x", byte);
        } else {
            shown += text[at];
        }
    }
    return shown;
}

bool is_whole(const operator_status& status) {
    return !status.is_forgotten && !status.is_leaving
           && std::ranges::all_of(status.members, [](const operator_member& each) {
                  return !cluster::is_registered(each.row.state)
                         || each.row.state == cluster::member_state::alive;
              });
}

std::string status_text(const operator_status& status) {
    const auto alive =
        std::ranges::count(status.members, cluster::member_state::alive,
                           [](const operator_member& each) { return each.row.state; });
    const auto registered = std::ranges::count_if(status.members, [](const operator_member& each) {
        return cluster::is_registered(each.row.state);
    });
    std::string text = "cluster " + printable(status.cluster) + ": " + std::to_string(alive)
                       + " of " + std::to_string(registered) + " members alive, wire "
                       + std::to_string(status.wire.min) + " to " + std::to_string(status.wire.max)
                       + "\n";
    text += "this node: " + std::string(standing_of(status)) + ", "
            + std::to_string(status.kept_sessions) + " kept sessions, "
            + (status.misplaced_sessions == 0
                   ? ""
                   : std::to_string(status.misplaced_sessions) + " of them not at home, ")
            + std::to_string(status.queued_messages) + " queued messages\n\n";
    std::vector<cells> rows{{"NAME", "NODE", "STATE", "ADDRESS", "BOOT", "LINK", "ROUND TRIP",
                             "CLOCK", "HOMES", "ROUTES", "LANES", "SPOOL", "RETAINED"}};
    for (const operator_member& each : status.members) {
        rows.push_back(row_of(each));
    }
    return text + table_text(rows) + handovers_text(status) + tables_text(status);
}

std::string status_json(const operator_status& status) {
    boost::json::array members;
    for (const operator_member& each : status.members) {
        members.push_back(json_of(each));
    }
    boost::json::object made{{"cluster", status.cluster},
                             {"whole", is_whole(status)},
                             {"wire_min", status.wire.min},
                             {"wire_max", status.wire.max},
                             {"ready", status.is_ready},
                             {"routes_ready", status.has_routes},
                             {"retained_ready", status.has_retained},
                             {"leaving", status.is_leaving},
                             {"forgotten", status.is_forgotten},
                             {"kept_sessions", status.kept_sessions},
                             {"misplaced_sessions", status.misplaced_sessions},
                             {"queued_messages", status.queued_messages},
                             {"members", std::move(members)}};
    boost::json::array handovers;
    for (const cluster::operator_handover& each : status.handovers) {
        handovers.push_back(json_of(each));
    }
    made["handovers"] = std::move(handovers);
    if (!status.held_up.empty()) {
        made["held_up"] = status.held_up;
    }
    boost::json::array homes;
    for (const node_id each : status.homes) {
        homes.push_back(each == node_id{} ? boost::json::value() : boost::json::value(hex(each)));
    }
    if (!homes.empty()) {
        made["homes"] = std::move(homes);
    }
    return printable(boost::json::serialize(made)) + "\n";
}

std::string problem_text(const problem& wrong) {
    return printable(wrong.place + ": " + wrong.what + "; " + wrong.remedy) + "\n";
}

std::string found_text(const cluster::operator_found& found) {
    return printable(found.place + ": " + (found.is_known_already ? "is there already: " : "found ")
                     + found.name + " (" + hex(found.node) + ") at " + found.address)
           + "\n";
}

std::string discard_text(const operator_status& before) {
    return "Discarding " + count_of(before.kept_sessions, "kept session") + " of this node with "
           + count_of(before.queued_messages, "queued message") + ".\n";
}

std::string united_text(const cluster::operator_join& done, cluster::own_sessions what) {
    const std::string goes_by = "This node goes by the table of the others: ";
    if (what == cluster::own_sessions::discard) {
        return goes_by + count_of(done.sessions, "session") + " with "
               + count_of(done.messages, "queued message") + " discarded.\n";
    }
    return goes_by + count_of(done.sessions, "session") + " handed over.\n";
}

std::string leave_text(const cluster::operator_leave& left) {
    std::string text = printable(left.name + " (" + hex(left.node) + ") has left the cluster "
                                 + left.cluster + ", and its process has ended.")
                       + "\n";
    if (!left.mark.empty()) {
        text += printable("It does not join again as long as " + left.mark + " is there.") + "\n";
    }
    return text;
}

std::string drain_text(const cluster::operator_leave& drained) {
    return printable(drained.name + " (" + hex(drained.node) + ") is drained, and its process has "
                     + "ended. It remains a member of the cluster " + drained.cluster + ".")
           + "\n";
}

std::string forget_text(const cluster::operator_forget& forgotten) {
    return printable(
               forgotten.name + " (" + hex(forgotten.node) + ") "
               + (forgotten.was_forgotten_already ? "was forgotten already." : "is forgotten."))
           + "\n";
}

std::string setup_text(const cluster_setup& made, std::string_view what, std::string_view next) {
    return printable("Node \"" + made.who.name + "\" (" + hex(made.who.node) + ") "
                     + std::string(what) + " \"" + made.who.cluster + "\".")
           + "\n  folder       " + printable(made.folder) + "\n  authority    sha256 "
           + made.authority + "\n  good until   " + cluster::date_text(made.until) + "\n"
           + std::string(next);
}

std::string token_hint(const cluster::join_token& token) {
    const auto place = parse_seed(token.address);
    const bool is_local = place && (place->host == "localhost" || is_loopback(place->host));
    return "Good for one node until " + cluster::date_text(token.until)
           + ". There: grapevine cluster join --token TOKEN\n"
           + (is_local ? "It names " + token.address
                             + ", which only this machine reaches: see cluster.bind, "
                               "cluster.advertise and --address\n"
                       : std::string());
}

} // namespace gv::server
