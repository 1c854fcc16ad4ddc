// SPDX-License-Identifier: Apache-2.0
#include "storage/store_database.hpp"

#include "base/log.hpp"
#include "storage/database_files.hpp"
#include "storage/database_lock.hpp"
#include "storage/inspection.hpp"
#include "storage/required_options.hpp"

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace gv::storage {

namespace {

using namespace std::chrono_literals;

/// Between attempts that follow each other closely, twice as long each time: the disk says that
/// there is room and has none.
constexpr int patience_growth_max = 8;
constexpr std::chrono::steady_clock::duration calm = 1min;

/// What is written at once beside what is in the logs: a manifest, and a log with what waits.
/// Larger: it goes on later. Smaller: an attempt may fail, and leaves files until the next one.
constexpr std::uint64_t opening_bytes = 4u << 20;

/// What is in the logs, much of it in tables too.
[[nodiscard]] std::uint64_t log_bytes(const std::string& folder) {
    std::uint64_t bytes = 0;
    for (const std::string& each : list_database(folder).logs) {
        std::error_code failed;
        const auto size = std::filesystem::file_size(folder + "/" + each, failed);
        bytes += failed ? 0 : size;
    }
    return bytes;
}

/// As the manifest names them; nothing if it cannot be read.
[[nodiscard]] std::optional<std::set<std::string>> tables_in_use(const rocksdb_options& of) {
    const auto env = rocksdb::NewCompositeEnv(without_logs(of.file_system));
    rocksdb::DBOptions reading;
    set_required_options(reading);
    reading.env = env.get();
    open_database database;
    if (!database.open_to_read(reading, database_folder(of.folder)).ok()) {
        return std::nullopt;
    }
    std::vector<rocksdb::LiveFileMetaData> live;
    database->GetLiveFilesMetaData(&live);
    std::set<std::string> names;
    for (const rocksdb::LiveFileMetaData& each : live) {
        names.insert(each.name.substr(each.name.find_first_not_of('/')));
    }
    return names;
}

[[nodiscard]] bool is_of(const open_database& found, const node_record& whose) {
    std::string value;
    node_record node;
    return found->Get(rocksdb::ReadOptions(), found.handle(table::meta), slice(node_key), &value)
               .ok()
           && decode(value, node) && node.node == whose.node && node.boot == whose.boot;
}

} // namespace

problem not_writable(const std::string& folder, const io_failure& why) {
    return {.place = folder,
            .what = "the store could not be opened for writing: " + why.text,
            .remedy = why.fault == io_fault::no_space ? "make room on the disk" : "check the disk"};
}

store_database::store_database(rocksdb_options options, file_system_observer observer,
                               std::shared_ptr<rocksdb::EventListener> listener)
    : options_(std::move(options)), observer_(std::move(observer)), listener_(std::move(listener)) {
    if (!options_.file_system) {
        options_.file_system = rocksdb::FileSystem::Default();
    }
    make_file_system();
}

void store_database::make_file_system() {
    files_ = std::make_shared<freezing_file_system>(
        options_.file_system, observer_,
        ballast_settings{.path = options_.folder + "/ballast",
                         .size_bytes = options_.ballast_bytes});
    env_ = rocksdb::NewCompositeEnv(files_);
}

rocksdb::DBOptions store_database::database_options_of() const {
    rocksdb::DBOptions how = database_options(options_, env_.get());
    how.listeners.push_back(listener_);
    return how;
}

result<damage_met, problem> store_database::open() {
    auto met = open_whole(options_, database_options_of(), database_);
    if (!met) {
        return met;
    }
    if (const auto frozen = files_->failure()) {
        return failure(not_writable(options_.folder, *frozen));
    }
    restore_ballast();
    return met;
}

void store_database::restore_ballast() {
    if (const auto made = files_->restore_ballast(); !made) {
        log::warn("no_ballast", {{"folder", options_.folder}, {"problem", made.error().text}});
    }
}

bool store_database::is_full() const {
    const auto frozen = files_->failure();
    return frozen && frozen->fault == io_fault::no_space;
}

commit_outcome store_database::reopen(const node_record& whose) {
    const auto now = std::chrono::steady_clock::now();
    if (now - tried_at_ < patience_) {
        return commit_outcome::no_room;
    }
    if (!has_room() && !std::exchange(is_cleared_, true)) {
        clear_away();
    }
    if (!has_room()) {
        return commit_outcome::no_room;
    }
    const std::chrono::steady_clock::duration patience_min = options_.resume_interval;
    patience_ = patience_ == 0s || now - tried_at_ > calm
                    ? patience_min
                    : std::min(2 * patience_, patience_growth_max * patience_min);
    tried_at_ = now;
    const std::lock_guard alone(in_use_);
    database_.close(); // what it still flushes goes nowhere
    make_file_system();
    is_cleared_ = false;
    return try_to_reopen(whose);
}

// What a flush or compaction left behind that found no room, and what it would have erased. An
// opening does the same, but after it has written a manifest of its own. Here the one in use must
// be on disk as it reads: a sync of it that failed cannot be repeated.
void store_database::clear_away() {
    const std::lock_guard alone(in_use_);
    const auto why = files_->failure();
    const bool is_of_manifest = why
                                && (why->file.find("MANIFEST") != std::string::npos
                                    || why->operation == io_operation::sync_directory);
    database_.close();
    if (is_of_manifest || mark_manifest(database_folder(options_.folder)).number == 0) {
        return;
    }
    const auto found = inspect(options_.folder, thoroughness::quick, options_.file_system);
    const auto used = tables_in_use(options_);
    if (!found || !found->is_whole() || !used) {
        return;
    }
    const std::string folder = database_folder(options_.folder);
    for (const std::string& each : list_database(folder).tables) {
        if (!used->contains(each)) {
            options_.file_system->DeleteFile(folder + "/" + each, {}, nullptr)
                .PermitUncheckedError();
        }
    }
}

bool store_database::has_room() const {
    std::uint64_t free = 0;
    const auto asked = options_.file_system->GetFreeSpace(options_.folder, {}, &free, nullptr);
    // An opening writes tables of what was in memory alone. That is in the logs, and no more than
    // the buffers for it hold, half of which may be on their way.
    const std::uint64_t tables = std::min<std::uint64_t>(
        log_bytes(database_folder(options_.folder)), 2 * options_.write_buffer_bytes);
    const std::uint64_t ballast = files_->has_ballast() ? 0 : options_.ballast_bytes;
    return asked.ok() && free >= tables + opening_bytes + ballast;
}

commit_outcome store_database::try_to_reopen(const node_record& whose) {
    // What a sync covered must be there. What is not is for a start to salvage: what is in memory
    // by now would not fit to it.
    const auto found = inspect(options_.folder, thoroughness::quick, options_.file_system);
    if (!found) { // somebody may be looking at it, as one does when a disk is full
        return is_lock_held(found.error()) ? commit_outcome::no_room : refuse(found.error().what);
    }
    if (!found->is_whole()) {
        return refuse("it is damaged");
    }
    rocksdb::DBOptions how = database_options_of();
    how.create_if_missing = false; // it would be another one
    how.create_missing_column_families = false;
    const rocksdb::Status status =
        database_.open(how, database_folder(options_.folder), table_descriptors(options_));
    if (const auto frozen = files_->failure()) {
        database_.close();
        return frozen->fault == io_fault::no_space ? commit_outcome::no_room : refuse(frozen->text);
    }
    if (!status.ok()) {
        return is_lock_held(unusable_store(options_.folder, status)) ? commit_outcome::no_room
                                                                     : refuse(status.ToString());
    }
    if (!is_of(database_, whose)) {
        database_.close();
        return refuse("it is another one");
    }
    restore_ballast();
    return commit_outcome::done;
}

commit_outcome store_database::refuse(const std::string& why) const {
    log::error("store_lost", {{"folder", options_.folder},
                              {"problem", "it could not be opened again: " + why},
                              {"remedy", "check the disk and restart the broker"}});
    return commit_outcome::failed;
}

} // namespace gv::storage
