// SPDX-License-Identifier: Apache-2.0
#include "storage/store_opening.hpp"

#include "base/log.hpp"
#include "storage/database_files.hpp"
#include "storage/database_lock.hpp"
#include "storage/inspection.hpp"
#include "storage/salvage.hpp"

#include <filesystem>

namespace gv::storage {

namespace {

// A newer version may have tables that this one does not know. It says so in one that both have.
[[nodiscard]] problem other_tables(const std::string& folder, rocksdb::Env* env,
                                   const rocksdb::Status& status) {
    rocksdb::DBOptions reading;
    reading.env = env;
    reading.info_log = make_rocksdb_log();
    open_database found;
    if (!found.open_to_read(reading, database_folder(folder)).ok()) {
        return unusable_store(folder, status);
    }
    std::string value;
    node_record node;
    const bool is_newer =
        found->Get(rocksdb::ReadOptions(), found.handle(table::meta), slice(node_key), &value).ok()
        && decode(value, node) && node.schema > schema;
    return is_newer ? newer_store(folder, node.schema) : unusable_store(folder, status);
}

[[nodiscard]] problem refused(const std::string& folder, const inspection& found) {
    const std::string first =
        found.damaged.empty() ? "acknowledged operations are gone"
                              : found.damaged.front().name + ": " + found.damaged.front().problem;
    return {.place = folder,
            .what = "the store is damaged: " + first
                    + "; acknowledged operations lost: " + std::to_string(found.lost_operations),
            .remedy = "restore the folder from a copy, or set storage.salvage = true to go on with "
                      "what can be read; what cannot is kept beside it"};
}

[[nodiscard]] result<damage_met, problem> set_aside(const rocksdb_options& wanted,
                                                    const inspection& found) {
    for (const damaged_file& each : found.damaged) {
        log::error("store_file_damaged",
                   {{"folder", wanted.folder}, {"file", each.name}, {"problem", each.problem}});
    }
    if (!wanted.salvage) {
        return failure(refused(wanted.folder, found));
    }
    log::warn("store_being_salvaged",
              {{"folder", wanted.folder},
               {"bytes", found.bytes},
               {"means", "the broker listens once what can be read is copied"}});
    const auto saved = salvage(wanted, found);
    if (!saved) {
        return failure(saved.error());
    }
    log::error("store_salvaged",
               {{"folder", wanted.folder},
                {"damaged_files", found.damaged.size()},
                {"rows_copied", saved->rows_saved},
                {"rows_lost_at_least", saved->rows_lost},
                {"log_operations_saved", saved->operations_saved},
                {"lost_operations", saved->lost_operations},
                {"kept_in", saved->kept_in},
                {"remedy", "check the disk; delete the kept folder when nobody needs it"}});
    return damage_met{.files = found.damaged.size(),
                      .lost_operations = saved->lost_operations,
                      .rows_lost = saved->rows_lost};
}

// Nothing in it is needed; without it nobody can tell whether the end of the log is.
[[nodiscard]] damage_met note_mark(const rocksdb_options& wanted, const inspection& found) {
    if (!found.lacks_mark) {
        return {};
    }
    log::error("store_file_damaged",
               {{"folder", wanted.folder},
                {"file", mark_name},
                {"problem", "is missing or damaged"},
                {"means", "acknowledged operations lost from the end of the log, if any, are not "
                          "counted at this start; the file is made anew"}});
    return {.files = 1};
}

[[nodiscard]] result<damage_met, problem> make_whole(const rocksdb_options& wanted) {
    const auto found =
        inspect(wanted.folder, thoroughness::quick, wanted.file_system, wanted.read_at_start_max);
    if (!found) {
        return failure(found.error());
    }
    damage_met met = note_mark(wanted, *found);
    if (found->is_whole()) {
        if (found->is_thorough) {
            forget_suspicion(wanted.folder);
        }
        return met;
    }
    auto done = set_aside(wanted, *found);
    if (done) {
        done->files += met.files;
    }
    return done;
}

[[nodiscard]] result<void, problem> make_folder(const std::string& folder) {
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    if (!failed) {
        finish_salvage(folder);
        std::filesystem::create_directories(database_folder(folder), failed);
    }
    if (failed) {
        return failure(problem{.place = folder,
                               .what = "the folder cannot be made: " + failed.message(),
                               .remedy = "name one that the broker may write to (storage.folder)"});
    }
    return {};
}

} // namespace

result<damage_met, problem> open_whole(const rocksdb_options& wanted, const rocksdb::DBOptions& how,
                                       open_database& into) {
    if (auto made = make_folder(wanted.folder); !made) {
        return failure(std::move(made.error()));
    }
    auto met = make_whole(wanted);
    if (!met) {
        return met;
    }
    const std::string folder = database_folder(wanted.folder);
    const auto tables = table_descriptors(wanted);
    rocksdb::Status status = into.open(how, folder, tables);
    if (status.IsCorruption() && met->files == 0) {
        // Something that the inspection does not look at.
        inspection unseen;
        unseen.mark = read_mark(folder + "/" + mark_name);
        unseen.damaged.push_back(
            {.name = "db", .kind = file_kind::manifest, .problem = status.ToString()});
        met = set_aside(wanted, unseen);
        if (!met) {
            return met;
        }
        status = into.open(how, folder, tables);
    }
    if (!status.ok()) {
        return failure(status.IsInvalidArgument() ? other_tables(wanted.folder, how.env, status)
                                                  : unusable_store(wanted.folder, status));
    }
    return met;
}

} // namespace gv::storage
