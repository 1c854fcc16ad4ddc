// SPDX-License-Identifier: Apache-2.0
#include "storage/inspection.hpp"

#include "storage/database.hpp"
#include "storage/database_files.hpp"
#include "storage/database_lock.hpp"
#include "storage/log_file.hpp"
#include "storage/required_options.hpp"

#include <rocksdb/env.h>
#include <rocksdb/sst_file_reader.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

namespace gv::storage {

namespace {

class inspector {
  public:
    inspector(const std::string& store, std::shared_ptr<rocksdb::FileSystem> files,
              std::uint64_t quick_bytes_max)
        : store_(store), folder_(database_folder(store)), quick_bytes_max_(quick_bytes_max),
          files_(files ? std::move(files) : rocksdb::FileSystem::Default()),
          env_(rocksdb::NewCompositeEnv(without_logs(files_))) {}

    result<inspection, problem> run(thoroughness how) {
        found_.mark = read_mark(folder_ + "/" + mark_name);
        list_ = list_database(folder_);
        if (list_.has_current || !list_.tables.empty() || !list_.logs.empty()) {
            look_at_catalogue();
        }
        look_at_logs();
        if (found_.has_catalogue && is_catalogue_short()) {
            distrust_catalogue("is cut short");
            look_at_logs();
        }
        if (found_.lost_operations > 0) {
            blame();
        }
        found_.lacks_mark = !found_.mark && (found_.tables_last > 0 || !list_.tables.empty());
        look_at_tables(how);
        if (refusal_) {
            return failure(*refusal_);
        }
        return found_;
    }

  private:
    void add(std::string name, file_kind kind, std::string problem, bool is_usable = false) {
        found_.damaged.push_back({.name = std::move(name),
                                  .kind = kind,
                                  .problem = std::move(problem),
                                  .is_usable = is_usable});
    }

    // What is not there or not right is damage; a disk that does not answer is not.
    [[nodiscard]] bool is_damage(const rocksdb::Status& status) {
        if (status.IsIOError() && !status.IsPathNotFound()) {
            refusal_ = unusable_store(store_, status);
            return false;
        }
        return true;
    }

    void look_at_catalogue() {
        std::string manifest = current_manifest(folder_);
        if (manifest.empty()) {
            if (list_.manifests.empty()) {
                add("MANIFEST", file_kind::manifest, "is missing");
                return;
            }
            add("CURRENT", file_kind::current,
                list_.has_current ? "names no manifest that is there" : "is missing");
            return;
        }
        rocksdb::DBOptions options;
        set_required_options(options);
        options.env = env_.get();
        options.paranoid_checks = false; // tables have their turn
        options.max_open_files = 16;
        open_database database;
        const rocksdb::Status status = database.open_to_read(options, folder_);
        if (!status.ok()) {
            if (is_damage(status)) {
                add(manifest, file_kind::manifest, status.ToString());
            }
            return;
        }
        if (found_.mark) {
            if (const std::string fault = manifest_fault(folder_, found_.mark->manifest);
                !fault.empty()) {
                distrust_catalogue(fault);
                return;
            }
        }
        found_.has_catalogue = true;
        found_.tables_last = database->GetLatestSequenceNumber();
        std::vector<rocksdb::LiveFileMetaData> live;
        database->GetLiveFilesMetaData(&live);
        for (const rocksdb::LiveFileMetaData& each : live) {
            known_[each.name.substr(each.name.find_first_not_of('/'))] = each.size;
        }
    }

    void distrust_catalogue(const std::string& fault) {
        add(current_manifest(folder_), file_kind::manifest, fault);
        found_.has_catalogue = false;
        known_.clear();
    }

    void look_at_tables(thoroughness how) {
        if (!found_.has_catalogue) {
            for (const std::string& each : list_.tables) {
                known_[each] = 0;
            }
        }
        for (const std::string& each : list_.tables) {
            std::error_code ignored;
            found_.bytes += std::filesystem::file_size(folder_ + "/" + each, ignored);
        }
        found_.is_thorough = how == thoroughness::complete || found_.bytes <= quick_bytes_max_
                             || std::filesystem::exists(folder_ + "/" + suspicion_name);
        for (const auto& [name, expected] : known_) {
            look_at_table(name, expected);
        }
    }

    void look_at_table(const std::string& name, std::uint64_t expected) {
        const std::string path = folder_ + "/" + name;
        std::error_code failed;
        const auto size = std::filesystem::file_size(path, failed);
        if (failed) {
            add(name, file_kind::table, "is missing");
        } else if (expected > 0 && size != expected) {
            add(name, file_kind::table, "is of the wrong size");
        } else {
            rocksdb::Options options;
            options.env = env_.get();
            rocksdb::SstFileReader reader(options);
            rocksdb::Status status = reader.Open(path);
            const bool is_open = status.ok();
            if (is_open && found_.is_thorough) {
                status = reader.VerifyChecksum();
            }
            if (status.ok() || !is_damage(status)) {
                return;
            }
            add(name, file_kind::table, status.ToString(), is_open);
        }
        found_.damaged.back().rows_lost = found_.damaged.back().is_usable ? 0 : 1;
    }

    // A manifest that has lost its end names a state of before, which is right but for what is gone
    // since: there are tables that it does not know, and logs do not go on where it ends.
    [[nodiscard]] bool is_catalogue_short() const {
        const bool knows_all = std::ranges::all_of(
            list_.tables, [this](const std::string& name) { return known_.contains(name); });
        return !knows_all
               && (found_.lost_operations > 0 || found_.log_first > found_.tables_last + 1);
    }

    // The sequences of all operations follow each other, in tables up to one and from there in
    // logs. Which of them were acknowledged is told by the mark.
    void look_at_logs() {
        known_until_ = found_.mark ? found_.mark->sequence : 0;
        last_ = found_.has_catalogue ? found_.tables_last : 0;
        found_.lost_operations = found_.log_first = found_.log_operations = 0;
        skipping_.clear();
        for (const std::string& name : list_.logs) {
            const log_state state = read_log(folder_ + "/" + name,
                                             [this](const log_record& record) { follow(record); });
            if (!state.is_readable) {
                refusal_ = problem{.place = folder_ + "/" + name,
                                   .what = "the file cannot be read",
                                   .remedy = "check the disk and who may read the file"};
                return;
            }
            if (state.bytes_skipped > 0 || state.records == 0) {
                skipping_.push_back(name);
            }
        }
        if (found_.has_catalogue || found_.log_first > 0) {
            expect(known_until_ + 1);
        }
    }

    void follow(const log_record& record) {
        // Where tables end is not known without a catalogue.
        if (found_.log_first > 0 || found_.has_catalogue) {
            expect(record.first);
        }
        found_.log_first = found_.log_first > 0 ? found_.log_first : record.first;
        if (record.operations > 0) {
            last_ = std::max(last_, record.last());
            found_.log_operations += record.operations;
        }
    }

    /// `next` follows the last operation that was seen, or what is between is lost.
    void expect(std::uint64_t next) {
        const std::uint64_t end = std::min(next, known_until_ + 1);
        found_.lost_operations += end > last_ + 1 ? end - (last_ + 1) : 0;
    }

    void blame() {
        for (const std::string& name : skipping_) {
            add(name, file_kind::log, "is damaged before its end", true);
        }
        if (skipping_.empty()) {
            add("a log", file_kind::log, "is missing or cut short");
        }
    }

    std::string store_;
    std::string folder_;
    std::uint64_t quick_bytes_max_;
    std::shared_ptr<rocksdb::FileSystem> files_;
    std::unique_ptr<rocksdb::Env> env_;
    database_files list_;
    std::map<std::string, std::uint64_t> known_; ///< tables with their sizes; 0: any
    std::uint64_t known_until_ = 0;              ///< by the mark
    std::uint64_t last_ = 0;                     ///< operation that was seen
    std::vector<std::string> skipping_;
    inspection found_;
    std::optional<problem> refusal_;
};

} // namespace

result<inspection, problem> inspect(const std::string& folder, thoroughness how,
                                    std::shared_ptr<rocksdb::FileSystem> file_system,
                                    std::uint64_t quick_bytes_max) {
    std::error_code ignored;
    if (!std::filesystem::exists(database_folder(folder), ignored)) {
        return inspection{};
    }
    database_lock lock(file_system);
    if (auto taken = lock.take(folder); !taken) {
        return failure(std::move(taken.error()));
    }
    return inspector(folder, std::move(file_system), quick_bytes_max).run(how);
}

bool is_in_use(const std::string& folder) {
    std::error_code ignored;
    if (!std::filesystem::exists(database_folder(folder) + "/LOCK", ignored)) {
        return false;
    }
    const auto taken = database_lock({}).take(folder);
    return !taken && is_lock_held(taken.error());
}

std::string_view to_text(file_kind kind) noexcept {
    switch (kind) {
    case file_kind::current:
        return "current";
    case file_kind::manifest:
        return "manifest";
    case file_kind::table:
        return "table";
    case file_kind::log:
        return "log";
    }
    return {};
}

void suspect_damage(const std::string& folder) {
    std::ofstream(database_folder(folder) + "/" + suspicion_name) << "read every block\n";
}

void forget_suspicion(const std::string& folder) {
    std::error_code ignored;
    std::filesystem::remove(database_folder(folder) + "/" + suspicion_name, ignored);
}

} // namespace gv::storage
