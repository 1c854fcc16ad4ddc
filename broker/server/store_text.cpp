// SPDX-License-Identifier: Apache-2.0
#include "broker/server/store_text.hpp"

#include <cstdarg>
#include <cstdio>

namespace gv::server {

namespace {

using storage::table;
using storage::table_report;

[[gnu::format(printf, 2, 3)]] void add(std::string& out, const char* format, ...) {
    char line[512];
    std::va_list values;
    va_start(values, format);
    const int size = std::vsnprintf(line, sizeof line, format, values);
    va_end(values);
    out.append(line, std::min(static_cast<std::size_t>(size), sizeof line - 1)).append("\n");
}

void add_table(std::string& out, table which, const table_report& each) {
    add(out, "%-15s %12zu %15llu %8zu %8zu %9zu%s", std::string(name_of(which)).c_str(), each.rows,
        static_cast<unsigned long long>(each.bytes), each.broken, each.stray, each.without_body,
        each.is_readable ? "" : "  not readable to the end");
    for (const std::string& example : each.examples) {
        out.append("  ").append(example).append("\n");
    }
}

void add_leftovers(std::string& out, const storage::row_check& found) {
    std::size_t stray = 0;
    for (const table_report& each : found.tables) {
        stray += each.stray;
    }
    if (found.node && found.node->schema > storage::schema) {
        add(out, "A broker refuses it: it was written by a newer version (schema %u).",
            found.node->schema);
    } else if (stray > 0 || found.buckets_unused > 0) {
        add(out, "A start removes %zu stray rows and %zu unused buckets.", stray,
            found.buckets_unused);
    }
}

void add_files(std::string& out, const storage::inspection& found) {
    if (found.damaged.empty()) {
        out.append("files: checksums agree\n");
    } else {
        add(out, "files: %zu damaged", found.damaged.size());
    }
    for (const storage::damaged_file& each : found.damaged) {
        add(out, "  %s: %s%s", each.name.c_str(), each.problem.c_str(),
            each.is_usable ? " (the rest of it can be read)" : "");
    }
    if (found.lost_operations > 0) {
        add(out, "  acknowledged operations that are in no file: %llu",
            static_cast<unsigned long long>(found.lost_operations));
    }
    if (found.mark) {
        add(out, "mark: synced up to operation %llu, in life %u",
            static_cast<unsigned long long>(found.mark->sequence), found.mark->boot.value);
    } else {
        out.append(found.lacks_mark ? "mark: missing or damaged\n" : "mark: none yet\n");
    }
}

void add_rows(std::string& out, const storage::row_check& found) {
    add(out, "%-15s %12s %15s %8s %8s %9s", "table", "rows", "bytes", "broken", "stray",
        "bodyless");
    for (std::size_t each = 0; each < storage::table_count; ++each) {
        add_table(out, static_cast<table>(each), found.tables[each]);
    }
    add(out, "buckets of bodies: %zu, %zu of them with nothing that is referred to", found.buckets,
        found.buckets_unused);
    add_leftovers(out, found);
}

void add_node(std::string& out, const std::optional<storage::node_record>& node) {
    if (node) {
        add(out, "node %016llx, schema %u, started %u times",
            static_cast<unsigned long long>(node->node.value), node->schema, node->boot.value);
    } else {
        add(out, "node unknown: its record is not there or is broken");
    }
}

void add_session(std::string& out, const storage::session_stats& each) {
    add(out, "%12zu %15llu %9zu %8zu %14zu  %s", each.queued,
        static_cast<unsigned long long>(each.queued_bytes), each.releases, each.inbound,
        each.subscriptions, each.client_id.substr(0, 200).c_str());
}

} // namespace

std::string check_text(const store_check& found) {
    std::string out;
    if (found.rows) {
        add_node(out, found.rows->node);
    }
    if (found.files) {
        add_files(out, *found.files);
    } else {
        add(out, "files: %s",
            found.checksums.empty() ? "checksums agree" : found.checksums.c_str());
    }
    if (found.is_in_use) {
        out.append(
            "A process uses the store: its log and what else is not in tables was not looked "
            "at.\n");
    }
    if (found.is_read_only) {
        out.append("The store may not be written to, so that its lock cannot be taken: its log and "
                   "what else is not in tables was not looked at.\n");
    }
    if (found.rows) {
        add_rows(out, *found.rows);
    }
    for (const storage::quarantine& each : found.kept) {
        add(out, "kept: %s, damaged, set aside %s, %llu bytes", each.name.c_str(),
            each.when.c_str(), static_cast<unsigned long long>(each.bytes));
    }
    out.append(found.is_sound()
                   ? "Nothing is broken.\n"
                   : "Something is broken: copy the folder before a broker is started on it.\n");
    return out;
}

std::string stats_text(const storage::store_stats& found, const disk_bytes_of& disk_bytes) {
    std::string out;
    add_node(out, found.node);
    add(out, "sessions %zu, of which %zu had a client connected", found.sessions, found.attached);
    add(out, "subscriptions %zu", found.sum.subscriptions);
    add(out, "queued messages %zu, bytes %llu", found.sum.queued,
        static_cast<unsigned long long>(found.sum.queued_bytes));
    add(out, "QoS 2: %zu releases await PUBCOMP, %zu identifiers await PUBREL", found.sum.releases,
        found.sum.inbound);
    add(out, "retained messages %zu, bytes %llu", found.retained,
        static_cast<unsigned long long>(found.retained_bytes));
    add(out, "buckets of bodies %zu", found.buckets);
    add(out, "messages for other nodes %llu, bytes %llu",
        static_cast<unsigned long long>(found.spooled),
        static_cast<unsigned long long>(found.spooled_bytes));
    add(out, "filters of kept sessions of other nodes %llu",
        static_cast<unsigned long long>(found.routes));
    add(out, "\n%-15s %15s", "table", "bytes in files");
    for (std::size_t each = 0; each < storage::table_count; ++each) {
        add(out, "%-15s %15llu", std::string(name_of(static_cast<table>(each))).c_str(),
            static_cast<unsigned long long>(disk_bytes(static_cast<table>(each))));
    }
    if (!found.longest.empty()) {
        add(out, "\nThe longest queues:\n%12s %15s %9s %8s %14s  %s", "messages", "bytes",
            "releases", "inbound", "subscriptions", "client");
        for (const storage::session_stats& each : found.longest) {
            add_session(out, each);
        }
    }
    return out;
}

} // namespace gv::server
