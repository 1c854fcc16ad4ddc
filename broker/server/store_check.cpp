// SPDX-License-Identifier: Apache-2.0
#include "broker/server/store_check.hpp"

#include "broker/server/store_json.hpp"
#include "storage/offline_store.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <unistd.h>

#include <cerrno>

namespace gv::server {

namespace {

namespace json = boost::json;

/// The rows that a broker would find.
void look_at_rows(store_check& into) {
    const auto store = storage::open_offline_store(into.folder);
    if (!store) {
        into.problems.push_back(store.error());
        return;
    }
    if (!into.files) {
        into.checksums = (*store)->check_files();
    }
    into.rows = check_rows(**store);
}

void add(std::string& out, const json::object& line) {
    out.append(json::serialize(line)).append("\n");
}

[[nodiscard]] json::object file_json(const storage::damaged_file& of) {
    return {{"type", "damaged_file"},   {"name", of.name},
            {"kind", to_text(of.kind)}, {"problem", of.problem},
            {"usable", of.is_usable},   {"rows_lost_at_least", of.rows_lost}};
}

[[nodiscard]] json::object table_json(storage::table which, const storage::table_report& of) {
    return {{"type", "table"},
            {"name", name_of(which)},
            {"rows", of.rows},
            {"bytes", of.bytes},
            {"broken", of.broken},
            {"stray", of.stray},
            {"bodyless", of.without_body},
            {"readable", of.is_readable},
            {"examples", json::array(of.examples.begin(), of.examples.end())}};
}

void add_files(json::object& to, const storage::inspection& found) {
    to["damaged_files"] = found.damaged.size();
    to["lost_operations"] = found.lost_operations;
    to["table_bytes"] = found.bytes;
    to["log_operations"] = found.log_operations;
    to["mark"] = found.mark ? "present" : found.lacks_mark ? "missing" : "none yet";
    if (found.mark) {
        to["synced"] = found.mark->sequence;
        to["node"] = hex_json(found.mark->node.value);
        to["starts"] = found.mark->boot.value;
    }
}

} // namespace

bool store_check::is_sound() const noexcept {
    return problems.empty() && checksums.empty() && rows && rows->is_sound()
           && (!files || (files->is_whole() && !files->lacks_mark));
}

result<store_check, problem> check_store(const std::string& folder) {
    store_check made{.folder = folder,
                     .is_in_use = storage::is_in_use(folder),
                     .is_read_only = ::access((folder + "/db/LOCK").c_str(), W_OK) != 0
                                     && (errno == EACCES || errno == EROFS),
                     .files = {},
                     .checksums = {},
                     .rows = {},
                     .problems = {},
                     .kept = storage::list_quarantines(folder)};
    if (!storage::has_store(folder)) {
        return failure(storage::open_offline_store(folder).error());
    }
    if (!made.is_in_use && !made.is_read_only) {
        if (auto files = storage::inspect(folder, storage::thoroughness::complete)) {
            made.files = std::move(*files);
        } else {
            made.problems.push_back(std::move(files.error()));
        }
    }
    look_at_rows(made);
    return made;
}

std::string check_lines(const store_check& found) {
    std::string out;
    json::object end{{"type", "check"}, {"folder", found.folder}, {"sound", found.is_sound()}};
    end["in_use"] = found.is_in_use;
    end["read_only"] = found.is_read_only;
    end["files_inspected"] = found.files.has_value();
    if (found.files) {
        for (const storage::damaged_file& each : found.files->damaged) {
            add(out, file_json(each));
        }
        add_files(end, *found.files);
    } else if (!found.checksums.empty()) {
        end["checksums"] = found.checksums;
    }
    end["rows_readable"] = found.rows.has_value();
    if (found.rows) {
        for (std::size_t each = 0; each < storage::table_count; ++each) {
            add(out, table_json(static_cast<storage::table>(each), found.rows->tables[each]));
        }
        end["buckets"] = found.rows->buckets;
        end["buckets_unused"] = found.rows->buckets_unused;
        if (found.rows->node) {
            end["schema"] = found.rows->node->schema;
            end["node"] = hex_json(found.rows->node->node.value);
            end["starts"] = found.rows->node->boot.value;
        }
    }
    for (const storage::quarantine& each : found.kept) {
        add(out, {{"type", "quarantine"},
                  {"name", each.name},
                  {"when", each.when},
                  {"bytes", each.bytes}});
    }
    json::array problems;
    for (const problem& each : found.problems) {
        problems.emplace_back(each.place + ": " + each.what);
    }
    end["problems"] = std::move(problems);
    end["quarantines"] = found.kept.size();
    add(out, end);
    return out;
}

} // namespace gv::server
