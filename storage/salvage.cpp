// SPDX-License-Identifier: Apache-2.0
#include "storage/salvage.hpp"

#include "storage/database.hpp"
#include "storage/database_files.hpp"
#include "storage/database_lock.hpp"
#include "storage/freezing_file_system.hpp"
#include "storage/salvage_copy.hpp"

#include <fcntl.h>
#include <rocksdb/env.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>

namespace gv::storage {

namespace {

namespace fs = std::filesystem;

void sync_folder(const std::string& folder) {
    const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened >= 0) {
        ::fsync(opened);
        ::close(opened);
    }
}

/// quarantine-20260131T235959Z, with a number behind it if there is one already.
[[nodiscard]] std::string free_quarantine(const std::string& store) {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts);
    const std::string name = store + "/quarantine-" + text;
    std::string wanted = name;
    for (int number = 2; fs::exists(wanted); ++number) {
        wanted = name + "-" + std::to_string(number);
    }
    return wanted;
}

/// "20260131T235959Z" at the beginning of `text`, with what a person wants between; else empty.
[[nodiscard]] std::string date_in(std::string_view text) {
    constexpr std::size_t size = 16;
    if (text.size() < size || text[8] != 'T' || text[15] != 'Z') {
        return {};
    }
    std::string made;
    for (std::size_t i = 0; i < size; ++i) {
        made.append(i == 4 || i == 6 ? "-" : i == 11 || i == 13 ? ":" : "").push_back(text[i]);
    }
    return made;
}

[[nodiscard]] std::uint64_t bytes_in(const fs::path& folder) {
    std::uint64_t sum = 0;
    std::error_code failed;
    for (const auto& entry : fs::recursive_directory_iterator(folder, failed)) {
        const std::uint64_t size = entry.is_regular_file(failed) ? entry.file_size(failed) : 0;
        sum += failed ? 0 : size;
    }
    return sum;
}

class salvager {
  public:
    salvager(const rocksdb_options& wanted, const inspection& found)
        : wanted_(wanted), found_(found), store_(wanted.folder), from_(database_folder(store_)),
          links_(store_ + "/salvage.tmp"), made_(store_ + "/salvage.new"),
          files_(std::make_shared<freezing_file_system>(
              wanted.file_system ? wanted.file_system : rocksdb::FileSystem::Default())),
          env_(rocksdb::NewCompositeEnv(files_)) {
        report_.lost_operations = found.lost_operations;
    }

    result<salvage_report, problem> run() {
        clear();
        list_ = list_database(from_);
        if (auto linked = link_files(); !linked) {
            clear();
            return failure(std::move(linked.error()));
        }
        const bool is_mended = mend();
        if (!is_mended) {
            copy_rows();
        }
        if (final_) {
            replay_logs();
        }
        if (auto ended = end(is_mended ? links_ : made_); !ended) {
            clear();
            return failure(std::move(ended.error()));
        }
        return report_;
    }

  private:
    void clear() {
        final_.close();
        std::error_code ignored;
        fs::remove_all(links_, ignored);
        fs::remove_all(made_, ignored);
    }

    [[nodiscard]] problem hindered(const std::string& what) const {
        return {.place = store_,
                .what = "the damaged store could not be saved: " + what,
                .remedy = "make room on the disk, or move " + from_ + " away to start empty"};
    }

    [[nodiscard]] const damaged_file* damage_of(const std::string& name) const {
        const auto at = std::ranges::find(found_.damaged, name, &damaged_file::name);
        return at == found_.damaged.end() ? nullptr : &*at;
    }

    // Links, so that what is done to them leaves the originals and takes no room. Logs are read
    // where they are.
    result<void, problem> link_files() {
        std::error_code failed;
        fs::create_directory(links_, failed);
        std::vector<std::string> wanted = list_.tables;
        std::erase_if(wanted, [this](const std::string& name) {
            const damaged_file* damage = damage_of(name);
            return damage != nullptr && !damage->is_usable;
        });
        wanted.insert(wanted.end(), list_.manifests.begin(), list_.manifests.end());
        if (list_.has_current) {
            wanted.emplace_back("CURRENT");
        }
        for (const std::string& each : wanted) {
            fs::create_hard_link(from_ + "/" + each, links_ + "/" + each, failed);
            if (failed) {
                failed.clear();
                fs::copy_file(from_ + "/" + each, links_ + "/" + each, failed);
            }
            if (failed) {
                return failure(hindered(each + ": " + failed.message()));
            }
        }
        return {};
    }

    [[nodiscard]] bool has_damaged(file_kind kind) const {
        return std::ranges::find(found_.damaged, kind, &damaged_file::kind) != found_.damaged.end();
    }

    [[nodiscard]] rocksdb::DBOptions options() const {
        rocksdb::DBOptions made = database_options(wanted_, env_.get());
        made.rate_limiter = nullptr; // somebody waits for it
        return made;
    }

    // Where all tables are whole the database needs no more than its manifest named, or nothing.
    [[nodiscard]] bool mend() {
        if (has_damaged(file_kind::table) || has_damaged(file_kind::manifest)
            || list_.manifests.empty()) {
            return false;
        }
        name_manifest();
        const bool is_whole =
            final_.open(options(), links_, table_descriptors(wanted_)).ok()
            && (found_.has_catalogue || final_->VerifyChecksum(rocksdb::ReadOptions()).ok());
        if (!is_whole) {
            final_.close();
            return false;
        }
        count_gap(final_->GetLatestSequenceNumber());
        return true;
    }

    // A new file: the one that is linked is kept as it is.
    void name_manifest() const {
        if (has_damaged(file_kind::current)) {
            fs::remove(links_ + "/CURRENT");
            std::ofstream(links_ + "/CURRENT") << list_.manifests.back() << '\n';
        }
    }

    /// Between the last operation in tables and the first in logs, if the manifest did not tell.
    void count_gap(std::uint64_t tables_last) {
        if (found_.has_catalogue || !found_.mark) {
            return;
        }
        const std::uint64_t known = found_.mark->sequence;
        const std::uint64_t begin =
            found_.log_first > 0 ? std::min(found_.log_first - 1, known) : known;
        report_.lost_operations += begin > tables_last ? begin - tables_last : 0;
    }

    void copy_rows() {
        for (const damaged_file& each : found_.damaged) {
            report_.rows_lost += each.rows_lost;
        }
        if (!final_.open(options(), made_, table_descriptors(wanted_)).ok()) {
            final_.close();
            return;
        }
        row_writer writer(final_);
        const bool needs_repair =
            !found_.has_catalogue
            || std::ranges::any_of(found_.damaged, [](const damaged_file& each) {
                   return each.kind == file_kind::table && !each.is_usable;
               });
        if (needs_repair) {
            // It drops a table of which any block is damaged; what is newer is written over these.
            copy_damaged_tables(writer);
            repair();
        }
        copy_all(writer);
        writer.flush();
        report_.rows_saved = writer.rows;
    }

    void repair() const {
        std::error_code ignored;
        for (const std::string& each : list_.manifests) {
            fs::remove(links_ + "/" + each, ignored);
        }
        fs::remove(links_ + "/CURRENT", ignored);
        rocksdb::RepairDB(links_, options(), table_descriptors(wanted_),
                          rocksdb::ColumnFamilyOptions())
            .PermitUncheckedError(); // what it could not repair is not found by the copying
    }

    void copy_damaged_tables(row_writer& writer) {
        for (const damaged_file& each : found_.damaged) {
            if (each.kind == file_kind::table && each.is_usable) {
                add(copy_table_file(links_ + "/" + each.name, env_.get(), writer));
            }
        }
    }

    void copy_all(row_writer& writer) {
        rocksdb::DBOptions reading = options();
        reading.paranoid_checks = false;
        const auto logless = rocksdb::NewCompositeEnv(without_logs(files_));
        reading.env = logless.get();
        open_database source;
        if (!source.open_to_read(reading, links_).ok()) {
            return;
        }
        count_gap(source->GetLatestSequenceNumber());
        for (std::size_t i = 0; i < table_count; ++i) {
            if (auto* handle = source.handle(static_cast<table>(i))) {
                rocksdb::ReadOptions scanning;
                scanning.fill_cache = false;
                const std::unique_ptr<rocksdb::Iterator> at(source->NewIterator(scanning, handle));
                add(storage::copy_rows(static_cast<table>(i), *at, writer));
            }
        }
    }

    void add(const row_scan& done) {
        report_.rows_lost += done.gaps;
        is_read_ = is_read_ && done.is_readable;
    }

    void replay_logs() {
        for (const std::string& each : list_.logs) {
            const log_replay done = replay_log(from_ + "/" + each, final_);
            report_.operations_saved += done.operations;
            is_read_ = is_read_ && done.is_readable;
        }
    }

    result<void, problem> end(const std::string& made) {
        if (!final_) {
            return failure(hindered(frozen_text("a new database cannot be made")));
        }
        if (auto known = keep_node(); !known) {
            return known;
        }
        std::vector<rocksdb::ColumnFamilyHandle*> all;
        for (std::size_t i = 0; i < table_count; ++i) {
            all.push_back(final_.handle(static_cast<table>(i)));
        }
        const bool is_flushed = final_->Flush(rocksdb::FlushOptions(), all).ok();
        if (!final_.close() || !is_flushed || files_->is_frozen() || !is_read_) {
            return failure(hindered(frozen_text("a file cannot be read")));
        }
        return exchange(made);
    }

    [[nodiscard]] std::string frozen_text(const char* otherwise) const {
        const auto why = files_->failure();
        return why ? why->text : otherwise;
    }

    // It stays the same node if its record is gone, and no life begins under the number of another:
    // what was made in one that is lost may be with others.
    result<void, problem> keep_node() {
        std::string value;
        node_record node;
        const bool is_known =
            final_->Get(rocksdb::ReadOptions(), final_.handle(table::meta), slice(node_key), &value)
                .ok()
            && decode(value, node);
        if (is_known && node.schema > schema) {
            return failure(newer_store(store_, node.schema));
        }
        if (found_.mark && (!is_known || node.boot < found_.mark->boot)) {
            node.node = is_known ? node.node : found_.mark->node;
            node.boot = found_.mark->boot;
            value.clear();
            encode(node, value);
            rocksdb::WriteOptions unlogged;
            unlogged.disableWAL = true;
            final_->Put(unlogged, final_.handle(table::meta), slice(node_key), slice(value))
                .PermitUncheckedError();
        }
        return {};
    }

    result<void, problem> exchange(const std::string& made) {
        const std::string ready = store_ + "/salvage.ready";
        report_.kept_in = free_quarantine(store_);
        std::error_code failed;
        fs::rename(made, ready, failed);
        sync_folder(store_);
        if (!failed) {
            fs::rename(from_, report_.kept_in, failed);
        }
        if (!failed) {
            sync_folder(store_);
            fs::rename(ready, from_, failed);
        }
        if (failed) {
            return failure(hindered(failed.message()));
        }
        sync_folder(store_);
        clear();
        return {};
    }

    const rocksdb_options& wanted_;
    const inspection& found_;
    std::string store_;
    std::string from_;
    std::string links_;
    std::string made_;
    std::shared_ptr<freezing_file_system> files_;
    std::unique_ptr<rocksdb::Env> env_;
    database_files list_;
    open_database final_;
    bool is_read_ = true;
    salvage_report report_;
};

} // namespace

result<salvage_report, problem> salvage(const rocksdb_options& wanted, const inspection& found) {
    database_lock lock(wanted.file_system);
    if (auto taken = lock.take(wanted.folder); !taken) {
        return failure(std::move(taken.error()));
    }
    return salvager(wanted, found).run();
}

std::vector<quarantine> list_quarantines(const std::string& folder) {
    constexpr std::string_view beginning = "quarantine-";
    std::vector<quarantine> found;
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(folder, failed)) {
        std::string name = entry.path().filename();
        if (name.starts_with(beginning)) {
            std::string when = date_in(std::string_view(name).substr(beginning.size()));
            found.push_back({.name = std::move(name),
                             .when = std::move(when),
                             .bytes = bytes_in(entry.path())});
        }
    }
    std::ranges::sort(found, {}, &quarantine::name);
    return found;
}

void finish_salvage(const std::string& folder) {
    std::error_code ignored;
    const std::string ready = folder + "/salvage.ready";
    const bool is_ready = fs::exists(ready, ignored);
    if (is_ready && !fs::exists(database_folder(folder), ignored)) {
        fs::rename(ready, database_folder(folder), ignored);
        sync_folder(folder);
    }
    // What else is there was made of a database that has not been touched. Another process may be
    // about to do it again.
    database_lock lock({});
    if (fs::exists(database_folder(folder), ignored) && lock.take(folder)) {
        for (const char* each : {"/salvage.ready", "/salvage.tmp", "/salvage.new"}) {
            fs::remove_all(folder + each, ignored);
        }
    }
}

} // namespace gv::storage
